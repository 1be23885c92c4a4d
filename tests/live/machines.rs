//! Machines of their own for a lab: hosts of `fixtures/lab/`, reached over SSH, whose network, disk and power can fail.

use crate::lab::until;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// Hosts node1, node2, … of the lab of SSH hosts. Dropping them ends them.
pub struct Machines {
    /// The folder of the lab.
    pub folder: PathBuf,
    /// `127.M.0`: the addresses are `127.M.0.1` and so on.
    pub network: String,
    user: String,
}

impl Machines {
    /// Brings up hosts that are reached as this user. With `disks` each has a file system of its own for `/opt`.
    pub fn up(count: u8, user: &str, disks: bool) -> Self {
        let folder = tempfile::Builder::new().prefix("es-cluster-machines.").tempdir().expect("a folder").keep();
        let mut machines = Self { folder, network: String::new(), user: user.to_owned() };
        let size = if disks { "2G" } else { "none" };
        machines.lab(&["up", "--name", "node", "--hosts", &count.to_string(), "--opt-size", size], &[]);
        let listed = fs::read_to_string(machines.folder.join("hosts.json")).expect("hosts.json");
        let listed: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
        let network = listed["network"].as_str().expect("a network");
        network.strip_suffix(".0/16").expect("127.M.0").clone_into(&mut machines.network);
        machines
    }

    /// `lab COMMAND… DIR ARGUMENTS…`, which must succeed.
    #[track_caller]
    pub fn lab(&self, command: &[&str], arguments: &[&str]) -> String {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/lab/lab");
        let mut run = Command::new(program);
        run.args(command).arg(&self.folder).args(arguments).stdin(Stdio::null());
        let Output { status, stdout, stderr } = run.output().expect("the lab's program runs");
        assert!(status.success(), "lab {command:?} {arguments:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8_lossy(&stdout).into_owned()
    }

    /// Does one of the lab's verbs to a host: cut, mend, full, …
    #[track_caller]
    pub fn make(&self, verb: &str, host: &str) {
        self.lab(&[verb], &[host]);
    }

    /// Waits until the controller's kernel asks for a host for the last time before it gives up, as it does when somebody
    /// connects to a host that has been away for a while: the sixth request, as Linux counts them.
    #[track_caller]
    pub fn almost_given_up(&self, number: u8) {
        let address = format!("{}.{number}:22", self.network).parse().expect("an address");
        let neighbour = format!("{}.{number}", self.network);
        until("the last request for the host's address", Duration::from_mins(1), || {
            let asks = std::thread::spawn(move || TcpStream::connect_timeout(&address, Duration::from_secs(5)));
            while !asks.is_finished() {
                let shown = Command::new("ip").args(["-s", "neigh", "show", &neighbour]).output().expect("ip");
                let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
                if shown.contains("INCOMPLETE") && shown.contains("probes 6") {
                    return true;
                }
            }
            false
        });
    }

    /// Runs a script on a host, as root and not over SSH.
    #[track_caller]
    pub fn inside(&self, host: &str, script: &str) -> String {
        self.lab(&["exec"], &[host, "--", "sh", "-euc", script])
    }

    /// How `cluster.kdl` says that the hosts are reached.
    pub fn ssh_node(&self) -> String {
        let (folder, user) = (self.folder.display(), &self.user);
        let sudo = if user == "root" { "" } else { " sudo=#true" };
        format!("ssh user=\"{user}\"{sudo} identity=\"{folder}/id_ed25519\" known-hosts=\"{folder}/known_hosts\"")
    }

    /// The first process of a host, by its number on this machine.
    fn first_process(&self, host: &str) -> Option<u32> {
        let shell = fs::read_to_string(self.folder.join("hosts").join(host).join("pid")).ok()?;
        let shell = shell.split(' ').next()?.to_owned();
        fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).ok()?.split_whitespace().next()?.parse().ok()
    }

    /// The prefix of a host, as a folder of this machine.
    pub fn prefix(&self, host: &str) -> PathBuf {
        let plain = self.folder.join("hosts").join(host).join("opt");
        if plain.exists() {
            return plain.join("es_cluster");
        }
        let first = self.first_process(host).map_or_else(|| "none".to_owned(), |pid| pid.to_string());
        Path::new("/proc").join(first).join("root/opt/es_cluster")
    }

    /// The host's own `/proc`.
    pub fn proc(&self, host: &str) -> PathBuf {
        let first = self.first_process(host).map_or_else(|| "none".to_owned(), |pid| pid.to_string());
        Path::new("/proc").join(first).join("root/proc")
    }

    /// The number on this machine of a host's process; one that nothing has when it is gone.
    pub fn outside(&self, host: &str, pid: u32) -> u32 {
        let namespace = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let own = self.first_process(host).and_then(namespace);
        let inside = |outside: u32| {
            let status = fs::read_to_string(format!("/proc/{outside}/status")).ok()?;
            status
                .lines()
                .find_map(|line| line.strip_prefix("NSpid:"))?
                .split_whitespace()
                .next_back()?
                .parse::<u32>()
                .ok()
        };
        fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .find(|outside| inside(*outside) == Some(pid) && own.is_some() && namespace(*outside) == own)
            .unwrap_or(u32::MAX - pid)
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("ES_CLUSTER_KEEP").is_some() {
            println!("left for inspection: {0}; end it with: fixtures/lab/lab down {0}", self.folder.display());
            return;
        }
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/lab/lab");
        let _ = Command::new(program).arg("down").arg(&self.folder).stdout(Stdio::null()).status();
    }
}
