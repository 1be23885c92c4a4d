//! The differences by host, instance and service; the same differences of several are one group.

use super::fold;
use super::told::{self, Told};
use crate::diff::{Change, FileDiff};
use crate::model::{HostName, InstanceId, Name, RoleId, ServiceName};
use crate::plan::Plan;
use std::collections::BTreeMap;

/// Whom a group is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whom<'a> {
    /// Hosts.
    Hosts(Vec<&'a HostName>),
    /// Instances of one role; in a change that needs several phases, in one that is not the first.
    Instances(Vec<&'a InstanceId>, Option<&'a Name>),
    /// A service.
    Service(&'a ServiceName),
}

impl Whom<'_> {
    /// Their names in few words.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Hosts(hosts) => fold::hosts(hosts.iter().copied()),
            Self::Instances(ids, None) => fold::instances(ids.iter().copied()),
            Self::Instances(ids, Some(phase)) => format!("{} ({phase})", fold::instances(ids.iter().copied())),
            Self::Service(name) => name.to_string(),
        }
    }
}

/// A line in some format, which can be told with `*` for the name of its host.
pub(super) trait Line: Ord + Clone {
    /// The line without that name.
    fn without(&self, host: &str) -> Self;
}

impl Line for String {
    fn without(&self, host: &str) -> Self {
        without(self, host)
    }
}

/// All differences as `line` tells them: hosts, then instances role by role, then services; then what further phases of a
/// change differ in from those before them.
pub(super) fn groups<'a, L: Line>(plan: &'a Plan, line: impl Fn(Told<'a>) -> Vec<L>) -> Vec<(Whom<'a>, Vec<L>)> {
    let mut groups = of_round((&plan.changes, &plan.diffs), &line);
    for later in &plan.later {
        let phase = later.phases.values().next();
        for (whom, lines) in of_round((&later.changes, &later.diffs), &line) {
            let whom = if let Whom::Instances(ids, _) = whom { Whom::Instances(ids, phase) } else { whom };
            groups.push((whom, lines));
        }
    }
    groups
}

/// Those of one round.
fn of_round<'a, L: Line>(
    (changes, diffs): (&'a [Change], &'a [FileDiff]),
    line: impl Fn(Told<'a>) -> Vec<L>,
) -> Vec<(Whom<'a>, Vec<L>)> {
    let mut hosts: BTreeMap<&HostName, Vec<L>> = BTreeMap::new();
    let mut instances: BTreeMap<&InstanceId, Vec<L>> = BTreeMap::new();
    let mut services: BTreeMap<&ServiceName, Vec<L>> = BTreeMap::new();
    let diffs = told::diffs(diffs);
    for change in changes {
        let lines = line(told::told(change, &diffs));
        match (change, change.instance(), change.host()) {
            (Change::NotHealthy { service, .. } | Change::Setting { service, instance: None, .. }, ..) => {
                services.entry(service).or_default().extend(lines);
            }
            (_, Some(instance), _) => instances.entry(instance).or_default().extend(lines),
            (_, None, Some(host)) => hosts.entry(host).or_default().extend(lines),
            (_, None, None) => {}
        }
    }
    let mut groups: Vec<(Whom<'a>, Vec<L>)> = Vec::new();
    groups.extend(same(hosts).into_iter().map(|(names, lines)| (Whom::Hosts(names), lines)));
    let mut roles: BTreeMap<&RoleId, BTreeMap<&InstanceId, Vec<L>>> = BTreeMap::new();
    for (instance, lines) in instances {
        roles.entry(&instance.role).or_default().insert(instance, lines);
    }
    for of_role in roles.into_values() {
        let alike = alike(same(of_role));
        groups.extend(alike.into_iter().map(|(names, lines)| (Whom::Instances(names, None), lines)));
    }
    groups.extend(services.into_iter().map(|(name, lines)| (Whom::Service(name), lines)));
    groups
}

/// Those with the same lines together, in the order of the first of them.
fn same<K: Ord + Copy, L: Line>(all: BTreeMap<K, Vec<L>>) -> Vec<(Vec<K>, Vec<L>)> {
    let mut groups: Vec<(Vec<K>, Vec<L>)> = Vec::new();
    let mut places: BTreeMap<Vec<L>, usize> = BTreeMap::new();
    for (key, lines) in all {
        let next = groups.len();
        if let Some((keys, _)) = places.get(&lines).and_then(|place| groups.get_mut(*place)) {
            keys.push(key);
        } else {
            places.insert(lines.clone(), next);
            groups.push((vec![key], lines));
        }
    }
    groups
}

/// Instances with the lines that are told of each of them.
type Group<'a, L> = (Vec<&'a InstanceId>, Vec<L>);

/// Single instances that differ in their own hosts' names alone together, with `*` for the name.
fn alike<L: Line>(groups: Vec<Group<'_, L>>) -> Vec<Group<'_, L>> {
    let nameless = |(names, lines): &Group<'_, L>| match names.as_slice() {
        [one] => Some(lines.iter().map(|line| line.without(one.host.as_str())).collect::<Vec<L>>()),
        _ => None,
    };
    let mut result: Vec<Group<'_, L>> = Vec::new();
    let mut places: BTreeMap<Vec<L>, usize> = BTreeMap::new();
    for group in groups {
        let Some(lines) = nameless(&group) else {
            result.push(group);
            continue;
        };
        let next = result.len();
        if let Some((names, shown)) = places.get(&lines).and_then(|place| result.get_mut(*place)) {
            names.extend(group.0);
            *shown = lines;
        } else {
            places.insert(lines, next);
            result.push(group);
        }
    }
    result
}

/// A line with `*` for a host's name, where it stands alone.
pub(super) fn without(line: &str, host: &str) -> String {
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let (mut result, mut rest) = (String::with_capacity(line.len()), line);
    while let Some(start) = rest.find(host) {
        let (before, after) = (&rest[..start], &rest[start + host.len()..]);
        let alone = !part_of_word(before.chars().next_back()) && !part_of_word(after.chars().next());
        result.push_str(before);
        result.push_str(if alone { "*" } else { host });
        rest = after;
    }
    result.push_str(rest);
    result
}
