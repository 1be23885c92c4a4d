//! What all steps of one apply share: the plan, the hosts, the locks, and the little state that changes while it runs.

use super::events::{Event, Happening, Subject};
use super::mutation::Mutation;
use super::trouble::{Cause, Trouble};
use super::{Cancel, Options};
use crate::desired::{Desired, DesiredHost, DesiredInstance};
use crate::host::{Failure, Host, LockGuard, Op, Platform, Wanted};
use crate::inventory::{HostObservation, Inventory, UndoRecord};
use crate::model::{Digest, HostName, InstanceId, Name, ServiceName};
use crate::plan::{Plan, Step, StepId, rounds};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{OnceCell, mpsc};
use tokio::time::Instant;

/// How often an operation is tried that may work when tried again.
const TRIES: u32 = 5;

/// The first pause between two tries; it doubles.
const PAUSE: Duration = Duration::from_millis(250);

/// How many changes of a stale host are named.
const NAMED: usize = 5;

/// How long the last words of a run wait for a reader that stands still.
const READER_WITHIN: Duration = Duration::from_secs(5);

/// One apply.
pub(crate) struct Run<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) desired: &'a Desired,
    pub(crate) inventory: &'a Inventory,
    pub(crate) platform: &'a dyn Platform,
    pub(crate) options: &'a Options,
    pub(crate) cancel: &'a Cancel,
    events: mpsc::Sender<Event>,
    started: Instant,
    hosts: BTreeMap<HostName, Arc<DesiredHost>>,
    instances: BTreeMap<InstanceId, Arc<DesiredInstance>>,
    /// What they should be after a phase of a change that is not the last one.
    phased: BTreeMap<(Name, InstanceId), Arc<DesiredInstance>>,
    by_host: BTreeMap<HostName, Vec<Arc<DesiredInstance>>>,
    /// The plan's digest, which every journal begins with.
    digest: OnceLock<Digest>,
    looked: BTreeMap<HostName, OnceCell<()>>,
    /// Journals whose first line is there. Two actions may be the first ones on a host.
    journals: BTreeMap<HostName, OnceCell<()>>,
    locks: Mutex<Vec<(HostName, Arc<dyn LockGuard>)>>,
    state: Mutex<State>,
    /// One instance of the platform at a time is asked whether it may be stopped, so that two can't both be told yes.
    pub(crate) safety: tokio::sync::Mutex<()>,
    /// One setting at a time is changed or put back, so that nobody reads as *before* what another roll has set.
    pub(crate) settings: tokio::sync::Mutex<()>,
}

/// What changes while it runs.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Something failed: nothing further is disturbed.
    pub(crate) halting: bool,
    /// Instances that are stopped, or about to be, by a roll that is not done yet.
    pub(crate) disturbed: BTreeSet<InstanceId>,
    /// Those of them that may be stopped and still run: a service can't tell yet what it is like without them.
    pub(crate) stopping: BTreeSet<InstanceId>,
    /// Instances that are down because all of their service are replaced together, and not started again yet.
    pub(crate) recreated: BTreeSet<InstanceId>,
    /// Instances that were started in this run.
    pub(crate) started: BTreeSet<InstanceId>,
    /// The generations that instances were switched to in this run, forth or back.
    pub(crate) switched: BTreeMap<InstanceId, Digest>,
    /// Settings that are changed now, with what they were.
    pub(crate) undo: BTreeMap<(ServiceName, Name), Undo>,
    /// Instances that each `PickNext` step has rolled.
    pub(crate) rolled: BTreeMap<StepId, BTreeSet<InstanceId>>,
    /// Instances that were rolled back and are healthy again.
    pub(crate) rolled_back: Vec<InstanceId>,
}

