//! A3: the JDK, Kafka and Elasticsearch change their versions in one edit, while writes go on.
//! A5: the same with the controller killed again and again.

use crate::lab::{Lab, Tier, alive, signal, tier, until};
use crate::load::Load;
use crate::look;
use crate::platform::demo;
use std::fs;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// The demo platform at the versions before the upgrade.
pub fn before() -> String {
    demo()
        .replace("jdk \"11.0.13\"", "jdk \"11.0.9\"")
        .replace("kafka \"2.1.1\"", "kafka \"1.1.0\"")
        .replace("elasticsearch \"6.7.0\"", "elasticsearch \"6.4.2\"")
        .replace("kibana \"6.7.0\"", "kibana \"6.4.2\"")
        .replace("soak=\"5s\"", "soak=\"2s\"")
}

fn edit_versions(lab: &Lab) {
    lab.edit("jdk \"11.0.9\"", "jdk \"11.0.13\"");
    lab.edit("kafka \"1.1.0\"", "kafka \"2.1.1\"");
    lab.edit("elasticsearch \"6.4.2\"", "elasticsearch \"6.7.0\"");
    lab.edit("kibana \"6.4.2\"", "kibana \"6.7.0\"");
}

fn settings(lab: &Lab) -> serde_json::Value {
    look::json(&lab.address(1), 9200, "/_cluster/settings?flat_settings=true")
}

#[test]
fn an_upgrade_under_load() {
    upgraded_under_load(&Lab::new("upgrade", &before()));
}

/// The same wherever the hosts are.
pub fn upgraded_under_load(lab: &Lab) {
    let valid = lab.esplan(&["validate"]).expect(0);
    assert!(
        valid.stderr.contains("warning:"),
        "a JDK that is proven and not supported is a warning:\n{}",
        valid.text()
    );
    lab.esplan(&["lock"]).expect(0);
    lab.esapply(&[]).expect(0);
    let load = Load::start(lab);
    edit_versions(lab);
    lab.esplan(&["lock"]).expect(0);
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2);
    assert!(plan.stdout.contains("POINT OF NO RETURN"), "the protocol can't be taken back:\n{}", plan.stdout);
    assert!(!plan.stdout.contains("does not serve"), "what runs an older version is not broken:\n{}", plan.stdout);
    let done = lab.esapply(&[]).expect(0);
    println!("the upgrade took {:.1?}", done.took);
    let (watched, _) = load.finish();
    for service in ["elasticsearch", "kafka", "zookeeper"] {
        let watched = &watched["services"][service];
        assert_eq!(watched["most_down_at_once"], 1, "at most one of {service} is down at once: {watched}");
        for (name, instance) in watched["by_instance"].as_object().expect("instances") {
            // The binaries at the old protocol, then the protocol.
            let phases = if service == "kafka" { 2 } else { 1 };
            assert_eq!(instance["restarts"], phases, "{name} restarts once in each phase: {instance}");
        }
    }
    for version in look::json(&lab.address(2), 9200, "/_cat/nodes?format=json&h=version").as_array().expect("nodes") {
        assert_eq!(version["version"], "6.7.0");
    }
    brokers_came_in_two_phases(lab, 1..=3);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}

/// The protocol and the version of each start of a broker, in their order, as its log has them.
fn starts_of_broker(lab: &Lab, host: &str) -> Vec<(String, String)> {
    let log = fs::read_to_string(lab.prefix(host).join("log/kafka/server.log")).expect("a log");
    let (mut protocol, mut starts) = ("", Vec::new());
    for line in log.lines() {
        // It tells its configuration first, also when that is changed while it runs; the version comes with a start alone.
        if let Some(value) = line.trim().strip_prefix("inter.broker.protocol.version = ") {
            protocol = value;
        } else if let Some((_, version)) = line.split_once("Kafka version") {
            starts.push((protocol.to_owned(), version.trim_start_matches([' ', ':']).trim_end().to_owned()));
        }
    }
    starts.dedup();
    starts
}

