//! D2: the reference platform gets a host more, which has every role, then one less, while documents are indexed and messages
//! produced.

use crate::clients::{self, Places};
use crate::lab::{Lab, alive};
use crate::load::{Load, Watched};
use crate::look;
use crate::masters;
use crate::reference::{lines_are_found, nothing_to_do, platform};
use std::path::{Path, PathBuf};

/// What the file says with a host more.
const WIDER: &[(&str, &str)] = &[
    ("\"node[1-4]\" address=", "\"node[1-5]\" address="),
    (".[1-4]\" transport=", ".[1-5]\" transport="),
    ("zookeeper on=\"node[1-3]\"", "zookeeper on=\"node[1-3] node5\""),
    ("kafka on=\"node[1-4]\"", "kafka on=\"node[1-5]\""),
    ("elasticsearch \"hot\" on=\"node[1-4]\"", "elasticsearch \"hot\" on=\"node[1-5]\""),
    ("on \"node[1-3]\" { node-roles", "on \"node[1-3] node5\" { node-roles"),
    ("elasticsearch \"warm\" on=\"node[1-4]\"", "elasticsearch \"warm\" on=\"node[1-5]\""),
    ("kibana on=\"node[1-2]\"", "kibana on=\"node[1-2] node5\""),
    ("redis on=\"node[1-2]\"", "redis on=\"node[1-2] node5\""),
    ("nginx on=\"node[1-2]\"", "nginx on=\"node[1-2] node5\""),
    ("filebeat on=\"node[1-4]\"", "filebeat on=\"node[1-5]\""),
    ("sdc on=\"node[3-4]\"", "sdc on=\"node[3-5]\""),
    ("metricbeat on=\"node[1-4]\"", "metricbeat on=\"node[1-5]\""),
    ("heartbeat on=\"node4\"", "heartbeat on=\"node[4-5]\""),
    ("packetbeat on=\"node4\"", "packetbeat on=\"node[4-5]\""),
    ("elastalert on=\"node3\"", "elastalert on=\"node5\""),
    ("elastalert-server on=\"node4\"", "elastalert-server on=\"node5\""),
    ("curator \"logs\" on=\"node2\"", "curator \"logs\" on=\"node2 node5\""),
];

/// Those of which only one may run, as they are declared then.
const SINGLE: &str = r#"    elastalert on="node5" { rules "rules/"; run-every "10s"; }
    elastalert-server on="node5" { rules "alerts/"; index "elastalert_server"; }
"#;

/// And with another one less.
const NARROWER: &[(&str, &str)] = &[
    ("\"node[1-3] node5\"", "\"node[1-2] node5\""),
    ("on=\"node[1-5]\"", "on=\"node[1-2] node[4-5]\""),
    ("sdc on=\"node[3-5]\"", "sdc on=\"node[4-5]\""),
];

/// What stays all the time, and is watched from outside.
const STAYS: &[Watched] = &[
    Watched { service: "zookeeper", role: "zookeeper", port: 2181, ask: "!srvr!Mode", hosts: 1..=2 },
    Watched { service: "kafka", role: "kafka", port: 9092, ask: "", hosts: 1..=2 },
    Watched { service: "elasticsearch", role: "elasticsearch-hot", port: 9200, ask: "/", hosts: 1..=2 },
    Watched { service: "elasticsearch", role: "elasticsearch-warm", port: 9201, ask: "/", hosts: 1..=2 },
];

/// What a host keeps of a role.
fn data(lab: &Lab, host: &str, role: &str) -> PathBuf {
    lab.prefix(host).join("data").join(role)
}

/// Shards in the data of a node. One that could have been the master keeps what it knew of each index beside them.
fn shards(data: &Path) -> Vec<String> {
    let indices = std::fs::read_dir(data.join("nodes/0/indices")).into_iter().flatten().flatten();
    let entries = indices.flat_map(|index| std::fs::read_dir(index.path()).into_iter().flatten().flatten());
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name != "_state").collect()
}

/// Partitions in the data of a broker, without those that it is deleting.
fn partitions(data: &Path) -> Vec<String> {
    let folders = std::fs::read_dir(data).expect("its data").flatten().filter(|entry| entry.path().is_dir());
    let names = folders.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| !name.ends_with("-delete")).collect()
}

