//! The acceptance tools beside a lab: a writer that remembers what was acknowledged, and a watcher from outside.

use crate::lab::{Lab, alive, signal, until};
use std::fs::File;
use std::ops::RangeInclusive;
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

/// An instance on each of some hosts that is watched from outside.
pub struct Watched {
    pub service: &'static str,
    pub role: &'static str,
    pub port: u16,
    /// What it is asked: an HTTP path, `!SEND!EXPECT`, or nothing but a connection.
    pub ask: &'static str,
    pub hosts: RangeInclusive<u8>,
}

/// The services of the repo's own platform.
pub const DEMO: &[Watched] = &[
    Watched { service: "elasticsearch", role: "elasticsearch-hot", port: 9200, ask: "/", hosts: 1..=3 },
    Watched { service: "elasticsearch", role: "elasticsearch-master", port: 9210, ask: "/", hosts: 1..=3 },
    Watched { service: "kafka", role: "kafka", port: 9092, ask: "", hosts: 1..=3 },
    Watched { service: "zookeeper", role: "zookeeper", port: 2181, ask: "!srvr!Mode", hosts: 1..=3 },
];

/// What runs beside a change of the platform.
pub struct Load {
    writer: Child,
    watcher: Child,
    folder: PathBuf,
    services: Vec<String>,
}

impl Load {
    /// Starts both on the demo platform; returns when both services have acknowledged a write.
    pub fn start(lab: &Lab) -> Self {
        Self::on(lab, 1..=3, DEMO)
    }

    /// The same on a platform that leaves two processors little: ten writes a second to each service, and two looks.
    pub fn light(lab: &Lab, hosts: RangeInclusive<u8>, all: &[Watched]) -> Self {
        Self::with(lab, hosts, all, ("10", "0.5"))
    }

    /// Writes to Elasticsearch (port 9200) and Kafka (port 9092) on some hosts, as far as one of them is watched, and watches
    /// others, or the same.
    pub fn on(lab: &Lab, hosts: RangeInclusive<u8>, all: &[Watched]) -> Self {
        Self::with(lab, hosts, all, ("50", "0.1"))
    }

    /// With writes a second, and seconds between looks.
    fn with(lab: &Lab, hosts: RangeInclusive<u8>, all: &[Watched], (rate, every): (&str, &str)) -> Self {
        let folder = lab.controller.with_file_name("load");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        let addresses = |port: u16| {
            let list: Vec<String> = hosts.clone().map(|host| format!("{}:{port}", lab.address(host))).collect();
            list.join(",")
        };
        let known = [("elasticsearch", 9200), ("kafka", 9092)];
        let known = known.into_iter().filter(|(name, _)| all.iter().any(|one| one.service == *name));
        let services: Vec<String> = known.flat_map(|(name, port)| [format!("--{name}"), addresses(port)]).collect();
        let dir = ["--dir".to_owned(), folder.display().to_string()];
        let rate = ["--rate".to_owned(), rate.to_owned()];
        let run = [vec!["run".to_owned()], dir.to_vec(), rate.to_vec(), services.clone()].concat();
        let writer = python(&tool("writer.py"), &run, &folder.join("writer.log"));
        let mut watched = vec!["--out".to_owned(), folder.join("watch.json").display().to_string()];
        watched.extend(["--every".to_owned(), every.to_owned()]);
        for Watched { service, role, port, ask, hosts } in all {
            for host in hosts.clone() {
                let name = format!("node{host}");
                let record = lab.prefix(&name).join("run").join(format!("{role}.proc"));
                let proc = lab.proc(&name);
                let address = lab.address(host);
                watched.push(format!(
                    "{service}={role}@{name}={address}:{port}{ask}={}={}",
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
