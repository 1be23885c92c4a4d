//! What was observed, to be changed.

use super::id;
use crate::inventory::{HostObservation, InstanceObservation, Inventory, ProcessObservation, Running, Seen, Verdict};

/// The observation of a host, to be changed.
pub(crate) fn at<'a>(inventory: &'a mut Inventory, host: &str) -> &'a mut HostObservation {
    match inventory.hosts.iter_mut().find(|(name, _)| name.as_str() == host) {
        Some((_, Seen::Seen(seen))) => seen,
        _ => panic!("{host} is observed"),
    }
}

/// The observation of an instance, to be changed.
pub(crate) fn of<'a>(inventory: &'a mut Inventory, instance: &str) -> &'a mut InstanceObservation {
    at(inventory, id(instance).host.as_str()).instances.get_mut(id(instance).role.as_str()).expect("an instance")
}

/// The process of an instance, to be changed.
pub(crate) fn process<'a>(inventory: &'a mut Inventory, instance: &str) -> &'a mut Running {
    match &mut of(inventory, instance).process {
        ProcessObservation::Running(running) => running,
        _ => panic!("{instance} runs"),
    }
}

/// Says that an instance does not serve.
pub(crate) fn not_ready(inventory: &mut Inventory, instance: &str) {
    for service in inventory.services.values_mut() {
        if let Some(verdict) = service.ready.get_mut(&id(instance)) {
            *verdict = Verdict { holds: false, unknown: false, says: "refused".to_owned() };
        }
    }
}

/// Makes an instance one that died.
pub(crate) fn kill(inventory: &mut Inventory, instance: &str) {
    let restart_generation = Some(process(inventory, instance).restart_generation);
    of(inventory, instance).process = ProcessObservation::Dead { restart_generation };
    inventory.services.values_mut().for_each(|service| drop(service.ready.remove(&id(instance))));
}
