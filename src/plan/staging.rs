//! Everything that does not disturb, on all hosts: folders, software, rendered generations, supervisors.

use super::facts::{self, Facts, Hold, Need};
use super::sequence::{Draft, Sequence};
use super::{PlanInput, Reason, StepKind};
use crate::desired::DesiredHost;
use crate::diff::{Change, SupervisorChange};
use crate::inventory::ProcessObservation;
use crate::model::{HostName, InstanceId, RoleId, SupervisorKind};
use std::collections::{BTreeMap, BTreeSet};

/// Stages every host that has something selected; the hosts that get new generations or software. What a later run
/// will do is left to that run: of the instances that something has to be done to, only those in `touched` are staged.
pub(super) fn stage(
    input: &PlanInput<'_>,
    changes: &[Change],
    all: &BTreeMap<InstanceId, Facts<'_>>,
    touched: &BTreeSet<InstanceId>,
    sequence: &mut Sequence,
) -> BTreeSet<HostName> {
    let mut written = BTreeSet::new();
    let by_host = facts::by_host(all);
    let mut differs: BTreeMap<&HostName, Vec<&Change>> = BTreeMap::new();
    for change in changes {
        if let Some(host) = change.host() {
            differs.entry(host).or_default().push(change);
        }
    }
    for host in input.desired.hosts.values() {
        let here = by_host.get(&host.name).map_or(&[][..], Vec::as_slice);
        let differs = differs.get(&host.name).map_or(&[][..], Vec::as_slice);
        let selected: Vec<&Facts<'_>> = here
            .iter()
            .copied()
            .filter(|facts| facts.hold == Hold::Free)
            .filter(|facts| facts.need < Need::Place || touched.contains(facts.id()))
            .filter(|facts| input.options.selects(facts.id(), &facts.wanted.service))
            .collect();
        let wanted = input.options.only.is_empty() || !selected.is_empty();
        if wanted
            && facts::observed(input, &host.name).is_some()
            && stage_host(host, differs, &selected, &own_software(host, here), sequence)
        {
            written.insert(host.name.clone());
        }
    }
    sequence.barrier();
    written
}

