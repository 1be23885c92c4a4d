//! A rollback that somebody asks for.

use super::*;
use crate::inventory::{Held, HeldWhat, Previous, ProcessObservation, SoftwareObservation};
use crate::model::{Template, UpgradeStep};

fn before() -> Digest {
    Digest::of(b"before")
}

/// Everything as declared, and with a generation before that.
fn with_one_before(roles: &[RoleSpec], version: &str) -> Inventory {
    let wanted = desired(roles);
    let mut inventory = converged(&wanted);
    for (id, one) in &wanted.instances {
        of(&mut inventory, &id.to_string()).generations.push(before());
        let software = vec![format!("{}-{version}-0123456789ab", one.module.name.value)];
        at(&mut inventory, id.host.as_str()).software.insert(software[0].clone(), SoftwareObservation::Intact);
        let found = of(&mut inventory, &id.to_string());
        found.previous = Some(Previous { generation: before(), software, phased: false });
    }
    inventory
}

fn asking(only: &[&str]) -> PlanOptions {
    let declared = desired(&platform());
    let only = only.iter().map(|target| Target::parse(target, &declared).expect("a target")).collect();
    PlanOptions { asked: Some(Again::Rollback), only, ..free() }
}

#[test]
fn it_goes_the_way_of_a_change_and_each_is_held_before_it_stops() {
    let inventory = with_one_before(&platform(), "1.0.0");
    let (plan, report, text) = checked(&platform(), &inventory, &asking(&["coord", "store-hot"]));
    insta::assert_snapshot!(text);
    assert!(plan.applyable(), "{:?}", plan.refusals);
    assert_eq!((plan.summary.restarts, plan.summary.files, plan.summary.changes), (6, 0, 6));
    for roll in plan.steps.iter().flat_map(|step| step.kind.rolls()) {
        let declared = desired(&platform()).instances[&roll.instance].content_generation;
        let hold = Action::Hold { what: HeldWhat::RolledBack, from: Some(declared), to: Some(before()) };
        assert!(roll.actions.contains(&hold), "{roll:?}");
        assert!(roll.actions.iter().any(|action| matches!(action, Action::Switch { to, .. } if *to == before())));
        assert!(roll.rollback.is_none(), "a rollback that fails stops");
    }
    assert!(plan.steps.iter().flat_map(|step| &step.reason).all(|why| matches!(why, Reason::Asked | Reason::Follows)));
    let shown = crate::render::text(&plan, &report, &crate::render::TextOptions::default());
    assert!(shown.contains("goes back to its generation") && !shown.contains("held by"), "{shown}");
    assert!(plan.stale(&inventory).is_none());
}

#[test]
fn what_has_no_way_back_is_refused_each_by_its_name() {
    let mut inventory = with_one_before(&platform(), "0.9.0");
    let (plan, _, text) = checked(&platform(), &inventory, &asking(&["store-hot@node1"]));
    assert_eq!((names(&plan), text.as_str()), (vec!["no-way-back"], ""), "its module says so");
    let waiving =
        |only: &[&str]| PlanOptions { waivers: [(name("no-way-back"), "known".to_owned())].into(), ..asking(only) };
    let (plan, _, text) = checked(&platform(), &inventory, &waiving(&["store-hot@node1"]));
    assert!(plan.applyable() && text.contains("hold stop switch start"), "{text}");
    of(&mut inventory, "coord@node1").previous.as_mut().expect("one").phased = true;
    of(&mut inventory, "coord@node2").previous = None;
    let (plan, _, text) = checked(&platform(), &inventory, &asking(&["coord@node1", "coord@node2"]));
    assert_eq!((names(&plan), text.as_str()), (vec!["no-way-back", "no-way-back"], ""));
    let (_, _, text) = checked(&platform(), &inventory, &waiving(&["coord"]));
    assert!(text.contains("coord@node3") && !text.contains("coord@node1") && !text.contains("coord@node2"), "{text}");
}

