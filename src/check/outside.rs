//! That everything that is written outside the prefix is in the list of what differs: units of instances, what starts at boot,
//! and kernel settings and packages, which somebody must need and the file allow.

use super::{Reading, Violation, scope};
use crate::desired::{DesiredHost, DesiredInstance, Place, UNIT_FOLDER};
use crate::diff::Change;
use crate::inventory::HostObservation;
use crate::model::{Digest, HostName, NeedKind, SupervisorKind};
use crate::plan::{Action, Roll, Step, StepKind};
use std::collections::BTreeSet;

/// Files outside the prefix that the plan lists.
type Listed<'a> = BTreeSet<(&'a HostName, &'a str)>;

pub(super) fn judge(reading: &Reading<'_>, found: &mut Vec<Violation>) {
    let listed: Listed<'_> = reading
        .plan
        .changes
        .iter()
        .chain(reading.plan.later.iter().flat_map(|later| &later.changes))
        .filter_map(file)
        .collect();
    for (number, step) in reading.plan.steps.iter().enumerate() {
        let boot = match &step.kind {
            StepKind::Supervise { host } => boot(reading, host, &listed),
            StepKind::Provide { host, keep, set } => {
                let values = keep.iter().chain(set).filter(|(name, value)| !allowed(reading, host, name, **value));
                found.extend(values.map(|(name, value)| Violation::NotAllowed {
                    step: step.id.0.clone(),
                    host: host.clone(),
                    name: name.clone(),
                    value: *value,
                }));
                let path = reading.desired.hosts.get(host).map(DesiredHost::kernel_file).unwrap_or_default();
                (!listed.contains(&(host, path.as_str()))).then(|| (host.clone(), path))
            }
            StepKind::Install { host, packages } => {
                let wrong = packages.iter().filter(|(package, programs)| !installs(reading, host, package, programs));
                found.extend(wrong.map(|(package, _)| Violation::PackageNotAllowed {
                    step: step.id.0.clone(),
                    host: host.clone(),
                    package: package.clone(),
                }));
                found.extend(too_late(reading, number, step, host));
                None
            }
            _ => None,
        };
        let units = super::rolls(step).iter().filter_map(|roll| unit(reading, step, roll, &listed));
        for (host, path) in units.chain(boot) {
            found.push(Violation::UnlistedFile { step: step.id.0.clone(), host, path });
        }
    }
}

/// Whether something on a host needs a kernel setting to be so, and the file allows that it is set.
fn allowed(reading: &Reading<'_>, host: &HostName, name: &str, value: u64) -> bool {
    let here = reading.desired.instances.values().filter(|one| one.id.host == *host);
    let mut needs = here.flat_map(|one| one.needs.iter()).filter(|need| need.allowed);
    let mut named = false;
    let enough = needs.all(|need| match &need.kind {
        NeedKind::Sysctl { name: of, at_least, at_most } if of == name => {
            named = true;
            at_least.is_none_or(|least| value >= least) && at_most.is_none_or(|most| value <= most)
        }
        _ => true,
    });
    named && enough
}

/// Whether a package is one that something on a host needs for each of these programs, that the file allows, and that the
/// list of what differs names.
fn installs(reading: &Reading<'_>, host: &HostName, package: &str, programs: &BTreeSet<String>) -> bool {
    let lacks = |seen: &HostObservation| {
        let lacks = |name: &String| seen.facts.commands.get(name) == Some(&false);
        seen.uid == 0 && seen.facts.installs == Some(true) && programs.iter().all(lacks)
    };
    let here = reading.desired.instances.values().filter(|one| one.id.host == *host);
    let own = reading.desired.hosts.get(host).map(DesiredHost::own_needs).unwrap_or_default();
    let allowed: BTreeSet<&str> = here
        .flat_map(|one| one.needs.iter())
        .chain(own)
        .filter(|need| need.allowed)
        .filter_map(|need| match &need.kind {
            NeedKind::Command { name, package: Some(of) } if of == package => Some(name.as_str()),
            _ => None,
        })
        .collect();
    let listed = |change: &Change| match change {
        Change::Packages { host: on, packages } => {
            on == host && packages.get(package).is_some_and(|listed| programs.is_subset(listed))
        }
        _ => false,
    };
    let needed = !programs.is_empty() && programs.iter().all(|name| allowed.contains(name.as_str()));
    needed && scope::observed(reading, host).is_some_and(lacks) && reading.plan.changes.iter().any(listed)
}

/// That packages are there before a supervisor or anything else is started on their host.
fn too_late(reading: &Reading<'_>, number: usize, step: &Step, host: &HostName) -> Option<Violation> {
    let starts = |roll: &Roll| {
        roll.instance.host == *host && roll.actions.iter().any(|action| matches!(action, Action::Start { .. }))
    };
    let needs = |other: &Step| match &other.kind {
        StepKind::Supervise { host: on } => on == host,
        _ => super::rolls(other).iter().any(starts),
    };
    let mut after = reading.plan.steps.iter().enumerate().filter(|(_, other)| needs(other));
    let late = after.any(|(other, _)| !reading.order.is_before(number, other));
    late.then(|| Violation::InstallsTooLate { step: step.id.0.clone(), host: host.clone() })
}

/// The file outside the prefix that a difference names.
fn file(change: &Change) -> Option<(&HostName, &str)> {
    match change {
        Change::Unit { instance, path, .. } => Some((&instance.host, path)),
        Change::Boot { host, path, .. } | Change::Kernel { host, path, .. } => Some((host, path)),
        _ => None,
    }
}

/// The unit that a switch to what is declared puts in place, unless it is there or listed.
fn unit(reading: &Reading<'_>, step: &Step, roll: &Roll, listed: &Listed<'_>) -> Option<(HostName, String)> {
    let declared = reading.declared(step, &roll.instance)?;
    let to_declared =
        |action: &Action| matches!(action, Action::Switch { to, .. } if *to == declared.content_generation);
    let wanted = entry(declared).filter(|_| roll.actions.iter().any(to_declared))?;
    let host = &roll.instance.host;
    let is = scope::observed(reading, host).and_then(|host| host.init.units.get(&declared.unit));
    let path = format!("{UNIT_FOLDER}/{}", declared.unit);
    (is != Some(&wanted) && !listed.contains(&(host, path.as_str()))).then(|| (host.clone(), path))
}

/// The digest of the unit in an instance's generation.
fn entry(declared: &DesiredInstance) -> Option<Digest> {
    let is_unit = |place: &Place| matches!(place, Place::Generation(path) if path == SupervisorKind::Systemd.entry());
    declared.files.iter().find(|file| is_unit(&file.place)).map(|file| file.sha256)
}

/// The unit that starts everything at boot, unless it is there or listed.
fn boot(reading: &Reading<'_>, host: &HostName, listed: &Listed<'_>) -> Option<(HostName, String)> {
    let declared = reading.desired.hosts.get(host)?;
    let seen = scope::observed(reading, host).filter(|seen| seen.may_write_units())?;
    let name = declared.boot_unit();
    let wanted = declared.boot.as_ref().map(|boot| Digest::of(boot.unit.as_bytes()));
    let same = seen.init.units.get(&name).copied() == wanted && seen.init.enabled == wanted.is_some();
    let path = format!("{UNIT_FOLDER}/{name}");
    (!same && !listed.contains(&(host, path.as_str()))).then(|| (host.clone(), path))
}
