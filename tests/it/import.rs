//! `esplan import`: the folder of the scripts that this tool replaces becomes a file that validates.

use crate::cli::{folder, run};
use std::fs;
use std::path::Path;

fn legacy() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/legacy").display().to_string()
}

#[test]
fn the_example_becomes_a_file_that_validates() {
    let folder = folder("");
    fs::remove_file(folder.path().join("cluster.kdl")).expect("removed");
    let did = run(folder.path(), "esplan", &["import", &legacy()]);
    assert_eq!(did.code, 0, "{did:?}");
    insta::assert_snapshot!("legacy", did.stdout);
    let did = run(folder.path(), "esplan", &["import", &legacy(), "--out", "cluster.kdl"]);
    assert_eq!(did.code, 0, "{did:?}");
    let did = run(folder.path(), "esplan", &["validate"]);
    assert_eq!(did.code, 0, "{}", did.stderr);
    let did = run(folder.path(), "esplan", &["fmt", "--check"]);
    assert_eq!(did.code, 0, "{did:?}");
    let did = run(folder.path(), "esplan", &["import", &legacy(), "--out", "cluster.kdl"]);
    assert!(did.code == 1 && did.stderr.contains("there already"), "nothing is overwritten: {did:?}");
}

#[test]
fn a_hostile_folder_is_told_and_not_followed() {
    let folder = folder("");
    let conf = folder.path().join("old/conf");
    fs::create_dir_all(conf.join("zookeeper")).expect("folders");
    fs::write(folder.path().join("secret.txt"), "top secret").expect("written");
    std::os::unix::fs::symlink(folder.path().join("secret.txt"), conf.join("zookeeper/zoo.cfg")).expect("a link");
    fs::write(conf.join("zookeeper.list"), "node1\nno de\n$(reboot)\n\u{1b}[31mred\n\"} evil {\n").expect("written");
    fs::write(conf.join("kafka.list"), [0xff, 0xfe, 0x00]).expect("written");
    fs::write(conf.join("other.list"), "a".repeat(2 << 20)).expect("written");
    let did = run(folder.path(), "esplan", &["import", "old"]);
    assert_eq!(did.code, 0, "{did:?}");
    for part in ["a link is not followed", "not UTF-8", "more than", "is no host name", "zookeeper on=\"node1\""] {
        assert!(did.stdout.contains(part), "{part}:\n{}", did.stdout);
    }
    assert!(!did.stdout.contains("top secret") && !did.stdout.contains('\u{1b}'), "{}", did.stdout);
    assert!(did.stdout.lines().all(|line| !line.trim_start().starts_with("evil")), "{}", did.stdout);
    let did = run(folder.path(), "esplan", &["import", "nowhere"]);
    assert!(did.code == 1 && did.stderr.contains("no folder `conf`"), "{did:?}");
}
