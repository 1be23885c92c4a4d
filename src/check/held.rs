//! What is held on purpose: it is stopped only when that is recorded, and started only when it is released; the others keep
//! serving without it, unless somebody has taken on that the service ends.

use super::{Reading, Violation, scope};
use crate::desired::DesiredService;
use crate::inventory::{HeldWhat, ProcessObservation};
use crate::model::{InstanceId, ServiceName};
use crate::plan::{Action, Refusal, Roll, Step, Wave};
use std::collections::BTreeSet;

pub(super) fn judge(reading: &Reading<'_>, found: &mut Vec<Violation>) {
    for (number, step) in reading.plan.steps.iter().enumerate() {
        for roll in super::rolls(step) {
            let (id, instance) = (step.id.0.clone(), roll.instance.clone());
            if starts_held(reading, roll) {
                found.push(Violation::StartsHeld { step: id.clone(), instance: instance.clone() });
            }
            if roll.rollback.is_some() && roll.actions.iter().any(|action| lifts(action) || is_hold(action)) {
                found.push(Violation::GoesBackUnasked { step: id.clone(), instance: instance.clone() });
            }
            if !goes_where_it_is_held(reading, roll) {
                found.push(Violation::HeldElsewhere { step: id.clone(), instance: instance.clone() });
            }
            if step.wave != Some(Wave::Stop) {
                continue;
            }
            let (hold, stop) = (place(roll, is_hold), place(roll, is_stop));
            if hold.is_none() || stop.is_some_and(|stop| Some(stop) < hold) {
                found.push(Violation::StopsUnheld { step: id.clone(), instance: instance.clone() });
            }
            if stop.is_none() {
                continue;
            }
            let ends = reading.ended.contains(&roll.service);
            if !ends
                && place(roll, |action| matches!(action, Action::AwaitOthers { .. })) < stop
                && needed(reading, roll)
            {
                found.push(Violation::OthersNotAwaited { step: id, instance });
            }
            in_order(reading, (number, step), roll, found);
        }
    }
    for service in reading.ended.iter().filter_map(|name| reading.desired.services.get(*name)) {
        let stays = |other: &DesiredService| !reading.ended.contains(&other.name);
        let alone = service.instances.len() < 2 && !after(reading, service).any(stays);
        if !alone && !reading.waived(Refusal::OUTAGE) {
            found.push(Violation::EndsService { service: service.name.clone() });
        }
    }
}

fn place(roll: &Roll, wanted: fn(&Action) -> bool) -> Option<usize> {
    roll.actions.iter().position(wanted)
}

const fn is_hold(action: &Action) -> bool {
    matches!(action, Action::Hold { what: HeldWhat::Stopped, .. })
}

const fn is_stop(action: &Action) -> bool {
    matches!(action, Action::Stop { .. } | Action::StopUnsupervised { .. })
}

/// Whether an action lifts the hold of what was stopped.
const fn lifts(action: &Action) -> bool {
    matches!(action, Action::Release | Action::Hold { what: HeldWhat::RolledBack, .. })
}

/// Whether a roll does something to what is held, beside holding it, without lifting that first.
fn starts_held(reading: &Reading<'_>, roll: &Roll) -> bool {
    let held = scope::instance(reading, &roll.instance).and_then(|seen| seen.held.as_ref());
    let mut stopped = held.is_some_and(|held| held.what == HeldWhat::Stopped);
    for action in &roll.actions {
        match action {
            action if is_hold(action) => stopped = true,
            action if lifts(action) => stopped = false,
            Action::Start { .. } | Action::Switch { .. } | Action::Reload if stopped => return true,
            _ => {}
        }
    }
    false
}

/// What is held as rolled back is at that generation, or is switched to it after that.
fn goes_where_it_is_held(reading: &Reading<'_>, roll: &Roll) -> bool {
    let mut at = scope::instance(reading, &roll.instance).and_then(|seen| seen.current);
    let mut held = None;
    for action in &roll.actions {
        match action {
            Action::Hold { what: HeldWhat::RolledBack, to, .. } => held = Some(*to),
            Action::Switch { to, .. } => at = Some(*to),
            _ => {}
        }
    }
    held.is_none_or(|to| to.is_some() && to == at)
}

/// Whether the hold of an instance is lifted by some step, or is what a step is about.
pub(super) fn is_about(reading: &Reading<'_>, id: &InstanceId) -> bool {
    let mine = reading.plan.steps.iter().flat_map(super::rolls).filter(|roll| roll.instance == *id);
    mine.flat_map(|roll| &roll.actions).any(|action| lifts(action) || is_hold(action))
}

fn runs(reading: &Reading<'_>, id: &InstanceId) -> bool {
    scope::instance(reading, id).is_some_and(|seen| matches!(seen.process, ProcessObservation::Running(_)))
}

/// Services of which something is stopped to stay down, and nothing runs any more then. What was not looked at may run.
pub(super) fn ended<'a>(reading: &Reading<'a>) -> BTreeSet<&'a ServiceName> {
    let desired = reading.desired;
    let of = |id: &InstanceId| desired.instance(id).map(|one| &one.service);
    let services: BTreeSet<&ServiceName> = reading.index.stays_down.keys().filter_map(|id| of(id)).collect();
    let ends = |service: &&ServiceName| {
        let declared = desired.services.get(*service).into_iter().flat_map(|service| &service.instances);
        let leaving = desired.leaving.values().filter(|one| one.service == **service).map(|one| &one.id);
        declared.chain(leaving).all(|id| {
            let seen = scope::observed(reading, &id.host).is_some();
            seen && (!runs(reading, id) || reading.index.stays_down.contains_key(id))
        })
    };
    services.into_iter().filter(ends).collect()
}

/// Whether others have to serve after a stop: somebody of the service stays, and they can agree. Where they can't, the quorum
/// was lost before, or somebody has taken that on.
fn needed(reading: &Reading<'_>, roll: &Roll) -> bool {
    let votes = |id: &&InstanceId| reading.desired.instance(id).is_some_and(|one| one.votes);
    let declared = reading.desired.services.get(&roll.service).into_iter().flat_map(|service| &service.instances);
    let (there, all) = (roll.members.iter().filter(votes).count(), declared.filter(votes).count());
    !roll.members.is_empty() && (all == 0 || there * 2 > all)
}

/// The services that need a service, directly.
fn after<'a>(reading: &'a Reading<'_>, service: &'a DesiredService) -> impl Iterator<Item = &'a DesiredService> {
    let module = &service.module.name.value;
    reading.desired.services.values().filter(move |other| {
        let needs = &other.module;
        let named = needs.after.iter().chain(needs.requires.iter().map(|required| &required.module));
        let runs = other.instances.iter().any(|id| runs(reading, id));
        other.name != service.name && runs && named.into_iter().any(|name| name.value == *module)
    })
}

/// Whoever needs it is stopped before.
fn in_order(reading: &Reading<'_>, (number, step): (usize, &Step), roll: &Roll, found: &mut Vec<Violation>) {
    let Some(service) = reading.desired.services.get(&roll.service) else { return };
    let needing = after(reading, service).flat_map(|other| &other.instances);
    let stops = needing.filter_map(|id| reading.index.stays_down.get(id)).flatten();
    if stops.into_iter().any(|other| !reading.order.is_before(*other, number)) {
        let (step, instance) = (step.id.0.clone(), roll.instance.clone());
        found.push(Violation::StopsTooEarly { step, instance });
    }
}
