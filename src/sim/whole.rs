//! The whole platform at once: brought to what is declared without a single step, and looked at without a single
//! question. For fleets that are too large to be rolled for a test or a benchmark.

use super::machine::{Generation, Instance, Machine, Process};
use super::{Cluster, observe};
use crate::desired::{Desired, DesiredInstance, Part, Place};
use crate::host::Wanted;
use crate::inventory::{Inventory, Seen, ServiceObservation, SoftwareObservation, Verdict};
use crate::model::{Digest, InstanceId, ServiceName};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

impl Cluster {
    /// Every host becomes as declared, and everything on it runs, as if it had been rolled out long ago.
    pub fn converge(&self, desired: &Desired) {
        self.declare(desired);
        let by_host = desired.by_host();
        let mut world = self.world();
        for (name, host) in &desired.hosts {
            let supervisor = world.pid();
            let own = host.supervisor.supervisord();
            let digest = |text: &String| Digest::of(text.as_bytes());
            let boot = host.boot.as_ref();
            let mut machine = Machine {
                prefix: host.prefix.clone(),
                prepared: true,
                artifacts: host.software.values().flat_map(|one| &one.parts).map(Part::file_name).collect(),
                software: host.software.keys().map(|folder| (folder.clone(), SoftwareObservation::Intact)).collect(),
                supervisor: own.map(|_| supervisor),
                supervisor_config: own.map(|own| digest(&own.config)),
                boot: boot.map(|boot| (host.boot_unit(), digest(&boot.script), digest(&boot.unit))),
                ..Machine::default()
            };
            for wanted in by_host.get(name).into_iter().flatten() {
                let instance = running(wanted, world.pid(), supervisor);
                machine.instances.insert(wanted.id.role.to_string(), instance);
            }
            world.hosts.insert(name.clone(), machine);
        }
    }

    /// What one look at everything sees. What runs is ready, and a service of which all run is healthy.
    pub fn inventory(&self, desired: &Desired) -> Inventory {
        let by_host = desired.by_host();
        let world = self.world();
        let mut inventory = Inventory::default();
        for host in desired.hosts.values() {
            let Some(machine) = world.hosts.get(&host.name) else { continue };
            let here = by_host.get(&host.name).into_iter().flatten().map(|one| Arc::new((*one).clone()));
            let wanted = Wanted { host: Arc::new(host.clone()), instances: here.collect(), verify: false };
            inventory.hosts.insert(host.name.clone(), Seen::Seen(observe::observe(machine, &wanted)));
        }
        for service in desired.services.values() {
            let runs = |id: &&InstanceId| world.process(id).is_some();
            let ready: BTreeMap<InstanceId, Verdict> =
                service.instances.iter().filter(runs).map(|id| (id.clone(), verdict(true))).collect();
            let all = ready.len() == service.instances.len();
            let setting = |name: &crate::model::Name| {
                let value = world.settings.get(&(service.name.clone(), name.clone()));
                (name.clone(), Ok(value.cloned().unwrap_or_default()))
            };
            let observed = ServiceObservation {
                healthy: (!ready.is_empty()).then(|| verdict(all)),
                ready,
                settings: service.module.settled.iter().map(|rule| setting(&rule.setting)).collect(),
                ..ServiceObservation::default()
            };
            inventory.services.insert(ServiceName::clone(&service.name), observed);
        }
        inventory
    }
}

fn verdict(holds: bool) -> Verdict {
    Verdict { holds, unknown: false, says: String::new() }
}

/// An instance at its declared generation, with a process of it.
fn running(wanted: &DesiredInstance, pid: u32, supervisor: u32) -> Instance {
    let (mut files, mut placed) = (BTreeMap::new(), BTreeMap::new());
    for file in wanted.files.iter() {
        let content = (file.sha256, file.mode, file.content.to_string());
        match &file.place {
            Place::Generation(path) => files.insert(path.clone(), content),
            Place::Absolute(path) => placed.insert(path.clone(), content),
        };
    }
    let generation = Generation {
        content: wanted.content_generation,
        restart: wanted.restart_generation,
        files,
        software: wanted.software.to_vec(),
        about: String::new(), // thousands of them are never let go
    };
    let process = Process {
        pid,
        started: Instant::now(),
        content: wanted.content_generation,
        restart: wanted.restart_generation,
        parent: supervisor,
        ends: None,
    };
    Instance {
        current: Some(wanted.content_generation),
        generations: vec![generation],
        placed,
        process: Some(process),
        has_data: true,
        ..Instance::default()
    }
}
