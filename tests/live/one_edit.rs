//! D3: the reference platform changes its versions in one edit, while documents are indexed, messages produced, and lines of a log
//! are on their way.

use crate::clients::{self, Places};
use crate::journals;
use crate::lab::{Lab, until};
use crate::load::{Load, Watched};
use crate::look;
use crate::reference::{self, lab, platform};
use crate::running::{Beside, all_lines, count, write_lines};
use crate::upgrade::brokers_came_in_two_phases;
use crate::versions::{self, Seen};
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// What the file says before and after the edit.
const EDITS: &[(&str, &str)] = &[
    ("jdk \"11.0.9\"", "jdk \"11.0.13\""),
    ("kafka \"1.1.0\"", "kafka \"2.1.1\""),
    (
        "elasticsearch \"6.4.2\" { plugin \"stand-in\" \"6.4.2\"; }",
        "elasticsearch \"6.7.0\" { plugin \"stand-in\" \"6.7.0\"; }",
    ),
    (
        "kibana \"6.4.2\" { plugin \"elastalert-kibana-plugin\" \"1.0.4-6.4.2\"; }",
        "kibana \"6.7.0\" { plugin \"elastalert-kibana-plugin\" \"1.0.4-6.7.0\"; }",
    ),
    ("filebeat \"6.4.2\"", "filebeat \"6.7.0\""),
    ("metricbeat \"6.4.2\"", "metricbeat \"6.7.0\""),
    ("heartbeat \"6.4.2\"", "heartbeat \"6.7.0\""),
    ("packetbeat \"6.4.2\"", "packetbeat \"6.7.0\""),
    ("sdc \"3.1.3\"", "sdc \"3.7.2\""),
    ("curator \"5.6.0\"", "curator \"5.8.4\""),
];

/// What is watched: every service that listens to a port.
const PLATFORM: &[Watched] = &[
    Watched { service: "zookeeper", role: "zookeeper", port: 2181, ask: "!srvr!Mode", hosts: 1..=3 },
    Watched { service: "kafka", role: "kafka", port: 9092, ask: "", hosts: 1..=4 },
    Watched { service: "elasticsearch", role: "elasticsearch-warm", port: 9201, ask: "/", hosts: 1..=4 },
    Watched { service: "elasticsearch", role: "elasticsearch-hot", port: 9200, ask: "/", hosts: 1..=4 },
    Watched { service: "kibana", role: "kibana", port: 5601, ask: "/api/status", hosts: 1..=2 },
    Watched { service: "sdc", role: "sdc", port: 18630, ask: "/public-rest/ping", hosts: 3..=4 },
    Watched { service: "filebeat", role: "filebeat", port: 5066, ask: "/", hosts: 1..=4 },
    Watched { service: "metricbeat", role: "metricbeat", port: 5067, ask: "/", hosts: 1..=4 },
    Watched { service: "heartbeat", role: "heartbeat", port: 5068, ask: "/", hosts: 4..=4 },
    Watched { service: "packetbeat", role: "packetbeat", port: 5069, ask: "/", hosts: 4..=4 },
    Watched { service: "redis", role: "redis", port: 6379, ask: "!PING!PONG", hosts: 1..=2 },
    Watched { service: "nginx", role: "nginx", port: 8080, ask: "", hosts: 1..=2 },
    Watched { service: "elastalert-server", role: "elastalert-server", port: 3030, ask: "", hosts: 4..=4 },
];

/// How often each instance of a service starts anew: once for each phase of what changes, never for what does not.
fn restarts(service: &str) -> u64 {
    match service {
        "kafka" => 2,
        "redis" | "nginx" | "elastalert-server" => 0,
        _ => 1,
    }
}

