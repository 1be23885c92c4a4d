//! What is stopped, started and released because somebody asks for it.

use super::*;
use crate::inventory::{Held, HeldWhat, Previous, ProcessObservation, UndoRecord};

fn asking(asked: Again, only: &[&str]) -> PlanOptions {
    let declared = desired(&platform());
    let only = only.iter().map(|target| Target::parse(target, &declared).expect("a target")).collect();
    PlanOptions { asked: Some(asked), only, ..free() }
}

fn waiving(options: PlanOptions, refusal: &str) -> PlanOptions {
    PlanOptions { waivers: [(name(refusal), "known".to_owned())].into(), ..options }
}

fn held(inventory: &mut Inventory, one: &str) {
    let (by, why) = ("ann@desk".to_owned(), "a disk".to_owned());
    of(inventory, one).held = Some(Held { by, why, what: HeldWhat::Stopped, from: None, to: None });
}

fn stopped(inventory: &mut Inventory, one: &str) {
    held(inventory, one);
    of(inventory, one).process = ProcessObservation::Absent;
    let services = inventory.services.values_mut();
    services.for_each(|service| _ = service.ready.remove(&id(one)));
}

#[test]
fn a_part_stops_as_carefully_as_for_a_restart_and_the_others_have_to_serve() {
    let before = converged(&desired(&platform()));
    let (plan, _, text) = checked(&platform(), &before, &asking(Again::Stop, &["coord@node2", "store-hot@node2"]));
    assert_eq!(
        text,
        "[Stop] stop store-hot@node2: safe? before hold stop put-back others\n[Stop] stop coord@node2: safe? hold stop others\n"
    );
    assert!(plan.applyable(), "{:?}", plan.refusals);
    let summary = &plan.summary;
    assert_eq!((summary.stops, summary.restarts, summary.starts, summary.changes), (2, 0, 0, 0));
}

#[test]
fn two_of_a_service_that_can_spare_one_are_refused() {
    let before = converged(&desired(&platform()));
    let (plan, ..) = checked(&platform(), &before, &asking(Again::Stop, &["coord@node1", "coord@node2"]));
    assert_eq!(names(&plan), ["max-unavailable", "quorum"]);
    let mut before = before;
    stopped(&mut before, "coord@node1");
    let (plan, ..) = checked(&platform(), &before, &asking(Again::Stop, &["coord@node2"]));
    assert_eq!(names(&plan), ["max-unavailable", "quorum"], "the one that is stopped counts");
}

#[test]
fn what_would_end_a_service_is_an_outage_and_goes_in_the_reverse_order_of_starts() {
    let before = converged(&desired(&platform()));
    let (plan, _, text) = checked(&platform(), &before, &asking(Again::Stop, &["all"]));
    assert_eq!(names(&plan), ["outage", "outage", "outage"]);
    insta::assert_snapshot!(text);
    let (plan, ..) = checked(&platform(), &before, &asking(Again::Stop, &["coord"]));
    assert_eq!(names(&plan), ["outage"]);
    assert!(plan.refusals[0].message.contains("store"), "what comes after it is named: {:?}", plan.refusals);
    let options = waiving(asking(Again::Stop, &["coord"]), "outage");
    let (plan, _, text) = checked(&platform(), &before, &options);
    assert!(plan.applyable(), "{:?}", plan.refusals);
    assert!(text.lines().all(|line| line.ends_with(": hold stop")), "nothing is asked: {text}");
}

#[test]
fn one_alone_that_nobody_needs_is_no_outage() {
    let mut roles = platform();
    roles[3].hosts = vec!["node1"];
    let before = converged(&desired(&roles));
    let (plan, _, text) = checked(&roles, &before, &asking(Again::Stop, &["view"]));
    assert_eq!((names(&plan).len(), text.as_str()), (0, "[Stop] stop view@node1: hold stop\n"));
}

