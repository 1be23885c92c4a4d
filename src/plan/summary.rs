//! Counts for the first and last line.

use super::facts;
use super::sequence::Draft;
use super::{Action, PlanInput, Roll, Step, StepKind, Summary};
use crate::diff::Change;
use crate::model::{HostName, InstanceId};
use std::collections::BTreeSet;

/// All rolls of a step; of candidates, all that may be picked.
fn rolls(kind: &StepKind) -> &[Roll] {
    match kind {
        StepKind::Roll(roll) => std::slice::from_ref(roll),
        StepKind::PickNext { candidates, .. } => candidates,
        _ => &[],
    }
}

/// Rolls that stop a process.
pub(super) fn restarted(steps: &[Step]) -> impl Iterator<Item = &Roll> {
    steps.iter().flat_map(|step| rolls(&step.kind)).filter(|roll| roll.actions.iter().any(is_stop))
}

fn is_stop(action: &Action) -> bool {
    matches!(action, Action::Stop { .. } | Action::StopUnsupervised { .. })
}

/// Hosts on which something is switched.
pub(super) fn switched(drafts: &[Draft]) -> BTreeSet<HostName> {
    let switch = |roll: &&Roll| roll.actions.iter().any(|action| matches!(action, Action::Switch { .. }));
    drafts.iter().flat_map(|draft| rolls(&draft.kind)).filter(switch).map(|roll| roll.instance.host.clone()).collect()
}

/// Instances that something may be done to.
pub(super) fn touched(drafts: &[Draft]) -> BTreeSet<InstanceId> {
    drafts.iter().flat_map(|draft| rolls(&draft.kind)).map(|roll| roll.instance.clone()).collect()
}

/// Counts what a plan is about and does.
pub(super) fn count(input: &PlanInput<'_>, changes: &[Change], steps: &[Step]) -> Summary {
    let (mut stopped, mut started, mut reloaded) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for roll in steps.iter().flat_map(|step| rolls(&step.kind)) {
        let has = |wanted: fn(&Action) -> bool| roll.actions.iter().any(wanted);
        let id: &InstanceId = &roll.instance;
        if has(is_stop) {
            stopped.insert(id);
        }
        if has(|action| matches!(action, Action::Start { .. })) {
            started.insert(id);
        }
        if has(|action| matches!(action, Action::Reload)) {
            reloaded.insert(id);
        }
    }
    let hosts = input.desired.hosts.keys().filter(|host| !input.options.without.contains(*host));
    let (seen, unseen): (Vec<_>, Vec<_>) = hosts.partition(|host| facts::observed(input, host).is_some());
    let new = |instance: &InstanceId| input.desired.instances.get(instance).map_or(0, |wanted| wanted.files.len());
    let files = changes.iter().map(|change| match change {
        Change::NewInstance { instance } => new(instance),
        Change::File { .. } | Change::Mode { .. } => 1,
        _ => 0,
    });
    Summary {
        hosts: seen.len(),
        unobserved: unseen.len(),
        instances: input.desired.instances.len(),
        changes: changes.iter().filter(|change| !change.only_shown()).count(),
        starts: started.difference(&stopped).count(),
        restarts: stopped.intersection(&started).count(),
        reloads: reloaded.len(),
        files: files.sum(),
    }
}
