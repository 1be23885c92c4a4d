//! Elasticsearch over a change of its major version, and a new cluster of the newer one: what forms it, what does not form it
//! again, and that no host holds two copies of anything.

use crate::lab::{Lab, alive, signal, until};
use crate::load::{Load, Watched};
use crate::look;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

/// Three hosts with two instances each.
const CLUSTER: &str = r#"
cluster "{cluster}" { user "es_cluster"; supervisor "supervisord"; }
versions { supervisord "4.3.0"; jdk "11.0.13"; elasticsearch "VERSION"; }
rollout { canary 1 soak="2s"; batch 1; on-failure "rollback"; }
hosts { "node[1-3]" address="{network}.[1-3]" transport="local"; }
roles {
    elasticsearch "master" on="node[1-3]" {
        node-roles "master"; http-port 9210; transport-port 9310; heap "160m"
        config { cluster.routing.allocation.disk.threshold_enabled #false; }
    }
    elasticsearch "hot" on="node[1-3]" {
        node-roles "data" "ingest"; attr box_type="hot"; heap "200m"
        config { cluster.routing.allocation.disk.threshold_enabled #false; }
    }
}
"#;

const OLD: &str = "6.8.23";
const NEW: &str = "7.17.29";
const NEXT: &str = "8.19.4";

fn cluster(version: &str) -> String {
    CLUSTER.replace("VERSION", version)
}

fn words(lab: &Lab, role: &str, host: &str) -> String {
    let pid = lab.pid(role, host);
    fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("it runs").replace('\0', " ")
}

fn masters(lab: &Lab) -> Vec<u32> {
    lab.pids("elasticsearch-master")
}

const FORMS: &str = "cluster.initial_master_nodes";

/// What is watched from outside.
const WATCHED: &[Watched] = &[
    Watched { service: "elasticsearch", role: "elasticsearch-hot", port: 9200, ask: "/", hosts: 1..=3 },
    Watched { service: "elasticsearch", role: "elasticsearch-warm", port: 9201, ask: "/", hosts: 1..=2 },
    Watched { service: "elasticsearch", role: "elasticsearch-master", port: 9210, ask: "/", hosts: 1..=3 },
];

fn put(lab: &Lab, path: &str, body: &str) {
    // Where the machine has much to do an answer may be late, and then what was asked for is there already.
    until(path, Duration::from_mins(2), || {
        let answer = look::http("PUT", &lab.address(1), 9200, path, Some(body));
        answer.is_some_and(|(status, text)| status == 200 || text.contains("already"))
    });
}

/// No host has two copies of anything, although hosts have two data nodes each. Gives how many copies there are.
pub fn spread(lab: &Lab, index: &str) -> usize {
    let rows = look::json(&lab.address(1), 9200, "/_cat/shards?format=json&h=index,shard,state,node");
    let mut hosts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows.as_array().expect("rows").iter().filter(|row| row["state"] == "STARTED") {
        let node = row["node"].as_str().expect("a node");
        let shard = format!("{} {}", row["index"], row["shard"]);
        hosts.entry(shard).or_default().push(node.split('@').nth(1).expect("a host").to_owned());
    }
    for (shard, hosts) in &hosts {
        let distinct: BTreeSet<&String> = hosts.iter().collect();
        assert_eq!(distinct.len(), hosts.len(), "two copies of {shard} on one host: {hosts:?}");
    }
    hosts.iter().filter(|(shard, _)| shard.contains(index)).map(|(_, hosts)| hosts.len()).sum()
}

/// Instances in the order of their stops, by the journals.
fn stops(lab: &Lab) -> Vec<String> {
    let mut records = Vec::new();
    for host in ["node1", "node2", "node3"] {
        for file in fs::read_dir(lab.prefix(host).join("log/history")).into_iter().flatten().flatten() {
            for line in fs::read_to_string(file.path()).unwrap_or_default().lines() {
                let record: Value = serde_json::from_str(line).expect("a JSON line");
                if record["record"] == "begin" && record["action"] == "stop" {
                    let at = record["at"].as_u64().unwrap_or_default();
                    records.push((at, record["subject"].as_str().unwrap_or_default().to_owned()));
                }
            }
        }
    }
    records.sort();
    records.into_iter().map(|(_, subject)| subject).collect()
}

/// A plan that is refused by this name, and by no other.
fn refused(lab: &Lab, name: &str) {
    let plan = lab.esplan(&[]).expect(7).text();
    assert!(plan.contains(name), "{name}: {plan}");
    println!("{}", plan.lines().filter(|line| line.contains(name)).collect::<Vec<_>>().join("\n"));
}

#[test]
#[ignore = "accept: it takes minutes"]
fn the_next_major_version_under_load() {
    let warm = r#"
    elasticsearch "warm" on="node[1-2]" {
        node-roles "data"; attr box_type="warm"; http-port 9201; transport-port 9301; heap "160m"
        config { cluster.routing.allocation.disk.threshold_enabled #false; path.repo "REPO"; }
    }
}
"#;
    let text = cluster(OLD).replace("enabled #false; }", "enabled #false; path.repo \"REPO\"; }");
    let text = format!("{}{warm}", text.trim_end().trim_end_matches('}').trim_end());
    let lab = Lab::new("search-major", &text);
    let backup = lab.hosts.join("backup");
    fs::create_dir_all(&backup).expect("a folder");
    fs::set_permissions(&backup, fs::Permissions::from_mode(0o777)).expect("everybody's");
    lab.edit("REPO", &backup.display().to_string());
    lab.esplan(&["lock"]).expect(0);
    lab.esapply(&[]).expect(0);

    // Five data nodes on three hosts: three copies find places, a fourth does not.
    put(&lab, "/three", r#"{"settings":{"number_of_shards":2,"number_of_replicas":2}}"#);
    put(&lab, "/four", r#"{"settings":{"number_of_shards":1,"number_of_replicas":3}}"#);
    until("copies on all hosts", Duration::from_mins(1), || spread(&lab, "three") == 6 && spread(&lab, "four") == 3);

    // What somebody set wins over the files, so it is kept in step with who is declared.
    put(&lab, "/_cluster/settings", r#"{"persistent":{"discovery.zen.minimum_master_nodes":1}}"#);
    let drift = lab.esplan(&["--detailed-exitcode"]).expect(2).text();
    assert!(drift.contains("minimum-master-nodes: 1 -> 2"), "{drift}");
    lab.esapply(&[]).expect(0);
    let settings = look::json(&lab.address(1), 9200, "/_cluster/settings?flat_settings=true");
    assert_eq!(settings["persistent"]["discovery.zen.minimum_master_nodes"], "2", "{settings}");

    let load = Load::on(&lab, 1..=3, WATCHED);
    lab.edit(OLD, NEW);
    lab.esplan(&["lock"]).expect(0);

    // What must be so before there is no way back.
    lab.edit("heap \"200m\"", "heap \"200m\"; snapshot-repository \"backup\"; snapshot-within \"1h\"");
    refused(&lab, "elasticsearch.snapshot");
    let location = format!(r#"{{"type":"fs","settings":{{"location":"{}"}}}}"#, backup.display());
    put(&lab, "/_snapshot/backup", &location);
    refused(&lab, "elasticsearch.snapshot");
    put(&lab, "/_snapshot/backup/before?wait_for_completion=true", r#"{"indices":"three,four"}"#);
    lab.edit("heap \"200m\";", "heap \"200m\"; max-shards-per-node 1;");
    refused(&lab, "elasticsearch.shards");
    lab.edit("max-shards-per-node 1;", "");
    lab.edit("path.repo", "http.enabled #true; path.repo");
    refused(&lab, "elasticsearch.settings-of-6");
    lab.edit("http.enabled #true; path.repo", "path.repo");

    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2).text();
    assert!(plan.contains("POINT OF NO RETURN") && plan.contains("old-indices"), "{plan}");
    let elected = look::json(&lab.address(1), 9200, "/_cat/master?format=json");
    let elected = elected[0]["node"].as_str().expect("a master").to_owned();
    let done = lab.esapply(&[]).expect(0);
    println!("the upgrade took {:.1?}", done.took);
    let (watched, _) = load.finish();
    let watched = &watched["services"]["elasticsearch"];
    assert_eq!(watched["most_down_at_once"], 1, "{watched}");
    for (name, instance) in watched["by_instance"].as_object().expect("instances") {
        assert_eq!(instance["restarts"], 1, "{name}: {instance}");
    }
    let stops = stops(&lab);
    println!("in this order: {stops:?}, elected was {elected}");
    assert_eq!(stops.len(), 8);
    let masters: Vec<bool> = stops.iter().map(|name| name.contains("master")).collect();
    assert_eq!(masters, [false, false, false, false, false, true, true, true], "masters last: {stops:?}");
    assert_eq!(stops.last(), Some(&elected), "the elected one at the very end");
    for node in look::json(&lab.address(1), 9200, "/_cat/nodes?format=json&h=version").as_array().expect("nodes") {
        assert_eq!(node["version"], NEW);
    }
    for host in ["node1", "node2", "node3"] {
        let file = lab.prefix(host).join("conf/elasticsearch-master/current/elasticsearch.yml");
        let text = fs::read_to_string(file).expect("a file");
        assert!(text.contains("discovery.seed_hosts") && !text.contains("discovery.zen"), "{text}");
        assert!(!text.contains(FORMS) && !words(&lab, "elasticsearch-master", host).contains(FORMS));
    }
    assert_eq!((spread(&lab, "three"), spread(&lab, "four")), (6, 3));
    lab.esplan(&["--detailed-exitcode"]).expect(0);

    // Indices of 6.8 are what 8.x does not read.
    lab.edit(NEW, NEXT);
    lab.esplan(&["lock"]).expect(0);
    refused(&lab, "elasticsearch.old-indices");
}

#[test]
#[ignore = "two minutes: `./test accept`"]
fn a_new_cluster_forms_by_itself_and_only_once() {
    let lab = Lab::new("search-new", &cluster(NEW));
    lab.esplan(&["lock"]).expect(0);
    lab.esapply(&[]).expect(0);
    let names = "elasticsearch-master@node1,elasticsearch-master@node2,elasticsearch-master@node3";
    for host in ["node1", "node2", "node3"] {
        let master = words(&lab, "elasticsearch-master", host);
        assert!(master.contains(&format!("-E{FORMS}={names}")), "{master}");
        assert!(!words(&lab, "elasticsearch-hot", host).contains(FORMS), "only who can be a master forms it");
        let file = lab.prefix(host).join("conf/elasticsearch-master/current/elasticsearch.yml");
        assert!(!fs::read_to_string(file).expect("a file").contains(FORMS), "it is in no file");
        assert!(!lab.prefix(host).join("run/elasticsearch-master.first").exists(), "the first start is over");
    }
    let health = look::json(&lab.address(1), 9200, "/_cluster/health");
    assert_eq!((&health["status"], &health["number_of_nodes"]), (&"green".into(), &6.into()), "{health}");
    let uuid = look::json(&lab.address(1), 9200, "/")["cluster_uuid"].clone();

    let before = masters(&lab);
    lab.esapply(&[]).expect(0);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
    assert_eq!(masters(&lab), before, "a second run changes nothing");

    // Neither who restarts it on purpose nor the supervisor after a crash says so again.
    lab.run("esapply", &["restart", "elasticsearch-master@node2", "--yes"]).expect(0);
    assert!(!words(&lab, "elasticsearch-master", "node2").contains(FORMS));
    let crashed = lab.pid("elasticsearch-master", "node3");
    signal(crashed, "KILL");
    until("the supervisor's restart", Duration::from_mins(1), || {
        let pid = lab.pid("elasticsearch-master", "node3");
        pid != crashed && alive(pid)
    });
    until("the member back", Duration::from_mins(2), || {
        let joined = look::http("GET", &lab.address(3), 9210, "/", None);
        joined.is_some_and(|(status, body)| status == 200 && body.contains(uuid.as_str().expect("a text")))
    });
    assert!(!words(&lab, "elasticsearch-master", "node3").contains(FORMS));
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}
