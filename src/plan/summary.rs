//! Counts for the first and last line.

use super::facts;
use super::sequence::Draft;
use super::{Action, Later, PlanInput, Roll, Step, StepKind, Summary};
use crate::diff::Change;
use crate::inventory::HeldWhat;
use crate::model::{HostName, InstanceId};
use std::collections::BTreeSet;

/// Rolls that stop a process.
pub(super) fn restarted(steps: &[Step]) -> impl Iterator<Item = &Roll> {
    steps.iter().flat_map(|step| step.kind.rolls()).filter(|roll| roll.actions.iter().any(is_stop))
}

fn is_stop(action: &Action) -> bool {
    matches!(action, Action::Stop { .. } | Action::StopUnsupervised { .. })
}

/// Hosts on which something is switched.
pub(super) fn switched(drafts: &[Draft]) -> BTreeSet<HostName> {
    let switch = |action: &Action| matches!(action, Action::Switch { .. } | Action::Withdraw);
    let switch = |roll: &&Roll| roll.actions.iter().any(switch);
    drafts.iter().flat_map(|draft| draft.kind.rolls()).filter(switch).map(|roll| roll.instance.host.clone()).collect()
}

/// Instances that are surely stopped and started, or stopped for the last time: not those that only some of several candidates are taken of.
pub(super) fn moved(drafts: &[Draft]) -> BTreeSet<InstanceId> {
    let whole = |draft: &&Draft| match &draft.kind {
        // The rest of a role takes what its canary has left of the same candidates.
        StepKind::PickNext { candidates, take, except, .. } => {
            except.is_some() || usize::try_from(*take).is_ok_and(|take| take >= candidates.len())
        }
        _ => true,
    };
    let starts = |action: &Action| matches!(action, Action::Start { .. } | Action::Withdraw);
    let starts = |roll: &&Roll| roll.actions.iter().any(starts);
    let rolls = drafts.iter().filter(whole).flat_map(|draft| draft.kind.rolls());
    rolls.filter(starts).map(|roll| roll.instance.clone()).collect()
}

/// Instances that something may be done to.
pub(super) fn touched(drafts: &[Draft]) -> BTreeSet<InstanceId> {
    drafts.iter().flat_map(|draft| draft.kind.rolls()).map(|roll| roll.instance.clone()).collect()
}

/// How many instances a step does something to that holds for a roll; of candidates, at most those that it takes.
fn counted(kind: &StepKind, holds: impl Fn(&Roll) -> bool) -> usize {
    let all = kind.rolls().iter().filter(|roll| holds(roll)).count();
    match kind {
        StepKind::PickNext { take, .. } => usize::try_from(*take).unwrap_or(all).min(all),
        _ => all,
    }
}

/// Counts what a plan is about and does.
pub(super) fn count(input: &PlanInput<'_>, changes: &[Change], later: &[Later], steps: &[Step]) -> Summary {
    let changes = || changes.iter().chain(later.iter().flat_map(|later| &later.changes));
    let has = |roll: &Roll, wanted: fn(&Action) -> bool| roll.actions.iter().any(wanted);
    let starts = |roll: &Roll| has(roll, |action| matches!(action, Action::Start { .. }));
    let leaves = |roll: &Roll| has(roll, |action| matches!(action, Action::Withdraw));
    let held = |roll: &Roll| has(roll, |action| matches!(action, Action::Hold { what: HeldWhat::Stopped, .. }));
    let stays_down = |roll: &Roll| has(roll, is_stop) && held(roll);
    let stops = |roll: &Roll| has(roll, is_stop) && !leaves(roll) && !held(roll);
    let total = |holds: &dyn Fn(&Roll) -> bool| steps.iter().map(|step| counted(&step.kind, holds)).sum::<usize>();
    let restarts = total(&stops);
    let counts = |host: &HostName| {
        let leaves = || input.desired.leaving.keys().any(|id| id.host == *host);
        !input.options.without.contains(host)
            && (!input.desired.hosts.get(host).is_some_and(|host| host.idle) || leaves())
    };
    let hosts = input.desired.hosts.keys().filter(|host| counts(host));
    let (seen, unseen): (Vec<_>, Vec<_>) = hosts.partition(|host| facts::observed(input, host).is_some());
    let rendered = steps.iter().filter_map(|step| match &step.kind {
        StepKind::Render { instance, .. } => Some(instance),
        _ => None,
    });
    let rolled = steps.iter().flat_map(|step| step.kind.rolls()).map(|roll| &roll.instance);
    let written: BTreeSet<&InstanceId> = rendered.chain(rolled).collect();
    let written = |instance: &InstanceId| written.contains(instance);
    let new = |instance: &InstanceId| input.desired.instances.get(instance).map_or(0, |wanted| wanted.files.len());
    let files = changes().filter(|change| change.instance().is_some_and(written)).map(|change| match change {
        Change::NewInstance { instance } | Change::Stranger { instance, .. } => new(instance),
        Change::File { .. } | Change::Mode { .. } => 1,
        _ => 0,
    });
    Summary {
        hosts: seen.len(),
        unobserved: unseen.len(),
        instances: input.desired.instances.len(),
        changes: changes().filter(|change| !change.only_shown()).count(),
        starts: total(&starts).saturating_sub(restarts),
        restarts,
        leaves: total(&leaves),
        stops: total(&stays_down),
        reloads: total(&|roll: &Roll| has(roll, |action| matches!(action, Action::Reload))),
        files: files.sum(),
    }
}
