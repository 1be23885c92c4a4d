//! What differs in a service as a whole: its health, and the settings that a finished rollout leaves behind.

use super::Change;
use crate::desired::DesiredService;
use crate::expr;
use crate::inventory::Inventory;
use serde_json::json;

/// Compares one service with what it answered.
pub(super) fn compare(service: &DesiredService, inventory: &Inventory, changes: &mut Vec<Change>) {
    let Some(observed) = inventory.services.get(&service.name) else { return };
    if let Some(verdict) = observed.healthy.as_ref().filter(|verdict| !verdict.holds) {
        changes.push(Change::NotHealthy { service: service.name.clone(), says: verdict.says.clone() });
    }
    for rule in &service.module.settled {
        let undone = |change: &Change| matches!(change, Change::UndoLeft { service: of, setting, .. } if *of == service.name && *setting == rule.setting);
        // What an undo record puts back is what somebody had set before; only what nobody recorded is judged.
        let Some(Ok(value)) = observed.settings.get(&rule.setting).filter(|_| !changes.iter().any(undone)) else {
            continue;
        };
        // An expression that fails on a value says nothing about it: such a value is not overwritten.
        let settled = expr::eval_bool(&rule.expect.0, &json!({ "value": value })).unwrap_or(true);
        if !settled {
            changes.push(Change::Setting {
                service: service.name.clone(),
                setting: rule.setting.clone(),
                observed: value.clone(),
                repair: rule.repair.clone(),
            });
        }
    }
}
