//! An independent reading of a finished plan: whether what must always hold does hold, for every order in which its
//! steps can be done and every pick that it leaves open. Runs in tests, before every apply, and on every plan that is
//! read from a file.
//!
//! It shares no logic with the planner: it looks at steps, needs and actions alone, and works out again what is down
//! when. Where the planner reads intentions off differences, this reads effects off actions.

mod budget;
mod held;
mod index;
mod leaving;
mod order;
mod outside;
mod phases;
mod rolls;
mod scope;
#[cfg(test)]
mod tests;
mod waves;

use crate::desired::{Desired, DesiredInstance};
use crate::inventory::Inventory;
use crate::model::{HostName, InstanceId, ServiceName};
use crate::plan::{Plan, Roll, Rounds, Step, StepId, StepKind, rounds};
use std::collections::{BTreeMap, BTreeSet};

/// What a plan breaks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum Violation {
    #[error("two steps are called `{step}`")]
    SameId { step: String },
    #[error("`{step}` needs `{needed}`, which does not exist or comes after it")]
    BadNeed { step: String, needed: String },
    #[error("`{step}` disturbs before `{staging}` is done")]
    DisturbsBeforeStaging { step: String, staging: String },
    #[error("`{step}` is about {instance}, which is not declared")]
    UnknownInstance { step: String, instance: InstanceId },
    #[error("`{step}` is about host {host}, which is not declared or was not observed")]
    UnknownHost { step: String, host: HostName },
    #[error("`{step}` is about service {service}, which is not declared, or is not the instance's")]
    UnknownService { step: String, service: ServiceName },
    #[error("`{step}` touches {instance}, which is held")]
    TouchesHeld { step: String, instance: InstanceId },
    #[error("{instance} is stopped more than once, in `{step}` again")]
    StopsTwice { step: String, instance: InstanceId },
    #[error("`{step}` stops {instance} and nothing starts it again")]
    NeverStarts { step: String, instance: InstanceId },
    #[error("`{step}` starts or reloads {instance} and does not wait until it is ready")]
    NotAwaited { step: String, instance: InstanceId },
    #[error("`{step}` changes {instance}, and the service is not gated before the next disturbance")]
    NotGated { step: String, instance: InstanceId },
    #[error("`{step}` stops {instance} without asking whether that is safe")]
    NotAskedSafe { step: String, instance: InstanceId },
    #[error("`{step}` ends process {pid} for {instance}, which is not the one that was recognised")]
    EndsAnother { step: String, instance: InstanceId, pid: u32 },
    #[error("`{step}` may take {down} of {service} down at once, and {allowed} are allowed")]
    OverBudget { step: String, service: ServiceName, down: usize, allowed: usize },
    #[error("`{step}` may leave {up} of {voters} voters of {service}, which is no majority")]
    LosesQuorum { step: String, service: ServiceName, up: usize, voters: usize },
    #[error("`{step}` may come before the canary of its role is healthy")]
    RestBeforeCanary { step: String },
    #[error("the canary `{step}` does not soak")]
    NoSoak { step: String },
    #[error("`{step}` picks {take} of {candidates}, with a budget of {budget}")]
    BadPick { step: String, take: u32, candidates: usize, budget: u32 },
    #[error("`{step}` switches {instance} to a generation that nothing has written")]
    NothingToSwitchTo { step: String, instance: InstanceId },
    #[error("{instance} is written, and nothing switches or repairs it")]
    NeverSwitched { instance: InstanceId },
    #[error("`{step}` may come before `{roll}`, which it is the end of")]
    EndsTooEarly { step: String, roll: String },
    #[error("`{step}` writes {path} on {host}, which is outside the prefix and not listed")]
    UnlistedFile { step: String, host: HostName, path: String },
    #[error("`{step}` sets {name} to {value} on {host}, which nobody there needs and the file allows")]
    NotAllowed { step: String, host: HostName, name: String, value: u64 },
    #[error(
        "`{step}` installs {package} on {host}, which nobody there lacks and the file allows, or which the plan does not list"
    )]
    PackageNotAllowed { step: String, host: HostName, package: String },
    #[error("`{step}` may come after something was started on {host} that it is for")]
    InstallsTooLate { step: String, host: HostName },
    #[error("`{step}` works on {host}, and the plan does not say what it relies on there")]
    NoFingerprint { step: String, host: HostName },
    #[error("`{step}` is in no phase of the change that {service} needs")]
    UnknownPhase { step: String, service: ServiceName },
    #[error("`{step}` may begin before {instance} has come through the phase before it")]
    PhaseTooEarly { step: String, instance: InstanceId },
    #[error("`{step}` switches {instance} to something else than its phase leaves")]
    OtherGeneration { step: String, instance: InstanceId },
    #[error("`{step}` takes {instance} through a phase without a way back, and does not say so")]
    NotMarked { step: String, instance: InstanceId },
    #[error("`{step}` may begin before {service} was asked what must hold before its phase")]
    NotAskedBefore { step: String, service: ServiceName },
    #[error("`{step}` lets {instance} go, which is declared or was not seen")]
    LeavesDeclared { step: String, instance: InstanceId },
    #[error("`{step}` may let {instance} go before its service has come to what is declared")]
    LeavesTooEarly { step: String, instance: InstanceId },
    #[error("`{step}` withdraws {instance}, which runs")]
    WithdrawsRunning { step: String, instance: InstanceId },
    #[error("`{step}` lets {instance} go without moving away what it keeps")]
    NotDrained { step: String, instance: InstanceId },
    #[error("`{step}` deletes data of {instance}, which may be in use")]
    PurgesInUse { step: String, instance: InstanceId },
    #[error("`{step}` starts or changes {instance}, which is held, and does not release it first")]
    StartsHeld { step: String, instance: InstanceId },
    #[error("`{step}` would roll {instance} back by itself, which somebody has held or released")]
    GoesBackUnasked { step: String, instance: InstanceId },
    #[error("`{step}` holds {instance} at a generation that it does not have then")]
    HeldElsewhere { step: String, instance: InstanceId },
    #[error("`{step}` stops {instance} to stay down, and does not record that first")]
    StopsUnheld { step: String, instance: InstanceId },
    #[error("`{step}` stops {instance} to stay down, and does not wait until the others serve")]
    OthersNotAwaited { step: String, instance: InstanceId },
    #[error("`{step}` may stop {instance} before what needs it")]
    StopsTooEarly { step: String, instance: InstanceId },
    #[error("nothing of {service} would run any more")]
    EndsService { service: ServiceName },
    #[error("the plan is of format {format}")]
    BadFormat { format: u32 },
}

