//! Settings: what an interrupted run has left changed is put back, what nobody recorded is repaired, and what a service takes
//! while it runs is set.

use super::safety::Safety;
use super::sequence::{Draft, Sequence};
use super::{GateKind, Members, PlanInput, Reason, StepKind, majority};
use crate::desired::DesiredService;
use crate::diff::Change;
use crate::inventory::Seen;
use crate::model::{InstanceId, ServiceName};
use std::collections::BTreeSet;

/// The steps for one service as a whole. Undo records first: what they put back is what was there before. Then what follows how
/// many members vote.
fn drafts(input: &PlanInput<'_>, changes: &[Change], of: &DesiredService, up: &BTreeSet<InstanceId>) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = changes.iter().filter_map(|change| draft(change, of)).collect();
    drafts.extend(majority::early(input, of, up));
    drafts
}

/// Whether something of a service was asked for, and something of it runs that can be asked.
pub(super) fn is_asked(input: &PlanInput<'_>, service: &ServiceName) -> bool {
    let members = input.desired.services.get(service).into_iter().flat_map(|service| &service.instances);
    let ready = input.inventory.services.get(service).map(|seen| &seen.ready);
    let answers = ready.is_some_and(|ready| ready.values().any(|verdict| verdict.holds));
    answers && members.into_iter().any(|id| input.options.selects(id, service))
}

/// What a lost run has left changed in services that were asked for.
pub(super) fn left(input: &PlanInput<'_>, changes: &[Change]) -> Vec<Draft> {
    let of = |change: &Change| match change {
        Change::UndoLeft { service, .. } if is_asked(input, service) => {
            draft(change, input.desired.services.get(service)?)
        }
        _ => None,
    };
    changes.iter().filter_map(of).collect()
}

fn draft(change: &Change, of: &DesiredService) -> Option<Draft> {
    match change {
        Change::UndoLeft { service, host, record, setting, .. } if *service == of.name => {
            let (host, record) = (host.clone(), record.clone());
            let id = format!("undo {record} on {host}");
            let kind = StepKind::Undo { host, record, service: service.clone(), setting: setting.clone() };
            Some(Draft::new(id, kind, vec![Reason::Leftover]))
        }
        Change::Setting { service, instance: None, setting, repair, .. }
            if *service == of.name && !majority::is(of, setting) =>
        {
            let (setting, value) = (setting.clone(), repair.clone());
            let id = format!("repair {setting} of {service}");
            let kind = StepKind::Repair { service: service.clone(), instance: None, setting, value };
            Some(Draft::new(id, kind, vec![Reason::NotSettled]))
        }
        _ => None,
    }
}

/// The steps for its instances, one instance after the other.
fn own(input: &PlanInput<'_>, changes: &[Change], of: &DesiredService) -> Vec<(InstanceId, Vec<Draft>)> {
    let mut each: Vec<(InstanceId, Vec<Draft>)> = Vec::new();
    for change in changes {
        let Change::Setting { service, instance: Some(id), setting, repair, .. } = change else { continue };
        let reachable = matches!(input.inventory.hosts.get(&id.host), Some(Seen::Seen(_)));
        if *service != of.name || !input.options.selects(id, service) || !reachable {
            continue;
        }
        let (setting, value) = (setting.clone(), repair.clone());
        let name = format!("set {setting} of {id}");
        let kind = StepKind::Repair { service: service.clone(), instance: Some(id.clone()), setting, value };
        let draft = Draft::new(name, kind, vec![Reason::NotSettled]);
        match each.iter_mut().find(|(known, _)| known == id) {
            Some((_, drafts)) => drafts.push(draft),
            None => each.push((id.clone(), vec![draft])),
        }
    }
    each.sort_by(|a, b| a.0.cmp(&b.0));
    each
}

/// Adds them, one after the other: two records of one setting must not race. What instances have for themselves is set on
/// one first, and on the others once the service, of which these are up, is seen healthy. Whether there were any.
pub(super) fn add(
    input: &PlanInput<'_>,
    changes: &[Change],
    of: &DesiredService,
    up: &BTreeSet<InstanceId>,
    sequence: &mut Sequence,
) -> bool {
    let drafts = drafts(input, changes, of, up);
    let each = own(input, changes, of);
    let any = !drafts.is_empty() || !each.is_empty();
    for draft in drafts {
        sequence.group(vec![draft]);
    }
    let last = each.len().saturating_sub(1);
    for (number, (_, drafts)) in each.into_iter().enumerate() {
        for draft in drafts {
            sequence.group(vec![draft]);
        }
        if let Some(gate) = of.module.healthy.as_ref().filter(|_| number == 0 || number == last) {
            let (gate, within) = (GateKind::Healthy, gate.within);
            let members = Members::of(up.iter().cloned());
            let kind = StepKind::Gate { service: of.name.clone(), gate, members, within };
            sequence.group(vec![Draft::new(format!("{} healthy", of.name), kind, vec![Reason::Follows])]);
        }
    }
    any
}

/// What can't be judged or put back.
pub(super) fn unread(input: &PlanInput<'_>, changes: &[Change], safety: &mut Safety) {
    for (service, observed) in
        input.inventory.services.iter().filter(|(name, _)| input.desired.services.contains_key(*name))
    {
        for (setting, why) in &observed.settings {
            if let Err(why) = why {
                safety.warn("setting-unread", format!("{setting} of {service} could not be read: {why}"));
            }
        }
        for (instance, (setting, why)) in observed.own.iter().flat_map(|(id, own)| own.iter().map(move |one| (id, one)))
        {
            if let Err(why) = why {
                safety.warn("setting-unread", format!("{setting} of {instance} could not be read: {why}"));
            }
        }
    }
    for change in changes {
        if let Change::UndoLeft { service, host, record, .. } = change
            && !input.desired.services.contains_key(service)
        {
            let message = format!("{record} on {host} is about {service}, which is not declared: nothing is put back");
            safety.warn("undo-unknown", message);
        }
    }
}
