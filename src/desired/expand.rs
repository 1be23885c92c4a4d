//! From what the operator's file and the modules say to every instance as it should be.

use super::anew::Source;
use super::boot::Order;
use super::context::{self, Neighbours};
use super::draft::{self, Draft, Modules, remembered};
use super::render::Renderer;
use super::supervisor::Supervisors;
use super::{
    Acceptance, Desired, DesiredFile, DesiredHost, DesiredInstance, DesiredProcess, DesiredService, Inputs, Need,
    Software, adopts, files, generations, jobs, launch, needs, systemd,
};
use crate::config::Loaded;
use crate::diag::{Code, Diag, Diagnostics};
use crate::expr::{Context, Memo, Shared, Watched};
use crate::lock::Lock;
use crate::model::{
    Cluster, Declared, Digest, HostName, InstanceId, Module, ModuleName, Name, ParamType, Process, RoleId, Secret,
    ServiceName, SupervisorKind, Template, Value,
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
    let mut desired = whole(&loaded.cluster, &loaded.modules, lock, secrets, inputs.clone(), &mut found);
    desired.declared.clone_from(&loaded.declared);
    if desired.services.values().any(|service| service.module.phases.is_some()) {
        let (cluster, modules) = (loaded.cluster.clone(), loaded.modules.clone());
        desired.anew =
            Some(Arc::new(Source { cluster, modules, lock: lock.clone(), secrets: secrets.clone(), inputs }));
    }
    (Some(desired).filter(|_| found.is_empty()), found)
}

pub(super) fn whole(
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
    let mut around: BTreeMap<(&ServiceName, &ModuleName), Context> = BTreeMap::new();
    let mut layers: BTreeMap<usize, Layer> = BTreeMap::new();
    let mut instances = BTreeMap::new();
    for draft in running().filter(|draft| draft.sound) {
        let (service, module): (_, &Module) = (&draft.role.service, draft.module);
        let layer = layers.entry(draft.common.number).or_insert_with(|| {
            let around = around
                .entry((service, &module.name.value))
                .or_insert_with(|| neighbours.around(service, &context::named_modules(module)));
            Layer::new(draft, draft.common.context(cluster).and(around), secrets)
        });
        if let Some(instance) = layer.instance(cluster, draft, neighbours.peers(draft), secrets, found) {
            instances.insert(draft.id.clone(), instance);
        }
    }
    let jobs = jobs::all(cluster, modules, &drafts, &neighbours, secrets, found);
    let services = services(&drafts, found);
    let hosts = hosts(cluster, modules, lock, &drafts, found);
    Desired {
        cluster: cluster.name.value.clone(),
        rollout: cluster.rollout.clone(),
        inputs,
        hosts,
        instances,
        leaving: BTreeMap::new(),
        elsewhere: BTreeMap::new(),
        services,
        secrets: secrets.iter().map(|(name, secret)| (name.clone(), secret.clone())).collect(),
        jobs,
        accepted: accepted(cluster),
        declared: Declared::default(),
        anew: None,
    }
}

fn accepted(cluster: &Cluster) -> BTreeMap<InstanceId, BTreeMap<String, Acceptance>> {
    let mut all: BTreeMap<InstanceId, BTreeMap<String, Acceptance>> = BTreeMap::new();
    for accepted in &cluster.accepted {
        let Ok(role) = RoleId::new(&accepted.role.value) else { continue };
        for host in &accepted.hosts {
            let acceptance = Acceptance { until: accepted.until.value.clone(), reason: accepted.reason.clone() };
            let files = all.entry(InstanceId::new(role.clone(), host.value.clone())).or_default();
            files.insert(accepted.path.value.clone(), acceptance);
        }
    }
    all
}

/// What is rendered for an instance.
#[derive(Clone)]
struct Rendered {
    files: Arc<[DesiredFile]>,
    process: Arc<DesiredProcess>,
    memory: u64,
    needs: Arc<[Need]>,
    free_disk: u64,
    content_generation: Digest,
    restart_generation: Digest,
}

/// A process with the files that define it: `launch` and the supervisor's entry.
type Defined = (Arc<DesiredProcess>, [DesiredFile; 2]);

