//! That what happens to an instance is whole: asked, stopped once, switched to what is there, started, awaited, gated.

use super::order::disturbs;
use super::{Reading, Violation, scope};
use crate::model::{Digest, InstanceId};
use crate::plan::{Action, GateKind, Roll, Step, StepKind, Wave};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn judge(reading: &Reading<'_>, found: &mut Vec<Violation>) {
    let steps = &reading.plan.steps;
    let mut stopped: BTreeMap<&InstanceId, usize> = BTreeMap::new();
    for (number, step) in steps.iter().enumerate() {
        for roll in super::rolls(step) {
            one(reading, number, step, roll, found);
            if !roll.actions.iter().any(is_stop) {
                continue;
            }
            // The rest of a role has the candidates of its canary: what the canary took is not taken again.
            let excepted = |earlier: usize| match &step.kind {
                StepKind::PickNext { except, .. } => {
                    steps.get(earlier).is_some_and(|canary| Some(&canary.id) == except.as_ref())
                }
                _ => false,
            };
            if let Some(earlier) = stopped.insert(&roll.instance, number)
                && !excepted(earlier)
            {
                let (step, instance) = (step.id.0.clone(), roll.instance.clone());
                found.push(Violation::StopsTwice { step, instance });
            }
        }
        pick(steps, step, found);
    }
    written(reading, found);
}

fn is_stop(action: &Action) -> bool {
    matches!(action, Action::Stop { .. } | Action::StopUnsupervised { .. })
}

fn one(reading: &Reading<'_>, number: usize, step: &Step, roll: &Roll, found: &mut Vec<Violation>) {
    let place = |wanted: fn(&Action) -> bool| roll.actions.iter().position(wanted);
    let (id, instance) = (step.id.0.clone(), roll.instance.clone());
    let stop = place(is_stop);
    let start = place(|action| matches!(action, Action::Start { .. }));
    let ready = place(|action| matches!(action, Action::AwaitReady { .. }));
    let reload = place(|action| matches!(action, Action::Reload));
    if stop.is_some() && start < stop && !starts_later(reading, number, &roll.instance) {
        found.push(Violation::NeverStarts { step: id.clone(), instance: instance.clone() });
    }
    if start.or(reload).is_some_and(|begun| ready.is_none_or(|ready| ready < begun)) {
        found.push(Violation::NotAwaited { step: id.clone(), instance: instance.clone() });
    }
    let safe = place(|action| matches!(action, Action::CheckSafe));
    let asks = step.wave != Some(Wave::Repair) && step.wave != Some(Wave::Recreate);
    if asks && stop.is_some() && safe.is_none_or(|safe| Some(safe) > stop) {
        found.push(Violation::NotAskedSafe { step: id.clone(), instance: instance.clone() });
    }
    if start.or(reload).is_some() && !gated(reading, number, roll) {
        found.push(Violation::NotGated { step: id.clone(), instance: instance.clone() });
    }
    for action in &roll.actions {
        if let Action::Switch { to, .. } = action
            && !is_there(reading, number, &roll.instance, to)
        {
            found.push(Violation::NothingToSwitchTo { step: id.clone(), instance: instance.clone() });
        }
    }
}

/// Whether a later step starts what a step has stopped.
fn starts_later(reading: &Reading<'_>, number: usize, instance: &InstanceId) -> bool {
    let start = |roll: &Roll| {
        roll.instance == *instance && roll.actions.iter().any(|action| matches!(action, Action::Start { .. }))
    };
    let later =
        |(other, step): (usize, &Step)| reading.order.is_before(number, other) && super::rolls(step).iter().any(start);
    reading.plan.steps.iter().enumerate().any(later)
}

/// Whether the service is gated after a roll and before anything else of it is disturbed, other than what goes together
/// with the roll: in the roll, or by a step of its own.
fn gated(reading: &Reading<'_>, number: usize, roll: &Roll) -> bool {
    let module = reading.desired.services.get(&roll.service).map(|service| &service.module);
    if module.is_none_or(|module| module.healthy.is_none()) {
        return true;
    }
    if roll.actions.iter().any(|action| matches!(action, Action::AwaitHealthy { .. })) {
        return true;
    }
    let gate = |step: &Step| match &step.kind {
        StepKind::Gate { service, gate: GateKind::Healthy, members, .. } => {
            *service == roll.service && members.contains(&roll.instance)
        }
        _ => false,
    };
    let steps = &reading.plan.steps;
    let gates: Vec<usize> = (0..steps.len())
        .filter(|other| steps.get(*other).is_some_and(&gate) && reading.order.is_before(number, *other))
        .collect();
    // Only what starts together, or waits, may come between: stops may not.
    let between = |other: usize, step: &Step| {
        reading.order.is_before(number, other)
            && !gates.iter().any(|gate| reading.order.is_before(*gate, other))
            && super::rolls(step).iter().flat_map(|roll| &roll.actions).any(is_stop)
    };
    !gates.is_empty() && !steps.iter().enumerate().any(|(other, step)| disturbs(step) && between(other, step))
}

/// Whether a generation is on the host, or surely written before the step.
fn is_there(reading: &Reading<'_>, number: usize, instance: &InstanceId, wanted: &Digest) -> bool {
    let seen = scope::instance(reading, instance);
    let there = seen.is_some_and(|seen| seen.current == Some(*wanted) || seen.generations.contains(wanted));
    let renders = |(other, step): (usize, &Step)| match &step.kind {
        StepKind::Render { instance: of, generation } => {
            of == instance && generation == wanted && reading.order.is_before(other, number)
        }
        _ => false,
    };
    there || reading.plan.steps.iter().enumerate().any(renders)
}

fn pick(steps: &[Step], step: &Step, found: &mut Vec<Violation>) {
    let StepKind::PickNext { candidates, budget, take, except, .. } = &step.kind else { return };
    let taken = except.as_ref().and_then(|except| steps.iter().find(|other| other.id == *except));
    let taken = match taken.map(|step| &step.kind) {
        Some(StepKind::PickNext { take, .. }) => usize::try_from(*take).unwrap_or(usize::MAX),
        Some(_) => 1,
        None => 0,
    };
    let unique: BTreeSet<&InstanceId> = candidates.iter().map(|roll| &roll.instance).collect();
    let left = unique.len().saturating_sub(taken);
    let wanted = usize::try_from(*take).unwrap_or(usize::MAX);
    let lone = step.wave == Some(Wave::Canary) && *budget != 1;
    if wanted == 0 || wanted > left || unique.len() != candidates.len() || *budget == 0 || lone {
        found.push(Violation::BadPick {
            step: step.id.0.clone(),
            take: *take,
            candidates: candidates.len(),
            budget: *budget,
        });
    }
}

/// What is written for an instance that does not have it yet is also switched to.
fn written(reading: &Reading<'_>, found: &mut Vec<Violation>) {
    for step in &reading.plan.steps {
        let StepKind::Render { instance, generation } = &step.kind else { continue };
        if scope::instance(reading, instance).is_some_and(|seen| seen.current == Some(*generation)) {
            continue;
        }
        let switches = |roll: &Roll| {
            let to = |action: &Action| matches!(action, Action::Switch { to, .. } if to == generation);
            roll.instance == *instance && roll.actions.iter().any(to)
        };
        if !reading.plan.steps.iter().flat_map(super::rolls).any(switches) {
            found.push(Violation::NeverSwitched { instance: instance.clone() });
        }
    }
}
