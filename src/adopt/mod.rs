//! What runs on hosts, started by hand → the rest of a `cluster.kdl`. Pure: the hosts were looked at already, and nothing of
//! what they say is trusted.
//!
//! Nothing here knows a service: what is known is in the nodes `adopt` and `import` of its module.

mod read;
mod write;

use crate::diag::SourceId;
use crate::inventory::{Found, printable};
use crate::layout;
use crate::model::{Cluster, HostName, Module};
use read::{One, Reader};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What was found on each host; why it could not be looked at.
pub type Looked = BTreeMap<HostName, Result<Vec<Found>, String>>;

/// The result.
#[derive(Debug, Clone)]
pub struct Adopted {
    /// The text of the given file with sections `versions` and `roles` after it.
    pub text: String,
    /// How many things could not be carried over; each is a comment that begins with `TODO`.
    pub left: usize,
    /// How many instances it declares.
    pub instances: usize,
}

/// Writes the file. `given` is the text that declares the cluster and its hosts.
pub fn adopt(given: &str, cluster: &Cluster, looked: &Looked, modules: &[Arc<Module>]) -> Adopted {
    let mut notes: BTreeSet<String> = BTreeSet::new();
    let mut ones: Vec<One<'_>> = Vec::new();
    for (host, found) in looked {
        let Some(spec) = cluster.hosts.get(host) else { continue };
        match found {
            Err(why) => _ = notes.insert(format!("{host} could not be looked at: {}", printable(why, 200))),
            Ok(found) => {
                let mut reader = Reader { host: spec, cluster, modules, notes: &mut notes };
                ones.extend(found.iter().filter_map(|found| reader.one(found)));
            }
        }
    }
    let groups = write::groups(ones, &mut notes);
    let instances = groups.iter().map(|group| group.members.len()).sum();
    let written = write::write(cluster, modules, &groups, notes);
    let laid = layout::canonical("cluster.kdl", &written, SourceId(0)).unwrap_or(written);
    let left = laid.matches("// TODO").count();
    let text = format!("{}\n\n{laid}", given.trim_end());
    Adopted { text, left, instances }
}
