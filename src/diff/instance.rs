//! What differs at one instance: its files, its software, its process.

use super::text::Texts;
use super::{Change, FileDiff, Origin};
use crate::desired::{DesiredFile, DesiredHost, DesiredInstance, Place, UNIT_FOLDER, phase_of_file};
use crate::inventory::{
    FileObservation, HeldWhat, HostObservation, InstanceObservation, Inventory, ProcessObservation, Running, version_in,
};
use crate::model::{Digest, Name, OnChange, SupervisorKind};
use std::collections::BTreeMap;

/// Files of a generation that define the process.
const PROCESS_FILES: [&str; 3] = ["launch", SupervisorKind::Supervisord.entry(), SupervisorKind::Systemd.entry()];

/// Files that are written with every generation and never part of it.
const RECORDS: [&str; 4] = ["manifest", "restart-generation", "secrets", "software"];

/// Compares one instance with its observation.
pub(super) fn compare(
    host: &DesiredHost,
    wanted: &DesiredInstance,
    observed: &HostObservation,
    inventory: &Inventory,
    texts: &mut Texts,
    changes: &mut Vec<Change>,
    diffs: &mut Vec<FileDiff>,
) {
    let id = &wanted.id;
    let nothing = InstanceObservation::default();
    let found = observed.instances.get(id.role.as_str()).unwrap_or(&nothing);
    let held = found.held.as_ref().filter(|held| held.holds(wanted.content_generation));
    if let Some(held) = held {
        changes.push(Change::Held { instance: id.clone(), held: held.clone() });
        let target = held.to.filter(|_| held.what == HeldWhat::RolledBack);
        if let Some(to) = target {
            rolled_back(wanted, found, to, inventory, changes);
        }
        return;
    }
    changes.extend(found.held.clone().map(|held| Change::Lapsed { instance: id.clone(), held }));
    let stranger = matches!(&found.process, ProcessObservation::Running(running) if running.stranger);
    if found.current.is_none() {
        // What runs already is not new: it is told as what it becomes.
        changes.extend((!stranger).then(|| Change::NewInstance { instance: id.clone() }));
    } else {
        let before = changes.len();
        software(host, wanted, found, changes);
        files(wanted, found, texts, changes, diffs);
        let recorded = found.current == Some(wanted.content_generation)
            && found.current_restart == Some(wanted.restart_generation);
        if !recorded && changes.len() == before {
            changes.push(Change::ProcessDefinition { instance: id.clone() });
        }
    }
    unit(wanted, observed, changes);
    process(wanted, found, inventory, changes);
    let to = host.supervisor.kind();
    if let ProcessObservation::Running(running) = &found.process
        && let Some(from) = running.supervised.filter(|from| *from != to)
    {
        changes.push(Change::OtherSupervisor { instance: id.clone(), from, to });
    }
    if found.on_trial {
        changes.push(Change::Unproven { instance: id.clone() });
    }
}

/// The unit outside the prefix: a copy of the one in the generation. One that may not be removed is left.
fn unit(wanted: &DesiredInstance, observed: &HostObservation, changes: &mut Vec<Change>) {
    let entry = |file: &&DesiredFile| path_of(&file.place) == SupervisorKind::Systemd.entry();
    let to = wanted.files.iter().find(entry).map(|file| file.sha256);
    let from = observed.init.units.get(&wanted.unit).copied();
    if from != to && (to.is_some() || observed.may_write_units()) {
        let path = format!("{UNIT_FOLDER}/{}", wanted.unit);
        changes.push(Change::Unit { instance: wanted.id.clone(), path, from, to });
    }
}

/// What is left to do of a rollback that was interrupted: it is finished, although the instance is held.
fn rolled_back(
    wanted: &DesiredInstance,
    found: &InstanceObservation,
    to: Digest,
    inventory: &Inventory,
    changes: &mut Vec<Change>,
) {
    let id = &wanted.id;
    match &found.process {
        ProcessObservation::Running(running) => {
            let recorded = found.current_restart.unwrap_or(to);
            if found.current != Some(to) || running.restart_generation != recorded {
                let (instance, running) = (id.clone(), running.restart_generation);
                changes.push(Change::RestartPending { instance, running, wanted: recorded });
            }
            serving(wanted, running, inventory, changes);
        }
        ProcessObservation::Dead { .. } => changes.push(Change::NotRunning { instance: id.clone(), died: true }),
        ProcessObservation::Absent => changes.push(Change::NotRunning { instance: id.clone(), died: false }),
    }
}

