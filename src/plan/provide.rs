//! What hosts lack and may be given: after everything is staged, and before anything that needs it is started.

use super::sequence::Draft;
use super::{PlanInput, Reason, StepKind};
use crate::diff::Change;

/// One step for each host that something is asked for on.
pub(super) fn steps(input: &PlanInput<'_>, changes: &[Change]) -> Vec<Draft> {
    let options = input.options;
    // A restart or a reload as everything is does nothing else.
    if options.asked.is_some() {
        return Vec::new();
    }
    let draft = |change: &Change| {
        let Change::Kernel { host, keep, set, .. } = change else { return None };
        let mut here = input.desired.instances.values().filter(|one| one.id.host == *host);
        let asked = options.only.is_empty() || here.any(|one| options.selects(&one.id, &one.service));
        if !asked || options.without.contains(host) {
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
