//! What must hold always (ARCHITECTURE.md), over random platforms, changes and faults.

use crate::platform::declare::declare;
use crate::platform::drive::{
    self, Applied, How, apply_plan, converge, converged, left_to_do, observe, paused, plan_of, state, with_faults,
};
use crate::platform::spec::{Change, Drift, Spec, changes, drift, spec};
use crate::platform::watch::Watch;
use es_cluster::apply::{Cancel, End};
use es_cluster::desired::Desired;
use es_cluster::sim::{Bad, Behaviour, Cluster, Crash, Effect, Faults, When};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::collections::BTreeMap;
use std::time::Duration;

/// Cases of each property; together more than 2,000. They are the same ones each time, so that nobody's change fails for
/// somebody else's reason: `PROPTEST_RNG_SEED=N` and `PROPTEST_CASES=N` look further.
fn cases(count: u32) -> ProptestConfig {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let cases = number("PROPTEST_CASES").and_then(|cases| u32::try_from(cases).ok()).unwrap_or(count);
    let rng_seed = RngSeed::Fixed(number("PROPTEST_RNG_SEED").unwrap_or(3));
    ProptestConfig { cases, rng_seed, max_shrink_iters: 300, ..ProptestConfig::default() }
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

fn bad() -> impl Strategy<Value = Bad> {
    prop_oneof![
        Just(Bad::GivesUp),
        Just(Bad::CrashLoop),
        Just(Bad::NeverReady),
        Just(Bad::Sickens(Duration::from_secs(1))),
    ]
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![Just(When::Before), Just(When::During), Just(When::After)]
}

fn all(spec: &Spec, changes: &[Change]) -> Spec {
    changes.iter().fold(spec.clone(), |spec, change| spec.changed(*change))
}

/// A converged platform whose file has changed, and on which things have happened.
async fn changed(
    spec: &Spec,
    changes: &[Change],
    drift: &[Drift],
    behaviour: &Behaviour,
    seed: u64,
) -> (Cluster, Desired) {
    let (cluster, desired) = converged(spec, behaviour.clone(), seed).await;
    drive::settle(&cluster).await;
    assert_eq!(left_to_do(&cluster, &desired).await, [""; 0], "after the first start");
    for drift in drift {
        drive::drift(&cluster, &desired, *drift);
    }
    let desired = declare(&all(spec, changes));
    cluster.declare(&desired);
    with_faults(&cluster, Faults::default());
    (cluster, desired)
}

/// What an observer has against a run.
fn unhappy(applied: &Applied, desired: &Desired, behaviour: &Behaviour, drift: &[Drift]) -> Vec<String> {
    Watch { desired, behaviour, recreated: true, drifted: !drift.is_empty() }.violations(applied)
}

/// Nothing is left to do, at last. A service that ran nowhere could not be asked for its settings: they come second.
async fn nothing_left(cluster: &Cluster, desired: &Desired, drifted: bool) {
    drive::settle(cluster).await;
    let mut left = left_to_do(cluster, desired).await;
    if drifted && left.iter().all(|step| step.starts_with("repair ") || step.contains(" converged:")) {
        let applied = converge(cluster, desired, &How::default()).await;
        assert_eq!(applied.outcome.as_ref().expect("alive").exit_code(), 0, "{}", applied.told());
        left = left_to_do(cluster, desired).await;
    }
    assert_eq!(left, [""; 0]);
}

proptest! {
    #![proptest_config(cases(700))]

    /// Applying a plan leaves an empty plan, planning twice gives the same bytes, and on the way nothing is violated.
    #[test]
    fn fixed_point(
        spec in spec(), changes in changes(), drift in drift(), behaviour in behaviour(), seed in any::<u64>(),
        flaky in prop_oneof![Just(0_usize), 3_usize..20],
    ) {
        paused(async {
            let (cluster, desired) = changed(&spec, &changes, &drift, &behaviour, seed).await;
            with_faults(&cluster, Faults { flaky, ..Faults::default() });
            let inventory = observe(&cluster, &desired).await;
            let (plan, again) = (plan_of(&desired, &inventory), plan_of(&desired, &inventory));
            let json = |plan| serde_json::to_string(plan).expect("plain data");
            assert_eq!(json(&plan.0), json(&again.0));
            if !plan.0.applyable() {
                return;
            }
            let applied = apply_plan(&cluster, &desired, &inventory, plan.0, &How::default()).await;
            assert_eq!(applied.outcome.as_ref().expect("alive").end, End::Done, "{}", applied.told());
            assert_eq!(unhappy(&applied, &desired, &behaviour, &drift), [""; 0], "{}", applied.told());
            nothing_left(&cluster, &desired, !drift.is_empty()).await;
        });
    }
}

proptest! {
    #![proptest_config(cases(400))]

    /// Whenever the operator interrupts: no budget and no quorum is broken, and what was asked to finish is whole.
    #[test]
    fn budget_and_quorum(
        spec in spec(), changes in changes(), behaviour in behaviour(), seed in any::<u64>(), after in 0_u64..60_000, twice in any::<bool>(),
    ) {
        paused(async {
            let (cluster, desired) = changed(&spec, &changes, &[], &behaviour, seed).await;
            let cancel = Cancel::new();
            let how = How::interrupted(cancel.clone());
            let before = cluster.ready();
            let interrupt = async {
                tokio::time::sleep(Duration::from_millis(after)).await;
                cancel.request();
                if twice {
                    cancel.request();
                }
                std::future::pending::<()>().await;
            };
            let applied = tokio::select! {
                applied = converge(&cluster, &desired, &how) => applied,
                () = interrupt => unreachable!("it never ends"),
            };
            let code = applied.outcome.as_ref().expect("alive").exit_code();
            assert!(matches!(code, 0 | 7 | 130), "{:#?} {}", applied.outcome, applied.told());
            assert_eq!(unhappy(&applied, &desired, &behaviour, &[]), [""; 0], "{}", applied.told());
            if !twice {
                let now = cluster.ready();
                let lost: Vec<_> = before.iter().filter(|id| !now.contains(id)).collect();
                assert!(lost.is_empty(), "{lost:?} {}", applied.told());
            }
            if code != 7 {
                drive::settle(&cluster).await;
                let applied = converge(&cluster, &desired, &How::default()).await;
                assert_eq!(applied.outcome.as_ref().expect("alive").end, End::Done, "{}", applied.told());
                nothing_left(&cluster, &desired, true).await;
            }
        });
    }
}

proptest! {
    #![proptest_config(cases(400))]

    /// A canary that does not work is rolled back, and nothing else is touched; a corrected file goes through.
    #[test]
    fn canary_first(
        spec in spec(), changes in changes(), behaviour in behaviour(), seed in any::<u64>(), which in 0_usize..24, bad in bad(),
    ) {
        paused(async {
            let (cluster, desired) = changed(&spec, &changes, &[], &behaviour, seed).await;
            let new: Vec<_> = desired.instances.values().filter(|one| drive::is_new(&cluster, one)).collect();
            if new.is_empty() {
                return;
            }
            let broken = new[which % new.len()].clone();
            let faults = Faults { bad: BTreeMap::from([(broken.content_generation, bad)]), ..Faults::default() };
            with_faults(&cluster, faults.clone());
            let inventory = observe(&cluster, &desired).await;
            let (plan, _) = plan_of(&desired, &inventory);
            if !plan.applyable() {
                return;
            }
            let applied = apply_plan(&cluster, &desired, &inventory, plan, &How::default()).await;
            let outcome = applied.outcome.as_ref().expect("alive");
            assert_eq!(unhappy(&applied, &desired, &behaviour, &[]), [""; 0], "{}", applied.told());
            let ran_before = applied.existed.contains(&broken.id);
            match &outcome.end {
                End::Done => assert!(!applied.started(&broken), "{}", applied.told()),
                End::Failed { bundle } => {
                    assert!(applied.started(&broken), "{:#?} {}", outcome.end, applied.told());
                    let rolled_back = outcome.rolled_back.iter().any(|id| id.role == broken.id.role);
                    let new = applied.plan_starts_new(&broken.id.role);
                    assert!(rolled_back || new || !ran_before, "{bundle:#?} {}", applied.told());
                }
                end => panic!("{end:#?}"),
            }
            if outcome.exit_code() == 4 && !outcome.rolled_back.is_empty() {
                // The next run leaves the role at what works, and does what is left elsewhere.
                drive::settle(&cluster).await;
                let next = converge(&cluster, &desired, &How::default()).await;
let stopped = next.trace.iter().any(|traced| matches!(&traced.effect, Effect::Stop { instance, .. }
                    if instance.role == broken.id.role && traced.ready.contains(instance)));
                assert!(!stopped, "{}", next.told());
            }
        });
    }
}

proptest! {
    #![proptest_config(cases(400))]

    /// The controller dies, once or twice, anywhere; another one continues: it ends as if nothing had happened.
    #[test]
    fn crash_anywhere(
        spec in spec(), changes in changes(), behaviour in behaviour(), seed in any::<u64>(), at in prop::collection::vec((any::<prop::sample::Index>(), when()), 1..=2),
    ) {
        paused(async {
            let (cluster, desired) = changed(&spec, &changes, &[], &behaviour, seed).await;
            let whole = cluster.fork();
            let applied = converge(&whole, &desired, &How::default()).await;
            if applied.outcome.as_ref().expect("alive").exit_code() == 7 {
                return;
            }
            let operations = whole.operations();
            drive::settle(&whole).await;
            for (at, when) in at.iter().filter(|_| operations > 0) {
                let crash = Crash { at: at.index(operations), when: *when };
                with_faults(&cluster, Faults { crash: Some(crash), ..Faults::default() });
                let applied = converge(&cluster, &desired, &How::default()).await;
                assert_eq!(unhappy(&applied, &desired, &behaviour, &[Drift::Kill(0)]), [""; 0], "{}", applied.told());
            }
            with_faults(&cluster, Faults::default());
            ends_whole(&cluster, &desired).await;
            assert_eq!(drive::differences(&state(&whole, &desired), &state(&cluster, &desired)), [""; 0]);
        });
    }
}

/// Runs of other controllers, until nothing is left to do; at most three.
async fn ends_whole(cluster: &Cluster, desired: &Desired) {
    for _ in 0..3 {
        drive::settle(cluster).await;
        if left_to_do(cluster, desired).await.is_empty() {
            return;
        }
        let applied = converge(cluster, desired, &How::default()).await;
        let outcome = applied.outcome.as_ref().expect("alive");
        assert_eq!(outcome.end, End::Done, "{}", applied.told());
    }
    drive::settle(cluster).await;
    assert_eq!(left_to_do(cluster, desired).await, [""; 0]);
}

proptest! {
    #![proptest_config(cases(150))]

    /// Nothing outside the prefix is written, and no data is deleted, whatever has happened to the hosts before.
    #[test]
    fn stays_inside(spec in spec(), changes in changes(), drift in drift(), behaviour in behaviour(), seed in any::<u64>()) {
        paused(async {
            let (cluster, desired) = changed(&spec, &changes, &drift, &behaviour, seed).await;
            let had = |cluster: &Cluster| -> Vec<String> {
                let machines = desired.hosts.keys().filter_map(|host| Some((host, cluster.machine(host)?)));
                let data = machines.flat_map(|(host, machine)| {
                    let with = machine.instances.into_iter().filter(|(_, one)| one.has_data);
                    with.map(move |(role, _)| format!("{role}@{host}")).collect::<Vec<_>>()
                });
                data.collect()
            };
            let before = had(&cluster);
            let applied = converge(&cluster, &desired, &How::default()).await;
            let outside: Vec<String> = unhappy(&applied, &desired, &behaviour, &drift);
            assert_eq!(outside, [""; 0], "{}", applied.told());
            let after = had(&cluster);
            assert!(before.iter().all(|one| after.contains(one)), "{before:?} {after:?}");
        });
    }

    /// Looking and planning change nothing on any host.
    #[test]
    fn observing_changes_nothing(spec in spec(), changes in changes(), drift in drift(), behaviour in behaviour(), seed in any::<u64>()) {
        paused(async {
            let (cluster, desired) = changed(&spec, &changes, &drift, &behaviour, seed).await;
            let before = state(&cluster, &desired);
            let inventory = observe(&cluster, &desired).await;
            let _ = plan_of(&desired, &inventory);
            assert_eq!(cluster.take_trace(), []);
            assert_eq!(cluster.operations(), 0);
            assert_eq!(before, state(&cluster, &desired));
        });
    }
}

proptest! {
    #![proptest_config(cases(150))]

    /// A host that boots, after whatever was changed, comes back as it was: nothing is left to do. Without what starts at
    /// boot it waits for a run, which has only to start things.
    #[test]
    fn a_host_that_boots_comes_back(
        spec in spec(), changes in changes(), behaviour in behaviour(), seed in any::<u64>(), which in 0_usize..8,
    ) {
        paused(async {
            let (cluster, desired) = changed(&spec, &changes, &[], &behaviour, seed).await;
            let applied = converge(&cluster, &desired, &How::default()).await;
            if applied.outcome.as_ref().expect("alive").exit_code() != 0 {
                return;
            }
            nothing_left(&cluster, &desired, true).await;
            drive::drift(&cluster, &desired, Drift::Reboot(which));
            drive::settle(&cluster).await;
            if desired.hosts.values().all(|host| host.boot.is_some()) {
                assert_eq!(left_to_do(&cluster, &desired).await, [""; 0]);
            } else {
                assert!(!left_to_do(&cluster, &desired).await.is_empty(), "everything on that host is down");
                let applied = converge(&cluster, &desired, &How::default()).await;
                assert_eq!(applied.outcome.as_ref().expect("alive").end, End::Done, "{}", applied.told());
                nothing_left(&cluster, &desired, true).await;
            }
            for id in desired.instances.keys() {
                let machine = cluster.machine(&id.host).expect("a machine");
                let one = &machine.instances[id.role.as_str()];
                let runs = one.process.map(|process| process.content);
                let same = runs == one.current || id.host != *desired.hosts.keys().nth(which % desired.hosts.len()).expect("one");
                assert!(same, "{id} runs {runs:?} and not {:?}", one.current);
            }
        });
    }
}

/// A node's children in an order that the keys give.
fn shuffled(document: &str, keys: &[u64]) -> String {
    let mut document = kdl::KdlDocument::parse_v2(document).expect("the base scenario");
    let sort = |document: &mut kdl::KdlDocument| {
        let mut nodes: Vec<_> = document.nodes_mut().drain(..).enumerate().collect();
        nodes.sort_by_key(|(index, _)| {
            keys.get(index % keys.len().max(1)).map(|key| key.rotate_left(u32::try_from(*index).expect("few")))
        });
        document.nodes_mut().extend(nodes.into_iter().map(|(_, node)| node));
    };
    for node in document.nodes_mut() {
        if let Some(children) = node.children_mut().as_mut() {
            sort(children);
        }
    }
    sort(&mut document);
    document.to_string()
}

proptest! {
    #![proptest_config(cases(100))]

    /// The order of hosts and roles in the file changes neither what is declared nor the plan.
    #[test]
    fn order_does_not_matter(keys in prop::collection::vec(any::<u64>(), 1..8)) {
        let base = crate::bad::Texts::below(&crate::scenarios::folder().join("_base"));
        let text = String::from_utf8(base.0["cluster.kdl"].clone()).expect("text");
        let text = text.replace("\"node[1-3]\" address=\"10.0.0.[1-3]\";", "\nnode1 address=\"10.0.0.1\"\nnode2 address=\"10.0.0.2\"\nnode3 address=\"10.0.0.3\"\n");
        let planned = |text: &str| {
            let desired = crate::scenarios::desired(&base, text);
            let (mut plan, _) = plan_of(&desired, &crate::scenarios::nothing(&desired));
            plan.inputs.file = es_cluster::model::Digest::of(b"");
            let generations: Vec<_> = desired.instances.values().map(|one| (one.id.clone(), one.content_generation, one.restart_generation)).collect();
            (generations, serde_json::to_string(&plan).expect("plain data"))
        };
        prop_assert_eq!(planned(&text), planned(&shuffled(&text, &keys)));
    }
}
