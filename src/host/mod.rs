//! The seam to the outside: [`Host`] for one host, [`Services`] for what runs on them, [`Platform`] for both.
//!
//! Every effect is a typed operation. A real machine (`remote`) turns an operation into one POSIX shell script, a
//! transfer or a call to the supervisor over a transport (local, later ssh); the simulator (`sim`) interprets the same
//! operations in memory. So the executor can do nothing that the simulator does not know.

mod masked;

pub use masked::{MaskedHost, MaskedServices, Masker};

use crate::desired::{DesiredHost, DesiredInstance, DesiredJob, Software};
use crate::history::JournalText;
use crate::inventory::{Found, Held, HostObservation, UndoRecord, Verdict};
use crate::model::{Digest, HostName, InstanceId, Name, RoleId, ServiceName, Version};
use crate::plan::GateKind;
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Something to do on a host. All are idempotent: doing one again after a crash ends in the same state.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the line of a variant says what its fields are")]
pub enum Op {
    /// Makes the prefix with its folders and the user; removes these leftovers.
    Prepare { host: Arc<DesiredHost>, instances: Vec<Arc<DesiredInstance>>, debris: Vec<String> },
    /// Copies and verifies the bundles that `install/` lacks.
    Fetch { host: Arc<DesiredHost>, software: Arc<Software> },
    /// Unpacks aside, writes the manifest, renames. An existing damaged folder is moved away after the new one is ready.
    Assemble { host: Arc<DesiredHost>, software: Arc<Software> },
    /// Writes all files of the generation aside and renames. A damaged generation of the same name is replaced.
    Render { host: Arc<DesiredHost>, instance: Arc<DesiredInstance> },
    /// Writes the supervisor's configuration, starts it when it is down; writes what starts everything at boot.
    Supervise { host: Arc<DesiredHost> },
    /// Kernel settings: the file that keeps these for the next boot, or none; and these are set now.
    Provide { host: Arc<DesiredHost>, keep: BTreeMap<String, u64>, set: BTreeMap<String, u64> },
    /// Installs packages by the host's own package manager; their programs are in the path afterwards.
    Install { host: Arc<DesiredHost>, packages: BTreeMap<String, BTreeSet<String>> },
    /// Ends a supervisor of ours that is not declared any more, when nothing runs under it.
    Retire { host: Arc<DesiredHost> },
    /// Writes placed files, carries service-owned files over, renames `current`, and puts the generation's unit in place.
    Switch { host: Arc<DesiredHost>, instance: Arc<DesiredInstance>, to: Digest },
    /// Asks for a clean stop, and waits for its end. An error of kind `Stuck` when the limit passes.
    Stop { host: Arc<DesiredHost>, instance: Arc<DesiredInstance>, within: Duration },
    /// The same for a process without a supervisor, by pid, start time and boot id.
    /// A `stranger`, which has no record, is recorded first, when it is still the one that was planned for: by pid, start
    /// time and command line.
    StopUnsupervised {
        host: Arc<DesiredHost>,
        instance: Arc<DesiredInstance>,
        within: Duration,
        stranger: Option<(u32, u64)>,
    },
    /// Starts; returns when the process record is there.
    Start { host: Arc<DesiredHost>, instance: Arc<DesiredInstance>, first: bool },
    /// Records that what was switched to last has been seen healthy, and that a very first start is over.
    Accept { host: Arc<DesiredHost>, instance: Arc<DesiredInstance> },
    /// Sends the reload signal and records that it was sent.
    Reload { host: Arc<DesiredHost>, instance: Arc<DesiredInstance> },
    /// Writes an undo record and syncs it.
    WriteUndo { host: Arc<DesiredHost>, name: String, record: UndoRecord },
    /// Removes an undo record.
    RemoveUndo { host: Arc<DesiredHost>, name: String },
    /// Writes or removes the hold of an instance.
    Hold { host: Arc<DesiredHost>, instance: Arc<DesiredInstance>, held: Option<Held> },
    /// Removes generations beyond the newest 3, and software and artifacts that neither they nor `keep` use.
    Collect { host: Arc<DesiredHost>, keep: BTreeSet<String> },
    /// Records that nothing is left on an instance that leaves.
    Drained { host: Arc<DesiredHost>, instance: Arc<DesiredInstance> },
    /// Removes the configuration of an instance that leaves, its records, and whatever would start it. Never its data.
    Withdraw { host: Arc<DesiredHost>, instance: Arc<DesiredInstance> },
    /// Deletes the data of a role that nothing else is there of.
    Purge { host: Arc<DesiredHost>, role: RoleId },
    /// Appends one line to a journal below `log/history/` and syncs it.
    Record { host: Arc<DesiredHost>, run: String, line: String },
}