fn process(wanted: &DesiredInstance, found: &InstanceObservation, inventory: &Inventory, changes: &mut Vec<Change>) {
    let id = &wanted.id;
    let running = match &found.process {
        ProcessObservation::Running(running) => running,
        ProcessObservation::Dead { .. } => {
            changes.push(Change::NotRunning { instance: id.clone(), died: true });
            return;
        }
        ProcessObservation::Absent => {
            if found.current.is_some() {
                changes.push(Change::NotRunning { instance: id.clone(), died: false });
            }
            return;
        }
    };
    if found.current_restart == Some(wanted.restart_generation)
        && running.restart_generation != wanted.restart_generation
    {
        changes.push(Change::RestartPending {
            instance: id.clone(),
            running: running.restart_generation,
            wanted: wanted.restart_generation,
        });
    }
    if running.reload_owed {
        changes.push(Change::ReloadOwed { instance: id.clone() });
    }
    serving(wanted, running, inventory, changes);
}

/// Whether a process that runs is watched and serves.
fn serving(wanted: &DesiredInstance, running: &Running, inventory: &Inventory, changes: &mut Vec<Change>) {
    let id = &wanted.id;
    if running.stranger {
        // What is asked of an instance (its name, its version) is not what that one would answer.
        let data = wanted.adopts.as_ref().and_then(|adopts| adopts.data.clone());
        changes.push(Change::Stranger { instance: id.clone(), pid: running.pid, data });
        return;
    }
    if running.supervised.is_none() {
        changes.push(Change::Unsupervised { instance: id.clone(), pid: running.pid });
    }
    let ready = inventory.services.get(&wanted.service).and_then(|service| service.ready.get(id));
    if let Some(verdict) = ready.filter(|verdict| !verdict.holds) {
        let (instance, says) = (id.clone(), verdict.says.clone());
        changes.push(if verdict.unknown {
            Change::Unasked { instance, says }
        } else {
            Change::NotReady { instance, says }
        });
    }
}

fn software(host: &DesiredHost, wanted: &DesiredInstance, found: &InstanceObservation, changes: &mut Vec<Change>) {
    for (software, old) in replaced(host, wanted, found) {
        let Ok(module) = Name::new(software.module.as_str()) else { continue };
        let from = old.and_then(|folder| version_in(software.module.as_str(), folder));
        changes.push(Change::Software { instance: wanted.id.clone(), module, from, to: software.version.clone() });
    }
}

/// Wanted software that the current generation does not use, with the folder that it uses in its place.
fn replaced<'a>(
    host: &'a DesiredHost,
    wanted: &'a DesiredInstance,
    found: &'a InstanceObservation,
) -> impl Iterator<Item = (&'a crate::desired::Software, Option<&'a String>)> {
    let unknown = found.software.is_empty();
    let folders = wanted.software.iter().filter(move |folder| !unknown && !found.software.contains(folder));
    folders.filter_map(|folder| host.software.get(folder)).map(|software| {
        let same = |old: &&String| version_in(software.module.as_str(), old).is_some();
        (software.as_ref(), found.software.iter().find(same))
    })
}

