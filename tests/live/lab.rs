//! A lab: a cluster file in a folder of its own, sandbox hosts on loopback addresses of their own, and both programs.
//! Dropping it ends every process it started, by its record, and removes everything.

use crate::machines::Machines;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// Which tests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// What CI runs.
    Ci,
    /// Everything.
    Accept,
}

/// The tier of this run, from `ES_CLUSTER_TIER`.
pub fn tier() -> Tier {
    if std::env::var("ES_CLUSTER_TIER").is_ok_and(|tier| tier == "accept") { Tier::Accept } else { Tier::Ci }
}

/// The outcome of one of our programs.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Ran {
    /// Fails the test unless the exit code is this one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// Everything that was printed.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// A cluster on sandbox hosts, or on machines that are reached over SSH.
pub struct Lab {
    /// The folder of `cluster.kdl`: one controller.
    pub controller: PathBuf,
    /// The prefixes of the hosts are below this folder.
    pub hosts: PathBuf,
    /// The cluster's name.
    pub cluster: String,
    /// `127.0.N`: hosts have the addresses `127.0.N.1` and so on.
    pub network: String,
    /// The machines, when the hosts are not sandbox hosts.
    pub machines: Option<Machines>,
}

static NEXT: AtomicU8 = AtomicU8::new(0);

/// A network whose first five addresses have nothing bound on the ports that labs use.
fn free_network() -> String {
    let offset = u8::try_from(std::process::id() % 100).expect("small");
    for _ in 0..100 {
        let third = 100 + (offset + NEXT.fetch_add(1, Ordering::Relaxed)) % 150;
        let free = (1..=5).all(|host| {
            [2181, 3030, 5066, 5601, 6379, 8080, 9092, 9200, 9201, 9210, 9300, 9301, 9310, 18630]
                .iter()
                .all(|port| TcpListener::bind((format!("127.0.{third}.{host}"), *port)).is_ok())
        });
        if free {
            return format!("127.0.{third}");
        }
    }
    panic!("no free loopback network");
}

impl Lab {
    /// A new lab, whose cluster file is `text` with `{network}` and `{cluster}` filled in.
    pub fn new(name: &str, text: &str) -> Self {
        let cluster = format!("test-{name}-{}", std::process::id());
        // Where sandbox hosts are by default; the controller's folder is elsewhere and nobody else's.
        let hosts = Path::new("/var/tmp/es_cluster").join(&cluster);
        let controller = std::env::temp_dir().join(&cluster).join("controller");
        Self { controller, hosts, network: free_network(), cluster, machines: None }.begin(text)
    }

    /// The same on machines of their own: what the file says of sandbox hosts is said of hosts reached over SSH.
    pub fn over_ssh(name: &str, text: &str, machines: Machines) -> Self {
        let cluster = format!("test-{name}-{}", std::process::id());
        let controller = std::env::temp_dir().join(&cluster).join("controller");
        let (hosts, network) = (machines.folder.join("hosts"), machines.network.clone());
        let cluster_node = "cluster \"{cluster}\" {";
        assert!(text.contains(cluster_node), "{text}");
        let reached = format!("{cluster_node}\n    {}\n   ", machines.ssh_node());
        let text = text.replace(" transport=\"local\"", "").replace(cluster_node, &reached);
        Self { controller, hosts, network, cluster, machines: Some(machines) }.begin(&text)
    }

    fn begin(self, text: &str) -> Self {
        fs::create_dir_all(&self.controller).expect("controller folder");
        Self::prepare(&self.controller);
        self.write(text);
        self
    }

    /// Links modules and the vendor folder into a controller's folder.
    fn prepare(controller: &Path) {
        let repo = Path::new(env!("CARGO_MANIFEST_DIR"));
        let copied = Command::new("cp").arg("-r").arg(repo.join("modules")).arg(controller).status().expect("cp");
        assert!(copied.success());
        let vendor = controller.join("install");
        let built = Command::new(repo.join("fixtures/stand-ins/build")).arg(&vendor).stdout(Stdio::null()).status();
        assert!(built.expect("stand-ins").success());
    }

    /// Replaces the cluster file.
    pub fn write(&self, text: &str) {
        let text = text.replace("{network}", &self.network).replace("{cluster}", &self.cluster);
        fs::write(self.controller.join("cluster.kdl"), text).expect("cluster.kdl");
    }

    /// Replaces a text in the cluster file; it must be there.
    pub fn edit(&self, from: &str, to: &str) {
        let path = self.controller.join("cluster.kdl");
        let text = fs::read_to_string(&path).expect("cluster.kdl");
        assert!(text.contains(from), "{from:?} is not in\n{text}");
        fs::write(path, text.replace(from, to)).expect("cluster.kdl");
    }

