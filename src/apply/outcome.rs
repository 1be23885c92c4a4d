//! How an apply ended, and what that means for the exit code.

use super::Bundle;
use crate::model::{HostName, InstanceId};
use serde::Serialize;

/// How an apply ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[must_use = "the outcome decides the exit code"]
pub struct Outcome {
    /// How.
    pub end: End,
    /// Steps that were done.
    pub done: usize,
    /// Steps of the plan.
    pub steps: usize,
    /// Instances that were rolled back and are healthy again.
    pub rolled_back: Vec<InstanceId>,
}

/// The ways to end.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "end")]
#[expect(missing_docs, reason = "the line of a variant says what its fields are")]
pub enum End {
    /// Everything was done, or there was nothing to do.
    Done,
    /// Refusals that nobody waived, or violations that the independent check found. Nothing was done.
    Refused { why: Vec<String> },
    /// Another run holds a host's lock. Nothing was done.
    Locked { host: HostName, holder: String },
    /// A host could not be reached before anything was done.
    Unreachable { host: HostName, why: String },
    /// A host is no longer what the plan was made from. Steps on other hosts may have been done.
    Stale { why: String },
    /// The rollout stopped: a gate, an operation, a host.
    Failed { bundle: Box<Bundle> },
    /// The operator stopped it.
    Interrupted,
    /// A mistake of the caller or of the plan, e.g. a plan for another file. Nothing was done.
    Wrong { why: String },
}

impl Outcome {
    /// The exit code of both programs.
    pub const fn exit_code(&self) -> u8 {
        match self.end {
            End::Done => 0,
            End::Wrong { .. } => 1,
            End::Unreachable { .. } => 3,
            End::Failed { .. } => 4,
            End::Stale { .. } => 5,
            End::Locked { .. } => 6,
            End::Refused { .. } => 7,
            End::Interrupted => 130,
        }
    }
}
