//! The executor on a simulated platform: what an operator sees when things go right and wrong.

use crate::platform::declare::{CHANGED, declare, host, service_name, setting};
use crate::platform::drive::{
    self, Applied, How, apply_plan, converge, converged, left_to_do, observe, paused, plan_of, state, with_faults,
};
use crate::platform::spec::{Change, Spec, example};
use crate::platform::watch::Watch;
use es_cluster::apply::{Bundle, Cancel, End, Happening};
use es_cluster::desired::Desired;
use es_cluster::inventory::HeldWhat;
use es_cluster::model::{InstanceId, Name};
use es_cluster::sim::{Bad, Behaviour, Cluster, Crash, Faults, When};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn id(text: &str) -> InstanceId {
    InstanceId::try_from(text.to_owned()).expect(text)
}

/// The example, converged, with a change of the store's first role declared.
pub(crate) async fn store_changed() -> (Cluster, Desired) {
    let (cluster, _) = converged(&example(), Behaviour::default(), 7).await;
    drive::settle(&cluster).await;
    let desired = declare(&example().changed(Change::Conf(1, 0)));
    cluster.declare(&desired);
    with_faults(&cluster, Faults::default());
    (cluster, desired)
}

pub(crate) fn failed(applied: &Applied) -> Bundle {
    match &applied.outcome.as_ref().expect("alive").end {
        End::Failed { bundle } => bundle.as_ref().clone(),
        end => panic!("{end:#?}"),
    }
}

fn pids(cluster: &Cluster) -> BTreeMap<String, u32> {
    let machines = cluster.hosts().into_iter().filter_map(|host| Some((host.clone(), cluster.machine(&host)?)));
    let runs = machines.flat_map(|(host, machine)| {
        let instances = machine.instances.into_iter();
        instances.filter_map(move |(role, one)| Some((format!("{role}@{host}"), one.process?.pid))).collect::<Vec<_>>()
    });
    runs.collect()
}

fn touched(applied: &Applied) -> Vec<String> {
    applied.disturbed().iter().map(ToString::to_string).collect()
}

#[test]
fn a_canary_that_does_not_work_is_rolled_back_and_nothing_else_is_touched() {
    for bad in [Bad::GivesUp, Bad::CrashLoop, Bad::NeverReady, Bad::Sickens(Duration::from_secs(7))] {
        paused(async {
            let (cluster, desired) = store_changed().await;
            let before = pids(&cluster);
            let new = desired.instances[&id("beta-a@node1")].content_generation;
            with_faults(&cluster, Faults { bad: BTreeMap::from([(new, bad)]), ..Faults::default() });
            let applied = converge(&cluster, &desired, &How::default()).await;
            let bundle = failed(&applied);
            assert_eq!(applied.outcome.as_ref().expect("alive").exit_code(), 4);
            assert_eq!(touched(&applied), ["beta-a@node1"], "{bad:?} {}", applied.told());
            assert!(bundle.then.contains("rolled back"), "{bundle:#?}");
            assert_eq!(bundle.log, [format!("fatal: {bad:?}")]);
            let after = pids(&cluster);
            assert!(before.iter().all(|(one, pid)| one == "beta-a@node1" || after[one] == *pid));
            let one = cluster.machine(&host(1)).expect("a host").instances["beta-a"].clone();
            let held = one.held.expect("it says that it was rolled back");
            assert_eq!((held.what, held.from), (HeldWhat::RolledBack, Some(new)));
            assert_ne!(one.process.expect("it runs").content, new);
            assert_eq!(cluster.setting(&service_name(1), &setting()), serde_json::Value::Null);
            drive::settle(&cluster).await;
            assert_eq!(left_to_do(&cluster, &desired).await, [""; 0], "the next run leaves it");
            // A corrected file goes through, and the hold is gone.
            let corrected = declare(&example().changed(Change::Conf(1, 0)).changed(Change::Conf(1, 0)));
            cluster.declare(&corrected);
            let applied = converge(&cluster, &corrected, &How::default()).await;
            assert_eq!(applied.outcome.as_ref().expect("alive").end, End::Done, "{}", applied.told());
            assert!(cluster.machine(&host(1)).expect("a host").instances["beta-a"].held.is_none());
        });
    }
}

#[test]
fn limits_are_kept_and_early_failures_do_not_wait_for_them() {
    paused(async {
        let (cluster, desired) = store_changed().await;
        let new = desired.instances[&id("beta-a@node1")].content_generation;
        for (bad, at_most) in [(Bad::GivesUp, 20), (Bad::CrashLoop, 20), (Bad::NeverReady, 90)] {
            let cluster = cluster.fork();
            with_faults(&cluster, Faults { bad: BTreeMap::from([(new, bad)]), ..Faults::default() });
            let began = tokio::time::Instant::now();
            failed(&converge(&cluster, &desired, &How::default()).await);
            assert!(began.elapsed() < Duration::from_secs(at_most), "{bad:?} took {:?}", began.elapsed());
        }
    });
}

