//! Small clusters for tests: declared in Rust, and observed as if they had been converged.

mod seen;

pub(crate) use seen::{at, kill, not_ready, of, process};

use super::machine::desired_host;
use crate::desired::{
    Desired, DesiredFile, DesiredInstance, DesiredProcess, DesiredService, Inputs, Part, Place, Software,
};
use crate::diag::Spanned;
use crate::inventory::{
    FileObservation, HostObservation, InstanceObservation, Inventory, ProcessObservation, Running, Seen,
    ServiceObservation, SoftwareObservation, SupervisorObservation, Verdict,
};
use crate::model::{
    Digest, Expr, Gate, Hook, HostName, HostNeeds, InstanceId, Module, ModuleName, Name, OnChange, Order, Parse, Per,
    Probe, ProbeKind, ProbeOn, Repair, RoleId, Rolling, Rollout, ServiceName, Settled, Strategy, SupervisorKind,
    Version,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn host(name: &str) -> HostName {
    HostName::new(name).expect(name)
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).expect(text)
}

pub(crate) fn id(text: &str) -> InstanceId {
    InstanceId::try_from(text.to_owned()).expect(text)
}

pub(crate) fn service(text: &str) -> ServiceName {
    ServiceName::new(text).expect(text)
}

fn spanned<T>(value: T) -> Spanned<T> {
    Spanned::new(value, crate::diag::Span::default())
}

pub(crate) fn expr(text: &str) -> Expr {
    Expr(spanned(text.to_owned()))
}

fn probe() -> Probe {
    Probe {
        kind: ProbeKind::Tcp { send: None },
        on: ProbeOn::SelfInstance,
        port: None,
        parse: Parse::Auto,
        until: None,
        twice: false,
        says: None,
        timeout: Duration::from_secs(5),
    }
}

fn gate(within: u64) -> Gate {
    Gate { within: Duration::from_secs(within), probes: vec![probe()] }
}

/// A module with a `ready` and a `healthy` gate, rolled one by one.
pub(crate) fn module(module: &str) -> Module {
    Module {
        name: spanned(ModuleName::new(module).expect(module)),
        doc: String::new(),
        requires: vec![],
        params: indexmap::IndexMap::default(),
        artifact: None,
        plugins: None,
        files: vec![],
        templates: indexmap::IndexMap::default(),
        free_config: None,
        service_owned: vec!["keys".to_owned()],
        live: Vec::new(),
        connection: None,
        process: None,
        ordinal: None,
        tier: None,
        order: Order::default(),
        after: vec![],
        compat: vec![],
        host: HostNeeds::default(),
        settings: indexmap::IndexMap::default(),
        ready: Some(gate(60)),
        healthy: Some(gate(600)),
        converged: None,
        safe_to_stop: vec![],
        quorum: None,
        by_file: false,
        strategy: Strategy::Rolling,
        import: None,
        adopt: None,
        rolling: Rolling {
            max_unavailable: 1.into(),
            per: Per::Instance,
            last: None,
            before_stop: vec![],
            after_ready: vec![],
            no_return: None,
        },
        phases: None,
        drain: None,
        settled: vec![],
        status: vec![],
        singleton: None,
        jobs: indexmap::IndexMap::default(),
        upgrade: crate::model::Upgrade::default(),
    }
}

/// A service with voters of which the leader goes last.
pub(crate) fn coord() -> Module {
    let mut coord = module("coord");
    coord.quorum = Some(expr("true"));
    coord.rolling.last = Some(probe());
    coord
}

/// A service in tiers, with a setting around each restart, and no way back from a new version.
pub(crate) fn store() -> Module {
    let mut store = module("store");
    store.after = vec![spanned(ModuleName::new("coord").expect("name"))];
    let tiers = |order: &[&str]| order.iter().map(|tier| (*tier).to_owned()).collect();
    store.order = Order { start: tiers(&["lead", "hot"]), upgrade: tiers(&["hot", "lead"]) };
    store.converged = Some(gate(3600));
    store.rolling.before_stop = vec![Hook::Set { setting: name("moves"), to: "off".into(), when: None }];
    store.rolling.after_ready = vec![Hook::Restore { setting: name("moves") }];
    store.rolling.no_return = Some(expr("version_below(from, to)"));
    store.settled = vec![Settled {
        setting: name("moves"),
        expect: expr("value != 'off'"),
        repair: Repair::To(serde_json::Value::Null),
        majority: false,
    }];
    store
}

/// A service whose versions can't be mixed.
pub(crate) fn view() -> Module {
    let mut view = module("view");
    view.after = vec![spanned(ModuleName::new("store").expect("name"))];
    view.strategy = Strategy::Recreate { on_version_only: true };
    view
}