/// What is made of what some instances have in common, and what was made for one of them.
struct Layer {
    /// Everything but the instance's own names.
    context: Context,
    /// The secrets that its parameters name.
    secrets: context::Secrets,
    ports: Arc<BTreeMap<Name, u16>>,
    rendered: Memo<Rendered>,
    files: Vec<Memo<Option<DesiredFile>>>,
    process: Memo<Defined>,
    memory: Memo<u64>,
    needs: Memo<(Arc<[Need]>, u64)>,
}

impl Layer {
    fn new(draft: &Draft<'_>, context: Context, secrets: &IndexMap<String, Secret>) -> Self {
        Self {
            context,
            secrets: context::secrets(&draft.common.params, secrets),
            ports: Arc::new(ports(draft)),
            rendered: Memo::default(),
            files: draft.module.files.iter().map(|_| Memo::default()).collect(),
            process: Memo::default(),
            memory: Memo::default(),
            needs: Memo::default(),
        }
    }

    fn instance(
        &mut self,
        cluster: &Cluster,
        draft: &Draft<'_>,
        peers: (String, Shared),
        secrets: &IndexMap<String, Secret>,
        found: &mut Diagnostics,
    ) -> Option<DesiredInstance> {
        missing_secrets(draft, secrets, found);
        let watched = Watched::new(context::own(draft).into_iter().chain([peers]));
        let mut rendered = std::mem::take(&mut self.rendered);
        let made = remembered(&mut rendered, &watched, |watched| self.render(cluster, draft, watched, found));
        self.rendered = rendered;
        let made = made?;
        let folders = &draft.common.folders;
        Some(DesiredInstance {
            id: draft.id.clone(),
            service: draft.role.service.clone(),
            module: Arc::clone(draft.module),
            version: draft.common.own.version.clone(),
            ordinal: draft.ordinal.unwrap_or(0),
            tier: draft.tier.clone(),
            votes: draft.votes,
            params: Arc::clone(&draft.common.params),
            ports: Arc::clone(&self.ports),
            memory: made.memory,
            needs: made.needs,
            free_disk: made.free_disk,
            context: watched.plain(&self.context),
            software: Arc::clone(&draft.common.software),
            files: made.files,
            process: made.process,
            unit: format!("{}:{}.service", units(cluster, &draft.id.host), draft.id.role),
            data_dir: folders.data.clone(),
            adopts: adopts::adopts(draft),
            log_dir: folders.log.clone(),
            conf_dir: folders.conf.clone(),
            content_generation: made.content_generation,
            restart_generation: made.restart_generation,
        })
    }

    fn render(
        &mut self,
        cluster: &Cluster,
        draft: &Draft<'_>,
        watched: &Watched,
        found: &mut Diagnostics,
    ) -> Option<Rendered> {
        let spec = draft.module.process.as_ref()?;
        let context = watched.over(&self.context);
        let mut renderer = Renderer::new(&context, Some(&self.secrets), draft.id.to_string(), found);
        let memory = match &draft.module.host.memory {
            Some(expr) => remembered(&mut self.memory, watched, |_| {
                renderer.number(expr).and_then(|bytes| u64::try_from(bytes).ok())
            }),
            None => Some(0),
        };
        let needs = remembered(&mut self.needs, watched, |_| needs::needs(cluster, draft, &mut renderer));
        let mut files = files::render(draft, watched, &mut self.files, &mut renderer);
        let (process, definition) = remembered(&mut self.process, watched, |_| {
            let process = process(cluster, draft, spec, &mut renderer)?;
            let locks = spec.limits.memlock.is_some() && renderer.holds(spec.limits.memlock.as_ref())?;
            let (role, folders, user) = (&draft.id.role, &draft.common.folders, cluster.user.as_deref());
            let script = launch::script(role, folders, &process, &spec.limits, locks, user);
            let script = files::fixed("launch", script, 0o755);
            let kind = SupervisorKind::of_module(cluster.supervisor.as_str());
            let entry = match kind {
                SupervisorKind::Supervisord => launch::entry(role, folders, &process),
                SupervisorKind::Systemd => systemd::unit(role, folders, &process, &spec.limits, locks),
            };
            Some((Arc::new(process), [script, files::fixed(kind.entry(), entry, 0o644)]))
        })?;
        files.extend(definition.clone());
        files.sort_by(|a, b| a.place.cmp(&b.place));
        let (content_generation, mut restart_generation) = generations::of(&files, &draft.common.software);
        if !draft.module.live.is_empty() {
            draft.module.live.iter().for_each(|live| _ = renderer.value(&live.value));
            // What restarts a process: its files with everything that it takes while it runs as it is by default.
            let context = context.with(&context::by_default(draft.module, &context));
            let mut renderer = Renderer::new(&context, Some(&self.secrets), draft.id.to_string(), found);
            let mut memos: Vec<_> = draft.module.files.iter().map(|_| Memo::default()).collect();
            let mut same = files::render(draft, watched, &mut memos, &mut renderer);
            same.extend(definition);
            restart_generation = generations::of(&same, &draft.common.software).1;
        }
        let (memory, (needs, free_disk)) = (memory?, needs?);
        Some(Rendered {
            files: files.into(),
            process,
            memory,
            needs,
            free_disk,
            content_generation,
            restart_generation,
        })
    }
}

