//! The plan: an ordered graph of steps, as data. [`plan`] is pure: the same input gives the same bytes.
//!
//! A plan leaves the executor no choice but one that is typed ([`StepKind::PickNext`]): who leads is only known then.
//! What stands in its way, and what was left out and why, is in the [`PlanReport`] beside it.

mod again;
mod facts;
mod fingerprint;
mod holds;
mod input;
mod leaving;
mod majority;
mod members;
mod needs;
mod notes;
mod planner;
mod predict;
mod provide;
mod reason;
mod recreate;
mod rehearsal;
mod report;
mod roll;
mod rollback;
mod rounds;
mod safety;
mod saved;
mod sequence;
mod service;
mod settings;
mod singleton;
mod staging;
mod start;
mod step;
mod stop;
mod stops;
mod summary;
#[cfg(test)]
pub(crate) mod tests;
mod versions;
mod waves;
mod whole;

pub use again::Again;
pub use fingerprint::{Fingerprint, Reliance, Stale};
pub use input::{PlanInput, PlanOptions, Target, UnknownTarget};
pub use members::Members;
pub use needs::{HostNeed, NeedState, needs};
pub use planner::plan;
pub use reason::{Reason, Refusal, Summary, Warning};
pub use rehearsal::{rehearsal, rehearsal_on};
pub use report::{Note, PlanReport};
pub use rounds::{Round, Rounds, rounds};
pub use saved::{BadPlan, Made, Saved};
pub use step::{Action, GateKind, PickRule, Roll, Step, StepId, StepKind, Wave};
pub use stops::AskedBefore;

use crate::desired::Inputs;
use crate::diff::{Change, FileDiff};
use crate::model::{HostName, InstanceId, Name, ServiceName};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Version of the JSON form.
pub const FORMAT: u32 = 6;

/// What would be done, in which order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(remote = "Self")] // so that reading one can look up its lists of members
#[must_use = "a plan does nothing until it is shown or applied"]
pub struct Plan {
    /// [`FORMAT`].
    pub format: u32,
    /// The cluster's name.
    pub cluster: Name,
    /// What it was made from.
    pub inputs: Inputs,
    /// What it relies on at each host that it concerns; compared again just before the host's first step. Leadership and
    /// health are not part of it.
    pub fingerprints: BTreeMap<HostName, Fingerprint>,
    /// Lists of instances that steps name by their number here.
    pub members: Vec<Arc<[InstanceId]>>,
    /// Steps, each after those that it needs.
    pub steps: Vec<Step>,
    /// Everything that differs.
    pub changes: Vec<Change>,
    /// Unified diffs of files.
    pub diffs: Vec<FileDiff>,
    /// What differs once more after the first pass of a change that needs several.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub later: Vec<Later>,
    /// Why it may not be applied; empty when it may.
    pub refusals: Vec<Refusal>,
    /// Worth knowing; nothing is refused.
    pub warnings: Vec<Warning>,
    /// Counts for the first and last line.
    pub summary: Summary,
}

/// A further round over some services: what it changes of what the one before it has left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Later {
    /// The phase that each of the services is in then.
    pub phases: BTreeMap<ServiceName, Name>,
    /// What it changes.
    pub changes: Vec<Change>,
    /// Unified diffs of files.
    pub diffs: Vec<FileDiff>,
}

/// What a plan means for the exit code of the program that shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing differs: applying would write nothing.
    Nothing,
    /// There is something to do.
    Changes,
    /// Some hosts that it is about could not be observed, and nobody has taken that on.
    Unobserved,
    /// A safety rule refuses it, and nobody has waived that.
    Refused,
}

impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Plan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut plan = Self::deserialize(deserializer)?;
        let unknown = |number| serde::de::Error::custom(format!("there is no list {number} in `members`"));
        members::resolve(&mut plan).map_err(unknown)?;
        Ok(plan)
    }
}

impl Plan {
    /// The refusals that nobody has waived.
    pub fn standing_refusals(&self) -> impl Iterator<Item = &Refusal> {
        self.refusals.iter().filter(|refusal| refusal.waived.is_none())
    }

    /// Whether it may be applied: no refusal stands.
    pub fn applyable(&self) -> bool {
        self.standing_refusals().next().is_none()
    }

    /// What it means for the exit code. Refused before unobserved before changes, as the exit codes are ranked.
    pub fn outcome(&self) -> Outcome {
        let unobserved = |refusal: &Refusal| refusal.name.as_str() == Refusal::UNOBSERVED;
        if self.standing_refusals().any(|refusal| !unobserved(refusal)) {
            Outcome::Refused
        } else if !self.applyable() {
            Outcome::Unobserved
        } else if self.steps.is_empty() {
            Outcome::Nothing
        } else {
            Outcome::Changes
        }
    }
}