/// Who must be through before whom: each instance of the first restarts before any of the second.
const BEFORE: &[(&str, &str)] = &[
    ("zookeeper", "kafka"),
    ("zookeeper", "elasticsearch-warm"),
    ("kafka", "elasticsearch-warm"),
    ("elasticsearch-warm", "elasticsearch-hot"),
    ("elasticsearch-hot", "kibana"),
    ("elasticsearch-hot", "sdc"),
    ("kibana", "filebeat"),
    ("kibana", "metricbeat"),
    ("kibana", "heartbeat"),
    ("kibana", "packetbeat"),
];

#[test]
#[ignore = "the whole platform takes minutes: `./test accept`"]
fn the_whole_platform_in_one_edit() {
    let mut before = platform();
    for (old, new) in EDITS {
        assert!(before.contains(new), "{new:?} is not in the reference platform");
        before = before.replace(new, old);
    }
    let lab = lab("one-edit", &before);
    lab.esplan(&["lock"]).expect(0);
    lab.esapply(&[]).expect(0);
    let load = Load::light(&lab, 1..=4, PLATFORM);
    let lines = lines(&lab);
    let kibanas = (1..=2).map(|host| lab.address(host)).collect();
    let nodes = (1..=4).flat_map(|host| [(lab.address(host), 9200), (lab.address(host), 9201)]).collect();
    let versions = versions::watch(kibanas, nodes);
    let elastalert = lab.pid("elastalert", "node3");

    for (old, new) in EDITS {
        lab.edit(old, new);
    }
    lab.esplan(&["lock"]).expect(0);
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2).stdout;
    println!("{plan}");
    assert!(plan.contains("POINT OF NO RETURN"), "the protocol can't be taken back:\n{plan}");
    let done = lab.esapply(&[]).expect(0);
    println!("{}\nthe upgrade took {:.1?}", done.stdout, done.took);

    never_newer_and_never_mixed(&versions.end());
    let written = lines.end();
    let (watched, _) = load.finish();
    each_once_and_in_order(&watched);
    as_journaled(&lab);
    assert_eq!(lab.pid("elastalert", "node3"), elastalert, "nothing of ElastAlert has changed");
    on_the_new_java(&lab);
    brokers_came_in_two_phases(&lab, 1..=4);
    the_new_tool(&lab);
    all_lines(&lab, "logs-*", written);

    let places = Places::platform();
    clients::every_service(&lab, &places);
    clients::every_beat(&lab, &places);
    reference::nothing_to_do(&lab, &places);
}

/// Two lines a second into a log of the first host, until it is ended; gives how many.
fn lines(lab: &Lab) -> Beside<u64> {
    let folder = lab.prefix("node1").join("log/app");
    fs::create_dir_all(&folder).expect("a folder");
    let lines = write_lines(folder.join("app.log"), Duration::from_millis(500));
    until("the first line", Duration::from_mins(2), || count(lab, "logs-*", "message:quetzal") > 0);
    lines
}

/// What Kibana and Elasticsearch told of their versions, while all of them were looked at.
fn never_newer_and_never_mixed(seen: &Seen) {
    println!("Kibana and Elasticsearch were asked {} times, each node answered {:?} times", seen.looks, seen.nodes);
    assert!(seen.looks > 100, "Kibana and Elasticsearch were asked {} times", seen.looks);
    assert_eq!(seen.nodes.len(), 8);
    assert!(seen.nodes.iter().all(|times| times * 2 >= seen.looks), "{:?} of {}", seen.nodes, seen.looks);
    assert_eq!(seen.newer, [""; 0], "Kibana is never newer than Elasticsearch");
    assert_eq!(seen.mixed, [""; 0], "no two versions of Kibana are there together");
    assert_eq!(seen.kibanas, ["6.4.2", "6.7.0"], "both versions were seen");
}