#[test]
fn what_has_gone_back_is_left_and_what_was_lost_on_the_way_is_finished() {
    let mut inventory = with_one_before(&platform(), "1.0.0");
    let declared = desired(&platform()).instances[&id("view@node1")].content_generation;
    let (by, why) = ("ann@desk".to_owned(), "slow".to_owned());
    let held = Held { by, why, what: HeldWhat::RolledBack, from: Some(declared), to: Some(before()) };
    let found = of(&mut inventory, "view@node1");
    (found.current, found.previous) = (Some(before()), None);
    found.held = Some(held.clone());
    let (_, _, text) = checked(&platform(), &inventory, &asking(&["view"]));
    assert!(text.contains("view@node2") && !text.contains("view@node1"), "{text}");
    // Held, and not stopped yet; held and switched, and not started yet.
    let mut lost = with_one_before(&platform(), "1.0.0");
    of(&mut lost, "view@node1").held = Some(held);
    let (plan, _, text) = checked(&platform(), &lost, &asking(&["view@node1"]));
    assert!(plan.applyable() && text.contains("view@node1: safe? hold stop switch start"), "{text}");
    of(&mut inventory, "view@node1").process = ProcessObservation::Absent;
    let (plan, _, text) = checked(&platform(), &inventory, &asking(&["view@node1"]));
    assert!(plan.applyable() && text.contains("start view@node1: start ready"), "{text}");
}

#[test]
fn a_hold_that_the_file_has_overtaken_is_removed() {
    let wanted = desired(&platform());
    let mut inventory = converged(&wanted);
    let now = wanted.instances[&id("view@node1")].content_generation;
    let (by, why) = ("ann@desk".to_owned(), "slow".to_owned());
    let failed = Some(Digest::of(b"failed"));
    let found = of(&mut inventory, "view@node1");
    found.held = Some(Held { by, why, what: HeldWhat::RolledBack, from: failed, to: Some(now) });
    let (plan, report, text) = checked(&platform(), &inventory, &free());
    assert_eq!((text.as_str(), plan.outcome()), ("release view@node1: release\n", Outcome::Changes));
    assert_eq!(plan.steps[0].reason, vec![Reason::Lapsed]);
    let shown = crate::render::text(&plan, &report, &crate::render::TextOptions::default());
    assert!(shown.contains("rolled back by ann@desk: slow; the file says something else now"), "{shown}");
    // What is switched loses it with that, and what was not asked for keeps it.
    let mut roles = platform();
    roles[3] = roles[3].clone().file("main.conf", "a=7\n", OnChange::Restart);
    let (_, _, text) = checked(&roles, &inventory, &free());
    assert!(text.contains("switch") && !text.contains("release"), "{text}");
    let only = PlanOptions { only: vec![Target::Instance(id("view@node2"))], ..free() };
    let (plan, ..) = checked(&platform(), &inventory, &only);
    assert_eq!(plan.outcome(), Outcome::Nothing);
}

#[test]
fn what_is_stopped_on_purpose_stays_as_it_is() {
    let mut inventory = with_one_before(&platform(), "1.0.0");
    let (by, why) = ("ann@desk".to_owned(), "a disk".to_owned());
    let found = of(&mut inventory, "view@node1");
    found.held = Some(Held { by, why, what: HeldWhat::Stopped, from: None, to: None });
    found.process = ProcessObservation::Absent;
    let (plan, _, text) = checked(&platform(), &inventory, &asking(&["view@node1"]));
    assert_eq!((text.as_str(), plan.outcome()), ("", Outcome::Nothing));
}

#[test]
fn versions_that_can_not_be_mixed_or_have_no_way_and_software_that_is_gone_are_no_way_back() {
    let inventory = with_one_before(&platform(), "0.9.0");
    let (plan, ..) = checked(&platform(), &inventory, &asking(&["view"]));
    assert_eq!(names(&plan), ["no-way-back", "no-way-back"], "all of it is replaced together");
    let (plan, ..) = checked(&platform(), &inventory, &asking(&["coord@node1"]));
    assert!(plan.applyable(), "{:?}", plan.refusals);
    let mut roles = platform();
    roles[0].module.upgrade.steps.push(UpgradeStep {
        name: name("no-way"),
        when: expr("version_below(to, from)"),
        says: Template(expr("the data of {{ from }} can't be read").0),
        through: None,
        help: None,
    });
    let (plan, ..) = checked(&roles, &inventory, &asking(&["coord@node1"]));
    assert_eq!(names(&plan), ["no-way-back"]);
    assert!(plan.refusals[0].message.contains("the data of 1.0.0 can't be read"), "{:?}", plan.refusals);
    let mut inventory = inventory;
    at(&mut inventory, "node1").software.remove("coord-0.9.0-0123456789ab");
    let (plan, ..) = checked(&platform(), &inventory, &asking(&["coord@node1"]));
    assert_eq!(names(&plan), ["no-way-back"]);
}
