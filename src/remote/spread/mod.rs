//! How an artifact reaches every host without the controller's link carrying it to each: hosts that have it pass it on.
//!
//! [`Schedule`] decides, on data alone, who sends to whom; [`Spread`] lets the tasks of all hosts wait for their turn.

mod schedule;
#[cfg(test)]
mod tests;

pub use schedule::{Schedule, Source};

use crate::model::{Digest, HostName};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// How often somebody who waits looks whether it has waited long enough to be served in another way.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The transfers of one run.
#[derive(Debug, Default)]
pub struct Spread {
    schedule: Mutex<Schedule>,
    changed: Notify,
}

/// One transfer that may go on now. Dropped without a word, it has failed.
#[derive(Debug)]
pub struct Turn<'a> {
    spread: &'a Spread,
    artifact: Digest,
    to: HostName,
    from: Source,
    ended: bool,
}

impl Spread {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A host that can send to others has an artifact, or seems to: whoever receives it verifies it.
    pub fn has(&self, host: &HostName, artifact: Digest) {
        self.schedule().has(host, artifact);
        self.changed.notify_waiters();
    }

    /// Waits for a turn to bring an artifact to a host. `passes` tells which hosts can send to this one.
    pub async fn turn(&self, artifact: Digest, to: &HostName, passes: impl Fn(&HostName) -> bool) -> Turn<'_> {
        let begin = Instant::now();
        loop {
            // Registered before the look: what changes between the look and the wait is not missed.
            let changed = self.changed.notified();
            let from = self.schedule().next(artifact, to, begin.elapsed(), &passes);
            if let Some(from) = from {
                return Turn { spread: self, artifact, to: to.clone(), from, ended: false };
            }
            // An elapsed time-out is the look itself.
            _ = timeout(LOOK_EVERY, changed).await;
        }
    }
}

impl Turn<'_> {
    /// Who sends.
    pub const fn from(&self) -> &Source {
        &self.from
    }

    /// It is there, verified: the host can pass it on.
    pub fn arrived(mut self) {
        self.end(true);
    }

    /// It is not.
    pub fn failed(mut self) {
        self.end(false);
    }

    fn end(&mut self, arrived: bool) {
        self.ended = true;
        self.spread.schedule().ended(self.artifact, &self.from, &self.to, arrived);
        self.spread.changed.notify_waiters();
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.end(false);
        }
    }
}
