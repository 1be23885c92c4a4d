//! The process supervisor of a host: the module that `cluster.supervisor` names. It is on every host without being a
//! role, it puts itself into the background, and it reads the entries of the current generations. Where systemd
//! supervises, there is nothing of the kind.

use super::draft::{Modules, prefix, remembered};
use super::render::Renderer;
use super::software::{self, Used};
use super::{Need, Supervisor, Supervisord, context, needs, paths};
use crate::config::params_of;
use crate::diag::{Code, Diag, Diagnostics, Span};
use crate::expr::{Context, Memo, Shared, Watched};
use crate::lock::Lock;
use crate::model::{
    Cluster, FileContent, FileSpec, HostName, HostSpec, Module, ModuleName, Name, Process, Role, RoleId, ServiceName,
    SupervisorKind, Template, Value, Version,
};
use indexmap::IndexMap;
use serde_json::{Map, json};
use std::collections::BTreeMap;

/// Where a supervisor of our own keeps what others need of it, absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupervisordPaths {
    /// Its configuration.
    pub config: String,
    /// Its control socket.
    pub socket: String,
    /// Its pid file.
    pub pidfile: String,
}

/// The supervisors of all hosts. What they have in common is made once.
pub(super) struct Supervisors<'a> {
    cluster: &'a Cluster,
    modules: &'a Modules,
    lock: &'a Lock,
    /// Roles of the supervisor's module, by host.
    roles: BTreeMap<&'a HostName, &'a Role>,
    /// By folder, and the host when something is said of it alone.
    known: BTreeMap<(String, Option<&'a HostName>), Option<Common<'a>>>,
}

/// What supervisors of several hosts have in common.
struct Common<'a> {
    module: &'a Module,
    context: Context,
    /// Its own software first.
    used: Vec<Used>,
    version: Version,
    words: Memo<Made>,
    config: Memo<String>,
}

/// The words that start it, those that control it, their environment, and the name of the configuration.
type Words = (Vec<String>, Vec<String>, BTreeMap<String, String>, String);
/// The same, and what it needs of its host.
type Made = (Vec<String>, Vec<String>, BTreeMap<String, String>, String, Vec<Need>);

impl<'a> Supervisors<'a> {
    pub(super) fn new(cluster: &'a Cluster, modules: &'a Modules, lock: &'a Lock) -> Self {
        let own = cluster.roles.iter().filter(|role| role.module.as_str() == cluster.supervisor.as_str());
        let mut roles = BTreeMap::new();
        for (role, host) in own.flat_map(|role| role.hosts.iter().map(move |host| (role, host))) {
            roles.entry(&host.value).or_insert(role);
        }
        Self { cluster, modules, lock, roles, known: BTreeMap::new() }
    }

    /// The supervisor of a host, and the software that it and its required modules are.
    pub(super) fn of(&mut self, host: &'a HostSpec, found: &mut Diagnostics) -> Option<(Supervisor, &[Used])> {
        let name = ModuleName::new(self.cluster.supervisor.as_str()).ok();
        let Some(module) = name.as_ref().and_then(|name| self.modules.get(name)) else {
            let supervisor = &self.cluster.supervisor;
            let message = format!("there is no module `{supervisor}`, which should supervise the processes");
            found.push(Diag::at(Code::Unresolved, supervisor.span, message).label("unknown"));
            return None;
        };
        if SupervisorKind::of_module(module.name.as_str()) == SupervisorKind::Systemd {
            return Some((Supervisor::Systemd, &[]));
        }
        let prefix = prefix(self.cluster, host);
        let role = self.roles.get(&host.name.value).copied();
        let (cluster, modules, lock) = (self.cluster, self.modules, self.lock);
        let key = (prefix.clone(), role.map(|_| &host.name.value));
        let common = self.known.entry(key).or_insert_with(|| {
            let used = |module: &Module| software::used(cluster, role, module, &prefix, lock);
            Common::of(cluster, modules, (role, host, module), &prefix, used, found)
        });
        let common = common.as_mut()?;
        let who = format!("{} on {}", module.name.value, host.name.value);
        let supervisor = common.supervisor(cluster, host, &prefix, &who, found)?;
        Some((Supervisor::Supervisord(supervisor), &common.used))
    }
}