#[test]
fn a_rollback_that_fails_stops_and_says_so() {
    paused(async {
        let (cluster, desired) = store_changed().await;
        let new = desired.instances[&id("beta-a@node1")].content_generation;
        let bad = BTreeMap::from([(new, Bad::GivesUp)]);
        with_faults(&cluster, Faults { bad, broken_after_failure: true, ..Faults::default() });
        let applied = converge(&cluster, &desired, &How::default()).await;
        let bundle = failed(&applied);
        assert!(bundle.then.contains("rollback of beta-a@node1 failed too"), "{bundle:#?}");
        assert!(bundle.then.contains("no space left"), "{bundle:#?}");
        assert_eq!(touched(&applied), ["beta-a@node1"]);
        assert_eq!(applied.outcome.as_ref().expect("alive").exit_code(), 4);
    });
}

#[test]
fn a_corrupt_artifact_is_found_before_anything_is_stopped() {
    paused(async {
        let (cluster, _) = converged(&example(), Behaviour::default(), 7).await;
        let desired = declare(&example().changed(Change::Version(1)));
        cluster.declare(&desired);
        with_faults(&cluster, Faults { corrupt: BTreeSet::from([host(2)]), ..Faults::default() });
        let applied = converge(&cluster, &desired, &How::default()).await;
        assert!(failed(&applied).why.contains("sha256"), "{:#?}", failed(&applied));
        assert_eq!(applied.disturbed().len(), 0);
    });
}

/// Each of these ends with exit 4, and nothing but these instances is disturbed.
#[test]
fn what_can_not_go_on_stops_and_is_never_forced() {
    let rule = Name::new("only-copy").expect("name");
    let cases: Vec<(&str, Faults, &str, &[&str])> = vec![
        (
            "stuck",
            Faults { stuck: BTreeSet::from([id("beta-a@node1")]), ..Faults::default() },
            "has not ended",
            &["beta-a@node1"],
        ),
        ("unsafe", Faults { never_safe: BTreeSet::from([rule]), ..Faults::default() }, "not safe to stop", &[]),
    ];
    for (case, faults, why, disturbed) in cases {
        paused(async {
            let (cluster, desired) = store_changed().await;
            with_faults(&cluster, faults);
            let applied = converge(&cluster, &desired, &How::default()).await;
            let bundle = failed(&applied);
            assert!(bundle.why.contains(why), "{case}: {bundle:#?}");
            assert_eq!(touched(&applied), disturbed, "{case}");
            assert_eq!(cluster.setting(&service_name(1), &setting()), serde_json::Value::Null, "{case}: put back");
        });
    }
}

#[test]
fn nobody_is_stopped_while_nobody_knows_who_leads() {
    paused(async {
        let (cluster, _) = converged(&example(), Behaviour::default(), 7).await;
        let desired = declare(&example().changed(Change::Conf(0, 0)));
        cluster.declare(&desired);
        with_faults(&cluster, Faults { leaderless: true, ..Faults::default() });
        let applied = converge(&cluster, &desired, &How::default()).await;
        assert!(failed(&applied).why.contains("led by somebody"), "{:#?}", failed(&applied));
        assert_eq!(applied.disturbed().len(), 0);
    });
}

#[test]
fn a_host_that_is_lost_in_the_middle_ends_the_rollout() {
    paused(async {
        let (cluster, desired) = store_changed().await;
        let inventory = observe(&cluster, &desired).await;
        let (plan, _) = plan_of(&desired, &inventory);
        let unreachable = BTreeMap::from([(host(1), Duration::from_secs(3))]);
        with_faults(&cluster, Faults { unreachable, ..Faults::default() });
        let applied = apply_plan(&cluster, &desired, &inventory, plan, &How::default()).await;
        assert_eq!(applied.outcome.as_ref().expect("alive").exit_code(), 4);
        assert!(touched(&applied).iter().all(|one| one == "beta-a@node1"), "{}", applied.told());
    });
}

#[test]
fn a_stale_plan_is_not_applied() {
    paused(async {
        let (cluster, desired) = store_changed().await;
        let inventory = observe(&cluster, &desired).await;
        let (plan, _) = plan_of(&desired, &inventory);
        cluster.kill(&id("beta-b@node2"));
        let applied = apply_plan(&cluster, &desired, &inventory, plan.clone(), &How::default()).await;
        assert_eq!(applied.outcome.as_ref().expect("alive").exit_code(), 5);
        assert_eq!(applied.disturbed().len(), 0);
        let other = declare(&example().changed(Change::Conf(0, 0)));
        let applied = apply_plan(&cluster, &other, &inventory, plan, &How::default()).await;
        assert_eq!(applied.outcome.as_ref().expect("alive").exit_code(), 5, "the file has changed");
    });
}

