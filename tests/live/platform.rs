//! The spine on real software, one platform after the other: bootstrap, nothing to do, one setting, drift, a bad canary,
//! two at once. One lab serves several steps, since bringing it up takes most of the time.

use crate::lab::{Lab, alive, signal, until};
use crate::look;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

/// The repo's own platform, in a lab's place.
pub fn demo() -> String {
    let text = include_str!("../../cluster.kdl");
    text.replace("127.0.77.", "{network}.").replace("cluster \"demo\"", "cluster \"{cluster}\"")
}

/// Path → (size, mtime, ctime) of everything below the prefixes.
pub fn listing(folder: &Path, found: &mut BTreeMap<String, (u64, i64, i64, i64)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(meta) = entry.path().symlink_metadata() else { continue };
        let path = entry.path().display().to_string();
        // What services write by themselves while they run is not ours.
        let theirs = ["/data/", "/log/"].iter().any(|part| path.contains(part)) && !path.contains("/log/history");
        if !theirs {
            found.insert(path, (meta.len(), meta.mtime(), meta.ctime(), meta.ctime_nsec()));
        }
        if meta.is_dir() {
            listing(&entry.path(), found);
        }
    }
}

fn listing_of(lab: &Lab, found: &mut BTreeMap<String, (u64, i64, i64, i64)>) {
    for host in ["node1", "node2", "node3"] {
        listing(&lab.prefix(host), found);
    }
}

fn all_pids(lab: &Lab) -> BTreeMap<String, Vec<u32>> {
    ["zookeeper", "kafka", "elasticsearch-master", "elasticsearch-hot"]
        .iter()
        .map(|role| ((*role).to_owned(), lab.pids(role)))
        .collect()
}

fn assert_healthy(lab: &Lab) {
    let health = look::json(&lab.address(1), 9200, "/_cluster/health");
    assert_eq!(health["status"], "green", "{health}");
    assert_eq!(health["number_of_nodes"], 6, "{health}");
    let nodes = look::json(&lab.address(1), 9200, "/_nodes?filter_path=nodes.*.version");
    for node in nodes["nodes"].as_object().expect("nodes").values() {
        assert_eq!(node["version"], "6.7.0");
    }
    let mut modes: Vec<_> = (1..=3).filter_map(|host| look::zookeeper_mode(&lab.address(host))).collect();
    modes.sort();
    assert_eq!(modes, ["follower", "follower", "leader"]);
}

/// Positions of the first `start` of each role in the journals of all hosts, by time.
fn start_order(lab: &Lab) -> Vec<String> {
    let mut records = Vec::new();
    for host in ["node1", "node2", "node3"] {
        for file in fs::read_dir(lab.prefix(host).join("log/history")).into_iter().flatten().flatten() {
            for line in fs::read_to_string(file.path()).unwrap_or_default().lines() {
                let record: serde_json::Value = serde_json::from_str(line).expect("a JSON line");
                if record["record"] == "begin" && record["action"] == "start" {
                    let at = record["at"].as_u64().unwrap_or_default();
                    let instance = record["subject"].as_str().unwrap_or_default().to_owned();
                    records.push((at, instance.split('@').next().unwrap_or_default().to_owned()));
                }
            }
        }
    }
    records.sort();
    let mut order: Vec<String> = Vec::new();
    for (_, role) in records {
        if !order.contains(&role) {
            order.push(role);
        }
    }
    order
}

#[test]
fn the_platform_from_nothing_and_then_every_day() {
    every_day(&Lab::new("platform", &demo()));
}

/// The same wherever the hosts are.
pub fn every_day(lab: &Lab) {
    lab.esplan(&["validate"]).expect(0);
    lab.esplan(&["lock"]).expect(0);

    // A1: from nothing.
    lab.esapply(&[]).expect(0);
    assert_healthy(lab);
    assert_eq!(
        start_order(lab),
        ["zookeeper", "kafka", "elasticsearch-master", "elasticsearch-hot", "kibana"],
        "the order in the journal"
    );
    lab.esplan(&["status"]).expect(0);

    // A1: again: nothing is written, nothing restarts.
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    listing_of(lab, &mut before);
    let pids = all_pids(lab);
    lab.esapply(&[]).expect(0);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
    listing_of(lab, &mut after);
    assert_eq!(before, after);
    assert_eq!(pids, all_pids(lab));

    one_setting(lab);
    drift(lab);
    bad_canary(lab);
    two_at_once(lab);
}

/// A2: one setting of two services: each concerned instance restarts once, nothing else does.
fn one_setting(lab: &Lab) {
    let before = all_pids(lab);
    lab.edit("num-partitions 3", "num-partitions 4");
    lab.edit("max_clause_count 2048", "max_clause_count 4096");
    let plan = lab.esplan(&["--detailed-exitcode", "--diff", "full"]).expect(2);
    assert!(plan.stdout.contains("+num.partitions=4"), "{}", plan.stdout);
    assert!(plan.stdout.contains("+indices.query.bool.max_clause_count: 4096"), "{}", plan.stdout);
    assert!(plan.stdout.contains("canary"), "{}", plan.stdout);
    lab.esapply(&[]).expect(0);
    let after = all_pids(lab);
    assert_eq!(before["zookeeper"], after["zookeeper"]);
    assert_eq!(before["elasticsearch-master"], after["elasticsearch-master"]);
    for role in ["kafka", "elasticsearch-hot"] {
        for (old, new) in before[role].iter().zip(&after[role]) {
            assert_ne!(old, new, "{role} restarted");
        }
    }
    assert_healthy(lab);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}

