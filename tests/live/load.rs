//! The acceptance tools beside a lab: a writer that remembers what was acknowledged, and watchers from outside.

use crate::lab::{Lab, alive, signal, until};
use serde_json::Value;
use std::fs::{self, File};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn tool(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/accept").join(name)
}

/// One of the tools, ended when it is dropped.
struct Tool(Child);

impl Tool {
    fn start(name: &str, args: &[String], log: &Path) -> Self {
        let log = File::create(log).expect("a log");
        let mut command = Command::new("python3");
        command.arg("-B").arg(tool(name)).args(args).stdin(Stdio::null());
        Self(command.stdout(log.try_clone().expect("the log")).stderr(log).spawn().expect("python3"))
    }

    /// Has it write down what it saw. One that has ended before, by itself, is a mistake.
    fn end(&mut self) {
        signal(self.0.id(), "TERM");
        let ended = self.0.wait().expect("it ends");
        assert!(ended.success(), "a tool of the acceptance ended with {ended}: see its log");
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        if self.0.try_wait().is_ok_and(|ended| ended.is_none()) && alive(self.0.id()) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// A number of a report.
#[track_caller]
fn figure(of: &Value, name: &str) -> f64 {
    of[name].as_f64().unwrap_or_else(|| panic!("no {name} in {of}"))
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

/// How much is asked of the machine, and what must come of it: a writer that stops is found, and not a machine that is busy.
#[derive(Clone, Copy)]
struct Pace {
    /// Writes a second to each service; a tenth of them must have been acknowledged in the end.
    writes: f64,
    /// Seconds between looks at an instance.
    every: f64,
    /// Seconds without an acknowledged write that are too long.
    gap: f64,
}

const FULL: Pace = Pace { writes: 50.0, every: 0.1, gap: 60.0 };
const LIGHT: Pace = Pace { writes: 10.0, every: 0.5, gap: 120.0 };

/// What runs beside a change of the platform.
pub struct Load {
    writer: Tool,
    watcher: Tool,
    folder: PathBuf,
    services: Vec<String>,
    pace: Pace,
    began: Instant,
}

impl Load {
    /// Starts both on the demo platform; returns when both services have acknowledged a write.
    pub fn start(lab: &Lab) -> Self {
        Self::on(lab, 1..=3, DEMO)
    }

    /// The same on a platform that leaves two processors little: ten writes a second to each service, and two looks.
    pub fn light(lab: &Lab, hosts: RangeInclusive<u8>, all: &[Watched]) -> Self {
        Self::with(lab, hosts, all, LIGHT)
    }

    /// Writes to Elasticsearch (port 9200) and Kafka (port 9092) on some hosts, as far as one of them is watched, and watches
    /// others, or the same.
    pub fn on(lab: &Lab, hosts: RangeInclusive<u8>, all: &[Watched]) -> Self {
        Self::with(lab, hosts, all, FULL)
    }

    fn with(lab: &Lab, hosts: RangeInclusive<u8>, all: &[Watched], pace: Pace) -> Self {
        let folder = lab.controller.with_file_name("load");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        let addresses = |port: u16| {
            let list: Vec<String> = hosts.clone().map(|host| format!("{}:{port}", lab.address(host))).collect();
            list.join(",")
        };
        let known = [("elasticsearch", 9200), ("kafka", 9092)];
        let known = known.into_iter().filter(|(name, _)| all.iter().any(|one| one.service == *name));
        let services: Vec<String> = known.flat_map(|(name, port)| [format!("--{name}"), addresses(port)]).collect();
        let dir = ["--dir".to_owned(), folder.display().to_string()];
        let rate = ["--rate".to_owned(), pace.writes.to_string()];
        let run = [vec!["run".to_owned()], dir.to_vec(), rate.to_vec(), services.clone()].concat();
        let writer = Tool::start("writer.py", &run, &folder.join("writer.log"));
        let mut watched = vec!["--out".to_owned(), folder.join("watch.json").display().to_string()];
        watched.extend(["--every".to_owned(), pace.every.to_string()]);
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
        let watcher = Tool::start("watch.py", &watched, &folder.join("watch.log"));
        until("the writer's first acknowledged writes", Duration::from_mins(1), || folder.join("ready").exists());
        Self { writer, watcher, folder, services, pace, began: Instant::now() }
    }

    /// Watches from now on that every shard and every partition has a copy that serves.
    pub fn copies(&self) -> Copies {
        let report = self.folder.join("copies.json");
        let out = ["--out".to_owned(), report.display().to_string()];
        let args = [out.to_vec(), self.services.clone()].concat();
        Copies { tool: Tool::start("copies.py", &args, &self.folder.join("copies.log")), report }
    }

    /// Ends both, demands that writes went on and that every acknowledged one is there, and gives the watcher's report and
    /// the writer's.
    pub fn finish(mut self) -> (Value, String) {
        let elapsed = self.began.elapsed().as_secs_f64();
        self.writer.end();
        self.watcher.end();
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
        let complaint = String::from_utf8_lossy(&verify.stderr);
        assert!(verify.status.success(), "acknowledged writes are missing:\n{said}{complaint}");
        let written: Value = serde_json::from_str(&said).expect("JSON");
        for service in self.services.iter().filter_map(|word| word.strip_prefix("--")) {
            let found = &written[service];
            let least = elapsed * self.pace.writes / 10.0;
            assert!(figure(found, "acknowledged") >= least, "{service}: {found} in {elapsed:.0} seconds");
            assert!(figure(found, "longest_gap_seconds") < self.pace.gap, "{service}: writes stopped: {found}");
        }
        let report = fs::read_to_string(self.folder.join("watch.json")).expect("the watcher's report");
        (serde_json::from_str(&report).expect("JSON"), said)
    }
}

/// The watch over shards and partitions.
pub struct Copies {
    tool: Tool,
    report: PathBuf,
}

impl Copies {
    /// Ends it, and demands that nothing was ever seen without a copy, and that it looked often enough to say so.
    pub fn finish(mut self) {
        self.tool.end();
        let report = fs::read_to_string(&self.report).expect("a report");
        println!("{report}");
        let said: Value = serde_json::from_str(&report).expect("JSON");
        for what in ["shards", "partitions"] {
            let seen = &said[what];
            let looks = figure(seen, "looks");
            assert!(looks * 5.0 >= figure(seen, "seconds"), "{what}: less than a look in five seconds: {seen}");
            assert!(figure(seen, "longest_unanswered_seconds") < 60.0, "{what}: nobody answered: {seen}");
            assert_eq!(seen["lost"], serde_json::json!([]), "{what} without a copy");
        }
    }
}
