//! What should be: every instance with its rendered files, software, process and generations. Pure.

mod about;
mod adopts;
mod anew;
mod boot;
mod context;
mod draft;
mod expand;
mod files;
mod free;
mod generations;
mod job;
mod jobs;
mod keys;
mod launch;
mod needs;
mod paths;
mod render;
mod software;
mod supervisor;
mod systemd;
#[cfg(test)]
mod tests;

pub use about::About;
pub use adopts::Adopts;
pub use anew::{Anew, Between, phase_of_file};
pub use expand::expand;
pub use job::DesiredJob;
pub use needs::Need;
pub use supervisor::SupervisordPaths;

use crate::expr::Context;
use crate::model::{
    Declared, Digest, Hidden, HostName, InstanceId, Module, ModuleName, Name, OnChange, Rollout, Secret, ServiceName,
    SshOptions, SupervisorKind, Transport, Value, Version,
};
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The desired state of the whole platform. Sorted by name everywhere: the order of the file does not matter.
#[derive(Debug, Clone)]
pub struct Desired {
    /// The cluster's name.
    pub cluster: Name,
    /// How changes are rolled out.
    pub rollout: Rollout,
    /// What the plan is made from.
    pub inputs: Inputs,
    /// Hosts of the file.
    pub hosts: BTreeMap<HostName, DesiredHost>,
    /// Every role on every of its hosts that has a process.
    pub instances: BTreeMap<InstanceId, DesiredInstance>,
    /// Instances that are there and not declared any more, as their generations tell of them: [`Desired::let_go`].
    pub leaving: BTreeMap<InstanceId, DesiredInstance>,
    /// Declared instances that run with other ports than the declared ones, as they run: [`Desired::let_go`].
    pub elsewhere: BTreeMap<InstanceId, DesiredInstance>,
    /// Instances by service; none where nothing is declared any more.
    pub services: BTreeMap<ServiceName, DesiredService>,
    /// The declared secrets by name.
    pub secrets: BTreeMap<String, Secret>,
    /// What people may ask for, by role, name and host.
    pub jobs: Vec<DesiredJob>,
    /// Files that somebody changed on their hosts and that are left as they are, by path.
    pub accepted: BTreeMap<InstanceId, BTreeMap<String, Acceptance>>,
    /// What the file says that plans are refused for.
    pub declared: Declared,
    /// What a service should be in the middle of a change that needs several passes; `None` when no module knows such a
    /// change.
    pub anew: Option<Arc<dyn Anew>>,
}

/// That a change on a host is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Acceptance {
    /// The last day, `YYYY-MM-DD`.
    pub until: String,
    /// Why.
    pub reason: String,
}

impl Desired {
    /// Instances by host. One pass over all of them: for stages that go host by host.
    pub fn by_host(&self) -> BTreeMap<&HostName, Vec<&DesiredInstance>> {
        let mut hosts: BTreeMap<&HostName, Vec<&DesiredInstance>> = BTreeMap::new();
        for instance in self.instances.values() {
            hosts.entry(&instance.id.host).or_default().push(instance);
        }
        hosts
    }
}

/// Digests of what a plan is made from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Inputs {
    /// The file with its includes.
    pub file: Digest,
    /// The modules in use with their templates.
    pub modules: Digest,
    /// `cluster.lock`.
    pub lock: Digest,
}

/// A host with everything that must be on it.
#[derive(Debug, Clone)]
pub struct DesiredHost {
    /// Its name.
    pub name: HostName,
    /// The address that services bind.
    pub address: String,
    /// How it is reached.
    pub transport: Transport,
    /// What the file says about the way to it, the host's own words first.
    pub ssh: SshOptions,
    /// The folder that everything is below, absolute.
    pub prefix: String,
    /// The user that services run as when we are root there.
    pub user: Option<String>,
    /// Software by folder name.
    pub software: BTreeMap<String, Arc<Software>>,
    /// What supervises processes there.
    pub supervisor: Supervisor,
    /// What the names of its units outside the prefix begin with, `es_cluster-CLUSTER:HOST`: no name has a colon in it.
    pub units: String,
    /// What starts its instances when it boots; `None`: nothing does.
    pub boot: Option<Boot>,
    /// It has no role: nothing is made ready there.
    pub idle: bool,
}

