//! What plans look like, step by step.

pub(crate) mod world;

use super::*;
use crate::desired::Desired;
use crate::inventory::Inventory;
use crate::model::OnChange;
use std::fmt::Write as _;
use world::*;

fn made(desired: &Desired, inventory: &Inventory, options: &PlanOptions) -> (Plan, PlanReport) {
    plan(&PlanInput { desired, inventory, options })
}

/// A plan in a few words: one line a step, what it needs not shown when it is the line before.
pub(crate) fn told(plan: &Plan) -> String {
    let mut text = String::new();
    for step in &plan.steps {
        let wave = step.wave.map_or(String::new(), |wave| format!("[{wave:?}] "));
        let _ = write!(text, "{wave}{}", step.id.0);
        match &step.kind {
            StepKind::Roll(roll) => _ = write!(text, ": {}", actions(roll)),
            StepKind::PickNext { candidates, budget, take, except, .. } => {
                let names: Vec<String> = candidates.iter().map(|roll| roll.instance.host.to_string()).collect();
                let except = except.as_ref().map_or(String::new(), |step| format!(" but `{}`", step.0));
                let _ = write!(text, ": {take} of {}{except}, {budget} at a time: ", names.join(" "));
                let _ = write!(text, "{}", candidates.first().map_or(String::new(), actions));
            }
            _ => {}
        }
        text.push('\n');
    }
    text
}

fn actions(roll: &Roll) -> String {
    let word = |action: &Action| match action {
        Action::CheckSafe => "safe?",
        Action::BeforeStop => "before",
        Action::Stop { .. } => "stop",
        Action::StopUnsupervised { .. } => "stop-unsupervised",
        Action::Switch { .. } => "switch",
        Action::Start { first: false } => "start",
        Action::Start { first: true } => "first-start",
        Action::Reload => "reload",
        Action::AwaitReady { .. } => "ready",
        Action::AfterReady => "after",
        Action::AwaitHealthy { .. } => "healthy",
        Action::Soak { .. } => "soak",
    };
    roll.actions.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn default_plan(desired: &Desired, inventory: &Inventory) -> Plan {
    made(desired, inventory, &PlanOptions::default()).0
}

#[test]
fn what_is_as_declared_gives_an_empty_plan() {
    let desired = desired(&platform());
    let plan = default_plan(&desired, &converged(&desired));
    assert_eq!(told(&plan), "");
    assert_eq!((plan.summary.changes, plan.changes.len(), plan.outcome()), (0, 0, Outcome::Nothing));
}

#[test]
fn nothing_is_bootstrapped_tier_by_tier_in_service_order() {
    let desired = desired(&platform());
    let plan = default_plan(&desired, &empty(&desired));
    insta::assert_snapshot!(told(&plan));
    assert_eq!(plan.summary.starts, 11);
}

#[test]
fn one_setting_rolls_its_role_alone_canary_first() {
    let before = converged(&desired(&platform()));
    let mut roles = platform();
    roles[0] = roles[0].clone().file("main.conf", "a=1\nb=3\n", OnChange::Restart);
    let plan = default_plan(&desired(&roles), &before);
    insta::assert_snapshot!(told(&plan));
    assert_eq!((plan.summary.restarts, plan.summary.starts), (3, 0));
}

#[test]
fn an_upgrade_has_its_own_order_of_tiers_and_no_way_back() {
    let before = converged(&desired(&platform()));
    let mut roles = platform();
    for role in &mut roles[1..] {
        role.version = "2.0.0";
    }
    let plan = default_plan(&desired(&roles), &before);
    insta::assert_snapshot!(told(&plan));
    let store = |step: &&Step| step.wave.is_some() && step.id.0.contains("store");
    assert!(plan.steps.iter().filter(store).all(|step| step.no_return));
}
