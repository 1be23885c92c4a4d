//! Packages that instances, or a supervisor of ours, need and that the operator allows: those whose programs a host lacks.
//!
//! A program that is there is somebody else's, whichever package it is from; nothing is ever removed again.

use super::Change;
use crate::desired::{DesiredHost, DesiredInstance};
use crate::inventory::HostObservation;
use crate::model::NeedKind;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn compare(
    host: &DesiredHost,
    instances: &[&DesiredInstance],
    observed: &HostObservation,
) -> Option<Change> {
    // Only root may install them, and a host whose package manager we do not know is its owner's.
    if observed.uid != 0 || observed.facts.installs != Some(true) {
        return None;
    }
    let mut packages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let needs = instances.iter().flat_map(|one| one.needs.iter());
    for need in needs.chain(host.own_needs()).filter(|need| need.allowed) {
        let NeedKind::Command { name, package: Some(package) } = &need.kind else { continue };
        if observed.facts.commands.get(name) == Some(&false) {
            packages.entry(package.clone()).or_default().insert(name.clone());
        }
    }
    (!packages.is_empty()).then(|| Change::Packages { host: host.name.clone(), packages })
}
