//! The dispatcher: the one place that knows which steps are done, run, and may begin. Steps run as futures of this one
//! task, so that dropping the apply ends all of them.

use super::events::{Happening, Subject};
use super::mutation::Mutation;
use super::outcome::{End, Outcome};
use super::ready::Ready;
use super::roll::Halt;
use super::run::Run;
use crate::host::{Failure, HostError};
use crate::model::HostName;
use crate::plan::{Step, StepId};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::collections::BTreeSet;
use tokio::time::{Duration, Instant, sleep};

/// How often a lock is asked for when its host has a passing problem.
const LOCK_TRIES: u32 = 3;

/// The pause before a lock that another run has is asked for again.
const LOCK_PAUSE: Duration = Duration::from_millis(500);

impl Run<'_> {
    /// Locks, does everything, tells how it ended.
    pub(crate) async fn dispatch(&self) -> Outcome {
        let steps = self.plan.steps.len();
        let ended = |end| Outcome { end, done: 0, steps, rolled_back: Vec::new() };
        let hosts = self.hosts_of_plan();
        if let Err(end) = self.lock_all(&hosts).await {
            return ended(end);
        }
        let hosts = hosts.into_iter().collect();
        self.tell(Happening::Began { run: self.options.run.clone(), steps, hosts }).await;
        let (end, done) = self.all_steps().await;
        if matches!(end, End::Failed { .. } | End::Stale { .. }) && !self.cancel.is_forced() {
            self.start_recreated().await;
        }
        let rolled_back = self.state().rolled_back.clone();
        let outcome = Outcome { end, done, steps, rolled_back };
        // Whoever asked twice wants no more waiting.
        if !self.cancel.is_forced() {
            self.close_journals(&outcome).await;
        }
        outcome
    }

    /// Does all steps, each after those that it needs. How it ended, and how many were done.
    async fn all_steps(&self) -> (End, usize) {
        let mut steps = Ready::of(&self.plan.steps, !self.mutated(Mutation::EdgeDropped));
        let mut running = FuturesUnordered::new();
        let mut end: Option<End> = None;
        let mut told = false;
        loop {
            while running.len() < self.options.parallel.max(1)
                && (end.is_none() || self.mutated(Mutation::GoesOnAfterFailure))
            {
                let wanted = |step: &Step| !self.cancel.is_requested() || self.finishes(step);
                let Some(step) = steps.take(wanted) else { break };
                running.push(async move { (step, self.step(step).await) });
            }
            if running.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                () = self.cancel.forced() => {
                    self.tell(Happening::Interrupting { forced: true }).await;
                    return (End::Interrupted, steps.count());
                }
                Some((step, result)) = running.next() => match result {
                    Ok(()) => steps.done(&step.id),
                    Err(halt) => {
                        if self.mutated(Mutation::GoesOnAfterFailure) {
                            steps.done(&step.id);
                        }
                        end = worse(end, halt);
                    }
                },
                () = self.cancel.requested(), if !told => {
                    told = true;
                    self.tell(Happening::Interrupting { forced: false }).await;
                }
            }
        }
        let end = match end {
            Some(end) => end,
            None if steps.first_waiting().is_none() && steps.count() == self.plan.steps.len() => End::Done,
            None if self.cancel.is_requested() => End::Interrupted,
            None => {
                let stuck = steps.first_waiting().map_or("none", |step| step.id.0.as_str());
                End::Wrong { why: format!("no step can begin: {stuck} waits for what never comes") }
            }
        };
        (end, steps.count())
    }

    /// Takes all locks or none, and asks again for as long as the options say. Nothing is held while another run is
    /// waited for, so that two that wait never wait for each other.
    async fn lock_all(&self, hosts: &BTreeSet<HostName>) -> Result<(), End> {
        let began = Instant::now();
        let mut first = hosts.first().cloned();
        loop {
            let Err(end) = self.lock_once(hosts, first.as_ref()).await else { return Ok(()) };
            let waited = began.elapsed();
            let End::Locked { host, holder } = end else { return Err(end) };
            if waited >= self.options.lock_within {
                return Err(End::Locked { host, holder });
            }
            self.free_locks();
            let (step, subject, limit) =
                (StepId("locks".to_owned()), Subject::Host(host.clone()), self.options.lock_within);
            let what = "its lock is free".to_owned();
            self.tell(Happening::Waiting { step, subject, what, says: format!("locked by {holder}"), waited, limit })
                .await;
            first = Some(host);
            sleep(LOCK_PAUSE.min(self.options.lock_within.saturating_sub(waited))).await;
        }
    }

    /// Asks for every lock once. One alone first, so that of two runs that begin at once one has all; the others together.
    async fn lock_once(&self, hosts: &BTreeSet<HostName>, first: Option<&HostName>) -> Result<(), End> {
        let others = hosts.iter().filter(|host| Some(*host) != first).collect();
        for some in [first.into_iter().collect::<Vec<_>>(), others] {
            if self.cancel.is_requested() {
                return Err(End::Interrupted);
            }
            let taken = futures::future::join_all(some.into_iter().map(|host| self.lock(host))).await;
            if let Some(end) = taken.into_iter().find_map(Result::err) {
                return Err(end);
            }
        }
        Ok(())
    }

    /// Takes the lock of one host.
    async fn lock(&self, name: &HostName) -> Result<(), End> {
        let wrong = |trouble: super::trouble::Trouble| End::Wrong { why: trouble.why };
        let (host, prefix) = (self.host(name).map_err(wrong)?, self.desired_host(name).map_err(wrong)?.prefix.clone());
        let mut attempt = 1;
        loop {
            let HostError { kind, message, .. } = match host.lock(&prefix, &self.options.claim).await {
                Ok(guard) => {
                    self.keep_lock(name.clone(), guard);
                    return Ok(());
                }
                Err(error) => error,
            };
            match kind {
                Failure::Locked if self.mutated(Mutation::LockIgnored) => return Ok(()),
                Failure::Locked => return Err(End::Locked { host: name.clone(), holder: message }),
                Failure::TryAgain if attempt < LOCK_TRIES => attempt += 1,
                Failure::Unreachable | Failure::TryAgain => {
                    return Err(End::Unreachable { host: name.clone(), why: message });
                }
                Failure::Stuck | Failure::Stop => return Err(End::Wrong { why: format!("{name}: {message}") }),
            }
            sleep(Duration::from_millis(250)).await;
        }
    }
}

/// The end that counts: a failure before a stale host before a step that was left out because of either.
fn worse(end: Option<End>, halt: Halt) -> Option<End> {
    let new = match halt {
        Halt::Failed(bundle) => End::Failed { bundle },
        Halt::Stale(why) => End::Stale { why },
        // The reason is the cancel or the failure that is, or will be, known anyway.
        Halt::Halted => return end,
    };
    match (&end, &new) {
        (None, _) | (Some(End::Stale { .. }), End::Failed { .. }) => Some(new),
        _ => end,
    }
}
