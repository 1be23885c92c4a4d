//! What goes wrong.

use crate::model::{Digest, HostName, InstanceId, Name};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What goes wrong from now on. The default is nothing.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// The controller dies at one of its operations.
    pub crash: Option<Crash>,
    /// Content generations that do not work.
    pub bad: BTreeMap<Digest, Bad>,
    /// Every so many operations, one fails and works when it is tried again. 0: none.
    pub flaky: usize,
    /// Hosts that can't be reached after so long.
    pub unreachable: BTreeMap<HostName, Duration>,
    /// Instances whose stop never comes to its end.
    pub stuck: BTreeSet<InstanceId>,
    /// Hosts that get a corrupt artifact.
    pub corrupt: BTreeSet<HostName>,
    /// Hosts whose lock is lost after so long.
    pub lock_lost: BTreeMap<HostName, Duration>,
    /// Rules that never allow a stop.
    pub never_safe: BTreeSet<Name>,
    /// Nobody can say who leads.
    pub leaderless: bool,
    /// Hosts on which nothing starts any more, after the first failed start there.
    pub broken_after_failure: bool,
}

/// The death of the controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// At which operation, counted from 0.
    pub at: usize,
    /// When.
    pub when: When,
}

/// When the controller dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before the operation has any effect.
    Before,
    /// In the middle: what is written aside is left behind.
    During,
    /// After its effect, before anybody knows.
    After,
}

/// How a generation does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// Its process ends at once, and the supervisor gives up.
    GivesUp,
    /// Its process ends and is started again, every second.
    CrashLoop,
    /// It runs and never serves.
    NeverReady,
    /// It serves, and makes the service unhealthy after so long.
    Sickens(Duration),
}
