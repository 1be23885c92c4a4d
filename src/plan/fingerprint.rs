//! What a plan relies on, per host, as one digest: looked at again just before the host's first step.

use crate::inventory::{HostObservation, ProcessObservation, SoftwareObservation};
use crate::model::{Digest, SupervisorKind};

/// The digest of what a plan relies on at one host: generations, files, software, which processes run, holds, undo
/// records. Health, uptime, free space and leadership are not part of it: they may change between plan and apply.
pub fn fingerprint(host: &HostObservation) -> Digest {
    let mut facts = vec![
        format!("boot {}", host.boot_id),
        format!("prepared {} {}", host.prepared, host.user_exists),
        format!("supervisor {} {}", host.supervisor.pid.is_some(), shown(host.supervisor.config)),
    ];
    facts.push(format!("init {} {} {}", host.init.systemd, host.init.enabled, shown(host.init.script)));
    facts.extend(host.init.units.iter().map(|(name, digest)| format!("unit {name} {digest}")));
    for (folder, state) in &host.software {
        let intact = matches!(state, SoftwareObservation::Intact);
        facts.push(format!("software {folder} {intact}"));
    }
    for (role, instance) in &host.instances {
        let trial = if instance.on_trial { " on trial" } else { "" };
        let (current, restart) = (shown(instance.current), shown(instance.current_restart));
        facts.push(format!("instance {role} {current} {restart}{trial}"));
        facts.push(match &instance.process {
            ProcessObservation::Absent => "absent".to_owned(),
            ProcessObservation::Dead { restart_generation } => format!("dead {}", shown(*restart_generation)),
            ProcessObservation::Running(running) => format!(
                "running {} {} {} {} {}",
                running.pid,
                running.start_time,
                running.restart_generation,
                running.supervised.map_or("nobody", SupervisorKind::word),
                running.reload_owed
            ),
        });
        facts.push(format!("held {:?}", instance.held.as_ref().map(|held| &held.what)));
        for (path, file) in &instance.files {
            facts.push(format!("file {path} {} {:o}", file.sha256, file.mode));
        }
    }
    facts.extend(host.undo.keys().map(|name| format!("undo {name}")));
    Digest::of_parts(facts.iter().map(String::as_bytes))
}

/// All digits of a digest.
fn shown(digest: Option<Digest>) -> String {
    digest.map_or_else(|| "none".to_owned(), |digest| digest.to_string())
}
