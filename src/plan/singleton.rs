//! Services of which only one instance may ever run: nobody but us keeps a second one from starting.

use super::{PlanInput, Refusal, facts, safety::Safety};
use crate::inventory::ProcessObservation;
use crate::model::{InstanceId, RoleId};

/// Refuses what would let two run at a time: two that are declared, or one that is and another one that still runs elsewhere.
pub(super) fn judge(input: &PlanInput<'_>, safety: &mut Safety) {
    for service in input.desired.services.values() {
        let Some(says) = &service.module.singleton else { continue };
        if !service.instances.iter().any(|id| input.options.selects(id, &service.name)) {
            continue;
        }
        if service.instances.len() > 1 {
            let names: Vec<String> = service.instances.iter().map(ToString::to_string).collect();
            let message =
                format!("{} would run as {}, and only one of it may: {says}", service.name, names.join(" and "));
            safety.refuse(Refusal::SINGLETON, message, "place it on one host, or say service=\"…\" when they are two");
        }
        for name in input.desired.hosts.keys() {
            let Some(host) = facts::observed(input, name) else { continue };
            for (role, found) in &host.instances {
                let Ok(id) = RoleId::new(role).map(|role| InstanceId::new(role, name.clone())) else { continue };
                let its = service.instances.iter().any(|member| member.role == id.role);
                let left = its && !service.instances.contains(&id);
                if left && matches!(found.process, ProcessObservation::Running(_)) {
                    let message =
                        format!("{id} still runs, where it is not declared any more, and only one may: {says}");
                    let help =
                        "end that one first: ask its supervisor to stop it, see that it is gone, then plan again";
                    safety.refuse(Refusal::SINGLETON, message, help);
                }
            }
        }
    }
}
