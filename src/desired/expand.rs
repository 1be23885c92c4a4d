//! From what the operator's file and the modules say to every instance as it should be.

use super::context::{self, Neighbours};
use super::draft::{self, Draft, Modules};
use super::render::Renderer;
use super::{
    Desired, DesiredHost, DesiredInstance, DesiredProcess, DesiredService, Inputs, Software, boot, files, generations,
    launch, supervisor, systemd,
};
use crate::config::Loaded;
use crate::diag::{Code, Diag, Diagnostics};
use crate::lock::Lock;
use crate::model::{
    Cluster, Digest, HostName, InstanceId, Module, ModuleName, Name, ParamType, Process, Secret, ServiceName,
    SupervisorKind, Template, Value,
};
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Renders everything. `secrets` are the values of the declared secrets by name; a secret that is used and not given is
/// a mistake. `None` when anything was wrong: then the diagnostics say what, each mistake once.
pub fn expand(
    loaded: &Loaded,
    lock: &Lock,
    lock_digest: Digest,
    secrets: &IndexMap<String, Secret>,
) -> (Option<Desired>, Diagnostics) {
    let inputs = Inputs { file: loaded.file_digest, modules: loaded.modules_digest, lock: lock_digest };
    let mut found = Diagnostics::new();
    let desired = whole(&loaded.cluster, &loaded.modules, lock, secrets, inputs, &mut found);
    (Some(desired).filter(|_| found.is_empty()), found)
}

fn whole(
    cluster: &Cluster,
    modules: &Modules,
    lock: &Lock,
    secrets: &IndexMap<String, Secret>,
    inputs: Inputs,
    found: &mut Diagnostics,
) -> Desired {
    let drafts = draft::all(cluster, modules, lock, found);
    let running = || drafts.values().filter(|draft| draft.module.process.is_some());
    let neighbours = Neighbours::of(running());
    let mut named: BTreeMap<&ModuleName, BTreeSet<String>> = BTreeMap::new();
    let mut instances = BTreeMap::new();
    for draft in running().filter(|draft| draft.sound) {
        let module: &Module = draft.module;
        let named = named.entry(&module.name.value).or_insert_with(|| context::named_modules(module));
        if let Some(instance) = instance(cluster, draft, named, &neighbours, secrets, found) {
            instances.insert(draft.id.clone(), instance);
        }
    }
    let services = services(&drafts, found);
    let hosts = hosts(cluster, modules, lock, &drafts, found);
    Desired {
        cluster: cluster.name.value.clone(),
        rollout: cluster.rollout.clone(),
        inputs,
        hosts,
        instances,
        services,
    }
}

fn instance(
    cluster: &Cluster,
    draft: &Draft<'_>,
    named: &BTreeSet<String>,
    neighbours: &Neighbours,
    secrets: &IndexMap<String, Secret>,
    found: &mut Diagnostics,
) -> Option<DesiredInstance> {
    let spec = draft.module.process.as_ref()?;
    let context = neighbours.around(draft, named, &context::alone(cluster, draft));
    missing_secrets(draft, secrets, found);
    let open = context::secrets(&draft.params, secrets);
    let mut renderer = Renderer::new(&context, open.as_ref(), draft.id.to_string(), found);
    let memory = match &draft.module.host.memory {
        Some(expr) => renderer.number(expr).and_then(|bytes| u64::try_from(bytes).ok()),
        None => Some(0),
    };
    let mut files = files::render(draft, &mut renderer);
    let process = process(cluster, draft, spec, &mut renderer)?;
    let user = cluster.user.as_deref();
    let (id, folders) = (&draft.id, &draft.folders);
    files.push(files::fixed("launch", launch::script(id, folders, &process, &spec.limits, user), 0o755));
    let kind = SupervisorKind::of_module(cluster.supervisor.as_str());
    let entry = match kind {
        SupervisorKind::Supervisord => launch::entry(id, folders, &process),
        SupervisorKind::Systemd => systemd::unit(id, folders, &process, &spec.limits),
    };
    files.push(files::fixed(kind.entry(), entry, 0o644));
    files.sort_by(|a, b| a.place.cmp(&b.place));
    let software = draft.software();
    let (content_generation, restart_generation) = generations::of(&files, &software);
    Some(DesiredInstance {
        id: id.clone(),
        service: draft.role.service.clone(),
        module: Arc::clone(draft.module),
        version: draft.own.version.clone(),
        ordinal: draft.ordinal.unwrap_or(0),
        tier: draft.tier.clone(),
        votes: draft.votes,
        params: draft.params.clone(),
        ports: ports(draft),
        memory: memory?,
        context,
        software,
        files,
        process,
        data_dir: folders.data.clone(),
        log_dir: folders.log.clone(),
        conf_dir: folders.conf.clone(),
        content_generation,
        restart_generation,
    })
}

fn missing_secrets(draft: &Draft<'_>, secrets: &IndexMap<String, Secret>, found: &mut Diagnostics) {
    for (name, value) in &draft.params {
        let Value::Secret(secret) = value else { continue };
        if !secrets.contains_key(&secret.0) {
            let message = format!("the secret `{}` has no value", secret.0);
            let diag = Diag::at(Code::Unresolved, draft.role.span, message).label(format!("`{name}` uses it"));
            found.push(diag.help("declare where it comes from in `secrets`, and make it readable there"));
        }
    }
}

