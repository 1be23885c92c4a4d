//! The same software out of another package: ZooKeeper as it is in Kafka's own archive.

use crate::lab::Lab;
use crate::look;
use std::fs;
use std::path::Path;
use std::process::Command;

const CLUSTER: &str = r#"
cluster "{cluster}" { user "es_cluster"; supervisor "supervisord"; }
versions { supervisord "4.3.0"; jdk "11.0.13"; zookeeper "3.4.10"; kafka "2.1.1"; }
rollout { canary 1 soak="1s"; batch 1; on-failure "rollback"; }
hosts { "node[1-3]" address="{network}.[1-3]" transport="local"; }
roles { zookeeper on="node[1-3]" { heap "64m"; }; kafka on="node1"; }
"#;

/// Kafka's own archive, made of its jars: this is how its vendor packs them.
fn archive(version: &str, to: &Path) {
    let bundles = fs::read_dir(Lab::cache().join("bundle")).expect("bundles").flatten().map(|entry| entry.path());
    let ends = format!("-kafka-{version}.tar");
    let mut found = bundles.filter(|path| path.to_string_lossy().ends_with(&ends));
    let bundle = found.next().expect("Kafka was locked");
    let name = format!("kafka_2.11-{version}");
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join(&name)).expect("a folder");
    let tar = |words: &[&str]| {
        assert!(Command::new("tar").arg("-C").arg(folder.path()).args(words).status().expect("tar").success());
    };
    tar(&["-C", &name, "-xf", &bundle.display().to_string()]);
    tar(&["-czf", &to.join(format!("{name}.tgz")).display().to_string(), &name]);
}

#[test]
#[ignore = "half a minute"]
fn an_ensemble_runs_from_the_package_of_the_broker() {
    let lab = Lab::new("packages", CLUSTER);
    lab.esplan(&["lock"]).expect(0);
    archive("2.1.1", &lab.controller.join("install"));
    // Its own package, whatever Kafka's is.
    lab.edit("; kafka on=\"node1\"", "");
    lab.esapply(&[]).expect(0);
    assert_eq!(versions(&lab), ["3.4.10", "3.4.10", "3.4.10"]);
    // The version that is in Kafka's package, out of that: a rolling upgrade like any other.
    lab.edit("zookeeper \"3.4.10\"", "zookeeper \"3.4.13\"");
    lab.esplan(&["lock"]).expect(0);
    let lock = fs::read_to_string(lab.controller.join("cluster.lock")).expect("a lock");
    assert!(lock.contains("kafka_2.11-2.1.1.tgz"), "{lock}");
    lab.esapply(&[]).expect(0);
    assert_eq!(versions(&lab), ["3.4.13", "3.4.13", "3.4.13"]);
    let software = fs::read_dir(lab.prefix("node1").join("software")).expect("software").flatten();
    let mut jars = software.map(|entry| entry.path()).filter(|path| path.join("libs/zookeeper-3.4.13.jar").exists());
    assert!(
        jars.next().is_some_and(|path| path.display().to_string().contains("/zookeeper-3.4.13-")),
        "a path of its own"
    );
    // Another Kafka is no other ZooKeeper.
    lab.edit("kafka \"2.1.1\"", "kafka \"1.1.0\"");
    lab.esplan(&["lock"]).expect(0);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}

/// What each member says of its version; each is in the quorum.
fn versions(lab: &Lab) -> Vec<String> {
    let one = |host| {
        let text = look::tcp(&lab.address(host), 2181, "srvr\n").expect("an answer");
        assert!(text.contains("Mode: "), "{text}");
        let version = text.strip_prefix("Zookeeper version: ").unwrap_or_default();
        version.split('-').next().unwrap_or_default().to_owned()
    };
    (1..=3).map(one).collect()
}
