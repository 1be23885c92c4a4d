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
    /// It changes when those that leave have left.
    UntilLeft,
    /// All instances of the service are replaced together.
    Recreate,
    /// The file does not declare it any more.
    Undeclared,
    /// It leads, and those that stay will not know it.
    Leads,
    /// The file says something else than what it was rolled back from.
    Lapsed,
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

/// The rules of the planner itself: a constant each, and all of them. Those of modules are called `MODULE.RULE`.
macro_rules! rules {
    ($($(#[$doc:meta])* $constant:ident = $name:literal;)*) => {
        impl Refusal {
            $($(#[$doc])* pub const $constant: &str = $name;)*

            /// All rules of the planner itself. Those of modules are called `MODULE.RULE`.
            pub const ALL: &[&str] = &[$(Self::$constant),*];
        }
    };
}

rules! {
    /// A host could not be observed.
    UNOBSERVED = "unobserved";
    /// The service has one or two voters: replacing one is an outage.
    QUORUM_OUTAGE = "quorum-outage";
    /// The service would be left without a majority of its voters.
    QUORUM = "quorum";
    /// As many instances are down already as may be.
    MAX_UNAVAILABLE = "max-unavailable";
    /// Two instances would bind one port of a host.
    PORT_CONFLICT = "port-conflict";
    /// The instances of a machine need more memory than it has.
    MEMORY = "memory";
    /// Two instances would run of what only one of may.
    SINGLETON = "singleton";
    /// The data on the host belongs to another member.
    ID_MISMATCH = "id-mismatch";
    /// A lower version on data that there is no way back for.
    DOWNGRADE = "downgrade";
    /// The declared supervisor can't be had on a host.
    SUPERVISOR = "supervisor";
    /// What runs can't be asked: it does not take what we say of ourselves, or is not who it should be.
    UNASKED = "unasked";
    /// What is to be made needs a privilege that we do not have.
    PRIVILEGE = "privilege";
    /// What runs already, started by hand, or its data, is not as it would have to be to be taken over.
    ADOPTION = "adoption";
    /// What would be taken over is in a unit of somebody else, which may start it again.
    ADOPTED_UNIT = "adopted-unit";
    /// What a service should be in the middle of a change can't be rendered.
    PHASES = "phases";
    /// Services that wait for each other in a circle.
    CYCLE = "cycle";
    /// What is to be restarted as it is differs from what is declared.
    DIFFERS = "differs";
    /// What is to go back has nothing to go back to, or no way there.
    NO_WAY_BACK = "no-way-back";
    /// What is to be reloaded knows no reload.
    NO_RELOAD = "no-reload";
    /// Two versions of a service that can't be mixed would run together.
    MIXED_VERSIONS = "mixed-versions";
    /// Nothing would remain that could take what an instance keeps.
    LAST_COPY = "last-copy";
    /// An instance that leaves does not run, so that nothing can be moved away from it.
    UNDRAINED = "undrained";
    /// Members that know each other from their files alone join or leave one at a time.
    MEMBERSHIP = "membership";
    /// A service would end as a whole.
    OUTAGE = "outage";
    /// A service changes its version while an instance leaves it.
    LEAVES_UPGRADE = "leaves-upgrade";
    /// Data that is to be deleted is not there.
    PURGE = "purge";
    /// Somebody else listens to a port that an instance would bind.
    PORT_TAKEN = "port-taken";
    /// There is no room for what is to be unpacked.
    DISK = "disk";
}

impl Refusal {
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
    /// Instances that are stopped and stay down.
    #[serde(skip_serializing_if = "is_none", default)]
    pub stops: usize,
    /// Instances that leave for good.
    #[serde(skip_serializing_if = "is_none", default)]
    pub leaves: usize,
    /// Files that are written.
    pub files: usize,
}
