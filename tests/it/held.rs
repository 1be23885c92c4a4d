//! What somebody stops stays down until it is started or released, over random platforms, lost controllers and boots.

use crate::platform::declare::{host, service_name, setting};
use crate::platform::drive::{
    self, Applied, How, apply_plan, converge, converged, left_to_do, observe, paused, plan_of, state, with_faults,
};
use crate::platform::spec::{Spec, example, spec};
use crate::platform::watch::Watch;
use es_cluster::apply::{Bundle, Cancel, End};
use es_cluster::check::check;
use es_cluster::desired::Desired;
use es_cluster::inventory::HeldWhat;
use es_cluster::model::{InstanceId, Name};
use es_cluster::plan::{Again, Plan, PlanInput, PlanOptions, Target, plan};
use es_cluster::sim::{Behaviour, Cluster, Crash, Effect, Faults, When};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::collections::BTreeSet;
use std::time::Duration;

fn cases(count: u32) -> ProptestConfig {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let cases = number("PROPTEST_CASES").and_then(|cases| u32::try_from(cases).ok()).unwrap_or(count);
    let rng_seed = RngSeed::Fixed(number("PROPTEST_RNG_SEED").unwrap_or(7));
    ProptestConfig { cases, rng_seed, max_shrink_iters: 200, ..ProptestConfig::default() }
}

pub(crate) fn id(text: &str) -> InstanceId {
    InstanceId::try_from(text.to_owned()).expect(text)
}

/// A plan of what is asked for; waived is what `waive` names.
pub(crate) async fn asked(
    cluster: &Cluster,
    desired: &Desired,
    asked: Again,
    only: &[InstanceId],
    waive: &[&str],
) -> Plan {
    let inventory = observe(cluster, desired).await;
    let waivers = waive.iter().map(|name| (Name::new(name).expect("a name"), "known".to_owned())).collect();
    let only = only.iter().cloned().map(Target::Instance).collect();
    let options = PlanOptions { asked: Some(asked), only, waivers, ..PlanOptions::default() };
    let (plan, _) = plan(&PlanInput { desired, inventory: &inventory, options: &options });
    assert_eq!(check(&plan, desired, &inventory), []);
    plan
}

/// Does what is asked for; nothing when the plan is refused.
pub(crate) async fn ask(
    cluster: &Cluster,
    desired: &Desired,
    what: Again,
    only: &[InstanceId],
    how: &How,
) -> Option<Applied> {
    let plan = asked(cluster, desired, what, only, &[]).await;
    let inventory = observe(cluster, desired).await;
    if !plan.applyable() {
        return None;
    }
    Some(apply_plan(cluster, desired, &inventory, plan, how).await)
}

fn done(applied: &Applied) {
    assert_eq!(applied.outcome.as_ref().expect("alive").end, End::Done, "{}", applied.told());
}

pub(crate) fn failed(applied: &Applied) -> Bundle {
    match &applied.outcome.as_ref().expect("alive").end {
        End::Failed { bundle } => bundle.as_ref().clone(),
        end => panic!("{end:#?}"),
    }
}

fn runs(cluster: &Cluster, id: &InstanceId) -> bool {
    let machine = cluster.machine(&id.host).expect("a host");
    machine.instances[id.role.as_str()].process.is_some()
}

pub(crate) fn held(cluster: &Cluster, id: &InstanceId) -> Option<HeldWhat> {
    let machine = cluster.machine(&id.host).expect("a host");
    machine.instances[id.role.as_str()].held.as_ref().map(|held| held.what)
}

fn stopped(applied: &Applied) -> BTreeSet<InstanceId> {
    let stops = applied.trace.iter().filter_map(|traced| match &traced.effect {
        Effect::Stop { instance, .. } => Some(instance.clone()),
        _ => None,
    });
    stops.collect()
}

/// Some of a platform, by numbers: of a service with rules only one, since the simulated ones never have copies enough for a
/// second one while the first is kept down.
fn some(desired: &Desired, which: &[usize]) -> Vec<InstanceId> {
    let all: Vec<&InstanceId> = desired.instances.keys().collect();
    let mut some: BTreeSet<InstanceId> = BTreeSet::new();
    for id in which.iter().map(|number| all[number % all.len()]) {
        let one = &desired.instances[id];
        let mate = |other: &InstanceId| desired.instances[other].service == one.service;
        if one.module.safe_to_stop.is_empty() || !some.iter().any(mate) {
            some.insert(id.clone());
        }
    }
    some.into_iter().collect()
}

