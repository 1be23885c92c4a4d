//! [`Host`] in memory: every operation does to a [`Machine`] what the real one does to a disk and its processes.

use super::faults::{Bad, When};
use super::machine::Machine;
use super::trace::Effect;
use super::{Cluster, observe};
use crate::desired::DesiredInstance;
use crate::history::JournalText;
use crate::host::{Claim, Failure, Host, HostError, Life, LockGuard, Op, Wanted, WantedJournals};
use crate::inventory::HostObservation;
use crate::model::HostName;
use async_trait::async_trait;
use std::time::Duration;
use tokio::time::sleep;

/// One host of the simulated platform.
pub(super) struct SimHost {
    pub(super) name: HostName,
    pub(super) cluster: Cluster,
}

impl SimHost {
    pub(super) fn error(&self, kind: Failure, message: impl Into<String>) -> HostError {
        HostError { host: self.name.clone(), kind, message: message.into() }
    }

    fn reachable(&self) -> Result<(), HostError> {
        if self.cluster.world().is_unreachable(&self.name) {
            return Err(self.error(Failure::Unreachable, "no route to host"));
        }
        Ok(())
    }

    /// How long an operation takes, besides stopping.
    fn takes(&self, op: &Op) -> Duration {
        let behaviour = &self.cluster.world().behaviour;
        match op {
            Op::Fetch { .. } | Op::Assemble { .. } => behaviour.transfer,
            _ => behaviour.operation,
        }
    }
}

#[async_trait]
impl Host for SimHost {
    async fn observe(&self, wanted: &Wanted) -> Result<HostObservation, HostError> {
        self.cluster.alive().await;
        self.reachable()?;
        let mut world = self.cluster.world();
        let world = world.settled();
        let Some(machine) = world.hosts.get(&self.name) else {
            return Err(self.error(Failure::Unreachable, "no such host"));
        };
        Ok(observe::observe(machine, wanted))
    }

    async fn run(&self, op: &Op) -> Result<(), HostError> {
        let number = self.cluster.operation_begins().await;
        sleep(self.takes(op)).await;
        self.reachable()?;
        if self.cluster.world().stumbles(&self.name) {
            return Err(self.error(Failure::TryAgain, "connection reset"));
        }
        if self.cluster.dies(number, When::During) {
            self.interrupted(op);
            self.cluster.die().await;
        }
        let result = self.effect(op).await;
        if self.cluster.dies(number, When::After) {
            self.cluster.die().await;
        }
        result
    }

    async fn life(&self, instance: &DesiredInstance) -> Result<Life, HostError> {
        self.cluster.alive().await;
        self.reachable()?;
        let mut world = self.cluster.world();
        let world = world.settled();
        let Some(process) = world.process(&instance.id) else {
            return Ok(Life::Down { gave_up: false, why: "stopped".to_owned() });
        };
        let age = process.started.elapsed();
        let start_time = u64::from(process.pid) * 1000;
        Ok(match world.bad(&process) {
            Some(Bad::GivesUp) => Life::Down { gave_up: true, why: "exited too quickly".to_owned() },
            Some(Bad::CrashLoop) => {
                let again = u32::try_from(age.as_secs()).unwrap_or(0);
                Life::Running { pid: process.pid + again * 10_000, start_time: start_time + u64::from(again) }
            }
            _ => Life::Running { pid: process.pid, start_time },
        })
    }

    async fn tail(&self, instance: &DesiredInstance, _lines: usize) -> Result<Vec<String>, HostError> {
        self.cluster.alive().await;
        self.reachable()?;
        let mut world = self.cluster.world();
        let bad = world.settled().process(&instance.id).and_then(|process| world.bad(&process));
        Ok(vec![bad.map_or_else(|| "started".to_owned(), |bad| format!("fatal: {bad:?}"))])
    }

    async fn journals(&self, _prefix: &str, wanted: &WantedJournals) -> Result<Vec<JournalText>, HostError> {
        self.cluster.alive().await;
        self.reachable()?;
        let world = self.cluster.world();
        let history = world.hosts.get(&self.name).map(|machine| machine.history.clone()).unwrap_or_default();
        let (most, whole) = match wanted {
            WantedJournals::Ends(most) => (*most, false),
            WantedJournals::Newest(most) => (*most, true),
            WantedJournals::Run(_) => (usize::MAX, true),
        };
        let asked = |run: &String| !matches!(wanted, WantedJournals::Run(one) if one != run);
        let ends = |lines: Vec<String>| match lines.as_slice() {
            [first, .., last] if !whole => vec![first.clone(), last.clone()],
            _ => lines,
        };
        let skip = history.len().saturating_sub(most);
        let journals = history.into_iter().skip(skip).filter(|(run, _)| asked(run));
        Ok(journals.map(|(run, lines)| JournalText { run, lines: ends(lines), whole }).collect())
    }

    async fn lock(&self, _prefix: &str, claim: &Claim) -> Result<Box<dyn LockGuard>, HostError> {
        self.cluster.alive().await;
        self.reachable()?;
        let mut world = self.cluster.world();
        let number = world.lock_number();
        let Some(machine) = world.hosts.get_mut(&self.name) else {
            return Err(self.error(Failure::Unreachable, "no such host"));
        };
        if let Some((_, holder)) = &machine.lock {
            return Err(self.error(Failure::Locked, format!("{} ({}) since {}", holder.who, holder.why, holder.since)));
        }
        machine.lock = Some((number, claim.clone()));
        world.note(Effect::Locked { host: self.name.clone() });
        Ok(Box::new(Guard { host: self.name.clone(), number, cluster: self.cluster.clone() }))
    }
}

/// A held lock.
struct Guard {
    host: HostName,
    number: u64,
    cluster: Cluster,
}

impl LockGuard for Guard {
    fn is_held(&self) -> bool {
        let world = self.cluster.world();
        let lost = world.faults.lock_lost.get(&self.host).is_some_and(|after| world.faulty_for() >= *after);
        let mine = |machine: &Machine| machine.lock.as_ref().is_some_and(|(number, _)| *number == self.number);
        !lost && world.hosts.get(&self.host).is_some_and(mine)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut world = self.cluster.world();
        if let Some(machine) = world.hosts.get_mut(&self.host)
            && machine.lock.as_ref().is_some_and(|(number, _)| *number == self.number)
        {
            machine.lock = None;
        }
    }
}
