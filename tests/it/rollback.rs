//! A rollback that somebody asks for, over random platforms, lost controllers and boots.

use crate::held::{ask, asked, failed, held};
use crate::platform::declare::declare;
use crate::platform::drive::{self, Applied, How, converge, converged, left_to_do, paused, state, with_faults};
use crate::platform::spec::{Change, Spec, example, spec};
use crate::platform::watch::Watch;
use es_cluster::apply::End;
use es_cluster::desired::Desired;
use es_cluster::inventory::HeldWhat;
use es_cluster::model::{Digest, InstanceId};
use es_cluster::plan::Again;
use es_cluster::sim::{Bad, Behaviour, Cluster, Crash, Faults, When};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::collections::BTreeMap;
use std::time::Duration;

fn cases(count: u32) -> ProptestConfig {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let cases = number("PROPTEST_CASES").and_then(|cases| u32::try_from(cases).ok()).unwrap_or(count);
    let rng_seed = RngSeed::Fixed(number("PROPTEST_RNG_SEED").unwrap_or(9));
    ProptestConfig { cases, rng_seed, max_shrink_iters: 200, ..ProptestConfig::default() }
}

fn done(applied: &Applied) {
    assert_eq!(applied.outcome.as_ref().expect("alive").end, End::Done, "{}", applied.told());
}

fn current(cluster: &Cluster, id: &InstanceId) -> (Option<Digest>, Option<Digest>) {
    let one = cluster.machine(&id.host).expect("a host").instances[id.role.as_str()].clone();
    (one.current, one.process.map(|process| process.content))
}

/// A platform that was converged, changed and converged again: what its instances had before, and those that have changed.
async fn changed_twice(
    spec: &Spec,
    change: Change,
    seed: u64,
) -> Option<(Cluster, Desired, BTreeMap<InstanceId, Digest>)> {
    let (cluster, before) = converged(spec, Behaviour::default(), seed).await;
    drive::settle(&cluster).await;
    let desired = declare(&spec.changed(change));
    cluster.declare(&desired);
    with_faults(&cluster, Faults::default());
    let applied = converge(&cluster, &desired, &How::default()).await;
    if applied.outcome.as_ref().expect("alive").exit_code() != 0 {
        return None;
    }
    drive::settle(&cluster).await;
    with_faults(&cluster, Faults::default());
    let was = |id: &InstanceId| before.instances.get(id).map(|one| one.content_generation);
    let changed =
        desired.instances.values().filter(|one| was(&one.id).is_some_and(|was| was != one.content_generation));
    let changed: BTreeMap<_, _> = changed.filter_map(|one| Some((one.id.clone(), was(&one.id)?))).collect();
    (!changed.is_empty()).then_some((cluster, desired, changed))
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0_usize..4).prop_map(Change::Version),
        (0_usize..4, 0_usize..2).prop_map(|(service, role)| Change::Conf(service, role)),
        (0_usize..4, 0_usize..2).prop_map(|(service, role)| Change::Live(service, role)),
    ]
}

fn is_back(cluster: &Cluster, before: &BTreeMap<InstanceId, Digest>) {
    for (id, was) in before {
        assert_eq!(current(cluster, id), (Some(*was), Some(*was)), "{id}");
        assert_eq!(held(cluster, id), Some(HeldWhat::RolledBack), "{id}");
    }
}

proptest! {
    #![proptest_config(cases(200))]

    /// Everything that was changed goes back, within budget and quorum, and stays there, also when a host boots.
    #[test]
    fn what_was_changed_goes_back_and_stays(
        spec in spec(), change in change(), seed in any::<u64>(), boots in any::<bool>(),
    ) {
        paused(async {
            let Some((cluster, desired, before)) = changed_twice(&spec, change, seed).await else { return };
            let ids: Vec<InstanceId> = before.keys().cloned().collect();
            let Some(applied) = ask(&cluster, &desired, Again::Rollback, &ids, &How::default()).await else { return };
            done(&applied);
            let watch = Watch { desired: &desired, behaviour: &Behaviour::default(), recreated: true, drifted: false };
            assert_eq!(watch.violations(&applied), [""; 0], "{}", applied.told());
            drive::settle(&cluster).await;
            is_back(&cluster, &before);
            assert_eq!(left_to_do(&cluster, &desired).await, [""; 0]);
            if boots && desired.hosts.values().all(|host| host.boot.is_some()) {
                cluster.reboot(&ids[0].host);
                drive::settle(&cluster).await;
                is_back(&cluster, &before);
            }
            let again = asked(&cluster, &desired, Again::Rollback, &ids, &[]).await;
            assert!(again.steps.is_empty() && again.applyable(), "what has gone back is left: {:?}", again.refusals);
        });
    }
}

