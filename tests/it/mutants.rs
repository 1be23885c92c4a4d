//! Deliberate mistakes of the executor and of plans: each must be noticed by the same observers that judge the properties.
//! They exist only with the feature `mutants`.

use crate::held;
use crate::platform::declare::{declare, host, service_name, setting};
use crate::platform::drive::{
    self, Applied, How, apply_plan, converge, converged, left_to_do, observe, paused, plan_of, state, with_faults,
};
use crate::platform::spec::{Change, Spec, example};
use crate::platform::watch::Watch;
use es_cluster::apply::{End, Mutation};
use es_cluster::desired::Desired;
use es_cluster::host::Claim;
use es_cluster::model::InstanceId;
use es_cluster::plan::{Action, Again, Plan, Roll, StepKind};
use es_cluster::sim::{Bad, Behaviour, Cluster, Crash, Faults, When};
use std::collections::BTreeMap;
use std::time::Duration;

const ALL: [Mutation; 17] = [
    Mutation::SoakSkipped,
    Mutation::GateIgnored,
    Mutation::EdgeDropped,
    Mutation::BatchTooLarge,
    Mutation::UndoForgotten,
    Mutation::RestoreForgotten,
    Mutation::LeaderNotLast,
    Mutation::RollbackSkipped,
    Mutation::GoesOnAfterFailure,
    Mutation::RestartsTwice,
    Mutation::LockIgnored,
    Mutation::JournalAfterEffect,
    Mutation::SafetyIgnored,
    Mutation::StaleIgnored,
    Mutation::CheckIgnored,
    Mutation::HoldForgotten,
    Mutation::OthersIgnored,
];

/// Copies take longer than the gate waits, so that the safety rule has something to say.
fn behaviour() -> Behaviour {
    Behaviour { copies: Duration::from_secs(8), ..Behaviour::default() }
}

fn batches() -> Spec {
    let mut spec = example();
    spec.batch = 2;
    spec.services[1].max = 2;
    spec.services[1].rules = false;
    spec.services[1].leader = true;
    spec
}

fn judged(applied: &Applied, desired: &Desired) -> Vec<String> {
    Watch { desired, behaviour: &behaviour(), recreated: false, drifted: false }.violations(applied)
}

async fn changed(spec: &Spec, change: Change, seed: u64) -> (Cluster, Desired) {
    let (cluster, _) = converged(spec, behaviour(), seed).await;
    drive::settle(&cluster).await;
    let desired = declare(&spec.changed(change));
    cluster.declare(&desired);
    with_faults(&cluster, Faults::default());
    (cluster, desired)
}

/// Everything that the checks have against an executor with this mistake; nothing for the right one.
async fn found(how: &How) -> Vec<String> {
    let mut found = from_nothing(how).await;
    for (spec, change, seed) in [
        (example(), Change::Version(1), 1),
        (example(), Change::Conf(0, 0), 2),
        (example(), Change::Conf(0, 0), 3),
        (example(), Change::Conf(0, 0), 4),
        (batches(), Change::Conf(1, 0), 5),
    ] {
        found.extend(change_of(&spec, change, seed, how).await);
    }
    found.extend(bad_canary(how).await);
    found.extend(crash_in_a_restart(how).await);
    found.extend(at_the_same_time(how).await);
    found.extend(wrong_plans(how).await);
    found.extend(stopped_on_purpose(how).await);
    found
}

async fn from_nothing(how: &How) -> Vec<String> {
    let desired = declare(&example());
    let cluster = Cluster::new(&desired, behaviour(), 7);
    let applied = converge(&cluster, &desired, how).await;
    let mut found = judged(&applied, &desired);
    let end = &applied.outcome.as_ref().expect("alive").end;
    if *end != End::Done {
        found.push(format!("the first start did not work: {end:?}"));
    }
    found
}

