//! The same for Elasticsearch: every parameter of its module on a node that runs.

use super::{OUTAGE, each_planned, identity, table, with};
use crate::lab::Lab;
use crate::look;
use serde_json::Value;
use std::fs;

const ONE: &str = r#"
cluster "{cluster}" { user "es_cluster"; supervisor "supervisord"; }
versions { supervisord "4.3.0"; jdk "11.0.13"; elasticsearch "6.7.0"; }
rollout { canary 1 soak="0s"; batch 1; on-failure "stop"; }
hosts { "node1" address="{network}.1" transport="local"; }
secret "word" "password" from="file"
roles {
    elasticsearch on="node1" { heap "160m"; }
}
"#;

const ROLE: &str = "elasticsearch on=\"node1\" { heap \"160m\"; }";

/// What the node says of itself.
fn node(lab: &Lab, port: u16) -> Value {
    let all = look::json(&lab.address(1), port, "/_nodes/_local?flat_settings=true");
    all["nodes"].as_object().and_then(|nodes| nodes.values().next()).expect("a node").clone()
}

/// Parameters that restart, as what the node says of itself once it runs with the values of the table.
fn runs_with(lab: &Lab, port: u16, param: &str) -> bool {
    let node = node(lab, port);
    let set = |name: &str| node["settings"][name].as_str().map(str::to_owned);
    let words = node["jvm"]["input_arguments"].to_string();
    match param {
        "http-port" => set("http.port").as_deref() == Some("9201"),
        "transport-port" => set("transport.tcp.port").as_deref() == Some("9301"),
        "node-roles" => node["roles"] == serde_json::json!(["master", "data"]),
        "attr" => node["attributes"]["box_type"] == "warm",
        "cluster-name" => set("cluster.name").as_deref() == Some("other"),
        "heap" => words.contains("-Xmx512m"),
        // Whether the heap is locked then is the kernel's to say: here it may not be.
        "memory-lock" => set("bootstrap.memory_lock").as_deref() == Some("true"),
        "jvm-options" => words.contains("-Dx=1"),
        "log-level" => {
            let log = lab.prefix("node1").join("log/elasticsearch");
            let logs = fs::read_dir(log).expect("logs").flatten().filter(|file| file.path().is_file());
            logs.filter_map(|file| fs::read_to_string(file.path()).ok()).any(|text| text.contains("[DEBUG]["))
        }
        other => panic!("{other} restarts, and nobody says here how it is seen that it is there"),
    }
}

/// Cluster settings that are set while it runs.
fn is_set(lab: &Lab, param: &str) -> bool {
    let settings = look::json(&lab.address(1), 9200, "/_cluster/settings?flat_settings=true");
    let set = |name: &str| settings["persistent"][name].as_str().map(str::to_owned);
    match param {
        "recovery-rate" => set("indices.recovery.max_bytes_per_sec").as_deref() == Some("81920kb"),
        "disk-low" => set("cluster.routing.allocation.disk.watermark.low").as_deref() == Some("80%"),
        "disk-high" => set("cluster.routing.allocation.disk.watermark.high").as_deref() == Some("85%"),
        "disk-flood" => set("cluster.routing.allocation.disk.watermark.flood_stage").as_deref() == Some("90%"),
        "max-shards-per-node" => set("cluster.max_shards_per_node").as_deref() == Some("2000"),
        other => panic!("{other} is taken while it runs, and nobody says here how it is seen that it is there"),
    }
}

/// What was set by hand or by us is set no more.
fn forget(lab: &Lab) {
    for name in ["indices.recovery.*", "cluster.routing.*", "cluster.max_shards_per_node"] {
        let body = format!(r#"{{"persistent": {{"{name}": null}}}}"#);
        let answer = look::http("PUT", &lab.address(1), 9200, "/_cluster/settings", Some(&body));
        let (status, said) = answer.expect("an answer");
        assert_eq!(status, 200, "{name}: {said}");
    }
}

#[test]
#[ignore = "a node starts twice: `./test accept`"]
fn each_parameter_does_what_the_table_says() {
    let lab = Lab::new("effects-search", ONE);
    fs::write(lab.controller.join("password"), "a password\n").expect("a secret");
    fs::write(lab.controller.join("golden.pem"), "a certificate\n").expect("a file");
    lab.esplan(&["lock"]).expect(0);
    lab.esapply(&[]).expect(0);
    let tls = "it does not speak TLS and can't be asked then; below";
    each_planned(&lab, "elasticsearch", ROLE, &[("https", tls)]);

    // Taken while it runs, each set on its own; and what it is asked with changes nothing on it.
    let before = identity(&lab, "elasticsearch", "node1");
    let (mut restarts, mut role) = (Vec::new(), ROLE.to_owned());
    for (param, value, effect) in table("elasticsearch") {
        match effect.as_str() {
            "restart" => restarts.push((param.clone(), value)),
            "live" | "nothing" if param != "https" => {
                let said = with(ROLE, &format!("{param} {value};"));
                forget(&lab);
                assert!(effect != "live" || !is_set(&lab, &param), "{param} is set before");
                lab.edit(&role, &said);
                role = said;
                let applied = lab.esapply(&[]).expect(0).text();
                assert!(effect != "live" || is_set(&lab, &param), "{param}: {applied}");
                assert!(effect == "live" || !applied.contains("set "), "{param}: {applied}");
                lab.esplan(&["--detailed-exitcode"]).expect(0);
            }
            _ => {}
        }
        assert_eq!(identity(&lab, "elasticsearch", "node1"), before, "{param}");
    }
    let unasked = with(ROLE, "https #true; ca \"golden.pem\";");
    lab.edit(&role, &unasked);
    let planned = lab.esplan(&[]).expect(0).text();
    assert!(planned.contains("no instance is touched"), "https: {planned}");

    // Everything that restarts, in one restart.
    for (param, _) in &restarts {
        assert!(param == "http-port" || !runs_with(&lab, 9200, param), "{param} was there before");
    }
    let all: Vec<String> = restarts.iter().map(|(param, value)| format!("{param} {value};")).collect();
    lab.edit(&unasked, &with(ROLE, &all.join(" ")));
    lab.esapply(&["--waive", OUTAGE]).expect(0);
    assert_ne!(identity(&lab, "elasticsearch", "node1"), before);
    let journals = fs::read_dir(lab.prefix("node1").join("log/history")).expect("journals").flatten();
    let mut journals = journals.filter_map(|file| fs::read_to_string(file.path()).ok());
    let (name, why) = OUTAGE.split_once('=').expect("a name and a reason");
    assert!(
        journals.any(|text| text.contains(&format!("\"waived\":[[\"{name}\",\"{why}\"]]"))),
        "the waiver is recorded"
    );
    for (param, _) in &restarts {
        assert!(runs_with(&lab, 9201, param), "{param}: {}", node(&lab, 9201));
    }
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}
