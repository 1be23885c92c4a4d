//! That everything that is written outside the prefix is in the list of what differs: units of instances, and what starts
//! at boot.

use super::{Reading, Violation, scope};
use crate::desired::{DesiredInstance, Place, UNIT_FOLDER};
use crate::diff::Change;
use crate::model::{Digest, HostName, SupervisorKind};
use crate::plan::{Action, Roll, Step, StepKind};

pub(super) fn judge(reading: &Reading<'_>, found: &mut Vec<Violation>) {
    for step in &reading.plan.steps {
        if let StepKind::Supervise { host } = &step.kind {
            boot(reading, step, host, found);
        }
        for roll in super::rolls(step) {
            unit(reading, step, roll, found);
        }
    }
}

/// The unit that a switch to what is declared puts in place.
fn unit(reading: &Reading<'_>, step: &Step, roll: &Roll, found: &mut Vec<Violation>) {
    let Some(declared) = reading.desired.instances.get(&roll.instance) else { return };
    let to_declared =
        |action: &Action| matches!(action, Action::Switch { to, .. } if *to == declared.content_generation);
    let Some(wanted) = entry(declared).filter(|_| roll.actions.iter().any(to_declared)) else { return };
    let is = scope::observed(reading, &roll.instance.host).and_then(|host| host.init.units.get(&declared.process.unit));
    let path = format!("{UNIT_FOLDER}/{}", declared.process.unit);
    let listed = |change: &Change| matches!(change, Change::Unit { instance, path: at, .. } if *instance == roll.instance && *at == path);
    if is != Some(&wanted) && !reading.plan.changes.iter().any(listed) {
        found.push(Violation::UnlistedFile { step: step.id.0.clone(), host: roll.instance.host.clone(), path });
    }
}

/// The digest of the unit in an instance's generation.
fn entry(declared: &DesiredInstance) -> Option<Digest> {
    let unit = Place::Generation(SupervisorKind::Systemd.entry().to_owned());
    declared.files.iter().find(|file| file.place == unit).map(|file| file.sha256)
}

fn boot(reading: &Reading<'_>, step: &Step, host: &HostName, found: &mut Vec<Violation>) {
    let (Some(declared), Some(seen)) = (reading.desired.hosts.get(host), scope::observed(reading, host)) else {
        return;
    };
    let name = declared.boot_unit();
    let wanted = declared.boot.as_ref().map(|boot| Digest::of(boot.unit.as_bytes()));
    let same = seen.init.units.get(&name).copied() == wanted && seen.init.enabled == wanted.is_some();
    let path = format!("{UNIT_FOLDER}/{name}");
    let listed =
        |change: &Change| matches!(change, Change::Boot { host: at, path: of, .. } if at == host && *of == path);
    if !same && seen.may_write_units() && !reading.plan.changes.iter().any(listed) {
        found.push(Violation::UnlistedFile { step: step.id.0.clone(), host: host.clone(), path });
    }
}
