//! Exit codes (design.md section 6): decided in one place.

use std::process::ExitCode;

/// How a program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Done, or nothing to do.
    Done,
    /// An error, wrong usage, or 'no' at the prompt.
    Error,
    /// There are changes (`--detailed-exitcode`).
    Changes,
    /// A host could not be reached or observed.
    Unobserved,
    /// A gate failed, or the platform is unhealthy (`status`).
    Unhealthy,
    /// The plan is stale.
    Stale,
    /// Locked by another run.
    Locked,
    /// Refused by a safety rule.
    Refused,
    /// Interrupted.
    Interrupted,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::Changes => 2,
            Self::Unobserved => 3,
            Self::Unhealthy => 4,
            Self::Stale => 5,
            Self::Locked => 6,
            Self::Refused => 7,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
