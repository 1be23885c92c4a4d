//! D1: the reference platform, `fixtures/platform`, from nothing, each service asked by its own client.

use crate::lab::Lab;
use crate::look;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The reference platform, in a lab's place.
pub fn platform() -> String {
    let text = include_str!("../../fixtures/platform/cluster.kdl");
    text.replace("127.0.78.", "{network}.").replace("cluster \"platform\"", "cluster \"{cluster}\"")
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
    let lab = Lab::new("reference", &platform());
    lab.esplan(&["validate"]).expect(0);
    lab.esplan(&["lock"]).expect(0);
    let done = lab.esapply(&[]).expect(0);
    println!("from nothing in {:.1?}", done.took);
    every_service_by_its_own_client(&lab);
    // The second run: nothing.
    lab.esplan(&["--detailed-exitcode"]).expect(0);
    lab.esapply(&[]).expect(0);
    lab.esplan(&["status"]).expect(0);
}

fn every_service_by_its_own_client(lab: &Lab) {
    let first = lab.address(1);
    let health = look::json(&first, 9200, "/_cluster/health");
    assert_eq!(health["status"], "green", "{health}");
    assert_eq!(health["number_of_nodes"], 8, "{health}");
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
        let pong = Command::new("redis-cli").args(["-h", &lab.address(host), "ping"]).output().expect("redis-cli");
        assert_eq!(String::from_utf8_lossy(&pong.stdout).trim(), "PONG");
        let (status, body) = look::http("GET", &lab.address(host), 8080, "/api/status", None).expect("the web server");
        assert_eq!(status, 200, "through the web server: {body}");
    }
    let status = look::json(&first, 5601, "/api/status");
    assert_eq!(status["status"]["overall"]["state"], "green", "{status}");
}
