//! D1: the reference platform, `fixtures/platform`, from nothing, each service asked by its own client, and the way of one
//! line of a log through all of it.

use crate::clients::{self, Places};
use crate::lab::{Lab, Ran, until};
use crate::platform::listing;
use crate::running::count;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The reference platform, in a lab's place.
pub fn platform() -> String {
    let text = include_str!("../../fixtures/platform/cluster.kdl");
    text.replace("127.0.78.", "{network}.").replace("cluster \"platform\"", "cluster \"{cluster}\"")
}

/// A lab with it, and with the files that stand beside it.
pub fn lab(name: &str, text: &str) -> Lab {
    let lab = Lab::new(name, text);
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/platform");
    for folder in fs::read_dir(fixture).expect("the fixture").flatten().filter(|entry| entry.path().is_dir()) {
        let to = lab.controller.join(folder.file_name());
        fs::create_dir_all(&to).expect("a folder");
        for file in fs::read_dir(folder.path()).expect("its files").flatten() {
            let text = fs::read_to_string(file.path()).expect("a text");
            fs::write(to.join(file.file_name()), text.replace("127.0.78", &lab.network)).expect("written");
        }
    }
    lab
}

/// The folder of a software on a host.
pub fn software(lab: &Lab, host: &str, name: &str) -> PathBuf {
    let folder = lab.prefix(host).join("software");
    let entries = fs::read_dir(&folder).expect("software").flatten().map(|entry| entry.path());
    let mut found = entries.filter(|path| {
        path.is_dir() && path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&format!("{name}-")))
    });
    found.next().unwrap_or_else(|| panic!("no {name} in {}", folder.display()))
}

/// What a program of a Java service's own package prints.
#[track_caller]
pub fn java(lab: &Lab, host: &str, (package, jars): (&str, &str), class: &str, words: &[&str]) -> String {
    let java = software(lab, host, "jdk").join("bin/java");
    let jars = software(lab, host, package).join(jars);
    let ran = Command::new(java)
        .args(["-Xmx128m", "-cp", &format!("{}/*", jars.display()), class])
        .args(words)
        .stdin(Stdio::null())
        .output()
        .expect("java");
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{class} {words:?}: {text}{}", String::from_utf8_lossy(&ran.stderr));
    text
}

#[test]
#[ignore = "the whole platform takes minutes: `./test accept`"]
fn the_reference_platform_from_nothing() {
    let (lab, places) = (lab("reference", &platform()), Places::platform());
    lab.esplan(&["validate"]).expect(0);
    lab.esplan(&["lock"]).expect(0);
    let done = lab.esapply(&[]).expect(0);
    println!("from nothing in {:.1?}", done.took);
    clients::every_service(&lab, &places);
    clients::every_beat(&lab, &places);
    lines_are_found(&lab, "boom", &[1]);
    lines_are_found(&lab, "calm", &[2, 3, 4]);
    an_alert(&lab);
    nothing_to_do(&lab, &places);
    let status = lab.esplan(&["status"]).expect(0).stdout;
    let memory = memory(&lab, &places) >> 10;
    println!("{status}\nmemory: {memory} MiB in all");
    assert!(memory < 16 << 10, "{memory} MiB: it is made for a machine with 16 GiB");
}

/// What an apply could change.
#[derive(PartialEq)]
struct Ours {
    pids: BTreeMap<String, u32>,
    /// Sizes and times of everything but what the services have for themselves.
    files: BTreeMap<String, (u64, i64, i64, i64)>,
}

impl Ours {
    fn of(lab: &Lab, places: &Places) -> Self {
        let mut files = BTreeMap::new();
        for host in places.hosts() {
            listing(&lab.prefix(&format!("node{host}")), &mut files);
        }
        let theirs = |path: &str| {
            path.split_once("/run/").is_some_and(|(_, path)| path.contains('/') && !path.starts_with("undo/"))
        };
        files.retain(|path, _| !theirs(path));
        Self { pids: places.pids(lab), files }
    }

