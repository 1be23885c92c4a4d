//! What earlier runs have done: a list of them, and a report of one.

mod list;
mod report;

use crate::history::{PastRun, Recorded};
use crate::model::HostName;
use serde_json::{Value, json};
use std::time::Duration;

/// Earlier runs, as far as hosts could tell.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "what was done is for showing"]
pub struct History {
    /// The cluster's name.
    pub cluster: String,
    /// The runs, the newest first.
    pub runs: Vec<PastRun>,
    /// Hosts that could not be asked, and why.
    pub unread: Vec<(HostName, String)>,
}

/// How a run ended, in a few words.
fn ended(run: &PastRun) -> String {
    match &run.outcome {
        Some(Recorded { end, exit: 0, .. }) => end.clone(),
        Some(Recorded { end, exit, .. }) => format!("{end} ({exit})"),
        None => "no end recorded".to_owned(),
    }
}

fn done(run: &PastRun) -> Option<String> {
    let Recorded { done, steps, took, .. } = run.outcome.as_ref()?;
    Some(format!("{done} of {} in {}", super::words::count(*steps, "step"), took_words(*took)))
}

/// A duration with tenths where they matter: `0.3s`, `12s`, `1m30s`.
fn took_words(took: Duration) -> String {
    match took.as_millis() {
        0 => "0s".to_owned(),
        millis @ 1..10_000 => format!("{}.{}s", millis / 1000, millis / 100 % 10),
        _ => super::words::duration(took),
    }
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// A run as JSON, without its steps.
fn about(run: &PastRun) -> Value {
    let header = run.header.as_ref();
    let waived = header.map_or(&[][..], |header| &header.waived);
    let outcome = run.outcome.as_ref().map(|outcome| {
        json!({
            "end": outcome.end,
            "exit_code": outcome.exit,
            "done": outcome.done,
            "steps": outcome.steps,
            "took": millis(outcome.took),
        })
    });
    json!({
        "run": run.run,
        "since": header.map(|header| &header.since),
        "who": header.map(|header| &header.who),
        "why": header.map(|header| &header.why),
        "plan": header.map(|header| header.plan),
        "hosts": run.hosts,
        "waived": waived.iter().map(|(name, reason)| json!({ "name": name, "reason": reason })).collect::<Vec<_>>(),
        "outcome": outcome,
        "problems": run.problems,
    })
}

fn unread(history: &History) -> Value {
    history.unread.iter().map(|(host, why)| json!({ "host": host, "why": why })).collect()
}

fn pretty(value: &Value) -> String {
    super::printable_json(&serde_json::to_string_pretty(value).unwrap_or_default()) + "\n"
}
