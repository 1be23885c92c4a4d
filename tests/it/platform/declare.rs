//! What a [`Spec`] means, as the stages before the planner would say it.

use super::spec::{SERVICES, ServiceSpec, Spec};
use es_cluster::desired::{
    Boot, Desired, DesiredFile, DesiredHost, DesiredInstance, DesiredProcess, DesiredService, Inputs, Part, Place,
    Software, Supervisor, Supervisord,
};
use es_cluster::diag::{Span, Spanned};
use es_cluster::model::{
    Ask, Digest, Drain, Expr, Gate, Hook, HostName, HostNeeds, InstanceId, Module, ModuleName, Moved, Name, OnChange,
    OnFailure, Order, Parse, Per, Probe, ProbeKind, ProbeOn, Repair, RoleId, Rolling, Rollout, SafetyRule, Scope,
    ServiceName, Settled, Strategy, SupervisorKind, Transport, Version,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What the hooks of these services set.
pub(crate) const CHANGED: &str = "held-back";

pub(crate) fn host(number: u8) -> HostName {
    HostName::new(&format!("node{number}")).expect("name")
}

pub(crate) fn setting() -> Name {
    Name::new("moves").expect("name")
}

/// What makes a service move things away from an instance.
pub(crate) fn away() -> Name {
    Name::new("away").expect("name")
}

pub(crate) fn service_name(index: usize) -> ServiceName {
    ServiceName::new(SERVICES[index]).expect("name")
}

fn spanned<T>(value: T) -> Spanned<T> {
    Spanned::new(value, Span::default())
}

fn probe(twice: bool) -> Probe {
    Probe {
        kind: ProbeKind::Tcp { send: None },
        on: ProbeOn::SelfInstance,
        port: None,
        parse: Parse::Auto,
        until: None,
        twice,
        says: None,
        timeout: Duration::from_secs(5),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the fields of a module are options")]
fn gate(within: u64, twice: bool) -> Option<Gate> {
    Some(Gate { within: Duration::from_secs(within), probes: vec![probe(twice)] })
}

fn module(index: usize, spec: &ServiceSpec) -> Module {
    let name = |index: usize| spanned(ModuleName::new(SERVICES[index]).expect("name"));
    let hook = || Hook::Set { setting: setting(), to: CHANGED.into(), when: None };
    let call = || Hook::Call { probe: probe(false), best_effort: true, tries: 2, when: None };
    let rule = || SafetyRule {
        name: Name::new("only-copy").expect("name"),
        when: None,
        help: None,
        passes: false,
        probe: probe(false),
    };
    let settled = || Settled {
        setting: setting(),
        expect: Expr(spanned(format!("value != '{CHANGED}'"))),
        repair: Repair::To(serde_json::Value::Null),
        majority: false,
    };
    let drain = || Drain {
        within: Duration::from_hours(1),
        when: None,
        rules: vec![],
        sets: vec![Moved { setting: away(), to: Expr(spanned("'leave ' ~ leaving".to_owned())), put_back: true }],
        left: Ask { probe: probe(false), value: Expr(spanned("[]".to_owned())) },
        stuck: None,
        finish: vec![],
    };
    Module {
        name: name(index),
        doc: String::new(),
        requires: vec![],
        params: indexmap::IndexMap::default(),
        artifact: None,
        plugins: None,
        files: vec![],
        templates: indexmap::IndexMap::default(),
        free_config: None,
        service_owned: vec![],
        live: Vec::new(),
        connection: None,
        process: None,
        ordinal: None,
        tier: None,
        order: Order { start: vec!["a".into(), "b".into()], upgrade: vec!["b".into(), "a".into()] },
        // Only on a service before it, so that there is no circle.
        after: spec.after.filter(|after| *after < index).map(name).into_iter().collect(),
        compat: vec![],
        host: HostNeeds::default(),
        settings: indexmap::IndexMap::default(),
        ready: gate(60, false),
        healthy: gate(120, true),
        converged: if spec.converged { gate(240, false) } else { None },
        safe_to_stop: spec.rules.then(rule).into_iter().collect(),
        by_file: spec.voters,
        drain: spec.rules.then(drain),
        quorum: spec.voters.then(|| Expr(spanned("true".to_owned()))),
        strategy: if spec.recreate { Strategy::Recreate { on_version_only: true } } else { Strategy::Rolling },
        import: None,
        adopt: None,
        rolling: Rolling {
            max_unavailable: spec.max.into(),
            per: if spec.per_host { Per::Host } else { Per::Instance },
            last: spec.leader.then(|| probe(false)),
            before_stop: if spec.hooks { vec![hook(), call()] } else { vec![] },
            after_ready: if spec.hooks { vec![Hook::Restore { setting: setting() }] } else { vec![] },
            no_return: None,
        },
        phases: None,
        settled: if spec.hooks { vec![settled()] } else { vec![] },
        status: vec![],
        singleton: None,
        jobs: indexmap::IndexMap::default(),
        upgrade: es_cluster::model::Upgrade::default(),
    }
}

fn software(module: &str, version: u64) -> Arc<Software> {
    let bundle = Digest::of(format!("{module} {version}").as_bytes());
    let version = Version::parse(&format!("{version}.0.0")).expect("version");
    let part = Part { bundle, name: module.to_owned(), size: 1024, into: String::new() };
    let folder = format!("{module}-{version}-{}", bundle.short());
    Arc::new(Software { folder, module: ModuleName::new(module).expect("name"), version, parts: vec![part] })
}

fn desired_host(name: HostName, spec: &Spec) -> DesiredHost {
    let prefix = format!("/hosts/{name}");
    DesiredHost {
        units: format!("es_cluster-test:{name}"),
        name,
        address: "127.0.0.1".to_owned(),
        transport: Transport::Local,
        ssh: es_cluster::model::SshOptions::default(),
        user: None,
        software: BTreeMap::new(),
        supervisor: if spec.systemd {
            Supervisor::Systemd
        } else {
            Supervisor::Supervisord(Supervisord {
                command: vec!["supervise".to_owned()],
                needs: Vec::new(),
                control: Vec::new(),
                version: Version::parse("4.2").expect("version"),
                env: BTreeMap::new(),
                config_path: format!("{prefix}/conf/supervisord/supervisord.conf"),
                config: "[supervisor]\n".to_owned(),
                socket: format!("{prefix}/run/supervisord.sock"),
                pidfile: format!("{prefix}/run/supervisord.pid"),
            })
        },
        idle: false,
        boot: spec.boot.then(|| Boot { script: format!("start {}", spec.systemd), unit: "[Service]".to_owned() }),
        prefix,
    }
}

/// Everything that is declared.
pub(crate) fn declare(spec: &Spec) -> Desired {
    let rollout = Rollout {
        canary: spec.canary,
        soak: Duration::from_secs(spec.soak),
        scope: if spec.scope_host { Scope::Host } else { Scope::Role },
        batch: spec.batch.into(),
        on_failure: OnFailure::Rollback,
    };
    let inputs = Inputs {
        file: Digest::of(format!("{spec:?}").as_bytes()),
        modules: Digest::of(b"modules"),
        lock: Digest::of(b"lock"),
    };
    let (hosts, instances, services) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let cluster = Name::new("test").expect("name");
    let mut desired = Desired {
        cluster,
        rollout,
        inputs,
        hosts,
        instances,
        services,
        secrets: BTreeMap::new(),
        jobs: Vec::new(),
        accepted: BTreeMap::new(),
        declared: es_cluster::model::Declared::default(),
        anew: None,
        leaving: BTreeMap::new(),
        elsewhere: BTreeMap::new(),
    };
    let runtime = software("runtime", spec.runtime);
    for (index, service) in spec.services.iter().enumerate() {
        let module = Arc::new(module(index, service));
        let mut folders = vec![software(SERVICES[index], service.version)];
        folders.extend(service.uses_runtime.then(|| Arc::clone(&runtime)));
        let name = service_name(index);
        let mut members = Vec::new();
        for (number, role) in service.roles.iter().enumerate() {
            for at in &role.hosts {
                let instance = instance(spec, index, number, host(*at), &module, &folders);
                let entry = desired.hosts.entry(host(*at)).or_insert_with_key(|name| desired_host(name.clone(), spec));
                entry.software.extend(folders.iter().map(|one| (one.folder.clone(), Arc::clone(one))));
                members.push(instance.id.clone());
                desired.instances.insert(instance.id.clone(), instance);
            }
        }
        members.sort();
        desired.services.insert(name.clone(), DesiredService { name, module, instances: members });
    }
    desired
}

fn instance(
    spec: &Spec,
    index: usize,
    number: usize,
    at: HostName,
    module: &Arc<Module>,
    software: &[Arc<Software>],
) -> DesiredInstance {
    let (service, role) = (&spec.services[index], &spec.services[index].roles[number]);
    let tier = ["a", "b"][number];
    let kind = if spec.systemd { SupervisorKind::Systemd } else { SupervisorKind::Supervisord };
    let id = format!("{}-{tier}", SERVICES[index]);
    let prefix = format!("/hosts/{at}");
    let data_dir = format!("{prefix}/data/{id}");
    let folders: Vec<String> = software.iter().map(|one| one.folder.clone()).collect();
    let file = |place: Place, content: String, on_change: OnChange, identity: bool| {
        let sha256 = Digest::of(content.as_bytes());
        DesiredFile {
            place,
            content: content.into(),
            sha256,
            mode: 0o644,
            on_change,
            identity,
            secret: false,
            open: None,
        }
    };
    let inside = |path: &str| Place::Generation(path.to_owned());
    let placed = |path: &str| Place::Absolute(format!("{data_dir}/{path}"));
    let files = vec![
        file(inside("main.conf"), format!("conf={}\n", role.conf), OnChange::Restart, false),
        file(inside("live.conf"), format!("live={}\n", role.live), OnChange::Reload, false),
        file(inside("notes"), format!("note={}\n", role.note), OnChange::Nothing, false),
        file(inside("launch"), format!("exec {} as {id}\n", folders.join(" ")), OnChange::Restart, false),
        file(inside(kind.entry()), format!("run {id}\n"), OnChange::Restart, false),
        file(placed("extra"), format!("placed={}\n", role.placed), OnChange::Restart, false),
        file(placed("id"), format!("{at}\n"), OnChange::Restart, true),
    ];
    let digest = |wanted: &dyn Fn(&DesiredFile) -> bool| {
        let parts = files.iter().filter(|file| wanted(file)).map(|file| format!("{:?} {}", file.place, file.sha256));
        Digest::of_parts(parts.collect::<Vec<_>>().iter().map(String::as_bytes))
    };
    let unit = format!("es_cluster-test:{at}:{id}.service");
    let port = 1000 + u16::try_from(index * 10 + number).expect("small");
    DesiredInstance {
        id: InstanceId::new(RoleId::new(&id).expect("role"), at),
        service: service_name(index),
        module: Arc::clone(module),
        version: software[0].version.clone(),
        ordinal: 1,
        tier: tier.to_owned(),
        votes: service.voters && number == 0,
        params: Arc::default(),
        ports: Arc::new(BTreeMap::from([(Name::new("port").expect("name"), port)])),
        memory: 0,
        needs: Arc::new([]),
        free_disk: 0,
        context: es_cluster::expr::Context::new(&serde_json::Value::Null),
        software: folders.into(),
        content_generation: digest(&|file| matches!(file.place, Place::Generation(_))),
        restart_generation: digest(&|file| file.on_change == OnChange::Restart),
        process: Arc::new(DesiredProcess {
            command: vec!["/bin/run".to_owned()],
            first_start: vec![],
            check: vec![],
            env: BTreeMap::new(),
            program: id.clone(),
            stop_signal: "TERM".to_owned(),
            stop_within: Duration::from_secs(30),
            reload_signal: Some("HUP".to_owned()),
            reload_command: Vec::new(),
            logs: vec![],
        }),
        files: files.into(),
        unit,
        data_dir,
        adopts: Some(es_cluster::desired::Adopts { words: vec!["by hand".to_owned()], data: None }),
        log_dir: format!("{prefix}/log/{id}"),
        conf_dir: format!("{prefix}/conf/{id}"),
    }
}
