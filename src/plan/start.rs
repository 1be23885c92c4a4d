//! A start that somebody asks for: what was stopped on purpose is planned for as if it were not held, and each of them is
//! released right before it is started. What was rolled back before it was stopped is held as that again.

use super::fingerprint::relied_on;
use super::planner::converge;
use super::safety::Safety;
use super::{Action, Members, Plan, PlanInput, PlanReport, Reason, Roll, Step, StepId, StepKind};
use crate::inventory::{Held, HeldWhat, Inventory, Seen};
use crate::model::InstanceId;
use std::collections::BTreeMap;

/// The plan of a start, and the report beside it.
pub(super) fn plan(input: &PlanInput<'_>) -> (Plan, PlanReport) {
    let (inventory, mut lifted) = lift(input);
    let (mut plan, report) = converge(&PlanInput { inventory: &inventory, ..*input }, Safety::default());
    for step in &mut plan.steps {
        let rolls = match &mut step.kind {
            StepKind::Roll(roll) => std::slice::from_mut(roll),
            StepKind::PickNext { candidates, .. } => candidates.as_mut_slice(),
            _ => &mut [],
        };
        for roll in rolls {
            let action = lifted.remove(&roll.instance);
            roll.actions.splice(0..0, action);
        }
    }
    // It runs, since a run was lost between the hold and the stop.
    plan.steps.extend(lifted.into_iter().filter_map(|(instance, action)| {
        let service = input.desired.instances.get(&instance)?.service.clone();
        let id = StepId(format!("release {instance}"));
        let roll = Roll { instance, service, actions: vec![action], members: Members::default(), rollback: None };
        let (needs, reason) = (Vec::new(), vec![Reason::Asked]);
        Some(Step { id, kind: StepKind::Roll(roll), needs, phase: None, wave: None, reason, no_return: false })
    }));
    plan.members = super::members::number(&mut plan.steps);
    plan.fingerprints = relied_on(&plan.steps, input.desired, input.inventory);
    (plan, report)
}

/// What would be there without the holds of what was asked for, and what lifts each.
fn lift(input: &PlanInput<'_>) -> (Inventory, BTreeMap<InstanceId, Action>) {
    let mut inventory = input.inventory.clone();
    let mut lifted = BTreeMap::new();
    for one in input.desired.instances.values().filter(|one| input.options.selects(&one.id, &one.service)) {
        let Some(Seen::Seen(host)) = inventory.hosts.get_mut(&one.id.host) else { continue };
        let Some(found) = host.instances.get_mut(one.id.role.as_str()) else { continue };
        let Some(held) = found.held.take_if(|held| held.what == HeldWhat::Stopped) else { continue };
        found.held = back(held, one.content_generation);
        let action = match &found.held {
            Some(held) => Action::Hold { what: held.what, from: held.from, to: held.to },
            None => Action::Release,
        };
        lifted.insert(one.id.clone(), action);
    }
    (inventory, lifted)
}

/// What it was held as before it was stopped, as far as that still means something.
fn back(held: Held, declared: crate::model::Digest) -> Option<Held> {
    let back = Held { what: HeldWhat::RolledBack, ..held };
    (back.from.is_some() && back.to.is_some() && back.holds(declared)).then_some(back)
}
