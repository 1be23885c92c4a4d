//! What plans look like, step by step.

mod again;
mod holds;
mod machine;
mod props;
mod rollback;
mod schema;
mod settings;
mod stale;
mod systemd;
pub(crate) mod world;

use super::*;
use crate::desired::Desired;
use crate::inventory::Inventory;
use crate::model::{Digest, OnChange};
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
        Action::IfLeads => "leads?",
        Action::Drain { .. } => "drain",
        Action::Withdraw => "withdraw",
        Action::PutBack => "put-back",
        Action::Hold { .. } => "hold",
        Action::Release => "release",
        Action::AwaitOthers { .. } => "others",
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

/// Plans, checks the plan, and tells it.
fn checked(roles: &[RoleSpec], inventory: &Inventory, options: &PlanOptions) -> (Plan, PlanReport, String) {
    let desired = desired(roles);
    let (plan, report) = made(&desired, inventory, options);
    let again = made(&desired, inventory, options).0;
    assert_eq!(crate::render::json(&plan), crate::render::json(&again), "the same input gives the same bytes");
    let back = Plan::from_json(&crate::render::json(&plan)).expect("a plan reads back");
    assert_eq!(back, plan);
    assert_eq!(crate::check::check(&plan, &desired, inventory), vec![], "{}", told(&plan));
    let text = told(&plan);
    (plan, report, text)
}

fn free() -> PlanOptions {
    PlanOptions::default()
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.refusals.iter().map(|refusal| refusal.name.as_str()).collect()
}

#[test]
fn a_restart_that_is_owed_needs_no_new_files() {
    let mut before = converged(&desired(&platform()));
    process(&mut before, "view@node2").restart_generation = Digest::of(b"older");
    let (plan, _, text) = checked(&platform(), &before, &free());
    assert_eq!(text, "[Canary] roll view@node2: safe? stop start ready healthy soak\n");
    assert_eq!(plan.steps[0].reason, vec![Reason::RestartPending]);
}

#[test]
fn an_edit_by_hand_is_put_back_and_nothing_is_restarted() {
    let mut before = converged(&desired(&platform()));
    let file = of(&mut before, "coord@node2").files.get_mut("main.conf").expect("file");
    (file.sha256, file.content) = (Digest::of(b"mine"), Some("mine".to_owned()));
    let (plan, _, text) = checked(&platform(), &before, &free());
    assert_eq!(text, "render coord@node2\ncollect node2\n");
    assert_eq!(plan.steps[0].reason, vec![Reason::ByHand(vec!["main.conf".to_owned()])]);
}

#[test]
fn damaged_software_is_assembled_anew_under_the_running_process() {
    let mut before = converged(&desired(&platform()));
    let damaged = crate::inventory::SoftwareObservation::Damaged(vec!["bin/run".to_owned()]);
    let folder = at(&mut before, "node1").software.keys().next().cloned().expect("software");
    at(&mut before, "node1").software.insert(folder.clone(), damaged);
    let (_, _, text) = checked(&platform(), &before, &free());
    assert_eq!(text, format!("fetch {folder} on node1\nassemble {folder} on node1\ncollect node1\n"));
}

#[test]
fn the_dead_are_started_together_before_anything_is_rolled() {
    let mut before = converged(&desired(&platform()));
    kill(&mut before, "coord@node2");
    kill(&mut before, "coord@node3");
    not_ready(&mut before, "coord@node1");
    let (_, report, text) = checked(&platform(), &before, &free());
    insta::assert_snapshot!(text);
    assert!(matches!(report.notes.as_slice(), [Note::WaitedFor { .. }]), "{report:?}");
}

#[test]
fn a_broken_instance_goes_first_with_its_change_and_uses_up_no_budget() {
    let mut before = converged(&desired(&platform()));
    kill(&mut before, "store-hot@node3");
    let mut roles = platform();
    roles[2] = roles[2].clone().file("main.conf", "a=5\n", OnChange::Restart);
    let (plan, _, text) = checked(&roles, &before, &free());
    insta::assert_snapshot!(text);
    assert_eq!(names(&plan), Vec::<&str>::new());
}

#[test]
fn what_runs_without_a_supervisor_is_replaced_one_by_one() {
    let mut before = converged(&desired(&platform()));
    for role in ["coord", "store-hot", "store-lead", "view"] {
        process(&mut before, &format!("{role}@node1")).supervised = None;
    }
    at(&mut before, "node1").supervisor.pid = None;
    let (_, _, text) = checked(&platform(), &before, &free());
    insta::assert_snapshot!(text);
}

