//! Instances that are not declared any more, over random platforms: what they keep is moved away before they are stopped,
//! the others keep their majority, their data stays, and whoever continues a lost run ends the same.

use crate::platform::declare::{away, declare, service_name};
use crate::platform::drive::{
    self, Applied, How, apply_plan, converged, left_to_do, observe, paused, plan_of, with_faults,
};
use crate::platform::spec::{Spec, example, spec};
use es_cluster::apply::End;
use es_cluster::desired::Desired;
use es_cluster::inventory::{Held, HeldWhat, Inventory};
use es_cluster::model::InstanceId;
use es_cluster::plan::{Plan, PlanInput, PlanOptions, Refusal, plan};
use es_cluster::sim::{Behaviour, Cluster, Crash, Effect, Faults, When};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::Value;
use std::collections::BTreeSet;

fn cases(count: u32) -> ProptestConfig {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let rng_seed = RngSeed::Fixed(number("PROPTEST_RNG_SEED").unwrap_or(5));
    ProptestConfig { cases: count, rng_seed, max_shrink_iters: 200, ..ProptestConfig::default() }
}

/// Without one host of a role, or with another host in its place; as with a list of members, the others may have to read another
/// configuration.
fn moved(spec: &Spec, (service, role, host): (usize, usize, usize), to: Option<u8>, rolls: bool) -> Spec {
    let mut spec = spec.clone();
    let count = spec.services.len();
    let service = &mut spec.services[service % count];
    let count = service.roles.len();
    let role = &mut service.roles[role % count];
    let hosts: Vec<u8> = role.hosts.iter().copied().collect();
    role.hosts.remove(&hosts[host % hosts.len()]);
    role.hosts.extend(to);
    role.conf += u64::from(rolls);
    spec
}

/// The file has changed: hosts stay in it, also those without a role.
fn redeclare(cluster: &Cluster, spec: &Spec, before: &Desired) -> Desired {
    let mut desired = declare(spec);
    for (name, host) in &before.hosts {
        let idle = || {
            let mut host = host.clone();
            (host.idle, host.boot) = (true, None);
            host.software.clear();
            host
        };
        desired.hosts.entry(name.clone()).or_insert_with(idle);
    }
    cluster.declare(&desired);
    with_faults(cluster, Faults::default());
    desired
}

/// Looks, and takes in what is there and not declared.
async fn look(cluster: &Cluster, desired: &mut Desired) -> Inventory {
    let inventory = observe(cluster, desired).await;
    let known = declare(&example());
    let find = |name: &es_cluster::model::ModuleName| {
        known.services.values().map(|one| &one.module).find(|module| module.name.value == *name).cloned()
    };
    desired.let_go(&inventory, &find);
    observe(cluster, desired).await
}

async fn run(cluster: &Cluster, desired: &mut Desired) -> Option<Applied> {
    let inventory = look(cluster, desired).await;
    let (plan, _) = plan_of(desired, &inventory);
    if !plan.applyable() {
        return None;
    }
    Some(apply_plan(cluster, desired, &inventory, plan, &How::default()).await)
}

/// The names of what stands against it.
async fn refused(cluster: &Cluster, desired: &mut Desired) -> Vec<String> {
    let inventory = look(cluster, desired).await;
    let (plan, _) = plan_of(desired, &inventory);
    plan.standing_refusals().map(|refusal| refusal.name.to_string()).collect()
}

fn gone(applied: &Applied) -> Vec<(&InstanceId, bool)> {
    let gone = applied.trace.iter().filter_map(|traced| match &traced.effect {
        Effect::Withdrawn { instance, drained } => Some((instance, *drained)),
        _ => None,
    });
    gone.collect()
}

fn who() -> impl Strategy<Value = (usize, usize, usize)> {
    (0_usize..4, 0_usize..2, 0_usize..6)
}