#[test]
fn an_empty_plan_writes_nothing() {
    paused(async {
        let (cluster, desired) = converged(&example(), Behaviour::default(), 7).await;
        drive::settle(&cluster).await;
        let histories = |cluster: &Cluster| -> Vec<_> {
            cluster.hosts().iter().filter_map(|host| cluster.machine(host)).map(|machine| machine.history).collect()
        };
        let before = (state(&cluster, &desired), histories(&cluster));
        let applied = converge(&cluster, &desired, &How::default()).await;
        assert_eq!(applied.outcome.as_ref().expect("alive").end, End::Done);
        assert_eq!(applied.trace, []);
        assert_eq!((state(&cluster, &desired), histories(&cluster)), before);
    });
}

#[test]
fn an_interrupted_run_leaves_the_service_whole() {
    paused(async {
        let (cluster, desired) = store_changed().await;
        let cancel = Cancel::new();
        let how = How::interrupted(cancel.clone());
        let stopped = async {
            while cluster.ready().len() == 9 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            cancel.request();
            std::future::pending::<()>().await;
        };
        let applied = tokio::select! {
            applied = converge(&cluster, &desired, &how) => applied,
            () = stopped => unreachable!("it waits for ever"),
        };
        assert_eq!(applied.outcome.as_ref().expect("alive").exit_code(), 130);
        assert_eq!(touched(&applied), ["beta-a@node1"]);
        assert_eq!(cluster.ready().len(), 9);
        assert_eq!(cluster.setting(&service_name(1), &setting()), serde_json::Value::Null);
    });
}

#[test]
fn a_wait_says_what_it_waits_for() {
    paused(async {
        let (cluster, desired) = store_changed().await;
        let applied = converge(&cluster, &desired, &How::default()).await;
        let waits: Vec<String> = applied
            .events
            .iter()
            .filter_map(|event| match &event.what {
                Happening::Waiting { subject, what, .. } => Some(format!("{subject} {what}")),
                _ => None,
            })
            .collect();
        for wait in ["beta-a@node1 ready", "beta-a@node1 in a healthy service"] {
            assert!(waits.iter().any(|said| said == wait), "{wait} is not in {waits:?}");
        }
        assert!(matches!(applied.events.last().map(|event| &event.what), Some(Happening::Ended { .. })));
    });
}

#[test]
fn the_journal_tells_the_whole_run_on_each_host() {
    paused(async {
        let (cluster, desired) = store_changed().await;
        converge(&cluster, &desired, &How::default()).await;
        let machine = cluster.machine(&host(1)).expect("a host");
        let lines = machine.history.values().last().expect("a journal");
        let records: Vec<serde_json::Value> =
            lines.iter().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
        assert_eq!(records[0]["record"], "run");
        assert_eq!(records[0]["who"], "tester@here pid 1");
        let last = records.last().expect("lines");
        assert_eq!((last["record"].as_str(), last["exit"].as_u64()), (Some("outcome"), Some(0)));
        let begun: Vec<&str> = records
            .iter()
            .filter(|record| record["record"] == "begin" && record["subject"] == "beta-a@node1")
            .filter_map(|record| record["action"].as_str())
            .collect();
        let wanted = [
            "render",
            "check safe",
            "before stop",
            "stop",
            "switch",
            "start",
            "await ready",
            "after ready",
            "await healthy",
            "soak",
        ];
        assert_eq!(begun, wanted);
    });
}

/// What an operator had set on purpose is there again, wherever the controller died.
#[test]
fn a_setting_of_the_operator_survives_a_crash_anywhere() {
    paused(async {
        let (cluster, desired) = store_changed().await;
        cluster.set_setting(&service_name(1), &setting(), "some".into());
        let whole = cluster.fork();
        converge(&whole, &desired, &How::default()).await;
        for at in 0..whole.operations() {
            let cluster = cluster.fork();
            let crash = Crash { at, when: When::Before };
            with_faults(&cluster, Faults { crash: Some(crash), ..Faults::default() });
            converge(&cluster, &desired, &How::default()).await;
            with_faults(&cluster, Faults::default());
            converge(&cluster, &desired, &How::default()).await;
            assert_eq!(cluster.setting(&service_name(1), &setting()), "some", "died at operation {at}");
        }
    });
}