impl Op {
    /// The host that it is done on.
    pub const fn host(&self) -> &Arc<DesiredHost> {
        match self {
            Self::Prepare { host, .. }
            | Self::Fetch { host, .. }
            | Self::Assemble { host, .. }
            | Self::Render { host, .. }
            | Self::Supervise { host }
            | Self::Provide { host, .. }
            | Self::Install { host, .. }
            | Self::Retire { host }
            | Self::Switch { host, .. }
            | Self::Stop { host, .. }
            | Self::StopUnsupervised { host, .. }
            | Self::Start { host, .. }
            | Self::Accept { host, .. }
            | Self::Reload { host, .. }
            | Self::WriteUndo { host, .. }
            | Self::RemoveUndo { host, .. }
            | Self::Hold { host, .. }
            | Self::Drained { host, .. }
            | Self::Withdraw { host, .. }
            | Self::Purge { host, .. }
            | Self::Collect { host, .. }
            | Self::Record { host, .. } => host,
        }
    }
}

/// How a process is doing, looked up often while a gate waits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the line of a variant says what its fields are")]
pub enum Life {
    /// It runs.
    Running { pid: u32, start_time: u64 },
    /// It does not run; `gave_up` when the supervisor will not try again. Why, as far as it is known.
    Down { gave_up: bool, why: String },
}

/// Why an operation failed: what may be done about it is in the kind, by type.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{host}: {message}")]
pub struct HostError {
    /// Where.
    pub host: HostName,
    /// What may be done about it.
    pub kind: Failure,
    /// For people, made safe for a terminal.
    pub message: String,
}

/// Kinds of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// May work when tried again.
    TryAgain,
    /// Wait, but never force.
    Stuck,
    /// The host can't be reached.
    Unreachable,
    /// Locked by another run.
    Locked,
    /// Will fail again.
    Stop,
}

/// One host.
#[async_trait]
pub trait Host: Send + Sync {
    /// Looks at everything in one request and one answer.
    async fn observe(&self, wanted: &Wanted) -> Result<HostObservation, HostError>;
    /// Looks for processes that somebody started by hand, with a request of [`crate::inventory::seek_request`].
    async fn seek(&self, _request: &str) -> Result<Vec<Found>, HostError> {
        Ok(Vec::new())
    }
    /// Does one operation.
    async fn run(&self, op: &Op) -> Result<(), HostError>;
    /// How the process of an instance is doing, now.
    async fn life(&self, instance: &DesiredInstance) -> Result<Life, HostError>;
    /// The last lines of the instance's logs, bounded and made safe for a terminal.
    async fn tail(&self, instance: &DesiredInstance, lines: usize) -> Result<Vec<String>, HostError>;
    /// Reads journals of earlier runs below a prefix, the oldest first. None is no error.
    async fn journals(&self, prefix: &str, wanted: &WantedJournals) -> Result<Vec<JournalText>, HostError>;
    /// Runs a job to its end. An error of kind `Stop` when it takes longer than it may, or when it runs already.
    async fn job(&self, host: &DesiredHost, _job: &DesiredJob, _dry_run: bool) -> Result<JobEnd, HostError> {
        let message = "jobs are not run here".to_owned();
        Err(HostError { host: host.name.clone(), kind: Failure::Stop, message })
    }
    /// Takes the host's lock, held until the guard is dropped or this program ends.
    async fn lock(&self, prefix: &str, claim: &Claim) -> Result<Box<dyn LockGuard>, HostError>;
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobEnd {
    /// Exit status; `None` when a signal ended it.
    pub status: Option<i32>,
    /// What it printed, the last of it when it was much. Anything may be in it: not yet safe for a terminal.
    pub printed: String,
}

/// Which journals are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedJournals {
    /// The first and the last line of each of the newest ones.
    Ends(usize),
    /// The newest ones, whole, each within a limit.
    Newest(usize),
    /// That of one run, whole, within a limit.
    Run(String),
}

