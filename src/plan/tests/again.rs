//! A restart or a reload that somebody asks for.

use super::*;
use std::sync::Arc;

fn asking(asked: Again, only: &[&str]) -> PlanOptions {
    let declared = desired(&platform());
    let only = only.iter().map(|target| Target::parse(target, &declared).expect("a target")).collect();
    PlanOptions { asked: Some(asked), only, ..free() }
}

const NOW: Again = Again::Restart { since: 0 };

#[test]
fn a_restart_goes_the_way_of_a_change_and_changes_nothing() {
    let before = converged(&desired(&platform()));
    let (plan, _, text) = checked(&platform(), &before, &asking(NOW, &["all"]));
    insta::assert_snapshot!(text);
    assert_eq!((plan.summary.restarts, plan.summary.files, plan.refusals.len()), (11, 0, 0));
    let rolls = || plan.steps.iter().flat_map(|step| step.kind.rolls());
    assert!(rolls().all(|roll| roll.rollback.is_none()), "there is nothing to go back to");
    assert!(plan.changes.is_empty() && plan.steps.iter().all(|step| !matches!(step.kind, StepKind::Render { .. })));
    let (_, _, one) = checked(&platform(), &before, &asking(NOW, &["view@node2"]));
    assert_eq!(one, "[Canary] roll view@node2: safe? stop start ready healthy soak\n");
}

#[test]
fn what_has_restarted_in_this_run_is_left_alone() {
    let mut before = converged(&desired(&platform()));
    process(&mut before, "coord@node1").uptime = 3;
    let (_, _, text) = checked(&platform(), &before, &asking(Again::Restart { since: 10 }, &["coord"]));
    assert!(text.contains("node2") && !text.contains("node1"), "{text}");
}

#[test]
fn what_is_not_as_declared_is_not_changed_by_the_way() {
    let before = converged(&desired(&platform()));
    let mut roles = platform();
    roles[0] = roles[0].clone().file("main.conf", "a=7\n", OnChange::Restart);
    let (plan, ..) = checked(&roles, &before, &asking(NOW, &["coord"]));
    assert_eq!(names(&plan), ["differs"]);
    let (plan, ..) = checked(&roles, &before, &asking(NOW, &["view"]));
    assert!(plan.applyable(), "others may differ: {:?}", plan.refusals);
}

#[test]
fn a_reload_is_only_for_what_has_one() {
    let before = converged(&desired(&platform()));
    let (plan, _, text) = checked(&platform(), &before, &asking(Again::Reload, &["view"]));
    assert!(plan.applyable() && text.contains("reload ready healthy") && !text.contains("stop"), "{text}");
    let mut desired = desired(&platform());
    for instance in desired.instances.values_mut() {
        Arc::make_mut(&mut instance.process).reload_signal = None;
    }
    let (plan, _) = made(&desired, &before, &asking(Again::Reload, &["view"]));
    assert_eq!(names(&plan), ["no-reload"]);
    assert!(plan.steps.is_empty());
}
