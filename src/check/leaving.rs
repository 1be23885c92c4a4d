//! That only what is not declared leaves: after everything else of its service, one after the other, with what it keeps
//! moved away first, and without costing the others their majority. That only data nobody declares is deleted.

use super::{Reading, Violation, scope};
use crate::desired::DesiredInstance;
use crate::inventory::ProcessObservation;
use crate::model::InstanceId;
use crate::plan::{Action, Refusal, Roll, Step, StepKind, Wave};

pub(super) fn judge(reading: &Reading<'_>, found: &mut Vec<Violation>) {
    for (number, step) in reading.plan.steps.iter().enumerate() {
        if let StepKind::Purge { host, role } = &step.kind {
            let id = InstanceId::new(role.clone(), host.clone());
            let gone = scope::observed(reading, host).is_some_and(|seen| seen.kept.contains(role.as_str()))
                || leaves(reading, &id).any(|other| reading.order.is_before(other, number));
            if !gone || reading.desired.instances.contains_key(&id) {
                found.push(Violation::PurgesInUse { step: step.id.0.clone(), instance: id });
            }
        }
        for roll in super::rolls(step).iter().filter(|roll| is_last(roll) || step.wave == Some(Wave::Leave)) {
            let Some(one) = reading.desired.leaving.get(&roll.instance) else {
                found.push(Violation::LeavesDeclared { step: step.id.0.clone(), instance: roll.instance.clone() });
                continue;
            };
            if one.votes && !is_last(roll) {
                majority(reading, (number, step.id.0.clone()), one, found);
            }
            if is_last(roll) {
                last(reading, (number, step), roll, one, found);
            }
        }
    }
}

/// Whether a roll removes what would start the instance again.
pub(super) fn is_last(roll: &Roll) -> bool {
    roll.actions.iter().any(|action| matches!(action, Action::Withdraw))
}

/// Steps after which an instance is gone.
fn leaves<'a>(reading: &'a Reading<'_>, id: &'a InstanceId) -> impl Iterator<Item = usize> + 'a {
    let steps = reading.plan.steps.iter().enumerate();
    steps
        .filter(|(_, step)| super::rolls(step).iter().any(|roll| roll.instance == *id && is_last(roll)))
        .map(|(n, _)| n)
}

fn last(
    reading: &Reading<'_>,
    (number, step): (usize, &Step),
    roll: &Roll,
    one: &DesiredInstance,
    found: &mut Vec<Violation>,
) {
    let place = |wanted: fn(&Action) -> bool| roll.actions.iter().position(wanted);
    let (id, instance) = (step.id.0.clone(), roll.instance.clone());
    let Some(seen) = scope::instance(reading, &roll.instance) else { return };
    let runs = matches!(seen.process, ProcessObservation::Running(_));
    let stop = place(|action| matches!(action, Action::Stop { .. } | Action::StopUnsupervised { .. }));
    if runs && stop.is_none_or(|stop| Some(stop) > place(|action| matches!(action, Action::Withdraw))) {
        found.push(Violation::WithdrawsRunning { step: id.clone(), instance: instance.clone() });
    }
    let drained = place(|action| matches!(action, Action::Drain { .. })).is_some_and(|drain| Some(drain) < stop);
    let moved = drained || (seen.drained && !runs) || (!runs && !seen.has_data);
    let waived = reading.waived(Refusal::LAST_COPY) || reading.waived(Refusal::UNDRAINED);
    if keeps(one) && !moved && !waived {
        found.push(Violation::NotDrained { step: id.clone(), instance: instance.clone() });
    }
    let earlier = reading.index.by_service.get(&roll.service).into_iter().flatten().copied();
    for other in earlier.filter(|other| *other != number) {
        let same = reading.plan.steps.get(other).is_some_and(|other| other.wave == Some(Wave::Leave));
        let ordered = reading.order.is_before(other, number) || same && reading.order.is_before(number, other);
        if !ordered {
            found.push(Violation::LeavesTooEarly { step: id.clone(), instance: instance.clone() });
        }
    }
    if one.votes && runs {
        majority(reading, (number, id), one, found);
    }
}

/// What can't be told is kept.
fn keeps(one: &DesiredInstance) -> bool {
    let holds = |when: &crate::model::Expr| one.context.eval_bool(&when.0).unwrap_or(true);
    one.module.drain.as_ref().is_some_and(|drain| drain.when.as_ref().is_none_or(holds))
}

fn majority(reading: &Reading<'_>, (number, step): (usize, String), one: &DesiredInstance, found: &mut Vec<Violation>) {
    let voters = reading.desired.instances.values().filter(|other| other.service == one.service && other.votes);
    let up = |other: &DesiredInstance| {
        let starts = reading.index.starts.get(&other.id).into_iter().flatten();
        let seen = scope::instance(reading, &other.id);
        seen.is_some_and(|seen| matches!(seen.process, ProcessObservation::Running(_)))
            || starts.into_iter().any(|start| reading.order.is_before(*start, number))
    };
    // Whoever was never there is no member that counts yet.
    let known =
        voters.filter(|other| up(other) || scope::instance(reading, &other.id).is_some_and(|seen| seen.has_data));
    let (there, all) = known.fold((0, 0), |(there, all), other| (there + usize::from(up(other)), all + 1));
    let waived = reading.waived(Refusal::QUORUM) || reading.waived(Refusal::QUORUM_OUTAGE);
    if all > 0 && there * 2 <= all + 1 && !waived {
        found.push(Violation::LosesQuorum { step, service: one.service.clone(), up: there, voters: all + 1 });
    }
}