async fn change_of(spec: &Spec, change: Change, seed: u64, how: &How) -> Vec<String> {
    let (cluster, desired) = changed(spec, change, seed).await;
    let applied = converge(&cluster, &desired, how).await;
    let mut found = judged(&applied, &desired);
    let end = &applied.outcome.as_ref().expect("alive").end;
    if *end != End::Done {
        found.push(format!("a change did not work: {end:?}"));
    }
    drive::settle(&cluster).await;
    found.extend(left_to_do(&cluster, &desired).await);
    found
}

async fn bad_canary(how: &How) -> Vec<String> {
    let (cluster, desired) = changed(&batches(), Change::Conf(1, 0), 7).await;
    let before = state(&cluster, &desired);
    let one = InstanceId::try_from("beta-a@node1".to_owned()).expect("id");
    let bad = BTreeMap::from([(desired.instances[&one].content_generation, Bad::NeverReady)]);
    with_faults(&cluster, Faults { bad, ..Faults::default() });
    let applied = converge(&cluster, &desired, how).await;
    let mut found = judged(&applied, &desired);
    let outcome = applied.outcome.as_ref().expect("alive");
    if outcome.exit_code() != 4 || outcome.rolled_back != [one] {
        found.push(format!("a canary that does not work ended with {outcome:?}"));
    }
    let now = state(&cluster, &desired);
    let others = before.iter().filter(|(name, _)| name.contains("@node2") || name.contains("@node3"));
    for (name, _) in
        others.filter(|(name, was)| now.get(*name).map(|now| now.split(' ').next()) != Some(was.split(' ').next()))
    {
        found.push(format!("{name} is not what it was"));
    }
    found
}

/// The controller dies right after the instance was stopped; another one continues.
async fn crash_in_a_restart(how: &How) -> Vec<String> {
    let (cluster, desired) = changed(&example(), Change::Conf(1, 0), 7).await;
    cluster.set_setting(&service_name(1), &setting(), "some".into());
    let mut found = Vec::new();
    for at in 10..40 {
        let cluster = cluster.fork();
        with_faults(&cluster, Faults { crash: Some(Crash { at, when: When::After }), ..Faults::default() });
        found.extend(judged(&converge(&cluster, &desired, how).await, &desired));
        with_faults(&cluster, Faults::default());
        drive::settle(&cluster).await;
        converge(&cluster, &desired, how).await;
        let now = cluster.setting(&service_name(1), &setting());
        if now != "some" {
            found.push(format!("after a crash at {at} the setting is {now}"));
        }
    }
    found
}

/// Somebody else is at work, or was.
async fn at_the_same_time(how: &How) -> Vec<String> {
    let mut found = Vec::new();
    let (cluster, desired) = changed(&example(), Change::Conf(1, 0), 7).await;
    let inventory = observe(&cluster, &desired).await;
    let (plan, _) = plan_of(&desired, &inventory);
    let stale = cluster.fork();
    let claim = Claim { who: "eve@there pid 9".into(), why: "esapply".into(), since: "now".into() };
    cluster.by_hand(&host(1), |machine| machine.lock = Some((1 << 40, claim)));
    let applied = apply_plan(&cluster, &desired, &inventory, plan.clone(), how).await;
    if applied.outcome.as_ref().expect("alive").exit_code() != 6 {
        found.push(format!("a lock was ignored: {:?}", applied.outcome));
    }
    stale.kill(&InstanceId::try_from("alpha-a@node2".to_owned()).expect("id"));
    let applied = apply_plan(&stale, &desired, &inventory, plan, how).await;
    if applied.outcome.as_ref().expect("alive").exit_code() != 5 {
        found.push(format!("a stale plan was applied: {:?}", applied.outcome));
    }
    found
}

/// What is stopped stays down, and a stop that the others do not bear ends the run.
async fn stopped_on_purpose(how: &How) -> Vec<String> {
    let (cluster, desired) = converged(&example(), behaviour(), 7).await;
    drive::settle(&cluster).await;
    let one = InstanceId::try_from("alpha-a@node1".to_owned()).expect("id");
    held::ask(&cluster, &desired, Again::Stop, &[one], how).await.expect("it may stop");
    drive::settle(&cluster).await;
    let mut found = left_to_do(&cluster, &desired).await;
    let (_, applied) = held::one_dies_meanwhile(how).await;
    if applied.outcome.as_ref().expect("alive").exit_code() != 4 {
        found.push(format!("the others do not serve: {:?}", applied.outcome));
    }
    found
}

