//! What counts as a difference, and how it is told.

use super::*;
use crate::inventory::{HeldWhat, Inventory};
use crate::plan::tests::world::*;

fn differences(roles: &[RoleSpec], inventory: &Inventory) -> (Vec<Change>, Vec<FileDiff>) {
    diff(&desired(roles), inventory)
}

fn one_role() -> Vec<RoleSpec> {
    vec![RoleSpec::new("coord", coord(), &["node1"])]
}

#[test]
fn a_changed_file_has_a_unified_diff_with_three_lines_around_it() {
    let lines = |middle: &str| format!("1\n2\n3\n4\n{middle}\n6\n7\n8\n9\n");
    let mut roles = one_role();
    roles[0] = roles[0].clone().file("main.conf", &lines("5"), OnChange::Restart);
    let before = converged(&desired(&roles));
    roles[0] = roles[0].clone().file("main.conf", &lines("five"), OnChange::Restart);
    let (changes, diffs) = differences(&roles, &before);
    assert!(
        matches!(changes.as_slice(), [Change::File { by_hand: false, from: Some(_), to: Some(_), .. }]),
        "{changes:?}"
    );
    assert_eq!(
        diffs[0].text.as_deref(),
        Some("--- a/main.conf\n+++ b/main.conf\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n")
    );
}

#[test]
fn a_secret_is_never_in_a_diff_not_even_one_that_somebody_put_there() {
    let mut roles = one_role();
    roles[0] = roles[0].clone().file("secret", "hunter2\n", OnChange::Restart);
    let mut before = converged(&desired(&roles));
    let file = of(&mut before, "coord@node1").files.get_mut("secret").expect("file");
    (file.sha256, file.content) = (Digest::of(b"mine"), Some("mine".to_owned()));
    let (changes, diffs) = differences(&roles, &before);
    assert!(matches!(changes.as_slice(), [Change::File { by_hand: true, .. }]), "{changes:?}");
    assert_eq!(diffs[0].text, None);
    let all = serde_json::to_string(&(changes, diffs)).expect("JSON");
    assert!(!all.contains("hunter2") && !all.contains("mine"), "{all}");
}

#[test]
fn text_of_a_host_can_do_nothing_to_a_terminal() {
    let mut before = converged(&desired(&one_role()));
    let file = of(&mut before, "coord@node1").files.get_mut("main.conf").expect("file");
    (file.sha256, file.content) = (Digest::of(b"x"), Some("\u{1b}[2Jgone\r\n".to_owned()));
    let (_, diffs) = differences(&one_role(), &before);
    let text = diffs[0].text.clone().expect("a diff");
    assert!(text.contains("[2Jgone") && !text.contains('\u{1b}') && !text.contains('\r'), "{text:?}");
}