fn which() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0_usize..24, 1..3)
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![Just(When::Before), Just(When::During), Just(When::After)]
}

async fn settled(spec: &Spec, seed: u64) -> (Cluster, Desired) {
    let (cluster, desired) = converged(spec, Behaviour::default(), seed).await;
    drive::settle(&cluster).await;
    with_faults(&cluster, Faults::default());
    (cluster, desired)
}

/// Everything serves, nothing is held, no setting is left changed.
async fn whole(cluster: &Cluster, desired: &Desired) {
    drive::settle(cluster).await;
    assert_eq!(left_to_do(cluster, desired).await, [""; 0]);
    assert_eq!(cluster.ready().len(), desired.instances.len());
    assert!(desired.instances.keys().all(|id| held(cluster, id).is_none()));
}

proptest! {
    #![proptest_config(cases(250))]

    /// Exactly what was asked for stops, no budget and no quorum is broken on the way, the next plans leave it, a host that
    /// boots leaves it, and a start brings it back.
    #[test]
    fn what_is_stopped_stays_down(spec in spec(), which in which(), seed in any::<u64>(), boots in any::<bool>()) {
        paused(async {
            let (cluster, desired) = settled(&spec, seed).await;
            let before = state(&cluster, &desired);
            let some = some(&desired, &which);
            let Some(applied) = ask(&cluster, &desired, Again::Stop, &some, &How::default()).await else { return };
            done(&applied);
            let watch = Watch { desired: &desired, behaviour: &Behaviour::default(), recreated: true, drifted: true };
            assert_eq!(watch.violations(&applied), [""; 0], "{}", applied.told());
            assert_eq!(stopped(&applied), some.iter().cloned().collect(), "{}", applied.told());
            drive::settle(&cluster).await;
            let inventory = observe(&cluster, &desired).await;
            assert_eq!(plan_of(&desired, &inventory).0.outcome(), es_cluster::plan::Outcome::Nothing);
            if boots && desired.hosts.values().all(|host| host.boot.is_some()) {
                cluster.reboot(&some[0].host);
                drive::settle(&cluster).await;
            }
            for id in &some {
                assert!(!runs(&cluster, id) && held(&cluster, id) == Some(HeldWhat::Stopped), "{id}");
            }
            let applied = ask(&cluster, &desired, Again::Start, &some, &How::default()).await.expect("it may start");
            done(&applied);
            assert_eq!(stopped(&applied), BTreeSet::new());
            whole(&cluster, &desired).await;
            assert_eq!(drive::differences(&before, &state(&cluster, &desired)), [""; 0]);
        });
    }
}

proptest! {
    #![proptest_config(cases(250))]

    /// The controller dies anywhere: the same command ends as if nothing had happened; a plain run puts settings back, and
    /// starts nothing that is held.
    #[test]
    fn a_lost_stop_is_finished_by_the_same_command(
        spec in spec(), which in which(), seed in any::<u64>(), at in any::<prop::sample::Index>(), when in when(),
    ) {
        paused(async {
            let (cluster, desired) = settled(&spec, seed).await;
            let some = some(&desired, &which);
            let finished = cluster.fork();
            let Some(applied) = ask(&finished, &desired, Again::Stop, &some, &How::default()).await else { return };
            done(&applied);
            drive::settle(&finished).await;
            let crash = Crash { at: at.index(finished.operations()), when };
            with_faults(&cluster, Faults { crash: Some(crash), ..Faults::default() });
            ask(&cluster, &desired, Again::Stop, &some, &How::default()).await;
            with_faults(&cluster, Faults::default());
            drive::settle(&cluster).await;
            let plain = cluster.fork();
            with_faults(&plain, Faults::default());
            let down: Vec<bool> = some.iter().map(|id| runs(&plain, id)).collect();
            done(&converge(&plain, &desired, &How::default()).await);
            drive::settle(&plain).await;
            assert_eq!(left_to_do(&plain, &desired).await, [""; 0]);
            for (id, ran) in some.iter().zip(down) {
                assert!(runs(&plain, id) == ran || held(&plain, id).is_none(), "{id}");
            }
            let applied = ask(&cluster, &desired, Again::Stop, &some, &How::default()).await.expect("it goes on");
            done(&applied);
            drive::settle(&cluster).await;
            // What it had changed for the stop is put back, too.
            assert_eq!(drive::differences(&state(&finished, &desired), &state(&cluster, &desired)), [""; 0]);
        });
    }
}

