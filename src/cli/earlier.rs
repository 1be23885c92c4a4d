//! What things took in earlier runs, from the journals of a few hosts of each role.

use super::world::World;
use crate::desired::Desired;
use crate::history::{Journal, durations, runs};
use crate::host::{Platform as _, WantedJournals};
use crate::inventory::{Durations, Inventory};
use crate::model::{HostName, RoleId};
use futures::StreamExt as _;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Hosts of each role that are asked: more would say the same.
const HOSTS_OF_ROLE: usize = 3;

/// Hosts that are asked in all.
const HOSTS: usize = 24;

/// Newest runs that count.
const RUNS: usize = 10;

/// Somebody waits for the plan: who does not answer in this time is not waited for.
const WITHIN: Duration = Duration::from_secs(5);

/// What things took, as far as hosts that were observed can tell. Which hosts are asked depends on the file alone, and on
/// which ones could be observed: a snapshot knows what a plan would.
pub(crate) async fn took(desired: &Desired, inventory: &Inventory, world: &World) -> Durations {
    let asked = asked(desired, inventory).into_iter().map(|name| async move {
        let (host, machine) = (desired.hosts.get(&name)?, world.host(&name)?);
        let answer = tokio::time::timeout(WITHIN, machine.journals(&host.prefix, &WantedJournals::Newest(RUNS))).await;
        let texts = answer.ok()?.ok()?;
        Some(texts.iter().map(|text| Journal::read(&name, text)).collect::<Vec<_>>())
    });
    let answers: Vec<Option<Vec<Journal>>> = futures::stream::iter(asked).buffered(HOSTS).collect().await;
    durations(&runs(answers.into_iter().flatten().flatten().collect()))
}

fn asked(desired: &Desired, inventory: &Inventory) -> BTreeSet<HostName> {
    let mut of_role: BTreeMap<&RoleId, usize> = BTreeMap::new();
    let mut hosts = BTreeSet::new();
    let ids: BTreeSet<_> = desired.instances.keys().collect();
    for id in ids {
        let seen = inventory.hosts.get(&id.host).is_some_and(|host| host.seen().is_some());
        let count = of_role.entry(&id.role).or_default();
        if seen && *count < HOSTS_OF_ROLE && (hosts.len() < HOSTS || hosts.contains(&id.host)) {
            *count += 1;
            hosts.insert(id.host.clone());
        }
    }
    hosts
}