/// What supervises processes on a host.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "one for each host; the large one is the usual one")]
pub enum Supervisor {
    /// A process of ours below the prefix.
    Supervisord(Supervisord),
    /// The host's own.
    Systemd,
}

/// What starts the instances of a host when it boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// The script `bin/boot` below the prefix.
    pub script: String,
    /// The unit that runs it.
    pub unit: String,
}

/// A supervisor of our own on a host, from a module.
#[derive(Debug, Clone)]
pub struct Supervisord {
    /// The words that start it (it puts itself into the background), and their environment.
    pub command: Vec<String>,
    /// What it needs of its host.
    pub needs: Vec<Need>,
    /// The words that, with `start PROGRAM` after them, start a program; empty when its module has none.
    pub control: Vec<String>,
    /// Environment of [`Supervisord::command`] and [`Supervisord::control`].
    pub env: BTreeMap<String, String>,
    /// Its version.
    pub version: Version,
    /// Absolute path of its configuration.
    pub config_path: String,
    /// Its configuration.
    pub config: String,
    /// Absolute path of its control socket.
    pub socket: String,
    /// Absolute path of its pid file.
    pub pidfile: String,
}

/// The folder of units, outside every prefix.
pub const UNIT_FOLDER: &str = "/etc/systemd/system";

impl Supervisor {
    /// Its kind.
    pub const fn kind(&self) -> SupervisorKind {
        match self {
            Self::Supervisord(_) => SupervisorKind::Supervisord,
            Self::Systemd => SupervisorKind::Systemd,
        }
    }

    /// The supervisor of our own, where there should be one.
    pub const fn supervisord(&self) -> Option<&Supervisord> {
        match self {
            Self::Supervisord(own) => Some(own),
            Self::Systemd => None,
        }
    }
}

impl DesiredHost {
    /// Where a supervisor of our own is; where nothing of it is wanted (any more), where it would have been.
    pub fn supervisord(&self) -> SupervisordPaths {
        match &self.supervisor {
            Supervisor::Supervisord(own) => SupervisordPaths {
                config: own.config_path.clone(),
                socket: own.socket.clone(),
                pidfile: own.pidfile.clone(),
            },
            Supervisor::Systemd => supervisor::usual_paths(&self.prefix),
        }
    }

    /// Name of the unit that starts its instances at boot.
    pub fn boot_unit(&self) -> String {
        format!("{}.service", self.units)
    }

    /// Name of the unit of a role.
    pub fn unit_of(&self, role: &str) -> String {
        format!("{}:{role}.service", self.units)
    }
}

/// Assembled software: an immutable folder below `{prefix}/software`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Software {
    /// The folder's name, `NAME-VERSION-HASH12`; the hash covers all parts.
    pub folder: String,
    /// The module it belongs to.
    pub module: ModuleName,
    /// Its version.
    pub version: Version,
    /// What it is assembled from, in order. Empty when the software is already on the host (`system`).
    pub parts: Vec<Part>,
}

/// One bundle of an assembled software: a canonical tar file made by the controller out of a verified artifact.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Part {
    /// sha256 of the bundle.
    pub bundle: Digest,
    /// Its name for people; on the host it is `install/<sha256>-NAME.tar`.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Folder below the software folder that it is unpacked into; empty is the root.
    pub into: String,
}

impl Part {
    /// File name in `{prefix}/install`.
    pub fn file_name(&self) -> String {
        format!("{}-{}.tar", self.bundle, self.name)
    }
}

/// All instances that form one cluster of one module.
#[derive(Debug, Clone)]
pub struct DesiredService {
    /// Its name.
    pub name: ServiceName,
    /// Its module.
    pub module: Arc<Module>,
    /// Its instances.
    pub instances: Vec<InstanceId>,
}