proptest! {
    #![proptest_config(cases(150))]

    /// The same for a start.
    #[test]
    fn a_lost_start_is_finished_by_the_same_command(
        spec in spec(), which in which(), seed in any::<u64>(), at in any::<prop::sample::Index>(), when in when(),
    ) {
        paused(async {
            let (cluster, desired) = settled(&spec, seed).await;
            let some = some(&desired, &which);
            let Some(applied) = ask(&cluster, &desired, Again::Stop, &some, &How::default()).await else { return };
            done(&applied);
            drive::settle(&cluster).await;
            let finished = cluster.fork();
            with_faults(&finished, Faults::default());
            done(&ask(&finished, &desired, Again::Start, &some, &How::default()).await.expect("it may start"));
            let crash = Crash { at: at.index(finished.operations()), when };
            with_faults(&cluster, Faults { crash: Some(crash), ..Faults::default() });
            ask(&cluster, &desired, Again::Start, &some, &How::default()).await;
            with_faults(&cluster, Faults::default());
            drive::settle(&cluster).await;
            done(&ask(&cluster, &desired, Again::Start, &some, &How::default()).await.expect("it may start"));
            done(&converge(&cluster, &desired, &How::default()).await);
            whole(&cluster, &desired).await;
        });
    }
}

proptest! {
    #![proptest_config(cases(150))]

    /// Whenever the operator interrupts: each is either stopped and held, or runs and is not.
    #[test]
    fn an_interrupted_stop_leaves_nothing_half_done(
        spec in spec(), which in which(), seed in any::<u64>(), after in 0_u64..20_000,
    ) {
        paused(async {
            let (cluster, desired) = settled(&spec, seed).await;
            let some = some(&desired, &which);
            let cancel = Cancel::new();
            let how = How::interrupted(cancel.clone());
            let interrupt = async {
                tokio::time::sleep(Duration::from_millis(after)).await;
                cancel.request();
                std::future::pending::<()>().await;
            };
            let applied = tokio::select! {
                applied = ask(&cluster, &desired, Again::Stop, &some, &how) => applied,
                () = interrupt => unreachable!("it never ends"),
            };
            let Some(applied) = applied else { return };
            assert!(matches!(applied.outcome.as_ref().expect("alive").exit_code(), 0 | 130), "{}", applied.told());
            for id in &some {
                assert_eq!(runs(&cluster, id), held(&cluster, id).is_none(), "{id} {}", applied.told());
            }
            for service in desired.services.keys() {
                assert_eq!(cluster.setting(service, &setting()), serde_json::Value::Null);
            }
        });
    }
}

/// Stops one while another one dies, and gives what came of it.
pub(crate) async fn one_dies_meanwhile(how: &How) -> (Cluster, Applied) {
    let (cluster, desired) = settled(&example(), 7).await;
    let dies = cluster.clone();
    let (one, other) = ([id("alpha-a@node1")], id("alpha-a@node2"));
    let stop = async {
        while dies.ready().contains(&one[0]) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        dies.kill(&other);
        std::future::pending::<()>().await;
    };
    let applied = tokio::select! {
        applied = ask(&cluster, &desired, Again::Stop, &one, how) => applied.expect("it may stop"),
        () = stop => unreachable!("it never ends"),
    };
    (cluster, applied)
}

#[test]
fn others_that_do_not_serve_without_it_end_the_run() {
    paused(async {
        let (_, applied) = one_dies_meanwhile(&How::default()).await;
        let bundle = failed(&applied);
        assert_eq!(applied.outcome.as_ref().expect("alive").exit_code(), 4);
        assert!(bundle.why.contains("serving without what was stopped"), "{bundle:#?}");
        assert!(bundle.then.contains("alpha-a@node1 is stopped and held"), "{bundle:#?}");
        assert!(bundle.next.starts_with("esapply start alpha-a@node1 "), "{bundle:#?}");
    });
}

