//! Why: of a step, of a refusal, of a warning; and the counts of a plan.

use crate::model::{Name, SupervisorKind};
use serde::{Deserialize, Serialize};

/// Why a step is there. For people; no decision is made from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", tag = "why", content = "what")]
pub enum Reason {
    /// The service runs nowhere and has no data.
    New,
    /// The service runs nowhere and has data.
    Revived,
    /// Files differ.
    Files(Vec<String>),
    /// Software differs, `NAME FROM -> TO`.
    Software(Vec<String>),
    /// Somebody edited files of the generation.
    ByHand(Vec<String>),
    /// The process definition differs.
    ProcessDefinition,
    /// Files changed that the process was never told to read.
    ReloadOwed,
    /// It runs on an older generation than the one on disk.
    RestartPending,
    /// A run that was lost had switched it, and had not seen it healthy.
    Unproven,
    /// It does not run.
    NotRunning,
    /// It runs and does not serve.
    NotReady(String),
    /// It runs without a supervisor.
    Unsupervised,
    /// Somebody else has started it: it restarts once, as ours.
    Stranger,
    /// It runs under another supervisor than the declared one.
    #[expect(missing_docs, reason = "the line of the variant says what its fields are")]
    OtherSupervisor { from: SupervisorKind, to: SupervisorKind },
    /// Its unit outside the prefix differs.
    Unit,
    /// Its software folder is replaced under it.
    SoftwareDamaged,
    /// Something is missing on the host.
    Missing(Vec<String>),
    /// Left by an interrupted run.
    Leftover,
    /// Not as a finished rollout leaves it.
    NotSettled,
    /// All instances of the service are replaced together.
    Recreate,
    /// The file does not declare it any more.
    Undeclared,
    /// It leads, and those that stay will not know it.
    Leads,
    /// Somebody asked for it on the command line.
    Asked,
    /// The step before it demands it.
    Follows,
}

/// Why a plan may not be applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Refusal {
    /// Its name, by which it can be waived.
    pub name: Name,
    /// What would be wrong.
    pub message: String,
    /// The way out.
    pub help: String,
    /// The place in the operator's files that it is about, `FILE:LINE:COLUMN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// A waiver's reason, when it was waived.
    pub waived: Option<String>,
}

impl Refusal {
    /// A host could not be observed.
    pub const UNOBSERVED: &str = "unobserved";
    /// The service has one or two voters: replacing one is an outage.
    pub const QUORUM_OUTAGE: &str = "quorum-outage";
    /// The service would be left without a majority of its voters.
    pub const QUORUM: &str = "quorum";
    /// As many instances are down already as may be.
    pub const MAX_UNAVAILABLE: &str = "max-unavailable";
    /// Two instances would bind one port of a host.
    pub const PORT_CONFLICT: &str = "port-conflict";
    /// The instances of a machine need more memory than it has.
    pub const MEMORY: &str = "memory";
    /// Two instances would run of what only one of may.
    pub const SINGLETON: &str = "singleton";
    /// The data on the host belongs to another member.
    pub const ID_MISMATCH: &str = "id-mismatch";
    /// A lower version on data that there is no way back for.
    pub const DOWNGRADE: &str = "downgrade";
    /// The declared supervisor can't be had on a host.
    pub const SUPERVISOR: &str = "supervisor";
    /// What runs can't be asked: it does not take what we say of ourselves, or is not who it should be.
    pub const UNASKED: &str = "unasked";
    /// What is to be made needs a privilege that we do not have.
    pub const PRIVILEGE: &str = "privilege";
    /// What runs already, started by hand, or its data, is not as it would have to be to be taken over.
    pub const ADOPTION: &str = "adoption";
    /// What would be taken over is in a unit of somebody else, which may start it again.
    pub const ADOPTED_UNIT: &str = "adopted-unit";
    /// What a service should be in the middle of a change can't be rendered.
    pub const PHASES: &str = "phases";
    /// Services that wait for each other in a circle.
    pub const CYCLE: &str = "cycle";
    /// What is to be restarted as it is differs from what is declared.
    pub const DIFFERS: &str = "differs";
    /// What is to be reloaded knows no reload.
    pub const NO_RELOAD: &str = "no-reload";
    /// Nothing would remain that could take what an instance keeps.
    pub const LAST_COPY: &str = "last-copy";
    /// An instance that leaves does not run, so that nothing can be moved away from it.
    pub const UNDRAINED: &str = "undrained";
    /// Members that know each other from their files alone join or leave one at a time.
    pub const MEMBERSHIP: &str = "membership";
    /// A service changes its version while an instance leaves it.
    pub const LEAVES_UPGRADE: &str = "leaves-upgrade";
    /// Two versions of a service that can't be mixed would run together.
    pub const MIXED_VERSIONS: &str = "mixed-versions";

    /// All rules of the planner itself. Those of modules are called `MODULE.RULE`.
    pub const ALL: &[&str] = &[
        Self::UNOBSERVED,
        Self::UNASKED,
        Self::QUORUM_OUTAGE,
        Self::QUORUM,
        Self::MAX_UNAVAILABLE,
        Self::PORT_CONFLICT,
        Self::MEMORY,
        Self::ID_MISMATCH,
        Self::DOWNGRADE,
        Self::SUPERVISOR,
        Self::PRIVILEGE,
        Self::ADOPTION,
        Self::ADOPTED_UNIT,
        Self::CYCLE,
        Self::DIFFERS,
        Self::NO_RELOAD,
        Self::MIXED_VERSIONS,
        Self::LAST_COPY,
        Self::UNDRAINED,
        Self::MEMBERSHIP,
        Self::LEAVES_UPGRADE,
    ];

    /// One of the names above, as a name.
    pub fn called(name: &str, message: String, help: String) -> Option<Self> {
        Name::new(name).ok().map(|name| Self { name, message, help, at: None, waived: None })
    }

    /// What would be wrong, and where that is said.
    pub fn told(&self) -> String {
        self.at.as_ref().map_or_else(|| self.message.clone(), |at| format!("{} ({at})", self.message))
    }
}

/// Worth knowing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Warning {
    /// Its name.
    pub name: Name,
    /// The text.
    pub message: String,
}

/// Whether there are none.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_none(count: &usize) -> bool {
    *count == 0
}

/// Counts for the first and last line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Summary {
    /// Hosts observed.
    pub hosts: usize,
    /// Hosts that could not be observed.
    pub unobserved: usize,
    /// Instances declared.
    pub instances: usize,
    /// Differences.
    pub changes: usize,
    /// Instances that are started for the first time or again.
    pub starts: usize,
    /// Instances that are restarted.
    pub restarts: usize,
    /// Instances that are reloaded.
    pub reloads: usize,
    /// Instances that leave for good.
    #[serde(skip_serializing_if = "is_none", default)]
    pub leaves: usize,
    /// Files that are written.
    pub files: usize,
}