#[test]
#[ignore = "the whole platform takes minutes: `./test accept`"]
fn a_host_more_and_a_host_less_under_load() {
    let lab = crate::reference::lab("leaving", &platform());
    lab.esplan(&["lock"]).expect(0);
    lab.esapply(&[]).expect(0);
    let load = Load::light(&lab, 1..=5, STAYS);
    let copies = load.copies();
    let masters = masters::watch(&lab);
    let (wider, narrower) = (Places::platform().with(5), Places::platform().with(5).without(3));
    joins(&lab, &wider);
    leaves(&lab, &wider);
    masters.end().never_two_halves(4);
    copies.finish();
    let (watched, _) = load.finish();
    for service in ["zookeeper", "kafka", "elasticsearch"] {
        assert_eq!(watched["services"][service]["most_hosts_away_at_once"], 1, "{service}: {watched}");
    }
    holds_nothing(&lab, &wider);
    clients::every_service(&lab, &narrower);
    clients::every_beat(&lab, &narrower);
    nothing_to_do(&lab, &narrower);

    let plan = lab.esplan(&[]).expect(0);
    assert!(plan.stdout.contains("esapply --purge zookeeper@node3"), "{}", plan.stdout);
    lab.esapply(&["--purge", "zookeeper@node3"]).expect(0);
    assert!(!data(&lab, "node3", "zookeeper").exists(), "it was named");
    assert!(data(&lab, "node3", "kafka").exists(), "it was not");
}

/// One host more, with every role. What only one may run of can't end here and begin there in one plan.
fn joins(lab: &Lab, wider: &Places) {
    for (old, new) in WIDER {
        lab.edit(old, new);
    }
    let refused = lab.esplan(&[]).expect(7).text();
    assert!(refused.contains("(singleton)"), "{refused}");
    lab.edit(SINGLE, "");
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2);
    println!("{}", plan.stdout);
    lab.esapply(&[]).expect(0);
    let after = "    curator \"logs\"";
    lab.edit(after, &format!("{SINGLE}{after}"));
    lab.esapply(&[]).expect(0);
    clients::every_service(lab, wider);
    clients::every_beat(lab, wider);
    // It has no partition by itself.
    lab.run("esapply", &["run", "spread", "--yes"]).expect(0);
    assert_ne!(partitions(&data(lab, "node5", "kafka")), [""; 0], "the new broker has its share");
    lines_are_found(lab, "calm", &[5]);
    nothing_to_do(lab, wider);
}

/// Another one less: drained, then stopped.
fn leaves(lab: &Lab, wider: &Places) {
    for (old, new) in NARROWER {
        lab.edit(old, new);
    }
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2);
    println!("{}", plan.stdout);
    assert!(plan.stdout.contains("leaves: it is not declared any more"), "{}", plan.stdout);
    assert!(plan.stdout.contains("drain (6h)"), "{}", plan.stdout);
    for role in ["elasticsearch-hot", "elasticsearch-warm"] {
        assert_ne!(shards(&data(lab, "node3", role)), [""; 0], "what leaves keeps something: {role}");
    }
    assert_ne!(partitions(&data(lab, "node3", "kafka")), [""; 0], "what leaves keeps something");
    let pids: Vec<u32> = wider.running(3).into_iter().map(|role| lab.pid(role, "node3")).collect();
    lab.esapply(&[]).expect(0);
    for pid in pids {
        assert!(!alive(pid), "process {pid} of the host that left");
    }
    let settings = look::json(&lab.address(1), 9200, "/_cluster/settings?flat_settings=true");
    assert!(settings["persistent"]["cluster.routing.allocation.exclude._name"].is_null(), "{settings}");
}

/// The host that left: no shard, no partition, no configuration; its data folders stay.
fn holds_nothing(lab: &Lab, wider: &Places) {
    for role in ["elasticsearch-hot", "elasticsearch-warm"] {
        assert_eq!(shards(&data(lab, "node3", role)), [""; 0], "shards in the data of {role}");
    }
    assert_eq!(partitions(&data(lab, "node3", "kafka")), [""; 0], "partitions in its data");
    for role in wider.running(3) {
        assert!(!lab.prefix("node3").join("conf").join(role).exists(), "{role} has no configuration any more");
    }
    assert!(data(lab, "node3", "zookeeper").exists(), "data is never deleted");
}
