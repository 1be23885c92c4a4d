//! Packages that instances, or a supervisor of ours, need and that the operator allows: those whose programs a host lacks.
//!
//! A program that is there is somebody else's, whichever package it is from; nothing is ever removed again.

use super::Change;
use crate::desired::{DesiredHost, DesiredInstance, Need};
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
    let needs = instances.iter().flat_map(|one| one.needs.iter());
    let mut packages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (program, package) in given(needs.chain(host.own_needs())) {
        if observed.facts.commands.get(program) == Some(&false) {
            packages.entry(package.to_owned()).or_default().insert(program.to_owned());
        }
    }
    (!packages.is_empty()).then(|| Change::Packages { host: host.name.clone(), packages })
}

/// Programs that are allowed to be installed, each with one package: that of the last module that names another one.
pub(crate) fn given<'a>(needs: impl Iterator<Item = &'a Need>) -> BTreeMap<&'a str, &'a str> {
    let named = needs.filter(|need| need.allowed).filter_map(|need| match &need.kind {
        NeedKind::Command { name, package: Some(package) } => Some((name.as_str(), package.as_str())),
        _ => None,
    });
    named.collect()
}
