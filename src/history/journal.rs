//! One journal of one host. It may be cut off, by a crash or a full disk, and anybody may have written into it: what is no
//! record is told, and never believed.

use super::Record;
use crate::inventory::printable;
use crate::model::{Digest, HostName};
use std::time::Duration;

/// Longest text of a record that is kept.
const TEXT: usize = 400;

/// Longest name of a step, a subject or an action that is kept.
const NAME: usize = 120;

/// Most waivers that are kept of one run.
const WAIVERS: usize = 50;

/// A journal as a host has given it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalText {
    /// The run, which is the name of its file.
    pub run: String,
    /// Its lines; only the first and the last one when nobody has asked for more.
    pub lines: Vec<String>,
    /// Whether these are all lines.
    pub whole: bool,
}

/// A journal of one run on one host. Everything in it is safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    /// The run.
    pub run: String,
    /// Where it is.
    pub host: HostName,
    /// Its first line.
    pub header: Option<Header>,
    /// What was done, in the order in which it began.
    pub entries: Vec<Entry>,
    /// Its last line.
    pub outcome: Option<Recorded>,
    /// What could not be read of it.
    pub problems: Vec<String>,
}

/// Which plan, by whom, when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The cluster.
    pub cluster: String,
    /// The plan's digest.
    pub plan: Digest,
    /// Who.
    pub who: String,
    /// The command.
    pub why: String,
    /// When, RFC 3339.
    pub since: String,
    /// Waived refusals with the reasons.
    pub waived: Vec<(String, String)>,
}

/// One action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The step that it belongs to.
    pub step: String,
    /// What it was about: a host, an instance or a service.
    pub subject: String,
    /// What was done.
    pub action: String,
    /// When it began, after the beginning of the run.
    pub at: Duration,
    /// How long it took; `None` when its end was never recorded.
    pub took: Option<Duration>,
    /// Why it failed.
    pub failed: Option<String>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// `done`, `failed`, `interrupted`, …
    pub end: String,
    /// The exit code.
    pub exit: u8,
    /// Steps that were done.
    pub done: usize,
    /// Steps of the plan.
    pub steps: usize,
    /// How long it took.
    pub took: Duration,
}

impl Journal {
    /// Reads a journal. Nothing in it can make this fail; what is wrong is in `problems`.
    pub fn read(host: &HostName, text: &JournalText) -> Self {
        let mut journal = Self {
            run: printable(&text.run, NAME),
            host: host.clone(),
            header: None,
            entries: Vec::new(),
            outcome: None,
            problems: Vec::new(),
        };
        let (mut bad, mut first_bad) = (0_usize, None);
        let last = text.lines.len().saturating_sub(1);
        for (index, line) in text.lines.iter().enumerate() {
            match serde_json::from_str::<Record>(line) {
                Ok(record) => journal.take(record),
                // What stands between is nobody's who asked for the ends alone; a last line may be any record.
                Err(_) if line.trim().is_empty() => {}
                Err(error) => {
                    bad += 1;
                    let which = match index {
                        0 => "the first line".to_owned(),
                        _ if index == last => "the last line".to_owned(),
                        _ => format!("line {}", index + 1),
                    };
                    // The parser's place is in a line that nobody sees; what it met is the same without it.
                    let why = error.to_string();
                    let why = why.split(" at line ").next().unwrap_or_default();
                    let what = if error.is_eof() {
                        "is cut off".to_owned()
                    } else {
                        format!("is no record: {}", printable(why, NAME))
                    };
                    first_bad.get_or_insert(format!("{which} {what}"));
                }
            }
        }
        journal.problems.extend(first_bad.map(|first| match bad {
            1 => first,
            more => format!("{first} (and {} more)", more - 1),
        }));
        if journal.header.is_none() && journal.problems.is_empty() {
            journal.problems.push("it does not say which run it is of".to_owned());
        }
        journal
    }

    fn take(&mut self, record: Record) {
        match record {
            Record::Run { cluster, plan, steps: _, who, why, since, waived } => {
                let waived = waived.into_iter().take(WAIVERS);
                self.header = Some(Header {
                    cluster: cluster.to_string(),
                    plan,
                    who: printable(&who, TEXT),
                    why: printable(&why, TEXT),
                    since: printable(&since, NAME),
                    waived: waived.map(|(name, why)| (name.to_string(), printable(&why, TEXT))).collect(),
                });
            }
            Record::Begin { at, step, subject, action } => self.entries.push(Entry {
                step: printable(&step.0, NAME),
                subject: printable(&subject, NAME),
                action: printable(&action, NAME),
                at: Duration::from_millis(at),
                took: None,
                failed: None,
            }),
            Record::End { at, step, subject, action, took, failed } => {
                let (step, subject, action) =
                    (printable(&step.0, NAME), printable(&subject, NAME), printable(&action, NAME));
                let took = Duration::from_millis(took);
                let same = |entry: &&mut Entry| {
                    entry.took.is_none() && entry.step == step && entry.subject == subject && entry.action == action
                };
                let failed = failed.map(|why| printable(&why, TEXT));
                if let Some(entry) = self.entries.iter_mut().rev().find(same) {
                    (entry.took, entry.failed) = (Some(took), failed);
                } else {
                    let at = Duration::from_millis(at).saturating_sub(took);
                    self.entries.push(Entry { step, subject, action, at, took: Some(took), failed });
                }
            }
            Record::Outcome { at, end, exit, done, steps } => {
                let (end, took) = (printable(&end, NAME), Duration::from_millis(at));
                self.outcome = Some(Recorded { end, exit, done, steps, took });
            }
        }
    }
}
