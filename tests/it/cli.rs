//! Both programs as a user types them, in a folder and an environment of their own. Only what needs no host.

use assert_cmd::Command;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

pub const CLUSTER: &str = r#"
cluster "small"
versions { supervisord "4.3.0"; jdk "11.0.13"; zookeeper "3.4.13"; }
hosts { "node[1-3]" address="127.0.71.[1-3]" transport="local"; }
roles { zookeeper on="node[1-3]"; }
"#;

/// What a program did.
#[derive(Debug)]
pub struct Did {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

pub fn folder(cluster: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("cluster.kdl"), cluster).expect("cluster.kdl");
    folder
}

pub fn run(folder: &Path, program: &str, args: &[&str]) -> Did {
    let path = match program {
        "esplan" => env!("CARGO_BIN_EXE_esplan"),
        _ => env!("CARGO_BIN_EXE_esapply"),
    };
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("modules");
    let output = Command::new(path)
        .args(args)
        .args(["--modules", &modules.display().to_string()])
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .output()
        .expect("it runs");
    Did {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).replace(&folder.display().to_string(), "FOLDER"),
        stderr: String::from_utf8_lossy(&output.stderr).replace(&folder.display().to_string(), "FOLDER"),
    }
}

#[test]
fn a_valid_file_is_called_valid() {
    let did = run(folder(CLUSTER).path(), "esplan", &["validate"]);
    assert_eq!(
        (did.code, did.stdout.as_str()),
        (0, "small: 3 hosts, 1 roles, 3 instances, 3 modules: valid\n"),
        "{did:?}"
    );
}

#[test]
fn every_mistake_is_shown_with_its_place_and_the_exit_code_is_1() {
    let cluster = CLUSTER.replace("zookeeper on", "zookeper on").replace("versions", "version");
    let did = run(folder(&cluster).path(), "esplan", &["validate"]);
    assert_eq!(did.code, 1);
    assert!(did.stdout.is_empty(), "{did:?}");
    for part in ["cluster.kdl:", "zookeper", "did you mean", "version"] {
        assert!(did.stderr.contains(part), "{part}: {}", did.stderr);
    }
    assert!(!did.stderr.contains('\u{1b}'), "no colours without a terminal");
}

#[test]
fn what_is_not_locked_says_so_and_how() {
    for program in ["esplan", "esapply"] {
        let did = run(folder(CLUSTER).path(), program, &[]);
        assert_eq!(did.code, 1, "{did:?}");
        assert!(did.stderr.contains("esplan lock"), "{}", did.stderr);
    }
}

#[test]
fn an_absent_file_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let did = run(folder.path(), "esplan", &["-f", "elsewhere.kdl"]);
    assert_eq!(did.code, 1);
    assert!(did.stderr.contains("elsewhere.kdl"), "{}", did.stderr);
}

#[test]
fn wrong_usage_is_1_and_help_is_0() {
    let folder = folder(CLUSTER);
    assert_eq!(run(folder.path(), "esplan", &["--no-such-flag"]).code, 1);
    for program in ["esplan", "esapply"] {
        let did = run(folder.path(), program, &["--help"]);
        assert_eq!(did.code, 0);
        assert!(did.stdout.contains("Exit codes:"), "{}", did.stdout);
    }
}

#[test]
fn an_unknown_module_has_a_nearest_name() {
    let did = run(folder(CLUSTER).path(), "esplan", &["explain", "kafak"]);
    assert_eq!(did.code, 1);
    assert!(did.stderr.contains("kafka"), "{}", did.stderr);
    let did = run(folder(CLUSTER).path(), "esplan", &["explain", "kafka"]);
    assert_eq!(did.code, 0);
    assert!(did.stdout.contains("num-partitions"), "{}", did.stdout);
}

#[test]
fn findings_are_data_for_other_programs() {
    let json = |did: &Did| serde_json::from_str::<serde_json::Value>(&did.stdout).expect("JSON");
    let bad = CLUSTER.replace("zookeeper on", "zookeper on");
    for (cluster, code, found) in [(CLUSTER, 0, 0), (bad.as_str(), 1, 1)] {
        let folder = folder(cluster);
        let validate = |format: &str| {
            let did = run(folder.path(), "esplan", &["validate", "--format", format]);
            assert_eq!(did.code, code, "{did:?}");
            did
        };
        let did = validate("json");
        assert_eq!(json(&did)["valid"], code == 0, "{did:?}");
        let did = validate("sarif");
        let results = &json(&did)["runs"][0]["results"];
        assert_eq!(results.as_array().map(Vec::len), Some(found), "{did:?}");
        assert_eq!(did.stderr.contains("did you mean"), code == 1, "people read it, too: {did:?}");
        let did = validate("github");
        assert_eq!(did.stdout.starts_with("::error file=cluster.kdl,line=5,"), code == 1, "{did:?}");
    }
}

#[test]
fn events_end_with_the_outcome_even_when_nothing_was_begun() {
    let did = run(folder(CLUSTER).path(), "esapply", &["--yes", "--format", "json"]);
    assert_eq!(did.code, 1, "{did:?}");
    let last: serde_json::Value = serde_json::from_str(did.stdout.lines().last().expect("a line")).expect("JSON");
    assert_eq!((&last["event"], &last["exit_code"]), (&"ended".into(), &1.into()), "{did:?}");
    assert!(last["outcome"]["end"]["why"].as_str().is_some_and(|why| !why.is_empty()), "{did:?}");
}

#[test]
fn a_report_without_a_known_end_is_wrong_usage() {
    let did = run(folder(CLUSTER).path(), "esplan", &["--report", "plan.doc"]);
    assert_eq!(did.code, 1);
    assert!(did.stderr.contains(".md (markdown)"), "{}", did.stderr);
}

#[test]
fn a_snapshot_is_not_applied() {
    let did = run(folder(CLUSTER).path(), "esapply", &["--observed", "snapshot.json"]);
    assert_eq!(did.code, 1);
    assert!(did.stderr.contains("snapshot"), "{}", did.stderr);
}
