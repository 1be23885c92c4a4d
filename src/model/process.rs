//! What runs, and what the kernel allows it.

use super::{Expr, Template};
use indexmap::IndexMap;
use std::time::Duration;

/// The process of an instance.
#[derive(Debug, Clone)]
pub struct Process {
    /// The words of the command, templates; the first is an absolute path.
    pub command: Vec<Template>,
    /// Of a supervisor: the words that, with `start PROGRAM` after them, start a program on its own host, templates.
    pub control: Vec<Template>,
    /// Words that are only given at the very first start of a new service, templates.
    pub first_start: Vec<Template>,
    /// Words of a command that tests a configuration before anything is switched to it, templates; none when empty.
    pub check: Vec<Template>,
    /// Environment variables.
    pub env: IndexMap<String, Template>,
    /// Signal that asks for a clean stop, e.g. `TERM`.
    pub stop_signal: String,
    /// How long a clean stop may take before the rollout stops and says so. It is never forced.
    pub stop_within: Duration,
    /// Signal that makes the process read its files again.
    pub reload_signal: Option<String>,
    /// Words of a command that has it read its files again, in place of a signal, templates; none when empty.
    pub reload_command: Vec<Template>,
    /// Resource limits.
    pub limits: Limits,
    /// Log files below `dirs.log`, whose last lines explain a failure; templates.
    pub logs: Vec<Template>,
}

/// What the kernel allows a process; `None` leaves what the supervisor has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Open files. Raised as far as the hard limit allows.
    pub nofile: Option<u64>,
    /// Processes and threads.
    pub nproc: Option<u64>,
    /// Whether all memory may be locked, an expression.
    pub memlock: Option<Expr>,
    /// Rights of root that it keeps as whoever it runs, in the kernel's words without `CAP_`: `net_raw`.
    pub capabilities: Vec<String>,
}
