//! Who sends an artifact to whom: a tree that grows by itself. No clock and no network here.

use crate::model::{Digest, HostName};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How many copies of one artifact the controller sends while hosts pass it on.
const COPIES: u32 = 3;
/// The controller sends one more at a time after each of these that somebody has waited: the first to be served may be slow.
const PATIENCE: Duration = Duration::from_secs(10);
/// Who has waited for this long is served by the controller, however many copies it has sent.
const ENOUGH: Duration = Duration::from_mins(1);
/// A host that could not send this often is not asked again.
const FAILURES: u32 = 2;

/// Who sends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// This program.
    Controller,
    /// A host that has the artifact.
    Host(HostName),
}

/// What is known of one artifact.
#[derive(Debug, Default)]
struct Copies {
    holders: BTreeSet<HostName>,
    /// Transfers that go on, sender by receiver.
    under_way: BTreeMap<HostName, Source>,
    /// Copies that the controller has sent, or is sending.
    sent: u32,
    /// Pairs that did not work.
    failed: BTreeSet<(HostName, HostName)>,
}

/// Who has what, who sends, and who could not.
#[derive(Debug, Default)]
pub struct Schedule {
    artifacts: BTreeMap<Digest, Copies>,
    /// Hosts that send now, whatever it is: one link serves one transfer at a time best.
    sending: BTreeSet<HostName>,
    failures: BTreeMap<HostName, u32>,
}

impl Schedule {
    /// A host has an artifact.
    pub fn has(&mut self, host: &HostName, artifact: Digest) {
        self.artifacts.entry(artifact).or_default().holders.insert(host.clone());
    }

    /// Who sends an artifact to a host now; nobody yet when it is better to wait. `waited` says for how long it has.
    pub fn next(
        &mut self,
        artifact: Digest,
        to: &HostName,
        waited: Duration,
        passes: &dyn Fn(&HostName) -> bool,
    ) -> Option<Source> {
        let (sending, failures) = (&self.sending, &self.failures);
        let copies = self.artifacts.entry(artifact).or_default();
        // Who has not been reached by two others is reached from here, or not at all.
        let remote = copies.failed.iter().filter(|(_, receiver)| receiver == to).count() >= FAILURES as usize;
        let able = |host: &&HostName| {
            *host != to
                && !remote
                && passes(host)
                && failures.get(*host).copied().unwrap_or(0) < FAILURES
                && !copies.failed.contains(&((*host).clone(), to.clone()))
        };
        let free = copies.holders.iter().filter(able).find(|host| !sending.contains(*host)).cloned();
        if let Some(host) = free {
            self.sending.insert(host.clone());
            copies.under_way.insert(to.clone(), Source::Host(host.clone()));
            return Some(Source::Host(host));
        }
        // Somebody has it, or will have it, and can send it on.
        let hope = copies.holders.iter().any(|host| able(&host)) || copies.under_way.keys().any(|host| able(&host));
        let now = copies.under_way.values().filter(|from| **from == Source::Controller).count();
        let patience = waited.as_secs() / PATIENCE.as_secs();
        let crowded = now as u64 > patience;
        let enough = copies.sent >= COPIES;
        if hope && waited < ENOUGH && (crowded || enough) {
            return None;
        }
        copies.sent += 1;
        copies.under_way.insert(to.clone(), Source::Controller);
        Some(Source::Controller)
    }

    /// A transfer has ended.
    pub fn ended(&mut self, artifact: Digest, from: &Source, to: &HostName, arrived: bool) {
        let copies = self.artifacts.entry(artifact).or_default();
        copies.under_way.remove(to);
        if arrived {
            copies.holders.insert(to.clone());
        }
        if let Source::Host(host) = from {
            self.sending.remove(host);
            if arrived {
                self.failures.remove(host);
            } else {
                copies.failed.insert((host.clone(), to.clone()));
                *self.failures.entry(host.clone()).or_default() += 1;
            }
        }
    }

    /// How many copies of an artifact the controller has sent.
    #[cfg(test)]
    pub(super) fn sent(&self, artifact: &Digest) -> u32 {
        self.artifacts.get(artifact).map_or(0, |copies| copies.sent)
    }
}
