//! One simulated host: what is on its disk, and what runs.

use crate::host::Claim;
use crate::inventory::{Held, HeldWhat, SoftwareObservation, UndoRecord};
use crate::model::{Digest, SupervisorKind};
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

/// A host.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// Everything of ours is below this folder.
    pub prefix: String,
    /// Folders and user are there.
    pub prepared: bool,
    /// Files in `install/`.
    pub artifacts: BTreeSet<String>,
    /// Software folders.
    pub software: BTreeMap<String, SoftwareObservation>,
    /// Instances by role.
    pub instances: BTreeMap<String, Instance>,
    /// The supervisor's pid.
    pub supervisor: Option<u32>,
    /// sha256 of the supervisor's configuration on disk.
    pub supervisor_config: Option<Digest>,
    /// Units outside the prefix by name.
    pub units: BTreeMap<String, Digest>,
    /// What starts everything at boot: the unit's name, and sha256 of script and unit.
    pub boot: Option<(String, Digest, Digest)>,
    /// Kernel settings, and those that a file keeps for the next boot.
    pub kernel: BTreeMap<String, u64>,
    /// Programs in the path.
    pub commands: BTreeMap<String, bool>,
    /// See `kernel`.
    pub kept: Option<BTreeMap<String, u64>>,
    /// How many times it was booted again.
    pub reboots: u32,
    /// Undo records by file name.
    pub undo: BTreeMap<String, UndoRecord>,
    /// Roles of which only data is left.
    pub left_data: BTreeSet<String>,
    /// Left by interrupted operations.
    pub debris: BTreeSet<String>,
    /// Journals by run.
    pub history: BTreeMap<String, Vec<String>>,
    /// Who holds the lock, with a number that tells two claims apart.
    pub lock: Option<(u64, Claim)>,
}

impl Machine {
    /// Keeps these kernel settings for the next boot, and sets those.
    pub(super) fn provide(&mut self, keep: &BTreeMap<String, u64>, set: &BTreeMap<String, u64>) {
        self.kept = Some(keep.clone()).filter(|keep| !keep.is_empty());
        self.kernel.extend(set.clone());
    }

    /// Installs packages; what was written.
    pub(super) fn install(&mut self, packages: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
        self.commands.extend(packages.values().flatten().map(|name| (name.clone(), true)));
        packages.keys().map(|package| format!("package {package}")).collect()
    }
}

/// An instance.
#[derive(Debug, Clone, Default)]
pub struct Instance {
    /// Complete generations, newest first.
    pub generations: Vec<Generation>,
    /// Where `current` points.
    pub current: Option<Digest>,
    /// Where `current` pointed before.
    pub previous: Option<Digest>,
    /// What it was switched to and has not been seen healthy at.
    pub trial: Option<Digest>,
    /// Files outside the generation, by absolute path: digest, mode, text.
    pub placed: BTreeMap<String, (Digest, u32, String)>,
    /// What runs.
    pub process: Option<Process>,
    /// The record of a process that died.
    pub dead: Option<Digest>,
    /// A hold.
    pub held: Option<Held>,
    /// Whether it has data.
    pub has_data: bool,
    /// Whether it was recorded that nothing is left on it.
    pub drained: bool,
    /// Files changed that the process has not read yet.
    pub reload_owed: bool,
}

/// A rendered generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Its content generation, which names it.
    pub content: Digest,
    /// Its restart generation.
    pub restart: Digest,
    /// Its files by path: digest, mode, text.
    pub files: BTreeMap<String, (Digest, u32, String)>,
    /// Software folders that it uses, its own first.
    pub software: Vec<String>,
    /// What it says of the instance that it was written for.
    pub about: String,
}

impl Machine {
    /// Records that nothing is left on an instance.
    pub(super) fn drained(&mut self, role: &str) {
        self.instances.entry(role.to_owned()).or_default().drained = true;
    }
}

/// The pid of the host's own first process.
pub(super) const INIT: u32 = 1;

/// The parent of what has lost its supervisor.
pub(super) const NOBODY: u32 = 0;

/// The parent of what somebody started by hand.
pub(super) const BY_HAND: u32 = 2;

impl Generation {
    /// Who runs it.
    pub fn supervisor(&self) -> SupervisorKind {
        let systemd = self.files.contains_key(SupervisorKind::Systemd.entry());
        if systemd { SupervisorKind::Systemd } else { SupervisorKind::Supervisord }
    }
}

/// A process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its pid.
    pub pid: u32,
    /// When it was started.
    pub started: Instant,
    /// What it runs.
    pub content: Digest,
    /// Its restart generation.
    pub restart: Digest,
    /// The supervisor's pid when it was started; [`INIT`] for one that systemd started.
    pub parent: u32,
    /// It ends then.
    pub ends: Option<Instant>,
}

impl Machine {
    /// It boots again, with these process ids for its supervisor and its instances.
    pub(super) fn reboot(&mut self, own: u32, pids: &[u32]) {
        self.reboots += 1;
        let boots = self.boot.is_some();
        let had = self.supervisor.take().is_some();
        // The script starts the supervisor that was declared when it was written.
        self.supervisor = Some(own).filter(|_| boots && had);
        for (one, pid) in self.instances.values_mut().zip(pids) {
            one.die();
            let stopped = one.held.as_ref().is_some_and(|held| held.what == HeldWhat::Stopped);
            let Some(generation) = one.current.and_then(|current| one.generation(&current)).filter(|_| !stopped) else {
                continue;
            };
            let parent = match generation.supervisor() {
                SupervisorKind::Systemd => Some(INIT),
                SupervisorKind::Supervisord => self.supervisor,
            };
            let Some(parent) = parent.filter(|_| boots) else { continue };
            let (content, restart) = (generation.content, generation.restart);
            let process = Process { pid: *pid, started: Instant::now(), content, restart, parent, ends: None };
            (one.process, one.dead, one.reload_owed) = (Some(process), None, false);
        }
    }
}

impl Instance {
    /// A generation by name.
    pub fn generation(&self, content: &Digest) -> Option<&Generation> {
        self.generations.iter().find(|generation| generation.content == *content)
    }

    /// What runs is something that somebody has started by hand: nothing of ours was ever here but the data.
    pub fn start_by_hand(&mut self) {
        let Some(process) = &mut self.process else { return };
        let other = Digest::of(b"not started by es_cluster");
        (process.parent, process.content, process.restart) = (BY_HAND, other, other);
        let (process, placed) = (self.process, std::mem::take(&mut self.placed));
        *self = Self { process, placed, has_data: self.has_data, ..Self::default() };
    }

    /// The process dies, and nobody starts it again.
    pub fn die(&mut self) {
        if let Some(process) = self.process.take() {
            self.dead = Some(process.restart);
        }
    }
}
