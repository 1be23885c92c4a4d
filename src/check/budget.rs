//! How many of a service may be down at once, and that its voters keep their majority, whatever is picked.
//!
//! For each step that stops something: everything that was down before and is surely up again is up; everything else
//! of the service that may be under way at the same time is down.

use super::{Reading, Violation, scope};
use crate::inventory::ProcessObservation;
use crate::model::{InstanceId, Per};
use crate::plan::{Action, Refusal, Roll, Step, StepKind, Wave};
use std::collections::BTreeSet;

pub(super) fn judge(reading: &Reading<'_>, found: &mut Vec<Violation>) {
    let steps = &reading.plan.steps;
    for (number, step) in steps.iter().enumerate() {
        // All are stopped on purpose, and the plan says so.
        if step.wave == Some(Wave::Recreate) {
            continue;
        }
        let stopping: Vec<&Roll> =
            super::rolls(step).iter().filter(|roll| stops_one_that_serves(reading, roll)).collect();
        if let Some(first) = stopping.first() {
            service(reading, number, step, first, &stopping, found);
        }
    }
}

fn service(
    reading: &Reading<'_>,
    number: usize,
    step: &Step,
    first: &Roll,
    stopping: &[&Roll],
    found: &mut Vec<Violation>,
) {
    let Some(of) = reading.desired.services.get(&first.service) else { return };
    let mut down: BTreeSet<&InstanceId> =
        of.instances.iter().filter(|id| !serves(reading, id) && !started_before(reading, number, id)).collect();
    for (other, beside) in reading.plan.steps.iter().enumerate() {
        if reading.order.may_overlap(number, other) {
            let rolls = super::rolls(beside).iter().filter(|roll| roll.service == first.service);
            down.extend(rolls.filter(|roll| stops_one_that_serves(reading, roll)).map(|roll| &roll.instance));
        }
    }
    down.extend(stopped_before(reading, number, of.instances.iter()));
    let at_once = match &step.kind {
        StepKind::PickNext { budget, take, .. } => usize::try_from(*budget.min(take)).unwrap_or(usize::MAX),
        _ => 1,
    };
    let rolling = &of.module.rolling;
    let allowed = usize::try_from(rolling.max_unavailable).unwrap_or(usize::MAX);
    // The worst pick: candidates on as many hosts as can be, none of which is down already.
    let fresh = stopping.iter().map(|roll| &roll.instance).filter(|id| !down.contains(*id));
    let (already, more) = match rolling.per {
        Per::Instance => (down.len(), fresh.collect::<BTreeSet<_>>().len()),
        Per::Host => {
            let hosts: BTreeSet<_> = down.iter().map(|id| &id.host).collect();
            let more = fresh.map(|id| &id.host).filter(|host| !hosts.contains(*host)).collect::<BTreeSet<_>>().len();
            (hosts.len(), more)
        }
    };
    let most = already + more.min(at_once);
    if more > 0 && most > allowed && !reading.waived(Refusal::MAX_UNAVAILABLE) {
        let (step, service) = (step.id.0.clone(), first.service.clone());
        found.push(Violation::OverBudget { step, service, down: most, allowed });
    }
    let votes = |id: &InstanceId| reading.desired.instances.get(id).is_some_and(|wanted| wanted.votes);
    let voters = of.instances.iter().filter(|id| votes(id)).count();
    let lost = down.iter().filter(|id| votes(id)).count();
    let picked = stopping.iter().filter(|roll| votes(&roll.instance) && !down.contains(&roll.instance)).count();
    let up = voters.saturating_sub(lost + picked.min(at_once));
    let waived = reading.waived(Refusal::QUORUM) || reading.waived(Refusal::QUORUM_OUTAGE);
    if picked > 0 && up * 2 <= voters && !waived {
        let (step, service) = (step.id.0.clone(), first.service.clone());
        found.push(Violation::LosesQuorum { step, service, up, voters });
    }
}

/// Whether an instance serves as far as it was observed.
fn serves(reading: &Reading<'_>, id: &InstanceId) -> bool {
    let runs = scope::instance(reading, id).is_some_and(|seen| matches!(seen.process, ProcessObservation::Running(_)));
    let service = reading.desired.instances.get(id).and_then(|wanted| reading.inventory.services.get(&wanted.service));
    let refuses = service.and_then(|service| service.ready.get(id)).is_some_and(|verdict| !verdict.holds);
    runs && !refuses
}

fn stops(roll: &Roll) -> bool {
    roll.actions.iter().any(|action| matches!(action, Action::Stop { .. } | Action::StopUnsupervised { .. }))
}

fn stops_one_that_serves(reading: &Reading<'_>, roll: &Roll) -> bool {
    stops(roll) && serves(reading, &roll.instance)
}

/// Whether an instance is surely ready again when a step begins: whoever may be picked by an earlier step has been, or
/// was up anyway.
fn started_before(reading: &Reading<'_>, number: usize, id: &InstanceId) -> bool {
    let ready = |roll: &Roll| {
        roll.instance == *id && roll.actions.iter().any(|action| matches!(action, Action::AwaitReady { .. }))
    };
    let whole = |step: &Step| match &step.kind {
        StepKind::PickNext { candidates, take, .. } => {
            usize::try_from(*take).is_ok_and(|take| take >= candidates.len())
        }
        _ => true,
    };
    let earlier = |(other, step): (usize, &Step)| {
        reading.order.is_before(other, number) && whole(step) && super::rolls(step).iter().any(ready)
    };
    reading.plan.steps.iter().enumerate().any(earlier)
}

/// Those that an earlier step has stopped and that nothing has started again.
fn stopped_before<'a>(
    reading: &Reading<'_>,
    number: usize,
    all: impl Iterator<Item = &'a InstanceId>,
) -> Vec<&'a InstanceId> {
    let stopped = |id: &&InstanceId| {
        let alone = |roll: &Roll| {
            roll.instance == **id
                && stops(roll)
                && !roll.actions.iter().any(|action| matches!(action, Action::Start { .. }))
        };
        let earlier = |(other, step): (usize, &Step)| {
            reading.order.is_before(other, number) && super::rolls(step).iter().any(alone)
        };
        reading.plan.steps.iter().enumerate().any(earlier) && !started_before(reading, number, id)
    };
    all.filter(stopped).collect()
}
