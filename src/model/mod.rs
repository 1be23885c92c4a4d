//! Plain data: what the operator's file and the modules say, after decoding. No I/O, no decisions.

mod adopt;
mod artifact;
mod cluster;
mod conflict;
mod connection;
mod digest;
mod drain;
mod import;
mod job;
mod module;
mod names;
mod needs;
mod param;
mod phases;
mod probe;
mod process;
mod quote;
mod secret;
mod share;
mod ssh;
mod supervisor;
mod upgrade;
mod value;
mod version;

pub use adopt::{Adopt, ConfigPlace, DataPlace, Recognition, VersionPlace};
pub use artifact::{Artifact, Plugins, Source, SourceKind};
pub use cluster::{
    Accepted, Cluster, FreeEntry, HostSpec, OnFailure, Role, Rollout, Scope, SecretSource, SecretSpec, Transport,
    VersionSpec,
};
pub use conflict::{Conflict, Declared};
pub use connection::{Auth, Connection, Login, Tls};
pub use digest::{BadDigest, Digest};
pub use drain::{Drain, Moved};
pub use import::{Import, ImportList, ImportSetting};
pub use job::Job;
pub use module::{
    CompatRule, FileContent, FileSpec, FreeFormat, FreeSyntax, Hook, Module, OnChange, Order, Per, RefusedKeys, Repair,
    Requirement, RequirementRow, Rolling, SafetyRule, Settled, Strategy,
};
pub use names::{BadName, HostName, InstanceId, ModuleName, Name, RoleId, ServiceName, is_name};
pub use needs::{HostNeed, HostNeeds, NeedKind};
pub use param::{Param, ParamType};
pub use phases::{Phase, Phases};
pub use probe::{Ask, Expr, Gate, HttpMethod, Live, Parse, Probe, ProbeKind, ProbeOn, Setting, StatusLine, Template};
pub use process::{Limits, Process};
pub use quote::sh_quote;
pub use secret::{Hidden, Secret, slow};
pub use share::Share;
pub use ssh::SshOptions;
pub use supervisor::SupervisorKind;
pub use upgrade::{Find, Upgrade, UpgradeStep};
pub use value::{SecretRef, Value};
pub use version::{BadVersion, Version};
