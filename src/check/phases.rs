//! A change that needs several phases: nothing of one before all of the phase before it is healthy, each instance to what
//! its phase leaves, what has no way back is marked, and what must hold before it is asked.

use super::{Reading, Violation, scope};
use crate::inventory::ProcessObservation;
use crate::model::{InstanceId, Name, ServiceName};
use crate::plan::{Action, Round, Step, StepKind, Wave};
use std::collections::BTreeMap;

/// The number of the round that a step belongs to.
pub(super) fn round_of(reading: &Reading<'_>, step: &Step, service: &ServiceName) -> Option<usize> {
    let phase = step.phase.as_ref()?;
    reading.rounds.list().iter().position(|round| round.name(service) == Some(phase))
}

/// Steps that surely change an instance, by round.
type Through<'a> = BTreeMap<(&'a InstanceId, usize), usize>;

pub(super) fn judge(reading: &Reading<'_>, found: &mut Vec<Violation>) {
    let through = through(reading);
    for (number, step) in reading.plan.steps.iter().enumerate() {
        // What is stopped on purpose, or released, goes through nothing.
        let stays =
            step.wave == Some(Wave::Stop) || super::rolls(step).iter().all(|roll| roll.actions == [Action::Release]);
        let Some(first) = super::rolls(step).first().filter(|_| !stays) else { continue };
        let service = &first.service;
        if !reading.rounds.list().iter().any(|round| round.phases.contains_key(service)) {
            continue;
        }
        let at = round_of(reading, step, service);
        let Some((at, round)) = at.and_then(|at| Some((at, reading.rounds.list().get(at)?))) else {
            found.push(Violation::UnknownPhase { step: step.id.0.clone(), service: service.clone() });
            continue;
        };
        if at > 0 {
            too_early(reading, (number, step), (at, service), &through, found);
        }
        leaves(reading, step, round, found);
        if !asked(reading, round, (number, step), service) {
            found.push(Violation::NotAskedBefore { step: step.id.0.clone(), service: service.clone() });
        }
    }
}

/// Of candidates, the rest takes what the canary has left.
fn through<'a>(reading: &Reading<'a>) -> Through<'a> {
    let mut through = Through::new();
    for (number, step) in reading.plan.steps.iter().enumerate() {
        let whole = match &step.kind {
            StepKind::PickNext { candidates, take, except, .. } => {
                except.is_some() || usize::try_from(*take).is_ok_and(|take| take >= candidates.len())
            }
            _ => true,
        };
        for roll in super::rolls(step).iter().filter(|_| whole) {
            let Some(at) = round_of(reading, step, &roll.service) else { continue };
            through.insert((&roll.instance, at), number);
        }
    }
    through
}

/// Every instance of the service has come through the round before, or was seen to have.
fn too_early(
    reading: &Reading<'_>,
    (number, step): (usize, &Step),
    (at, service): (usize, &ServiceName),
    through: &Through<'_>,
    found: &mut Vec<Violation>,
) {
    let members = reading.desired.services.get(service).into_iter().flat_map(|service| &service.instances);
    for id in members {
        let earlier = through.get(&(id, at - 1));
        let ready = match earlier {
            Some(earlier) => reading.order.is_before(*earlier, number),
            None => is_there(reading, id, at - 1),
        };
        if !ready {
            found.push(Violation::PhaseTooEarly { step: step.id.0.clone(), instance: id.clone() });
        }
    }
}

/// Whether an instance was seen to be, and to run, what a round or a later one leaves.
fn is_there(reading: &Reading<'_>, id: &InstanceId, round: usize) -> bool {
    let Some(seen) = scope::instance(reading, id) else { return false };
    let ProcessObservation::Running(running) = &seen.process else { return false };
    let left = reading.rounds.list().iter().skip(round).filter_map(|round| round.desired.instances.get(id));
    let mut left = left.filter(|one| seen.current == Some(one.content_generation));
    left.any(|one| one.restart_generation == running.restart_generation)
}

/// What a step leaves: what its phase says, and marked when there is no way back.
fn leaves(reading: &Reading<'_>, step: &Step, round: &Round<'_>, found: &mut Vec<Violation>) {
    for roll in super::rolls(step) {
        let id = &roll.instance;
        let held = scope::instance(reading, id).and_then(|seen| seen.held.as_ref()).and_then(|held| held.to);
        let wanted = round.desired.instances.get(id).map(|one| one.content_generation);
        let mut switched = false;
        for action in &roll.actions {
            let Action::Switch { to, .. } = action else { continue };
            switched = true;
            let blocked = scope::instance(reading, id).and_then(|seen| seen.current);
            if Some(*to) != wanted && Some(*to) != held && Some(*to) != blocked {
                found.push(Violation::OtherGeneration { step: step.id.0.clone(), instance: id.clone() });
            }
        }
        if switched && round.crosses(id) && (!step.no_return || roll.rollback.is_some()) {
            found.push(Violation::NotMarked { step: step.id.0.clone(), instance: id.clone() });
        }
    }
}

/// Whether everything that must hold before a phase is asked before a step, unless somebody has waived it.
fn asked(reading: &Reading<'_>, round: &Round<'_>, (number, step): (usize, &Step), service: &ServiceName) -> bool {
    let between = round.phases.get(service).filter(|_| !reading.waived(crate::plan::Refusal::UNASKED));
    let between = between.filter(|_| !round.has_begun(service));
    let mut members = reading.desired.services.get(service).into_iter().flat_map(|service| &service.instances);
    let first = members.find_map(|id| round.desired.instances.get(id));
    let Some((between, first)) = between.zip(first) else { return true };
    let is_asked = |rule: &Name| {
        reading.plan.steps.iter().take(number).enumerate().any(|(earlier, other)| {
            matches!(&other.kind, StepKind::Before { service: of, rules, .. } if of == service && rules.contains(rule))
                && other.phase == step.phase
                && reading.order.is_before(earlier, number)
        })
    };
    let waived = |rule: &Name| {
        let of = reading.desired.services.get(service);
        of.is_some_and(|of| reading.waived(of.module.rule(rule.as_str()).as_str()))
    };
    between.rules(&first.context).all(|rule| waived(&rule.name) || is_asked(&rule.name))
}
