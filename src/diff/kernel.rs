//! Kernel settings that instances need and that the operator allows: what of them a host lacks, and what a file of ours keeps
//! there for the next boot.
//!
//! A value that is enough already is never changed, and never written down: it is somebody else's. So the file holds what we
//! have set, and nothing more.

use super::Change;
use crate::desired::{DesiredHost, DesiredInstance};
use crate::inventory::HostObservation;
use crate::model::NeedKind;
use std::collections::BTreeMap;

/// From the least to the largest value that is enough.
type Range = (u64, u64);

pub(super) fn compare(
    host: &DesiredHost,
    instances: &[&DesiredInstance],
    observed: &HostObservation,
) -> Option<Change> {
    // Only root may set them; what is missing is then in the table of needs.
    if observed.uid != 0 {
        return None;
    }
    let kept = observed.facts.kept.clone().unwrap_or_default();
    let (mut keep, mut set) = (BTreeMap::new(), BTreeMap::new());
    for (name, range) in wanted(instances) {
        let Some(is) = observed.facts.sysctl.get(name).copied() else { continue };
        if is != within(is, range) {
            set.insert(name.to_owned(), within(is, range));
        }
        let keeps = set.get(name).or_else(|| kept.get(name)).copied();
        keep.extend(keeps.map(|value| (name.to_owned(), within(value, range))));
    }
    let left = observed.facts.kept.is_some() && keep.is_empty();
    let differs = kept != keep || left || !set.is_empty();
    differs.then(|| Change::Kernel { host: host.name.clone(), path: host.kernel_file(), kept, keep, set })
}

/// What all instances of a host together need of each setting, and what may be set. Needs that exclude each other are nobody's
/// to meet.
fn wanted<'a>(instances: &[&'a DesiredInstance]) -> impl Iterator<Item = (&'a str, Range)> {
    let mut wanted: BTreeMap<&str, Range> = BTreeMap::new();
    for need in instances.iter().flat_map(|one| one.needs.iter()).filter(|need| need.allowed) {
        let NeedKind::Sysctl { name, at_least, at_most } = &need.kind else { continue };
        let (least, most) = wanted.entry(name).or_insert((0, u64::MAX));
        *least = at_least.map_or(*least, |value| value.max(*least));
        *most = at_most.map_or(*most, |value| value.min(*most));
    }
    wanted.into_iter().filter(|(_, (least, most))| least <= most)
}

/// The value of a range that is nearest to another one.
fn within(value: u64, (least, most): Range) -> u64 {
    value.clamp(least, most)
}