/// Everything that a plan breaks, sorted; nothing for a good plan. A plan that a standing refusal forbids to apply is
/// judged like any other, except for what the refusal itself says.
pub fn check(plan: &Plan, desired: &Desired, inventory: &Inventory) -> Vec<Violation> {
    let mut found = Vec::new();
    if plan.format != crate::plan::FORMAT {
        found.push(Violation::BadFormat { format: plan.format });
    }
    let Some(order) = order::Order::read(plan, &mut found) else {
        found.sort();
        return found;
    };
    let rounds = rounds(desired, inventory);
    let index = index::Index::of(plan);
    let mut reading = Reading { plan, desired, inventory, rounds: &rounds, order, index, ended: BTreeSet::new() };
    reading.ended = held::ended(&reading);
    scope::judge(&reading, &mut found);
    rolls::judge(&reading, &mut found);
    waves::judge(&reading, &mut found);
    budget::judge(&reading, &mut found);
    outside::judge(&reading, &mut found);
    phases::judge(&reading, &mut found);
    leaving::judge(&reading, &mut found);
    held::judge(&reading, &mut found);
    found.sort();
    found.dedup();
    found
}

/// A plan beside what it is for.
struct Reading<'a> {
    plan: &'a Plan,
    desired: &'a Desired,
    inventory: &'a Inventory,
    rounds: &'a Rounds<'a>,
    order: order::Order,
    index: index::Index<'a>,
    /// Services of which nothing runs any more when the plan is done.
    ended: BTreeSet<&'a ServiceName>,
}

impl Reading<'_> {
    /// An instance as a step should leave it: in a change that needs several phases, as its phase does.
    fn declared(&self, step: &Step, id: &InstanceId) -> Option<&DesiredInstance> {
        let last = self.desired.instance(id)?;
        let round = phases::round_of(self, step, &last.service);
        round.and_then(|round| self.rounds.list().get(round)?.desired.instances.get(id)).or(Some(last))
    }

    /// Whether somebody has taken on a refusal of this name: what it forbids is then no violation.
    fn waived(&self, name: &str) -> bool {
        self.plan.refusals.iter().any(|refusal| refusal.name.as_str() == name)
    }
}

/// All rolls that a step may do.
fn rolls(step: &Step) -> &[Roll] {
    match &step.kind {
        StepKind::Roll(roll) => std::slice::from_ref(roll),
        StepKind::PickNext { candidates, .. } => candidates,
        StepKind::Prepare { .. }
        | StepKind::Fetch { .. }
        | StepKind::Assemble { .. }
        | StepKind::Render { .. }
        | StepKind::Supervise { .. }
        | StepKind::Install { .. }
        | StepKind::Provide { .. }
        | StepKind::Retire { .. }
        | StepKind::Barrier
        | StepKind::Undo { .. }
        | StepKind::Repair { .. }
        | StepKind::Gate { .. }
        | StepKind::Before { .. }
        | StepKind::Purge { .. }
        | StepKind::Collect { .. } => &[],
    }
}

/// Steps by id.
fn by_id(plan: &Plan) -> BTreeMap<&StepId, usize> {
    plan.steps.iter().enumerate().map(|(number, step)| (&step.id, number)).collect()
}
