//! What is asked for and changes nothing that is declared: something is stopped and stays down, or a hold is lifted. Nothing
//! else is planned beside it, whatever differs.

use super::planner::{Parts, judge_stops};
use super::safety::{self, Safety};
use super::sequence::{Draft, Sequence};
use super::{
    Action, Again, Members, Note, Plan, PlanInput, PlanReport, Reason, Roll, StepKind, facts, rounds, settings, stop,
    stops,
};
use crate::desired::DesiredInstance;
use crate::diff::{self, Change};
use crate::model::InstanceId;
use std::collections::BTreeSet;

/// The plan of a stop or a release, and the report beside it.
pub(super) fn plan(input: &PlanInput<'_>, asked: Again) -> (Plan, PlanReport) {
    let (mut safety, mut sequence) = (Safety::default(), Sequence::default());
    let (mut changes, _) = diff::diff(input.desired, input.inventory);
    let mut well = BTreeSet::new();
    let rounds = rounds(input.desired, input.inventory);
    for round in rounds.list().iter().take(1) {
        let all = facts::collect(input, &changes, round);
        safety::judge_reach(input, &all, &mut safety);
        well = stops::well(input, &all);
        match asked {
            Again::Stop => {
                for draft in settings::left(input, &changes) {
                    sequence.group(vec![draft]);
                }
                stop::steps(input, &all, &mut sequence, &mut safety);
            }
            _ => release(input, &mut sequence),
        }
    }
    let steps = sequence.finish();
    judge_stops(input, &well, &steps, &mut safety);
    changes.retain(|change| is_told(input, asked, change));
    let notes = changes.iter().filter_map(|change| match change {
        Change::Held { instance, held } => Some(Note::Held { instance: instance.clone(), held: held.clone() }),
        Change::Unobserved { host, why } => Some(Note::Unobserved { host: host.clone(), why: why.clone() }),
        _ => None,
    });
    let report = PlanReport { notes: notes.collect(), ..PlanReport::default() };
    let parts = Parts { steps, changes, diffs: Vec::new(), later: Vec::new() };
    (parts.plan(input, safety), report)
}

/// Only what it is about is told: nothing is done about the rest.
fn is_told(input: &PlanInput<'_>, asked: Again, change: &Change) -> bool {
    let selected = |id: &InstanceId| {
        let service = input.desired.instance(id).map(|one| &one.service);
        service.is_some_and(|service| input.options.selects(id, service))
    };
    match change {
        Change::Held { instance, .. } | Change::Lapsed { instance, .. } => selected(instance),
        Change::Unobserved { .. } => true,
        Change::UndoLeft { service, .. } => asked == Again::Stop && settings::is_asked(input, service),
        _ => false,
    }
}

/// Holds that mean nothing any more, of what no step switches: a switch to what is declared removes the record itself.
pub(super) fn lapsed(input: &PlanInput<'_>, changes: &[Change], drafts: &[Draft]) -> Vec<Draft> {
    if input.options.asked.is_some() {
        return Vec::new();
    }
    let switches = |action: &Action| matches!(action, Action::Switch { .. });
    let rolls = drafts.iter().flat_map(|draft| draft.kind.rolls());
    let switched: BTreeSet<&InstanceId> =
        rolls.filter(|roll| roll.actions.iter().any(switches)).map(|roll| &roll.instance).collect();
    let lapsed = changes.iter().filter_map(|change| match change {
        Change::Lapsed { instance, .. } if !switched.contains(instance) => input.desired.instances.get(instance),
        _ => None,
    });
    let asked = lapsed.filter(|one| input.options.selects(&one.id, &one.service));
    asked.map(|one| released(one, Reason::Lapsed)).collect()
}

fn released(one: &DesiredInstance, reason: Reason) -> Draft {
    let (instance, service) = (one.id.clone(), one.service.clone());
    let actions = vec![Action::Release];
    let roll = Roll { instance, service, actions, members: Members::default(), rollback: None };
    Draft::new(format!("release {}", one.id), StepKind::Roll(roll), vec![reason])
}

/// Removes the records that something is held, whatever they say and whether they still mean something.
fn release(input: &PlanInput<'_>, sequence: &mut Sequence) {
    let mut drafts = Vec::new();
    for one in input.desired.instances.values().chain(input.desired.leaving.values()) {
        let found = facts::observed(input, &one.id.host).and_then(|host| host.instances.get(one.id.role.as_str()));
        let held = found.is_some_and(|found| found.held.is_some());
        if held && input.options.selects(&one.id, &one.service) {
            drafts.push(released(one, Reason::Asked));
        }
    }
    sequence.group(drafts);
}
