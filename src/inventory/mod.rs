//! What is: everything that was observed of hosts and services, as data. It may be stale and partial; what could not
//! be observed is an [`Unseen`], never a guess.

mod answer;
mod durations;
mod facts;
mod folders;
mod instances;
mod leaving;
mod life;
mod parse;
mod printable;
mod request;
mod seek;
mod snapshot;
mod strangers;

pub use answer::{ANSWER_LIMIT, BadAnswer};
pub use durations::{Durations, Typical};
pub use facts::HostFacts;
pub use folders::{Owner, asides, below, folders, is_debris};
pub use leaving::FindModule;
pub use life::{life_request, parse_life};
pub use parse::parse;
pub use printable::{is_hidden, printable, visible};
pub use request::{BadPath, OBSERVE_FUNCTIONS, request};
pub use seek::{Found, home_file, parse_seek, seek_request};
pub use snapshot::{BadSnapshot, Snapshot};
pub use strangers::Adoption;

use crate::model::{Digest, HostName, InstanceId, ModuleName, Name, ServiceName, SupervisorKind, Version};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that was observed in one look at the platform.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// Hosts.
    pub hosts: BTreeMap<HostName, Seen<HostObservation>>,
    /// Services, asked through their own APIs.
    pub services: BTreeMap<ServiceName, ServiceObservation>,
    /// What things took in earlier runs, as far as somebody has asked. No plan is made from it.
    #[serde(default, skip_serializing_if = "Durations::is_empty")]
    pub durations: Durations,
}

/// Something that was observed, or why it was not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seen<T> {
    /// Observed.
    Seen(T),
    /// Not observed.
    Unseen(Unseen),
}

impl<T> Seen<T> {
    /// The observation, if there is one.
    pub fn seen(&self) -> Option<&T> {
        match self {
            Self::Seen(value) => Some(value),
            Self::Unseen(_) => None,
        }
    }
}

/// Why something was not observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unseen {
    /// For people, already made safe for a terminal.
    pub why: String,
}

/// One host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HostObservation {
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Numeric user id that we act as there.
    pub uid: u32,
    /// Total memory in bytes.
    pub memory: u64,
    /// Whether the prefix and its folders exist with the right owner.
    pub prepared: bool,
    /// The folder that we may not write: the prefix, or the one that it would be made in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<String>,
    /// Whether the declared user exists (true when none is declared, and when we are not root: it is not used then).
    pub user_exists: bool,
    /// File names in `install/` whose size is right.
    pub artifacts: BTreeSet<String>,
    /// Software folders by name.
    pub software: BTreeMap<String, SoftwareObservation>,
    /// Instances by role id: those that are wanted and those that are found.
    pub instances: BTreeMap<String, InstanceObservation>,
    /// The supervisor of ours.
    pub supervisor: SupervisorObservation,
    /// What the host itself starts and watches.
    #[serde(default)]
    pub init: InitObservation,
    /// Whether it has an SSH client, with which it can pass artifacts on.
    #[serde(default)]
    pub ssh_client: bool,
    /// Undo records in `run/undo/`, by file name.
    pub undo: BTreeMap<String, UndoRecord>,
    /// What it offers, as far as somebody there needs it.
    #[serde(default, skip_serializing_if = "HostFacts::is_empty")]
    pub facts: HostFacts,
    /// Roles of which only data is left.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub kept: BTreeSet<String>,
    /// Left by an interrupted run: paths below the prefix that are never used again (half-unpacked software, temporary files).
    pub debris: Vec<String>,
}

impl HostObservation {
    /// Whether units of ours can be there, and we may write them.
    pub const fn may_write_units(&self) -> bool {
        self.init.systemd && self.uid == 0
    }
}

/// One software folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SoftwareObservation {
    /// As its manifest says.
    Intact,
    /// Differs from its manifest; the first few differing paths.
    Damaged(Vec<String>),
}

/// One instance's folder and process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InstanceObservation {
    /// The content generation that `conf/<role>/current` names.
    pub current: Option<Digest>,
    /// Complete generations that exist, newest first.
    pub generations: Vec<Digest>,
    /// The restart generation recorded beside the current content generation.
    pub current_restart: Option<Digest>,
    /// Files of the current generation and placed files, by path (relative, or absolute for placed ones).
    pub files: BTreeMap<String, FileObservation>,
    /// Digests of the files of the current generation when it was written, when it is not the wanted one: from its
    /// manifest. What is another one by now was changed on the host.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub applied: BTreeMap<String, Digest>,
    /// What runs.
    pub process: ProcessObservation,
    /// What else was seen, when it may run already, started by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption: Option<Adoption>,
    /// What its current generation says of it, when it was not asked for or is another one than the wanted one; see [`crate::desired::About`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Whether everything was moved away from it before it was stopped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drained: bool,
    /// Why it was stopped or rolled back on purpose.
    pub held: Option<Held>,
    /// Whether its data folder holds anything but files that we place there (an identity, for one).
    pub has_data: bool,
    /// Software folders that the current generation uses, its own first: the lines of the file `software` in the
    /// generation's folder (written with the generation, like `manifest`; what is collected looks there too).
    #[serde(default)]
    pub software: Vec<String>,
    /// What of the module's `find` is in its data folder.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub found: BTreeSet<Name>,
    /// What `current` named before it was switched last, unless it was switched back.
    #[serde(default)]
    pub previous: Option<Previous>,
    /// Whether it was switched to what `current` names by a run that has not come to see it healthy.
    #[serde(default)]
    pub on_trial: bool,
}

/// The generation that was current before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// Its name.
    pub generation: Digest,
    /// The software folders that it uses.
    pub software: Vec<String>,
    /// Whether it was left in the middle of a change that needed several phases.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub phased: bool,
}

