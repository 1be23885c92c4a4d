//! A run as a test report: each host and each gate that was asked is a case, and the run itself.

use super::lines;
use crate::apply::{Bundle, End, Event, Happening, Outcome, Subject};
use crate::model::HostName;
use crate::render::cases::{Case, Verdict, report};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a report of a run needs of its events.
#[derive(Debug, Default)]
pub struct Report {
    hosts: Vec<HostName>,
    /// Hosts on which a step has ended, and for how long steps took there.
    done: BTreeMap<HostName, Duration>,
    gates: Vec<Case>,
    failed: BTreeSet<HostName>,
    outcome: Option<Outcome>,
    took: Duration,
}

impl Report {
    /// Takes in an event.
    pub(super) fn see(&mut self, event: &Event) {
        self.took = event.at;
        match &event.what {
            // A run that plans again begins again.
            Happening::Began { hosts, .. } => *self = Self { hosts: hosts.clone(), ..Self::default() },
            Happening::ActionEnded { subject, action, took, .. } => {
                if let Some(gate) = gate(action) {
                    self.passed(format!("{subject} {gate}"), *took);
                }
            }
            Happening::StepEnded { step, subject, took } => match subject {
                Subject::Service(_) => self.passed(step.0.clone(), *took),
                Subject::Host(host) => *self.done.entry(host.clone()).or_default() += *took,
                Subject::Instance(id) => *self.done.entry(id.host.clone()).or_default() += *took,
            },
            Happening::Failed { bundle, .. } => self.failed(bundle),
            Happening::Ended { outcome } => self.outcome = Some((**outcome).clone()),
            _ => {}
        }
    }

    fn passed(&mut self, name: String, took: Duration) {
        self.gates.push(Case { took, ..Case::new(name, Verdict::Passed) });
    }

    fn failed(&mut self, bundle: &Bundle) {
        let what = bundle.action.as_deref().map_or(bundle.step.0.as_str(), |action| gate(action).unwrap_or(action));
        let lines = lines::failure(bundle, "").join("\n");
        let (kind, message, help) = ("failed".to_owned(), bundle.why.clone(), bundle.next.clone());
        let verdict = Verdict::Failed { kind, message, help };
        self.gates.push(Case { output: lines, ..Case::new(format!("{} {what}", bundle.subject), verdict) });
        match &bundle.subject {
            Subject::Host(host) => _ = self.failed.insert(host.clone()),
            Subject::Instance(id) => _ = self.failed.insert(id.host.clone()),
            Subject::Service(_) => {}
        }
    }

    /// The report as JUnit XML; nothing when no run has ended.
    pub fn junit(&self, cluster: &str) -> Option<String> {
        let outcome = self.outcome.as_ref()?;
        let words = lines::outcome(outcome);
        let first = words.iter().find(|line| !line.is_empty()).cloned().unwrap_or_default();
        let whole = outcome.end == End::Done;
        let host = |host: &HostName| {
            let verdict = if self.failed.contains(host) {
                let (kind, message) = ("failed".to_owned(), first.clone());
                Verdict::Failed { kind, message, help: String::new() }
            } else if whole || self.done.contains_key(host) {
                Verdict::Passed
            } else {
                Verdict::Skipped("nothing was done here before the run ended".to_owned())
            };
            let took = self.done.get(host).copied().unwrap_or_default();
            Case { took, ..Case::new(host.to_string(), verdict) }
        };
        let verdict = if whole {
            Verdict::Passed
        } else {
            let (kind, message) = (format!("exit code {}", outcome.exit_code()), first.clone());
            Verdict::Failed { kind, message, help: String::new() }
        };
        let run = Case { output: words.join("\n"), took: self.took, ..Case::new("the run".to_owned(), verdict) };
        let hosts = self.hosts.iter().map(host).collect();
        let suites = [("run", vec![run]), ("hosts", hosts), ("gates", self.gates.clone())];
        Some(report(&format!("{cluster}: {first}"), cluster, &suites))
    }
}

/// The gate that an action of an instance asks; none for other actions.
fn gate(action: &str) -> Option<&'static str> {
    match action {
        "await ready" => Some("ready"),
        "await healthy" => Some("healthy"),
        "soak" => Some("stays healthy"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
