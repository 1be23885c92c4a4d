//! `esplan gates` on a simulated platform: what holds, what would hold a rollout and why, and that asking changes nothing.

use crate::platform::declare::{CHANGED, declare, host, service_name, setting};
use crate::platform::drive::{self, converged, observe, paused, with_faults};
use crate::platform::spec::{Spec, example};
use es_cluster::apply;
use es_cluster::model::{InstanceId, Name};
use es_cluster::plan::{Outcome, PlanOptions, Target, rehearsal_on};
use es_cluster::render::{self, Gates};
use es_cluster::sim::{Behaviour, Cluster, Faults};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn id(text: &str) -> InstanceId {
    InstanceId::try_from(text.to_owned()).expect(text)
}

/// The store's leader is asked about as well.
fn spec() -> Spec {
    let mut spec = example();
    spec.services[1].leader = true;
    spec
}

async fn settled() -> Cluster {
    let (cluster, _) = converged(&spec(), Behaviour::default(), 7).await;
    drive::settle(&cluster).await;
    cluster
}

async fn asked(cluster: &Cluster, options: &PlanOptions) -> Gates {
    let desired = declare(&spec());
    let inventory = observe(cluster, &desired).await;
    let answers = apply::gates(&desired, &inventory, cluster, options).await;
    render::gates(&desired, &rehearsal_on(&desired, &inventory, options), &answers)
}

async fn all(cluster: &Cluster) -> Gates {
    asked(cluster, &PlanOptions::default()).await
}

/// `gate instance: answer` of everything that does not hold.
fn held_by(gates: &Gates) -> Vec<String> {
    let all = gates.services.iter().flat_map(|service| service.gates.iter().map(move |gate| (service, gate)));
    let line = |(service, gate): (&render::ServiceGates, &render::GateState)| {
        let about = gate.instance.as_ref().map_or_else(|| service.service.clone(), ToString::to_string);
        format!("{} {about}: {}", gate.gate, gate.says)
    };
    all.filter(|(_, gate)| !gate.holds).map(line).collect()
}

#[test]
fn a_platform_that_is_well_would_let_a_rollout_pass_and_nothing_is_touched() {
    paused(async {
        let cluster = settled().await;
        cluster.take_trace();
        let operations = cluster.operations();
        let gates = all(&cluster).await;
        assert!(gates.passes && gates.outcome == Outcome::Nothing, "{gates:#?}");
        let told: BTreeSet<(&str, &str)> = gates
            .services
            .iter()
            .flat_map(|service| service.gates.iter().map(|gate| (service.service.as_str(), gate.gate.as_str())))
            .collect();
        let every = ["converged", "healthy", "leader", "only-copy", "ready"].map(|gate| ("beta", gate));
        assert_eq!(
            told,
            [("alpha", "healthy"), ("alpha", "leader"), ("alpha", "ready")].into_iter().chain(every).collect()
        );
        let of_rule = gates.services[1].gates.iter().filter(|gate| gate.gate == "only-copy").count();
        assert_eq!(of_rule, 6, "each instance of both roles is asked about");
        let text = gates.text(false, 80);
        assert!(text.contains("  only-copy  holds   beta-a@node[1-3]\n"), "{text}");
        assert!(text.ends_with("test: a rollout would pass now\n"), "{text}");
        assert_eq!(cluster.take_trace(), [], "nothing was written, locked or called");
        assert_eq!(cluster.operations(), operations);
    });
}

#[test]
fn what_would_hold_a_rollout_is_named_with_its_answer() {
    paused(async {
        let cluster = settled().await;
        let rule = Name::new("only-copy").expect("name");
        with_faults(&cluster, Faults { never_safe: BTreeSet::from([rule]), ..Faults::default() });
        let gates = all(&cluster).await;
        assert!(!gates.passes && gates.outcome == Outcome::Nothing);
        let held = held_by(&gates);
        assert_eq!(held.len(), 6, "{held:#?}");
        assert_eq!(held[0], "only-copy beta-a@node1: only-copy never holds");
        let text = gates.text(false, 80);
        let told = "beta: would hold a rollout\n";
        let rows = "  only-copy  BLOCKS  beta-a@node[1-3]\n      only-copy never holds\n  only-copy  BLOCKS  beta-b@node[1-3]\n";
        assert!(text.contains(told) && text.contains(rows), "{text}");
        assert!(text.contains("alpha: would let a rollout pass\n"), "{text}");
        assert!(text.ends_with("test: a rollout would not pass now: held by beta (only-copy)\n"), "{text}");

        with_faults(&cluster, Faults { leaderless: true, ..Faults::default() });
        let held = held_by(&all(&cluster).await);
        assert_eq!(held.len(), 2, "{held:#?}");
        assert!(held[0].starts_with("leader alpha: ") && held[1].starts_with("leader beta: "), "{held:#?}");
    });
}

