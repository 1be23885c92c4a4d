//! Elasticsearch over a change of its major version, and a new cluster of the newer one: what forms it, what does not form it
//! again, and that no host holds two copies of anything.

use crate::lab::{Lab, alive, signal, until};
use crate::load::{Load, Watched};
use crate::look;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
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

#[test]
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
