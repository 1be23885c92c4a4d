//! What differs in a service as a whole: its health, and the settings that a finished rollout leaves behind.

use super::Change;
use crate::desired::DesiredService;
use crate::expr;
use crate::inventory::Inventory;
use serde_json::json;

/// Compares one service with what it answered.
pub(super) fn compare(service: &DesiredService, inventory: &Inventory, changes: &mut Vec<Change>) {
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
        // An expression that fails on a value says nothing about it: such a value is not overwritten.
        let settled = expr::eval_bool(&rule.expect.0, &json!({ "value": value })).unwrap_or(true);
        if !settled {
            changes.push(Change::Setting {
                service: service.name.clone(),
                setting: rule.setting.clone(),
                observed: value,
                repair: rule.repair.clone(),
            });
        }
    }
}
