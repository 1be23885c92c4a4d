//! A whole run with a secret in it: its value is in the files that need it, for their owner alone, and nowhere else.

use crate::canary::{CLUSTER, converged, redis};
use crate::lab::Lab;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&entry.path())),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

fn holds(bytes: &[u8], value: &str) -> bool {
    bytes.windows(value.len()).any(|part| part == value.as_bytes())
}

/// Words and environment of every process, until it is told to end.
fn watch(value: &'static str, end: Arc<AtomicBool>) -> std::thread::JoinHandle<Vec<String>> {
    std::thread::spawn(move || {
        let mut found = Vec::new();
        while !end.load(Ordering::Relaxed) {
            for entry in fs::read_dir("/proc").expect("/proc").flatten() {
                for name in ["cmdline", "environ"] {
                    let bytes = fs::read(entry.path().join(name)).unwrap_or_default();
                    if holds(&bytes, value) {
                        found.push(format!(
                            "{}: {}",
                            entry.path().join(name).display(),
                            String::from_utf8_lossy(&bytes)
                        ));
                    }
                }
            }
            std::thread::park_timeout(std::time::Duration::from_millis(5));
        }
        found
    })
}

/// Where the value is, of all files of the hosts and the controller, but for where it comes from.
fn places(lab: &Lab, value: &str) -> Vec<PathBuf> {
    let all = files(&lab.hosts).into_iter().chain(files(&lab.controller));
    all.filter(|path| {
        !(path.ends_with("password") || path.ends_with("password.old"))
            && holds(&fs::read(path).unwrap_or_default(), value)
    })
    .collect()
}

const SECRET: &str = "secret \"word\" \"password\" from=\"file\"";
const FIRST: &str = "hunter2-and-some-more";
/// With blanks: Redis refuses it where it is not quoted, and says the line in its log.
const SECOND: &str = "open sesame my dear";

/// A value that is not what the service has: nobody knows whether it serves, and so nothing is done to it.
fn wrong(lab: &Lab) -> crate::lab::Ran {
    let before = lab.pids("redis");
    fs::write(lab.controller.join("password"), "not this one").expect("a secret");
    let refused = lab.esapply(&[]).expect(7);
    for part in ["unasked", "does not take the value of secret `word`", "WRONGPASS", "previous"] {
        assert!(refused.text().contains(part), "{part:?} is not in\n{}", refused.text());
    }
    assert!(!refused.text().contains("not this one"), "{}", refused.text());
    fs::write(lab.controller.join("password"), FIRST).expect("a secret");
    assert_eq!(lab.pids("redis"), before, "nothing was touched");
    refused
}

#[test]
fn a_secret_is_in_the_files_that_need_it_and_nowhere_else() {
    let declared = CLUSTER.replace("{ databases 16; }", "{ databases 16; password \"word\"; }");
    let lab = Lab::new("secrets", &format!("{declared}\n{SECRET}\n"));
    fs::write(lab.controller.join("password"), format!("{FIRST}\n")).expect("a secret");
    let end = Arc::new(AtomicBool::new(false));
    let watched = [FIRST, SECOND].map(|value| watch(value, Arc::clone(&end)));
    let lab = converged(lab);
    let mut said = Vec::new();
    let mut run = |ran: crate::lab::Ran| said.push(ran.text());
    assert!(redis(&lab, 1, &format!("AUTH {FIRST}")).expect("an answer").contains("+OK"), "the service has it");
    run(lab.esplan(&["--detailed-exitcode", "-vv"]).expect(0));
    run(lab.esplan(&["observe", "--out", "snapshot.json"]).expect(0));
    let status = lab.esplan(&["status"]).expect(0);
    assert!(status.text().contains("+PONG"), "{}", status.text());
    run(status);
    run(wrong(&lab));
    // Somebody edits such a file by hand, and makes it readable for everybody: seen, put back, and never shown.
    let file = lab.prefix("node2").join("conf/redis/current/redis.conf");
    let text = fs::read_to_string(&file).expect("a file");
    fs::write(&file, format!("{text}# by hand\n")).expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("mode");
    run(lab.esplan(&["--diff", "full", "--detailed-exitcode", "--out", "plan.json"]).expect(2));
    run(lab.esapply(&["plan.json"]).expect(0));
    // What runs has the value before until it is replaced, and is asked with that.
    lab.edit(SECRET, &format!("{SECRET} {{ previous \"password.old\" from=\"file\"; }}"));
    fs::write(lab.controller.join("password.old"), FIRST).expect("a secret");
    run(lab.esplan(&["--detailed-exitcode"]).expect(0));
    // Another value that the service does not take: it is rolled back, and what the service says of it is masked.
    fs::write(lab.controller.join("password"), SECOND).expect("a secret");
    let template = lab.controller.join("modules/redis/redis.conf");
    let good = fs::read_to_string(&template).expect("a template");
    let line = good.lines().find(|line| line.contains("requirepass")).expect("the line of the password");
    fs::write(&template, good.replace(line, "{% if password %}requirepass {{ password }}")).expect("a template");
    let failed = lab.esapply(&["-v"]).expect(4);
    assert!(failed.text().contains("requirepass <secret word>"), "the log is shown, masked: {}", failed.text());
    run(failed);
    fs::write(&template, good).expect("a template");
    run(lab.esapply(&["--format", "json"]).expect(0));
    assert!(redis(&lab, 3, &format!("AUTH \"{SECOND}\"")).expect("an answer").contains("+OK"));
    run(lab.esplan(&["--detailed-exitcode"]).expect(0));
    lab.edit(&format!("{SECRET} {{ previous \"password.old\" from=\"file\"; }}"), SECRET);
    run(lab.esplan(&["--detailed-exitcode"]).expect(0));
    end.store(true, Ordering::Relaxed);
    for thread in watched {
        let found = thread.join().expect("it watched");
        assert!(found.is_empty(), "{found:#?}");
    }
    for value in [FIRST, SECOND] {
        assert!(said.iter().all(|text| !text.contains(value)), "{said:#?}");
        let sum = es_cluster::model::Digest::of(value.as_bytes()).to_string();
        assert!(places(&lab, &sum).is_empty());
        for path in places(&lab, value) {
            let whose = path.strip_prefix(&lab.hosts).expect("nowhere on the controller").display().to_string();
            // What the service prints into its own log is its own business.
            if whose.contains("/log/redis/") {
                continue;
            }
            assert!(whose.contains("/conf/redis/") && whose.ends_with("/redis.conf"), "{whose}");
            let mode = fs::metadata(&path).expect("a file").permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{whose}");
        }
    }
    let system = Command::new("journalctl").args(["--no-pager", "--since", "-10min"]).output();
    let system = system.map(|output| output.stdout).unwrap_or_default();
    assert!(!holds(&system, FIRST) && !holds(&system, SECOND), "the system's journal");
}
