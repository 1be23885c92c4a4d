//! A real OpenSSH server on a loopback port of its own, with its own keys and configuration, run as whoever runs the tests.

use es_cluster::model::SshOptions;
use es_cluster::remote::{Ssh, SshHosts};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SSHD: &str = "/usr/sbin/sshd";

/// A server that ends with the test.
pub(crate) struct Server {
    folder: TempDir,
    child: Child,
    pub(crate) port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

pub(crate) fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

pub(crate) fn keygen(path: &Path, words: &[&str]) {
    let made = Command::new("ssh-keygen").args(["-q", "-f"]).arg(path).args(words).status();
    assert!(made.expect("ssh-keygen: apt-get install openssh-client").success());
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with("")
    }

    /// With further lines of `sshd_config`.
    pub(crate) fn with(lines: &str) -> Self {
        Self::with_key(&["-t", "ed25519", "-N", ""], lines)
    }

    /// With a key of the operator made by these words of `ssh-keygen`.
    pub(crate) fn with_key(words: &[&str], lines: &str) -> Self {
        assert!(Path::new(SSHD).exists(), "these tests need OpenSSH: apt-get install openssh-server");
        // What the server demands when it runs as root.
        _ = std::fs::create_dir_all("/run/sshd");
        let folder = tempfile::Builder::new().prefix("es-sshd-").tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("home/.ssh")).expect("a folder");
        keygen(&at("host_ed25519"), &["-t", "ed25519", "-N", ""]);
        keygen(&at("id"), words);
        std::fs::copy(at("id.pub"), at("authorized")).expect("a copy");
        let port = free_port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             UsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n{lines}\n",
            at("host_ed25519").display(),
            at("authorized").display(),
        );
        std::fs::write(at("config"), config).expect("a file");
        let child = spawn(&at("config"), &at("log"));
        let server = Self { folder, child, port };
        server.wait();
        server.know();
        server
    }

    /// Ends the server and all its connections, then starts it anew.
    pub(crate) fn restart(&mut self) {
        self.cut();
        _ = self.child.kill();
        _ = self.child.wait();
        self.child = spawn(&self.at("config"), &self.at("log"));
        self.wait();
    }

    /// Another host listens there from now on; connections that stand are not cut.
    pub(crate) fn replace_key(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        for name in ["host_ed25519", "host_ed25519.pub"] {
            std::fs::remove_file(self.at(name)).expect("removed");
        }
        keygen(&self.at("host_ed25519"), &["-t", "ed25519", "-N", ""]);
        self.child = spawn(&self.at("config"), &self.at("log"));
        self.wait();
    }

    /// Ends the server's side of all its connections.
    pub(crate) fn cut(&self) {
        let mut ended = children(self.child.id());
        while let Some(pid) = ended.pop() {
            // Only what holds the connection; what it started lives on, as after a cut network.
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if name.trim().starts_with("sshd") {
                ended.extend(children(pid));
                _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
            }
        }
    }

    /// Stops the processes that hold connections: nothing arrives and nothing is said, as with a cut cable.
    pub(crate) fn freeze(&self) -> Vec<u32> {
        let mut frozen = children(self.child.id());
        frozen.extend(frozen.clone().into_iter().flat_map(children));
        let named = |pid: &u32| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim().starts_with("sshd"))
        };
        frozen.retain(named);
        for pid in &frozen {
            _ = Command::new("kill").args(["-STOP", &pid.to_string()]).status();
        }
        frozen
    }

    fn wait(&self) {
        use std::io::Read as _;
        let until = Instant::now() + Duration::from_secs(20);
        let mut banner = [0; 4];
        while Instant::now() < until {
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port))
                && stream.read_exact(&mut banner).is_ok()
                && banner == *b"SSH-"
            {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("sshd does not start: {}", self.log());
    }

    /// Writes the host's key into the operator's known hosts.
    pub(crate) fn know(&self) {
        let key = std::fs::read_to_string(self.at("host_ed25519.pub")).expect("a key");
        std::fs::write(self.known_hosts(), format!("[127.0.0.1]:{} {key}", self.port)).expect("a file");
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.at("home")
    }

    pub(crate) fn known_hosts(&self) -> PathBuf {
        self.at("home/.ssh/known_hosts")
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.at("log")).unwrap_or_default()
    }

    pub(crate) fn options(&self) -> SshOptions {
        SshOptions {
            user: Some(user()),
            port: Some(self.port),
            identity: Some(self.at("id").display().to_string()),
            ..SshOptions::default()
        }
    }

    pub(crate) fn hosts(&self) -> SshHosts {
        SshHosts::of(&self.home(), &user(), None, self.folder.path()).expect("the operator's files")
    }

    /// The way to this server as a host.
    pub(crate) fn ssh(&self) -> Ssh {
        self.ssh_with(&self.options())
    }

    pub(crate) fn ssh_with(&self, options: &SshOptions) -> Ssh {
        self.hosts().host("node1", "127.0.0.1", options).expect("settings")
    }
}

fn spawn(config: &Path, log: &Path) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(log).expect("a log");
    let mut command = Command::new(SSHD);
    command.args(["-D", "-e", "-f"]).arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().expect("sshd starts")
}

/// Lets stopped processes go on.
pub(crate) fn thaw(frozen: &[u32]) {
    for pid in frozen {
        _ = Command::new("kill").args(["-CONT", &pid.to_string()]).status();
    }
}

/// The processes that a process has started and that it still has.
fn children(pid: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    let is_child = |child: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        parent == Some(pid)
    };
    pids.filter(is_child).collect()
}
