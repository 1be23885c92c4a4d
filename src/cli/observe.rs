//! One look at the whole platform: every host at once, then the services that run.

use super::error::CliError;
use super::world::World;
use crate::desired::Desired;
use crate::host::{Platform as _, Wanted};
use crate::inventory::{FindModule, HostObservation, Inventory, Seen, Snapshot, Unseen};
use crate::model::HostName;
use crate::probe;
use futures::StreamExt as _;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Longest look at one host.
const HOST_LIMIT: Duration = Duration::from_secs(30);

/// The same when software is compared by content: all of it is read.
const VERIFY_LIMIT: Duration = Duration::from_mins(10);

/// Hosts looked at at a time.
const AT_ONCE: usize = 64;

/// Largest snapshot, in bytes.
const SNAPSHOT_LIMIT: u64 = 1 << 30;

/// Looks at hosts and services.
pub(crate) async fn inventory(
    desired: &Desired,
    world: &World,
    without: &BTreeSet<HostName>,
    verify: bool,
) -> Inventory {
    let hosts = hosts(desired, world, without, verify).await;
    let services = probe::services(desired, &hosts, &*world.services()).await;
    Inventory { hosts, services, ..Inventory::default() }
}

/// The same, and takes what is there and not declared any more into `desired`. `find` reads a module that no role uses.
pub(crate) async fn everything(
    desired: &mut Desired,
    world: &mut World,
    (without, verify): (&BTreeSet<HostName>, bool),
    find: FindModule<'_>,
) -> Inventory {
    let hosts = hosts(desired, world, without, verify).await;
    let mut inventory = Inventory { hosts, ..Inventory::default() };
    desired.let_go(&inventory, find);
    if !desired.leaving.is_empty() || !desired.elsewhere.is_empty() {
        world.speak_to(desired);
    }
    inventory.services = probe::services(desired, &inventory.hosts, &*world.services()).await;
    inventory
}

/// Looks at hosts.
async fn hosts(
    desired: &Desired,
    world: &World,
    without: &BTreeSet<HostName>,
    verify: bool,
) -> BTreeMap<HostName, Seen<HostObservation>> {
    let limit = if verify { VERIFY_LIMIT } else { HOST_LIMIT };
    let by_host = desired.by_host();
    let by_host = &by_host;
    let looks = desired.hosts.values().filter(|host| !without.contains(&host.name)).map(|host| async move {
        let instances = by_host.get(&host.name).into_iter().flatten().map(|one| Arc::new((*one).clone()));
        let wanted = Wanted { host: Arc::new(host.clone()), instances: instances.collect(), verify };
        let seen = match world.host(&host.name) {
            None => Err("there is no way to reach it".to_owned()),
            Some(machine) => match tokio::time::timeout(limit, machine.observe(&wanted)).await {
                Err(_) => Err(format!("no answer within {} s", limit.as_secs())),
                Ok(answer) => answer.map_err(|error| error.message),
            },
        };
        (host.name.clone(), seen.map_or_else(|why| Seen::Unseen(Unseen { why }), Seen::Seen))
    });
    futures::stream::iter(looks).buffer_unordered(AT_ONCE).collect().await
}

/// Reads a snapshot of `esplan observe`.
pub(crate) fn snapshot(path: &Path) -> Result<Snapshot, CliError> {
    let shown = path.display();
    let meta = std::fs::metadata(path).map_err(|cause| CliError::new(format!("{shown}: {cause}")))?;
    if meta.len() > SNAPSHOT_LIMIT {
        return Err(CliError::new(format!("{shown} is too large to be a snapshot")));
    }
    let text = std::fs::read_to_string(path).map_err(|cause| CliError::new(format!("{shown}: {cause}")))?;
    Snapshot::from_json(&text).map_err(|bad| {
        CliError::with_hint(
            format!("{shown} can't be planned from: {bad}"),
            "write one with: esplan observe --out FILE",
        )
    })
}