/// Each broker has come from 1.1 to 2.1 by the binaries at the old protocol, then by the protocol; it runs the new version.
pub fn brokers_came_in_two_phases(lab: &Lab, hosts: RangeInclusive<u8>) {
    for host in hosts.map(|host| format!("node{host}")) {
        let starts = starts_of_broker(lab, &host);
        let line = |protocol: &str| protocol.split(['.', '-']).take(2).collect::<Vec<_>>().join(".");
        let last: Vec<_> =
            starts.iter().rev().take(2).map(|(protocol, version)| (line(protocol), &**version)).collect();
        let phases = [("2.1".to_owned(), "2.1.1"), ("1.1".to_owned(), "2.1.1")];
        assert_eq!(last, phases, "the newest of the starts of {host} first: {starts:?}");
        let pid = lab.pid("kafka", &host);
        let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("it runs");
        assert!(words.contains("/software/kafka-2.1.1-"), "{host}: {words}");
    }
}

/// Moments at which the controller is killed: what its journal or its own output must have said last.
const KILLS: &[&str] = &[
    "assemble",
    "render",
    "before-stop",
    "stop",
    "switch",
    "start",
    "await-ready",
    "after-ready",
    "await-healthy",
    "soak",
    "stop",
    "start",
];

#[test]
fn a_controller_that_dies_again_and_again() {
    dies_again_and_again(Lab::new("crash", &before()));
}

/// The same wherever the hosts are.
pub fn dies_again_and_again(mut lab: Lab) {
    lab.esplan(&["lock"]).expect(0);
    lab.esapply(&[]).expect(0);
    // An operator has set something on purpose.
    let body = r#"{"persistent":{"cluster.routing.rebalance.enable":"replicas"}}"#;
    look::http("PUT", &lab.address(1), 9200, "/_cluster/settings", Some(body)).expect("an answer");
    let kept = settings(&lab);
    edit_versions(&lab);
    lab.esplan(&["lock"]).expect(0);

    // CI has not the time for all of them: the undo record, the switch and the gate are the most telling.
    let kills = if tier() == Tier::Accept { KILLS.to_vec() } else { vec!["before-stop", "switch", "await-healthy"] };
    for (round, moment) in kills.iter().enumerate() {
        let begin = Instant::now();
        let mut apply = lab.command("esapply", &["--yes"]).spawn().expect("esapply");
        let reached = |lab: &Lab| journal_says(lab, moment, apply.id());
        let mut ended = false;
        until(&format!("{moment} in the journal, or the end"), Duration::from_mins(10), || {
            ended = !alive(apply.id());
            ended || reached(&lab)
        });
        signal(apply.id(), "KILL");
        apply.wait().expect("gone");
        println!(
            "round {round}: killed at {moment} after {:.1?}{}",
            begin.elapsed(),
            if ended { ", too late" } else { "" }
        );
        lab.move_controller(&format!("controller-{round}"));
    }
    lab.esapply(&[]).expect(0);
    assert_eq!(settings(&lab), kept, "cluster settings are what they were");
    for host in ["node1", "node2", "node3"] {
        let undo: Vec<_> = fs::read_dir(lab.prefix(host).join("run/undo")).expect("folder").flatten().collect();
        assert!(undo.is_empty(), "no undo record is left: {undo:?}");
        for folder in ["software", "install", "conf"] {
            for entry in fs::read_dir(lab.prefix(host).join(folder)).expect("folder").flatten() {
                assert!(!entry.file_name().to_string_lossy().starts_with(".tmp-"), "left: {entry:?}");
            }
        }
    }
    for version in look::json(&lab.address(2), 9200, "/_cat/nodes?format=json&h=version").as_array().expect("nodes") {
        assert_eq!(version["version"], "6.7.0");
    }
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}

/// Whether a journal of the run with this pid has an action (or step) of this name begun.
fn journal_says(lab: &Lab, moment: &str, pid: u32) -> bool {
    let name = format!("\"action\":\"{}\"", moment.replace('-', " "));
    ["node1", "node2", "node3"].iter().any(|host| {
        let entries = fs::read_dir(lab.prefix(host).join("log/history")).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_name().to_string_lossy().ends_with(&format!("-{pid}.jsonl")))
            .any(|entry| fs::read_to_string(entry.path()).is_ok_and(|text| text.contains(&name)))
    })
}
