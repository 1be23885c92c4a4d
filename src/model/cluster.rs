//! What `cluster.kdl` says, after decoding and type checks against the modules.

use super::{Adopt, HostName, ModuleName, Name, RoleId, ServiceName, Share, SshOptions, Value, Version};
use crate::diag::{Span, Spanned};
use indexmap::IndexMap;
use std::time::Duration;

/// The whole file, includes merged in.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The cluster's name.
    pub name: Spanned<Name>,
    /// Folder on every ssh host that everything of ours is below.
    pub prefix: String,
    /// The user that services run as when the tool is root; `None` runs them as the connecting user.
    pub user: Option<String>,
    /// The module that supervises processes (`supervisord`, `systemd`).
    pub supervisor: Spanned<Name>,
    /// Whether a host that boots starts its instances by itself; when the file does not say, what supervises decides.
    pub boot: bool,
    /// What hosts lack and may be given, by the names that needs have.
    pub allow: Vec<Spanned<String>>,
    /// How ssh hosts are reached, unless they say otherwise.
    pub ssh: SshOptions,
    /// Default versions.
    pub versions: IndexMap<ModuleName, VersionSpec>,
    /// How changes are rolled out.
    pub rollout: Rollout,
    /// Hosts by name.
    pub hosts: IndexMap<HostName, HostSpec>,
    /// Roles in the order of the file.
    pub roles: Vec<Role>,
    /// Declared secrets.
    pub secrets: IndexMap<String, SecretSpec>,
    /// Files that somebody changed on hosts, and that are left as they are.
    pub accepted: Vec<Accepted>,
}

/// A file that somebody changed on hosts, and that is left as it is until a day.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The role's id.
    pub role: Spanned<String>,
    /// Its hosts.
    pub hosts: Vec<Spanned<HostName>>,
    /// The file, as a plan names it.
    pub path: Spanned<String>,
    /// The last day, `YYYY-MM-DD`.
    pub until: Spanned<String>,
    /// Why.
    pub reason: String,
}

/// A version with the plugins that go with it.
#[derive(Debug, Clone)]
pub struct VersionSpec {
    /// The version.
    pub version: Spanned<Version>,
    /// Plugins by name.
    pub plugins: IndexMap<String, Spanned<Version>>,
}

/// How changes are rolled out.
#[derive(Debug, Clone)]
pub struct Rollout {
    /// How many instances of a role go first, alone.
    pub canary: u32,
    /// How long the canary must stay healthy.
    pub soak: Duration,
    /// What a canary is.
    pub scope: Scope,
    /// Instances at a time after the canary, of those of a service; never more than the module's `max-unavailable`.
    pub batch: Share,
    /// What happens to a canary that fails.
    pub on_failure: OnFailure,
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            canary: 1,
            soak: Duration::from_secs(30),
            scope: Scope::Role,
            batch: Share::Count(1),
            on_failure: OnFailure::Rollback,
        }
    }
}

/// What a canary is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The first instances of each role.
    Role,
    /// One host converges whole before any other host is touched.
    Host,
}

/// What happens to a canary that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Back to its previous generation.
    Rollback,
    /// Left as it is, for somebody to look at.
    Stop,
}

/// A declared host.
#[derive(Debug, Clone)]
pub struct HostSpec {
    /// Its name.
    pub name: Spanned<HostName>,
    /// Address that services bind and peers connect to.
    pub address: Spanned<String>,
    /// How it is reached.
    pub transport: Transport,
    /// What it says itself about the way to it.
    pub ssh: SshOptions,
    /// Its own prefix, when it differs from the cluster's.
    pub prefix: Option<String>,
    /// Labels for selectors.
    pub labels: IndexMap<String, String>,
    /// The number in its own name (`node7` → 7).
    pub number: Option<u32>,
}

/// How a host is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Over SSH.
    Ssh,
    /// On this machine: a sandbox host.
    Local,
}

/// One module placed on hosts, with parameters.
#[derive(Debug, Clone)]
pub struct Role {
    /// The role's id.
    pub id: RoleId,
    /// The module.
    pub module: Spanned<ModuleName>,
    /// The label, when it has one.
    pub label: Option<String>,
    /// The service it belongs to.
    pub service: ServiceName,
    /// Hosts it is placed on, selectors resolved.
    pub hosts: Vec<Spanned<HostName>>,
    /// Parameters that the role sets, typed by the module.
    pub params: IndexMap<Name, Spanned<Value>>,
    /// Parameters that the role sets for one host.
    pub overrides: IndexMap<HostName, IndexMap<Name, Spanned<Value>>>,
    /// Whether it may run already, started by hand.
    pub adopt: Option<Adopt>,
    /// The same for one host.
    pub adopt_on: IndexMap<HostName, Adopt>,
    /// Keys that go to the service's own file as they are.
    pub free: Vec<FreeEntry>,
    /// Versions that differ from `versions` (its own, or its JDK's).
    pub versions: IndexMap<ModuleName, Spanned<Version>>,
    /// Place in the file.
    pub span: Span,
}

impl Role {
    /// What it says of a process that may run already on a host.
    pub fn adopt_on(&self, host: &HostName) -> Option<&Adopt> {
        self.adopt_on.get(host).or(self.adopt.as_ref())
    }
}

/// One key of a free `config { … }` block.
#[derive(Debug, Clone)]
pub struct FreeEntry {
    /// The key, with dots.
    pub key: Spanned<String>,
    /// The value.
    pub value: Value,
    /// Only on this host.
    pub host: Option<HostName>,
}

/// A declared secret.
#[derive(Debug, Clone)]
pub struct SecretSpec {
    /// Its name.
    pub name: Spanned<String>,
    /// Where its value comes from.
    pub source: SecretSource,
    /// Where the value that it had before comes from, while something still runs with that.
    pub previous: Option<SecretSource>,
}

/// Where a secret's value comes from.
#[derive(Debug, Clone)]
pub enum SecretSource {
    /// An environment variable of the controller.
    Env(String),
    /// A file on the controller.
    File(String),
    /// The standard output of a command on the controller.
    Command(Vec<String>),
}
