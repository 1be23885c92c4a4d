//! Mistakes that the properties have found, each as the smallest case that shows it.

use crate::platform::declare::{declare, service_name, setting};
use crate::platform::drive::{self, How, converge, converged, left_to_do, paused, with_faults};
use crate::platform::spec::{Change, Spec, example};
use crate::platform::watch::Watch;
use es_cluster::apply::End;
use es_cluster::sim::{Bad, Behaviour, Effect, Faults};

/// Two instances of a service were stopped together, and each saved the setting: the second one saved what the first had
/// already changed.
#[test]
fn two_that_stop_together_share_one_undo_record() {
    paused(async {
        let mut spec = example();
        spec.services[1].recreate = true;
        let (cluster, _) = converged(&spec, Behaviour::default(), 1).await;
        drive::settle(&cluster).await;
        cluster.set_setting(&service_name(1), &setting(), "some".into());
        let desired = declare(&spec.changed(Change::Version(1)));
        cluster.declare(&desired);
        let applied = converge(&cluster, &desired, &How::default()).await;
        assert_eq!(applied.outcome.as_ref().expect("alive").end, End::Done, "{}", applied.told());
        assert_eq!(cluster.setting(&service_name(1), &setting()), "some");
        assert_eq!(left_to_do(&cluster, &desired).await, [""; 0]);
    });
}

/// All were stopped to be replaced together, and the first new one did not work: the others stayed down.
#[test]
fn what_is_replaced_together_is_up_again_after_a_rollback() {
    paused(async {
        let mut spec = example();
        spec.services[1].recreate = true;
        spec.services[1].rules = false;
        let (cluster, _) = converged(&spec, Behaviour::default(), 1).await;
        drive::settle(&cluster).await;
        let desired = declare(&spec.changed(Change::Version(1)));
        cluster.declare(&desired);
        let new =
            desired.instances.values().find(|one| one.service == service_name(1)).expect("one").content_generation;
        with_faults(&cluster, Faults { bad: [(new, Bad::GivesUp)].into(), ..Faults::default() });
        let applied = converge(&cluster, &desired, &How::default()).await;
        assert_eq!(applied.outcome.as_ref().expect("alive").exit_code(), 4, "{}", applied.told());
        drive::settle(&cluster).await;
        assert_eq!(cluster.ready().len(), desired.instances.len(), "{}", applied.told());
    });
}

/// Two instances of one batch were each safe to stop, but not both: the rule was asked before the first one was down.
#[test]
fn a_safety_rule_is_asked_when_the_other_one_is_down() {
    paused(async {
        let mut spec = example();
        (spec.canary, spec.batch, spec.services[1].max) = (0, 2, 2);
        let (cluster, _) = converged(&spec, Behaviour::default(), 1).await;
        drive::settle(&cluster).await;
        let desired = declare(&spec.changed(Change::Conf(1, 0)));
        cluster.declare(&desired);
        let applied = converge(&cluster, &desired, &How::default()).await;
        assert_eq!(applied.outcome.as_ref().expect("alive").end, End::Done, "{}", applied.told());
        let unsafe_ = applied.trace.iter().filter(|traced| matches!(traced.effect, Effect::Stop { safe: false, .. }));
        assert_eq!(unsafe_.count(), 0, "{}", applied.told());
    });
}

/// An instance that did not serve when the plan was made, because others were down, serves again when its turn comes: it is
/// asked then whether it may be stopped.
#[test]
fn one_that_has_come_back_is_asked_before_it_is_stopped() {
    paused(async {
        let behaviour = Behaviour { copies: std::time::Duration::from_secs(5), ..Behaviour::default() };
        let mut spec: Spec = example();
        spec.services.truncate(1);
        spec.services[0].rules = true;
        let (cluster, desired) = converged(&spec, behaviour.clone(), 1).await;
        drive::settle(&cluster).await;
        let ids: Vec<_> = desired.instances.keys().cloned().collect();
        cluster.kill(&ids[0]);
        cluster.kill(&ids[1]);
        assert!(cluster.ready().is_empty(), "the majority is gone");
        let desired = declare(&spec.changed(Change::Version(0)));
        cluster.declare(&desired);
        with_faults(&cluster, Faults::default());
        let applied = converge(&cluster, &desired, &How::default()).await;
        assert_eq!(applied.outcome.as_ref().expect("alive").end, End::Done, "{}", applied.told());
        let watch = Watch { desired: &desired, behaviour: &behaviour, recreated: false, drifted: true };
        assert_eq!(watch.violations(&applied), [""; 0], "{}", applied.told());
    });
}
