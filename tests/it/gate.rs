//! `esplan --detailed-exitcode` as a gate: 0 exactly when a following apply writes nothing.

use crate::platform::drive::{self, How, apply_plan, converge, observe, paused, plan_of, state};
use crate::platform::spec::{Change, Drift, Spec, changes, drift, spec};
use es_cluster::plan::Outcome;
use es_cluster::sim::{Behaviour, Effect};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// The same cases each time, as in `props`.
fn cases(count: u32) -> ProptestConfig {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let cases = number("PROPTEST_CASES").and_then(|cases| u32::try_from(cases).ok()).unwrap_or(count);
    let rng_seed = RngSeed::Fixed(number("PROPTEST_RNG_SEED").unwrap_or(5));
    ProptestConfig { cases, rng_seed, max_shrink_iters: 300, ..ProptestConfig::default() }
}

/// What may have happened to a platform since it was as declared: nothing, something, or anything.
fn history() -> impl Strategy<Value = (Vec<Change>, Vec<Drift>)> {
    prop_oneof![
        2 => Just((Vec::new(), Vec::new())),
        2 => drift().prop_map(|drift| (Vec::new(), drift.into_iter().take(1).collect())),
        1 => (changes(), drift()),
    ]
}

/// Whether an effect leaves something on a host or in a service. A lock that was taken is gone with its run.
fn writes(effect: &Effect) -> bool {
    !matches!(effect, Effect::Locked { .. })
}

async fn gate_tells_what_an_apply_does(spec: &Spec, changes: &[Change], drift: &[Drift], seed: u64) {
    let (cluster, _) = drive::converged(spec, Behaviour::default(), seed).await;
    let declared = changes.iter().fold(spec.clone(), |spec, change| spec.changed(*change));
    let desired = crate::platform::declare::declare(&declared);
    drive::settle(&cluster).await;
    for drift in drift {
        drive::drift(&cluster, &desired, *drift);
    }
    cluster.declare(&desired);
    let inventory = observe(&cluster, &desired).await;
    let (plan, _) = plan_of(&desired, &inventory);
    let before = state(&cluster, &desired);
    let outcome = plan.outcome();
    let whole = cluster.fork();
    let applied = converge(&whole, &desired, &How::default()).await;
    let written: Vec<_> = applied.trace.iter().map(|traced| &traced.effect).filter(|effect| writes(effect)).collect();
    match outcome {
        Outcome::Changes => assert!(!written.is_empty(), "exit 2, and nothing was written\n{}", applied.told()),
        Outcome::Nothing => {
            assert!(written.is_empty(), "exit 0, and this was written: {written:#?}");
            assert_eq!(drive::differences(&before, &state(&whole, &desired)), [""; 0]);
            // Nor does somebody write who applies the empty plan itself.
            let applied = apply_plan(&cluster, &desired, &inventory, plan, &How::default()).await;
            assert!(!applied.trace.iter().any(|traced| writes(&traced.effect)), "{}", applied.told());
        }
        Outcome::Refused | Outcome::Unobserved => {
            assert!(written.is_empty(), "refused, and this was written: {written:#?}");
        }
    }
}

proptest! {
    #![proptest_config(cases(200))]

    /// 0 exactly when a following apply writes nothing; what is refused writes nothing either.
    #[test]
    fn exit_code_0_means_that_an_apply_writes_nothing(spec in spec(), (changes, drift) in history(), seed in any::<u64>()) {
        paused(gate_tells_what_an_apply_does(&spec, &changes, &drift, seed));
    }
}