fn missing_secrets(draft: &Draft<'_>, secrets: &IndexMap<String, Secret>, found: &mut Diagnostics) {
    for (name, value) in draft.common.params.iter() {
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
    let (check, reload_command) = (words(&spec.check), words(&spec.reload_command));
    if !command.first().is_some_and(|word| word.as_ref().is_none_or(|program| program.starts_with('/'))) {
        let span = spec.command.first().map_or(draft.module.name.span, |word| word.0.span);
        renderer.report(Diag::at(Code::RenderFailed, span, "the first word of a command is an absolute path"));
    }
    let whole = |words: Vec<Option<String>>| words.into_iter().collect::<Option<Vec<String>>>();
    let (command, first_start, logs, check) = (whole(command), whole(first_start), whole(logs), whole(check));
    let reload_command = whole(reload_command);
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
    let (command, mut first_start, logs, check) = (command?, first_start?, logs?, check?);
    // A word that only some versions or some members have is empty for the others.
    first_start.retain(|word| !word.is_empty());
    let check = launch::alone(&check, &env, &draft.common.folders);
    let reload_command = launch::alone(&reload_command?, &env, &draft.common.folders);
    let mut all = vec![launch::console(&draft.common.folders)];
    all.extend(logs);
    // Where systemd supervises, what the launcher says is in the journal.
    if SupervisorKind::of_module(cluster.supervisor.as_str()) == SupervisorKind::Supervisord {
        all.push(launch::launch_log(&draft.id.role, &draft.common.folders));
    }
    Some(DesiredProcess {
        command,
        first_start,
        check,
        env,
        program: draft.id.role.to_string(),
        stop_signal: spec.stop_signal.clone(),
        stop_within: spec.stop_within,
        reload_signal: spec.reload_signal.clone(),
        reload_command,
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
    draft.common.params.iter().filter_map(number).collect()
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
        let common = &draft.common;
        let used = [&common.own].into_iter().chain(common.required.values()).filter_map(|used| used.software.as_ref());
        let folders = used.map(|software| (software.folder.clone(), Arc::clone(software)));
        software.entry(&draft.id.host).or_default().extend(folders);
    }
    let busy: BTreeSet<&HostName> = software.keys().copied().collect();
    for name in cluster.hosts.keys() {
        software.entry(name).or_default();
    }
    let mut supervisors = Supervisors::new(cluster, modules, lock);
    let boot = cluster.boot.then(|| Order::of(drafts));
    let mut hosts = BTreeMap::new();
    for (name, mut software) in software {
        let Some(host) = cluster.hosts.get(name) else { continue };
        let Some((supervisor, used)) = supervisors.of(host, found) else { continue };
        let used = used.iter().filter_map(|used| used.software.as_ref());
        software.extend(used.map(|software| (software.folder.clone(), Arc::clone(software))));
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
            idle: !busy.contains(name),
        };
        desired.boot = boot.as_ref().filter(|_| !desired.idle).map(|boot| boot.boot(&desired));
        hosts.insert(name.clone(), desired);
    }
    hosts
}