#[test]
fn everything_stops_and_starts_in_order() {
    paused(async {
        let (cluster, desired) = settled(&example(), 7).await;
        let all: Vec<InstanceId> = desired.instances.keys().cloned().collect();
        let refused = asked(&cluster, &desired, Again::Stop, &all, &[]).await;
        assert!(!refused.applyable() && refused.refusals.iter().all(|one| one.name.as_str() == "outage"));
        let plan = asked(&cluster, &desired, Again::Stop, &all, &["outage"]).await;
        let inventory = observe(&cluster, &desired).await;
        let applied = apply_plan(&cluster, &desired, &inventory, plan, &How::default()).await;
        done(&applied);
        assert_eq!(stopped(&applied).len(), all.len());
        let first = service_name(0);
        let mut ended = false;
        for traced in &applied.trace {
            let Effect::Stop { instance, .. } = &traced.effect else { continue };
            let is_first = desired.instances[instance].service == first;
            assert!(is_first || !ended, "{instance} was stopped after what it needs: {}", applied.told());
            ended |= is_first;
        }
        assert_eq!(cluster.ready().len(), 0);
        assert_eq!(left_to_do(&cluster, &desired).await, [""; 0]);
        done(&ask(&cluster, &desired, Again::Start, &all, &How::default()).await.expect("it may start"));
        whole(&cluster, &desired).await;
    });
}

#[test]
fn a_release_leaves_what_follows_to_the_next_plan() {
    paused(async {
        let (cluster, desired) = settled(&example(), 7).await;
        let one = [id("beta-a@node2")];
        done(&ask(&cluster, &desired, Again::Stop, &one, &How::default()).await.expect("it may stop"));
        drive::settle(&cluster).await;
        let applied = ask(&cluster, &desired, Again::Release, &one, &How::default()).await.expect("it may");
        done(&applied);
        let effects: Vec<&Effect> = applied.trace.iter().map(|traced| &traced.effect).collect();
        let journal = |effect: &&Effect| matches!(effect, Effect::Recorded { .. } | Effect::Locked { .. });
        let written: Vec<String> =
            effects.iter().filter(|effect| !journal(effect)).map(|one| format!("{one:?}")).collect();
        let about = |text: &String| {
            text.contains("run/beta-a.held") || text.starts_with("Hold") || text.contains("log/history")
        };
        assert!(written.iter().all(about), "{written:#?}");
        assert!(!runs(&cluster, &one[0]) && held(&cluster, &one[0]).is_none());
        assert_eq!(
            left_to_do(&cluster, &desired).await,
            ["start beta-a@node2: [NotRunning]", "beta converged: [Follows]"]
        );
        done(&converge(&cluster, &desired, &How::default()).await);
        whole(&cluster, &desired).await;
    });
}

#[test]
fn why_it_is_held_is_kept_with_it() {
    paused(async {
        let (cluster, desired) = settled(&example(), 7).await;
        done(&ask(&cluster, &desired, Again::Stop, &[id("beta-a@node2")], &How::default()).await.expect("it may stop"));
        let one = cluster.machine(&host(2)).expect("a host").instances["beta-a"].clone();
        let held = one.held.expect("it is held");
        assert_eq!((held.by.as_str(), held.why.as_str()), ("tester@here pid 1", "esapply"));
    });
}

#[test]
fn a_stop_that_does_not_come_to_its_end_says_that_it_is_held() {
    paused(async {
        let (cluster, desired) = settled(&example(), 7).await;
        let one = id("alpha-a@node1");
        with_faults(&cluster, Faults { stuck: BTreeSet::from([one.clone()]), ..Faults::default() });
        let applied =
            ask(&cluster, &desired, Again::Stop, std::slice::from_ref(&one), &How::default()).await.expect("it may");
        let bundle = failed(&applied);
        assert!(bundle.then.starts_with("alpha-a@node1 is held, and may still run"), "{bundle:#?}");
        assert!(bundle.next.starts_with("esapply start alpha-a@node1 "), "{bundle:#?}");
        assert_eq!(held(&cluster, &one), Some(HeldWhat::Stopped));
    });
}

#[test]
fn a_stop_is_no_proof_of_what_is_on_trial() {
    paused(async {
        let (cluster, desired) = settled(&example(), 7).await;
        let one = id("alpha-a@node1");
        cluster.by_hand(&one.host, |machine| {
            let found = machine.instances.get_mut(one.role.as_str()).expect("it is there");
            found.trial = found.current;
        });
        let applied =
            ask(&cluster, &desired, Again::Stop, std::slice::from_ref(&one), &How::default()).await.expect("it may");
        done(&applied);
        let found = cluster.machine(&one.host).expect("a host").instances[one.role.as_str()].clone();
        assert_eq!(found.trial, found.current);
    });
}