fn process(
    cluster: &Cluster,
    draft: &Draft<'_>,
    spec: &Process,
    renderer: &mut Renderer<'_>,
) -> Option<DesiredProcess> {
    let mut words =
        |templates: &[Template]| -> Vec<Option<String>> { templates.iter().map(|word| renderer.text(word)).collect() };
    let (command, first_start, logs) = (words(&spec.command), words(&spec.first_start), words(&spec.logs));
    if !command.first().is_some_and(|word| word.as_ref().is_none_or(|program| program.starts_with('/'))) {
        let span = spec.command.first().map_or(draft.module.name.span, |word| word.0.span);
        renderer.report(Diag::at(Code::RenderFailed, span, "the first word of a command is an absolute path"));
    }
    let whole = |words: Vec<Option<String>>| words.into_iter().collect::<Option<Vec<String>>>();
    let (command, first_start, logs) = (whole(command), whole(first_start), whole(logs));
    let mut env = BTreeMap::new();
    for (name, template) in &spec.env {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(plain) {
            let message = format!("`{name}` is no name of an environment variable");
            renderer.report(Diag::at(Code::BadName, template.0.span, message));
        }
        // Empty means absent: some programs take notice of a variable that is merely there.
        if let Some(value) = renderer.text(template).filter(|value| !value.is_empty()) {
            env.insert(name.clone(), value);
        }
    }
    let (command, first_start, logs) = (command?, first_start?, logs?);
    let mut all = vec![launch::console(&draft.folders)];
    all.extend(logs);
    // Where systemd supervises, what the launcher says is in the journal.
    if SupervisorKind::of_module(cluster.supervisor.as_str()) == SupervisorKind::Supervisord {
        all.push(launch::launch_log(&draft.id, &draft.folders));
    }
    Some(DesiredProcess {
        command,
        first_start,
        env,
        program: draft.id.role.to_string(),
        stop_signal: spec.stop_signal.clone(),
        stop_within: spec.stop_within,
        reload_signal: spec.reload_signal.clone(),
        unit: format!("{}:{}.service", units(cluster, &draft.id.host), draft.id.role),
        logs: all,
    })
}

/// What the names of a host's units begin with. No name has a colon in it, so that no two come to the same.
fn units(cluster: &Cluster, host: &HostName) -> String {
    format!("es_cluster-{}:{host}", cluster.name.as_str())
}

fn ports(draft: &Draft<'_>) -> BTreeMap<Name, u16> {
    let is_port = |name: &Name| draft.module.params.get(name).is_some_and(|param| param.kind == ParamType::Port);
    let number = |(name, value): (&Name, &Value)| match value {
        Value::Int(number) if is_port(name) => Some((name.clone(), u16::try_from(*number).ok()?)),
        _ => None,
    };
    draft.params.iter().filter_map(number).collect()
}

fn services(
    drafts: &BTreeMap<InstanceId, Draft<'_>>,
    found: &mut Diagnostics,
) -> BTreeMap<ServiceName, DesiredService> {
    let mut services: BTreeMap<ServiceName, DesiredService> = BTreeMap::new();
    for draft in drafts.values().filter(|draft| draft.module.process.is_some()) {
        let name = &draft.role.service;
        let service = services.entry(name.clone()).or_insert_with(|| DesiredService {
            name: name.clone(),
            module: Arc::clone(draft.module),
            instances: Vec::new(),
        });
        if service.module.name.value != draft.module.name.value {
            let message =
                format!("two modules have a service `{name}`: `{}` and `{}`", service.module.name, draft.module.name);
            let diag = Diag::at(Code::BadName, draft.role.span, message).label("the same name");
            found.push(diag.help("give one of them another name with service=\"…\""));
        }
        service.instances.push(draft.id.clone());
    }
    services
}

fn hosts(
    cluster: &Cluster,
    modules: &Modules,
    lock: &Lock,
    drafts: &BTreeMap<InstanceId, Draft<'_>>,
    found: &mut Diagnostics,
) -> BTreeMap<HostName, DesiredHost> {
    let mut software: BTreeMap<&HostName, BTreeMap<String, Arc<Software>>> = BTreeMap::new();
    for draft in drafts.values() {
        let used = [&draft.own].into_iter().chain(draft.required.values()).filter_map(|used| used.software.as_ref());
        let folders = used.map(|software| (software.folder.clone(), Arc::clone(software)));
        software.entry(&draft.id.host).or_default().extend(folders);
    }
    let order = cluster.boot.then(|| boot::Order::of(drafts));
    let mut hosts = BTreeMap::new();
    for (name, mut software) in software {
        let Some(host) = cluster.hosts.get(name) else { continue };
        let Some((supervisor, used)) = supervisor::of(cluster, modules, lock, host, found) else { continue };
        let used = used.into_iter().filter_map(|used| used.software);
        software.extend(used.map(|software| (software.folder.clone(), software)));
        let mut desired = DesiredHost {
            name: name.clone(),
            address: host.address.value.clone(),
            transport: host.transport,
            ssh: host.ssh.clone().or(&cluster.ssh),
            prefix: draft::prefix(cluster, host),
            user: cluster.user.clone(),
            software,
            supervisor,
            units: units(cluster, name),
            boot: None,
        };
        desired.boot = order.as_ref().map(|order| order.boot(&desired));
        hosts.insert(name.clone(), desired);
    }
    hosts
}