#[test]
fn what_is_down_is_only_held_and_what_is_stopped_already_is_left() {
    let mut before = converged(&desired(&platform()));
    kill(&mut before, "view@node1");
    let (_, _, text) = checked(&platform(), &before, &asking(Again::Stop, &["view@node1"]));
    assert_eq!(text, "[Stop] hold view@node1: hold\n");
    stopped(&mut before, "view@node1");
    let (plan, _, text) = checked(&platform(), &before, &asking(Again::Stop, &["view@node1"]));
    assert_eq!((text.as_str(), plan.outcome()), ("", Outcome::Nothing));
    // A run was lost after the hold.
    let mut before = converged(&desired(&platform()));
    held(&mut before, "view@node1");
    let (_, _, text) = checked(&platform(), &before, &asking(Again::Stop, &["view@node1"]));
    assert_eq!(text, "[Stop] stop view@node1: safe? hold stop others\n");
}

#[test]
fn a_start_releases_and_starts_as_any_start() {
    let mut before = converged(&desired(&platform()));
    stopped(&mut before, "store-hot@node2");
    let plain = default_plan(&desired(&platform()), &before);
    assert_eq!((told(&plain).as_str(), plain.outcome()), ("", Outcome::Nothing), "it is left as it is");
    let (plan, _, text) = checked(&platform(), &before, &asking(Again::Start, &["store-hot"]));
    assert!(text.starts_with("[Repair] start store-hot@node2: release start ready after healthy\n"), "{text}");
    assert!(plan.applyable() && plan.stale(&before).is_none(), "it relies on what is there, hold and all");
    let (_, _, text) = checked(&platform(), &before, &asking(Again::Start, &["coord"]));
    assert_eq!(text, "", "the others run");
}

#[test]
fn all_of_a_service_starts_together() {
    let mut before = converged(&desired(&platform()));
    for one in ["coord@node1", "coord@node2", "coord@node3"] {
        stopped(&mut before, one);
    }
    let (_, _, text) = checked(&platform(), &before, &asking(Again::Start, &["coord"]));
    insta::assert_snapshot!(text);
}

#[test]
fn what_was_held_and_still_runs_is_only_released() {
    let mut before = converged(&desired(&platform()));
    held(&mut before, "view@node1");
    let (_, _, text) = checked(&platform(), &before, &asking(Again::Start, &["view"]));
    assert_eq!(text, "release view@node1: release\n");
}

#[test]
fn files_that_changed_meanwhile_are_not_started_by_the_way() {
    let mut before = converged(&desired(&platform()));
    stopped(&mut before, "coord@node1");
    let mut roles = platform();
    roles[0] = roles[0].clone().file("main.conf", "a=7\n", OnChange::Restart);
    let (plan, ..) = checked(&roles, &before, &asking(Again::Start, &["coord@node1"]));
    assert_eq!(names(&plan), ["differs"]);
    assert!(plan.refusals[0].help.contains("esapply release"), "{:?}", plan.refusals);
}

#[test]
fn what_was_rolled_back_before_it_was_stopped_is_held_as_that_again() {
    let wanted = desired(&platform());
    let mut before = converged(&wanted);
    let (from, to) = (wanted.instances[&id("view@node1")].content_generation, Digest::of(b"before"));
    let found = of(&mut before, "view@node1");
    (found.current, found.generations) = (Some(to), vec![from, to]);
    let (by, why) = ("ann@desk".to_owned(), "it failed".to_owned());
    found.held = Some(Held { by, why, what: HeldWhat::RolledBack, from: Some(from), to: Some(to) });
    let (plan, ..) = checked(&platform(), &before, &asking(Again::Stop, &["view@node1"]));
    let hold = Action::Hold { what: HeldWhat::Stopped, from: Some(from), to: Some(to) };
    assert!(plan.steps[0].kind.rolls()[0].actions.contains(&hold), "{:?}", plan.steps);
    stopped(&mut before, "view@node1");
    let held = of(&mut before, "view@node1").held.as_mut().expect("held");
    (held.from, held.to) = (Some(from), Some(to));
    let (plan, _, text) = checked(&platform(), &before, &asking(Again::Start, &["view@node1"]));
    assert!(text.contains("start view@node1: hold start ready healthy"), "{text}");
    assert!(plan.applyable(), "{:?}", plan.refusals);
    let hold = Action::Hold { what: HeldWhat::RolledBack, from: Some(from), to: Some(to) };
    assert_eq!(plan.steps[0].kind.rolls()[0].actions[0], hold);
}

