//! What helps to write and read the file: `esplan diff`, completions, man pages, help.

use crate::cli::{folder, run};
use std::fs;

const OLD: &str = r#"
cluster "small"
versions { supervisord "4.3.0"; jdk "11.0.13"; zookeeper "3.4.13"; kafka "2.1.1"; }
hosts { "node[1-3]" address="127.0.71.[1-3]" transport="local"; }
secret "one" from="env" "NOWHERE_SET"
roles {
    zookeeper on="node[1-3]" { tick-time "2s"; }
    kafka on="node[1-2]"
}
"#;

#[test]
fn a_diff_says_what_a_change_of_the_file_means_without_a_host() {
    let folder = folder(OLD);
    let new = OLD.replace("tick-time \"2s\"", "tick-time \"3s\"").replace("node[1-2]", "node[2-3]");
    fs::write(folder.path().join("new.kdl"), new.replace("kafka \"2.1.1\"", "kafka \"2.2.0\"")).expect("new.kdl");
    let did = run(folder.path(), "esplan", &["diff", "--detailed-exitcode", "cluster.kdl", "new.kdl"]);
    assert_eq!(did.code, 2, "{did:?}");
    for part in [
        "+ new: kafka@node3",
        "- no longer in the file: kafka@node1",
        "zookeeper@node[1-3]: restart",
        "tick-time 2000 → 3000",
        "-tickTime=2000",
        "+tickTime=3000",
        "version 2.1.1 → 2.2.0",
        "1 new, 4 changed, 1 removed; 4 would restart",
    ] {
        assert!(did.stdout.contains(part), "{part}:\n{}{}", did.stdout, did.stderr);
    }
    let did = run(folder.path(), "esplan", &["diff", "--format", "json", "cluster.kdl", "new.kdl"]);
    let json: serde_json::Value = serde_json::from_str(&did.stdout).expect("JSON");
    assert_eq!((did.code, json["added"][0].as_str()), (0, Some("kafka@node3")), "{json}");
    let did = run(folder.path(), "esplan", &["diff", "--detailed-exitcode", "cluster.kdl", "cluster.kdl"]);
    assert_eq!((did.code, did.stdout.as_str()), (0, "Both files ask for the same.\n"), "{did:?}");
}

#[test]
fn a_layout_alone_is_no_difference_and_a_mistake_is_shown_in_its_own_file() {
    let folder = folder(OLD);
    fs::write(folder.path().join("new.kdl"), OLD.replace("    ", " ").replace("; ", ";  ")).expect("new.kdl");
    let did = run(folder.path(), "esplan", &["diff", "--detailed-exitcode", "cluster.kdl", "new.kdl"]);
    assert_eq!(did.code, 0, "{did:?}");
    fs::write(folder.path().join("new.kdl"), OLD.replace("kafka on", "kafak on")).expect("new.kdl");
    let did = run(folder.path(), "esplan", &["diff", "cluster.kdl", "new.kdl"]);
    assert_eq!(did.code, 1, "{did:?}");
    assert!(did.stderr.contains("new.kdl:8") && did.stderr.contains("kafak"), "{}", did.stderr);
}

#[test]
fn completions_know_the_commands_of_both_programs() {
    let folder = folder(OLD);
    for shell in ["bash", "zsh", "fish"] {
        let did = run(folder.path(), "esplan", &["completions", shell]);
        assert_eq!(did.code, 0, "{did:?}");
        for part in ["esplan", "esapply", "completions", "canary-only", "detailed-exitcode"] {
            assert!(did.stdout.contains(part), "{shell}: {part}");
        }
        let one = run(folder.path(), "esplan", &["completions", shell, "--program", "esapply"]);
        assert!(one.stdout.len() < did.stdout.len() && one.stdout.contains("canary-only"), "{shell}");
    }
}

#[test]
fn bash_takes_the_completions() {
    let folder = folder(OLD);
    let did = run(folder.path(), "esplan", &["completions", "bash"]);
    fs::write(folder.path().join("it.sh"), &did.stdout).expect("it.sh");
    let ask =
        "source ./it.sh; COMP_WORDS=(esplan val); COMP_CWORD=1; _esplan esplan val esplan; echo \"${COMPREPLY[@]}\"";
    let output = assert_cmd::Command::new("bash").args(["--norc", "-c", ask]).current_dir(folder.path()).output();
    let output = output.expect("bash runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "validate", "{output:?}");
}

#[test]
fn there_is_a_man_page_for_each_command() {
    let folder = folder(OLD);
    let did = run(folder.path(), "esplan", &["man", "--out", "man1"]);
    assert_eq!(did.code, 0, "{did:?}");
    for name in ["esplan", "esapply", "esplan-fmt", "esplan-diff", "esplan-lock", "esplan-status"] {
        let page = fs::read_to_string(folder.path().join(format!("man1/{name}.1"))).expect(name);
        assert!(page.contains(".SH NAME") && page.contains(&name.replace('-', "\\-")), "{name}");
    }
}