#[test]
fn an_instance_that_does_not_run_holds_a_rollout_of_its_service() {
    paused(async {
        let cluster = settled().await;
        cluster.kill(&id("beta-a@node2"));
        let gates = all(&cluster).await;
        let held = held_by(&gates);
        assert!(held.iter().any(|line| line.starts_with("ready beta-a@node2: it does not run")), "{held:#?}");
        assert!(
            held.iter().any(|line| line == "only-copy beta-b@node1: beta-a@node2 has not copied everything yet"),
            "{held:#?}"
        );
        assert!(held.iter().all(|line| line.contains("beta")), "{held:#?}");
        // Only what was asked for, with its service.
        let only = PlanOptions { only: vec![Target::Instance(id("beta-b@node3"))], ..PlanOptions::default() };
        let gates = asked(&cluster, &only).await;
        let instances: BTreeSet<String> = gates
            .services
            .iter()
            .flat_map(|service| &service.gates)
            .filter_map(|gate| gate.instance.as_ref())
            .map(ToString::to_string)
            .collect();
        assert_eq!(instances, BTreeSet::from(["beta-b@node3".to_owned()]));
        assert_eq!(gates.services.len(), 1);
    });
}

#[test]
fn rules_refuse_hosts_are_missed_and_what_was_left_is_put_right_first() {
    paused(async {
        let cluster = settled().await;
        cluster.set_setting(&service_name(1), &setting(), CHANGED.into());
        let gates = all(&cluster).await;
        assert!(gates.passes, "a rollout puts it right: {gates:#?}");
        assert!(gates.services[1].first[0].starts_with("set moves of beta to null"), "{gates:#?}");
        cluster.set_setting(&service_name(1), &setting(), serde_json::Value::Null);

        let unreachable = BTreeMap::from([(host(3), Duration::ZERO)]);
        with_faults(&cluster, Faults { unreachable, ..Faults::default() });
        let gates = all(&cluster).await;
        assert!(gates.refusals.iter().any(|refusal| refusal.name.as_str() == "unobserved"), "{gates:#?}");
        assert_ne!(gates.outcome, Outcome::Nothing);
        let about: Vec<_> = gates
            .services
            .iter()
            .flat_map(|service| &service.gates)
            .filter_map(|gate| gate.instance.as_ref())
            .collect();
        assert!(about.iter().all(|id| id.host != host(3)), "who can't be observed is not asked: {about:?}");
        // Without that host two of three voters are left: none may be stopped.
        let without = PlanOptions { without: BTreeSet::from([host(3)]), ..PlanOptions::default() };
        let gates = asked(&cluster, &without).await;
        assert_eq!(gates.outcome, Outcome::Refused);
        let text = gates.text(false, 80);
        assert!(text.contains("refused: max-unavailable: alpha:") && text.contains("way out: "), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let json: serde_json::Value = serde_json::from_str(&gates.json()).expect("JSON");
        assert_eq!((&json["passes"], &json["services"][0]["runs"]), (&false.into(), &true.into()));
    });
}

#[test]
fn what_runs_nowhere_is_asked_nothing() {
    paused(async {
        let cluster = Cluster::new(&declare(&spec()), Behaviour::default(), 7);
        let gates = all(&cluster).await;
        assert!(
            gates.passes && gates.services.iter().all(|service| !service.runs && service.gates.is_empty()),
            "{gates:#?}"
        );
        assert!(gates.text(false, 80).contains("alpha: runs nowhere; a rollout starts it\n"));
    });
}