/// When each instance of a role started anew, in seconds of the watcher's clock; by role.
fn starts(watched: &serde_json::Value, role: &str) -> Vec<Vec<f64>> {
    let one = PLATFORM.iter().find(|one| one.role == role).expect("a role that is watched");
    let all = watched["services"][one.service]["by_instance"].as_object().expect("instances");
    let own = all.iter().filter(|(name, _)| name.starts_with(&format!("{role}@")));
    let seen = |instance: &serde_json::Value| {
        let processes = instance["processes"].as_array().expect("processes");
        processes.iter().skip(1).map(|process| process["seen"].as_f64().expect("a time")).collect()
    };
    own.map(|(_, instance)| seen(instance)).collect()
}

fn each_once_and_in_order(watched: &serde_json::Value) {
    for Watched { service, role, hosts, .. } in PLATFORM {
        let starts = starts(watched, role);
        assert_eq!(starts.len(), hosts.clone().count(), "all of {role} were watched");
        for times in &starts {
            assert_eq!(
                times.len() as u64,
                restarts(service),
                "an instance of {role} starts once in each phase: {starts:?}"
            );
        }
    }
    // Of what is only slow to answer it is not known whether it is down.
    for service in ["zookeeper", "kafka"] {
        let most = &watched["services"][service]["most_away_at_once"];
        assert_eq!(*most, 1, "of {service} one is away at once");
    }
    // It may be both of one host; never of two.
    let search = &watched["services"]["elasticsearch"];
    println!("of Elasticsearch {} were away at once", search["most_away_at_once"]);
    assert_eq!(search["most_hosts_away_at_once"], 1, "of Elasticsearch those of one host are away at once");
    let first = |role| starts(watched, role).into_iter().map(|times| times[0]);
    for (earlier, later) in BEFORE {
        let last_of_earlier = first(earlier).fold(f64::MIN, f64::max);
        let first_of_later = first(later).fold(f64::MAX, f64::min);
        assert!(last_of_earlier < first_of_later, "{earlier} before {later}: {last_of_earlier} {first_of_later}");
    }
    let binaries = first("kafka").fold(f64::MIN, f64::max);
    let protocol = starts(watched, "kafka").into_iter().map(|times| times[1]).fold(f64::MAX, f64::min);
    assert!(binaries < protocol, "the protocol follows when all brokers run the new version");
}

/// By the journals: each instance is stopped once in each phase, and nothing else is; all Kibanas before one of them starts.
fn as_journaled(lab: &Lab) {
    let records = journals::last_run(lab, 1..=4);
    let mut expected = BTreeMap::new();
    for Watched { service, role, hosts, .. } in PLATFORM.iter().filter(|one| restarts(one.service) > 0) {
        expected.extend(hosts.clone().map(|host| (format!("{role}@node{host}"), restarts(service))));
    }
    assert_eq!(journals::stops(&records), expected);
    journals::none_beside_another(&records, "kibana");
}

/// What has no process is there in its new version.
fn the_new_tool(lab: &Lab) {
    let folder = lab.prefix("node2").join("software");
    let folders = fs::read_dir(folder).expect("software").flatten().filter(|entry| entry.path().is_dir());
    let names: Vec<String> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(names.iter().any(|name| name.starts_with("curator-5.8.4-")), "{names:?}");
}

/// Whatever runs on Java runs on the new one, and every node of Elasticsearch says its new version.
fn on_the_new_java(lab: &Lab) {
    for (role, hosts) in
        [("zookeeper", 1..=3), ("kafka", 1..=4), ("elasticsearch-hot", 1..=4), ("elasticsearch-warm", 1..=4)]
    {
        for host in hosts {
            let pid = lab.pid(role, &format!("node{host}"));
            let program = fs::read_link(format!("/proc/{pid}/exe")).expect("its program");
            assert!(program.display().to_string().contains("jdk-11.0.13"), "{role}@node{host}: {}", program.display());
        }
    }
    let nodes = look::json(&lab.address(1), 9200, "/_cat/nodes?format=json&h=version");
    let nodes = nodes.as_array().expect("nodes");
    assert_eq!(nodes.len(), 8);
    assert!(nodes.iter().all(|node| node["version"] == "6.7.0"), "{nodes:?}");
}