/// One role, to be placed.
#[derive(Clone)]
pub(crate) struct RoleSpec {
    pub(crate) role: &'static str,
    pub(crate) module: Module,
    pub(crate) hosts: Vec<&'static str>,
    pub(crate) tier: &'static str,
    pub(crate) votes: bool,
    pub(crate) version: &'static str,
    /// Path, content, what a change asks; an absolute path is placed outside the generation.
    pub(crate) files: Vec<(&'static str, String, OnChange)>,
    pub(crate) memory: u64,
    pub(crate) port: u16,
}

impl RoleSpec {
    pub(crate) fn new(role: &'static str, module: Module, hosts: &[&'static str]) -> Self {
        let votes = module.quorum.is_some();
        Self {
            role,
            module,
            hosts: hosts.to_vec(),
            tier: "",
            votes,
            version: "1.0.0",
            files: vec![("main.conf", "a=1\nb=2\n".to_owned(), OnChange::Restart)],
            memory: 0,
            port: 1000,
        }
    }

    pub(crate) fn file(mut self, path: &'static str, content: &str, on_change: OnChange) -> Self {
        self.files.retain(|(known, ..)| *known != path);
        self.files.push((path, content.to_owned(), on_change));
        self
    }
}

pub(crate) const ALL: [&str; 3] = ["node1", "node2", "node3"];

/// Voters on three hosts, two tiers of a store, two views.
pub(crate) fn platform() -> Vec<RoleSpec> {
    let mut lead = RoleSpec::new("store-lead", store(), &ALL);
    (lead.tier, lead.port) = ("lead", 2000);
    let mut hot = RoleSpec::new("store-hot", store(), &ALL);
    (hot.tier, hot.port) = ("hot", 2001);
    let mut view = RoleSpec::new("view", view(), &["node1", "node2"]);
    view.port = 3000;
    vec![RoleSpec::new("coord", coord(), &ALL), lead, hot, view]
}

fn software(spec: &RoleSpec) -> Arc<Software> {
    let module = spec.module.name.value.clone();
    let bundle = Digest::of(format!("{module} {}", spec.version).as_bytes());
    let folder = format!("{module}-{}-{}", spec.version, bundle.short());
    let part = Part { bundle, name: module.to_string(), size: 1024, into: String::new() };
    Arc::new(Software { folder, module, version: Version::parse(spec.version).expect("version"), parts: vec![part] })
}

/// What these roles mean.
pub(crate) fn desired(roles: &[RoleSpec]) -> Desired {
    let (cluster, rollout) = (name("test"), Rollout::default());
    let inputs = Inputs { file: Digest::of(b"file"), modules: Digest::of(b"modules"), lock: Digest::of(b"lock") };
    let (hosts, instances, services) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let (secrets, accepted, jobs, declared) = (<_>::default(), <_>::default(), vec![], <_>::default());
    let (anew, leaving) = (None, BTreeMap::new());
    let mut desired = Desired {
        cluster,
        rollout,
        inputs,
        hosts,
        instances,
        leaving,
        elsewhere: BTreeMap::new(),
        services,
        secrets,
        jobs,
        accepted,
        declared,
        anew,
    };
    for spec in roles {
        let software = software(spec);
        for (number, at) in spec.hosts.iter().enumerate() {
            let instance = instance(spec, &host(at), &software, number);
            let of = instance.service.clone();
            let entry = desired.services.entry(of.clone()).or_insert_with(|| DesiredService {
                name: of,
                module: Arc::new(spec.module.clone()),
                instances: vec![],
            });
            entry.instances.push(instance.id.clone());
            let entry = desired.hosts.entry(host(at)).or_insert_with(|| desired_host(at));
            entry.software.insert(software.folder.clone(), Arc::clone(&software));
            desired.instances.insert(instance.id.clone(), instance);
        }
    }
    desired
}

