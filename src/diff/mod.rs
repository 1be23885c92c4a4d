//! What differs between desired and observed: a list of typed changes. Pure; decides nothing.

mod host;
mod instance;
mod kernel;
pub(crate) mod packages;
mod settled;
#[cfg(test)]
mod tests;
mod text;

use crate::desired::{Acceptance, Desired};
use crate::inventory::{Held, Inventory};
use crate::model::{Digest, HostName, InstanceId, Name, OnChange, ServiceName, SupervisorKind, Version};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use text::Texts;

/// One difference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", tag = "change")]
#[expect(missing_docs, reason = "the line of a variant says what its fields are")]
pub enum Change {
    /// The host could not be observed.
    Unobserved { host: HostName, why: String },
    /// Folders or the user are missing.
    Unprepared { host: HostName, missing: Vec<String> },
    /// The supervisor does not run, or runs with another configuration.
    Supervisor { host: HostName, how: SupervisorChange },
    /// What starts the host's instances at boot differs: a file of ours, maybe outside the prefix. Without `from` it is
    /// not there, without `to` it is not wanted.
    Boot { host: HostName, path: String, from: Option<Digest>, to: Option<Digest> },
    /// A software folder is missing.
    SoftwareMissing { host: HostName, folder: String, bytes: u64 },
    /// A software folder differs from its manifest.
    SoftwareDamaged { host: HostName, folder: String, paths: Vec<String> },
    /// The instance has no generation yet.
    NewInstance { instance: InstanceId },
    /// A rendered file differs between the current generation and the desired one.
    File {
        instance: InstanceId,
        path: String,
        on_change: OnChange,
        /// Absent when the file is new.
        from: Option<Digest>,
        /// Absent when the file goes away.
        to: Option<Digest>,
        /// Whether somebody edited it, and that is all: it is not what its own generation says.
        by_hand: bool,
        /// Who changed it since it was written: absent when that can't be told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
    },
    /// A file that somebody changed on the host is left as it is: the file says so, why, and until when.
    Accepted { instance: InstanceId, path: String, acceptance: Acceptance },
    /// Permission bits differ.
    Mode { instance: InstanceId, path: String, from: u32, to: u32 },
    /// The process runs other software than the desired one.
    Software { instance: InstanceId, module: Name, from: Option<Version>, to: Version },
    /// The process does not run.
    NotRunning { instance: InstanceId, died: bool },
    /// The process runs, but was started with another restart generation than the one on disk.
    RestartPending { instance: InstanceId, running: Digest, wanted: Digest },
    /// The process definition (command, environment, limits) differs.
    ProcessDefinition { instance: InstanceId },
    /// The process runs without a supervisor.
    Unsupervised { instance: InstanceId, pid: u32 },
    /// Somebody else has started a process that does what the instance will do: it restarts once, as ours. Its data stays
    /// where it is.
    Stranger { instance: InstanceId, pid: u32, data: Option<String> },
    /// The process is watched by another supervisor than the declared one.
    OtherSupervisor { instance: InstanceId, from: SupervisorKind, to: SupervisorKind },
    /// The unit outside the prefix is not as the instance's generation says. Without `from` it is not there, without `to`
    /// it is not wanted.
    Unit { instance: InstanceId, path: String, from: Option<Digest>, to: Option<Digest> },
    /// Kernel settings of a host that are needed and allowed: what a file keeps for the next boot, before and after, and what
    /// is set now.
    Kernel {
        host: HostName,
        path: String,
        kept: BTreeMap<String, u64>,
        keep: BTreeMap<String, u64>,
        set: BTreeMap<String, u64>,
    },
    /// Packages of the host's system that are needed and allowed, and the programs that each is wanted for.
    Packages { host: HostName, packages: BTreeMap<String, BTreeSet<String>> },
    /// The process runs and does not serve.
    NotReady { instance: InstanceId, says: String },
    /// An instance runs and can't be asked whether it serves.
    Unasked { instance: InstanceId, says: String },
    /// Files changed that the process must be told to read.
    ReloadOwed { instance: InstanceId },
    /// It was switched by a run that ended before it was seen to be healthy.
    Unproven { instance: InstanceId },
    /// On purpose not as declared.
    Held { instance: InstanceId, held: Held },
    /// It is held, and nothing keeps it so any more: the file says something else than what it was rolled back from.
    Lapsed { instance: InstanceId, held: Held },
    /// Somebody asks that it goes back to the generation before; what of its software that replaces, `NAME FROM -> TO`.
    GoesBack { instance: InstanceId, to: Digest, software: Vec<String> },
    /// The service is not well.
    NotHealthy { service: ServiceName, says: String },
    /// A cluster-level setting that an interrupted run has left changed; it is put back.
    UndoLeft { service: ServiceName, host: HostName, record: String, setting: Name, value: serde_json::Value },
    /// A setting is not as a finished rollout leaves it, or as it is declared: of a service, or of one instance.
    Setting {
        service: ServiceName,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        instance: Option<InstanceId>,
        setting: Name,
        observed: serde_json::Value,
        repair: serde_json::Value,
    },
    /// Left by an interrupted run.
    Debris { host: HostName, paths: Vec<String> },
    /// An instance that the file does not declare any more: it leaves. `drained` says that nothing is left on it.
    Leaving { instance: InstanceId, service: ServiceName, running: bool, drained: bool },
    /// An instance of ours that the file does not declare any more, and that is not known well enough to let it go.
    Orphan { host: HostName, role: String, running: bool },
    /// Data of a role that nothing else is there of.
    Kept { host: HostName, role: String },
}

