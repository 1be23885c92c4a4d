//! D1: the reference platform, `fixtures/platform`, from nothing, each service asked by its own client, and the way of one
//! line of a log through all of it.

use crate::lab::{Lab, alive, until};
use crate::look;
use crate::running::{count, until_some};
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
fn software(lab: &Lab, host: &str, name: &str) -> PathBuf {
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
    let lab = lab("reference", &platform());
    lab.esplan(&["validate"]).expect(0);
    lab.esplan(&["lock"]).expect(0);
    let done = lab.esapply(&[]).expect(0);
    println!("from nothing in {:.1?}", done.took);
    every_service_by_its_own_client(&lab);
    every_beat(&lab);
    a_line_of_a_log(&lab);
    // The second run: nothing.
    nothing_to_do(&lab);
    let status = lab.esplan(&["status"]).expect(0).stdout;
    println!("{status}\nmemory: {} MiB in all", memory(&lab) >> 10);
}

/// Once all of them answer in time there is nothing to do, and nothing is done. A look at services takes three seconds at most,
/// which is not much for thirty-five of them on two busy processors.
#[track_caller]
pub fn nothing_to_do(lab: &Lab) {
    until("nothing to do", Duration::from_mins(5), || lab.esplan(&["--detailed-exitcode"]).code == 0);
    lab.esapply(&[]).expect(0);
}

/// What a program prints; it must end with 0.
#[track_caller]
fn said(program: &str, words: &[&str]) -> String {
    let ran = Command::new(program).args(words).stdin(Stdio::null()).output().expect(program);
    assert!(ran.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

pub fn every_service_by_its_own_client(lab: &Lab) {
    let first = lab.address(1);
    // The beats have just begun: their first indices are being made.
    until("all copies of the first indices", Duration::from_mins(2), || {
        look::json(&first, 9200, "/_cluster/health")["status"] == "green"
    });
    let health = look::json(&first, 9200, "/_cluster/health");
    assert_eq!(health["number_of_nodes"], 8, "{health}");
    let plugins = look::json(&first, 9200, "/_cat/plugins?format=json&h=name,component,version");
    let plugins = plugins.as_array().expect("rows");
    assert!(plugins.iter().all(|row| row["component"] == "stand-in" && row["version"] == "6.7.0"), "{plugins:?}");
    assert_eq!(plugins.len(), 8, "each node has it: {plugins:?}");
    let zookeeper = format!("{first}:2181");
    let brokers = java(
        lab,
        "node1",
        ("zookeeper", "lib"),
        "org.apache.zookeeper.ZooKeeperMain",
        &["-server", &zookeeper, "ls", "/kafka/brokers/ids"],
    );
    assert!(brokers.contains("[1, 2, 3, 4]"), "{brokers}");
    let behind = ["--zookeeper", &format!("{zookeeper}/kafka"), "--describe", "--under-replicated-partitions"];
    let behind = java(lab, "node1", ("kafka", "libs"), "kafka.admin.TopicCommand", &behind);
    assert!(!behind.contains("Partition:"), "{behind}");
    for host in 1..=2 {
        assert_eq!(said("redis-cli", &["-h", &lab.address(host), "ping"]).trim(), "PONG");
        let page = said("curl", &["-sf", &format!("http://{}:8080/api/status", lab.address(host))]);
        assert!(page.contains("\"green\""), "through the web server: {page}");
    }
    let status = look::json(&first, 5601, "/api/status");
    assert_eq!(status["status"]["overall"]["state"], "green", "{status}");
    let plugin = "plugin:elastalert-kibana-plugin@1.0.4";
    let ids = status["status"]["statuses"].as_array().expect("statuses");
    assert!(ids.iter().any(|one| one["id"] == plugin), "{status}");
    for host in 3..=4 {
        let pipelines = look::json(&lab.address(host), 18630, "/rest/v1/pipelines/status");
        assert_eq!(pipelines["logs"]["status"], "RUNNING", "{pipelines}");
    }
    assert!(alive(lab.pid("elastalert", "node3")));
    let (old, one) = ("/logs-2020.01.01", r#"{"settings":{"number_of_shards":1}}"#);
    assert_eq!(look::http("PUT", &first, 9200, old, Some(one)).expect("an answer").0, 200);
    let done = lab.run("esapply", &["run", "delete", "--yes"]).expect(0).text();
    assert!(done.contains("logs-2020.01.01"), "{done}");
    assert_eq!(look::http("HEAD", &first, 9200, old, None).expect("an answer").0, 404, "its job deletes what is old");
}

/// Each answers, and what each sends arrives: where Elasticsearch has it, or in its topic.
pub fn every_beat(lab: &Lab) {
    for (beat, port, hosts) in [
        ("filebeat", 5066, 1..=4),
        ("metricbeat", 5067, 1..=4),
        ("heartbeat", 5068, 4..=4),
        ("packetbeat", 5069, 4..=4),
    ] {
        for host in hosts {
            let about = look::json(&lab.address(host), port, "/");
            assert_eq!((&about["beat"], &about["version"]), (&beat.into(), &"6.7.0".into()), "{about}");
            until(&format!("events of {beat} on node{host}"), Duration::from_mins(1), || {
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

/// A line that a program on a host writes is found by a search, and makes an alert.
fn a_line_of_a_log(lab: &Lab) {
    for host in 1..=4 {
        let folder = lab.prefix(&format!("node{host}")).join("log/app");
        fs::create_dir_all(&folder).expect("a folder");
        let mut file = fs::File::options().create(true).append(true).open(folder.join("app.log")).expect("a log");
        let word = if host == 1 { "boom" } else { "calm" };
        writeln!(file, "{word} quetzal{host} {}", lab.cluster).expect("written");
    }
    let begin = Instant::now();
    for host in 1..=4 {
        // Each part of the way promises at least once, and no more.
        until(&format!("the line of node{host}"), Duration::from_mins(1), || {
            count(lab, "logs-*", &format!("message:quetzal{host} AND beat.name:node{host}")) > 0
        });
    }
    println!("four lines of four hosts were found after {:.1?}", begin.elapsed());
    let log = lab.prefix("node3").join("log/elastalert/console.log");
    until("the alert", Duration::from_mins(1), || {
        fs::read_to_string(&log).unwrap_or_default().contains("Alert for boom")
    });
    println!("and the alert came after {:.1?}", begin.elapsed());
}

/// KiB that all processes of the platform have, by their records.
fn memory(lab: &Lab) -> u64 {
    let hosts = (1..=4).map(|host| lab.prefix(&format!("node{host}")).join("run"));
    let records = hosts.flat_map(|run| fs::read_dir(run).into_iter().flatten().flatten());
    let pids = records.filter_map(|entry| crate::lab::record(&entry.path(), "pid"));
    let size = |pid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default().to_owned();
        line.split_whitespace().next().and_then(|size| size.parse::<u64>().ok()).unwrap_or(0)
    };
    pids.map(size).sum()
}
