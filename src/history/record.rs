//! The lines of a journal.

use crate::model::{Digest, Name};
use crate::plan::StepId;
use serde::{Deserialize, Serialize};

/// One line of a journal, as JSON. Times are milliseconds since the run began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "record")]
#[expect(missing_docs, reason = "the line of a variant says what its fields are")]
pub enum Record {
    /// The first line on each host: which plan, by whom, when.
    Run {
        cluster: Name,
        plan: Digest,
        steps: usize,
        who: String,
        why: String,
        since: String,
        /// Refusals that somebody has waived, with the reasons.
        waived: Vec<(Name, String)>,
    },
    /// An action is about to be done.
    Begin { at: u64, step: StepId, subject: String, action: String },
    /// It was done, or failed.
    End {
        at: u64,
        step: StepId,
        subject: String,
        action: String,
        took: u64,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        failed: Option<String>,
    },
    /// The last line.
    Outcome { at: u64, end: String, exit: u8, done: usize, steps: usize },
}