/// A held lock.
#[async_trait]
pub trait LockGuard: Send + Sync {
    /// Whether it is held now (a lost connection loses it).
    fn is_held(&self) -> bool;
    /// Whether it is held, once that is settled: after a lost connection it is taken again, unless somebody else has had it
    /// since. Takes a minute at most.
    async fn settled(&self) -> bool {
        self.is_held()
    }
}

/// Who wants a lock.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Claim {
    /// `user@machine pid N`.
    pub who: String,
    /// Which command.
    pub why: String,
    /// When, RFC 3339.
    pub since: String,
}

/// What an observation is about.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The host.
    pub host: Arc<DesiredHost>,
    /// Its instances.
    pub instances: Vec<Arc<DesiredInstance>>,
    /// Compare software by content, not by manifest.
    pub verify: bool,
}

/// A question to a service.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the line of a variant says what its fields are")]
pub enum Question {
    /// This instance serves, at the declared version.
    Ready(InstanceId),
    /// This instance serves, at the version that it is known to run: before an upgrade reaches it, it is not broken.
    Serves { instance: InstanceId, version: Option<Version> },
    /// The service's gate, with the instances that are expected to be up.
    Service { service: ServiceName, gate: GateKind, members: Vec<InstanceId> },
    /// This instance may be stopped as far as this rule is concerned.
    Safe { instance: InstanceId, rule: Name },
    /// This rule holds, which must before a phase of a change begins; with the instances that are up.
    Before { service: ServiceName, phase: Name, rule: Name, members: Vec<InstanceId> },
    /// This instance goes last.
    GoesLast(InstanceId),
}

/// What runs on the hosts, asked through its own APIs.
#[async_trait]
pub trait Services: Send + Sync {
    /// Looks once. What can't be asked does not hold, and says why.
    async fn ask(&self, question: &Question) -> Verdict;
    /// An instance has been switched to what is declared, or back to what it was: it is asked where it listens then.
    fn switched(&self, _instance: &InstanceId, _declared: bool) {}
    /// Reads one of the module's settings from whichever member answers.
    async fn read_setting(&self, service: &ServiceName, setting: &Name) -> Result<serde_json::Value, String>;
    /// Writes it.
    async fn write_setting(
        &self,
        service: &ServiceName,
        setting: &Name,
        value: &serde_json::Value,
    ) -> Result<(), String>;
    /// Reads a setting that each instance has for itself.
    async fn read_own_setting(&self, instance: &InstanceId, setting: &Name) -> Result<serde_json::Value, String> {
        Err(format!("{instance} has no setting {setting} of its own"))
    }
    /// Writes it.
    async fn write_own_setting(
        &self,
        instance: &InstanceId,
        setting: &Name,
        _value: &serde_json::Value,
    ) -> Result<(), String> {
        Err(format!("{instance} has no setting {setting} of its own"))
    }
    /// Sends the request of the `index`-th hook of `before-stop` or `after-ready`.
    async fn call(&self, instance: &InstanceId, when: HookTime, index: usize) -> Result<(), String>;
    /// What is left on an instance that leaves.
    async fn left(&self, instance: &InstanceId) -> Result<Vec<serde_json::Value>, String>;
    /// Why that does not get less, in words; nothing when the module does not know.
    async fn stuck(&self, instance: &InstanceId, left: &[serde_json::Value]) -> Option<String>;
    /// Lines for `esplan status`.
    async fn status(&self, service: &ServiceName) -> Vec<String>;
}

/// Which list of hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookTime {
    /// `before-stop`.
    BeforeStop,
    /// `after-ready`.
    AfterReady,
}

/// Everything outside.
pub trait Platform: Send + Sync {
    /// One host.
    fn host(&self, name: &HostName) -> Option<Arc<dyn Host>>;
    /// The services.
    fn services(&self) -> Arc<dyn Services>;
}
