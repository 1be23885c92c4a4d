//! What differs at one host.

use super::text::Texts;
use super::{Change, FileDiff, SupervisorChange, instance, kernel, packages};
use crate::desired::{Desired, DesiredHost, DesiredInstance, Part, Supervisor, UNIT_FOLDER};
use crate::inventory::{HostObservation, Inventory, ProcessObservation, Seen, SoftwareObservation};
use crate::model::{Digest, InstanceId, RoleId};
use std::collections::BTreeSet;

/// Compares one host with its observation.
pub(super) fn compare(
    desired: &Desired,
    host: &DesiredHost,
    instances: &[&DesiredInstance],
    inventory: &Inventory,
    texts: &mut Texts,
    changes: &mut Vec<Change>,
    diffs: &mut Vec<FileDiff>,
) {
    let observed = match inventory.hosts.get(&host.name) {
        Some(Seen::Seen(observed)) => observed,
        Some(Seen::Unseen(_)) | None if host.idle => return,
        Some(Seen::Unseen(unseen)) => {
            changes.push(Change::Unobserved { host: host.name.clone(), why: unseen.why.clone() });
            return;
        }
        None => {
            let why = "it was not looked at".to_owned();
            changes.push(Change::Unobserved { host: host.name.clone(), why });
            return;
        }
    };
    if host.idle {
        // What is left of a host that had roles.
        let how = observed.supervisor.pid.map(|_| SupervisorChange::Superseded);
        changes.extend(how.map(|how| Change::Supervisor { host: host.name.clone(), how }));
    } else {
        folders(host, instances, observed, changes);
        software(host, observed, changes);
    }
    left_behind(host, observed, changes);
    changes.extend(kernel::compare(host, instances, observed));
    changes.extend(packages::compare(host, instances, observed));
    for wanted in instances {
        instance::compare(host, wanted, observed, inventory, texts, changes, diffs);
    }
    for (role, found) in &observed.instances {
        if instances.iter().any(|wanted| wanted.id.role.as_str() == role) {
            continue;
        }
        let running = matches!(found.process, ProcessObservation::Running(_));
        let id = RoleId::new(role).map(|role| InstanceId::new(role, host.name.clone()));
        changes.push(match id.ok().and_then(|id| desired.leaving.get(&id)) {
            Some(one) => {
                let (instance, service, drained) = (one.id.clone(), one.service.clone(), found.drained && !running);
                Change::Leaving { instance, service, running, drained }
            }
            None => Change::Orphan { host: host.name.clone(), role: role.clone(), running },
        });
    }
    let kept = observed.kept.iter().map(|role| Change::Kept { host: host.name.clone(), role: role.clone() });
    changes.extend(kept);
}

fn folders(host: &DesiredHost, instances: &[&DesiredInstance], observed: &HostObservation, changes: &mut Vec<Change>) {
    let mut missing = Vec::new();
    if !observed.prepared {
        missing.push(host.prefix.clone());
    }
    if let Some(user) = host.user.as_ref().filter(|_| !observed.user_exists) {
        missing.push(format!("user {user}"));
    }
    missing.extend(instances.iter().filter_map(|wanted| link(wanted, observed)));
    if !missing.is_empty() {
        changes.push(Change::Unprepared { host: host.name.clone(), missing });
    }
    let is = &observed.supervisor;
    let how = match &host.supervisor {
        Supervisor::Supervisord(_) if is.pid.is_none() => Some(SupervisorChange::Down),
        Supervisor::Supervisord(own) if is.config != Some(Digest::of(own.config.as_bytes())) => {
            Some(SupervisorChange::Config)
        }
        Supervisor::Systemd if is.pid.is_some() => Some(SupervisorChange::Superseded),
        Supervisor::Supervisord(_) | Supervisor::Systemd => None,
    };
    changes.extend(how.map(|how| Change::Supervisor { host: host.name.clone(), how }));
    boot(host, observed, changes);
}

/// The link to data that stays where it is, when it is not there.
fn link(wanted: &DesiredInstance, observed: &HostObservation) -> Option<String> {
    let data = wanted.adopts.as_ref()?.data.as_ref()?;
    let adoption = observed.instances.get(wanted.id.role.as_str()).and_then(|one| one.adoption.as_ref());
    let linked = adoption.and_then(|adoption| adoption.linked.as_ref());
    (linked != Some(data)).then(|| format!("{} -> {data}", wanted.data_dir))
}

/// What starts everything at boot. A unit that may not be written is no difference: it is warned of.
fn boot(host: &DesiredHost, observed: &HostObservation, changes: &mut Vec<Change>) {
    let digest = |text: &String| Digest::of(text.as_bytes());
    let mut compare = |path: String, from: Option<Digest>, to: Option<Digest>, same: bool| {
        if from != to || !same {
            changes.push(Change::Boot { host: host.name.clone(), path, from, to });
        }
    };
    let script = host.boot.as_ref().map(|boot| digest(&boot.script));
    compare(format!("{}/bin/boot", host.prefix), observed.init.script, script, true);
    if observed.may_write_units() {
        let (unit, init) = (host.boot_unit(), &observed.init);
        let wanted = host.boot.as_ref().map(|boot| digest(&boot.unit));
        let is = init.units.get(&unit).copied();
        compare(format!("{UNIT_FOLDER}/{unit}"), is, wanted, init.enabled == wanted.is_some());
    }
}

fn software(host: &DesiredHost, observed: &HostObservation, changes: &mut Vec<Change>) {
    // Software without parts is the host's own (`system`): it is observed when it is locked, and never assembled.
    for (folder, software) in host.software.iter().filter(|(_, software)| !software.parts.is_empty()) {
        let (host, folder) = (host.name.clone(), folder.clone());
        match observed.software.get(&folder) {
            Some(SoftwareObservation::Intact) => {}
            Some(SoftwareObservation::Damaged(paths)) => {
                changes.push(Change::SoftwareDamaged { host, folder, paths: paths.clone() });
            }
            None => {
                let lacking = software.parts.iter().filter(|part| !observed.artifacts.contains(&part.file_name()));
                let bytes = lacking.map(|part| part.size).sum();
                changes.push(Change::SoftwareMissing { host, folder, bytes });
            }
        }
    }
}

/// What an interrupted run may have left of artifacts that the host still lacks: the next transfer goes on with it, or
/// throws it away.
fn begun(host: &DesiredHost, observed: &HostObservation) -> BTreeSet<String> {
    let lacking = host.software.iter().filter(|(folder, _)| !observed.software.contains_key(*folder));
    let parts = lacking.flat_map(|(_, software)| &software.parts).map(Part::file_name);
    parts.filter(|name| !observed.artifacts.contains(name)).map(|name| format!("install/.tmp-{name}")).collect()
}

fn left_behind(host: &DesiredHost, observed: &HostObservation, changes: &mut Vec<Change>) {
    let begun = begun(host, observed);
    let mut paths: Vec<String> = observed.debris.iter().filter(|path| !begun.contains(*path)).cloned().collect();
    if !paths.is_empty() {
        paths.sort();
        changes.push(Change::Debris { host: host.name.clone(), paths });
    }
    for (name, record) in &observed.undo {
        changes.push(Change::UndoLeft {
            service: record.service.clone(),
            host: host.name.clone(),
            record: name.clone(),
            setting: record.setting.clone(),
            value: record.value.clone(),
        });
    }
}
