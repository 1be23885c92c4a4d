//! Where the roles of the reference platform are, and each of their instances asked by its own client.

use crate::lab::{Lab, alive, until};
use crate::look;
use crate::reference::{java, software};
use crate::running::until_some;
use crate::search::spread;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The hosts of each role, by their numbers.
#[derive(Clone)]
pub struct Places(BTreeMap<&'static str, Vec<u8>>);

/// Where the file of the reference platform has them.
const PLATFORM: &[(&str, &[u8])] = &[
    ("zookeeper", &[1, 2, 3]),
    ("kafka", &[1, 2, 3, 4]),
    ("elasticsearch-hot", &[1, 2, 3, 4]),
    ("elasticsearch-warm", &[1, 2, 3, 4]),
    ("kibana", &[1, 2]),
    ("redis", &[1, 2]),
    ("nginx", &[1, 2]),
    ("filebeat", &[1, 2, 3, 4]),
    ("sdc", &[3, 4]),
    ("metricbeat", &[1, 2, 3, 4]),
    ("heartbeat", &[4]),
    ("packetbeat", &[4]),
    ("elastalert", &[3]),
    ("elastalert-server", &[4]),
    (TOOL, &[2]),
];

/// The role without a process.
const TOOL: &str = "curator-logs";

/// Roles of which only one may run.
const SINGLE: &[&str] = &["elastalert", "elastalert-server"];

impl Places {
    pub fn platform() -> Self {
        Self(PLATFORM.iter().map(|(role, hosts)| (*role, hosts.to_vec())).collect())
    }

    /// With a host more that has every role: what only one may run of is nowhere else then.
    pub fn with(mut self, host: u8) -> Self {
        for (role, hosts) in &mut self.0 {
            if SINGLE.contains(role) {
                hosts.clear();
            }
            hosts.push(host);
        }
        self
    }

    pub fn without(mut self, host: u8) -> Self {
        for hosts in self.0.values_mut() {
            hosts.retain(|one| *one != host);
        }
        self
    }

    pub fn of(&self, role: &str) -> &[u8] {
        self.0.get(role).unwrap_or_else(|| panic!("no role {role}"))
    }

    /// All hosts that have something.
    pub fn hosts(&self) -> BTreeSet<u8> {
        self.0.values().flatten().copied().collect()
    }

    /// What runs on a host.
    pub fn running(&self, host: u8) -> BTreeSet<&'static str> {
        let own = self.0.iter().filter(|(role, hosts)| **role != TOOL && hosts.contains(&host));
        own.map(|(role, _)| *role).collect()
    }

    /// The process of each instance, by its name.
    pub fn pids(&self, lab: &Lab) -> BTreeMap<String, u32> {
        let mut pids = BTreeMap::new();
        for host in self.hosts() {
            let node = format!("node{host}");
            for role in self.running(host) {
                pids.insert(format!("{role}@{node}"), lab.pid(role, &node));
            }
        }
        pids
    }
}

