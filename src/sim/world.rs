//! The state of the simulated platform, and the laws that its services follow.

use super::behaviour::Behaviour;
use super::faults::{Bad, Faults, When};
use super::machine::{Generation, Machine, Process};
use super::trace::{Effect, Traced};
use crate::desired::Desired;
use crate::inventory::version_in;
use crate::model::{HostName, InstanceId, ModuleName, Name, ServiceName, Version};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// Everything.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) behaviour: Behaviour,
    pub(crate) faults: Faults,
    faults_since: Instant,
    pub(crate) hosts: BTreeMap<HostName, Machine>,
    pub(crate) members: BTreeMap<InstanceId, Member>,
    pub(crate) settings: BTreeMap<(ServiceName, Name), Value>,
    pub(crate) trace: Vec<Traced>,
    pub(crate) operations: usize,
    /// Instances that the services were told to move things away from, and since when.
    pub(super) excluded: BTreeMap<InstanceId, Instant>,
    /// Instances that nothing was left on when they were stopped.
    pub(super) emptied: BTreeSet<InstanceId>,
    leaders: BTreeMap<ServiceName, Leader>,
    seed: u64,
    next_pid: u32,
    next_lock: u64,
    began: Instant,
    failed_start: bool,
    stumbled: BTreeSet<HostName>,
}

/// What the services know of one of their instances.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) service: ServiceName,
    pub(crate) votes: bool,
    /// Whether the others' files name it.
    pub(crate) declared: bool,
    /// Whether its versions are mixed only with a pin.
    pub(crate) phased: bool,
    /// Its module, and the version that is declared.
    pub(crate) software: (ModuleName, Version),
}

/// Who leads a service.
#[derive(Debug, Clone)]
struct Leader {
    who: Option<InstanceId>,
    /// Nobody leads until then.
    after: Instant,
}

impl World {
    pub(crate) fn new(behaviour: Behaviour, seed: u64) -> Self {
        let now = Instant::now();
        Self {
            behaviour,
            faults: Faults::default(),
            faults_since: now,
            hosts: BTreeMap::new(),
            members: BTreeMap::new(),
            settings: BTreeMap::new(),
            trace: Vec::new(),
            operations: 0,
            excluded: BTreeMap::new(),
            emptied: BTreeSet::new(),
            leaders: BTreeMap::new(),
            seed,
            next_pid: 100,
            next_lock: 0,
            began: now,
            failed_start: false,
            stumbled: BTreeSet::new(),
        }
    }

    pub(crate) fn declare(&mut self, desired: &Desired) {
        for (name, host) in &desired.hosts {
            self.hosts.entry(name.clone()).or_default().prefix.clone_from(&host.prefix);
        }
        let member = |one: &crate::desired::DesiredInstance| Member {
            service: one.service.clone(),
            votes: one.votes,
            declared: true,
            phased: one.module.phases.is_some(),
            software: (one.module.name.value.clone(), one.version.clone()),
        };
        // What is not declared any more goes on until it is let go.
        let hosts = &self.hosts;
        let there =
            |id: &InstanceId| hosts.get(&id.host).is_some_and(|host| host.instances.contains_key(id.role.as_str()));
        self.members.retain(|id, _| there(id));
        self.members.values_mut().for_each(|member| member.declared = false);
        self.members.extend(desired.instances.iter().map(|(id, one)| (id.clone(), member(one))));
    }

