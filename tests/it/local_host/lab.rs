//! A sandbox host made by hand: a prefix in a temporary folder, a desired state without files of ours, a real supervisor.

use super::shells::In;
use es_cluster::desired::{
    DesiredFile, DesiredHost, DesiredInstance, DesiredProcess, Part, Place, Software, Supervisor, Supervisord,
};
use es_cluster::host::{Host, HostError, Op, Wanted};
use es_cluster::inventory::{Found, HostObservation};
use es_cluster::model::*;
use es_cluster::remote::Machine;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// A wheel of the supervisor, fetched once and unpacked, for all tests.
fn supervisor_wheel() -> &'static Path {
    static WHEEL: OnceLock<PathBuf> = OnceLock::new();
    WHEEL.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("supervisor-4.3.0");
        if !folder.join("supervisor/supervisord.py").is_file() {
            let aside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("folder");
            let run = |words: &[&str]| {
                let output = std::process::Command::new("python3").args(words).output().expect("python3");
                assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
            };
            let wheels = aside.path().display().to_string();
            run(&["-m", "pip", "download", "-q", "--no-deps", "-d", &wheels, "supervisor==4.3.0"]);
            let wheel = std::fs::read_dir(aside.path()).expect("folder").flatten().next().expect("a wheel").path();
            run(&["-m", "zipfile", "-e", &wheel.display().to_string(), &format!("{wheels}/unpacked")]);
            // Another test run may have been faster.
            if std::fs::rename(aside.path().join("unpacked"), &folder).is_err() {
                assert!(folder.join("supervisor/supervisord.py").is_file());
            }
        }
        folder
    })
}

/// One sandbox host.
pub(crate) struct Lab {
    folder: tempfile::TempDir,
    pub(crate) prefix: String,
    pub(crate) host: Arc<DesiredHost>,
    pub(super) machine: Machine<In>,
    bundles: Arc<Mutex<BTreeMap<Digest, PathBuf>>>,
    /// How many bytes of its input a script gets.
    pub(super) cut_at: Arc<AtomicUsize>,
}

impl Lab {
    /// A host whose prefix has this name.
    pub(crate) fn new(name: &str) -> Self {
        Self::in_shell(name, "")
    }

