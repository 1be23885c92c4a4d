//! That what happens to an instance is whole: asked, stopped once, switched to what is there, started, awaited, gated.

use super::{Reading, Violation, by_id, scope};
use crate::inventory::ProcessObservation;
use crate::model::{Digest, InstanceId, Name};
use crate::plan::{Action, Roll, Step, StepId, StepKind, Wave};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn judge(reading: &Reading<'_>, found: &mut Vec<Violation>) {
    let steps = &reading.plan.steps;
    let ids = by_id(reading.plan);
    let mut stopped: BTreeMap<(&InstanceId, Option<&Name>), usize> = BTreeMap::new();
    for (number, step) in steps.iter().enumerate() {
        for roll in super::rolls(step) {
            one(reading, number, step, roll, found);
            // One that hands leadership over is stopped for that only when it has it.
            if !roll.actions.iter().any(is_stop) || matches!(roll.actions.first(), Some(Action::IfLeads)) {
                continue;
            }
            // The rest of a role has the candidates of its canary: what the canary took is not taken again.
            let excepted = |earlier: usize| match &step.kind {
                StepKind::PickNext { except, .. } => {
                    steps.get(earlier).is_some_and(|canary| Some(&canary.id) == except.as_ref())
                }
                _ => false,
            };
            if let Some(earlier) = stopped.insert((&roll.instance, step.phase.as_ref()), number)
                && !excepted(earlier)
            {
                let (step, instance) = (step.id.0.clone(), roll.instance.clone());
                found.push(Violation::StopsTwice { step, instance });
            }
        }
        pick(reading, &ids, step, found);
    }
    written(reading, found);
}

/// What somebody else has started is ended only where it is declared that it may be, and when it is the one that was seen.
fn another(reading: &Reading<'_>, step: &str, roll: &Roll, found: &mut Vec<Violation>) {
    let declared = reading.desired.instance(&roll.instance).is_some_and(|one| one.adopts.is_some());
    let host = scope::observed(reading, &roll.instance.host);
    let seen = host.and_then(|host| host.instances.get(roll.instance.role.as_str())).map(|one| &one.process);
    let seen = match seen {
        Some(ProcessObservation::Running(running)) if running.stranger => Some((running.pid, running.start_time)),
        _ => None,
    };
    for action in &roll.actions {
        let Action::StopUnsupervised { pid, started, .. } = action else { continue };
        let meant = started.map(|started| (*pid, started));
        if meant != seen || (meant.is_some() && !declared) {
            let (step, instance) = (step.to_owned(), roll.instance.clone());
            found.push(Violation::EndsAnother { step, instance, pid: *pid });
        }
    }
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
    let last = super::leaving::is_last(roll);
    let stays_down = step.wave == Some(Wave::Stop);
    if stop.is_some() && start < stop && !last && !stays_down && !starts_later(reading, number, &roll.instance) {
        found.push(Violation::NeverStarts { step: id.clone(), instance: instance.clone() });
    }
    if start.or(reload).is_some_and(|begun| ready.is_none_or(|ready| ready < begun)) {
        found.push(Violation::NotAwaited { step: id.clone(), instance: instance.clone() });
    }
    another(reading, &id, roll, found);
    let safe = place(|action| matches!(action, Action::CheckSafe));
    let alone = last && (roll.members.is_empty() || !super::budget::serves(reading, &roll.instance));
    let ends = stays_down && reading.ended.contains(&roll.service);
    let asks = !matches!(step.wave, Some(Wave::Repair | Wave::Recreate)) && !alone && !ends;
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
    let starts = reading.index.starts.get(instance);
    starts.into_iter().flatten().any(|other| reading.order.is_before(number, *other))
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
    let gates = reading.index.gates.get(&roll.service).into_iter().flatten();
    let waits = |gate: &&(usize, BTreeSet<&InstanceId>)| {
        reading.order.is_before(number, gate.0) && gate.1.contains(&roll.instance)
    };
    let gates: Vec<usize> = gates.filter(waits).map(|gate| gate.0).collect();
    let Some(first) = gates.first() else { return false };
    // Only what starts together, or waits, may come between: stops may not. Those in segments after the first gate's come
    // after that gate anyway.
    let stops = &reading.index.stops;
    let until = reading.order.segment_end(*first);
    let (from, until) = (stops.partition_point(|stop| *stop <= number), stops.partition_point(|stop| *stop < until));
    let between = |other: &usize| {
        reading.order.is_before(number, *other) && !gates.iter().any(|gate| reading.order.is_before(*gate, *other))
    };
    !stops.get(from..until).unwrap_or_default().iter().any(between)
}

/// Whether a generation is on the host, or surely written before the step.
fn is_there(reading: &Reading<'_>, number: usize, instance: &InstanceId, wanted: &Digest) -> bool {
    let seen = scope::instance(reading, instance);
    let there = seen.is_some_and(|seen| seen.current == Some(*wanted) || seen.generations.contains(wanted));
    let mut renders = reading.index.renders.get(instance).into_iter().flatten();
    there || renders.any(|(other, generation)| generation == wanted && reading.order.is_before(*other, number))
}

fn pick(reading: &Reading<'_>, ids: &BTreeMap<&StepId, usize>, step: &Step, found: &mut Vec<Violation>) {
    let StepKind::PickNext { candidates, budget, take, except, .. } = &step.kind else { return };
    let taken = except.as_ref().and_then(|except| reading.plan.steps.get(*ids.get(except)?));
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
        let switches = reading.index.switches.get(instance);
        if !switches.into_iter().flatten().any(|to| to == generation) {
            found.push(Violation::NeverSwitched { instance: instance.clone() });
        }
    }
}
