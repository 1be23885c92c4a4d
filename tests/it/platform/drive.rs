//! Observe, plan, apply: what the programs do, on a simulated platform.

use super::declare::{CHANGED, declare, setting};
use super::spec::{Drift, Spec};
use es_cluster::apply::{self, Cancel, Event, Options, Outcome};
use es_cluster::desired::{Desired, DesiredInstance};
use es_cluster::host::{Claim, Platform, Wanted};
use es_cluster::inventory::{Inventory, Seen, SoftwareObservation, UndoRecord, Unseen};
use es_cluster::model::{Digest, HostName, InstanceId, Name, RoleId, ServiceName};
use es_cluster::plan::{Plan, PlanInput, PlanOptions, PlanReport, StepKind, plan};
use es_cluster::sim::{Behaviour, Cluster, Effect, Faults, Machine, Traced};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Runs a test on one thread with a clock that jumps over waits.
pub(crate) fn paused<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("runtime").block_on(work)
}

/// Looks at everything, as both programs do.
pub(crate) async fn observe(cluster: &Cluster, desired: &Desired) -> Inventory {
    let mut inventory = Inventory::default();
    for (name, host) in &desired.hosts {
        let instances = desired.instances.values().filter(|one| one.id.host == *name);
        let instances = instances.map(|one| Arc::new(one.clone())).collect();
        let wanted = Wanted { host: Arc::new(host.clone()), instances, verify: false };
        let seen = match cluster.host(name).expect("a host").observe(&wanted).await {
            Ok(seen) => Seen::Seen(seen),
            Err(error) => Seen::Unseen(Unseen { why: error.to_string() }),
        };
        inventory.hosts.insert(name.clone(), seen);
    }
    let services = cluster.services();
    inventory.services = es_cluster::probe::services(desired, &inventory.hosts, services.as_ref()).await;
    inventory
}

/// A plan in which the outage of small quorums is taken on, as an operator would.
pub(crate) fn plan_of(desired: &Desired, inventory: &Inventory) -> (Plan, PlanReport) {
    let mut waivers = BTreeMap::new();
    let make = |waivers: &BTreeMap<Name, String>| {
        let options = PlanOptions { waivers: waivers.clone(), ..PlanOptions::default() };
        plan(&PlanInput { desired, inventory, options: &options })
    };
    let first = make(&waivers);
    if !first.0.refusals.iter().any(|refusal| refusal.name.as_str() == "quorum-outage") {
        return first;
    }
    waivers.insert(Name::new("quorum-outage").expect("name"), "a test".to_owned());
    make(&waivers)
}

/// How an apply ended.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) plan: Plan,
    /// `None` when the controller died.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) events: Vec<Event>,
    pub(crate) trace: Vec<Traced>,
    /// Instances that existed before.
    pub(crate) existed: BTreeSet<InstanceId>,
}

impl Applied {
    /// Whether the generation of this instance was started anywhere.
    pub(crate) fn started(&self, broken: &DesiredInstance) -> bool {
        let wanted = Some(broken.content_generation);
        self.trace
            .iter()
            .any(|traced| matches!(&traced.effect, Effect::Start { generation, .. } if *generation == wanted))
    }

    /// Whether an instance of a role was started that had not existed before.
    pub(crate) fn plan_starts_new(&self, role: &RoleId) -> bool {
        let new = |id: &InstanceId| id.role == *role && !self.existed.contains(id);
        self.trace.iter().any(|traced| matches!(&traced.effect, Effect::Start { instance, .. } if new(instance)))
    }

    /// Every instance that was disturbed.
    pub(crate) fn disturbed(&self) -> BTreeSet<InstanceId> {
        self.trace.iter().filter_map(|traced| traced.effect.disturbs().cloned()).collect()
    }

    /// What was planned and what happened, for a failed assertion.
    pub(crate) fn told(&self) -> String {
        let step = |step: &es_cluster::plan::Step| {
            let needs: Vec<&str> = step.needs.iter().map(|need| need.0.as_str()).collect();
            let rolls = match &step.kind {
                StepKind::Roll(roll) => vec![roll.clone()],
                StepKind::PickNext { candidates, .. } => candidates.clone(),
                _ => vec![],
            };
            let rolls = rolls.iter().map(|roll| format!("\n      {} {:?}", roll.instance, roll.actions));
            format!("  {:?} {} <- {needs:?}{}\n", step.wave, step.id.0, rolls.collect::<Vec<_>>().concat())
        };
        let steps = self.plan.steps.iter().map(step).collect::<Vec<_>>().concat();
        let disturbing = self.trace.iter().filter(|traced| traced.effect.disturbs().is_some());
        let line = |traced: &Traced| format!("  {:?} {:?} of {:?}", traced.at, traced.effect, traced.ready);
        let trace: Vec<String> = disturbing.map(line).collect();
        format!("steps:\n{steps}trace:\n{}", trace.join("\n"))
    }
}