impl<'a> Common<'a> {
    fn of(
        cluster: &Cluster,
        modules: &Modules,
        (role, host, module): (Option<&Role>, &HostSpec, &'a Module),
        prefix: &str,
        used: impl Fn(&Module) -> Result<Used, Box<Diag>>,
        found: &mut Diagnostics,
    ) -> Option<Self> {
        let mut used = |module: &Module| used(module).map_err(|diag| found.push(*diag)).ok();
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
        context.insert("version".into(), own.version.as_str().into());
        context.insert("software".into(), own.home.as_str().into());
        context.insert("conf".into(), conf.as_str().into());
        let (log, run) = (format!("{prefix}/log"), format!("{prefix}/run"));
        context.insert("dirs".into(), json!({"data": run, "log": log, "run": run, "tmp": run, "conf": conf}));
        for (module, used) in &required {
            let about = json!({"home": used.home, "version": used.version.as_str()});
            context.insert(context::snake(module.as_str()), about);
        }
        context.extend(context::params(&params(role, host, module)));
        Some(Self {
            module,
            context: Context::new(&context.into()),
            version: own.version.clone(),
            used: [own].into_iter().chain(required.into_iter().map(|(_, used)| used)).collect(),
            words: Memo::default(),
            config: Memo::default(),
        })
    }

    fn supervisor(
        &mut self,
        cluster: &Cluster,
        host: &HostSpec,
        prefix: &str,
        who: &str,
        found: &mut Diagnostics,
    ) -> Option<Supervisord> {
        let module = self.module;
        let watched = Watched::new([("host".to_owned(), Shared::new(&context::host(host, prefix)))]);
        let mut renderer = Renderer::new(&watched.over(&self.context), None, who.to_owned(), found);
        let (Some(process), [file]) = (&module.process, module.files.as_slice()) else {
            let message =
                format!("`{}` can't supervise: it has a process and exactly one file, its configuration", module.name);
            renderer.report(Diag::at(Code::Missing, module.name.span, message));
            return None;
        };
        let made = remembered(&mut self.words, &watched, |_| {
            let (command, control, env, name) = words(process, file, &mut renderer)?;
            Some((command, control, env, name, needs::of_module(cluster, module, &mut renderer)?))
        });
        let (command, control, env, name, needs) = made?;
        let template = match &file.content {
            FileContent::Inline(template) => Some(template),
            FileContent::TemplateFile(name) => module.templates.get(name),
            FileContent::Given(_) => None,
        }?;
        let config = remembered(&mut self.config, &watched, |_| renderer.text(template))?;
        Some(Supervisord {
            command,
            control,
            needs,
            version: self.version.clone(),
            env,
            config_path: format!("{prefix}/conf/{}/{name}", module.name.value),
            config,
            socket: format!("{prefix}/run/{}.sock", module.name.value),
            pidfile: format!("{prefix}/run/{}.pid", module.name.value),
        })
    }
}

fn words(process: &Process, file: &FileSpec, renderer: &mut Renderer<'_>) -> Option<Words> {
    let name = renderer.text(&file.path)?;
    if let Err(why) = paths::in_generation(&name) {
        let message = format!("`{name}` is no place for a file: {why}");
        renderer.report(Diag::at(Code::RenderFailed, file.path.0.span, message));
        return None;
    }
    let mut words =
        |templates: &[Template]| -> Option<Vec<String>> { templates.iter().map(|word| renderer.text(word)).collect() };
    let (command, control) = (words(&process.command), words(&process.control));
    let env: Option<BTreeMap<String, String>> =
        process.env.iter().map(|(name, value)| Some((name.clone(), renderer.text(value)?))).collect();
    Some((command?, control?, env?, name))
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
                adopt: None,
                adopt_on: IndexMap::new(),
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
