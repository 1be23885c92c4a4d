//! Good plans pass, and each thing that may go wrong is found.

mod held;

use super::*;
use crate::desired::Desired;
use crate::inventory::Inventory;
use crate::model::OnChange;
use crate::plan::tests::world::*;
use crate::plan::{Action, PlanInput, PlanOptions, Wave, plan};
use std::time::Duration;

fn made(desired: &Desired, inventory: &Inventory) -> Plan {
    plan(&PlanInput { desired, inventory, options: &PlanOptions::default() }).0
}

/// A change of a led service and of one without a leader.
fn changed() -> (Desired, Inventory, Plan) {
    let before = converged(&desired(&platform()));
    let mut roles = platform();
    for role in &mut roles[..2] {
        *role = role.clone().file("main.conf", "a=2\n", OnChange::Restart);
    }
    let desired = desired(&roles);
    let plan = made(&desired, &before);
    (desired, before, plan)
}

/// What `check` finds after a plan was spoilt.
fn spoilt(spoil: impl Fn(&mut Plan)) -> Vec<Violation> {
    let (desired, inventory, mut plan) = changed();
    assert_eq!(check(&plan, &desired, &inventory), vec![], "the plan is good before");
    spoil(&mut plan);
    check(&plan, &desired, &inventory)
}

fn all_rolls(plan: &mut Plan) -> Vec<(Option<Wave>, &mut Roll)> {
    let mut all = Vec::new();
    for step in &mut plan.steps {
        match &mut step.kind {
            StepKind::Roll(roll) => all.push((step.wave, roll)),
            StepKind::PickNext { candidates, .. } => all.extend(candidates.iter_mut().map(|roll| (step.wave, roll))),
            _ => {}
        }
    }
    all
}

fn drop_action(plan: &mut Plan, wanted: fn(&Action) -> bool) {
    for (_, roll) in all_rolls(plan) {
        roll.actions.retain(|action| !wanted(action));
    }
}

#[test]
fn a_soak_that_is_skipped_is_found() {
    let found = spoilt(|plan| drop_action(plan, |action| matches!(action, Action::Soak { .. })));
    assert!(found.iter().any(|one| matches!(one, Violation::NoSoak { .. })), "{found:?}");
    let short = |plan: &mut Plan| {
        for (_, roll) in all_rolls(plan) {
            for action in &mut roll.actions {
                if let Action::Soak { for_ } = action {
                    *for_ = Duration::from_secs(1);
                }
            }
        }
    };
    assert!(spoilt(short).iter().any(|one| matches!(one, Violation::NoSoak { .. })));
}

#[test]
fn an_edge_that_is_dropped_is_found() {
    let (_, _, plan) = changed();
    for number in 0..plan.steps.len() {
        if plan.steps[number].needs.is_empty() {
            continue;
        }
        let found = spoilt(|plan| plan.steps[number].needs.clear());
        assert!(!found.is_empty(), "nothing is found without the needs of `{}`", plan.steps[number].id.0);
    }
}

#[test]
fn a_batch_that_is_too_large_is_found() {
    let found = spoilt(|plan| {
        for step in &mut plan.steps {
            if let StepKind::PickNext { budget, .. } = &mut step.kind {
                *budget = 2;
            }
        }
    });
    assert!(found.iter().any(|one| matches!(one, Violation::OverBudget { down: 2, allowed: 1, .. })), "{found:?}");
    assert!(found.iter().any(|one| matches!(one, Violation::LosesQuorum { up: 1, voters: 3, .. })), "{found:?}");
}

