//! What happened, for observers.

use crate::model::{Digest, HostName, InstanceId, Name, ServiceName};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// One effect, with how the platform was just before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Traced {
    /// Since the platform was made.
    pub at: Duration,
    /// What.
    pub effect: Effect,
    /// Instances that served just before.
    pub ready: BTreeSet<InstanceId>,
    /// Instances that led just before.
    pub leaders: BTreeSet<InstanceId>,
    /// Whether a line in the host's journal says that something of this kind is about to be done.
    pub announced: bool,
    /// Whether the lock of the effect's host was held.
    pub locked: bool,
}

/// The kinds of effects.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the line of a variant says what its fields are")]
pub enum Effect {
    /// A stop began; `safe` is what the service's rules said at that moment.
    Stop { instance: InstanceId, safe: bool },
    /// A start.
    Start { instance: InstanceId, generation: Option<Digest>, first: bool },
    /// `current` was renamed.
    Switch { instance: InstanceId, to: Digest },
    /// A reload signal.
    Reload { instance: InstanceId },
    /// A setting was written; `recorded` says whether an undo record for it was on a host at that moment.
    Setting { service: ServiceName, setting: Name, value: Value, recorded: bool },
    /// A hook's request.
    Call { instance: InstanceId },
    /// Paths that were written.
    Wrote { host: HostName, paths: Vec<String> },
    /// Paths that were removed.
    Removed { host: HostName, paths: Vec<String> },
    /// A lock was taken.
    Locked { host: HostName },
    /// A journal line.
    Recorded { host: HostName, line: String },
    /// The configuration of an instance that leaves was removed; whether nothing was left on it when it was stopped.
    Withdrawn { instance: InstanceId, drained: bool },
    /// Data was deleted.
    Purged { instance: InstanceId },
    /// A hold was written or removed.
    Hold { instance: InstanceId, held: bool },
}

impl Effect {
    /// The instance that an effect disturbs.
    pub const fn disturbs(&self) -> Option<&InstanceId> {
        match self {
            Self::Stop { instance, .. }
            | Self::Start { instance, .. }
            | Self::Switch { instance, .. }
            | Self::Reload { instance } => Some(instance),
            _ => None,
        }
    }

    /// The host that an effect is on; what a service does is nowhere.
    pub const fn host(&self) -> Option<&HostName> {
        match self {
            Self::Stop { instance, .. }
            | Self::Start { instance, .. }
            | Self::Switch { instance, .. }
            | Self::Reload { instance }
            | Self::Withdrawn { instance, .. }
            | Self::Purged { instance }
            | Self::Hold { instance, .. } => Some(&instance.host),
            Self::Wrote { host, .. }
            | Self::Removed { host, .. }
            | Self::Locked { host }
            | Self::Recorded { host, .. } => Some(host),
            Self::Setting { .. } | Self::Call { .. } => None,
        }
    }
}
