//! What will be there when a round has been done: the next one is planned on that.

use crate::desired::{Desired, DesiredHost, DesiredInstance, Place, Supervisor};
use crate::inventory::{
    FileObservation, HostObservation, InstanceObservation, Inventory, ProcessObservation, Running, Seen,
    SoftwareObservation, SupervisorObservation,
};
use crate::model::{Digest, InstanceId, ServiceName, SupervisorKind};
use std::collections::BTreeSet;

/// The platform with these services as they should be after a round. Of everything else nothing is predicted: nothing of it
/// is planned on this.
pub(super) fn after(desired: &Desired, inventory: &Inventory, services: &BTreeSet<ServiceName>) -> Inventory {
    let mut then = inventory.clone();
    for (name, seen) in &mut then.hosts {
        let (Seen::Seen(host), Some(declared)) = (seen, desired.hosts.get(name)) else { continue };
        (host.prepared, host.user_exists, host.closed) = (true, true, None);
        host.undo.clear();
        host.debris.clear();
        host.software.extend(declared.software.keys().map(|folder| (folder.clone(), SoftwareObservation::Intact)));
        if let Supervisor::Supervisord(own) = &declared.supervisor {
            let config = Some(Digest::of(own.config.as_bytes()));
            let pid = host.supervisor.pid.or(Some(1));
            host.supervisor = SupervisorObservation { pid, config, running_config: config, version: None };
        }
    }
    for one in desired.instances.values().filter(|one| services.contains(&one.service)) {
        let (Some(Seen::Seen(host)), Some(declared)) =
            (then.hosts.get_mut(&one.id.host), desired.hosts.get(&one.id.host))
        else {
            continue;
        };
        let role = one.id.role.to_string();
        let before = host.instances.remove(&role).unwrap_or_default();
        units(host, declared, one);
        host.instances.insert(role, instance(declared, one, before));
    }
    for (name, service) in then.services.iter_mut().filter(|(name, _)| services.contains(*name)) {
        let of = |id: &InstanceId| desired.instances.get(id).is_some_and(|one| one.service == *name);
        service.ready.retain(|id, _| !of(id));
        service.healthy = None;
        service.settings.clear();
    }
    then
}

/// An instance as it should be, running.
fn instance(host: &DesiredHost, one: &DesiredInstance, before: InstanceObservation) -> InstanceObservation {
    let file = |file: &crate::desired::DesiredFile| {
        let (Place::Generation(path) | Place::Absolute(path)) = &file.place;
        let content = Some(file.content.to_string()).filter(|_| !file.secret);
        (path.clone(), FileObservation { sha256: file.sha256, mode: file.mode, content })
    };
    let (pid, start_time) = match &before.process {
        ProcessObservation::Running(running) => (running.pid, running.start_time),
        _ => (1, 0),
    };
    let running = Running {
        pid,
        start_time,
        uptime: 0,
        restart_generation: one.restart_generation,
        supervised: Some(host.supervisor.kind()),
        reload_owed: false,
        stranger: false,
    };
    let mut generations = before.generations;
    generations.insert(0, one.content_generation);
    InstanceObservation {
        current: Some(one.content_generation),
        generations,
        current_restart: Some(one.restart_generation),
        files: one.files.iter().map(file).collect(),
        process: ProcessObservation::Running(running),
        has_data: true,
        software: one.software.to_vec(),
        ..InstanceObservation::default()
    }
}

/// The unit outside the prefix that a switch leaves.
fn units(host: &mut HostObservation, declared: &DesiredHost, one: &DesiredInstance) {
    let entry = SupervisorKind::Systemd.entry();
    let unit = one.files.iter().find(|file| matches!(&file.place, Place::Generation(path) if path == entry));
    match unit.filter(|_| declared.supervisor.kind() == SupervisorKind::Systemd) {
        Some(unit) => _ = host.init.units.insert(one.unit.clone(), unit.sha256),
        None => _ = host.init.units.remove(&one.unit),
    }
}