    /// One whose scripts run in another shell: the words that start it.
    pub(super) fn in_shell(name: &str, shell: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("host").tempdir().expect("folder");
        // The user that services run as must reach it.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("mode");
        let prefix = folder.path().join(name).display().to_string();
        let config_path = format!("{prefix}/conf/supervisord/supervisord.conf");
        let config = format!(
            "[supervisord]\nlogfile={prefix}/log/supervisord.log\npidfile={prefix}/run/supervisord.pid\n\
             childlogdir={prefix}/log\n[unix_http_server]\nfile={prefix}/run/supervisord.sock\nchmod=0700\n\
             [rpcinterface:supervisor]\n\
             supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\
             [include]\nfiles=../*/current/supervisor.conf\n"
        );
        let words = ["python3", "-m", "supervisor.supervisord", "-c", &config_path];
        let host = DesiredHost {
            name: HostName::new("node1").expect("name"),
            address: "127.0.0.1".to_owned(),
            transport: Transport::Local,
            ssh: SshOptions::default(),
            user: None,
            software: BTreeMap::new(),
            supervisor: Supervisor::Supervisord(Supervisord {
                needs: Vec::new(),
                control: Vec::new(),
                version: Version::parse("4.3.0").expect("version"),
                command: words.iter().map(|word| (*word).to_owned()).collect(),
                env: BTreeMap::from([
                    ("PYTHONPATH".to_owned(), supervisor_wheel().display().to_string()),
                    ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned()),
                ]),
                config_path,
                config,
                socket: format!("{prefix}/run/supervisord.sock"),
                pidfile: format!("{prefix}/run/supervisord.pid"),
            }),
            units: "es_cluster-lab:node1".to_owned(),
            idle: false,
            boot: None,
            prefix: prefix.clone(),
        };
        let bundles: Arc<Mutex<BTreeMap<Digest, PathBuf>>> = Arc::default();
        let known = Arc::clone(&bundles);
        let source = move |part: &Part| {
            known.lock().expect("lock").get(&part.bundle).cloned().ok_or_else(|| format!("{} is not cached", part.name))
        };
        let way = In::shell(shell);
        let cut_at = Arc::clone(&way.cut_at);
        let machine = Machine::new(host.name.clone(), Arc::new(way), Arc::new(source));
        Self { folder, prefix, host: Arc::new(host), machine, bundles, cut_at }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        Path::new(&self.prefix).join(below)
    }

    pub(super) async fn run(&self, op: Op) -> Result<(), HostError> {
        self.machine.run(&op).await
    }

    pub(super) async fn observe(&self, instances: &[&Arc<DesiredInstance>]) -> HostObservation {
        self.look(instances, false).await
    }

    pub(super) async fn look(&self, instances: &[&Arc<DesiredInstance>], verify: bool) -> HostObservation {
        let instances = instances.iter().map(|one| Arc::clone(one)).collect();
        let wanted = Wanted { host: Arc::clone(&self.host), instances, verify };
        self.machine.observe(&wanted).await.expect("observed")
    }

    pub(super) async fn prepare(&self, instances: &[&Arc<DesiredInstance>], debris: &[&str]) -> Result<(), HostError> {
        let instances = instances.iter().map(|one| Arc::clone(one)).collect();
        let debris = debris.iter().map(|path| (*path).to_owned()).collect();
        self.run(Op::Prepare { host: Arc::clone(&self.host), instances, debris }).await
    }

    pub(super) async fn seek(&self, request: &str) -> Vec<Found> {
        self.machine.seek(request).await.expect("looked")
    }

    /// Software of one bundle that holds these files.
    pub(super) fn software(&mut self, folder: &str, files: &[(&str, u32, &str)]) -> Arc<Software> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, mode, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(*mode);
            header.set_mtime(1);
            tar.append_data(&mut header, path, text.as_bytes()).expect("tar");
        }
        let bytes = tar.into_inner().expect("tar");
        let bundle = Digest::of(&bytes);
        let file = self.folder.path().join(format!("{bundle}.tar"));
        std::fs::write(&file, &bytes).expect("bundle");
        self.bundles.lock().expect("lock").insert(bundle, file);
        let part = Part { bundle, name: "part".to_owned(), size: bytes.len() as u64, into: String::new() };
        let software = Arc::new(Software {
            folder: folder.to_owned(),
            module: ModuleName::new("thing").expect("name"),
            version: Version::parse("1.0").expect("version"),
            parts: vec![part],
        });
        let host = Arc::make_mut(&mut self.host);
        host.software.insert(folder.to_owned(), Arc::clone(&software));
        software
    }

    pub(super) fn bundle_file(&self, software: &Software) -> PathBuf {
        self.bundles.lock().expect("lock")[&software.parts[0].bundle].clone()
    }

    /// A role with a process: a launcher as the real one writes its record, then this command.
    pub(crate) fn instance(&self, role: &str, command: &str, extra: Vec<DesiredFile>) -> Arc<DesiredInstance> {
        let prefix = &self.prefix;
        let restart_generation = Digest::of(command.as_bytes());
        let launch = format!(
            "#!/bin/sh\nset -eu\ncd {0}\n[ ! -e run/{role}.held ] || exit 0\n\
             exec >>log/{role}/console.log 2>&1\n\
             IFS= read -r boot </proc/sys/kernel/random/boot_id\nIFS= read -r line </proc/$$/stat\n\
             set -- ${{line##*)}}\nshift 19\n\
             printf 'pid=%s\\nstart_time=%s\\nboot_id=%s\\nrestart_generation=%s\\n' $$ $1 $boot {restart_generation} \
             >run/.tmp-{role}.proc\nmv run/.tmp-{role}.proc run/{role}.proc\n{command}\n",
            sh_quote(prefix)
        );
        let supervisor = format!(
            "[program:{role}]\ncommand=/bin/sh {prefix}/conf/{role}/current/launch\nautostart=false\n\
             autorestart=unexpected\nexitcodes=0\nstartsecs=1\nstartretries=2\nstopwaitsecs=100000\n\
             stdout_logfile=NONE\nstderr_logfile=NONE\n"
        );
        let mut files = vec![rendered("launch", &launch, 0o755), rendered("supervisor.conf", &supervisor, 0o644)];
        files.extend(extra);
        let parts: Vec<String> =
            files.iter().map(|file| format!("{:?} {:o} {}", file.place, file.mode, file.sha256)).collect();
        let host = self.host.name.clone();
        Arc::new(DesiredInstance {
            id: InstanceId::new(RoleId::new(role).expect("role"), host),
            service: ServiceName::new(role).expect("service"),
            module: Arc::new(module()),
            version: Version::parse("1.0").expect("version"),
            ordinal: 1,
            tier: String::new(),
            votes: false,
            params: Arc::default(),
            ports: Arc::default(),
            memory: 0,
            needs: Arc::new([]),
            free_disk: 0,
            context: es_cluster::expr::Context::new(&serde_json::json!({})),
            software: self.host.software.keys().cloned().collect(),
            content_generation: Digest::of(parts.join("\n").as_bytes()),
            files: files.into(),
            process: Arc::new(DesiredProcess {
                command: Vec::new(),
                first_start: Vec::new(),
                check: Vec::new(),
                env: BTreeMap::new(),
                program: role.to_owned(),
                stop_signal: "TERM".to_owned(),
                stop_within: Duration::from_secs(20),
                reload_signal: Some("HUP".to_owned()),
                reload_command: Vec::new(),
                logs: vec![format!("{prefix}/log/{role}/own.log")],
            }),
            unit: format!("es_cluster-lab:node1:{role}.service"),
            data_dir: format!("{prefix}/data/{role}"),
            adopts: None,
            log_dir: format!("{prefix}/log/{role}"),
            conf_dir: format!("{prefix}/conf/{role}"),
            restart_generation,
        })
    }

    /// Renders and switches.
    pub(super) async fn switch(&self, instance: &Arc<DesiredInstance>) {
        let (host, instance) = (|| Arc::clone(&self.host), || Arc::clone(instance));
        self.run(Op::Render { host: host(), instance: instance() }).await.expect("rendered");
        let to = instance().content_generation;
        self.run(Op::Switch { host: host(), instance: instance(), to }).await.expect("switched");
    }

    /// It was seen healthy.
    pub(super) async fn accept(&self, instance: &Arc<DesiredInstance>) {
        let (host, instance) = (Arc::clone(&self.host), Arc::clone(instance));
        self.run(Op::Accept { host, instance }).await.expect("accepted");
    }

    pub(super) async fn start(&self, instance: &Arc<DesiredInstance>) -> Result<(), HostError> {
        let (host, instance) = (Arc::clone(&self.host), Arc::clone(instance));
        self.run(Op::Start { host, instance, first: false }).await
    }

    pub(super) async fn stop(&self, instance: &Arc<DesiredInstance>) -> Result<(), HostError> {
        let (host, instance) = (Arc::clone(&self.host), Arc::clone(instance));
        self.run(Op::Stop { host, instance, within: Duration::from_secs(20) }).await
    }

    fn recorded_pids(&self) -> Vec<String> {
        let run = std::fs::read_dir(self.path("run"));
        let files = run.into_iter().flatten().flatten().map(|entry| entry.path());
        let records = files.filter(|path| path.extension().is_some_and(|end| end == "proc" || end == "pid"));
        let number = |text: String| {
            text.lines().next().map(|line| line.trim_start_matches("pid=").to_owned()).filter(|pid| !pid.is_empty())
        };
        records.filter_map(|path| std::fs::read_to_string(path).ok()).filter_map(number).collect()
    }
}

