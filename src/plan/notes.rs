//! What a plan leaves out or puts off, read off the facts.

use super::facts::{self, Facts, Hold, Need};
use super::{Note, PlanInput};
use crate::diff::Change;
use crate::inventory::Seen;
use crate::model::{HostName, InstanceId, RoleId};
use std::collections::{BTreeMap, BTreeSet};

/// What is left out or put off before any step is thought of.
pub(super) fn notes(input: &PlanInput<'_>, changes: &[Change], all: &BTreeMap<InstanceId, Facts<'_>>) -> Vec<Note> {
    let mut notes = Vec::new();
    for (host, seen) in &input.inventory.hosts {
        if let Seen::Unseen(unseen) = seen
            && !input.options.without.contains(host)
        {
            notes.push(Note::Unobserved { host: host.clone(), why: unseen.why.clone() });
        }
    }
    let by_host = facts::by_host(all);
    for host in &input.options.without {
        let instances = by_host.get(host).into_iter().flatten().map(|facts| facts.id().clone()).collect();
        notes.push(Note::Without { host: host.clone(), instances });
    }
    for change in changes {
        match change {
            Change::Held { instance, held } => {
                notes.push(Note::Held { instance: instance.clone(), held: held.clone() });
            }
            Change::Orphan { host, role, running } => {
                notes.push(Note::Orphan { host: host.clone(), role: role.clone(), running: *running });
            }
            _ => {}
        }
    }
    let mut blocked: BTreeMap<&RoleId, Vec<InstanceId>> = BTreeMap::new();
    for facts in all.values().filter(|facts| facts.hold == Hold::Blocked) {
        blocked.entry(&facts.id().role).or_default().push(facts.id().clone());
    }
    for failed in all.values().filter(|facts| facts.hold == Hold::Failed) {
        if let Some(rest) = blocked.get(&failed.id().role) {
            notes.push(Note::Blocked { by: failed.id().clone(), rest: rest.clone() });
        }
    }
    for told in [true, false] {
        let hosts = silent(input, changes, told);
        if !hosts.is_empty() {
            notes.push(Note::PassesNothingOn { hosts, told });
        }
    }
    let unasked = all
        .values()
        .filter(|facts| facts.need != Need::Nothing && !input.options.selects(facts.id(), &facts.wanted.service));
    notes.extend(unasked.map(|facts| Note::NotSelected { instance: facts.id().clone() }));
    notes
}

/// Hosts that get artifacts over SSH and will not pass them on, because the file says so or for want of a client.
fn silent(input: &PlanInput<'_>, changes: &[Change], told: bool) -> Vec<HostName> {
    let fetches: BTreeSet<&HostName> = changes
        .iter()
        .filter(|change| matches!(change, Change::SoftwareMissing { .. } | Change::SoftwareDamaged { .. }))
        .filter_map(Change::host)
        .collect();
    input
        .desired
        .hosts
        .values()
        .filter(|host| host.transport == crate::model::Transport::Ssh && fetches.contains(&host.name))
        .filter(|host| {
            let direct = host.ssh.pass_on == Some(false);
            let client = facts::observed(input, &host.name).is_none_or(|seen| seen.ssh_client);
            if told { direct } else { !direct && !client }
        })
        .map(|host| host.name.clone())
        .collect()
}