/// Plans as a planner with a mistake would make them.
async fn wrong_plans(how: &How) -> Vec<String> {
    let (cluster, desired) = changed(&example(), Change::Version(1), 7).await;
    let inventory = observe(&cluster, &desired).await;
    let (plan, _) = plan_of(&desired, &inventory);
    let mut found = Vec::new();
    for (mistake, wrong) in mistakes(&plan) {
        assert_ne!(wrong, plan, "{mistake} changes nothing");
        let applied = apply_plan(&cluster.fork(), &desired, &inventory, wrong, how).await;
        let code = applied.outcome.as_ref().expect("alive").exit_code();
        if code != 7 {
            found.push(format!("a plan was not refused: {mistake}"));
        }
    }
    found
}

/// A plan with one mistake each.
fn mistakes(plan: &Plan) -> Vec<(&'static str, Plan)> {
    let edit = |change: &dyn Fn(&mut Plan)| {
        let mut wrong = plan.clone();
        change(&mut wrong);
        wrong
    };
    let rolls = |change: &dyn Fn(&mut Roll)| {
        edit(&|plan| {
            for step in &mut plan.steps {
                match &mut step.kind {
                    StepKind::Roll(roll) => change(roll),
                    StepKind::PickNext { candidates, .. } => candidates.iter_mut().for_each(change),
                    _ => {}
                }
            }
        })
    };
    let without = |wanted: fn(&Action) -> bool| rolls(&|roll| roll.actions.retain(|action| !wanted(action)));
    vec![
        ("no soak", without(|action| matches!(action, Action::Soak { .. }))),
        ("nobody asks whether it is safe", without(|action| matches!(action, Action::CheckSafe))),
        ("nobody waits for ready", without(|action| matches!(action, Action::AwaitReady { .. }))),
        ("no gate", without(|action| matches!(action, Action::AwaitHealthy { .. } | Action::Soak { .. }))),
        ("it is never started", without(|action| matches!(action, Action::Start { .. }))),
        ("edges dropped", edit(&|plan| plan.steps.iter_mut().for_each(|step| step.needs.clear()))),
        ("a need that comes later", edit(&|plan| plan.steps.reverse())),
        (
            "nothing is rendered",
            edit(&|plan| {
                let gone: Vec<_> = plan
                    .steps
                    .iter()
                    .filter(|step| matches!(step.kind, StepKind::Render { .. }))
                    .map(|step| step.id.clone())
                    .collect();
                plan.steps.retain(|step| !gone.contains(&step.id));
                plan.steps.iter_mut().for_each(|step| step.needs.retain(|need| !gone.contains(need)));
            }),
        ),
        (
            "rolled twice",
            edit(&|plan| {
                if let Some(mut again) = plan.steps.iter().find(|step| matches!(step.kind, StepKind::Roll(_))).cloned()
                {
                    again.needs = plan.steps.iter().map(|step| step.id.clone()).collect();
                    again.id.0.push_str(" again");
                    plan.steps.push(again);
                }
            }),
        ),
    ]
}

#[test]
fn each_is_caught() {
    let right = paused(found(&How::default()));
    assert!(right.is_empty(), "the executor without a mistake: {right:#?}");
    let mut missed = Vec::new();
    for mutation in ALL {
        let how = How { mutation: Some(mutation), ..How::default() };
        let found = paused(found(&how));
        println!("{mutation:?}: {} findings, e.g. {}", found.len(), found.first().map_or("none", String::as_str));
        if found.is_empty() {
            missed.push(mutation);
        }
    }
    assert!(missed.is_empty(), "nobody notices {missed:?}");
}
