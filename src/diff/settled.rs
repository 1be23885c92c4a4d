//! What differs in a service as a whole: its health, and the settings that a finished rollout leaves behind.

use super::Change;
use crate::desired::{Desired, DesiredInstance, DesiredService};
use crate::inventory::Inventory;
use crate::model::Repair;
use serde_json::{Value, json};

/// Compares one service with what it answered.
pub(super) fn compare(desired: &Desired, service: &DesiredService, inventory: &Inventory, changes: &mut Vec<Change>) {
    live(desired, service, inventory, changes);
    let observed = inventory.services.get(&service.name);
    let healthy = observed.and_then(|observed| observed.healthy.as_ref());
    if let Some(verdict) = healthy.filter(|verdict| !verdict.holds) {
        changes.push(Change::NotHealthy { service: service.name.clone(), says: verdict.says.clone() });
    }
    for rule in &service.module.settled {
        // What an undo record puts back is what will be there; the last record of a setting is put back last.
        let undone = changes.iter().rev().find_map(|change| match change {
            Change::UndoLeft { service: of, setting, value, .. } if *of == service.name && *setting == rule.setting => {
                Some(value)
            }
            _ => None,
        });
        let answered = observed.and_then(|observed| observed.settings.get(&rule.setting));
        let Some(value) = undone.or(answered.and_then(|value| value.as_ref().ok())).cloned() else { continue };
        let member = service.instances.iter().find_map(|id| desired.instances.get(id));
        let Some(context) = member.map(|member| member.context.with(&json!({ "value": value }))) else { continue };
        // An expression that fails on a value says nothing about it: such a value is not overwritten.
        if context.eval_bool(&rule.expect.0).unwrap_or(true) {
            continue;
        }
        let repair = match &rule.repair {
            Repair::To(value) => Some(value.clone()),
            Repair::Worked(value) => context.eval(&value.0).ok(),
        };
        if let Some(repair) = repair {
            changes.push(Change::Setting {
                service: service.name.clone(),
                instance: None,
                setting: rule.setting.clone(),
                observed: value,
                repair,
            });
        }
    }
}

/// Parameters that the service takes while it runs. What nobody declares, and what could not be read, is left as it is; so
/// is an instance that somebody holds as it is.
fn live(desired: &Desired, service: &DesiredService, inventory: &Inventory, changes: &mut Vec<Change>) {
    let Some(observed) = inventory.services.get(&service.name) else { return };
    let members: Vec<&DesiredInstance> = service.instances.iter().filter_map(|id| desired.instances.get(id)).collect();
    for rule in &service.module.live {
        let wanted = |one: &DesiredInstance| {
            let value = one.takes(rule).then(|| one.context.eval(&rule.value.0).ok()).flatten();
            value.filter(|value| !value.is_null())
        };
        let change = |instance: Option<&DesiredInstance>, observed: &Value, repair: Value| Change::Setting {
            service: service.name.clone(),
            instance: instance.map(|one| one.id.clone()),
            setting: rule.setting.clone(),
            observed: observed.clone(),
            repair,
        };
        if !rule.each {
            let value = observed.settings.get(&rule.setting).and_then(|value| value.as_ref().ok());
            let wanted = members.iter().find_map(|one| wanted(one));
            changes.extend(
                value.zip(wanted).filter(|(is, should)| *is != should).map(|(is, should)| change(None, is, should)),
            );
            continue;
        }
        for one in members.iter().filter(|one| !held(inventory, one)) {
            let own = observed.own.get(&one.id).and_then(|own| own.get(&rule.setting));
            let both = own.and_then(|value| value.as_ref().ok()).zip(wanted(one));
            changes.extend(both.filter(|(is, should)| *is != should).map(|(is, should)| change(Some(one), is, should)));
        }
    }
}

fn held(inventory: &Inventory, one: &DesiredInstance) -> bool {
    let host = inventory.hosts.get(&one.id.host).and_then(|host| host.seen());
    let seen = host.and_then(|host| host.instances.get(one.id.role.as_str()));
    seen.and_then(|seen| seen.held.as_ref()).is_some_and(|held| held.holds(one.content_generation))
}