#[test]
fn files_that_come_and_go_are_told_from_files_that_somebody_put_there() {
    let mut roles = one_role();
    roles[0] = roles[0].clone().file("old.conf", "a\n", OnChange::Restart);
    let before = converged(&desired(&roles));
    roles[0].files.retain(|(path, ..)| *path != "old.conf");
    roles[0] = roles[0].clone().file("new.conf", "b\n", OnChange::Nothing);
    let (changes, diffs) = differences(&roles, &before);
    let told: Vec<_> = changes
        .iter()
        .map(|change| match change {
            Change::File { path, from, to, by_hand, .. } => (path.as_str(), from.is_some(), to.is_some(), *by_hand),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, [("new.conf", false, true, false), ("old.conf", true, false, false)]);
    assert!(diffs[0].text.as_deref().is_some_and(|text| text.ends_with("+b\n")), "{diffs:?}");
    let mut before = converged(&desired(&one_role()));
    let extra = crate::inventory::FileObservation { sha256: Digest::of(b"x"), mode: 0o644, content: None };
    for path in ["stray", "keys", "manifest", "restart-generation"] {
        of(&mut before, "coord@node1").files.insert(path.to_owned(), extra.clone());
    }
    let (changes, _) = differences(&one_role(), &before);
    assert!(matches!(changes.as_slice(), [Change::File { path, by_hand: true, to: None, .. }] if path == "stray"));
}

#[test]
fn new_software_is_told_by_its_versions_and_not_by_the_paths_in_the_launcher() {
    let before = converged(&desired(&one_role()));
    let mut roles = one_role();
    roles[0].version = "1.2.0";
    let (changes, diffs) = differences(&roles, &before);
    assert!(diffs.is_empty(), "{diffs:?}");
    let told: Vec<String> = changes
        .iter()
        .map(|change| match change {
            Change::Software { module, from, to, .. } => format!("{module} {from:?} {to}"),
            Change::SoftwareMissing { bytes, .. } => format!("missing {bytes}"),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, ["missing 1024", "coord Some(1.0.0) 1.2.0"]);
}

#[test]
fn what_is_held_on_purpose_differs_in_that_alone() {
    let mut before = converged(&desired(&one_role()));
    kill(&mut before, "coord@node1");
    let what = HeldWhat::Stopped;
    let held = Held { by: "ann".to_owned(), why: "disk".to_owned(), what, from: None, to: None };
    of(&mut before, "coord@node1").held = Some(held);
    let mut roles = one_role();
    roles[0] = roles[0].clone().file("main.conf", "other\n", OnChange::Restart);
    let (changes, diffs) = differences(&roles, &before);
    assert!(matches!(changes.as_slice(), [Change::Held { .. }]), "{changes:?}");
    assert!(diffs.is_empty());
}

#[test]
fn a_generation_recorded_with_another_restart_generation_differs() {
    let mut before = converged(&desired(&one_role()));
    of(&mut before, "coord@node1").current_restart = None;
    let (changes, _) = differences(&one_role(), &before);
    assert!(matches!(changes.as_slice(), [Change::ProcessDefinition { .. }]), "{changes:?}");
}

#[test]
fn a_setting_that_an_undo_record_puts_back_is_not_repaired_as_well() {
    let mut before = converged(&desired(&platform()));
    before.services.get_mut(&service("store")).expect("store").settings.insert(name("moves"), Ok("off".into()));
    let (changes, _) = differences(&platform(), &before);
    assert!(matches!(changes.as_slice(), [Change::Setting { .. }]), "{changes:?}");
    let record = crate::inventory::UndoRecord {
        service: service("store"),
        instance: id("store-hot@node2"),
        setting: name("moves"),
        value: "some".into(),
    };
    at(&mut before, "node2").undo.insert("store.moves.json".to_owned(), record);
    let (changes, _) = differences(&platform(), &before);
    assert!(matches!(changes.as_slice(), [Change::UndoLeft { .. }]), "{changes:?}");
}

#[test]
fn whether_the_file_or_somebody_on_the_host_or_both_changed_a_file_is_told() {
    let mut roles = one_role();
    for path in ["declared", "host", "both", "same"] {
        roles[0] = roles[0].clone().file(path, "a\n", OnChange::Restart);
    }
    let mut before = converged(&desired(&roles));
    for path in ["declared", "both"] {
        roles[0] = roles[0].clone().file(path, "b\n", OnChange::Restart);
    }
    let seen = of(&mut before, "coord@node1");
    seen.applied = seen.files.iter().map(|(path, file)| (path.clone(), file.sha256)).collect();
    for path in ["host", "both"] {
        seen.files.get_mut(path).expect("a file").sha256 = Digest::of(b"by hand");
    }
    let origins = |inventory: &Inventory| -> Vec<(String, Option<Origin>)> {
        let (changes, _) = differences(&roles, inventory);
        let file = |change: &Change| match change {
            Change::File { path, origin, .. } => Some((path.clone(), *origin)),
            _ => None,
        };
        changes.iter().filter_map(file).collect()
    };
    let told = |origin| ["both", "declared", "host"].into_iter().zip(origin).map(|(path, one)| (path.to_owned(), one));
    let all = [Some(Origin::Both), Some(Origin::Declared), Some(Origin::Host)];
    assert_eq!(origins(&before), told(all).collect::<Vec<_>>());
    of(&mut before, "coord@node1").applied.clear();
    assert_eq!(origins(&before), told([None; 3]).collect::<Vec<_>>(), "without a manifest nobody knows");
}

#[test]
fn what_is_accepted_is_shown_and_left_until_something_else_is_declared() {
    let mut roles = one_role();
    roles[0] = roles[0].clone().file("main.conf", "a\n", OnChange::Restart);
    let mut before = converged(&desired(&roles));
    of(&mut before, "coord@node1").files.get_mut("main.conf").expect("a file").sha256 = Digest::of(b"by hand");
    let accepting = |roles: &[RoleSpec]| {
        let mut declared = desired(roles);
        let acceptance = Acceptance { until: "2026-12-31".to_owned(), reason: "ticket 4711".to_owned() };
        declared.accepted.entry(id("coord@node1")).or_default().insert("main.conf".to_owned(), acceptance);
        declared
    };
    let (changes, _) = diff(&accepting(&roles), &before);
    assert!(matches!(changes.as_slice(), [Change::Accepted { path, .. }] if path == "main.conf"), "{changes:?}");
    let (declared, options) = (accepting(&roles), crate::plan::PlanOptions::default());
    let input = crate::plan::PlanInput { desired: &declared, inventory: &before, options: &options };
    let plan = crate::plan::plan(&input).0;
    assert_eq!((plan.steps.len(), plan.summary.changes), (0, 0), "nothing is done about it");
    roles[0] = roles[0].clone().file("other.conf", "a\n", OnChange::Restart);
    let (changes, _) = diff(&accepting(&roles), &before);
    let file = |change: &Change| matches!(change, Change::File { path, .. } if path == "main.conf");
    assert!(changes.iter().any(file), "the new generation would have it as declared: {changes:?}");
}

#[test]
fn a_transfer_that_was_cut_off_is_gone_on_with_and_what_nobody_wants_any_more_is_removed() {
    let declared = desired(&one_role());
    let software = declared.hosts.values().next().and_then(|host| host.software.values().next()).expect("software");
    let part = software.parts[0].file_name();
    let begun = format!("install/.tmp-{part}");
    let other = format!("install/.tmp-{}-other.tar", Digest::of(b"other"));
    let debris = |inventory: &Inventory| -> Vec<String> {
        let changes = diff(&declared, inventory).0;
        changes
            .iter()
            .flat_map(|change| if let Change::Debris { paths, .. } = change { paths.clone() } else { vec![] })
            .collect()
    };
    let mut seen = converged(&declared);
    let host = at(&mut seen, "node1");
    host.debris = vec![begun.clone(), other.clone()];
    host.software.clear();
    host.artifacts.remove(&part);
    assert_eq!(debris(&seen), [other.as_str()], "it is fetched");
    at(&mut seen, "node1").artifacts.insert(part);
    assert_eq!(debris(&seen), [begun.as_str(), other.as_str()], "the artifact is there already");
    let mut seen = converged(&declared);
    at(&mut seen, "node1").debris = vec![begun.clone(), other.clone()];
    assert_eq!(debris(&seen), [begun, other], "nothing is fetched");
}
