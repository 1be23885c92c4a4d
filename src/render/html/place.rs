//! Hosts by number: a page that is about a thousand hosts names each of them once.

use crate::desired::Desired;
use crate::model::{HostName, InstanceId, RoleId, ServiceName};
use crate::plan::Plan;
use std::collections::{BTreeMap, BTreeSet};

/// The hosts and roles that a page can be filtered by.
pub(super) struct Places<'a> {
    desired: &'a Desired,
    /// In the order that people count in: `node2` before `node10`.
    hosts: Vec<&'a HostName>,
    numbers: BTreeMap<&'a HostName, usize>,
}

impl<'a> Places<'a> {
    /// Declared hosts, and those that the plan is about beside them.
    pub(super) fn new(plan: &'a Plan, desired: &'a Desired) -> Self {
        let all: BTreeSet<&HostName> =
            desired.hosts.keys().chain(plan.changes.iter().filter_map(crate::diff::Change::host)).collect();
        let mut hosts: Vec<&HostName> = all.into_iter().collect();
        hosts.sort_by_cached_key(|name| counted(name.as_str()));
        let numbers = hosts.iter().enumerate().map(|(number, name)| (*name, number)).collect();
        Self { desired, hosts, numbers }
    }

    /// The names of all hosts.
    pub(super) fn names(&self) -> Vec<String> {
        self.hosts.iter().map(ToString::to_string).collect()
    }

    /// The names as JSON that can stand in a script element: no name has a character that could end it.
    pub(super) fn script_list(&self) -> String {
        let names: Vec<String> = self.hosts.iter().map(|name| format!("\"{name}\"")).collect();
        format!("[{}]", names.join(","))
    }

    /// All roles.
    pub(super) fn roles(&self) -> Vec<String> {
        let roles: BTreeSet<&RoleId> = self.desired.instances.keys().map(|id| &id.role).collect();
        roles.into_iter().map(ToString::to_string).collect()
    }

    /// The numbers of some hosts as ranges: `0-3,7`.
    pub(super) fn of_hosts<'h>(&self, hosts: impl IntoIterator<Item = &'h HostName>) -> String {
        let numbers: BTreeSet<usize> = hosts.into_iter().filter_map(|host| self.numbers.get(host).copied()).collect();
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for number in numbers {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == number => *last = number,
                _ => runs.push((number, number)),
            }
        }
        let run = |(first, last): &(usize, usize)| {
            if first == last { first.to_string() } else { format!("{first}-{last}") }
        };
        runs.iter().map(run).collect::<Vec<_>>().join(",")
    }

    /// Hosts and roles of some instances.
    pub(super) fn of_instances(&self, ids: &[&InstanceId]) -> (String, String) {
        let roles: BTreeSet<&str> = ids.iter().map(|id| id.role.as_str()).collect();
        (self.of_hosts(ids.iter().map(|id| &id.host)), roles.into_iter().collect::<Vec<_>>().join(" "))
    }

    /// Hosts and roles of a service.
    pub(super) fn of_service(&self, service: &ServiceName) -> (String, String) {
        let ids: Vec<&InstanceId> =
            self.desired.services.get(service).into_iter().flat_map(|service| &service.instances).collect();
        self.of_instances(&ids)
    }
}

/// A name as people count: its stem, then its final number.
fn counted(name: &str) -> (String, u64, String) {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = name[stem.len()..].parse().unwrap_or(0);
    (stem.to_owned(), number, name.to_owned())
}