proptest! {
    #![proptest_config(cases(200))]

    /// One leaves, or moves to another host: nothing is stopped that something is left on, data stays, and in the end there is
    /// nothing to do.
    #[test]
    fn what_is_kept_is_moved_away_first(
        spec in spec(), who in who(), to in prop::option::of(1_u8..=6), rolls in any::<bool>(), seed in any::<u64>(),
    ) {
        paused(async {
            let (cluster, before) = converged(&spec, Behaviour::default(), seed).await;
            drive::settle(&cluster).await;
            let mut desired = redeclare(&cluster, &moved(&spec, who, to, rolls), &before);
            let left: Vec<InstanceId> =
                before.instances.keys().filter(|id| !desired.instances.contains_key(*id)).cloned().collect();
            let Some(applied) = run(&cluster, &mut desired).await else { return };
            assert_eq!(applied.outcome.as_ref().expect("alive").end, End::Done, "{}", applied.told());
            let gone = gone(&applied);
            assert_eq!(gone.iter().map(|(id, _)| (*id).clone()).collect::<Vec<_>>(), left, "{}", applied.told());
            for (id, drained) in gone {
                let drains = before.instances[id].module.drain.is_some();
                assert!(drained || !drains, "{id} {}", applied.told());
                let machine = cluster.machine(&id.host).expect("a machine");
                assert!(machine.left_data.contains(id.role.as_str()), "{id}: its data stays");
                assert_eq!(cluster.setting(&before.instances[id].service, &away()), Value::Null, "it is put back");
            }
            drive::settle(&cluster).await;
            look(&cluster, &mut desired).await;
            assert!(desired.leaving.is_empty());
            assert_eq!(left_to_do(&cluster, &desired).await, [""; 0], "{}", applied.told());
        });
    }
}

proptest! {
    #![proptest_config(cases(200))]

    /// The controller dies anywhere on the way; another one ends the same.
    #[test]
    fn a_controller_that_dies_is_continued(
        spec in spec(), who in who(), to in prop::option::of(1_u8..=6), rolls in any::<bool>(), seed in any::<u64>(),
        at in any::<prop::sample::Index>(), when in prop_oneof![Just(When::Before), Just(When::During), Just(When::After)],
    ) {
        paused(async {
            let (cluster, before) = converged(&spec, Behaviour::default(), seed).await;
            drive::settle(&cluster).await;
            let mut desired = redeclare(&cluster, &moved(&spec, who, to, rolls), &before);
            let whole = cluster.fork();
            let Some(applied) = run(&whole, &mut desired).await else { return };
            assert_eq!(applied.outcome.as_ref().expect("alive").end, End::Done, "{}", applied.told());
            let operations = whole.operations();
            drive::settle(&whole).await;
            if operations == 0 {
                return;
            }
            let crash = Crash { at: at.index(operations), when };
            with_faults(&cluster, Faults { crash: Some(crash), ..Faults::default() });
            run(&cluster, &mut desired).await;
            with_faults(&cluster, Faults::default());
            for _ in 0..3 {
                drive::settle(&cluster).await;
                if refused(&cluster, &mut desired).await == [Refusal::UNDRAINED] {
                    // Of two voters the one was down when the run was lost, so the one that leaves does not serve: the way out that
                    // the refusal names.
                    let mut again = redeclare(&cluster, &spec, &before);
                    let applied = run(&cluster, &mut again).await.expect("it is declared again");
                    assert_eq!(applied.outcome.as_ref().expect("alive").end, End::Done, "{}", applied.told());
                    drive::settle(&cluster).await;
                    desired = redeclare(&cluster, &moved(&spec, who, to, rolls), &before);
                }
                let applied = run(&cluster, &mut desired).await.expect("it can be applied");
                assert_eq!(applied.outcome.as_ref().expect("alive").end, End::Done, "{}", applied.told());
                for (id, drained) in gone(&applied) {
                    assert!(drained || before.instances[id].module.drain.is_none(), "{id} {}", applied.told());
                }
            }
            drive::settle(&cluster).await;
            look(&cluster, &mut desired).await;
            assert_eq!(there(&whole), there(&cluster));
        });
    }
}

/// A member of an ensemble goes to another host, and the run is lost before any of its operations: whoever leads by then, the next
/// run comes to the end.
#[test]
fn a_member_moves_wherever_the_run_is_lost() {
    let mut spec = example();
    spec.services.truncate(1);
    // With this seed one leads, hands over, and leads again when the run was lost before the first start of its successor.
    for host in 0..3 {
        paused(async {
            let (cluster, before) = converged(&spec, Behaviour::default(), 6).await;
            drive::settle(&cluster).await;
            let mut desired = redeclare(&cluster, &moved(&spec, (0, 0, host), Some(4), false), &before);
            let whole = cluster.fork();
            run(&whole, &mut desired).await.expect("it can be applied");
            for at in 0..whole.operations() {
                let cluster = cluster.fork();
                let mut desired = desired.clone();
                with_faults(&cluster, Faults { crash: Some(Crash { at, when: When::Before }), ..Faults::default() });
                run(&cluster, &mut desired).await;
                with_faults(&cluster, Faults::default());
                drive::settle(&cluster).await;
                let applied = run(&cluster, &mut desired).await.expect("it can be applied");
                assert_eq!(applied.outcome.as_ref().expect("alive").end, End::Done, "lost at {at}: {}", applied.told());
            }
        });
    }
}