/// How an apply is done.
#[derive(Debug, Clone, Default)]
pub(crate) struct How {
    pub cancel: Option<Cancel>,
    pub lock_within: Duration,
    #[cfg(feature = "mutants")]
    pub mutation: Option<apply::Mutation>,
}

impl How {
    /// With somebody who may interrupt it.
    pub(crate) const fn interrupted(cancel: Cancel) -> Self {
        Self {
            cancel: Some(cancel),
            lock_within: Duration::ZERO,
            #[cfg(feature = "mutants")]
            mutation: None,
        }
    }

    #[cfg_attr(not(feature = "mutants"), expect(clippy::unused_self, reason = "it says which mistake is made"))]
    fn options(&self, run: usize) -> Options {
        let claim =
            Claim { who: "tester@here pid 1".into(), why: "esapply".into(), since: "2026-01-01T00:00:00Z".into() };
        let run = format!("2026{run:04}");
        let options = Options { lock_within: self.lock_within, ..Options::new(claim, run, false) };
        #[cfg(feature = "mutants")]
        let options = Options { mutation: self.mutation, ..options };
        options
    }
}

/// Plans and applies once.
pub(crate) async fn converge(cluster: &Cluster, desired: &Desired, how: &How) -> Applied {
    let inventory = observe(cluster, desired).await;
    let (plan, _) = plan_of(desired, &inventory);
    apply_plan(cluster, desired, &inventory, plan, how).await
}

/// Applies a plan.
pub(crate) async fn apply_plan(
    cluster: &Cluster,
    desired: &Desired,
    inventory: &Inventory,
    plan: Plan,
    how: &How,
) -> Applied {
    let existed = desired.instances.keys().filter(|id| exists(cluster, id)).cloned().collect();
    cluster.take_trace();
    let (sender, mut receiver) = mpsc::channel(1024);
    let run = desired.hosts.keys().filter_map(|host| cluster.machine(host)).map(|host| host.history.len()).max();
    let options = how.options(run.unwrap_or(0));
    let mut events = Vec::new();
    let cancel = how.cancel.clone().unwrap_or_default();
    let outcome = {
        let work = apply::apply(&plan, desired, inventory, cluster, options, sender, cancel);
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                () = cluster.died() => break None,
                event = receiver.recv() => events.extend(event),
                outcome = &mut work => break Some(outcome),
            }
        }
    };
    while let Ok(event) = receiver.try_recv() {
        events.push(event);
    }
    Applied { plan, outcome, events, trace: cluster.take_trace(), existed }
}

/// Whether no instance of the role runs what is declared for this one.
pub(crate) fn is_new(cluster: &Cluster, one: &DesiredInstance) -> bool {
    let runs = |host: &HostName| {
        let machine = cluster.machine(host)?;
        machine.instances.get(one.id.role.as_str())?.current
    };
    cluster.hosts().iter().all(|host| runs(host) != Some(one.content_generation))
}

fn exists(cluster: &Cluster, id: &InstanceId) -> bool {
    let machine = cluster.machine(&id.host);
    machine.is_some_and(|machine| machine.instances.get(id.role.as_str()).is_some_and(|one| one.has_data))
}

/// A platform on which everything that is declared was converged from nothing.
pub(crate) async fn converged(spec: &Spec, behaviour: Behaviour, seed: u64) -> (Cluster, Desired) {
    let desired = declare(spec);
    let cluster = Cluster::new(&desired, behaviour, seed);
    let applied = converge(&cluster, &desired, &How::default()).await;
    let outcome = applied.outcome.expect("nobody died");
    assert_eq!(outcome.exit_code(), 0, "{outcome:#?}");
    (cluster, desired)
}

/// What a plan finds to do; empty when nothing.
pub(crate) async fn left_to_do(cluster: &Cluster, desired: &Desired) -> Vec<String> {
    let (plan, _) = plan_of(desired, &observe(cluster, desired).await);
    plan.steps.iter().map(|step| format!("{}: {:?}", step.id.0, step.reason)).collect()
}

/// Lets time pass until the services have settled.
pub(crate) async fn settle(cluster: &Cluster) {
    let _ = cluster;
    tokio::time::sleep(Duration::from_mins(1)).await;
}

