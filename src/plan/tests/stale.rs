//! What a plan relies on: the host and the path are named, and hosts that do not concern it do not matter.

use super::world::*;
use super::{default_plan, made};
use crate::desired::Desired;
use crate::inventory::{Inventory, Seen, Unseen};
use crate::model::{Digest, OnChange};
use crate::plan::{Plan, PlanOptions, Reliance, Stale, Target};

/// A plan that changes a service which only node1 and node2 have.
fn view_changes() -> (Desired, Inventory, Plan) {
    let before = converged(&desired(&platform()));
    let mut roles = platform();
    roles[3] = roles[3].clone().file("main.conf", "a=2\n", OnChange::Restart);
    let declared = desired(&roles);
    let plan = default_plan(&declared, &before);
    (declared, before, plan)
}

/// The lines of what has changed, `HOST: WHAT`.
fn lines(stale: Option<&Stale>) -> Vec<String> {
    let changed = stale.into_iter().flat_map(|stale| &stale.changed);
    changed.flat_map(|(host, what)| what.iter().map(move |what| format!("{host}: {what}"))).collect()
}

#[test]
fn a_file_that_was_changed_is_named_with_its_host() {
    let (_, mut now, plan) = view_changes();
    assert_eq!(plan.stale(&now), None);
    let file = of(&mut now, "view@node2").files.get_mut("main.conf").expect("a file");
    file.sha256 = Digest::of(b"by hand");
    let file = of(&mut now, "store-hot@node1").files.get_mut("main.conf").expect("a file");
    file.mode = 0o600;
    of(&mut now, "view@node2").files.insert("extra.conf".to_owned(), file_of(b"more"));
    assert_eq!(
        lines(plan.stale(&now).as_ref()),
        [
            "node1: conf/store-hot/current/main.conf was changed",
            "node2: conf/view/current/extra.conf is new",
            "node2: conf/view/current/main.conf was changed"
        ]
    );
}

fn file_of(bytes: &[u8]) -> crate::inventory::FileObservation {
    crate::inventory::FileObservation { sha256: Digest::of(bytes), mode: 0o644, content: None }
}

#[test]
fn what_changes_on_a_host_that_the_plan_does_not_concern_does_not_matter() {
    let (_, mut now, plan) = view_changes();
    assert_eq!(plan.fingerprints.keys().map(ToString::to_string).collect::<Vec<_>>(), ["node1", "node2"]);
    kill(&mut now, "coord@node3");
    of(&mut now, "store-hot@node3").files.clear();
    assert_eq!(plan.stale(&now), None);
    let node3 = now.hosts.iter_mut().find(|(name, _)| name.as_str() == "node3").expect("a host").1;
    *node3 = Seen::Unseen(Unseen { why: "no answer".to_owned() });
    assert_eq!(plan.stale(&now), None);
}

#[test]
fn of_other_members_of_a_service_it_counts_only_whether_they_run() {
    let (declared, mut now, _) = view_changes();
    let only = vec![Target::parse("view@node1", &declared).expect("a target")];
    let (plan, _) = made(&declared, &now, &PlanOptions { only, ..PlanOptions::default() });
    let reliance: Vec<_> = plan.fingerprints.values().map(|fingerprint| fingerprint.of).collect();
    assert_eq!(reliance, [Reliance::Whole, Reliance::Members]);
    of(&mut now, "view@node2").files.clear();
    kill(&mut now, "coord@node2");
    process(&mut now, "view@node2").pid += 1;
    assert_eq!(plan.stale(&now), None, "neither its files nor other services are counted on");
    kill(&mut now, "view@node2");
    assert_eq!(lines(plan.stale(&now).as_ref()), ["node2: view runs or does not, unlike then"]);
}

#[test]
fn processes_holds_and_boots_are_told_in_words_and_no_content_is_kept() {
    let (_, mut now, plan) = view_changes();
    process(&mut now, "view@node1").pid += 1;
    at(&mut now, "node2").boot_id = "another".to_owned();
    at(&mut now, "node2").supervisor.pid = None;
    assert_eq!(
        lines(plan.stale(&now).as_ref()),
        [
            "node1: the process of view was started, stopped or told something",
            "node2: it was started again",
            "node2: its supervisor changed"
        ]
    );
    let facts = plan.fingerprints.values().flat_map(|fingerprint| fingerprint.facts.values());
    assert!(facts.clone().count() > 10);
    assert!(facts.clone().all(|mark| mark.len() == 16 && mark.bytes().all(|byte| byte.is_ascii_hexdigit())));
}

#[test]
fn a_plan_that_says_nothing_of_a_host_that_it_works_on_is_refused() {
    let (declared, now, mut plan) = view_changes();
    assert_eq!(crate::check::check(&plan, &declared, &now), vec![]);
    plan.fingerprints.pop_first();
    let found: Vec<String> = crate::check::check(&plan, &declared, &now).iter().map(ToString::to_string).collect();
    assert!(found.iter().any(|one| one.contains("node1") && one.contains("relies on")), "{found:?}");
}
