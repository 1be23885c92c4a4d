//! Locks on a simulated platform: respected, waited for when asked, and a lost one ends the run.

use crate::apply::{failed, store_changed};
use crate::platform::declare::host;
use crate::platform::drive::{self, How, converge, paused, state, with_faults};
use es_cluster::apply::End;
use es_cluster::host::Claim;
use es_cluster::sim::{Effect, Faults};
use std::collections::BTreeMap;
use std::time::Duration;

#[test]
fn a_lock_is_respected_and_a_lost_one_ends_the_run() {
    paused(async {
        let (cluster, desired) = store_changed().await;
        let claim = Claim { who: "eve@there pid 9".into(), why: "esapply".into(), since: "now".into() };
        cluster.by_hand(&host(2), |machine| machine.lock = Some((1 << 40, claim)));
        let before = state(&cluster, &desired);
        let applied = converge(&cluster, &desired, &How::default()).await;
        let outcome = applied.outcome.as_ref().expect("alive");
        assert_eq!(outcome.exit_code(), 6);
        assert!(matches!(&outcome.end, End::Locked { holder, .. } if holder.contains("eve@there")), "{outcome:?}");
        assert_eq!(state(&cluster, &desired), before);
        assert!(!applied.trace.iter().any(|traced| matches!(traced.effect, Effect::Wrote { .. })));
        cluster.by_hand(&host(2), |machine| machine.lock = None);

        let lock_lost = BTreeMap::from([(host(3), Duration::from_secs(4))]);
        with_faults(&cluster, Faults { lock_lost, ..Faults::default() });
        let applied = converge(&cluster, &desired, &How::default()).await;
        assert!(failed(&applied).why.contains("lock of node3 was lost"), "{:#?}", failed(&applied));
        with_faults(&cluster, Faults::default());
        drive::settle(&cluster).await;
        assert_eq!(converge(&cluster, &desired, &How::default()).await.outcome.expect("alive").end, End::Done);
    });
}

#[test]
fn a_lock_can_be_waited_for_and_nothing_is_held_meanwhile() {
    paused(async {
        let (cluster, desired) = store_changed().await;
        let claim = Claim { who: "eve@there pid 9".into(), why: "esapply".into(), since: "now".into() };
        cluster.by_hand(&host(2), |machine| machine.lock = Some((1 << 40, claim)));
        let waiting = |seconds| How { lock_within: Duration::from_secs(seconds), ..How::default() };
        let applied = converge(&cluster, &desired, &waiting(5)).await;
        assert_eq!(applied.outcome.expect("alive").exit_code(), 6, "the wait has an end");

        let patient = waiting(600);
        let (applied, ()) = tokio::join!(converge(&cluster, &desired, &patient), async {
            tokio::time::sleep(Duration::from_millis(60_250)).await;
            let mut others = Vec::new();
            cluster.by_hand(&host(1), |machine| others.push(machine.lock.is_some()));
            assert_eq!(others, [false], "node1 is free for others");
            cluster.by_hand(&host(2), |machine| machine.lock = None);
        });
        assert_eq!(applied.outcome.expect("alive").end, End::Done);
    });
}