    /// Paths that differ.
    fn differs(&self, other: &Self) -> Vec<String> {
        let all = self.files.keys().chain(other.files.keys());
        all.filter(|path| self.files.get(*path) != other.files.get(*path)).cloned().collect()
    }
}

/// Once all of them answer in time there is nothing to do, and an apply writes nothing. On two busy processors it takes a while
/// until so many do: looks and applies before that wait for them, and do nothing else.
#[track_caller]
pub fn nothing_to_do(lab: &Lab, places: &Places) {
    until("an apply that has nothing to do", Duration::from_mins(10), || {
        let found = lab.esplan(&["--detailed-exitcode", "--format", "json"]);
        only_waits(&found);
        if found.code != 0 {
            return false;
        }
        let before = Ours::of(lab, places);
        lab.esapply(&[]).expect(0);
        let after = Ours::of(lab, places);
        assert_eq!(before.pids, after.pids, "nothing restarts");
        // Who waits keeps a journal of it, and has held locks.
        let kept = |path: &String| path.contains("/log/history") || path.contains("/run/") || path.ends_with("/run");
        let written: Vec<String> = before.differs(&after).into_iter().filter(|path| !kept(path)).collect();
        assert!(written.is_empty(), "nothing is written: {written:?}");
        before == after
    });
}

/// A plan stops and starts nothing, and has no steps but those that wait for an answer.
#[track_caller]
fn only_waits(found: &Ran) {
    let plan: Value = serde_json::from_str(&found.stdout).unwrap_or_else(|_| panic!("no plan: {}", found.text()));
    for what in ["restarts", "starts", "reloads", "leaves"] {
        assert_eq!(plan["summary"][what].as_u64().unwrap_or(0), 0, "{what}: {}", plan["summary"]);
    }
    let waits = |action: &Value| matches!(action["do"].as_str(), Some("await-ready" | "await-healthy" | "soak"));
    for step in plan["steps"].as_array().expect("steps") {
        let fine = match step["kind"].as_str() {
            Some("gate" | "barrier") => true,
            Some("roll") => step["actions"].as_array().expect("actions").iter().all(waits),
            _ => false,
        };
        assert!(fine, "a second run has something to do: {step}");
    }
}

/// A line that a program on each of these hosts writes is found by a search.
pub fn lines_are_found(lab: &Lab, word: &str, hosts: &[u8]) {
    for host in hosts {
        let folder = lab.prefix(&format!("node{host}")).join("log/app");
        fs::create_dir_all(&folder).expect("a folder");
        let mut file = fs::File::options().create(true).append(true).open(folder.join("app.log")).expect("a log");
        writeln!(file, "{word} quetzal{host} {}", lab.cluster).expect("written");
    }
    let begin = Instant::now();
    for host in hosts {
        // Each part of the way promises at least once, and no more.
        until(&format!("the line of node{host}"), Duration::from_mins(2), || {
            count(lab, "logs-*", &format!("message:quetzal{host} AND beat.name:node{host}")) > 0
        });
    }
    println!("a line of each of the hosts {hosts:?} was found after {:.1?}", begin.elapsed());
}

/// The line with the word of the rule makes an alert.
fn an_alert(lab: &Lab) {
    let log = lab.prefix("node3").join("log/elastalert/console.log");
    let begin = Instant::now();
    until("the alert", Duration::from_mins(1), || {
        fs::read_to_string(&log).unwrap_or_default().contains("Alert for boom")
    });
    println!("and the alert came after {:.1?} more", begin.elapsed());
}

/// KiB that all processes of the platform have, by their records.
fn memory(lab: &Lab, places: &Places) -> u64 {
    let size = |pid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default().to_owned();
        line.split_whitespace().next().and_then(|size| size.parse::<u64>().ok()).unwrap_or(0)
    };
    places.pids(lab).into_values().map(size).sum()
}
