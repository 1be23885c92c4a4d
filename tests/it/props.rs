//! What must hold always (ARCHITECTURE.md), over random platforms, changes and faults.

use crate::platform::declare::declare;
use crate::platform::drive::{
    self, How, converge, converged, left_to_do, observe, paused, plan_of, state, with_faults,
};
use crate::platform::spec::{Change, Drift, Spec, changes, drift, spec};
use crate::platform::watch::Watch;
use es_cluster::apply::End;
use es_cluster::model::Strategy as Replaced;
use es_cluster::sim::{Bad, Behaviour, Crash, Faults, When};
use proptest::prelude::*;
use std::time::Duration;

/// Cases of each property; together more than 2,000.
fn cases(count: u32) -> ProptestConfig {
    ProptestConfig { cases: count, max_shrink_iters: 400, ..ProptestConfig::default() }
}

/// How the services of a random platform behave.
fn behaviour() -> impl Strategy<Value = Behaviour> {
    (any::<bool>(), 1_u64..6, 0_u64..6).prop_map(|(leaders_move, start, copies)| Behaviour {
        leaders_move,
        start: Duration::from_secs(start),
        copies: Duration::from_secs(copies),
        ..Behaviour::default()
    })
}

fn all(spec: &Spec, changes: &[Change]) -> Spec {
    changes.iter().fold(spec.clone(), |spec, change| spec.changed(*change))
}

proptest! {
    #![proptest_config(cases(600))]

    /// Applying a plan leaves an empty plan, planning twice gives the same bytes, and on the way nothing is violated.
    #[test]
    fn fixed_point(
        spec in spec(), changes in changes(), drift in drift(), behaviour in behaviour(), seed in any::<u64>(), flaky in prop_oneof![Just(0_usize), 3_usize..20],
    ) {
        paused(fixed_point_of(&spec, &changes, &drift, &behaviour, seed, flaky));
    }
}

async fn fixed_point_of(
    spec: &Spec,
    changes: &[Change],
    drift: &[Drift],
    behaviour: &Behaviour,
    seed: u64,
    flaky: usize,
) {
    let (cluster, desired) = converged(spec, behaviour.clone(), seed).await;
    drive::settle(&cluster).await;
    assert_eq!(left_to_do(&cluster, &desired).await, [""; 0], "after the first start");
    for drift in drift {
        drive::drift(&cluster, &desired, *drift);
    }
    let desired = declare(&all(spec, changes));
    cluster.declare(&desired);
    with_faults(&cluster, Faults { flaky, ..Faults::default() });
    let inventory = observe(&cluster, &desired).await;
    let (plan, again) = (plan_of(&desired, &inventory), plan_of(&desired, &inventory));
    let json = |plan| serde_json::to_string(plan).expect("plain data");
    assert_eq!(json(&plan.0), json(&again.0));
    if !plan.0.applyable() {
        return;
    }
    let applied = drive::apply_plan(&cluster, &desired, &inventory, plan.0, &How::default()).await;
    let outcome = applied.outcome.as_ref().expect("nobody died");
    assert_eq!(outcome.end, End::Done, "{}", applied.told());
    let watch = Watch { desired: &desired, behaviour, recreated: true, drifted: !drift.is_empty() };
    assert_eq!(watch.violations(&applied), [""; 0], "{}", applied.told());
    drive::settle(&cluster).await;
    let mut left = left_to_do(&cluster, &desired).await;
    if !drift.is_empty() && left.iter().all(|step| step.starts_with("repair ")) {
        // A service that ran nowhere could not be asked for its settings: it can now.
        assert_eq!(drive::converge(&cluster, &desired, &How::default()).await.outcome.expect("alive").exit_code(), 0);
        left = left_to_do(&cluster, &desired).await;
    }
    assert_eq!(left, [""; 0]);
}