/// Software of the host itself, which no instance on it uses: its supervisor's.
fn own_software<'a>(host: &'a DesiredHost, here: &[&Facts<'_>]) -> BTreeSet<&'a String> {
    let used = |folder: &str| here.iter().any(|facts| facts.wanted.software.iter().any(|one| one == folder));
    host.software.keys().filter(|folder| !used(folder)).collect()
}

fn stage_host(
    host: &DesiredHost,
    changes: &[&Change],
    selected: &[&Facts<'_>],
    own: &BTreeSet<&String>,
    sequence: &mut Sequence,
) -> bool {
    let name = &host.name;
    let mut written = false;
    let prepare: Vec<usize> =
        prepare(host, changes, selected).map(|draft| sequence.add(draft, vec![])).into_iter().collect();
    let mut ready = Vec::new();
    for (folder, damaged) in software(changes, selected, own) {
        let reason = if damaged { Reason::SoftwareDamaged } else { Reason::Missing(vec![folder.clone()]) };
        let fetch = StepKind::Fetch { host: name.clone(), folder: folder.clone() };
        let fetch = Draft::new(format!("fetch {folder} on {name}"), fetch, vec![reason.clone()]);
        let fetch = sequence.add(fetch, prepare.clone());
        let assemble = StepKind::Assemble { host: name.clone(), folder: folder.clone() };
        let assemble = Draft::new(format!("assemble {folder} on {name}"), assemble, vec![reason]);
        ready.push(sequence.add(assemble, vec![fetch]));
        written = true;
    }
    for facts in selected.iter().filter(|facts| facts.render) {
        let (id, generation) = (facts.id(), facts.wanted.content_generation);
        let kind = StepKind::Render { instance: id.clone(), generation };
        // A generation that the service itself tests needs the service's software.
        let needs = if facts.wanted.process.check.is_empty() || ready.is_empty() { &prepare } else { &ready };
        sequence.add(Draft::new(format!("render {id}"), kind, facts.reasons.clone()), needs.clone());
        written = true;
    }
    let supervisor = |change: &&Change| {
        matches!(change, Change::Supervisor { how: SupervisorChange::Down | SupervisorChange::Config, .. })
    };
    let mut missing = Vec::new();
    if changes.iter().any(supervisor) {
        missing.push("supervisor".to_owned());
    }
    if changes.iter().any(|change| matches!(change, Change::Boot { .. })) {
        missing.push("what starts at boot".to_owned());
    }
    if !missing.is_empty() {
        let kind = StepKind::Supervise { host: name.clone() };
        let reason = vec![Reason::Missing(missing)];
        let ready = if ready.is_empty() { prepare } else { ready };
        sequence.add(Draft::new(format!("supervise {name}"), kind, reason), ready);
    }
    written
}

fn prepare(host: &DesiredHost, changes: &[&Change], selected: &[&Facts<'_>]) -> Option<Draft> {
    let (mut missing, mut debris) = (Vec::new(), Vec::new());
    for change in changes {
        match change {
            Change::Unprepared { missing: what, .. } => missing.extend(what.iter().cloned()),
            Change::Debris { paths, .. } => debris.extend(paths.iter().cloned()),
            _ => {}
        }
    }
    let new = selected.iter().filter(|facts| facts.found.is_none_or(|found| found.current.is_none()));
    missing.extend(new.map(|facts| format!("folders of {}", facts.wanted.id.role)));
    let mut reason = Vec::new();
    if !missing.is_empty() {
        reason.push(Reason::Missing(missing));
    }
    if !debris.is_empty() {
        reason.push(Reason::Leftover);
    }
    let kind = StepKind::Prepare { host: host.name.clone(), debris };
    (!reason.is_empty()).then(|| Draft::new(format!("prepare {}", host.name), kind, reason))
}

/// Folders to assemble, and whether they are there and damaged: those of the selected instances, and the host's own.
fn software(changes: &[&Change], selected: &[&Facts<'_>], own: &BTreeSet<&String>) -> Vec<(String, bool)> {
    let used = |folder: &String| selected.iter().any(|facts| facts.wanted.software.contains(folder));
    let differs = changes.iter().filter_map(|change| match change {
        Change::SoftwareMissing { folder, .. } => Some((folder.clone(), false)),
        Change::SoftwareDamaged { folder, .. } => Some((folder.clone(), true)),
        _ => None,
    });
    differs.filter(|(folder, _)| used(folder) || own.contains(folder)).collect()
}

/// The supervisors that end: another one is declared, and everything that runs under them is moved by these steps.
pub(super) fn retired(
    input: &PlanInput<'_>,
    changes: &[Change],
    moved: &BTreeSet<InstanceId>,
) -> (Vec<Draft>, BTreeSet<HostName>) {
    let (mut drafts, mut hosts) = (Vec::new(), BTreeSet::new());
    let on: BTreeSet<&HostName> = moved.iter().map(|id| &id.host).collect();
    for change in changes {
        let Change::Supervisor { host, how: SupervisorChange::Superseded } = change else { continue };
        let Some(observed) = facts::observed(input, host) else { continue };
        let asked = input.options.only.is_empty() || on.contains(host);
        let left = observed.instances.iter().any(|(role, found)| {
            let under = matches!(&found.process, ProcessObservation::Running(running)
                if running.supervised == Some(SupervisorKind::Supervisord));
            let id = RoleId::new(role).map(|role| InstanceId::new(role, host.clone()));
            under && !id.is_ok_and(|id| moved.contains(&id))
        });
        if asked && !left {
            let kind = StepKind::Retire { host: host.clone() };
            drafts.push(Draft::new(format!("retire {host}"), kind, vec![Reason::Leftover]));
            hosts.insert(host.clone());
        }
    }
    (drafts, hosts)
}
