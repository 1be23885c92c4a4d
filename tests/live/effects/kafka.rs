//! The same for Kafka: every parameter of its module on brokers that run, one of the newest version and three of the oldest one
//! that can be told other values while it runs.

use super::{OUTAGE, each_planned, identity, table, with};
use crate::lab::Lab;
use crate::reference::java;
use std::fs;

const CLUSTER: &str = r#"
cluster "{cluster}" { user "es_cluster"; supervisor "supervisord"; }
versions { supervisord "4.3.0"; jdk "11.0.13"; zookeeper "3.4.13"; kafka "2.1.1"; }
rollout { canary 1 soak="0s"; batch 1; on-failure "stop"; }
hosts { "node[1-3]" address="{network}.[1-3]" transport="local"; }
roles {
    zookeeper on="node1" { heap "64m"; }
    kafka on="node1" { heap "160m"; }
}
"#;

const ROLE: &str = "kafka on=\"node1\" { heap \"160m\"; }";

/// What a broker has told of its configuration at its last start.
fn started_with(lab: &Lab, host: &str, name: &str) -> Option<String> {
    let log = fs::read_to_string(lab.prefix(host).join("log/kafka/server.log")).expect("a log");
    let last = log.rsplit("KafkaConfig values:").next()?.to_owned();
    last.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(" = ").map(str::to_owned))
}

/// The words of the broker's process, and its environment.
fn process(lab: &Lab) -> String {
    let pid = lab.pid("kafka", "node1");
    ["cmdline", "environ"].map(|file| fs::read_to_string(format!("/proc/{pid}/{file}")).expect("it runs")).concat()
}

/// Parameters that restart, as what the process and its own account of its configuration say.
fn runs_with(lab: &Lab, param: &str) -> bool {
    let is = |name: &str, value: &str| started_with(lab, "node1", name).as_deref() == Some(value);
    match param {
        "port" => started_with(lab, "node1", "listeners").is_some_and(|listeners| listeners.contains(":9093")),
        "chroot" => started_with(lab, "node1", "zookeeper.connect").is_some_and(|path| path.ends_with("/other")),
        "zookeeper-session-timeout" => is("zookeeper.session.timeout.ms", "9000"),
        "inter-broker-protocol-version" => is("inter.broker.protocol.version", "1.1"),
        "log-message-format-version" => is("log.message.format.version", "1.1"),
        "num-partitions" => is("num.partitions", "3"),
        "replication-factor" => is("default.replication.factor", "2"),
        "offsets-partitions" => is("offsets.topic.num.partitions", "10"),
        "auto-create-topics" => is("auto.create.topics.enable", "true"),
        "heap" => process(lab).contains("-Xmx512m"),
        "gc" => process(lab).contains("-XX:+UseSerialGC"),
        "jvm-options" => process(lab).contains("JAVA_TOOL_OPTIONS=-Dx=1"),
        other => panic!("{other} restarts, and nobody says here how it is seen that it is there"),
    }
}

/// What a broker was told while it runs, by Kafka's own tool.
fn told(lab: &Lab, number: u8, more: &[&str]) -> String {
    let address = format!("{}:9092", lab.address(number));
    let broker = number.to_string();
    let words = ["--bootstrap-server", &address, "--entity-type", "brokers", "--entity-name", &broker];
    java(lab, "node1", ("kafka", "libs"), "kafka.admin.ConfigCommand", &[&words, more].concat())
}

/// Whether a broker runs with the value of the table, which it was told.
fn is_told(lab: &Lab, number: u8, param: &str) -> bool {
    let value = match param {
        "retention" => "log.retention.ms=86400000",
        "segment-size" => "log.segment.bytes=67108864",
        "min-insync-replicas" => "min.insync.replicas=1",
        other => panic!("{other} is taken while it runs, and nobody says here how it is seen that it is there"),
    };
    told(lab, number, &["--describe"]).contains(&format!("{value} "))
}