/// Does to the platform what a drift says.
pub(crate) fn drift(cluster: &Cluster, desired: &Desired, drift: Drift) {
    let instance = |index: usize| desired.instances.values().nth(index % desired.instances.len()).expect("one");
    let host = |index: usize| desired.hosts.keys().nth(index % desired.hosts.len()).expect("one");
    let edit = |id: &InstanceId, path: &str, text: &str| {
        cluster.by_hand(&id.host, |machine| {
            let one = machine.instances.get_mut(id.role.as_str());
            let Some(one) = one.filter(|one| one.current.is_some()) else { return };
            let current = one.current;
            let generation = one.generations.iter_mut().find(|generation| Some(generation.content) == current);
            if let Some(file) = generation.and_then(|generation| generation.files.get_mut(path)) {
                *file = (Digest::of(text.as_bytes()), 0o644, text.to_owned());
            }
        });
    };
    match drift {
        Drift::Kill(index) => cluster.kill(&instance(index).id),
        Drift::EditConf(index) => edit(&instance(index).id, "main.conf", "by hand\n"),
        Drift::EditNote(index) => edit(&instance(index).id, "notes", "by hand\n"),
        Drift::DamageSoftware(index) => cluster.by_hand(host(index), |machine| {
            if let Some(state) = machine.software.values_mut().next() {
                *state = SoftwareObservation::Damaged(vec!["bin/run".to_owned()]);
            }
        }),
        Drift::KillSupervisor(index) => cluster.by_hand(host(index), |machine| machine.supervisor = None),
        Drift::EditUnit(index) => cluster.by_hand(&instance(index).id.host, |machine| {
            if let Some(unit) = machine.units.get_mut(&instance(index).unit) {
                *unit = Digest::of(b"by hand");
            }
        }),
        Drift::Reboot(index) => cluster.reboot(host(index)),
        Drift::Setting(index) => {
            let one = instance(index);
            if !one.module.settled.is_empty() {
                cluster.set_setting(&one.service, &setting(), CHANGED.into());
            }
        }
        Drift::UndoLeft(index) => {
            let one = instance(index);
            if !one.module.settled.is_empty() {
                cluster.set_setting(&one.service, &setting(), CHANGED.into());
                cluster.by_hand(&one.id.host, |machine| undo_left(machine, &one.service, &one.id));
            }
        }
        Drift::ByHand(index) => cluster.by_hand(&instance(index).id.host, |machine| {
            if let Some(one) = machine.instances.get_mut(instance(index).id.role.as_str()) {
                one.start_by_hand();
            }
        }),
        Drift::Debris(index) => cluster.by_hand(host(index), |machine| {
            machine.debris.insert("software/.tmp-left".to_owned());
        }),
    }
}

fn undo_left(machine: &mut Machine, service: &ServiceName, instance: &InstanceId) {
    let (service, instance, value) = (service.clone(), instance.clone(), Value::Null);
    let name = format!("{service}.{}.json", setting());
    machine.undo.insert(name, UndoRecord { service, instance, setting: setting(), value });
}

/// Everything that lasts, in words that can be compared: not pids, times, journals.
pub(crate) fn state(cluster: &Cluster, desired: &Desired) -> BTreeMap<String, String> {
    let mut state = BTreeMap::new();
    for name in desired.hosts.keys() {
        let Some(machine) = cluster.machine(name) else { continue };
        let (prepared, supervisor) = (machine.prepared, machine.supervisor.is_some());
        let (units, boot) = (&machine.units, &machine.boot);
        let rest = (units, boot, &machine.undo, &machine.debris, &machine.software, &machine.lock);
        state.insert(name.to_string(), format!("{prepared} {supervisor} {rest:?}"));
        for (role, one) in &machine.instances {
            let generations: BTreeSet<Digest> = one.generations.iter().map(|generation| generation.content).collect();
            let current = one.current.and_then(|current| one.generation(&current));
            let files = current.map(|generation| &generation.files);
            let watched = |parent: u32| (parent == 1, Some(parent) == machine.supervisor);
            let runs = one.process.map(|process| (process.content, process.restart, watched(process.parent)));
            let held = one.held.as_ref().map(|held| (&held.what, held.from, held.to));
            let text = format!("{:?} {runs:?} {held:?} {files:?} {:?} {generations:?}", one.current, one.placed);
            state.insert(format!("{role}@{name}"), text);
        }
    }
    for service in desired.services.keys() {
        state.insert(format!("setting of {service}"), cluster.setting(service, &setting()).to_string());
    }
    state
}

/// What differs between two states, in words.
pub(crate) fn differences(wanted: &BTreeMap<String, String>, found: &BTreeMap<String, String>) -> Vec<String> {
    let names: BTreeSet<&String> = wanted.keys().chain(found.keys()).collect();
    let differs = names.into_iter().filter(|name| wanted.get(*name) != found.get(*name));
    differs.map(|name| format!("{name}: wanted {:?}, found {:?}", wanted.get(name), found.get(name))).collect()
}

/// Sets faults and forgets the trace so far.
pub(crate) fn with_faults(cluster: &Cluster, faults: Faults) {
    cluster.set_faults(faults);
    cluster.take_trace();
}