/// A setting that is changed now.
#[derive(Debug, Clone)]
pub(crate) struct Undo {
    /// Where the record is.
    pub(crate) host: HostName,
    /// The record's file name.
    pub(crate) name: String,
    /// What it was.
    pub(crate) value: serde_json::Value,
    /// Instances whose rolls want it changed.
    pub(crate) users: BTreeSet<InstanceId>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        plan: &'a Plan,
        desired: &'a Desired,
        inventory: &'a Inventory,
        platform: &'a dyn Platform,
        options: &'a Options,
        events: mpsc::Sender<Event>,
        cancel: &'a Cancel,
    ) -> Self {
        let mut undo = BTreeMap::new();
        for (host, seen) in &inventory.hosts {
            for (name, record) in seen.seen().into_iter().flat_map(|host| &host.undo) {
                let UndoRecord { service, setting, value, .. } = record.clone();
                let left = Undo { host: host.clone(), name: name.clone(), value, users: BTreeSet::new() };
                undo.entry((service, setting)).or_insert(left);
            }
        }
        let hosts: BTreeMap<_, _> =
            desired.hosts.iter().map(|(name, host)| (name.clone(), Arc::new(host.clone()))).collect();
        let mut instances: BTreeMap<_, _> =
            desired.instances.iter().map(|(id, one)| (id.clone(), Arc::new(one.clone()))).collect();
        let mut by_host: BTreeMap<HostName, Vec<Arc<DesiredInstance>>> = BTreeMap::new();
        for instance in instances.values() {
            by_host.entry(instance.id.host.clone()).or_default().push(Arc::clone(instance));
        }
        let leaving = desired.leaving.iter().map(|(id, one)| (id.clone(), Arc::new(one.clone())));
        instances.extend(leaving);
        Self {
            plan,
            desired,
            inventory,
            platform,
            options,
            cancel,
            events,
            started: Instant::now(),
            looked: hosts.keys().map(|name| (name.clone(), OnceCell::new())).collect(),
            journals: hosts.keys().map(|name| (name.clone(), OnceCell::new())).collect(),
            hosts,
            instances,
            phased: phased(desired, inventory),
            by_host,
            digest: OnceLock::new(),
            locks: Mutex::new(Vec::new()),
            state: Mutex::new(State { undo, ..State::default() }),
            safety: tokio::sync::Mutex::new(()),
            settings: tokio::sync::Mutex::new(()),
        }
    }

    /// The state. Never held across an await.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing further may be disturbed: something failed, or the operator asked to stop.
    pub(crate) fn is_halting(&self) -> bool {
        self.cancel.is_requested() || (self.state().halting && !self.mutated(Mutation::GoesOnAfterFailure))
    }

    /// Milliseconds since the run began.
    pub(crate) fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) async fn tell(&self, what: Happening) {
        let event = Event { at: self.started.elapsed(), what };
        // A reader that went away, or that stands still (a pager, a stopped terminal), is no reason to hold a rollout: it
        // misses events. What it must not miss is waited for, within a limit.
        if matches!(event.what, Happening::Ended { .. } | Happening::Failed { .. }) {
            let _ = tokio::time::timeout(READER_WITHIN, self.events.send(event)).await;
        } else {
            let _ = self.events.try_send(event);
        }
    }

    pub(crate) async fn action_began(&self, step: &StepId, subject: &Subject, action: &str) {
        let (step, subject, action) = (step.clone(), subject.clone(), action.to_owned());
        self.tell(Happening::ActionBegan { step, subject, action }).await;
    }

    pub(crate) async fn action_ended(&self, step: &StepId, subject: &Subject, action: &str, took: Duration) {
        let (step, subject, action) = (step.clone(), subject.clone(), action.to_owned());
        self.tell(Happening::ActionEnded { step, subject, action, took }).await;
    }

    /// The journal of this run on a host: whether its first line is there.
    pub(crate) fn journal(&self, host: &HostName) -> Result<&OnceCell<()>, Trouble> {
        self.journals.get(host).ok_or_else(|| Trouble::new(Cause::Plan, format!("{host} is not in the file")))
    }

    /// Hosts that have a journal of this run.
    pub(crate) fn journals(&self) -> Vec<HostName> {
        self.journals.iter().filter(|(_, cell)| cell.initialized()).map(|(host, _)| host.clone()).collect()
    }

    pub(crate) fn desired_host(&self, name: &HostName) -> Result<Arc<DesiredHost>, Trouble> {
        self.hosts.get(name).cloned().ok_or_else(|| Trouble::new(Cause::Plan, format!("{name} is not in the file")))
    }

    pub(crate) fn instance(&self, id: &InstanceId) -> Result<Arc<DesiredInstance>, Trouble> {
        self.instances.get(id).cloned().ok_or_else(|| Trouble::new(Cause::Plan, format!("{id} is not in the file")))
    }

    /// An instance as a step wants it: in a change that needs several phases, as its phase leaves it.
    pub(crate) fn instance_of(&self, step: &Step, id: &InstanceId) -> Result<Arc<DesiredInstance>, Trouble> {
        let phased = step.phase.as_ref().and_then(|phase| self.phased.get(&(phase.clone(), id.clone())));
        phased.map_or_else(|| self.instance(id), |one| Ok(Arc::clone(one)))
    }

    /// The instances that the file places on a host.
    pub(crate) fn instances_on(&self, host: &HostName) -> Vec<Arc<DesiredInstance>> {
        self.by_host.get(host).cloned().unwrap_or_default()
    }

    /// The digest of the plan: of all of it, so it is made once.
    pub(crate) fn plan_digest(&self) -> Digest {
        *self.digest.get_or_init(|| self.plan.digest())
    }

    /// What was observed of a host when the plan was made.
    pub(crate) fn observed(&self, host: &HostName) -> Option<&'a HostObservation> {
        self.inventory.hosts.get(host)?.seen()
    }

    pub(crate) fn host(&self, name: &HostName) -> Result<Arc<dyn Host>, Trouble> {
        let missing = || Trouble::new(Cause::Host(Failure::Unreachable), format!("there is no way to {name}"));
        self.platform.host(name).ok_or_else(missing)
    }

    pub(crate) fn keep_lock(&self, host: HostName, guard: Box<dyn LockGuard>) {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner).push((host, Arc::from(guard)));
    }

    /// Gives all locks back.
    pub(crate) fn free_locks(&self) {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// An error when a lock was lost: then somebody else may be at work. Waits while one is taken again.
    pub(crate) async fn locks_held(&self) -> Result<(), Trouble> {
        let locks: Vec<(HostName, Arc<dyn LockGuard>)> = {
            let locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            locks.iter().filter(|(_, guard)| !guard.is_held()).cloned().collect()
        };
        for (host, guard) in locks {
            if !guard.settled().await {
                return Err(Trouble::new(Cause::LockLost, format!("the lock of {host} was lost")));
            }
        }
        Ok(())
    }

    /// Looks at a host again, just before its first step: it must still be what the plan was made from.
    pub(crate) async fn look(&self, name: &HostName) -> Result<(), Trouble> {
        let (Some(cell), Some(expected)) = (self.looked.get(name), self.plan.fingerprints.get(name)) else {
            return Err(Trouble::new(Cause::Plan, format!("the plan has no fingerprint of {name}")));
        };
        if self.mutated(Mutation::StaleIgnored) {
            return Ok(());
        }
        let look = async {
            let (host, instances) = (self.desired_host(name)?, self.instances_on(name));
            let wanted = Wanted { host, instances, verify: self.options.verify };
            let seen = self.host(name)?.observe(&wanted).await?;
            let changed = expected.changed(&seen);
            if changed.is_empty() {
                return Ok(());
            }
            let what: Vec<&str> = changed.iter().take(NAMED).map(String::as_str).collect();
            let why = format!("{name} has changed since the plan was made: {}", what.join(", "));
            Err(Trouble::new(Cause::Stale(name.clone()), why))
        };
        cell.get_or_try_init(|| look).await.copied()
    }

    /// Does an operation, tries again what may work then.
    pub(crate) async fn operate(&self, op: &Op) -> Result<(), Trouble> {
        let host = self.host(&op.host().name)?;
        let (mut pause, mut attempt) = (PAUSE, 1);
        loop {
            let error = match host.run(op).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let again = matches!(error.kind, Failure::TryAgain | Failure::Unreachable);
            if !again || attempt >= TRIES || self.locks_held().await.is_err() {
                return Err(error.into());
            }
            let (subject, why) = (Subject::Host(error.host.clone()), error.message);
            self.tell(Happening::Retrying { subject, why, attempt, of: TRIES }).await;
            tokio::time::sleep(pause).await;
            pause *= 2;
            attempt += 1;
        }
    }
}

/// What instances should be after the phases of a change, by the phase.
fn phased(desired: &Desired, inventory: &Inventory) -> BTreeMap<(Name, InstanceId), Arc<DesiredInstance>> {
    let mut phased = BTreeMap::new();
    for round in rounds(desired, inventory).list() {
        for (service, between) in &round.phases {
            let members = round.desired.services.get(service).into_iter().flat_map(|service| &service.instances);
            for one in members.filter_map(|id| round.desired.instances.get(id)) {
                phased.insert((between.phase.name.clone(), one.id.clone()), Arc::new(one.clone()));
            }
        }
    }
    phased
}
