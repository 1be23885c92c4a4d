//! What happens during an apply, as one stream of data: progress reads it now, other readers may later.

use super::{Bundle, Outcome};
use crate::model::{HostName, InstanceId, ServiceName};
use crate::plan::StepId;
use serde::{Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// Something that happened.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// Since the apply began.
    #[serde(serialize_with = "millis")]
    pub at: Duration,
    /// What.
    #[serde(flatten)]
    pub what: Happening,
}

/// What a step or a wait is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A host.
    Host(HostName),
    /// An instance.
    Instance(InstanceId),
    /// A service.
    Service(ServiceName),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => host.fmt(f),
            Self::Instance(instance) => instance.fmt(f),
            Self::Service(service) => service.fmt(f),
        }
    }
}

/// The kinds of events.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
#[expect(missing_docs, reason = "the line of a variant says what its fields are")]
pub enum Happening {
    /// All locks are held; this many steps follow.
    Began { run: String, steps: usize, hosts: Vec<HostName> },
    /// A step begins.
    StepBegan { step: StepId, subject: Subject },
    /// One action of a step begins (`stop`, `switch`, `start`, `await ready`, …).
    ActionBegan { step: StepId, subject: Subject, action: String },
    /// It ended well.
    ActionEnded {
        step: StepId,
        subject: Subject,
        action: String,
        #[serde(serialize_with = "millis")]
        took: Duration,
    },
    /// Something is waited for: what, what was answered last, for how long and how long at most.
    Waiting {
        step: StepId,
        subject: Subject,
        what: String,
        says: String,
        #[serde(serialize_with = "millis")]
        waited: Duration,
        #[serde(serialize_with = "millis")]
        limit: Duration,
    },
    /// An operation failed and is tried again.
    Retrying { subject: Subject, why: String, attempt: u32, of: u32 },
    /// The next instance of a batch was chosen.
    Picked { step: StepId, instance: InstanceId, why: String },
    /// A step ended well.
    StepEnded {
        step: StepId,
        subject: Subject,
        #[serde(serialize_with = "millis")]
        took: Duration,
    },
    /// Worth knowing; the run goes on.
    Warned { subject: Subject, text: String },
    /// A step failed.
    Failed { step: StepId, bundle: Box<Bundle> },
    /// A failed instance goes back to its previous generation.
    RollingBack { instance: InstanceId },
    /// It is there and healthy again.
    RolledBack { instance: InstanceId },
    /// The operator asked to stop.
    Interrupting { forced: bool },
    /// The end.
    Ended { outcome: Box<Outcome> },
}

/// Durations as whole milliseconds.
fn millis<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
}