/// Whether it was stopped or rolled back on purpose: it leaves, and its hold with it.
#[test]
fn what_is_held_leaves_too() {
    for what in [HeldWhat::Stopped, HeldWhat::RolledBack] {
        paused(async {
            let mut spec = example();
            spec.services.truncate(1);
            let (cluster, before) = converged(&spec, Behaviour::default(), 6).await;
            drive::settle(&cluster).await;
            let one = before.instances.keys().next().expect("one").clone();
            cluster.by_hand(&one.host, |machine| {
                let found = machine.instances.get_mut(one.role.as_str()).expect("it is there");
                let (by, why) = ("ann".to_owned(), "a disk".to_owned());
                found.held = Some(Held { by, why, what, from: None, to: found.current });
            });
            if what == HeldWhat::Stopped {
                cluster.kill(&one);
            }
            let mut desired = redeclare(&cluster, &moved(&spec, (0, 0, 0), None, true), &before);
            let applied = run(&cluster, &mut desired).await.expect("it can be applied");
            assert_eq!(applied.outcome.as_ref().expect("alive").end, End::Done, "{}", applied.told());
            assert_eq!(gone(&applied).len(), 1, "{}", applied.told());
        });
    }
}

/// While nobody says who leads, the one that leaves may: nothing is done.
#[test]
fn silence_is_no_answer_to_who_leads() {
    paused(async {
        let mut spec = example();
        spec.services.truncate(1);
        let (cluster, before) = converged(&spec, Behaviour::default(), 6).await;
        drive::settle(&cluster).await;
        let mut desired = redeclare(&cluster, &moved(&spec, (0, 0, 0), Some(4), false), &before);
        with_faults(&cluster, Faults { leaderless: true, ..Faults::default() });
        let applied = run(&cluster, &mut desired).await.expect("it can be applied");
        let End::Failed { bundle } = &applied.outcome.as_ref().expect("alive").end else {
            panic!("{}", applied.told())
        };
        assert!(bundle.step.0.starts_with("hand over"), "{}", applied.told());
        assert_eq!(gone(&applied), []);
    });
}

/// What runs where and what is kept. Software that nothing uses any more is collected when its host is worked on next.
fn there(cluster: &Cluster) -> Vec<String> {
    let machines = cluster.hosts().into_iter().filter_map(|host| Some((cluster.machine(&host)?, host)));
    let told = machines.map(|(machine, host)| {
        let runs = machine.instances.iter().map(|(role, one)| (role, one.current, one.process.map(|one| one.content)));
        format!("{host}: {:?} {:?} {:?}", runs.collect::<Vec<_>>(), machine.left_data, machine.units)
    });
    told.collect()
}

/// The plan for the example without `hosts` of its second service.
async fn planned(without: &[u8], options: &PlanOptions) -> (Cluster, Desired, Plan) {
    let spec = example();
    let (cluster, before) = converged(&spec, Behaviour::default(), 1).await;
    drive::settle(&cluster).await;
    let mut changed = spec.clone();
    for role in &mut changed.services[1].roles {
        role.hosts.retain(|host| !without.contains(host));
    }
    let mut desired = redeclare(&cluster, &changed, &before);
    let inventory = look(&cluster, &mut desired).await;
    let (plan, _) = plan(&PlanInput { desired: &desired, inventory: &inventory, options });
    (cluster, desired, plan)
}

#[test]
fn the_last_one_that_keeps_something_does_not_leave() {
    paused(async {
        let (_, _, plan) = planned(&[1, 2, 3], &PlanOptions::default()).await;
        let names: BTreeSet<&str> = plan.standing_refusals().map(|refusal| refusal.name.as_str()).collect();
        assert_eq!(names, BTreeSet::from(["last-copy"]));
        let name = es_cluster::model::Name::new("last-copy").expect("a name");
        let options = PlanOptions { waivers: [(name, "a test".to_owned())].into(), ..PlanOptions::default() };
        let (cluster, desired, plan) = planned(&[1, 2, 3], &options).await;
        assert!(plan.applyable());
        let inventory = observe(&cluster, &desired).await;
        let applied = apply_plan(&cluster, &desired, &inventory, plan, &How::default()).await;
        assert_eq!(applied.outcome.as_ref().expect("alive").end, End::Done, "{}", applied.told());
        assert_eq!(gone(&applied).len(), 6);
    });
}

