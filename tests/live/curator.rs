//! Real Curator against a real Elasticsearch: jobs that are shown, run, refused, locked and remembered.

use crate::lab::{Lab, until};
use crate::look::{http, json};
use std::fs;
use std::process::Command;
use std::time::Duration;

const CLUSTER: &str = r#"
cluster "{cluster}" { user "es_cluster"; supervisor "supervisord"; }
versions { supervisord "4.3.0"; jdk "11.0.13"; elasticsearch "6.7.0"; curator "5.6.0"; }
rollout { canary 1 soak="1s"; batch 1; on-failure "rollback"; }
hosts { "node[1-2]" address="{network}.[1-2]" transport="local"; }
roles {
    elasticsearch on="node1" { heap "160m"; config { cluster.routing.allocation.disk.threshold_enabled #false; }; }
    curator "logs" on="node2" { delete-after 7; }
}
"#;

fn today() -> String {
    let said = Command::new("date").args(["-u", "+%Y.%m.%d"]).output().expect("date");
    String::from_utf8(said.stdout).expect("text").trim().to_owned()
}

fn indices(lab: &Lab) -> Vec<String> {
    let rows = json(&lab.address(1), 9200, "/_cat/indices?format=json&h=index");
    let mut names: Vec<String> =
        rows.as_array().expect("rows").iter().map(|row| row["index"].as_str().expect("a name").to_owned()).collect();
    names.sort();
    names
}

fn create(lab: &Lab, index: &str) {
    let body = r#"{"settings":{"number_of_shards":1,"number_of_replicas":0}}"#;
    let answer = http("PUT", &lab.address(1), 9200, &format!("/{index}"), Some(body)).expect("an answer");
    assert_eq!(answer.0, 200, "{}", answer.1);
}

#[test]
fn an_old_index_is_shown_and_deleted_by_a_job() {
    let lab = Lab::new("curator", CLUSTER);
    lab.esplan(&["lock"]).expect(0);
    lab.esapply(&[]).expect(0);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
    let (old, new) = ("logs-2020.01.01".to_owned(), format!("logs-{}", today()));
    for index in [&old, &new, &"other-2020.01.01".to_owned()] {
        create(&lab, index);
    }
    let all = indices(&lab);
    let dry = lab.run("esapply", &["run", "delete", "--dry-run"]).expect(0);
    assert!(dry.stdout.contains(&format!("DRY-RUN: delete_indices: {old}")), "{}", dry.text());
    assert!(!dry.stdout.contains(&new) && indices(&lab) == all, "nothing was done");
    assert_eq!(lab.run("esapply", &["run", "delete"]).expect(1).stdout, "", "nobody is there to be asked");
    let hint = lab.run("esapply", &["run", "delte"]).expect(1).text();
    assert!(hint.contains("did you mean `delete`?"), "{hint}");
    let done = lab.run("esapply", &["run", "curator-logs/delete", "--yes"]).expect(0);
    assert!(done.stdout.contains(&old), "{}", done.text());
    assert_eq!(indices(&lab), [new, "other-2020.01.01".to_owned()]);
    let run = lab.prefix("node2").join("run");
    let left: Vec<_> = fs::read_dir(&run).expect("run").flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("job-")), "{left:?}");
    let told = lab.esplan(&["history"]).expect(0).text();
    assert!(told.contains("esapply run curator-logs/delete --yes"), "{told}");
    lab.esplan(&["--detailed-exitcode"]).expect(0);
    refused(&lab);
    // A newer one asks with other packages.
    lab.edit("curator \"5.6.0\"", "curator \"5.8.4\"");
    lab.esplan(&["lock"]).expect(0);
    lab.esapply(&[]).expect(0);
    create(&lab, &old);
    lab.run("esapply", &["run", "delete", "--yes"]).expect(0);
    assert!(!indices(&lab).contains(&old), "it is deleted");
}

/// Not while the service is not well, and not beside a run.
fn refused(lab: &Lab) {
    // A replica that nobody can hold makes it yellow, a shard that nobody can hold red.
    let body = r#"{"settings":{"number_of_shards":1,"index.routing.allocation.require.box":"none"}}"#;
    let path = "/red?wait_for_active_shards=0";
    assert_eq!(http("PUT", &lab.address(1), 9200, path, Some(body)).expect("an answer").0, 200);
    let held = lab.run("esapply", &["run", "delete", "--yes"]).expect(4).text();
    assert!(held.contains("elasticsearch is not healthy"), "{held}");
    assert_eq!(http("DELETE", &lab.address(1), 9200, "/red", None).expect("an answer").0, 200);
    let run = lab.prefix("node1").join("run");
    let mut holder = Command::new("flock").arg(run.join("lock")).args(["sleep", "60"]).spawn().expect("flock");
    until("the lock", Duration::from_secs(5), || {
        !Command::new("flock").arg("-n").arg(run.join("lock")).arg("true").status().expect("flock").success()
    });
    lab.run("esapply", &["run", "delete", "--yes"]).expect(6);
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", holder.id())).unwrap_or_default();
    for pid in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
        crate::lab::signal(pid, "KILL");
    }
    holder.wait().expect("it ends");
    lab.run("esapply", &["run", "delete", "--yes"]).expect(0);
}
