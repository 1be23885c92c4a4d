//! Why a plan is as it is: what was left out, what waits, what stands in the way. Beside the plan, never part of it.

use super::HostNeed;
use crate::inventory::Held;
use crate::model::{HostName, InstanceId, Name, ServiceName};
use serde::{Deserialize, Serialize};

/// What the planner had to leave out or put off, typed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[must_use = "an unread report hides what the plan does not do"]
pub struct PlanReport {
    /// The notes, sorted by what they are about.
    pub notes: Vec<Note>,
    /// What instances need of their hosts, and what those have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<HostNeed>,
}

/// One thing that the plan does not do, or does later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "note")]
#[expect(missing_docs, reason = "the line of a variant says what its fields are")]
pub enum Note {
    /// On purpose not as declared: shown, and left until it is started or released.
    Held { instance: InstanceId, held: Held },
    /// It differs, and was not asked for.
    NotSelected { instance: InstanceId },
    /// Planned as if this host were not there; it is brought up to date when it comes back and is planned again.
    Without { host: HostName, instances: Vec<InstanceId> },
    /// Could not be observed: nothing is planned there.
    Unobserved { host: HostName, why: String },
    /// What is declared has failed on `by`, which went back and is held: these keep what they have until it is released
    /// or something else is declared.
    Blocked { by: InstanceId, rest: Vec<InstanceId> },
    /// Only the canary was asked for: these keep what they have.
    CanaryOnly { service: ServiceName, rest: Vec<InstanceId> },
    /// Left out until a service that comes before it is complete.
    WaitsFor { service: ServiceName, on: ServiceName },
    /// The next phase of a change is left for another run: the one before it does not come to its end in this one.
    PhaseLeft { service: ServiceName, phase: Name },
    /// It leaves later: its service does not come to what is declared in this run.
    LeavesLater { instance: InstanceId, service: ServiceName },
    /// An instance of ours that the file does not declare any more, and that does not say enough of itself. Nothing is done
    /// to it.
    Orphan { host: HostName, role: String, running: bool },
    /// Artifacts are fetched there, and these hosts pass none on: `told` by the file, or for want of an SSH client.
    PassesNothingOn { hosts: Vec<HostName>, told: bool },
    /// It runs what it should and does not serve yet: it is waited for, and not restarted.
    WaitedFor { instance: InstanceId, says: String },
}
