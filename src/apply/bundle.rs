//! What is known about a failure, collected while it is fresh: so that nobody has to log in to see the reason.

use super::events::Subject;
use crate::plan::StepId;
use serde::Serialize;

/// Everything about one failed step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bundle {
    /// The step.
    pub step: StepId,
    /// What it is about.
    pub subject: Subject,
    /// The action that failed, when the step has several.
    pub action: Option<String>,
    /// Why, in one line.
    pub why: String,
    /// What the gate answered last.
    pub answer: Option<String>,
    /// How the process is doing.
    pub life: Option<String>,
    /// The last lines of its logs, made safe for a terminal.
    pub log: Vec<String>,
    /// What was done about it (rolled back, left as it is, …).
    pub then: String,
    /// The next command to type.
    pub next: String,
}