/// One role on one host.
#[derive(Debug, Clone)]
pub struct DesiredInstance {
    /// Its id.
    pub id: InstanceId,
    /// Its service.
    pub service: ServiceName,
    /// Its module.
    pub module: Arc<Module>,
    /// The version of its own software.
    pub version: Version,
    /// The number that identifies it in its service.
    pub ordinal: i64,
    /// The tier, for the service's order.
    pub tier: String,
    /// Whether it counts for the quorum.
    pub votes: bool,
    /// Parameters, defaults merged in.
    pub params: Arc<IndexMap<Name, Value>>,
    /// Ports it binds on its host, by parameter.
    pub ports: Arc<BTreeMap<Name, u16>>,
    /// Memory it takes, in bytes; 0 when the module does not say.
    pub memory: u64,
    /// What it needs of its host beside that.
    pub needs: Arc<[Need]>,
    /// Bytes that must be left on the disk when everything is unpacked.
    pub free_disk: u64,
    /// The documented context of templates and expressions for this instance. Secrets are in it by name only.
    pub context: Context,
    /// Folder names in [`DesiredHost::software`]; its own first.
    pub software: Arc<[String]>,
    /// Rendered files, by place. Instances whose files are the same hold them together.
    pub files: Arc<[DesiredFile]>,
    /// The process.
    pub process: Arc<DesiredProcess>,
    /// Name of its unit, where systemd supervises.
    pub unit: String,
    /// Absolute path of its data folder.
    pub data_dir: String,
    /// What is known of a process of it that somebody may have started by hand, when it may be replaced.
    pub adopts: Option<Adopts>,
    /// Absolute path of its log folder.
    pub log_dir: String,
    /// Absolute path of `conf/<role>`.
    pub conf_dir: String,
    /// Hash of all rendered files of the generation folder; names that folder.
    pub content_generation: Digest,
    /// Hash of what a running process can't take up without a restart.
    pub restart_generation: Digest,
}

/// Where a rendered file is placed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Relative to `conf/<role>/<content generation>/`.
    Generation(String),
    /// An absolute path below the prefix (`{{ dirs.data }}/myid`): written when the instance is switched.
    Absolute(String),
}

/// A rendered file.
#[derive(Debug, Clone)]
pub struct DesiredFile {
    /// Where it goes.
    pub place: Place,
    /// Its bytes; the names of secrets stand where their values are.
    pub content: Arc<str>,
    /// sha256 of the bytes. Of a file with a secret it is a keyed digest of [`DesiredFile::content`], and the key comes from
    /// the marks of the secrets: it can be made without their values, and tells nothing of them.
    pub sha256: Digest,
    /// Permission bits.
    pub mode: u32,
    /// What a change asks of the process.
    pub on_change: OnChange,
    /// Written once; another content on the host is refused.
    pub identity: bool,
    /// Holds a secret: 0600, masked in diffs, its content never leaves the host.
    pub secret: bool,
    /// The bytes with the values of the secrets, where those are known.
    pub open: Option<Hidden>,
}

impl DesiredFile {
    /// Whether a file on the host is as it should be. What identifies data may be written in other ways, by hand or by the
    /// service itself: with comments, without a line end, in another order.
    pub fn is_met_by(&self, sha256: Digest, content: Option<&str>) -> bool {
        let lines = |text: &str| -> BTreeSet<String> {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            lines.map(str::to_owned).collect()
        };
        sha256 == self.sha256
            || (self.identity && !self.secret && content.is_some_and(|text| lines(text) == lines(&self.content)))
    }

    /// What is written on its host; nothing when it holds a secret whose value is not known.
    pub fn bytes(&self) -> Option<&str> {
        if self.secret { self.open.as_ref().map(Hidden::expose) } else { Some(&self.content) }
    }
}

/// The process of an instance, rendered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DesiredProcess {
    /// The words of the command; the first is an absolute path.
    pub command: Vec<String>,
    /// Words added at the very first start of a new service: while `run/<role>.first` exists.
    pub first_start: Vec<String>,
    /// A command that tests a configuration, with its environment; none when empty. Where it names the current generation,
    /// it is run with the one that is tested.
    pub check: Vec<String>,
    /// Environment.
    pub env: BTreeMap<String, String>,
    /// Name of the supervisor's program entry.
    pub program: String,
    /// Signal for a clean stop, e.g. `TERM`.
    pub stop_signal: String,
    /// How long a clean stop may take.
    pub stop_within: Duration,
    /// Signal for a reload.
    pub reload_signal: Option<String>,
    /// A command for a reload, with its environment, in place of a signal; none when empty.
    pub reload_command: Vec<String>,
    /// Log files, absolute: their last lines explain a failure.
    pub logs: Vec<String>,
}

impl DesiredProcess {
    /// Whether it can read its files again without a restart.
    pub const fn reloads(&self) -> bool {
        self.reload_signal.is_some() || !self.reload_command.is_empty()
    }
}
