//! The process supervisor of a host: the module that `cluster.supervisor` names. It is on every host without being a
//! role, it puts itself into the background, and it reads the entries of the current generations. Where systemd
//! supervises, there is nothing of the kind.

use super::draft::{Modules, prefix};
use super::render::Renderer;
use super::software::{self, Used};
use super::{Supervisor, Supervisord, SupervisordPaths, context, paths};
use crate::config::params_of;
use crate::diag::{Code, Diag, Diagnostics, Span};
use crate::expr::Context;
use crate::lock::Lock;
use crate::model::{
    Cluster, FileContent, HostSpec, Module, ModuleName, Name, Role, RoleId, ServiceName, SupervisorKind, Template,
    Value, Version,
};
use indexmap::IndexMap;
use serde_json::{Map, json};
use std::sync::Arc;

/// The supervisor of a host, and the software that it and its required modules are.
pub(super) fn of(
    cluster: &Cluster,
    modules: &Modules,
    lock: &Lock,
    host: &HostSpec,
    found: &mut Diagnostics,
) -> Option<(Supervisor, Vec<Used>)> {
    let name = ModuleName::new(cluster.supervisor.as_str()).ok();
    let Some(module) = name.as_ref().and_then(|name| modules.get(name)) else {
        let message = format!("there is no module `{}`, which should supervise the processes", cluster.supervisor);
        found.push(Diag::at(Code::Unresolved, cluster.supervisor.span, message).label("unknown"));
        return None;
    };
    if SupervisorKind::of_module(module.name.as_str()) == SupervisorKind::Systemd {
        return Some((Supervisor::Systemd, Vec::new()));
    }
    let prefix = prefix(cluster, host);
    let role = cluster.roles.iter().find(|role| {
        role.module.value == module.name.value && role.hosts.iter().any(|place| place.value == host.name.value)
    });
    let mut used = |module: &Arc<Module>| match software::used(cluster, role, module, &prefix, lock) {
        Ok(used) => Some(used),
        Err(diag) => {
            found.push(*diag);
            None
        }
    };
    let own = used(module);
    let required: Option<Vec<(ModuleName, Used)>> = module
        .requires
        .iter()
        .map(|need| Some((need.module.value.clone(), used(modules.get(&need.module.value)?)?)))
        .collect();
    let (own, required) = (own?, required?);
    let conf = format!("{prefix}/conf/{}", module.name.value);
    let mut context = Map::new();
    context.insert("cluster".into(), json!({"name": cluster.name.as_str()}));
    context.insert("host".into(), context::host(host, &prefix));
    context.insert("version".into(), own.version.as_str().into());
    context.insert("software".into(), own.home.as_str().into());
    context.insert("conf".into(), conf.as_str().into());
    let (log, run) = (format!("{prefix}/log"), format!("{prefix}/run"));
    context.insert("dirs".into(), json!({"data": run, "log": log, "run": run, "tmp": run, "conf": conf}));
    for (module, used) in &required {
        context.insert(context::snake(module.as_str()), json!({"home": used.home, "version": used.version.as_str()}));
    }
    context.extend(context::params(&params(role, host, module)));
    let who = format!("{} on {}", module.name.value, host.name.value);
    let mut renderer = Renderer::new(&Context::new(&context.into()), None, who, found);
    let supervisor = render(module, &own.version, &prefix, &mut renderer)?;
    Some((
        Supervisor::Supervisord(supervisor),
        [own].into_iter().chain(required.into_iter().map(|(_, used)| used)).collect(),
    ))
}

/// Its parameters: the defaults, unless a role of the module says otherwise.
fn params(role: Option<&Role>, host: &HostSpec, module: &Module) -> IndexMap<Name, Value> {
    let name = module.name.as_str();
    let implied = (RoleId::new(name), ServiceName::new(name));
    match (role, implied) {
        (Some(role), _) => params_of(role, &host.name.value, module),
        (None, (Ok(id), Ok(service))) => {
            let implied = Role {
                id,
                module: module.name.clone(),
                label: None,
                service,
                hosts: Vec::new(),
                params: IndexMap::new(),
                overrides: IndexMap::new(),
                free: Vec::new(),
                versions: IndexMap::new(),
                span: Span::default(),
            };
            params_of(&implied, &host.name.value, module)
        }
        (None, _) => IndexMap::new(),
    }
}

/// Where a supervisor of our own is when its module has the usual name.
pub(super) fn usual_paths(prefix: &str) -> SupervisordPaths {
    let name = SupervisorKind::Supervisord.word();
    SupervisordPaths {
        config: format!("{prefix}/conf/{name}/{name}.conf"),
        socket: format!("{prefix}/run/{name}.sock"),
        pidfile: format!("{prefix}/run/{name}.pid"),
    }
}

fn render(module: &Module, version: &Version, prefix: &str, renderer: &mut Renderer<'_>) -> Option<Supervisord> {
    let (Some(process), [file]) = (&module.process, module.files.as_slice()) else {
        let message =
            format!("`{}` can't supervise: it has a process and exactly one file, its configuration", module.name);
        renderer.report(Diag::at(Code::Missing, module.name.span, message));
        return None;
    };
    let name = renderer.text(&file.path)?;
    if let Err(why) = paths::in_generation(&name) {
        renderer.report(Diag::at(
            Code::RenderFailed,
            file.path.0.span,
            format!("`{name}` is no place for a file: {why}"),
        ));
        return None;
    }
    let template = match &file.content {
        FileContent::Inline(template) => Some(template),
        FileContent::TemplateFile(name) => module.templates.get(name),
    };
    let config = renderer.text(template?);
    let mut words =
        |templates: &[Template]| -> Option<Vec<String>> { templates.iter().map(|word| renderer.text(word)).collect() };
    let (command, control) = (words(&process.command), words(&process.control));
    let env: Option<Vec<_>> =
        process.env.iter().map(|(name, value)| Some((name.clone(), renderer.text(value)?))).collect();
    Some(Supervisord {
        command: command?,
        control: control?,
        version: version.clone(),
        env: env?.into_iter().collect(),
        config_path: format!("{prefix}/conf/{}/{name}", module.name.value),
        config: config?,
        socket: format!("{prefix}/run/{}.sock", module.name.value),
        pidfile: format!("{prefix}/run/{}.pid", module.name.value),
    })
}
