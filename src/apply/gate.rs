//! Gates: a condition is looked at every 200 ms until it holds, the limit passes, or it can't come true any more. What
//! is waited for, and what was answered last, is told all the time.

use super::events::{Happening, Subject};
use super::mutation::Mutation;
use super::run::Run;
use super::trouble::{Cause, Trouble};
use crate::desired::DesiredInstance;
use crate::host::{Life, Question};
use crate::inventory::Verdict;
use crate::plan::StepId;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// How often a gate is looked at.
const EVERY: Duration = Duration::from_millis(200);

/// How often a canary is looked at while it soaks.
const SOAK_EVERY: Duration = Duration::from_millis(500);

/// An unchanged answer is told again this often.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// A process that starts again by itself more often than this while a gate waits is in a crash loop.
const RESTARTS: u32 = 2;

/// What one wait is about.
pub(crate) struct Wait<'a> {
    pub(crate) step: &'a StepId,
    pub(crate) subject: Subject,
    /// What is waited for, for people: `ready`, `healthy`, `safe to stop`.
    pub(crate) what: &'a str,
    pub(crate) within: Duration,
    /// Two answers in a row must hold.
    pub(crate) twice: bool,
    /// The instance whose process must live meanwhile.
    pub(crate) process: Option<&'a DesiredInstance>,
    /// Ends early when the run is halting: only where nothing is disturbed yet.
    pub(crate) ends_when_halting: bool,
}

/// The life of one process, watched.
#[derive(Debug, Default)]
struct Watch {
    last: Option<(u32, u64)>,
    restarts: u32,
}

impl Watch {
    /// Takes in a new look. An error when the process will not come back, or comes back again and again.
    fn see(&mut self, life: &Life, restarts_allowed: u32) -> Result<(), String> {
        match life {
            Life::Running { pid, start_time } => {
                let now = (*pid, *start_time);
                if self.last.is_some_and(|last| last != now) {
                    self.restarts += 1;
                }
                self.last = Some(now);
                if self.restarts > restarts_allowed {
                    return Err(format!("the process has ended and started again {} times by itself", self.restarts));
                }
                Ok(())
            }
            Life::Down { gave_up: true, why } => {
                Err(format!("the process does not run, and the supervisor gave up: {why}"))
            }
            Life::Down { gave_up: false, .. } => Ok(()),
        }
    }
}

impl Run<'_> {
    /// Waits until the question is answered as it should.
    pub(crate) async fn wait(&self, wait: &Wait<'_>, question: &Question) -> Result<(), Trouble> {
        self.wait_for(wait, || async { self.platform.services().ask(question).await }).await
    }

    /// Waits until a look at something holds. The first look is at once.
    pub(crate) async fn wait_for<F: Future<Output = Verdict>>(
        &self,
        wait: &Wait<'_>,
        mut look: impl FnMut() -> F,
    ) -> Result<(), Trouble> {
        let began = Instant::now();
        let end = began + wait.within;
        let mut watch = Watch::default();
        let mut told: Option<(Instant, String)> = None;
        let mut held_before = false;
        loop {
            let now = Instant::now();
            // One look may take until the limit, but the first one always gets a moment.
            let patience = end.saturating_duration_since(now).max(EVERY);
            let (verdict, life) = tokio::join!(timeout(patience, look()), self.life(wait.process));
            let verdict =
                verdict.unwrap_or_else(|_| Verdict { holds: false, unknown: false, says: "no answer".to_owned() });
            self.locks_held().await?;
            if let Some(Err(dead)) = life.map(|life| watch.see(&life, RESTARTS)) {
                let why = format!("{} is not {}: {dead}", wait.subject, wait.what);
                return Err(Trouble::new(Cause::Gate, why).answered(verdict.says));
            }
            if (verdict.holds && (held_before || !wait.twice)) || self.mutated(Mutation::GateIgnored) {
                return Ok(());
            }
            held_before = verdict.holds;
            if wait.ends_when_halting && self.is_halting() {
                return Err(Trouble::new(Cause::Halted, "the run ends").answered(verdict.says));
            }
            if Instant::now() >= end {
                let limit = super::bundle::seconds(wait.within);
                let why = format!("{} was not {} within {limit}: {}", wait.subject, wait.what, verdict.says);
                return Err(Trouble::new(Cause::Gate, why).answered(verdict.says));
            }
            let news = told.as_ref().is_none_or(|(at, says)| at.elapsed() >= TELL_EVERY || *says != verdict.says);
            if news {
                told = Some((Instant::now(), verdict.says.clone()));
                self.tell_waiting(wait, verdict.says, began.elapsed()).await;
            }
            // At the very end there is one more look: what came true in the last moment counts.
            sleep_until((now + EVERY).max(Instant::now() + EVERY / 10).min(end)).await;
        }
    }

    /// Watches an instance and its service for a while: the process must not restart, both gates must hold all the time,
    /// and at the end. One answer that does not hold is asked for again before it counts, since a lost request is no proof.
    pub(crate) async fn soak(&self, wait: &Wait<'_>, questions: &[Question]) -> Result<(), Trouble> {
        if self.mutated(Mutation::SoakSkipped) {
            return Ok(());
        }
        let began = Instant::now();
        let end = began + wait.within;
        let mut watch = Watch::default();
        let mut doubts = 0;
        loop {
            let now = Instant::now();
            self.locks_held().await?;
            let life = self.life(wait.process).await;
            if let Some(Err(dead)) = life.map(|life| watch.see(&life, 0)) {
                return Err(Trouble::new(Cause::Gate, format!("{} did not stay up: {dead}", wait.subject)));
            }
            let mut doubt = None;
            for question in questions {
                let asked = timeout(wait.within.max(TELL_EVERY * 10), self.platform.services().ask(question)).await;
                let verdict =
                    asked.unwrap_or_else(|_| Verdict { holds: false, unknown: false, says: "no answer".to_owned() });
                if !verdict.holds {
                    doubt = Some(verdict.says);
                    break;
                }
            }
            doubts = if doubt.is_some() { doubts + 1 } else { 0 };
            if let Some(says) = doubt.clone().filter(|_| doubts > 1) {
                let why = format!("{} did not stay healthy: {says}", wait.subject);
                return Err(Trouble::new(Cause::Gate, why).answered(says));
            }
            if doubts == 0 && (Instant::now() >= end || self.is_halting()) {
                return Ok(());
            }
            let says = doubt.unwrap_or_else(|| "healthy so far".to_owned());
            self.tell_waiting(wait, says, began.elapsed()).await;
            let pause = if doubts > 0 { EVERY } else { SOAK_EVERY };
            let next = now + pause;
            sleep_until(if doubts > 0 { next } else { next.min(end).max(Instant::now()) }).await;
        }
    }

    pub(crate) async fn tell_waiting(&self, wait: &Wait<'_>, says: String, waited: Duration) {
        let (step, subject, what) = (wait.step.clone(), wait.subject.clone(), wait.what.to_owned());
        self.tell(Happening::Waiting { step, subject, what, says, waited, limit: wait.within }).await;
    }

    /// How a process is doing; `None` when nobody is watched, or it can't be told right now.
    async fn life(&self, process: Option<&DesiredInstance>) -> Option<Life> {
        let instance = process?;
        self.host(&instance.id.host).ok()?.life(instance).await.ok()
    }
}