proptest! {
    #![proptest_config(cases(200))]

    /// The controller dies anywhere: the same command ends as if nothing had happened; a plain run leaves nobody in between.
    #[test]
    fn a_lost_rollback_is_finished(
        spec in spec(), change in change(), seed in any::<u64>(), at in any::<prop::sample::Index>(),
        when in prop_oneof![Just(When::Before), Just(When::During), Just(When::After)],
    ) {
        paused(async {
            let Some((cluster, desired, before)) = changed_twice(&spec, change, seed).await else { return };
            let ids: Vec<InstanceId> = before.keys().cloned().collect();
            let whole = cluster.fork();
            let Some(applied) = ask(&whole, &desired, Again::Rollback, &ids, &How::default()).await else { return };
            done(&applied);
            let operations = whole.operations();
            drive::settle(&whole).await;
            let crash = Crash { at: at.index(operations), when };
            with_faults(&cluster, Faults { crash: Some(crash), ..Faults::default() });
            ask(&cluster, &desired, Again::Rollback, &ids, &How::default()).await;
            with_faults(&cluster, Faults::default());
            drive::settle(&cluster).await;
            let plain = cluster.fork();
            with_faults(&plain, Faults::default());
            done(&converge(&plain, &desired, &How::default()).await);
            drive::settle(&plain).await;
            assert_eq!(left_to_do(&plain, &desired).await, [""; 0]);
            for (id, was) in &before {
                // What was only reloaded runs what it was started with.
                match held(&plain, id) {
                    Some(_) => assert_eq!(current(&plain, id), (Some(*was), Some(*was)), "{id}"),
                    None => assert_eq!(current(&plain, id).0, Some(desired.instances[id].content_generation), "{id}"),
                }
            }
            done(&ask(&cluster, &desired, Again::Rollback, &ids, &How::default()).await.expect("it goes on"));
            done(&converge(&cluster, &desired, &How::default()).await);
            drive::settle(&cluster).await;
            is_back(&cluster, &before);
            assert_eq!(drive::differences(&state(&whole, &desired), &state(&cluster, &desired)), [""; 0]);
        });
    }
}

#[test]
fn a_file_that_says_the_same_ends_the_hold_and_what_was_left_is_tried_when_it_is_declared_again() {
    paused(async {
        let (cluster, desired, before) = changed_twice(&example(), Change::Conf(1, 0), 7).await.expect("changed");
        let ids: Vec<InstanceId> = before.keys().cloned().collect();
        done(&ask(&cluster, &desired, Again::Rollback, &ids, &How::default()).await.expect("it may"));
        drive::settle(&cluster).await;
        let same = declare(&example());
        cluster.declare(&same);
        let releases: Vec<String> = ids.iter().map(|id| format!("release {id}: [Lapsed]")).collect();
        assert_eq!(left_to_do(&cluster, &same).await, releases);
        let applied = converge(&cluster, &same, &How::default()).await;
        done(&applied);
        assert!(applied.disturbed().is_empty(), "{}", applied.told());
        assert!(ids.iter().all(|id| held(&cluster, id).is_none()));
        assert_eq!(left_to_do(&cluster, &same).await, [""; 0]);
        cluster.declare(&desired);
        done(&converge(&cluster, &desired, &How::default()).await);
        for id in &ids {
            assert_eq!(current(&cluster, id).0, Some(desired.instances[id].content_generation), "{id}");
        }
    });
}

#[test]
fn a_rollback_that_fails_stops_after_the_canary() {
    paused(async {
        let (cluster, desired, before) = changed_twice(&example(), Change::Conf(1, 0), 7).await.expect("changed");
        let ids: Vec<InstanceId> = before.keys().cloned().collect();
        let bad = BTreeMap::from([(before[&ids[0]], Bad::NeverReady)]);
        with_faults(&cluster, Faults { bad, ..Faults::default() });
        let applied = ask(&cluster, &desired, Again::Rollback, &ids, &How::default()).await.expect("it may");
        let bundle = failed(&applied);
        assert_eq!(applied.disturbed().len(), 1, "{}", applied.told());
        assert!(bundle.then.contains("left as it is") || bundle.then.contains("was left"), "{bundle:#?}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    });
}

/// What goes back may be why the service is not well: it goes, and where others of it keep the service from being healthy, each
/// run goes on with the next one.
#[test]
fn a_service_that_is_not_well_can_go_back() {
    paused(async {
        let (cluster, desired, before) = changed_twice(&example(), Change::Conf(0, 0), 7).await.expect("changed");
        let ids: Vec<InstanceId> = before.keys().cloned().collect();
        let bad = desired.instances[&ids[0]].content_generation;
        with_faults(
            &cluster,
            Faults { bad: BTreeMap::from([(bad, Bad::Sickens(Duration::ZERO))]), ..Faults::default() },
        );
        for round in 1..=ids.len() {
            let applied = ask(&cluster, &desired, Again::Rollback, &ids, &How::default()).await.expect("it may");
            assert_eq!(applied.disturbed().len(), 1, "{}", applied.told());
            let code = applied.outcome.as_ref().expect("alive").exit_code();
            assert_eq!(code, if round == ids.len() { 0 } else { 4 }, "{}", applied.told());
            drive::settle(&cluster).await;
        }
        is_back(&cluster, &before);
    });
}