#[test]
#[ignore = "a broker starts twice, and stops as the last one of its cluster: `./test accept`"]
fn each_parameter_does_what_the_table_says() {
    let lab = Lab::new("effects-log", CLUSTER);
    lab.esplan(&["lock"]).expect(0);
    lab.esapply(&[]).expect(0);
    let copies = "one broker has one copy of everything either way: on three brokers below";
    let except = [("replication-factor", copies), ("min-insync-replicas", copies)];
    each_planned(&lab, "kafka", ROLE, &except);
    let before = identity(&lab, "kafka", "node1");
    let (mut restarts, mut role) = (Vec::new(), ROLE.to_owned());
    for (param, value, effect) in table("kafka") {
        if except.iter().any(|(one, _)| *one == param) {
            continue;
        }
        match effect.as_str() {
            "restart" => {
                assert!(!runs_with(&lab, &param), "{param} was there before");
                restarts.push((param, value));
            }
            "live" | "nothing" => {
                let live = effect == "live";
                assert!(!live || !is_told(&lab, 1, &param), "{param} is told before");
                let said = with(ROLE, &format!("{param} {value};"));
                lab.edit(&role, &said);
                role = said;
                let applied = lab.esapply(&[]).expect(0).text();
                assert!(!live || is_told(&lab, 1, &param), "{param}: {applied}");
                assert!(live || !applied.contains("set "), "{param}: {applied}");
                assert_eq!(identity(&lab, "kafka", "node1"), before, "{param}");
                lab.esplan(&["--detailed-exitcode"]).expect(0);
            }
            other => panic!("{param}: nobody says here how it is seen that it is {other}"),
        }
    }
    // Everything that restarts, in one restart.
    let all: Vec<String> = restarts.iter().map(|(param, value)| format!("{param} {value};")).collect();
    lab.edit(&role, &with(ROLE, &all.join(" ")));
    lab.esapply(&["--waive", OUTAGE]).expect(0);
    assert_ne!(identity(&lab, "kafka", "node1"), before);
    for (param, _) in &restarts {
        assert!(runs_with(&lab, param), "{param}: {:?}", started_with(&lab, "node1", "zookeeper.connect"));
    }
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}

#[test]
#[ignore = "three brokers start twice: `./test accept`"]
fn brokers_are_told_one_first_and_kept_in_step() {
    let lab = Lab::new(
        "effects-brokers",
        &CLUSTER.replace("2.1.1", "1.1.0").replace("kafka on=\"node1\"", "kafka on=\"node[1-3]\""),
    );
    lab.esplan(&["lock"]).expect(0);
    lab.esapply(&[]).expect(0);
    let before = lab.pids("kafka");
    let role = ROLE.replace("node1", "node[1-3]");
    let said = with(&role, "retention \"1d\"; segment-size \"64m\"; min-insync-replicas 1;");
    lab.edit(&role, &said);
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2).text();
    assert!(plan.contains("log-defaults") && !plan.contains("restart kafka"), "{plan}");
    lab.esapply(&[]).expect(0);
    for number in 1..=3 {
        for param in ["retention", "segment-size", "min-insync-replicas"] {
            assert!(is_told(&lab, number, param), "{param} of node{number}");
        }
    }
    assert_eq!(lab.pids("kafka"), before, "nothing was restarted");
    lab.esplan(&["--detailed-exitcode"]).expect(0);
    // Somebody tells one of them other values: what is ours is seen and put back, what is theirs stays.
    told(&lab, 2, &["--alter", "--add-config", "log.retention.ms=1000,log.cleaner.threads=2"]);
    let drift = lab.esplan(&["--detailed-exitcode"]).expect(2).text();
    assert!(drift.contains("1000") && drift.contains("kafka@node2"), "{drift}");
    lab.esapply(&[]).expect(0);
    let kept = told(&lab, 2, &["--describe"]);
    assert!(kept.contains("log.retention.ms=86400000 ") && kept.contains("log.cleaner.threads=2 "), "{kept}");
    assert_eq!(lab.pids("kafka"), before, "nothing was restarted");
    // How many copies there are is a restart of each; what they were told stays.
    lab.edit(&said, &with(&said, "replication-factor 2;"));
    lab.esapply(&[]).expect(0);
    assert!(lab.pids("kafka").iter().zip(&before).all(|(now, then)| now != then), "all were restarted");
    assert!(runs_with(&lab, "replication-factor") && is_told(&lab, 3, "retention"));
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}
