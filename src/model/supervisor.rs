//! What watches over processes on a host.

use serde::{Deserialize, Serialize};

/// Kinds of supervisors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SupervisorKind {
    /// A process of ours below the prefix, from a module: it needs no privilege.
    Supervisord,
    /// The host's own: one unit for each instance, which only root may write.
    Systemd,
}

impl SupervisorKind {
    /// The kind of the module that `supervisor` names.
    pub fn of_module(name: &str) -> Self {
        if name == "systemd" { Self::Systemd } else { Self::Supervisord }
    }

    /// The file of a generation that tells the supervisor what to run: a generation says by it who runs it.
    pub const fn entry(self) -> &'static str {
        match self {
            Self::Supervisord => "supervisor.conf",
            Self::Systemd => "systemd.service",
        }
    }

    /// Its name for people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Supervisord => "supervisord",
            Self::Systemd => "systemd",
        }
    }
}