fn files(
    wanted: &DesiredInstance,
    found: &InstanceObservation,
    texts: &mut Texts,
    changes: &mut Vec<Change>,
    diffs: &mut Vec<FileDiff>,
) {
    let from = changes.len();
    let id = &wanted.id;
    let marks = |path: &str| marks_phase(wanted, path);
    let same_generation = found.current == Some(wanted.content_generation);
    let recorded = same_generation && found.current_restart == Some(wanted.restart_generation);
    let by_path: BTreeMap<&str, &DesiredFile> = wanted.files.iter().map(|file| (path_of(&file.place), file)).collect();
    for (path, file) in &by_path {
        let old = found.files.get(*path);
        let process_file = PROCESS_FILES.contains(path) && !same_generation;
        let in_generation = matches!(file.place, Place::Generation(_));
        match old {
            Some(old) if file.is_met_by(old.sha256, old.content.as_deref()) => {
                if old.mode != file.mode && !file.identity {
                    let (instance, path) = (id.clone(), (*path).to_owned());
                    changes.push(Change::Mode { instance, path, from: old.mode, to: file.mode });
                }
                continue;
            }
            // It comes and goes with the generations of a change; what the change is, the other files say.
            _ if !same_generation && marks(path) => continue,
            _ if process_file && !definition_differs(wanted, found, file, old) => continue,
            _ if process_file => {
                let change = Change::ProcessDefinition { instance: id.clone() };
                if !changes[from..].contains(&change) {
                    changes.push(change);
                }
            }
            _ => changes.push(Change::File {
                instance: id.clone(),
                path: (*path).to_owned(),
                on_change: file.on_change,
                from: old.map(|old| old.sha256),
                to: Some(file.sha256),
                by_hand: recorded || (same_generation && in_generation),
                origin: origin(found, path, file, recorded || (same_generation && in_generation)),
            }),
        }
        let old_text = match old {
            Some(old) => old.content.as_deref(),
            None => Some(""),
        };
        let text = old_text.filter(|_| !file.secret).and_then(|old| texts.unified(path, old, file));
        diffs.push(FileDiff { instance: id.clone(), path: (*path).to_owned(), text });
    }
    gone(wanted, found, &by_path, changes);
}

/// Who has changed a file that is not as it is declared, from what it was written as.
fn origin(found: &InstanceObservation, path: &str, file: &DesiredFile, by_hand: bool) -> Option<Origin> {
    if by_hand {
        return Some(Origin::Host);
    }
    // Placed files are in no manifest.
    if found.applied.is_empty() || matches!(file.place, Place::Absolute(_)) {
        return None;
    }
    let (written, is) = (found.applied.get(path), found.files.get(path).map(|old| old.sha256));
    match (written != Some(&file.sha256), written.copied() != is) {
        (true, true) => Some(Origin::Both),
        (true, false) => Some(Origin::Declared),
        (false, true) => Some(Origin::Host),
        (false, false) => None,
    }
}

/// Files of the current generation that are not wanted any more, or that somebody has put there.
fn gone(
    wanted: &DesiredInstance,
    found: &InstanceObservation,
    by_path: &BTreeMap<&str, &DesiredFile>,
    changes: &mut Vec<Change>,
) {
    let kept = |path: &str| {
        by_path.contains_key(path)
            || RECORDS.contains(&path)
            || PROCESS_FILES.contains(&path)
            || wanted.module.service_owned.iter().any(|owned| owned == path)
    };
    let same_generation = found.current == Some(wanted.content_generation);
    let gone = |path: &str| !kept(path) && !path.starts_with('/') && (same_generation || !marks_phase(wanted, path));
    for (path, old) in found.files.iter().filter(|(path, _)| gone(path)) {
        changes.push(Change::File {
            instance: wanted.id.clone(),
            path: path.clone(),
            on_change: OnChange::Nothing,
            from: Some(old.sha256),
            to: None,
            by_hand: same_generation,
            origin: None,
        });
    }
}

/// Whether a file only says which phase of a change a generation belongs to.
fn marks_phase(wanted: &DesiredInstance, path: &str) -> bool {
    wanted.module.phases.as_ref().is_some_and(|phases| phase_of_file(path, phases).is_some())
}

/// Whether a file that defines the process differs in more than the names of the software folders in it.
fn definition_differs(
    wanted: &DesiredInstance,
    found: &InstanceObservation,
    file: &DesiredFile,
    old: Option<&FileObservation>,
) -> bool {
    let Some(old) = old.and_then(|old| old.content.as_deref()) else {
        // Its text is not known: the software explains it, or else the definition does.
        return *found.software == *wanted.software;
    };
    let mut text = old.to_owned();
    for (old, new) in found.software.iter().zip(wanted.software.iter()) {
        text = text.replace(old, new);
    }
    text != *file.content
}

fn path_of(place: &Place) -> &str {
    match place {
        Place::Generation(path) | Place::Absolute(path) => path,
    }
}