#[test]
fn nothing_is_planned_on_a_host_that_was_not_observed() {
    let mut before = converged(&desired(&platform()));
    before.hosts.insert(host("node3"), crate::inventory::Seen::Unseen(crate::inventory::Unseen { why: "gone".into() }));
    let mut roles = platform();
    roles[0] = roles[0].clone().file("main.conf", "a=5\n", OnChange::Restart);
    let (plan, _, text) = checked(&roles, &before, &free());
    assert!(!text.contains("render coord@node3") && !text.contains("node3,"), "{text}");
    assert_eq!(names(&plan), ["unobserved", "max-unavailable", "quorum"]);
    assert_eq!(plan.outcome(), Outcome::Refused);
    let (plan, ..) = checked(&platform(), &before, &free());
    assert_eq!((names(&plan), plan.outcome()), (vec!["unobserved"], Outcome::Unobserved));
}

#[test]
fn what_may_not_be_written_is_refused_before_anything_runs() {
    let mut before = converged(&desired(&platform()));
    at(&mut before, "node1").closed = Some("/opt".into());
    assert!(checked(&platform(), &before, &free()).0.refusals.is_empty(), "nothing is to be made there");
    at(&mut before, "node1").prepared = false;
    assert_eq!(names(&checked(&platform(), &before, &free()).0), ["privilege"]);
}

#[test]
fn a_quorum_of_two_is_an_outage_that_somebody_has_to_take_on() {
    let mut roles = vec![RoleSpec::new("coord", coord(), &["node1", "node2"])];
    let before = converged(&desired(&roles));
    roles[0] = roles[0].clone().file("main.conf", "a=5\n", OnChange::Restart);
    let (plan, ..) = checked(&roles, &before, &free());
    assert_eq!((names(&plan), plan.outcome()), (vec!["quorum-outage"], Outcome::Refused));
    let waivers = BTreeMap::from([(name("quorum-outage"), "at night".to_owned())]);
    let (plan, _, text) = checked(&roles, &before, &PlanOptions { waivers, ..free() });
    assert_eq!(plan.outcome(), Outcome::Changes);
    assert_eq!(plan.refusals[0].waived.as_deref(), Some("at night"));
    assert!(text.contains("canary coord: 1 of node1 node2"), "{text}");
}

#[test]
fn a_canary_that_failed_blocks_its_role_until_something_else_is_declared() {
    let good = desired(&platform());
    let mut before = converged(&good);
    let mut roles = platform();
    roles[2] = roles[2].clone().file("main.conf", "bad\n", OnChange::Restart);
    let bad = desired(&roles);
    let canary = id("store-hot@node1");
    let (from, to) = (bad.instances[&canary].content_generation, good.instances[&canary].content_generation);
    let what = crate::inventory::HeldWhat::RolledBack;
    let held = crate::inventory::Held { by: "run".into(), why: "no".into(), what, from: Some(from), to: Some(to) };
    of(&mut before, "store-hot@node1").held = Some(held);
    let (plan, report, text) = checked(&roles, &before, &free());
    assert_eq!((text.as_str(), plan.outcome()), ("", Outcome::Nothing));
    assert!(
        report.notes.iter().any(|note| matches!(note, Note::Blocked { rest, .. } if rest.len() == 2)),
        "{report:?}"
    );
    // The rollback was interrupted before the start: it is finished.
    kill(&mut before, "store-hot@node1");
    let (_, _, text) = checked(&roles, &before, &free());
    assert_eq!(text, "[Repair] start store-hot@node1: start ready after healthy\nstore converged\n");
    // Something else is declared.
    roles[2] = roles[2].clone().file("main.conf", "good\n", OnChange::Restart);
    let (_, _, text) = checked(&roles, &before, &free());
    assert!(text.contains("[Canary] roll store-hot@node2"), "{text}");
}

#[test]
fn only_what_was_asked_for_is_changed() {
    let before = converged(&desired(&platform()));
    let mut roles = platform();
    for role in &mut roles {
        *role = role.clone().file("main.conf", "a=7\n", OnChange::Restart);
    }
    let declared = desired(&roles);
    let only = vec![Target::parse("store-hot@node2", &declared).expect("a target")];
    let (_, report, text) = checked(&roles, &before, &PlanOptions { only, ..free() });
    insta::assert_snapshot!(text);
    assert_eq!(report.notes.len(), 10);
    let unknown = Target::parse("store-hpt", &declared).expect_err("unknown");
    assert_eq!(unknown.nearest.as_deref(), Some("store-hot"));
}

#[test]
fn the_canary_alone_leaves_the_rest_and_what_comes_after() {
    let before = converged(&desired(&platform()));
    let mut roles = platform();
    for role in &mut roles {
        *role = role.clone().file("main.conf", "a=7\n", OnChange::Restart);
    }
    let (_, report, text) = checked(&roles, &before, &PlanOptions { canary_only: true, ..free() });
    assert!(text.contains("canary coord: 1 of") && !text.contains("[Rest]") && !text.contains("roll store"), "{text}");
    assert!(report.notes.iter().any(|note| matches!(note, Note::WaitsFor { .. })), "{report:?}");
}