/// What a program prints; it must end with 0.
#[track_caller]
fn said(program: &str, words: &[&str]) -> String {
    let ran = Command::new(program).args(words).stdin(Stdio::null()).output().expect(program);
    assert!(ran.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

#[track_caller]
fn curl(lab: &Lab, host: u8, port: u16, path: &str) -> Value {
    let page = said("curl", &["-sf", "-m", "20", &format!("http://{}:{port}{path}", lab.address(host))]);
    serde_json::from_str(&page).unwrap_or_else(|_| panic!("not JSON: {page}"))
}

/// Every instance of every role.
pub fn every_service(lab: &Lab, places: &Places) {
    elasticsearch(lab, places);
    zookeeper(lab, places);
    kafka(lab, places);
    for &host in places.of("redis") {
        assert_eq!(said("redis-cli", &["-h", &lab.address(host), "ping"]).trim(), "PONG");
    }
    let green = |status: &Value| status["status"]["overall"]["state"] == "green";
    for &host in places.of("nginx") {
        let status = curl(lab, host, 8080, "/api/status");
        assert!(green(&status), "through the web server: {status}");
    }
    for &host in places.of("kibana") {
        let status = curl(lab, host, 5601, "/api/status");
        assert!(green(&status), "{status}");
        let plugins = status["status"]["statuses"].as_array().expect("statuses");
        assert!(plugins.iter().any(|one| one["id"] == "plugin:elastalert-kibana-plugin@1.0.4"), "{status}");
    }
    for &host in places.of("sdc") {
        until(&format!("the pipeline of node{host}"), Duration::from_mins(1), || {
            curl(lab, host, 18630, "/rest/v1/pipelines/status")["logs"]["status"] == "RUNNING"
        });
    }
    for &host in places.of("elastalert") {
        assert!(alive(lab.pid("elastalert", &format!("node{host}"))));
    }
    for &host in places.of("elastalert-server") {
        let about = curl(lab, host, 3030, "/");
        assert_eq!(about["version"], "3.0.0-beta.0", "{about}");
        assert_eq!(curl(lab, host, 3030, "/status")["status"], "READY");
        let rules = curl(lab, host, 3030, "/rules");
        assert_eq!(rules["rules"], serde_json::json!(["silence"]), "{rules}");
    }
    supervisors(lab, places);
    curator(lab, places);
}

fn elasticsearch(lab: &Lab, places: &Places) {
    let first = lab.address(1);
    // The beats have just begun: their first indices are being made.
    until("all copies of all indices, where they belong", Duration::from_mins(5), || {
        let health = look::json(&first, 9200, "/_cluster/health");
        health["status"] == "green" && health["relocating_shards"] == 0
    });
    let mut count = 0;
    for (role, port) in [("elasticsearch-hot", 9200), ("elasticsearch-warm", 9201)] {
        for &host in places.of(role) {
            let about = curl(lab, host, port, "/");
            assert_eq!(about["name"], format!("{role}@node{host}"), "{about}");
            assert_eq!(about["version"]["number"], "6.7.0", "{about}");
            count += 1;
        }
    }
    let health = look::json(&first, 9200, "/_cluster/health");
    assert_eq!(health["number_of_nodes"], count, "{health}");
    let plugins = look::json(&first, 9200, "/_cat/plugins?format=json&h=name,component,version");
    let plugins = plugins.as_array().expect("rows");
    assert!(plugins.iter().all(|row| row["component"] == "stand-in" && row["version"] == "6.7.0"), "{plugins:?}");
    assert_eq!(plugins.len(), count, "each node has it: {plugins:?}");
    assert!(spread(lab, "") > 0, "and no host has two copies, hot and warm, of anything");
}

/// Each member, by the client of its own package: it has all brokers, and one of them leads.
fn zookeeper(lab: &Lab, places: &Places) {
    let (members, brokers) = (places.of("zookeeper"), format!("{:?}", places.of("kafka")));
    for &host in members {
        let server = format!("{}:2181", lab.address(host));
        let words = ["-server", &server, "ls", "/kafka/brokers/ids"];
        let node = format!("node{host}");
        let ids = java(lab, &node, ("zookeeper", "lib"), "org.apache.zookeeper.ZooKeeperMain", &words);
        assert!(ids.contains(&brokers), "{brokers} in {ids}");
    }
    let modes: Vec<String> = members.iter().filter_map(|host| look::zookeeper_mode(&lab.address(*host))).collect();
    let leaders = modes.iter().filter(|mode| *mode == "leader").count();
    assert_eq!((modes.len(), leaders), (members.len(), 1), "{modes:?}");
}

/// Each broker, by the tools of its own package.
fn kafka(lab: &Lab, places: &Places) {
    let brokers: Vec<(u8, String)> =
        places.of("kafka").iter().map(|host| (*host, format!("{}:9092", lab.address(*host)))).collect();
    let servers: Vec<&str> = brokers.iter().map(|(_, address)| address.as_str()).collect();
    let words = ["--bootstrap-server", &servers.join(",")];
    let told = java(lab, "node1", ("kafka", "libs"), "kafka.admin.BrokerApiVersionsCommand", &words);
    for (host, address) in &brokers {
        // Who does not answer has an error there.
        assert!(told.contains(&format!("{address} (id: {host} rack: null) -> (")), "{address}: {told}");
    }
    let zookeeper = format!("{}:2181/kafka", lab.address(1));
    let words = ["--zookeeper", &zookeeper, "--describe", "--under-replicated-partitions"];
    let behind = java(lab, "node1", ("kafka", "libs"), "kafka.admin.TopicCommand", &words);
    assert!(!behind.contains("Partition:"), "{behind}");
}

/// The supervisor of each host, by its own command: it has what is placed there, and all of it runs.
fn supervisors(lab: &Lab, places: &Places) {
    for host in places.hosts() {
        let node = format!("node{host}");
        let asked = Command::new("/usr/bin/python3")
            .args(["-m", "supervisor.supervisorctl", "-c"])
            .arg(lab.prefix(&node).join("conf/supervisord/supervisord.conf"))
            .arg("status")
            .env("PYTHONPATH", software(lab, &node, "supervisord"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .output()
            .expect("supervisorctl");
        let told = String::from_utf8_lossy(&asked.stdout);
        let running = told.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?;
            (words.next() == Some("RUNNING")).then_some(name)
        });
        let running: BTreeSet<&str> = running.collect();
        assert_eq!(running, places.running(host), "{node}: {told}{}", String::from_utf8_lossy(&asked.stderr));
    }
}

/// A job on each host of the tool: it deletes what is old.
fn curator(lab: &Lab, places: &Places) {
    let (first, old, one) = (lab.address(1), "/logs-2020.01.01", r#"{"settings":{"number_of_shards":1}}"#);
    for host in places.of(TOOL) {
        assert_eq!(look::http("PUT", &first, 9200, old, Some(one)).expect("an answer").0, 200);
        let words = ["run", "delete", "--on", &format!("node{host}"), "--yes"];
        let done = lab.run("esapply", &words).expect(0).text();
        assert!(done.contains("logs-2020.01.01"), "{done}");
        assert_eq!(look::http("HEAD", &first, 9200, old, None).expect("an answer").0, 404);
    }
}

/// Each answers, and what each sends arrives: where Elasticsearch has it, or in its topic.
pub fn every_beat(lab: &Lab, places: &Places) {
    for (beat, port) in [("filebeat", 5066), ("metricbeat", 5067), ("heartbeat", 5068), ("packetbeat", 5069)] {
        for &host in places.of(beat) {
            let about = look::json(&lab.address(host), port, "/");
            assert_eq!((&about["beat"], &about["version"]), (&beat.into(), &"6.7.0".into()), "{about}");
            // Flows of packets are told once a minute.
            until(&format!("events of {beat} on node{host}"), Duration::from_mins(2), || {
                look::json(&lab.address(host), port, "/stats")["libbeat"]["output"]["events"]["acked"].as_u64()
                    > Some(0)
            });
        }
        if beat != "filebeat" {
            until_some(lab, &format!("{beat}-6.7.0-*"));
        }
        let template = look::json(&lab.address(1), 9200, &format!("/_template/{beat}-6.7.0"));
        assert!(template[format!("{beat}-6.7.0")].is_object(), "the template of {beat} is loaded: {template}");
    }
}
