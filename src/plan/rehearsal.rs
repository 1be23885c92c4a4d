//! The plan of a change that no host has to be asked about: everything runs as declared, and every process has to restart.
//! It shows who is a canary, what waits for what, and how many go at a time, by the same rules as any other plan.

use super::{Plan, PlanInput, PlanOptions, plan};
use crate::desired::{Desired, DesiredHost, DesiredInstance, Part, Place};
use crate::inventory::{
    FileObservation, HostObservation, InstanceObservation, Inventory, ProcessObservation, Running, Seen,
    SoftwareObservation, SupervisorObservation,
};
use crate::model::Digest;

/// A plan that restarts everything; for showing, and never applied. What would be refused of it says nothing about the
/// platform as it is.
pub fn rehearsal(desired: &Desired) -> Plan {
    let by_host = desired.by_host();
    let host = |host: &DesiredHost| {
        let here = by_host.get(&host.name).map_or(&[][..], Vec::as_slice);
        (host.name.clone(), Seen::Seen(observed(host, here)))
    };
    let inventory = Inventory { hosts: desired.hosts.values().map(host).collect(), ..Inventory::default() };
    plan(&PlanInput { desired, inventory: &inventory, options: &PlanOptions::default() }).0
}

/// The plan of a change that restarts everything, on the platform as it was observed: what would be refused now, and what
/// would be put right first. For showing, and never applied.
pub fn rehearsal_on(desired: &Desired, inventory: &Inventory, options: &PlanOptions) -> Plan {
    let mut inventory = inventory.clone();
    let hosts = inventory.hosts.values_mut();
    let seen = hosts.filter_map(|host| if let Seen::Seen(host) = host { Some(host) } else { None });
    for instance in seen.flat_map(|host| host.instances.values_mut()) {
        if let ProcessObservation::Running(running) = &mut instance.process {
            running.restart_generation = older_than(&running.restart_generation);
        }
    }
    plan(&PlanInput { desired, inventory: &inventory, options }).0
}

/// The restart generation of a process that was started on something older.
fn older_than(generation: &Digest) -> Digest {
    Digest::of_parts([b"before ".as_slice(), generation.to_string().as_bytes()])
}

/// A host that has everything.
fn observed(host: &DesiredHost, here: &[&DesiredInstance]) -> HostObservation {
    let config = host.supervisor.supervisord().map(|own| Digest::of(own.config.as_bytes()));
    HostObservation {
        prepared: true,
        user_exists: true,
        artifacts: host.software.values().flat_map(|software| &software.parts).map(Part::file_name).collect(),
        software: host.software.keys().map(|folder| (folder.clone(), SoftwareObservation::Intact)).collect(),
        supervisor: SupervisorObservation { pid: config.map(|_| 1), config, running_config: config, version: None },
        instances: here.iter().map(|one| (one.id.role.to_string(), started_before(host, one))).collect(),
        ..HostObservation::default()
    }
}

/// An instance as declared, whose process was started on something older.
fn started_before(host: &DesiredHost, one: &DesiredInstance) -> InstanceObservation {
    let file = |file: &crate::desired::DesiredFile| {
        let (Place::Generation(path) | Place::Absolute(path)) = &file.place;
        (path.clone(), FileObservation { sha256: file.sha256, mode: file.mode, content: None })
    };
    let process = ProcessObservation::Running(Running {
        pid: 1,
        start_time: 0,
        uptime: 0,
        restart_generation: older_than(&one.restart_generation),
        supervised: Some(host.supervisor.kind()),
        reload_owed: false,
        stranger: false,
    });
    InstanceObservation {
        current: Some(one.content_generation),
        generations: vec![one.content_generation],
        current_restart: Some(one.restart_generation),
        files: one.files.iter().map(file).collect(),
        process,
        has_data: true,
        software: one.software.to_vec(),
        ..InstanceObservation::default()
    }
}
