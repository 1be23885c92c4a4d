//! What a look at a simulated machine sees.

use super::machine::{BY_HAND, INIT, Instance, Machine};
use crate::desired::{DesiredInstance, Place};
use crate::host::Wanted;
use crate::inventory::{
    FileObservation, HostFacts, HostObservation, InitObservation, InstanceObservation, Previous, ProcessObservation,
    Running, SupervisorObservation,
};
use crate::model::{Digest, SupervisorKind};
use std::collections::{BTreeMap, BTreeSet};

/// Everything about one machine.
pub(super) fn observe(machine: &Machine, wanted: &Wanted) -> HostObservation {
    let instance = |(role, one): (&String, &Instance)| {
        let declared = wanted.instances.iter().find(|declared| declared.id.role.as_str() == role);
        (role.clone(), look(machine, one, declared.map(AsRef::as_ref)))
    };
    HostObservation {
        ssh_client: true,
        boot_id: format!("boot{}", ".again".repeat(machine.reboots as usize)),
        uid: 0,
        memory: 1 << 40,
        closed: None,
        prepared: machine.prepared,
        user_exists: machine.prepared || wanted.host.user.is_none(),
        artifacts: machine.artifacts.clone(),
        software: machine.software.clone(),
        instances: machine.instances.iter().map(instance).collect(),
        supervisor: SupervisorObservation {
            pid: machine.supervisor,
            config: machine.supervisor_config,
            running_config: machine.supervisor_config.filter(|_| machine.supervisor.is_some()),
            version: None,
        },
        init: init(machine),
        facts: HostFacts {
            sysctl: machine.kernel.clone(),
            kept: machine.kept.clone(),
            commands: machine.commands.clone(),
            installs: Some(true),
            ..HostFacts::default()
        },
        undo: machine.undo.clone(),
        kept: machine.left_data.clone(),
        debris: machine.debris.iter().cloned().collect(),
    }
}

/// When a process was started, in ticks.
pub(super) fn start_time(pid: u32) -> u64 {
    u64::from(pid) * 1000
}

fn init(machine: &Machine) -> InitObservation {
    let boot = machine.boot.as_ref();
    let units = machine.units.iter().map(|(name, digest)| (name.clone(), *digest));
    InitObservation {
        systemd: true,
        units: units.chain(boot.map(|(name, _, unit)| (name.clone(), *unit))).collect(),
        enabled: boot.is_some(),
        script: boot.map(|(_, script, _)| *script),
    }
}

fn look(machine: &Machine, one: &Instance, declared: Option<&DesiredInstance>) -> InstanceObservation {
    let current = one.current.and_then(|current| one.generation(&current));
    let files = current.map(|generation| generation.files.clone()).unwrap_or_default();
    let files = files.iter().chain(&one.placed).map(|(path, file)| (path.clone(), seen(path, file, declared)));
    let process = match (&one.process, &one.dead) {
        (Some(process), _) => ProcessObservation::Running(Running {
            pid: process.pid,
            start_time: start_time(process.pid),
            uptime: process.started.elapsed().as_secs(),
            restart_generation: process.restart,
            supervised: match process.parent {
                INIT => Some(SupervisorKind::Systemd),
                BY_HAND => None,
                parent => (machine.supervisor == Some(parent)).then_some(SupervisorKind::Supervisord),
            },
            reload_owed: one.reload_owed,
            stranger: process.parent == BY_HAND,
        }),
        (None, Some(restart)) => ProcessObservation::Dead { restart_generation: Some(*restart) },
        (None, None) => ProcessObservation::Absent,
    };
    InstanceObservation {
        current: one.current,
        generations: one.generations.iter().map(|generation| generation.content).collect(),
        current_restart: current.map(|generation| generation.restart),
        files: files.collect::<BTreeMap<_, _>>(),
        process,
        adoption: None,
        about: current.filter(|_| declared.is_none()).map(|generation| generation.about.clone()),
        drained: one.drained,
        held: one.held.clone(),
        has_data: one.has_data,
        found: BTreeSet::new(),
        software: current.map(|generation| generation.software.clone()).unwrap_or_default(),
        applied: BTreeMap::new(),
        on_trial: one.trial.is_some() && one.trial == one.current,
        previous: one.previous.and_then(|previous| one.generation(&previous)).map(|generation| Previous {
            generation: generation.content,
            software: generation.software.clone(),
            phased: generation.files.keys().any(|path| path.starts_with("phase-")),
        }),
    }
}

/// A file, with its text only when it differs from what is wanted.
fn seen(
    path: &str,
    (sha256, mode, text): &(Digest, u32, String),
    declared: Option<&DesiredInstance>,
) -> FileObservation {
    let wanted = declared.into_iter().flat_map(|declared| declared.files.iter()).find(|file| match &file.place {
        Place::Generation(place) | Place::Absolute(place) => place == path,
    });
    let same = wanted.is_some_and(|wanted| wanted.sha256 == *sha256 || wanted.secret);
    FileObservation { sha256: *sha256, mode: *mode, content: (!same).then(|| text.clone()) }
}
