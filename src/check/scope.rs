//! That a plan is only about what is declared and was observed, and leaves alone what is held.

use super::{Reading, Violation};
use crate::inventory::{HeldWhat, HostObservation, InstanceObservation, Seen};
use crate::model::{HostName, InstanceId, ServiceName};
use crate::plan::{Action, Reliance, Step, StepKind};

pub(super) fn judge(reading: &Reading<'_>, found: &mut Vec<Violation>) {
    for step in &reading.plan.steps {
        if let Some(host) = host_of(step).filter(|host| observed(reading, host).is_none()) {
            found.push(Violation::UnknownHost { step: step.id.0.clone(), host: host.clone() });
        }
        if let Some(service) = service_of(step).filter(|service| !reading.desired.services.contains_key(*service)) {
            found.push(Violation::UnknownService { step: step.id.0.clone(), service: service.clone() });
        }
        for instance in instances_of(step) {
            instance_is_ours(reading, step, instance, found);
        }
        let hosts = host_of(step).into_iter().chain(instances_of(step).into_iter().map(|instance| &instance.host));
        let unlooked = |host: &&HostName| {
            reading.plan.fingerprints.get(*host).is_none_or(|fingerprint| fingerprint.of != Reliance::Whole)
        };
        found.extend(hosts.filter(unlooked).map(|host| {
            let (step, host) = (step.id.0.clone(), host.clone());
            Violation::NoFingerprint { step, host }
        }));
        for roll in super::rolls(step) {
            let declared = reading.desired.instance(&roll.instance);
            if declared.is_some_and(|declared| declared.service != roll.service) {
                found.push(Violation::UnknownService { step: step.id.0.clone(), service: roll.service.clone() });
            }
        }
    }
}

/// The observation of a declared host.
pub(super) fn observed<'a>(reading: &'a Reading<'_>, host: &HostName) -> Option<&'a HostObservation> {
    let declared = reading.desired.hosts.contains_key(host);
    reading.inventory.hosts.get(host).and_then(Seen::seen).filter(|_| declared)
}

/// The observation of an instance.
pub(super) fn instance<'a>(reading: &'a Reading<'_>, id: &InstanceId) -> Option<&'a InstanceObservation> {
    observed(reading, &id.host).and_then(|host| host.instances.get(id.role.as_str()))
}

fn instance_is_ours(reading: &Reading<'_>, step: &Step, id: &InstanceId, found: &mut Vec<Violation>) {
    let Some(declared) = reading.declared(step, id) else {
        found.push(Violation::UnknownInstance { step: step.id.0.clone(), instance: id.clone() });
        return;
    };
    if observed(reading, &id.host).is_none() {
        found.push(Violation::UnknownHost { step: step.id.0.clone(), host: id.host.clone() });
    }
    let Some(held) = instance(reading, id).and_then(|seen| seen.held.as_ref()) else { return };
    let lapsed = held.what == HeldWhat::RolledBack && held.from.is_some_and(|from| from != declared.content_generation);
    // A rollback that was interrupted is finished: the only thing that may be done to what is held.
    let back = |action: &Action| matches!(action, Action::Switch { to, .. } if Some(*to) != held.to);
    let mut actions = super::rolls(step).iter().filter(|roll| roll.instance == *id).flat_map(|roll| &roll.actions);
    let finishes = held.what == HeldWhat::RolledBack && held.to.is_some() && !actions.any(back);
    // What leaves takes its hold with it.
    let leaves = reading.desired.leaving.contains_key(id);
    // Somebody asked for that: what may be done then is judged by itself.
    let asked = super::held::is_about(reading, id);
    if !lapsed && !finishes && !leaves && !asked {
        found.push(Violation::TouchesHeld { step: step.id.0.clone(), instance: id.clone() });
    }
}

fn host_of(step: &Step) -> Option<&HostName> {
    match &step.kind {
        StepKind::Prepare { host, .. }
        | StepKind::Fetch { host, .. }
        | StepKind::Assemble { host, .. }
        | StepKind::Supervise { host }
        | StepKind::Install { host, .. }
        | StepKind::Provide { host, .. }
        | StepKind::Retire { host }
        | StepKind::Undo { host, .. }
        | StepKind::Purge { host, .. }
        | StepKind::Collect { host } => Some(host),
        StepKind::Render { .. }
        | StepKind::Barrier
        | StepKind::Repair { .. }
        | StepKind::Roll(_)
        | StepKind::PickNext { .. }
        | StepKind::Gate { .. }
        | StepKind::Before { .. } => None,
    }
}

fn service_of(step: &Step) -> Option<&ServiceName> {
    match &step.kind {
        StepKind::Undo { service, .. }
        | StepKind::Repair { service, .. }
        | StepKind::Gate { service, .. }
        | StepKind::Before { service, .. } => Some(service),
        StepKind::Prepare { .. }
        | StepKind::Fetch { .. }
        | StepKind::Assemble { .. }
        | StepKind::Render { .. }
        | StepKind::Supervise { .. }
        | StepKind::Install { .. }
        | StepKind::Provide { .. }
        | StepKind::Retire { .. }
        | StepKind::Barrier
        | StepKind::Roll(_)
        | StepKind::PickNext { .. }
        | StepKind::Purge { .. }
        | StepKind::Collect { .. } => None,
    }
}

/// Instances that a step does something to.
fn instances_of(step: &Step) -> Vec<&InstanceId> {
    match &step.kind {
        StepKind::Render { instance, .. } => vec![instance],
        _ => super::rolls(step).iter().map(|roll| &roll.instance).collect(),
    }
}