#[test]
fn a_release_is_nothing_but_that() {
    let mut before = converged(&desired(&platform()));
    stopped(&mut before, "view@node1");
    stopped(&mut before, "coord@node1");
    kill(&mut before, "store-hot@node3");
    let (plan, _, text) = checked(&platform(), &before, &asking(Again::Release, &["view"]));
    assert_eq!(text, "release view@node1: release\n");
    assert_eq!((plan.changes.len(), plan.applyable()), (1, true), "only what it is about is told");
    let (plan, ..) = checked(&platform(), &before, &asking(Again::Release, &["view@node2"]));
    assert_eq!(plan.outcome(), Outcome::Nothing);
}

#[test]
fn a_host_that_was_not_observed_is_in_the_way_of_what_is_about_it() {
    let mut before = converged(&desired(&platform()));
    let unseen = crate::inventory::Seen::Unseen(crate::inventory::Unseen { why: "gone".to_owned() });
    before.hosts.insert(host("node3"), unseen);
    let (plan, ..) = checked(&platform(), &before, &asking(Again::Stop, &["coord@node1"]));
    assert_eq!(names(&plan), ["unobserved", "max-unavailable", "quorum"]);
}

#[test]
fn a_start_has_nothing_to_go_back_to() {
    let mut before = converged(&desired(&platform()));
    stopped(&mut before, "coord@node2");
    let found = of(&mut before, "coord@node2");
    let (generation, software) = (Digest::of(b"before"), vec!["coord-1.0.0-0123456789ab".to_owned()]);
    found.generations.push(generation);
    found.previous = Some(Previous { generation, software, phased: false });
    let (plan, _, text) = checked(&platform(), &before, &asking(Again::Start, &["coord"]));
    assert!(text.contains("coord@node2: release start"), "{text}");
    assert!(
        plan.steps.iter().flat_map(|step| step.kind.rolls()).all(|roll| roll.rollback.is_none()),
        "{:?}",
        plan.steps
    );
}

#[test]
fn a_start_leaves_what_runs_as_it_is() {
    let mut before = converged(&desired(&platform()));
    let edited = of(&mut before, "coord@node1").files.get_mut("main.conf").expect("a file");
    edited.sha256 = Digest::of(b"by hand");
    not_ready(&mut before, "view@node1");
    let (plan, _, text) = checked(&platform(), &before, &asking(Again::Start, &["all"]));
    assert!(!text.contains("render") && !text.contains("switch") && !text.contains("stop"), "{text}");
    assert!(plan.applyable(), "{:?}", plan.refusals);
}

#[test]
fn what_leaves_is_not_kept_down() {
    let mut wanted = desired(&platform());
    let before = converged(&wanted);
    let one = wanted.instances.remove(&id("view@node2")).expect("declared");
    let service = wanted.services.get_mut(&one.service).expect("declared");
    service.instances.retain(|id| *id != one.id);
    wanted.leaving.insert(one.id.clone(), one);
    let (plan, _) = made(&wanted, &before, &asking(Again::Stop, &["node2"]));
    assert!(plan.refusals.iter().any(|one| one.name.as_str() == "differs" && one.message.contains("view@node2")));
    assert_eq!(crate::check::check(&plan, &wanted, &before), vec![], "{}", told(&plan));
    // What is not stopped stays: the service does not end.
    let (plan, _) = made(&wanted, &before, &asking(Again::Stop, &["view@node1"]));
    assert_eq!(crate::check::check(&plan, &wanted, &before), vec![], "{}", told(&plan));
    assert!(!names(&plan).contains(&"outage"), "{:?}", plan.refusals);
}

#[test]
fn what_a_lost_stop_has_left_changed_is_put_back_by_the_same_command() {
    let mut before = converged(&desired(&platform()));
    stopped(&mut before, "store-hot@node2");
    let record = UndoRecord {
        service: service("store"),
        instance: id("store-hot@node2"),
        setting: name("moves"),
        value: "all".into(),
    };
    at(&mut before, "node2").undo.insert("store.moves.json".to_owned(), record);
    let (plan, _, text) = checked(&platform(), &before, &asking(Again::Stop, &["store-hot@node2"]));
    assert_eq!((text.as_str(), plan.changes.len()), ("undo store.moves.json on node2\n", 2));
    let (_, _, text) = checked(&platform(), &before, &asking(Again::Stop, &["view@node1"]));
    assert!(!text.contains("undo"), "{text}");
}