fn instance(spec: &RoleSpec, at: &HostName, software: &Software, number: usize) -> DesiredInstance {
    let prefix = format!("/hosts/{at}");
    let data_dir = format!("{prefix}/data/{}", spec.role);
    let launch = format!("exec {prefix}/software/{}/bin/run\n", software.folder);
    let own = spec.files.iter().map(|(path, content, on_change)| (*path, content.clone(), *on_change));
    let files: Vec<DesiredFile> = own
        .chain([("launch", launch, OnChange::Restart)])
        .map(|(path, content, on_change)| {
            let place = match path.strip_prefix("data:") {
                Some(rest) => Place::Absolute(format!("{data_dir}/{rest}")),
                None => Place::Generation(path.to_owned()),
            };
            let sha256 = Digest::of(content.as_bytes());
            let (identity, secret) = (path.ends_with("myid"), path.ends_with("secret"));
            DesiredFile { place, content: content.into(), sha256, mode: 0o644, on_change, identity, secret, open: None }
        })
        .collect();
    let digest = |wanted: &dyn Fn(&DesiredFile) -> bool| {
        let parts: Vec<String> =
            files.iter().filter(|file| wanted(file)).map(|file| format!("{:?} {}", file.place, file.sha256)).collect();
        Digest::of_parts(parts.iter().map(String::as_bytes))
    };
    DesiredInstance {
        id: InstanceId::new(RoleId::new(spec.role).expect("role"), at.clone()),
        service: service(spec.module.name.as_str()),
        module: Arc::new(spec.module.clone()),
        version: software.version.clone(),
        ordinal: i64::try_from(number).expect("small") + 1,
        tier: spec.tier.to_owned(),
        votes: spec.votes,
        params: Arc::default(),
        ports: Arc::new(BTreeMap::from([(name("port"), spec.port)])),
        memory: spec.memory,
        needs: Arc::new([]),
        free_disk: 0,
        context: crate::expr::Context::new(&serde_json::Value::Null),
        software: [software.folder.clone()].into(),
        content_generation: digest(&|file| matches!(file.place, Place::Generation(_))),
        restart_generation: digest(&|file| file.on_change == OnChange::Restart),
        files: files.into(),
        process: Arc::new(DesiredProcess {
            command: vec!["/bin/run".to_owned()],
            env: BTreeMap::new(),
            program: spec.role.to_owned(),
            stop_signal: "TERM".to_owned(),
            stop_within: Duration::from_secs(30),
            reload_signal: Some("HUP".to_owned()),
            ..DesiredProcess::default()
        }),
        unit: format!("es_cluster-test:{at}:{}.service", spec.role),
        data_dir,
        adopts: None,
        log_dir: format!("{prefix}/log/{}", spec.role),
        conf_dir: format!("{prefix}/conf/{}", spec.role),
    }
}

/// Hosts with nothing on them.
pub(crate) fn empty(desired: &Desired) -> Inventory {
    let seen = |at: &HostName| {
        let (boot_id, memory, user_exists) = ("boot".to_owned(), 1 << 40, true);
        (at.clone(), Seen::Seen(HostObservation { boot_id, memory, user_exists, ..HostObservation::default() }))
    };
    Inventory { hosts: desired.hosts.keys().map(seen).collect(), ..Inventory::default() }
}

/// Everything as declared, running, ready and healthy.
pub(crate) fn converged(desired: &Desired) -> Inventory {
    let mut inventory = empty(desired);
    for (at, host) in &desired.hosts {
        let Some(Seen::Seen(seen)) = inventory.hosts.get_mut(at) else { continue };
        seen.prepared = true;
        let config = host.supervisor.supervisord().map(|own| Digest::of(own.config.as_bytes()));
        seen.supervisor =
            SupervisorObservation { pid: Some(1), config, running_config: config, version: Some("4.2".to_owned()) };
        seen.software = host.software.keys().map(|folder| (folder.clone(), SoftwareObservation::Intact)).collect();
        let parts = host.software.values().flat_map(|software| &software.parts);
        seen.artifacts = parts.map(Part::file_name).collect::<BTreeSet<_>>();
        for instance in desired.instances.values().filter(|instance| instance.id.host == *at) {
            seen.instances.insert(instance.id.role.to_string(), running(instance));
        }
    }
    for service in desired.services.values() {
        let holds = Verdict { holds: true, unknown: false, says: "yes".to_owned() };
        let ready = service.instances.iter().map(|id| (id.clone(), holds.clone())).collect();
        let settings = service.module.settled.iter().map(|rule| (rule.setting.clone(), Ok("all".into()))).collect();
        let observed = ServiceObservation { ready, healthy: Some(holds), settings, ..ServiceObservation::default() };
        inventory.services.insert(service.name.clone(), observed);
    }
    inventory
}

fn running(instance: &DesiredInstance) -> InstanceObservation {
    let file = |file: &DesiredFile| {
        let (Place::Generation(path) | Place::Absolute(path)) = &file.place;
        let content = (!file.secret).then(|| file.content.to_string());
        (path.clone(), FileObservation { sha256: file.sha256, mode: file.mode, content })
    };
    InstanceObservation {
        current: Some(instance.content_generation),
        generations: vec![instance.content_generation],
        current_restart: Some(instance.restart_generation),
        files: instance.files.iter().map(file).collect(),
        process: ProcessObservation::Running(Running {
            pid: 100 + u32::from(instance.ports.values().next().copied().unwrap_or(0)),
            start_time: 1,
            uptime: 3600,
            restart_generation: instance.restart_generation,
            supervised: Some(SupervisorKind::Supervisord),
            reload_owed: false,
            stranger: false,
        }),
        has_data: true,
        software: instance.software.to_vec(),
        ..InstanceObservation::default()
    }
}
