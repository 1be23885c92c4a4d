//! `esplan import`: the folder of the scripts that this tool replaces becomes a file that validates.

use crate::bad::Texts;
use crate::cli::{folder, run};
use crate::scenarios;
use es_cluster::check::check;
use es_cluster::inventory::Seen;
use es_cluster::plan::{PlanInput, PlanOptions, plan};
use es_cluster::render::{self, Format, Shown};
use std::collections::BTreeMap;
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
    // What the folder can't tell is marked, and is a mistake until somebody has written it.
    let did = run(folder.path(), "esplan", &["validate"]);
    assert!(did.code == 1 && did.stderr.contains("`elastalert` has no version"), "{did:?}");
    let path = folder.path().join("cluster.kdl");
    fs::write(&path, completed(&fs::read_to_string(&path).expect("the file"))).expect("written");
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

/// The version that no archive in the folder tells, as an operator would add it.
fn completed(text: &str) -> String {
    assert!(text.contains("// TODO install/ has no archive of elastalert"), "{text}");
    text.replacen("versions {\n", "versions {\n    elastalert \"2.2.3\"\n", 1)
}

/// The file that the example becomes.
fn imported() -> String {
    let folder = folder("");
    let did = run(folder.path(), "esplan", &["import", &legacy()]);
    assert_eq!(did.code, 0, "{did:?}");
    completed(&did.stdout)
}

/// On hosts that boot with systemd and have nothing of ours: everything is put in place and started, each service after
/// those that it needs, nothing is refused, and nothing else is done.
#[test]
fn the_plan_of_the_example_on_fresh_hosts_is_what_an_operator_expects() {
    let mut texts = Texts::default();
    for (path, text) in Texts::below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("modules")).0 {
        texts.0.insert(format!("modules/{path}"), text);
    }
    let desired = scenarios::desired(&texts, &imported());
    let mut inventory = scenarios::nothing(&desired);
    for seen in inventory.hosts.values_mut() {
        let Seen::Seen(host) = seen else { panic!("{seen:?}") };
        (host.uid, host.init.systemd) = (0, true);
    }
    let options = PlanOptions::default();
    let input = PlanInput { desired: &desired, inventory: &inventory, options: &options };
    let (made, report) = plan(&input);
    assert!(made.applyable(), "{:?}", made.refusals);
    assert_eq!(check(&made, &desired, &inventory), vec![]);
    // Seven nodes vote there, so the one of the first tier would wait for a master for ever: it starts with the next tier.
    let needs = |id: &str| made.steps.iter().find(|step| step.id.0 == id).map(|step| &step.needs).expect(id);
    assert_eq!(needs("start elasticsearch-master@node1"), needs("start elasticsearch-hot@node2"));
    let places = BTreeMap::new();
    let shown = Shown { plan: &made, report: &report, desired: &desired, places: &places };
    let text = render::plan(Format::Text, &shown, &render::TextOptions::default());
    insta::assert_snapshot!("legacy_plan", scenarios::numbered(&scenarios::numbered(&text, 64), 12));
}
