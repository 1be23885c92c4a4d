//! Pipelines as desired state, on a stand-in for `StreamSets` Data Collector that really reads Kafka and writes Elasticsearch.

use crate::lab::{Lab, until};
use crate::look::{http, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const CLUSTER: &str = r#"
cluster "{cluster}" { user "es_cluster"; supervisor "supervisord"; }
versions { supervisord "4.3.0"; jdk "11.0.13"; zookeeper "3.4.13"; kafka "2.1.1"; elasticsearch "6.7.0"; sdc "3.1.3"; }
rollout { canary 1 soak="1s"; batch 1; on-failure "rollback"; }
hosts { "node[1-2]" address="{network}.[1-2]" transport="local"; }
roles {
    zookeeper on="node1" { heap "64m"; }
    kafka on="node1" { heap "160m"; num-partitions 1; offsets-partitions 1; replication-factor 1; min-insync-replicas 1; }
    elasticsearch on="node1" { heap "160m"; config { cluster.routing.allocation.disk.threshold_enabled #false; }; }
    sdc on="node2" { heap "64m"; file-limit 4096; pipelines "pipelines/"; }
}
"#;

fn pipeline(lab: &Lab, name: &str, index: &str) {
    let item = |name: &str, value: serde_json::Value| serde_json::json!({"name": name, "value": value});
    let config = serde_json::json!({"pipelineConfig": {
    "title": name, "schemaVersion": 6, "configuration": [], "metadata": {"labels": ["logs"]},
    "stages": [
        {"instanceName": "kafka_01", "stageName": "com_streamsets_pipeline_stage_origin_kafka_KafkaDSource", "configuration": [
            item("kafkaConfigBean.metadataBrokerList", format!("{}:9092", lab.address(1)).into()),
            item("kafkaConfigBean.topic", "logs".into()),
            item("kafkaConfigBean.consumerGroup", "sdc".into()),
        ]},
        {"instanceName": "es_01", "stageName": "com_streamsets_pipeline_stage_destination_elasticsearch_ElasticSearchDTarget",
         "configuration": [
            item("elasticSearchConfig.httpUris", serde_json::json!([format!("http://{}:9200", lab.address(1))])),
            item("elasticSearchConfig.indexTemplate", index.into()),
        ]},
    ]}});
    fs::create_dir_all(lab.controller.join("pipelines")).expect("the folder");
    fs::write(lab.controller.join(format!("pipelines/{name}.json")), config.to_string()).expect("a pipeline");
}

/// A message into the topic, by the stand-ins' own client.
fn produce(lab: &Lab, message: &str) {
    let program = "import sys, kafka\nclient = kafka.Client([(sys.argv[1], 9092)])\n\
                   client.create_topic('logs', 1, 1)\nclient.refresh('logs')\n\
                   client.produce('logs', 0, [sys.argv[2].encode()])";
    let wire = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stand-ins/wire");
    let mut sent = Command::new("/usr/bin/python3");
    sent.args(["-B", "-c", program, &lab.address(1), message]).current_dir(wire).env("PYTHONPATH", ".");
    assert!(sent.status().expect("python").success());
}

fn found(lab: &Lab, index: &str) -> u64 {
    let _ = http("POST", &lab.address(1), 9200, &format!("/{index}/_refresh"), None);
    let body = http("GET", &lab.address(1), 9200, &format!("/{index}/_count"), None);
    let body = body.filter(|(status, _)| *status == 200).map(|(_, body)| body).unwrap_or_default();
    serde_json::from_str::<serde_json::Value>(&body).ok().and_then(|body| body["count"].as_u64()).unwrap_or(0)
}

fn state(lab: &Lab, name: &str) -> String {
    json(&lab.address(2), 18630, "/rest/v1/pipelines/status")[name]["status"].as_str().unwrap_or("missing").to_owned()
}

#[test]
#[ignore = "a minute"]
fn a_message_travels_through_a_pipeline_that_a_file_declares() {
    let lab = Lab::new("sdc", CLUSTER);
    pipeline(&lab, "logs", "logs-a");
    lab.esplan(&["lock"]).expect(0);
    // The topic is there when the pipeline begins: where there is none, it would only try again.
    lab.esapply(&["--only", "kafka", "--only", "zookeeper", "--only", "elasticsearch"]).expect(0);
    produce(&lab, r#"{"message":"one"}"#);
    lab.esapply(&[]).expect(0);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
    until("the message", Duration::from_secs(30), || found(&lab, "logs-a") == 1);
    assert!(lab.esplan(&["status"]).expect(0).text().contains("1 of 1 declared pipelines run"));
    changed(&lab);
    by_hand(&lab);
    // An upgrade: what ran runs after it, from where it was.
    lab.edit("sdc \"3.1.3\"", "sdc \"3.7.2\"");
    lab.esplan(&["lock"]).expect(0);
    lab.esapply(&[]).expect(0);
    assert_eq!(state(&lab, "logs"), "RUNNING");
    produce(&lab, r#"{"message":"three"}"#);
    until("the message after the upgrade", Duration::from_secs(30), || found(&lab, "logs-b") == 2);
    // What is no longer declared is stopped, and neither deleted nor hidden.
    fs::remove_file(lab.controller.join("pipelines/logs.json")).expect("gone");
    pipeline(&lab, "other", "other");
    lab.esapply(&[]).expect(0);
    assert_eq!((state(&lab, "logs").as_str(), state(&lab, "other").as_str()), ("STOPPED", "RUNNING"));
    assert!(lab.esplan(&["status"]).expect(0).text().contains("not declared: logs"));
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}

/// Another file is a difference in the plan, and no restart.
fn changed(lab: &Lab) {
    let pid = lab.pid("sdc", "node2");
    pipeline(lab, "logs", "logs-b");
    let plan = lab.esplan(&["--detailed-exitcode", "--diff", "full"]).expect(2).text();
    assert!(plan.contains("pipelines/logs.json") && plan.contains("logs-b"), "{plan}");
    lab.esapply(&[]).expect(0);
    assert_eq!(lab.pid("sdc", "node2"), pid, "it goes on");
    produce(lab, r#"{"message":"two"}"#);
    until("the message in its new index", Duration::from_secs(30), || found(lab, "logs-b") == 1);
    assert_eq!(found(lab, "logs-a"), 1, "none is read twice");
}

/// What somebody has stopped in the interface is a difference with its repair.
fn by_hand(lab: &Lab) {
    let stopped = Command::new("curl")
        .args(["-sf", "-X", "POST", "-H", "X-Requested-By: somebody"])
        .arg(format!("http://{}:18630/rest/v1/pipeline/logs/stop?rev=0", lab.address(2)))
        .output();
    assert!(stopped.expect("curl").status.success());
    until("its end", Duration::from_secs(10), || state(lab, "logs") == "STOPPED");
    lab.esplan(&["--detailed-exitcode"]).expect(2);
    lab.esapply(&[]).expect(0);
    until("its start", Duration::from_secs(10), || state(lab, "logs") == "RUNNING");
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}
