//! Filebeat (the stand-in) into real Elasticsearch while a log is written: its template, another version of it, a change of its inputs.

use crate::lab::Lab;
use crate::look;
use crate::running::{self, Beside};
use std::fs;
use std::time::Duration;

const CLUSTER: &str = r#"
cluster "{cluster}" { user "es_cluster"; supervisor "supervisord"; }
versions { supervisord "4.3.0"; jdk "11.0.13"; elasticsearch "6.7.0"; filebeat "6.4.2"; }
rollout { canary 1 soak="1s"; batch 1; on-failure "rollback"; }
hosts { "node[1-2]" address="{network}.[1-2]" transport="local"; }
roles {
    elasticsearch on="node1" { heap "160m"; config { cluster.routing.allocation.disk.threshold_enabled #false; }; }
    filebeat on="node[1-2]" { output "elasticsearch"; logs app="LOG/*.log"; scan-frequency "1s"; }
}
"#;

/// Twenty lines a second, each with its number.
fn writer(lab: &Lab) -> Beside<u64> {
    running::write_lines(lab.controller.with_file_name("app").join("app.log"), Duration::from_millis(50))
}

#[test]
#[ignore = "a minute"]
fn an_upgrade_of_a_beat_loses_no_line_and_sends_none_twice() {
    let lab = Lab::new("beats", CLUSTER);
    // Both are on this machine, and each host has a folder of its own.
    let folder = lab.controller.with_file_name("app");
    fs::create_dir_all(&folder).expect("a folder");
    lab.edit("LOG", &folder.display().to_string());
    lab.edit("; scan-frequency \"1s\"; }", "; scan-frequency \"1s\"; on \"node2\" { logs app=\"/nowhere/*.log\"; }; }");
    lab.esplan(&["lock"]).expect(0);
    lab.esapply(&[]).expect(0);
    let writer = writer(&lab);
    running::until_some(&lab, "filebeat-6.4.2-*");
    template(&lab, "6.4.2");
    lab.edit("filebeat \"6.4.2\"", "filebeat \"6.7.0\"");
    lab.esplan(&["lock"]).expect(0);
    let done = lab.esapply(&[]).expect(0);
    println!("the upgrade took {:.1?}", done.took);
    running::until_some(&lab, "filebeat-6.7.0-*");
    template(&lab, "6.7.0");
    // Another input is taken up by the process that runs, with what it has read.
    let pid = lab.pid("filebeat", "node1");
    lab.edit("scan-frequency \"1s\"; on", "scan-frequency \"2s\"; exclude-lines \"^DEBUG\"; on");
    lab.esapply(&[]).expect(0);
    assert_eq!(lab.pid("filebeat", "node1"), pid, "no restart for its inputs");
    let written = writer.end();
    let twice = running::all_lines(&lab, "filebeat-*", written);
    assert_eq!(twice, 0, "none is sent twice");
    lab.esplan(&["--detailed-exitcode"]).expect(0);
    assert!(lab.esplan(&["status"]).expect(0).text().contains("events taken"));
}

/// The template of a version is there, and what came is mapped by it.
fn template(lab: &Lab, version: &str) {
    let name = format!("filebeat-{version}");
    let found = look::json(&lab.address(1), 9200, &format!("/_template/{name}"));
    assert_eq!(found[&name]["index_patterns"], serde_json::json!([format!("{name}-*")]), "{found}");
}
