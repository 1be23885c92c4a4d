//! Why something inside a step did not work, by type: what may be done about it follows from the type, never from the text.

use crate::host::{Failure, HostError};
use crate::model::HostName;

/// A failure inside a step.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    /// What it means for the run.
    pub(crate) cause: Cause,
    /// For people, one line.
    pub(crate) why: String,
    /// What a gate answered last.
    pub(crate) answer: Option<String>,
}

/// What a failure means for the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A gate did not hold in time, or can't hold any more.
    Gate,
    /// It is not safe to stop the instance, and it did not become safe in time.
    Unsafe,
    /// An operation failed.
    Host(Failure),
    /// A setting could not be read or written, or a hook failed.
    Setting,
    /// Which instance goes last could not be told.
    Leader,
    /// A lock was lost.
    LockLost,
    /// The host is no longer what the plan was made from.
    Stale(HostName),
    /// The run ends for another reason, and nothing was disturbed here yet.
    Halted,
    /// The plan names something that is not there.
    Plan,
}

impl Trouble {
    pub(crate) fn new(cause: Cause, why: impl Into<String>) -> Self {
        Self { cause, why: why.into(), answer: None }
    }

    pub(crate) fn answered(mut self, answer: impl Into<String>) -> Self {
        self.answer = Some(answer.into());
        self
    }
}

impl From<HostError> for Trouble {
    fn from(error: HostError) -> Self {
        Self::new(Cause::Host(error.kind), error.to_string())
    }
}
