//! What hosts lack and may be given. Packages come before anything else, since what is staged may need them: a supervisor
//! is started with an interpreter. Kernel settings come after everything is staged, and before anything that needs them is
//! started.

use super::sequence::Draft;
use super::{PlanInput, Reason, StepKind};
use crate::desired::DesiredHost;
use crate::diff::Change;
use crate::model::HostName;
use std::collections::{BTreeMap, BTreeSet};

/// Whether something may be given to a host in this run.
pub(super) fn may(input: &PlanInput<'_>, host: &HostName) -> bool {
    let options = input.options;
    let mut here = input.desired.instances.values().filter(|one| one.id.host == *host);
    let asked = options.only.is_empty() || here.any(|one| options.selects(&one.id, &one.service));
    // A restart or a reload as everything is does nothing else.
    options.asked.is_none() && asked && !options.without.contains(host)
}

/// Packages: one step for each host that lacks any.
pub(super) fn packages(input: &PlanInput<'_>, changes: &[Change]) -> Vec<Draft> {
    let draft = |change: &Change| {
        let Change::Packages { host, packages } = change else { return None };
        let packages = asked_for(input, host, packages);
        if !may(input, host) || packages.is_empty() {
            return None;
        }
        let missing = packages.keys().map(|package| format!("package {package}")).collect();
        let kind = StepKind::Install { host: host.clone(), packages };
        Some(Draft::new(format!("install {host}"), kind, vec![Reason::Missing(missing)]))
    };
    changes.iter().filter_map(draft).collect()
}

/// What of it is for what was asked for, or for the supervisor.
fn asked_for(
    input: &PlanInput<'_>,
    host: &HostName,
    packages: &BTreeMap<String, BTreeSet<String>>,
) -> BTreeMap<String, BTreeSet<String>> {
    let here = input.desired.instances.values().filter(|one| one.id.host == *host);
    let selected = here.filter(|one| input.options.selects(&one.id, &one.service)).flat_map(|one| one.needs.iter());
    let own = input.desired.hosts.get(host).map(DesiredHost::own_needs).unwrap_or_default();
    let wanted: BTreeSet<&str> = selected.chain(own).filter_map(|need| need.kind.program()).collect();
    let mut packages = packages.clone();
    for programs in packages.values_mut() {
        programs.retain(|program| wanted.contains(program.as_str()));
    }
    packages.retain(|_, programs| !programs.is_empty());
    packages
}

/// Kernel settings: one step for each host that something is asked for on.
pub(super) fn kernel(input: &PlanInput<'_>, changes: &[Change]) -> Vec<Draft> {
    let draft = |change: &Change| {
        let Change::Kernel { host, keep, set, .. } = change else { return None };
        if !may(input, host) {
            return None;
        }
        let named = |(name, value): (&String, &u64)| format!("{name}={value}");
        let missing: Vec<String> = set.iter().map(named).collect();
        let reason = if missing.is_empty() { Reason::Leftover } else { Reason::Missing(missing) };
        let kind = StepKind::Provide { host: host.clone(), keep: keep.clone(), set: set.clone() };
        Some(Draft::new(format!("provide {host}"), kind, vec![reason]))
    };
    changes.iter().filter_map(draft).collect()
}
