//! Steps: what is done, to what, after what.

use super::{Members, Reason};
use crate::inventory::HeldWhat;
use crate::model::{Digest, HostName, InstanceId, Name, RoleId, ServiceName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Identifies a step inside one plan, e.g. `roll kafka@node1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct StepId(pub String);

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Step {
    /// Its id.
    pub id: StepId,
    /// What is done.
    #[serde(flatten)]
    pub kind: StepKind,
    /// Steps that must be done before.
    pub needs: Vec<StepId>,
    /// The phase of a change that its service is in, when that needs several.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub phase: Option<Name>,
    /// Which wave of its role it belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wave: Option<Wave>,
    /// Why, typed.
    pub reason: Vec<Reason>,
    /// After this step there is no way back.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub no_return: bool,
}

/// Steps of a role that go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Wave {
    /// All instances of a service that runs nowhere.
    Bootstrap,
    /// Instances that are broken already: they go first and use up no budget.
    Repair,
    /// The first ones, alone.
    Canary,
    /// The rest, in batches.
    Rest,
    /// All are stopped before the first one starts, because they can't be mixed: the stops.
    Recreate,
    /// Instances that are not declared any more.
    Leave,
    /// Instances that stay down on purpose.
    Stop,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", tag = "kind")]
#[expect(missing_docs, reason = "the line of a variant says what its fields are")]
pub enum StepKind {
    /// Makes folders and the user, removes debris.
    Prepare { host: HostName, debris: Vec<String> },
    /// Copies the bundles of one software to the host and verifies them.
    Fetch { host: HostName, folder: String },
    /// Unpacks bundles aside and renames; a damaged folder is replaced.
    Assemble { host: HostName, folder: String },
    /// Writes a generation's files aside and renames.
    Render { instance: InstanceId, generation: Digest },
    /// Starts the supervisor, or writes its configuration; writes what starts everything at boot.
    Supervise { host: HostName },
    /// Ends a supervisor of ours that is not declared any more, once nothing runs under it.
    Retire { host: HostName },
    /// Keeps kernel settings, which are needed and allowed, in a file for the next boot, and sets those that are missing now.
    Provide { host: HostName, keep: BTreeMap<String, u64>, set: BTreeMap<String, u64> },
    /// Installs packages of the host's system, which are needed and allowed, and sees that their programs are there.
    Install { host: HostName, packages: BTreeMap<String, BTreeSet<String>> },
    /// Does nothing: what comes after it comes after everything that it needs. One of them stands between two large groups
    /// of steps, so that not each step of the one has to name each of the other.
    Barrier,
    /// Puts back a setting that an interrupted run left changed.
    Undo { host: HostName, record: String, service: ServiceName, setting: Name },
    /// Sets a setting: of a service, or of one instance.
    Repair {
        service: ServiceName,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        instance: Option<InstanceId>,
        setting: Name,
        value: serde_json::Value,
    },
    /// Changes one instance.
    Roll(Roll),
    /// Rolls `take` of these instances, in an order that is only known then. Before each batch, of at most `budget`
    /// instances, the rule is looked up again. Those that the step `except` has rolled in this run are no candidates any
    /// more: the canary and the rest of a role have the same candidates, and the rest takes what the canary left.
    PickNext {
        candidates: Vec<Roll>,
        rule: PickRule,
        budget: u32,
        take: u32,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        except: Option<StepId>,
    },
    /// Waits for the service.
    Gate {
        service: ServiceName,
        gate: GateKind,
        members: Members,
        #[serde(with = "millis")]
        #[cfg_attr(test, schemars(with = "u64"))]
        within: Duration,
    },
    /// Asks what must hold of a service before a phase of a change begins. `rules` are those that nobody has waived.
    Before {
        service: ServiceName,
        rules: Vec<Name>,
        members: Members,
        #[serde(with = "millis")]
        #[cfg_attr(test, schemars(with = "u64"))]
        within: Duration,
    },
    /// Removes generations, software and artifacts that nothing uses any more.
    Collect { host: HostName },
    /// Deletes the data of a role that nothing else is there of, because somebody has named it.
    Purge { host: HostName, role: RoleId },
}

impl StepKind {
    /// All rolls of the step; of candidates, all that may be picked.
    pub fn rolls(&self) -> &[Roll] {
        match self {
            Self::Roll(roll) => std::slice::from_ref(roll),
            Self::PickNext { candidates, .. } => candidates,
            _ => &[],
        }
    }
}

/// What happens to one instance, in order, as one unit: stopped, changed, started, gated, or rolled back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Roll {
    /// The instance.
    pub instance: InstanceId,
    /// Its service.
    pub service: ServiceName,
    /// The actions.
    pub actions: Vec<Action>,
    /// Instances of the service that are expected to be up when it is gated.
    pub members: Members,
    /// The content generation to go back to when its gate fails; `None` when there is none or no way back.
    pub rollback: Option<Digest>,
}

/// One action on an instance. The journal is synced before and after each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", tag = "do")]
#[expect(missing_docs, reason = "the line of a variant says what its fields are")]
pub enum Action {
    /// Ends the roll, unless the instance leads now.
    IfLeads,
    /// Moves away what the instance keeps, and waits until nothing is left there.
    Drain {
        #[serde(with = "millis")]
        #[cfg_attr(test, schemars(with = "u64"))]
        within: Duration,
    },
    /// Asks the module's `safe-to-stop` rules and the quorum, just before.
    CheckSafe,
    /// Runs the module's `before-stop` hooks, saving what they change.
    BeforeStop,
    /// Asks for a clean stop and waits; never forces.
    Stop {
        #[serde(with = "millis")]
        #[cfg_attr(test, schemars(with = "u64"))]
        within: Duration,
    },
    /// Stops a process that no supervisor watches, by its record.
    StopUnsupervised {
        pid: u32,
        /// Of a process that somebody else has started: when, in clock ticks since boot.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        started: Option<u64>,
        #[serde(with = "millis")]
        #[cfg_attr(test, schemars(with = "u64"))]
        within: Duration,
    },
    /// Records that it is held on purpose. After a rollback: from which content generation to which.
    Hold {
        what: HeldWhat,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        from: Option<Digest>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        to: Option<Digest>,
    },
    /// Removes the record that it is held.
    Release,
    /// Waits until the others of its service serve without it.
    AwaitOthers {
        #[serde(with = "millis")]
        #[cfg_attr(test, schemars(with = "u64"))]
        within: Duration,
    },
    /// Removes its configuration and whatever would start it. Its data stays where it is.
    Withdraw,
    /// Puts back the settings that were changed to drain or stop it.
    PutBack,
    /// Writes placed files and renames `current`.
    Switch { from: Option<Digest>, to: Digest },
    /// Starts the process; `first` adds the arguments of a very first start.
    Start { first: bool },
    /// Sends the reload signal and records it.
    Reload,
    /// Waits for `ready`.
    AwaitReady {
        #[serde(with = "millis")]
        #[cfg_attr(test, schemars(with = "u64"))]
        within: Duration,
    },
    /// Runs the module's `after-ready` hooks, restoring what was saved.
    AfterReady,
    /// Waits for `healthy`.
    AwaitHealthy {
        #[serde(with = "millis")]
        #[cfg_attr(test, schemars(with = "u64"))]
        within: Duration,
    },
    /// `healthy` must hold all the time, and at the end.
    Soak {
        #[serde(with = "millis")]
        #[cfg_attr(test, schemars(with = "u64"))]
        for_: Duration,
    },
}

impl Action {
    /// Its name in journals and events.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::IfLeads => "if it leads",
            Self::Drain { .. } => "drain",
            Self::Withdraw => "withdraw",
            Self::PutBack => "put back",
            Self::Hold { .. } => "hold",
            Self::Release => "release",
            Self::AwaitOthers { .. } => "await others",
            Self::CheckSafe => "check safe",
            Self::BeforeStop => "before stop",
            Self::Stop { .. } => "stop",
            Self::StopUnsupervised { .. } => "stop unsupervised",
            Self::Switch { .. } => "switch",
            Self::Start { .. } => "start",
            Self::Reload => "reload",
            Self::AwaitReady { .. } => "await ready",
            Self::AfterReady => "after ready",
            Self::AwaitHealthy { .. } => "await healthy",
            Self::Soak { .. } => "soak",
        }
    }
}

/// How the next instance is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PickRule {
    /// By name.
    ByName,
    /// By name, but the one for which the module's `last` probe holds goes last.
    LeaderLast,
}

/// A service's gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum GateKind {
    /// Well enough to go on.
    Healthy,
    /// In its final state.
    Converged,
}

/// Durations as whole milliseconds in JSON.
pub(crate) mod millis {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    /// Writes milliseconds.
    pub(crate) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    /// Reads milliseconds.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}