#[test]
fn a_reload_and_a_file_that_nobody_has_to_be_told_about_stop_nothing() {
    let mut roles = platform();
    roles[3] = roles[3].clone().file("rules", "a\n", OnChange::Reload).file("note", "a\n", OnChange::Nothing);
    let before = converged(&desired(&roles));
    roles[3] = roles[3].clone().file("rules", "b\n", OnChange::Reload);
    let (_, _, text) = checked(&roles, &before, &free());
    assert!(text.contains("[Canary] roll view@node1: switch reload ready healthy soak\n"), "{text}");
    assert!(text.contains("[Rest] roll view@node2: switch reload ready healthy\n"), "{text}");
    let mut other = roles.clone();
    other[3] = roles[3].clone().file("note", "b\n", OnChange::Nothing);
    let (_, _, text) = checked(&other, &converged(&desired(&roles)), &free());
    assert!(text.contains("[Canary] place view@node1: switch\n[Rest] place view@node2: switch\n"), "{text}");
}

#[test]
fn data_of_another_member_too_little_memory_and_one_port_twice_are_refused() {
    let mut roles = platform();
    roles[0] = roles[0].clone().file("data:myid", "1\n", OnChange::Restart);
    let mut before = converged(&desired(&roles));
    let path = "/hosts/node2/data/coord/myid";
    let file = of(&mut before, "coord@node2").files.get_mut(path).expect("file");
    (file.sha256, file.content) = (Digest::of(b"3\n"), Some("3\n".to_owned()));
    roles[1].memory = 1 << 39;
    roles[3].port = 1000;
    let (plan, ..) = checked(&roles, &before, &free());
    assert_eq!(names(&plan), ["id-mismatch", "port-conflict", "port-conflict", "memory"]);
}

#[test]
fn a_lower_version_on_data_without_a_way_back_is_refused() {
    let mut roles = platform();
    roles[2].version = "2.0.0";
    let before = converged(&desired(&roles));
    roles[2].version = "1.0.0";
    let (plan, ..) = checked(&roles, &before, &free());
    assert_eq!(names(&plan), ["downgrade", "downgrade", "downgrade"]);
}

#[test]
fn a_dead_host_can_be_planned_without() {
    let mut before = converged(&desired(&platform()));
    before.hosts.insert(host("node2"), crate::inventory::Seen::Unseen(crate::inventory::Unseen { why: "gone".into() }));
    let without = std::collections::BTreeSet::from([host("node2")]);
    let (plan, report, text) = checked(&platform(), &before, &PlanOptions { without, ..free() });
    assert_eq!((text.as_str(), plan.outcome()), ("", Outcome::Nothing));
    assert!(matches!(report.notes.as_slice(), [Note::Without { .. }]), "{report:?}");
}

#[test]
fn a_canary_host_converges_whole_before_any_other() {
    let before = converged(&desired(&platform()));
    let mut roles = platform();
    for role in &mut roles {
        *role = role.clone().file("main.conf", "a=7\n", OnChange::Restart);
    }
    let mut declared = desired(&roles);
    declared.rollout.scope = crate::model::Scope::Host;
    let plan = default_plan(&declared, &before);
    assert_eq!(crate::check::check(&plan, &declared, &before), vec![]);
    insta::assert_snapshot!(told(&plan));
}

#[test]
fn a_plan_that_was_cut_or_is_of_another_format_is_refused_with_its_place() {
    let mut roles = platform();
    roles[0] = roles[0].clone().file("main.conf", "a=5\n", OnChange::Restart);
    let text = crate::render::json(&default_plan(&desired(&roles), &converged(&desired(&platform()))));
    assert!(Plan::from_json(&text).is_ok());
    for cut in [0, 1, 17, text.len() / 2, text.len() - 3] {
        let error = Plan::from_json(&text[..cut]).expect_err("cut").to_string();
        assert!(error.starts_with("it is no plan: line "), "{error}");
    }
    let error = Plan::from_json(&text.replacen(&format!("\"format\": {FORMAT}"), "\"format\": 7", 1))
        .expect_err("format")
        .to_string();
    assert!(error.starts_with("it has format 7"), "{error}");
}

#[test]
fn versions_that_cannot_be_mixed_are_not_mixed_after_an_interruption_either() {
    let mut before = converged(&desired(&platform()));
    let mut roles = platform();
    roles[3].version = "2.0.0";
    kill(&mut before, "view@node1");
    let (_, _, text) = checked(&roles, &before, &free());
    let rolls = |text: &str| text.lines().filter(|line| line.starts_with('[')).map(str::to_owned).collect::<Vec<_>>();
    let starts = [
        "[Canary] start view@node1: switch start ready healthy soak",
        "[Rest] start view@node2: switch start ready healthy",
    ];
    assert_eq!(rolls(&text), [&["[Recreate] stop view@node2: stop"], &starts[..]].concat());
    // Both were stopped, none was started.
    kill(&mut before, "view@node2");
    let (_, _, text) = checked(&roles, &before, &free());
    assert_eq!(rolls(&text), starts);
}
