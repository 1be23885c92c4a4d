//! Real `ElastAlert` on a real Elasticsearch: a document that matches makes an alert, a rule is taken up without a restart, and
//! there is never a second one.

use crate::lab::{Lab, until};
use crate::look::http;
use std::fs;
use std::process::Command;
use std::time::Duration;

const CLUSTER: &str = r#"
cluster "{cluster}" { user "es_cluster"; supervisor "supervisord"; }
versions { supervisord "4.3.0"; jdk "11.0.13"; elasticsearch "6.7.0"; elastalert "2.2.3"; }
rollout { canary 1 soak="1s"; batch 1; on-failure "rollback"; }
hosts { "node[1-2]" address="{network}.[1-2]" transport="local"; }
roles {
    elasticsearch on="node1" { heap "160m"; config { cluster.routing.allocation.disk.threshold_enabled #false; }; }
    elastalert on="node2" { rules "rules/"; run-every "2s"; buffer-time "10m"; }
}
"#;

fn rule(lab: &Lab, name: &str, word: &str) {
    let text = format!(
        "name: {name}\ntype: any\nindex: app-*\nfilter:\n- query:\n    query_string:\n      query: \"message:{word}\"\nalert:\n- debug\n"
    );
    fs::create_dir_all(lab.controller.join("rules")).expect("the folder");
    fs::write(lab.controller.join(format!("rules/{name}.yaml")), text).expect("a rule");
}

fn index(lab: &Lab, message: &str) {
    let now = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).output().expect("date");
    let now = String::from_utf8(now.stdout).expect("text");
    let body = format!(r#"{{"@timestamp":"{}","message":"{message}"}}"#, now.trim());
    let answer = http("POST", &lab.address(1), 9200, "/app-1/_doc?refresh=true", Some(&body)).expect("an answer");
    assert_eq!(answer.0, 201, "{}", answer.1);
}

fn said(lab: &Lab, word: &str) -> bool {
    fs::read_to_string(lab.prefix("node2").join("log/elastalert/console.log")).unwrap_or_default().contains(word)
}

#[test]
#[ignore = "a minute"]
fn a_document_that_matches_makes_an_alert_and_a_rule_is_taken_up_without_a_restart() {
    let lab = Lab::new("alerts", CLUSTER);
    rule(&lab, "boom", "boom");
    lab.esplan(&["lock"]).expect(0);
    lab.esapply(&[]).expect(0);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
    index(&lab, "boom");
    until("the alert", Duration::from_mins(1), || said(&lab, "Alert for boom"));
    assert!(lab.esplan(&["status"]).expect(0).text().contains("rules ran at "), "by its own records");
    // A rule is a file: shown as one, and no restart.
    let pid = lab.pid("elastalert", "node2");
    rule(&lab, "later", "crash");
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2).text();
    assert!(plan.contains("rules/later.yaml"), "{plan}");
    lab.esapply(&[]).expect(0);
    assert_eq!(lab.pid("elastalert", "node2"), pid, "it goes on");
    index(&lab, "crash");
    until("the alert of the new rule", Duration::from_mins(1), || said(&lab, "Alert for later"));
    lab.esplan(&["--detailed-exitcode"]).expect(0);
    // Never two, and not one beside another.
    lab.edit("elastalert on=\"node2\"", "elastalert on=\"node[1-2]\"");
    let refused = lab.esplan(&[]).expect(7).text();
    assert!(refused.contains("alert twice (singleton)"), "{refused}");
}