/// Where a difference comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Something else is declared than what was written there last.
    Declared,
    /// It is declared as it was written, and somebody changed it on the host.
    Host,
    /// Both.
    Both,
}

/// What is the matter with a supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SupervisorChange {
    /// It does not run.
    Down,
    /// Its configuration on disk differs.
    Config,
    /// Another one is declared, and this one still runs.
    Superseded,
}

/// A unified diff of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FileDiff {
    /// Whose file.
    pub instance: InstanceId,
    /// Its path.
    pub path: String,
    /// The diff; `None` when it is masked (secret) or the old text was not available.
    pub text: Option<Arc<str>>,
}

/// Everything that differs, host by host, then service by service; and the unified diffs of the files among it.
/// A host that could not be observed differs in that alone. What is held on purpose differs in that alone, too.
pub fn diff(desired: &Desired, inventory: &Inventory) -> (Vec<Change>, Vec<FileDiff>) {
    let (mut changes, mut diffs) = (Vec::new(), Vec::new());
    let by_host = desired.by_host();
    let mut texts = Texts::default();
    for host in desired.hosts.values() {
        let instances = by_host.get(&host.name).map_or(&[][..], Vec::as_slice);
        let before = changes.len();
        host::compare(desired, host, instances, inventory, &mut texts, &mut changes, &mut diffs);
        changes.iter_mut().skip(before).for_each(|change| accept(desired, change));
    }
    for service in desired.services.values() {
        settled::compare(desired, service, inventory, &mut changes);
    }
    (changes, diffs)
}

/// A file that only somebody on the host has changed is left as it is where the file says so. Once something else is
/// declared for its instance it is a difference again: with the next generation it would go away without a word.
fn accept(desired: &Desired, change: &mut Change) {
    let Change::File { instance, path, by_hand: true, .. } = change else { return };
    let accepted = desired.accepted.get(instance).and_then(|files| files.get(path));
    if let Some(acceptance) = accepted.cloned() {
        *change = Change::Accepted { instance: instance.clone(), path: path.clone(), acceptance };
    }
}

impl Change {
    /// The host that it is about, when it is about one.
    pub fn host(&self) -> Option<&HostName> {
        match self {
            Self::Unobserved { host, .. }
            | Self::Unprepared { host, .. }
            | Self::Supervisor { host, .. }
            | Self::Boot { host, .. }
            | Self::Kernel { host, .. }
            | Self::Packages { host, .. }
            | Self::SoftwareMissing { host, .. }
            | Self::SoftwareDamaged { host, .. }
            | Self::UndoLeft { host, .. }
            | Self::Debris { host, .. }
            | Self::Kept { host, .. }
            | Self::Orphan { host, .. } => Some(host),
            _ => self.instance().map(|instance| &instance.host),
        }
    }

    /// The instance that it is about, when it is about one.
    pub fn instance(&self) -> Option<&InstanceId> {
        match self {
            Self::NewInstance { instance }
            | Self::File { instance, .. }
            | Self::Accepted { instance, .. }
            | Self::Mode { instance, .. }
            | Self::Software { instance, .. }
            | Self::NotRunning { instance, .. }
            | Self::RestartPending { instance, .. }
            | Self::ProcessDefinition { instance }
            | Self::Unsupervised { instance, .. }
            | Self::Stranger { instance, .. }
            | Self::OtherSupervisor { instance, .. }
            | Self::Unit { instance, .. }
            | Self::NotReady { instance, .. }
            | Self::Unasked { instance, .. }
            | Self::ReloadOwed { instance }
            | Self::Unproven { instance }
            | Self::Leaving { instance, .. }
            | Self::GoesBack { instance, .. }
            | Self::Lapsed { instance, .. }
            | Self::Held { instance, .. } => Some(instance),
            Self::Setting { instance, .. } => instance.as_ref(),
            Self::Unobserved { .. }
            | Self::Unprepared { .. }
            | Self::Supervisor { .. }
            | Self::Boot { .. }
            | Self::Kernel { .. }
            | Self::Packages { .. }
            | Self::SoftwareMissing { .. }
            | Self::SoftwareDamaged { .. }
            | Self::NotHealthy { .. }
            | Self::UndoLeft { .. }
            | Self::Debris { .. }
            | Self::Kept { .. }
            | Self::Orphan { .. } => None,
        }
    }

    /// Whether it is only shown: nothing is done about it.
    pub fn only_shown(&self) -> bool {
        matches!(
            self,
            Self::Unobserved { .. }
                | Self::Held { .. }
                | Self::Accepted { .. }
                | Self::NotHealthy { .. }
                | Self::Kept { .. }
                | Self::Orphan { .. }
        )
    }
}