/// Every operation of every one of these, with the controller dying before, in the middle of, and after it.
#[test]
fn every_boundary_of_a_crash() {
    let scenarios: [(&str, &[Change]); 4] = [
        ("upgrade", &[Change::Version(1), Change::Runtime]),
        ("one setting", &[Change::Conf(0, 0)]),
        ("files only", &[Change::Note(1, 0), Change::Live(1, 1), Change::Placed(0, 0)]),
        ("new instance", &[Change::NewHost(1, 1, 4)]),
    ];
    for (name, changes) in scenarios {
        paused(dies_everywhere(name, changes, None));
    }
}

/// The same with a canary that does not work: whoever continues ends at the same rollback.
#[test]
fn every_boundary_of_a_crash_in_a_rollback() {
    for bad in [Bad::GivesUp, Bad::NeverReady, Bad::Sickens(Duration::from_secs(7))] {
        paused(dies_everywhere("bad canary", &[Change::Conf(1, 0)], Some(bad)));
    }
}

/// What goes back over a version is asked for the old one, also by the run that continues.
#[test]
fn every_boundary_of_a_crash_on_the_way_back_over_a_version() {
    paused(dies_everywhere("bad version", &[Change::Version(1)], Some(Bad::NeverReady)));
}

/// The rest of a role whose canary has failed stays at what works: one of them that dies is started as that, and nothing else.
#[test]
fn what_is_blocked_and_dies_is_started_at_its_old_version() {
    paused(async {
        let (cluster, _) = converged(&example(), Behaviour::default(), 7).await;
        let desired = declare(&example().changed(Change::Version(1)));
        cluster.declare(&desired);
        let new = desired.instances[&id("beta-a@node1")].content_generation;
        with_faults(&cluster, Faults { bad: [(new, Bad::NeverReady)].into(), ..Faults::default() });
        let failed = converge(&cluster, &desired, &How::default()).await;
        assert_eq!(failed.outcome.as_ref().expect("alive").exit_code(), 4, "{}", failed.told());
        let before = state(&cluster, &desired);
        cluster.kill(&id("beta-a@node2"));
        let applied = converge(&cluster, &desired, &How::default()).await;
        assert_eq!(applied.outcome.as_ref().expect("alive").exit_code(), 0, "{}", applied.told());
        drive::settle(&cluster).await;
        assert_eq!(drive::differences(&before, &state(&cluster, &desired)), [""; 0]);
    });
}

async fn dies_everywhere(name: &str, changes: &[Change], bad: Option<Bad>) {
    let (cluster, _) = converged(&example(), Behaviour::default(), 7).await;
    drive::settle(&cluster).await;
    let desired = declare(&changes.iter().fold(example(), |spec: Spec, change| spec.changed(*change)));
    cluster.declare(&desired);
    let new = desired.instances[&id("beta-a@node1")].content_generation;
    let faults = Faults { bad: bad.map(|bad| (new, bad)).into_iter().collect(), ..Faults::default() };
    let behaviour = Behaviour::default();
    let watch = Watch { desired: &desired, behaviour: &behaviour, recreated: false, drifted: true };
    let whole = cluster.fork();
    with_faults(&whole, faults.clone());
    let applied = converge(&whole, &desired, &How::default()).await;
    assert_eq!(applied.outcome.as_ref().expect("alive").exit_code(), if bad.is_some() { 4 } else { 0 });
    let operations = whole.operations();
    drive::settle(&whole).await;
    for at in 0..operations {
        // After one operation is before the next one; and only what is written aside, early on, has a middle.
        let whens: &[When] = if at * 3 < operations { &[When::Before, When::During] } else { &[When::Before] };
        for when in whens.iter().copied().chain((at + 1 == operations).then_some(When::After)) {
            let cluster = cluster.fork();
            with_faults(&cluster, Faults { crash: Some(Crash { at, when }), ..faults.clone() });
            let applied = converge(&cluster, &desired, &How::default()).await;
            let died = format!("{name}: died {when:?} operation {at}");
            assert_eq!(watch.violations(&applied), [""; 0], "{died} {}", applied.told());
            with_faults(&cluster, faults.clone());
            drive::settle(&cluster).await;
            let mut runs = 0;
            while !left_to_do(&cluster, &desired).await.is_empty() {
                let applied = converge(&cluster, &desired, &How::default()).await;
                assert_eq!(watch.violations(&applied), [""; 0], "{died} {}", applied.told());
                drive::settle(&cluster).await;
                runs += 1;
                assert!(runs < 4, "{died}: it comes to no end {}", applied.told());
            }
            let differs = drive::differences(&state(&whole, &desired), &state(&cluster, &desired));
            assert_eq!(differs, [""; 0], "{died}");
            assert_ne!(cluster.setting(&service_name(1), &setting()), CHANGED, "{died}");
        }
    }
}
