//! Each thing that may go wrong with what is held on purpose.

use super::*;
use crate::inventory::{Held, HeldWhat, ProcessObservation};
use crate::plan::{Again, Target};

fn asking(asked: Again, only: &[&str], inventory: &Inventory) -> (Desired, Plan) {
    let desired = desired(&platform());
    let only = only.iter().map(|target| Target::parse(target, &desired).expect("a target")).collect();
    let waivers = [(name("outage"), "known".to_owned())].into();
    let options = PlanOptions { asked: Some(asked), only, waivers, ..PlanOptions::default() };
    let plan = plan(&PlanInput { desired: &desired, inventory, options: &options }).0;
    assert_eq!(check(&plan, &desired, inventory), vec![], "the plan is good before");
    (desired, plan)
}

/// What is found when a stop of these is spoilt.
fn stop(only: &[&str], spoil: impl Fn(&mut Plan)) -> Vec<Violation> {
    let inventory = converged(&desired(&platform()));
    let (desired, mut plan) = asking(Again::Stop, only, &inventory);
    spoil(&mut plan);
    check(&plan, &desired, &inventory)
}

const TWO: [&str; 2] = ["coord@node2", "view@node1"];

#[test]
fn a_stop_without_a_hold_before_it_is_found() {
    let found = stop(&TWO, |plan| drop_action(plan, |action| matches!(action, Action::Hold { .. })));
    assert!(found.iter().any(|one| matches!(one, Violation::StopsUnheld { .. })), "{found:?}");
    let found = stop(&TWO, |plan| {
        for (_, roll) in all_rolls(plan) {
            let hold = roll.actions.iter().position(|action| matches!(action, Action::Hold { .. })).expect("a hold");
            let hold = roll.actions.remove(hold);
            roll.actions.push(hold);
        }
    });
    assert!(found.iter().any(|one| matches!(one, Violation::StopsUnheld { .. })), "{found:?}");
}

#[test]
fn others_that_are_not_waited_for_and_rules_that_are_not_asked_are_found() {
    let found = stop(&TWO, |plan| drop_action(plan, |action| matches!(action, Action::AwaitOthers { .. })));
    assert!(found.iter().any(|one| matches!(one, Violation::OthersNotAwaited { .. })), "{found:?}");
    let found = stop(&TWO, |plan| drop_action(plan, |action| matches!(action, Action::CheckSafe)));
    assert!(found.iter().any(|one| matches!(one, Violation::NotAskedSafe { .. })), "{found:?}");
}

#[test]
fn a_stop_that_starts_what_it_holds_is_found() {
    let found = stop(&TWO, |plan| {
        for (_, roll) in all_rolls(plan) {
            let within = Duration::from_secs(1);
            roll.actions.extend([Action::Start { first: false }, Action::AwaitReady { within }]);
        }
    });
    assert!(found.iter().any(|one| matches!(one, Violation::StartsHeld { .. })), "{found:?}");
}

#[test]
fn a_second_voter_that_stops_is_found() {
    let found = stop(&["coord@node2"], |plan| {
        let mut again = plan.steps[0].clone();
        again.needs.push(again.id.clone());
        again.id.0.push_str(" too");
        if let StepKind::Roll(roll) = &mut again.kind {
            roll.instance = id("coord@node1");
        }
        plan.fingerprints.insert(host("node1"), plan.fingerprints[&host("node2")].clone());
        plan.steps.push(again);
    });
    assert!(found.iter().any(|one| matches!(one, Violation::LosesQuorum { .. })), "{found:?}");
    assert!(found.iter().any(|one| matches!(one, Violation::OverBudget { .. })), "{found:?}");
}

#[test]
fn a_service_that_ends_without_a_word_and_an_order_that_is_turned_round_are_found() {
    let found = stop(&["coord"], |plan| plan.refusals.clear());
    assert!(found.iter().any(|one| matches!(one, Violation::EndsService { .. })), "{found:?}");
    let found = stop(&["all"], |plan| plan.steps.iter_mut().for_each(|step| step.needs.clear()));
    assert!(found.iter().any(|one| matches!(one, Violation::StopsTooEarly { .. })), "{found:?}");
}

#[test]
fn a_start_of_what_is_held_is_found() {
    let mut inventory = converged(&desired(&platform()));
    let (by, why) = ("ann".to_owned(), "disk".to_owned());
    let found = of(&mut inventory, "view@node1");
    found.held = Some(Held { by, why, what: HeldWhat::Stopped, from: None, to: None });
    found.process = ProcessObservation::Absent;
    let (desired, mut plan) = asking(Again::Start, &["view"], &inventory);
    let mut back = plan.clone();
    for (_, roll) in all_rolls(&mut back) {
        roll.rollback = Some(crate::model::Digest::of(b"older"));
    }
    let found = check(&back, &desired, &inventory);
    assert!(found.iter().any(|one| matches!(one, Violation::GoesBackUnasked { .. })), "{found:?}");
    for (_, roll) in all_rolls(&mut plan) {
        let release = roll.actions.remove(0);
        assert_eq!(release, Action::Release);
        roll.actions.push(release);
    }
    let found = check(&plan, &desired, &inventory);
    assert!(found.iter().any(|one| matches!(one, Violation::StartsHeld { .. })), "{found:?}");
}
