//! The acceptance tools beside a lab: a writer that remembers what was acknowledged, and a watcher from outside.

use crate::lab::{Lab, alive, signal, until};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

fn tool(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/accept").join(name)
}

fn python(tool: &Path, args: &[String], log: &Path) -> Child {
    let log = File::create(log).expect("a log");
    let mut command = Command::new("python3");
    command.arg("-B").arg(tool).args(args).stdin(Stdio::null());
    command.stdout(log.try_clone().expect("the log")).stderr(log).spawn().expect("python3")
}

/// What runs beside a change of the platform.
pub struct Load {
    writer: Child,
    watcher: Child,
    folder: PathBuf,
    services: [String; 4],
}

/// What is watched of each role: its service, itself, the port of its probe, and what is asked there.
pub type Watched = (&'static str, &'static str, u16, &'static str);

/// The roles of the demo platform.
const DEMO: [Watched; 4] = [
    ("elasticsearch", "elasticsearch-hot", 9200, "/"),
    ("elasticsearch", "elasticsearch-master", 9210, "/"),
    ("kafka", "kafka", 9092, ""),
    ("zookeeper", "zookeeper", 2181, "!srvr!Mode"),
];

impl Load {
    /// Starts both on the demo platform; returns when both services have acknowledged a write.
    pub fn start(lab: &Lab) -> Self {
        Self::on(lab, 3, &DEMO)
    }

    /// The same for these roles on so many hosts: on each host those that run there now.
    pub fn on(lab: &Lab, hosts: u8, roles: &[Watched]) -> Self {
        let folder = lab.controller.with_file_name("load");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        let addresses = |port: u16| {
            let list: Vec<String> = (1..=hosts).map(|host| format!("{}:{port}", lab.address(host))).collect();
            list.join(",")
        };
        let services = ["--elasticsearch".to_owned(), addresses(9200), "--kafka".to_owned(), addresses(9092)];
        let dir = ["--dir".to_owned(), folder.display().to_string()];
        let run = [vec!["run".to_owned()], dir.to_vec(), services.to_vec()].concat();
        let writer = python(&tool("writer.py"), &run, &folder.join("writer.log"));
        let mut watched = vec!["--out".to_owned(), folder.join("watch.json").display().to_string()];
        // A machine that runs all of it is slow at times: late is not down.
        watched.extend(["--timeout".to_owned(), "5".to_owned()]);
        for (service, role, port, path) in roles {
            for host in 1..=hosts {
                let name = format!("node{host}");
                let record = lab.prefix(&name).join("run").join(format!("{role}.proc"));
                if !record.exists() {
                    continue;
                }
                let proc = lab.proc(&name);
                let address = lab.address(host);
                watched.push(format!(
                    "{service}={role}@{name}={address}:{port}{path}={}={}",
                    record.display(),
                    proc.display()
                ));
            }
        }
        let watcher = python(&tool("watch.py"), &watched, &folder.join("watch.log"));
        let load = Self { writer, watcher, folder, services };
        until("the writer's first acknowledged writes", Duration::from_mins(1), || load.folder.join("ready").exists());
        load
    }

    /// Ends both, demands that every acknowledged write is there, and gives the watcher's report and the longest gaps.
    pub fn finish(mut self) -> (serde_json::Value, String) {
        signal(self.writer.id(), "TERM");
        self.writer.wait().expect("the writer ends");
        signal(self.watcher.id(), "TERM");
        self.watcher.wait().expect("the watcher ends");
        let dir = self.folder.display().to_string();
        let verify = Command::new("python3")
            .arg("-B")
            .arg(tool("writer.py"))
            .args(["verify", "--dir", &dir])
            .args(&self.services)
            .output()
            .expect("the writer verifies");
        let said = String::from_utf8_lossy(&verify.stdout).into_owned();
        println!("{said}");
        assert!(verify.status.success(), "acknowledged writes are missing:\n{said}");
        let report = std::fs::read_to_string(self.folder.join("watch.json")).expect("the watcher's report");
        (serde_json::from_str(&report).expect("JSON"), said)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in [&mut self.writer, &mut self.watcher] {
            if child.try_wait().is_ok_and(|ended| ended.is_none()) && alive(child.id()) {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}