    /// Another controller: the same cluster file, lock and modules in a new folder, nothing else of the first one.
    pub fn move_controller(&mut self, name: &str) {
        let next = self.controller.with_file_name(name);
        fs::create_dir_all(&next).expect("controller folder");
        Self::prepare(&next);
        for file in ["cluster.kdl", "cluster.lock"] {
            fs::copy(self.controller.join(file), next.join(file)).expect("copy");
        }
        fs::remove_dir_all(&self.controller).expect("the first controller is gone");
        self.controller = next;
    }

    /// The controller's cache, shared by all labs.
    pub fn cache() -> PathBuf {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache/es_cluster")
    }

    /// A command for one of our programs, in the controller's folder, with a cache that all labs share.
    pub fn command(&self, program: &str, args: &[&str]) -> Command {
        let path = match program {
            "esplan" => env!("CARGO_BIN_EXE_esplan"),
            "esapply" => env!("CARGO_BIN_EXE_esapply"),
            other => panic!("no program {other}"),
        };
        let cache = Self::cache();
        let cache = cache.parent().expect("a folder");
        let mut command = Command::new(path);
        command.args(args).current_dir(&self.controller).env("XDG_CACHE_HOME", cache).env("NO_COLOR", "1");
        command.stdin(Stdio::null());
        command
    }

    /// Runs one of our programs to its end.
    pub fn run(&self, program: &str, args: &[&str]) -> Ran {
        let begin = Instant::now();
        let Output { status, stdout, stderr } = self.command(program, args).output().expect("the program runs");
        let ran = Ran {
            code: status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
            took: begin.elapsed(),
        };
        println!("$ {program} {}  -> {} in {:.1?}", args.join(" "), ran.code, ran.took);
        ran
    }

    /// `esplan …`
    pub fn esplan(&self, args: &[&str]) -> Ran {
        self.run("esplan", args)
    }

    /// `esapply --yes …`
    pub fn esapply(&self, args: &[&str]) -> Ran {
        self.run("esapply", &[&["--yes"], args].concat())
    }

    /// The prefix of a host, as a folder of this machine.
    pub fn prefix(&self, host: &str) -> PathBuf {
        self.machines.as_ref().map_or_else(|| self.hosts.join(host), |machines| machines.prefix(host))
    }

    /// The `/proc` in which the pids of a host's records count.
    pub fn proc(&self, host: &str) -> PathBuf {
        self.machines.as_ref().map_or_else(|| PathBuf::from("/proc"), |machines| machines.proc(host))
    }

    /// The pid on this machine of what has another one on its host.
    pub fn process(&self, host: &str, pid: u32) -> u32 {
        self.machines.as_ref().map_or(pid, |machines| machines.outside(host, pid))
    }

    /// The address of `nodeN`.
    pub fn address(&self, number: u8) -> String {
        format!("{}.{number}", self.network)
    }

    /// The pid of an instance, from its record.
    #[track_caller]
    pub fn pid(&self, role: &str, host: &str) -> u32 {
        let pid = record(&self.prefix(host).join("run").join(format!("{role}.proc")), "pid").expect("a process record");
        self.process(host, pid)
    }

    /// Pids of all instances of a role on three hosts.
    pub fn pids(&self, role: &str) -> Vec<u32> {
        (1..=3).map(|number| self.pid(role, &format!("node{number}"))).collect()
    }
}

/// A number in a process record.
pub fn record(path: &Path, key: &str) -> Option<u32> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')?.parse().ok())
}

/// Sends a signal to one process that the lab started.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).stderr(Stdio::null()).status();
    assert!(sent.is_ok());
}

/// Whether a process exists and is not a zombie.
pub fn alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z')))
}

/// Waits until a condition holds; fails the test when it does not within the limit.
#[track_caller]
pub fn until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < limit, "waited {limit:?} for {what}");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.machines.is_some() {
            // They end by themselves, with everything on them.
            if !std::thread::panicking() {
                let _ = self.controller.parent().map(fs::remove_dir_all);
            }
            return;
        }
        let mut pids = Vec::new();
        for host in fs::read_dir(&self.hosts).into_iter().flatten().flatten() {
            let run = host.path().join("run");
            // The supervisor first, so that it restarts nothing.
            pids.extend(
                fs::read_to_string(run.join("supervisord.pid")).ok().and_then(|pid| pid.trim().parse::<u32>().ok()),
            );
            for entry in fs::read_dir(run).into_iter().flatten().flatten() {
                if entry.path().extension().is_some_and(|extension| extension == "proc") {
                    pids.extend(record(&entry.path(), "pid"));
                }
            }
        }
        let ours = |pid: &u32| {
            let environ = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            environ.contains(&self.hosts.display().to_string())
        };
        pids.retain(ours);
        for pid in &pids {
            signal(*pid, "KILL");
        }
        if std::thread::panicking() {
            // What a failed test leaves is what one wants to look at; the next run of it removes it.
            println!("left for inspection: {}", self.hosts.display());
        } else {
            let _ = fs::remove_dir_all(&self.hosts);
            let _ = self.controller.parent().map(fs::remove_dir_all);
        }
    }
}