#[test]
fn what_does_not_run_can_t_be_drained_and_is_not_forgotten() {
    paused(async {
        let spec = example();
        let (cluster, before) = converged(&spec, Behaviour::default(), 1).await;
        drive::settle(&cluster).await;
        let mut changed = spec.clone();
        changed.services[1].roles[0].hosts.remove(&3);
        let mut desired = redeclare(&cluster, &changed, &before);
        let id = before.instances.keys().find(|id| !desired.instances.contains_key(*id)).expect("one leaves");
        cluster.kill(id);
        let inventory = look(&cluster, &mut desired).await;
        let (plan, _) = plan_of(&desired, &inventory);
        let names: Vec<&str> = plan.standing_refusals().map(|refusal| refusal.name.as_str()).collect();
        assert_eq!(names, ["undrained"]);
    });
}

/// The run ends after the stop, somebody declares it again, it serves and dies: what was drained once is no longer empty.
#[test]
fn what_has_served_since_it_was_drained_is_not_taken_for_empty() {
    paused(async {
        let spec = example();
        let mut changed = spec.clone();
        changed.services[1].roles[0].hosts.remove(&3);
        for at in 0.. {
            let (cluster, before) = converged(&spec, Behaviour::default(), 1).await;
            drive::settle(&cluster).await;
            let mut desired = redeclare(&cluster, &changed, &before);
            let id =
                before.instances.keys().find(|id| !desired.instances.contains_key(*id)).expect("one leaves").clone();
            with_faults(&cluster, Faults { crash: Some(Crash { at, when: When::After }), ..Faults::default() });
            run(&cluster, &mut desired).await.expect("it can be applied");
            let machine = cluster.machine(&id.host).expect("a machine");
            let one = machine.instances.get(id.role.as_str()).expect("it is not withdrawn yet");
            if !one.drained || one.process.is_some() {
                continue;
            }
            let mut again = redeclare(&cluster, &spec, &desired);
            drive::settle(&cluster).await;
            let applied = run(&cluster, &mut again).await.expect("it can be applied");
            assert_eq!(applied.outcome.as_ref().expect("alive").end, End::Done, "{}", applied.told());
            cluster.kill(&id);
            let mut desired = redeclare(&cluster, &changed, &again);
            drive::settle(&cluster).await;
            let inventory = look(&cluster, &mut desired).await;
            let (plan, _) = plan_of(&desired, &inventory);
            let names: Vec<&str> = plan.standing_refusals().map(|refusal| refusal.name.as_str()).collect();
            assert_eq!(names, ["undrained"]);
            return;
        }
    });
}

#[test]
fn nobody_leaves_while_the_version_changes() {
    paused(async {
        let spec = example();
        let (cluster, before) = converged(&spec, Behaviour::default(), 1).await;
        drive::settle(&cluster).await;
        let mut changed = spec.clone();
        changed.services[1].roles[0].hosts.remove(&3);
        changed.services[1].version = 2;
        let mut desired = redeclare(&cluster, &changed, &before);
        let inventory = look(&cluster, &mut desired).await;
        let (plan, _) = plan_of(&desired, &inventory);
        let names: Vec<&str> = plan.standing_refusals().map(|refusal| refusal.name.as_str()).collect();
        assert_eq!(names, ["leaves-upgrade"]);
    });
}

#[test]
fn members_that_know_each_other_from_files_change_one_at_a_time() {
    paused(async {
        let mut spec = example();
        spec.services[0].roles[0].hosts = BTreeSet::from([1, 2, 3, 4, 5]);
        let (cluster, before) = converged(&spec, Behaviour::default(), 1).await;
        drive::settle(&cluster).await;
        let mut changed = spec.clone();
        changed.services[0].roles[0].hosts = BTreeSet::from([1, 2, 3]);
        let mut desired = redeclare(&cluster, &changed, &before);
        let inventory = look(&cluster, &mut desired).await;
        let (plan, _) = plan_of(&desired, &inventory);
        let names: Vec<&str> = plan.standing_refusals().map(|refusal| refusal.name.as_str()).collect();
        assert_eq!(names, ["membership"], "{}", service_name(0));
    });
}

/// A drain that nobody does is noticed: an instance would be stopped that something is left on.
#[cfg(feature = "mutants")]
#[test]
fn a_drain_that_is_skipped_is_noticed() {
    paused(async {
        let (cluster, desired, plan) = planned(&[3], &PlanOptions::default()).await;
        let inventory = observe(&cluster, &desired).await;
        let how = How { mutation: Some(es_cluster::apply::Mutation::DrainSkipped), ..How::default() };
        let applied = apply_plan(&cluster, &desired, &inventory, plan, &how).await;
        assert!(gone(&applied).iter().any(|(_, drained)| !drained), "{}", applied.told());
    });
}