/// What would hold a rollout now: an index with one copy keeps the node that has it from being stopped. Allocation that was left
/// disabled is put right first.
fn gates(lab: &Lab) {
    let open = lab.esplan(&["gates"]).expect(0);
    assert!(open.stdout.contains("first: set allocation of elasticsearch to null"), "{}", open.stdout);
    let request = |method: &str, path: &str, body: Option<&str>| {
        let (status, answer) = look::http(method, &lab.address(1), 9200, path, body).expect("an answer");
        assert_eq!(status, 200, "{answer}");
    };
    let allocation = |to: &str| format!("{{\"persistent\":{{\"cluster.routing.allocation.enable\":{to}}}}}");
    request("PUT", "/_cluster/settings", Some(&allocation("\"all\"")));
    let one_copy = r#"{"settings":{"number_of_shards":1,"number_of_replicas":0}}"#;
    request("PUT", "/gates-1?wait_for_active_shards=1", Some(one_copy));
    request("PUT", "/_cluster/settings", Some(&allocation("\"none\"")));
    let held = lab.esplan(&["gates"]).expect(4);
    let told = "[gates-1][0]: a shard has its only started copy here";
    for part in [
        "only-copy  BLOCKS  elasticsearch-hot@node",
        told,
        "kafka: would let a rollout pass",
        "held by elasticsearch (only-copy)",
    ] {
        assert!(held.stdout.contains(part), "{part}:\n{}", held.stdout);
    }
    request("DELETE", "/gates-1", None);
}

/// A6: what somebody did by hand is seen as what it is, and repaired with the least disturbance.
fn drift(lab: &Lab) {
    // A rendered file is edited: put back, no restart.
    let pids = all_pids(lab);
    let file = lab.prefix("node2").join("conf/kafka/current/server.properties");
    let text = fs::read_to_string(&file).expect("a rendered file");
    fs::write(&file, format!("{text}\nnum.io.threads=99\n")).expect("edit");
    let plan = lab.esplan(&["--detailed-exitcode", "--diff", "full"]).expect(2);
    assert!(plan.stdout.contains("num.io.threads=99"), "{}", plan.stdout);
    lab.esapply(&[]).expect(0);
    assert_eq!(fs::read_to_string(&file).expect("the file"), text);
    assert_eq!(pids, all_pids(lab), "the processes run what they should: no restart");

    // A process is stopped behind the supervisor's back and its supervisor is killed: children live on.
    let supervisor: u32 =
        fs::read_to_string(lab.prefix("node3").join("run/supervisord.pid")).expect("pid").trim().parse().expect("pid");
    let supervisor = lab.process("node3", supervisor);
    signal(supervisor, "KILL");
    until("the supervisor to be gone", Duration::from_secs(10), || !alive(supervisor));
    let kafka = lab.pid("kafka", "node3");
    assert!(alive(kafka));
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2);
    assert!(plan.stdout.contains("unsupervised"), "{}", plan.stdout);
    lab.esapply(&[]).expect(0);
    assert!(!alive(kafka), "the unsupervised process was replaced");
    assert_healthy(lab);

    // Shard allocation left disabled.
    let body = r#"{"persistent":{"cluster.routing.allocation.enable":"none"}}"#;
    let (status, _) = look::http("PUT", &lab.address(1), 9200, "/_cluster/settings", Some(body)).expect("an answer");
    assert_eq!(status, 200);
    let pids = all_pids(lab);
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2);
    assert!(plan.stdout.contains("allocation"), "{}", plan.stdout);
    gates(lab);
    lab.esapply(&[]).expect(0);
    let settings = look::json(&lab.address(1), 9200, "/_cluster/settings?flat_settings=true");
    assert!(settings["persistent"]["cluster.routing.allocation.enable"].is_null(), "{settings}");
    assert_eq!(pids, all_pids(lab), "a setting needs no restart");
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}

/// A4: a setting that the service refuses at start: the canary is rolled back, the others are never touched.
fn bad_canary(lab: &Lab) {
    let pids = all_pids(lab);
    lab.edit("max_clause_count 4096", "max_clause_count 4096; no.such.setting 1");
    let failed = lab.esapply(&[]).expect(4);
    assert!(failed.text().contains("no.such.setting"), "the service's own reason is shown:\n{}", failed.text());
    let after = all_pids(lab);
    let kept =
        pids["elasticsearch-hot"].iter().zip(&after["elasticsearch-hot"]).filter(|(old, new)| old == new).count();
    assert_eq!(kept, 2, "only the canary restarted");
    assert_healthy(lab);
    lab.edit("; no.such.setting 1", "");
    // The canary is held at the generation it was rolled back to, which is what the file says again.
    lab.esapply(&[]).expect(0);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}

/// A7: a second run is told who holds the lock; after `kill -9` of the first the lock is free.
fn two_at_once(lab: &Lab) {
    lab.edit("num-partitions 4", "num-partitions 5");
    let mut first = lab.command("esapply", &["--yes"]).spawn().expect("esapply");
    let history = lab.prefix("node1").join("run/lock.owner");
    until("the first run to hold the lock", Duration::from_secs(30), || {
        fs::read_to_string(&history).is_ok_and(|text| text.contains(&first.id().to_string()))
    });
    let second = lab.esapply(&[]).expect(6);
    assert!(second.text().contains(&first.id().to_string()), "names the holder:\n{}", second.text());
    first.kill().expect("kill -9");
    first.wait().expect("gone");
    lab.esapply(&[]).expect(0);
    assert_healthy(lab);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}