#[test]
fn a_stop_without_a_start_a_start_without_a_wait_and_a_change_without_a_gate_are_found() {
    let found = spoilt(|plan| drop_action(plan, |action| matches!(action, Action::Start { .. })));
    assert!(found.iter().any(|one| matches!(one, Violation::NeverStarts { .. })), "{found:?}");
    let found = spoilt(|plan| drop_action(plan, |action| matches!(action, Action::AwaitReady { .. })));
    assert!(found.iter().any(|one| matches!(one, Violation::NotAwaited { .. })), "{found:?}");
    let found = spoilt(|plan| drop_action(plan, |action| matches!(action, Action::AwaitHealthy { .. })));
    assert!(found.iter().any(|one| matches!(one, Violation::NotGated { .. })), "{found:?}");
    let found = spoilt(|plan| drop_action(plan, |action| matches!(action, Action::CheckSafe)));
    assert!(found.iter().any(|one| matches!(one, Violation::NotAskedSafe { .. })), "{found:?}");
}

#[test]
fn a_second_restart_of_one_instance_is_found() {
    let found = spoilt(|plan| {
        let mut again = plan.steps.iter().find(|step| step.id.0.starts_with("roll")).cloned().expect("a roll");
        again.needs = vec![plan.steps.last().expect("a step").id.clone()];
        again.id = StepId("again".to_owned());
        plan.steps.push(again);
    });
    assert!(found.iter().any(|one| matches!(one, Violation::StopsTwice { .. })), "{found:?}");
    let found = spoilt(|plan| {
        for step in &mut plan.steps {
            if let StepKind::PickNext { except, .. } = &mut step.kind {
                *except = None;
            }
        }
    });
    assert!(found.iter().any(|one| matches!(one, Violation::StopsTwice { .. })), "{found:?}");
}

#[test]
fn a_render_that_is_left_out_and_a_switch_that_is_left_out_are_found() {
    let found = spoilt(|plan| {
        let is_render =
            |step: &Step| matches!(&step.kind, StepKind::Render { instance, .. } if *instance == id("coord@node2"));
        let gone: Vec<StepId> = plan.steps.iter().filter(|step| is_render(step)).map(|step| step.id.clone()).collect();
        plan.steps.retain(|step| !is_render(step));
        for step in &mut plan.steps {
            step.needs.retain(|need| !gone.contains(need));
        }
    });
    assert!(found.iter().any(|one| matches!(one, Violation::NothingToSwitchTo { .. })), "{found:?}");
    let found = spoilt(|plan| drop_action(plan, |action| matches!(action, Action::Switch { .. })));
    assert!(found.iter().any(|one| matches!(one, Violation::NeverSwitched { .. })), "{found:?}");
}

#[test]
fn what_is_not_declared_and_what_is_held_is_not_touched() {
    let (mut desired, inventory, plan) = changed();
    desired.instances.remove(&id("coord@node3"));
    let found = check(&plan, &desired, &inventory);
    assert!(found.iter().any(|one| matches!(one, Violation::UnknownInstance { .. })), "{found:?}");
    let (desired, mut inventory, plan) = changed();
    of(&mut inventory, "coord@node1").held = Some(crate::inventory::Held {
        by: "ann".to_owned(),
        why: "disk".to_owned(),
        what: crate::inventory::HeldWhat::Stopped,
        from: None,
        to: None,
    });
    let found = check(&plan, &desired, &inventory);
    assert!(found.iter().any(|one| matches!(one, Violation::TouchesHeld { .. })), "{found:?}");
}

#[test]
fn ids_and_needs_that_make_no_order_are_found() {
    let found = spoilt(|plan| plan.steps[1].id = plan.steps[0].id.clone());
    assert!(found.iter().any(|one| matches!(one, Violation::SameId { .. })), "{found:?}");
    let found = spoilt(|plan| {
        let last = plan.steps.last().expect("a step").id.clone();
        plan.steps[0].needs.push(last);
    });
    assert!(found.iter().any(|one| matches!(one, Violation::BadNeed { .. })), "{found:?}");
}

#[test]
fn a_pick_of_more_than_there_are_is_found() {
    let found = spoilt(|plan| {
        for step in &mut plan.steps {
            if let StepKind::PickNext { take, .. } = &mut step.kind {
                *take = 3;
            }
        }
    });
    assert!(found.iter().any(|one| matches!(one, Violation::BadPick { .. })), "{found:?}");
}