impl Drop for Lab {
    /// Ends the supervisor first, so that it starts nothing again; only processes whose command names our folder.
    fn drop(&mut self) {
        let mut pids = self.recorded_pids();
        pids.extend(std::fs::read_to_string(self.path("run/supervisord.pid")).ok().map(|pid| pid.trim().to_owned()));
        pids.reverse();
        for pid in pids {
            let read = |what: &str| std::fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
            let ours = String::from_utf8_lossy(&read("cmdline")).contains(&self.prefix)
                || std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(&self.prefix));
            if ours {
                _ = std::process::Command::new("kill").args(["-9", &pid]).output();
            }
        }
    }
}

/// A file of a generation.
pub(super) fn rendered(path: &str, text: &str, mode: u32) -> DesiredFile {
    DesiredFile {
        place: Place::Generation(path.to_owned()),
        content: text.into(),
        sha256: Digest::of(text.as_bytes()),
        mode,
        on_change: OnChange::Restart,
        identity: false,
        secret: false,
        open: None,
    }
}

/// A file of a generation with a secret in it.
pub(super) fn hidden(path: &str, text: &str) -> DesiredFile {
    let sha256 = Digest::keyed(&Digest::of(b"key"), b"<secret>");
    DesiredFile { sha256, secret: true, open: Some(Hidden::new(text)), ..rendered(path, "<secret>", 0o600) }
}

fn module() -> Module {
    let name = ModuleName::new("thing").expect("name");
    Module {
        name: es_cluster::diag::Spanned::new(name, es_cluster::diag::Span::default()),
        doc: String::new(),
        requires: Vec::new(),
        params: IndexMap::new(),
        artifact: None,
        plugins: None,
        files: Vec::new(),
        templates: IndexMap::new(),
        free_config: None,
        service_owned: vec!["own.store".to_owned()],
        live: Vec::new(),
        connection: None,
        process: None,
        ordinal: None,
        tier: None,
        order: Order::default(),
        after: Vec::new(),
        compat: Vec::new(),
        host: HostNeeds::default(),
        settings: IndexMap::new(),
        ready: None,
        healthy: None,
        converged: None,
        safe_to_stop: Vec::new(),
        by_file: false,
        drain: None,
        quorum: None,
        strategy: Strategy::Rolling,
        import: None,
        adopt: None,
        rolling: Rolling {
            max_unavailable: 1.into(),
            per: Per::Instance,
            last: None,
            before_stop: Vec::new(),
            after_ready: Vec::new(),
            no_return: None,
        },
        phases: None,
        settled: Vec::new(),
        status: Vec::new(),
        singleton: None,
        jobs: IndexMap::default(),
        upgrade: Upgrade::default(),
    }
}