    pub(crate) fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
        self.faults_since = Instant::now();
        self.operations = 0;
        self.failed_start = false;
        // The locks of a controller that died end with it.
        for machine in self.hosts.values_mut() {
            machine.lock = None;
        }
    }

    /// Since the faults were set.
    pub(crate) fn faulty_for(&self) -> Duration {
        self.faults_since.elapsed()
    }

    /// Counts an operation; when the controller dies at it, says when.
    pub(crate) fn next_operation(&mut self) -> (usize, Option<When>) {
        let number = self.operations;
        self.operations += 1;
        (number, self.faults.crash.filter(|crash| crash.at == number).map(|crash| crash.when))
    }

    /// Whether an operation on the host fails for a moment; never twice in a row.
    pub(crate) fn stumbles(&mut self, host: &HostName) -> bool {
        if self.faults.flaky == 0 || self.stumbled.remove(host) {
            return false;
        }
        let stumbles = self.operations % self.faults.flaky == self.faults.flaky - 1;
        if stumbles {
            self.stumbled.insert(host.clone());
        }
        stumbles
    }

    pub(crate) const fn pid(&mut self) -> u32 {
        self.next_pid += 1;
        self.next_pid
    }

    pub(crate) const fn lock_number(&mut self) -> u64 {
        self.next_lock += 1;
        self.next_lock
    }

    /// Whether anything can start on these machines.
    pub(crate) fn may_start(&self) -> bool {
        !(self.faults.broken_after_failure && self.failed_start)
    }

    pub(crate) fn start_failed(&mut self) {
        self.failed_start = true;
    }

    /// The world with processes gone whose end has come.
    pub(crate) fn settled(&mut self) -> &mut Self {
        let now = Instant::now();
        for one in self.hosts.values_mut().flat_map(|machine| machine.instances.values_mut()) {
            if one.process.is_some_and(|process| process.ends.is_some_and(|end| end <= now)) {
                (one.process, one.dead) = (None, None);
            }
        }
        self
    }

    pub(crate) fn process(&self, id: &InstanceId) -> Option<Process> {
        self.hosts.get(&id.host)?.instances.get(id.role.as_str())?.process
    }

    pub(crate) fn bad(&self, process: &Process) -> Option<Bad> {
        self.faults.bad.get(&process.content).copied()
    }

    /// Whether a process has come up and is not about to end, whatever the others do.
    fn is_up(&self, id: &InstanceId) -> bool {
        let Some(process) = self.process(id) else { return false };
        let reachable = !self.is_unreachable(&id.host);
        let works = matches!(self.bad(&process), None | Some(Bad::Sickens(_)));
        reachable && works && process.ends.is_none() && process.started.elapsed() >= self.behaviour.start
    }

    pub(crate) fn is_unreachable(&self, host: &HostName) -> bool {
        self.faults.unreachable.get(host).is_some_and(|after| self.faulty_for() >= *after)
    }

    /// Instances that serve: up, and with a majority of the voters when the service has voters.
    pub(crate) fn ready(&self) -> BTreeSet<InstanceId> {
        let up: BTreeSet<&InstanceId> = self.members.keys().filter(|id| self.is_up(id) && self.speaks(id)).collect();
        let quorum = |service: &ServiceName| {
            let voters = || self.members.iter().filter(|(_, one)| one.service == *service && one.votes);
            let there = voters().filter(|(id, _)| up.contains(id)).count();
            // Voters that were never started do not count against a service that grows.
            let counts = |id: &InstanceId, one: &Member| if one.declared { self.exists(id) } else { up.contains(id) };
            let all = voters().filter(|(id, one)| counts(id, one)).count();
            all == 0 || there > all / 2
        };
        let serves = |id: &&InstanceId| self.members.get(*id).is_some_and(|one| quorum(&one.service));
        up.iter().copied().filter(serves).cloned().collect()
    }

    /// Whether an instance was ever there.
    pub(crate) fn exists(&self, id: &InstanceId) -> bool {
        let one = self.hosts.get(&id.host).and_then(|machine| machine.instances.get(id.role.as_str()));
        one.is_some_and(|one| one.has_data || one.process.is_some())
    }

    /// Whether a service is healthy with these members; why not.
    pub(crate) fn healthy(&self, service: &ServiceName, members: &[InstanceId]) -> Result<(), String> {
        let ready = self.ready();
        if let Some(missing) = members.iter().find(|id| !ready.contains(id)) {
            return Err(format!("{missing} does not serve"));
        }
        for id in ready.iter().filter(|id| self.members.get(*id).is_some_and(|one| one.service == *service)) {
            let Some(process) = self.process(id) else { continue };
            if process.started.elapsed() < self.behaviour.start + self.behaviour.heal {
                return Err(format!("{id} is catching up"));
            }
            if let Some(Bad::Sickens(after)) = self.bad(&process)
                && process.started.elapsed() >= after
            {
                return Err(format!("{id} makes the service unhealthy"));
            }
        }
        Ok(())
    }

    /// What is left on an instance: something, until the service was told to move it, and some time later.
    pub(crate) fn left(&self, id: &InstanceId) -> Vec<Value> {
        let gone = self.excluded.get(id).is_some_and(|since| since.elapsed() >= self.behaviour.copies);
        if gone { Vec::new() } else { vec![Value::String("a copy".to_owned())] }
    }

    /// A setting was written: whoever it names is moved away from.
    pub(crate) fn told(&mut self, value: &Value) {
        let text = value.to_string();
        let named = |id: &&InstanceId| text.contains(&format!("leave {id}"));
        let named: BTreeSet<InstanceId> = self.members.keys().filter(named).cloned().collect();
        self.excluded.retain(|id, _| named.contains(id));
        for id in named {
            self.excluded.entry(id).or_insert_with(Instant::now);
        }
    }

    /// Whether what must hold before a phase of a change does: all of the service are healthy, and of one version.
    pub(crate) fn may_begin(&self, service: &ServiceName, members: &[InstanceId]) -> Result<(), String> {
        let versions: BTreeSet<&String> = members.iter().filter_map(|id| self.runs(id)?.software.first()).collect();
        if versions.len() > 1 {
            return Err(format!("{service} runs {versions:?}"));
        }
        self.healthy(service, members)
    }

    /// The generation that a process was started from.
    fn runs(&self, id: &InstanceId) -> Option<&Generation> {
        let one = self.hosts.get(&id.host)?.instances.get(id.role.as_str())?;
        one.generation(&one.process.as_ref()?.content)
    }

    /// Whether it answers as this version, or as the declared one.
    pub(super) fn answers_as(&self, id: &InstanceId, version: Option<&Version>) -> bool {
        let Some((module, declared)) = self.members.get(id).map(|member| &member.software) else { return true };
        let runs = self.runs(id).and_then(|own| own.software.iter().find_map(|name| version_in(module.as_str(), name)));
        runs.is_none_or(|runs| runs == *version.unwrap_or(declared))
    }

    /// Whether it can speak with the others: one of a newer version has to be pinned while older ones run.
    fn speaks(&self, id: &InstanceId) -> bool {
        let Some(member) = self.members.get(id).filter(|member| member.phased) else { return true };
        let pinned = |one: &Generation| one.files.keys().any(|path| path.starts_with("phase-"));
        let Some(own) = self.runs(id).filter(|own| !pinned(own)) else { return true };
        let mates = self.members.iter().filter(|(_, one)| one.service == member.service);
        let older = |other: &Generation| !pinned(other) && other.software.first() < own.software.first();
        !mates.filter_map(|(mate, _)| self.runs(mate)).any(older)
    }

    /// Whether every other instance of the service has been serving for long enough.
    pub(crate) fn safe_to_stop(&self, id: &InstanceId) -> Result<(), String> {
        let Some(member) = self.members.get(id) else { return Err("nobody knows it".to_owned()) };
        let ready = self.ready();
        let others = self.members.iter().filter(|(other, one)| one.service == member.service && *other != id);
        for (other, _) in others.filter(|(other, _)| self.exists(other)) {
            let settled = self.process(other).is_some_and(|process| {
                process.started.elapsed() >= self.behaviour.start + self.behaviour.heal + self.behaviour.copies
            });
            if !ready.contains(other) || !settled {
                return Err(format!("{other} has not copied everything yet"));
            }
        }
        Ok(())
    }

    /// Who leads each service now. A leader that is gone is followed, after an election, by one that the seed chooses.
    pub(crate) fn leaders(&mut self) -> BTreeSet<InstanceId> {
        let ready = self.ready();
        let now = Instant::now();
        let services: BTreeSet<ServiceName> = self.members.values().map(|one| one.service.clone()).collect();
        for service in services {
            let voting = self.members.values().any(|one| one.service == service && one.votes);
            let electable: Vec<&InstanceId> = ready
                .iter()
                .filter(|id| self.members.get(*id).is_some_and(|one| one.service == service && (one.votes || !voting)))
                .collect();
            let election = self.behaviour.election;
            let leader = self.leaders.entry(service).or_insert(Leader { who: None, after: now });
            if leader.who.as_ref().is_some_and(|who| !electable.contains(&who)) {
                *leader = Leader { who: None, after: now + election };
            }
            if leader.who.is_none() && now >= leader.after && !electable.is_empty() {
                self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let index = usize::try_from(self.seed >> 33).unwrap_or(0) % electable.len();
                leader.who = electable.get(index).map(|id| (*id).clone());
            }
        }
        if self.faults.leaderless {
            return BTreeSet::new();
        }
        self.leaders.values().filter_map(|leader| leader.who.clone()).collect()
    }

    /// A member stops: leadership may move, but not to it.
    pub(crate) fn shake(&mut self, stopping: &InstanceId) {
        if !self.behaviour.leaders_move {
            return;
        }
        let Some(service) = self.members.get(stopping).map(|one| one.service.clone()) else { return };
        let now = Instant::now();
        if self.seed >> 60 < 8 {
            self.leaders.insert(service, Leader { who: None, after: now });
        }
    }

    /// Notes an effect that is about to happen.
    pub(crate) fn note(&mut self, effect: Effect) {
        let (ready, leaders) = (self.ready(), self.leaders());
        let announced = self.announced(&effect);
        let machine = effect.host().and_then(|host| self.hosts.get(host));
        let locked = machine.is_none_or(|machine| machine.lock.is_some());
        self.trace.push(Traced { at: self.began.elapsed(), effect, ready, leaders, announced, locked });
    }

    /// Whether the journal of the host says that the instance is being worked on.
    fn announced(&self, effect: &Effect) -> bool {
        let Some(instance) = effect.disturbs() else { return true };
        let Some(machine) = self.hosts.get(&instance.host) else { return false };
        let subject = format!("\"subject\":\"{instance}\"");
        let mut open = 0;
        // Only the last run's journal: one that a lost controller has left open says nothing about this one.
        for line in machine.history.values().last().into_iter().flatten().filter(|line| line.contains(&subject)) {
            if line.contains("\"record\":\"begin\"") {
                open += 1;
            } else if line.contains("\"record\":\"end\"") {
                open -= 1;
            }
        }
        open > 0
    }
}
