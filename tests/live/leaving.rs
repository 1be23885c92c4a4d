//! D2: a host more with every role, then one less, while documents are indexed and messages produced.

use crate::lab::{Lab, alive, signal, until};
use crate::look;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const CLUSTER: &str = r#"
cluster "{cluster}" { user "es_cluster"; supervisor "supervisord"; }
versions {
    supervisord "4.3.0"; jdk "11.0.13"; zookeeper "3.4.13"; kafka "2.1.1"; elasticsearch "6.7.0"; kibana "6.7.0"; redis "6.2.14"
    nginx "1.22.1"
}
rollout { canary 1 soak="2s"; batch 1; on-failure "rollback"; }
hosts { "node[1-4]" address="{network}.[1-4]" transport="local"; }
roles {
    zookeeper on="node[1-3]" { heap "64m"; }
    kafka on="node[1-3]" { heap "128m"; num-partitions 3; offsets-partitions 3; gc "serial"; }
    elasticsearch "hot" on="node[1-3]" {
        attr box_type="hot"
        heap "192m"
        config { cluster.routing.allocation.disk.threshold_enabled #false; }
    }
    kibana on="node[1-3]"
    redis on="node[1-3]" { max-memory "16m"; }
    nginx on="node[1-3]"
}
"#;

/// One of the acceptance tools, ended when it is dropped.
struct Tool {
    child: Child,
    out: PathBuf,
}

impl Tool {
    fn start(name: &str, args: &[String], out: PathBuf) -> Self {
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/accept").join(name);
        let log = File::create(out.with_extension("log")).expect("a log");
        let mut command = Command::new("python3");
        command.arg("-B").arg(tool).args(args).stdin(Stdio::null());
        let child = command.stdout(log.try_clone().expect("the log")).stderr(log).spawn().expect("python3");
        Self { child, out }
    }

    fn end(&mut self) {
        signal(self.child.id(), "TERM");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) && alive(self.child.id()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn addresses(lab: &Lab, port: u16) -> String {
    (1..=4).map(|host| format!("{}:{port}", lab.address(host))).collect::<Vec<_>>().join(",")
}

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

#[test]
#[ignore = "minutes: `./test accept`"]
fn a_host_more_and_a_host_less_under_load() {
    let lab = Lab::new("leaving", CLUSTER);
    lab.esplan(&["lock"]).expect(0);
    lab.esapply(&[]).expect(0);
    let folder = lab.controller.with_file_name("load");
    std::fs::create_dir_all(&folder).expect("a folder");
    let services = ["--elasticsearch".to_owned(), addresses(&lab, 9200), "--kafka".to_owned(), addresses(&lab, 9092)];
    let dir = ["--dir".to_owned(), folder.display().to_string()];
    let run = [vec!["run".to_owned()], dir.to_vec(), services.to_vec()].concat();
    let mut writer = Tool::start("writer.py", &run, folder.join("writer"));
    until("the writer's first acknowledged writes", Duration::from_mins(1), || folder.join("ready").exists());
    let report = folder.join("copies.json");
    let out = ["--out".to_owned(), report.display().to_string()];
    let mut copies = Tool::start("copies.py", &[out.to_vec(), services.to_vec()].concat(), report);

    // One host more: it joins, and nothing that served goes away.
    lab.edit("on=\"node[1-3]\"", "on=\"node[1-4]\"");
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2);
    println!("{}", plan.stdout);
    lab.esapply(&[]).expect(0);
    assert_eq!(look::json(&lab.address(4), 9200, "/_cluster/health")["number_of_nodes"], 4);
    assert!(look::zookeeper_mode(&lab.address(4)).is_some(), "the new member serves");
    lab.esplan(&["--detailed-exitcode"]).expect(0);

    // Another one less: drained, then stopped.
    lab.edit("on=\"node[1-4]\"", "on=\"node[1-2] node4\"");
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2);
    println!("{}", plan.stdout);
    assert!(plan.stdout.contains("leaves: it is not declared any more"), "{}", plan.stdout);
    assert!(plan.stdout.contains("drain (6h)"), "{}", plan.stdout);
    let pids: Vec<u32> = ["zookeeper", "kafka", "elasticsearch-hot", "kibana", "redis", "nginx"]
        .iter()
        .map(|role| lab.pid(role, "node3"))
        .collect();
    assert_ne!(shards(&data(&lab, "node3", "elasticsearch-hot")), [""; 0], "what leaves keeps something");
    lab.esapply(&[]).expect(0);
    copies.end();
    writer.end();
    for pid in pids {
        assert!(!alive(pid), "process {pid} of the host that left");
    }
    assert_eq!(look::json(&lab.address(1), 9200, "/_cluster/health")["number_of_nodes"], 3);
    let settings = look::json(&lab.address(1), 9200, "/_cluster/settings?flat_settings=true");
    assert!(settings["persistent"]["cluster.routing.allocation.exclude._name"].is_null(), "{settings}");

    // The host that left holds nothing: no shard, no partition, no configuration; its data folders stay.
    assert_eq!(shards(&data(&lab, "node3", "elasticsearch-hot")), [""; 0], "shards in its data");
    let topics = std::fs::read_dir(data(&lab, "node3", "kafka")).expect("its data").flatten();
    let topics: Vec<_> = topics.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name()).collect();
    assert!(topics.iter().all(|name| name.to_string_lossy().ends_with("-delete")), "{topics:?}");
    for role in ["zookeeper", "kafka", "elasticsearch-hot", "kibana", "redis", "nginx"] {
        assert!(!lab.prefix("node3").join("conf").join(role).exists(), "{role} has no configuration any more");
    }
    assert!(data(&lab, "node3", "zookeeper").exists(), "data is never deleted");

    // Nothing was lost, and nothing was ever without a copy.
    let said: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&copies.out).expect("a report")).expect("JSON");
    println!("{said}");
    for what in ["shards", "partitions"] {
        assert!(said[what]["looks"].as_u64().is_some_and(|looks| looks > 20), "{said}");
        assert_eq!(said[what]["lost"], serde_json::json!([]), "{what} without a copy");
    }
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/accept/writer.py");
    let verify = [vec!["verify".to_owned()], dir.to_vec(), services.to_vec()].concat();
    let verified = Command::new("python3").arg("-B").arg(tool).args(&verify).output().expect("the writer verifies");
    println!("{}", String::from_utf8_lossy(&verified.stdout));
    assert!(verified.status.success(), "acknowledged writes are missing");

    lab.esplan(&["--detailed-exitcode"]).expect(0);
    let plan = lab.esplan(&[]).expect(0);
    assert!(plan.stdout.contains("esapply --purge zookeeper@node3"), "{}", plan.stdout);
    lab.esapply(&["--purge", "zookeeper@node3"]).expect(0);
    assert!(!data(&lab, "node3", "zookeeper").exists(), "it was named");
    assert!(data(&lab, "node3", "kafka").exists(), "it was not");
}
