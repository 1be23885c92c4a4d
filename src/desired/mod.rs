//! What should be: every instance with its rendered files, software, process and generations. Pure.

mod context;
mod draft;
mod expand;
mod files;
mod free;
mod generations;
mod keys;
mod launch;
mod paths;
mod render;
mod software;
mod supervisor;
#[cfg(test)]
mod tests;

pub use expand::expand;

use crate::expr::Context;
use crate::model::{
    Digest, HostName, InstanceId, Module, ModuleName, Name, OnChange, Rollout, ServiceName, Transport, Value, Version,
};
use indexmap::IndexMap;
use std::collections::BTreeMap;
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
    /// Hosts that have at least one role.
    pub hosts: BTreeMap<HostName, DesiredHost>,
    /// Every role on every of its hosts that has a process.
    pub instances: BTreeMap<InstanceId, DesiredInstance>,
    /// Instances by service.
    pub services: BTreeMap<ServiceName, DesiredService>,
}

/// Digests of what a plan is made from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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
    /// The folder that everything is below, absolute.
    pub prefix: String,
    /// The user that services run as when we are root there.
    pub user: Option<String>,
    /// Software by folder name.
    pub software: BTreeMap<String, Arc<Software>>,
    /// The supervisor's own files and how it is started.
    pub supervisor: Supervisor,
}

/// The process supervisor of a host.
#[derive(Debug, Clone)]
pub struct Supervisor {
    /// The words that start it (it puts itself into the background), and their environment.
    pub command: Vec<String>,
    /// Environment of [`Supervisor::command`].
    pub env: BTreeMap<String, String>,
    /// Absolute path of its configuration.
    pub config_path: String,
    /// Its configuration.
    pub config: String,
    /// Absolute path of its control socket.
    pub socket: String,
    /// Absolute path of its pid file.
    pub pidfile: String,
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
    pub params: IndexMap<Name, Value>,
    /// Ports it binds on its host, by parameter.
    pub ports: BTreeMap<Name, u16>,
    /// Memory it takes, in bytes; 0 when the module does not say.
    pub memory: u64,
    /// The documented context of templates and expressions for this instance. Secrets are in it by name only.
    pub context: Context,
    /// Folder names in [`DesiredHost::software`]; its own first.
    pub software: Vec<String>,
    /// Rendered files, by place.
    pub files: Vec<DesiredFile>,
    /// The process.
    pub process: DesiredProcess,
    /// Absolute path of its data folder.
    pub data_dir: String,
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
    /// Its bytes.
    pub content: String,
    /// sha256 of the bytes.
    pub sha256: Digest,
    /// Permission bits.
    pub mode: u32,
    /// What a change asks of the process.
    pub on_change: OnChange,
    /// Written once; another content on the host is refused.
    pub identity: bool,
    /// Holds a secret: 0600, masked in diffs, its content never leaves the host.
    pub secret: bool,
}

/// The process of an instance, rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredProcess {
    /// The words of the command; the first is an absolute path.
    pub command: Vec<String>,
    /// Words added at the very first start of a new service: while `run/<role>.first` exists.
    pub first_start: Vec<String>,
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
    /// Log files, absolute: their last lines explain a failure.
    pub logs: Vec<String>,
}
