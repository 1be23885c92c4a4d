//! A run, put together from the journals that it has left on its hosts.

use super::{Entry, Header, Journal, Recorded};
use crate::model::HostName;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A run that was, or one that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRun {
    /// What it is called.
    pub run: String,
    /// Which plan, by whom, when; `None` when no host can tell any more.
    pub header: Option<Header>,
    /// How it ended; `None` when no host knows: it was lost, or goes on.
    pub outcome: Option<Recorded>,
    /// The hosts that have a journal of it.
    pub hosts: Vec<HostName>,
    /// What was done, in the order in which it began; empty when only the ends of its journals were read.
    pub steps: Vec<PastStep>,
    /// Journals that can't be read whole, each with its host.
    pub problems: Vec<String>,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastStep {
    /// Its id in the plan.
    pub step: String,
    /// Its actions, in the order in which they began.
    pub entries: Vec<Entry>,
}

impl PastStep {
    /// When it began.
    pub fn at(&self) -> Duration {
        self.entries.iter().map(|entry| entry.at).min().unwrap_or_default()
    }

    /// How long it took, from the beginning of its first action to the end of its last one; `None` when it never ended.
    pub fn took(&self) -> Option<Duration> {
        let ends = self.entries.iter().map(|entry| entry.took.map(|took| entry.at.saturating_add(took)));
        let end = ends.collect::<Option<Vec<Duration>>>()?.into_iter().max()?;
        Some(end.saturating_sub(self.at()))
    }

    /// Why it failed, where it did.
    pub fn failed(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.failed.is_some())
    }
}

/// Puts journals together to runs, the newest first. What hosts say of one run must agree; where it does not, the first
/// host by name is believed, and the others are told as a problem.
pub fn runs(journals: Vec<Journal>) -> Vec<PastRun> {
    let mut by_run: BTreeMap<String, Vec<Journal>> = BTreeMap::new();
    for journal in journals {
        by_run.entry(journal.run.clone()).or_default().push(journal);
    }
    let mut all: Vec<PastRun> = by_run.into_iter().map(|(run, journals)| together(run, journals)).collect();
    // The name of a run begins with when it began.
    all.reverse();
    all
}

fn together(run: String, mut journals: Vec<Journal>) -> PastRun {
    journals.sort_by(|a, b| a.host.cmp(&b.host));
    let mut past = PastRun {
        run,
        header: None,
        outcome: None,
        hosts: journals.iter().map(|journal| journal.host.clone()).collect(),
        steps: Vec::new(),
        problems: Vec::new(),
    };
    let mut steps: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for journal in journals {
        let host = &journal.host;
        past.problems.extend(journal.problems.iter().map(|problem| format!("{host}: {problem}")));
        match (&past.header, journal.header) {
            (None, header) => past.header = header,
            (Some(known), Some(header)) if *known != header => {
                past.problems.push(format!("{host}: its first line is of another run"));
            }
            _ => {}
        }
        match (&past.outcome, journal.outcome) {
            (None, outcome) => past.outcome = outcome,
            (Some(known), Some(outcome)) if known.end != outcome.end => {
                past.problems.push(format!("{host}: it says that the run ended as {}", outcome.end));
            }
            _ => {}
        }
        for entry in journal.entries {
            steps.entry(entry.step.clone()).or_default().push(entry);
        }
    }
    past.steps = steps
        .into_iter()
        .map(|(step, mut entries)| {
            entries.sort_by_key(|entry| entry.at);
            PastStep { step, entries }
        })
        .collect();
    past.steps.sort_by(|a, b| (a.at(), &a.step).cmp(&(b.at(), &b.step)));
    past
}

impl PastRun {
    /// What it has switched to a newer generation, by name; also what was lost before that ended. What is held in the same step
    /// went back.
    pub fn switched(&self) -> BTreeSet<String> {
        let mut switched = BTreeSet::new();
        for step in &self.steps {
            let did = |action: &'static str| step.entries.iter().filter(move |entry| entry.action == action);
            let back: BTreeSet<&String> = did("hold").map(|entry| &entry.subject).collect();
            let forth = did("switch").map(|entry| &entry.subject).filter(|subject| !back.contains(*subject));
            switched.extend(forth.cloned());
        }
        switched
    }

    /// The actions that took longest, the slowest first. What watches for as long as the file says is no wait.
    pub fn slowest(&self, most: usize) -> Vec<&Entry> {
        let entries = self.steps.iter().flat_map(|step| &step.entries);
        let mut waits: Vec<&Entry> = entries.filter(|entry| entry.took.is_some() && entry.action != "soak").collect();
        waits.sort_by(|a, b| b.took.cmp(&a.took).then_with(|| (&a.subject, &a.action).cmp(&(&b.subject, &b.action))));
        waits.truncate(most);
        waits
    }
}