impl InstanceObservation {
    /// The version of a module's software that the current generation uses.
    pub fn version_of(&self, module: &ModuleName) -> Option<Version> {
        self.software.iter().find_map(|folder| version_in(module.as_str(), folder))
    }
}

/// The version in the name of a software folder of a module (`NAME-VERSION-HASH12`).
pub fn version_in(module: &str, folder: &str) -> Option<Version> {
    let (version, _) = folder.strip_prefix(module)?.strip_prefix('-')?.rsplit_once('-')?;
    Version::parse(version).ok()
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileObservation {
    /// sha256 of its bytes; of a file with a secret the keyed digest that stands for them.
    pub sha256: Digest,
    /// Permission bits.
    pub mode: u32,
    /// Its text, only when it differs from what is wanted, is not secret, and is reasonably short.
    pub content: Option<String>,
}

/// What runs of an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum ProcessObservation {
    /// No record of a process: it never ran here, or its record was removed by a clean stop.
    #[default]
    Absent,
    /// There is a record, and no such process.
    Dead {
        /// The restart generation it ran.
        restart_generation: Option<Digest>,
    },
    /// The recorded process runs: pid, start time and boot id match.
    Running(Running),
}

/// A running process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Process id on its host.
    pub pid: u32,
    /// Start time in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub start_time: u64,
    /// Seconds since it was started.
    pub uptime: u64,
    /// The restart generation that it was started with.
    pub restart_generation: Digest,
    /// Who watches it now: the supervisor that is its parent, or systemd when it is in its own unit.
    pub supervised: Option<SupervisorKind>,
    /// The reload generation that it has taken up, when reloads were recorded.
    pub reload_owed: bool,
    /// Whether somebody else started it, and it does what the instance will do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stranger: bool,
}

/// The supervisor of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupervisorObservation {
    /// Its process id, when it runs.
    pub pid: Option<u32>,
    /// sha256 of its configuration on disk.
    pub config: Option<Digest>,
    /// sha256 of the configuration that it was started with.
    pub running_config: Option<Digest>,
    /// Version it reports.
    pub version: Option<String>,
}

/// What of ours a host has for its own first process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitObservation {
    /// Whether that process is systemd.
    pub systemd: bool,
    /// sha256 of our units outside the prefix, by their names.
    pub units: BTreeMap<String, Digest>,
    /// Whether the unit that starts everything at boot is enabled.
    pub enabled: bool,
    /// sha256 of the script that it runs.
    pub script: Option<Digest>,
}

/// Stopped or rolled back on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Held {
    /// Who.
    pub by: String,
    /// Why.
    pub why: String,
    /// What it is held at: `stopped`, or the content generation that it was rolled back from.
    pub what: HeldWhat,
    /// After a rollback, also of one that was stopped then: the content generation that failed. Once another one is
    /// declared the hold means nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Digest>,
    /// After a rollback: the content generation that it goes back to. The hold is written before the rollback begins, so a
    /// controller that dies in the middle leaves an instance that is held and not yet there: the next plan finishes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Digest>,
}

impl Held {
    /// Whether it still means something, when this content generation is declared: what was rolled back is held only as
    /// long as the generation that failed is the one that is asked for.
    pub fn holds(&self, declared: Digest) -> bool {
        match self.what {
            HeldWhat::Stopped => true,
            HeldWhat::RolledBack => self.from.is_none_or(|failed| failed == declared),
        }
    }
}

/// What a hold means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum HeldWhat {
    /// It stays stopped.
    Stopped,
    /// It stays at its previous generation.
    RolledBack,
}

/// What a step must put back, written before the step and removed after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UndoRecord {
    /// The service whose setting was changed.
    pub service: ServiceName,
    /// The instance whose restart it was for.
    pub instance: InstanceId,
    /// Which of the module's settings.
    pub setting: Name,
    /// The value before.
    pub value: serde_json::Value,
}

/// One service, asked through its own API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceObservation {
    /// `ready` of each instance that runs.
    pub ready: BTreeMap<InstanceId, Verdict>,
    /// `healthy` of the service, when anything of it runs.
    pub healthy: Option<Verdict>,
    /// Settings that `settled` rules name; `Err` says why one could not be read.
    pub settings: BTreeMap<Name, Result<serde_json::Value, String>>,
    /// Settings that each instance has for itself (`live`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub own: BTreeMap<InstanceId, BTreeMap<Name, Result<serde_json::Value, String>>>,
    /// Lines for `esplan status`.
    pub lines: Vec<String>,
    /// What the rules of `safe-to-stop` say of instances that a plan would stop, by instance and rule; only of those that
    /// were asked about.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub safe: BTreeMap<InstanceId, BTreeMap<Name, Verdict>>,
    /// What the rules say that must hold before the phase that comes next, by rule; only where a plan begins with one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub before: BTreeMap<Name, Verdict>,
}

/// The outcome of looking at a gate once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether it holds.
    pub holds: bool,
    /// Whether it could not be asked at all, although something is there: it does not take what we say of ourselves, or is
    /// not who it should be. What is unknown does not hold; that it serves nobody is not known either.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
    /// What was waited for and what was answered, one line, made safe for a terminal.
    pub says: String,
}

/// A gate or a rule that was asked once, outside of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `ready`, `healthy`, `converged`, `leader`, or the name of a rule of `safe-to-stop`.
    pub gate: String,
    /// The instance that it is about; of a gate of the service none.
    pub instance: Option<InstanceId>,
    /// The answer.
    pub verdict: Verdict,
}

#[cfg(test)]
mod tests;
