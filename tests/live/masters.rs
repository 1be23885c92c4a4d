//! How many masters Elasticsearch 6 wants to see before it elects one, against how many there are, at every moment.

use crate::lab::Lab;
use crate::look;
use crate::running::Beside;
use serde_json::Value;
use std::time::Duration;

/// What was seen: how often, which numbers, and when half of the masters could have elected one.
#[derive(Default)]
pub struct Masters {
    looks: usize,
    seen: Vec<(u64, u64)>,
}

const NAME: &str = "discovery.zen.minimum_master_nodes";

/// The number that counts: what was set wins over the files, of which the smallest counts.
fn wanted(address: &str) -> Option<u64> {
    let number = |value: &Value| value.as_str()?.parse().ok();
    let ask = |path: &str| {
        let (status, body) = look::http("GET", address, 9200, path, None)?;
        serde_json::from_str::<Value>(&body).ok().filter(|_| status == 200)
    };
    let set = ask("/_cluster/settings?flat_settings=true")?;
    if let Some(set) = number(&set["persistent"][NAME]) {
        return Some(set);
    }
    let files = ask("/_nodes/master:true/settings?flat_settings=true")?;
    files["nodes"].as_object()?.values().map(|node| number(&node["settings"][NAME]).unwrap_or(1)).min()
}

/// Watches from outside. The number is asked for before those that it counts: it is raised before a master joins, and lowered when
/// one has left.
pub fn watch(lab: &Lab) -> Beside<Masters> {
    let address = lab.address(1);
    Beside::start(Duration::from_secs(1), Masters::default(), move |masters| {
        let Some(wanted) = wanted(&address) else { return };
        let nodes = look::http("GET", &address, 9200, "/_cat/nodes?h=node.role", None);
        let Some((200, roles)) = nodes else { return };
        masters.looks += 1;
        let there = roles.lines().filter(|roles| roles.contains('m')).count() as u64;
        if masters.seen.last() != Some(&(there, wanted)) {
            masters.seen.push((there, wanted));
        }
    })
}

impl Masters {
    /// More than half of those that were there were needed, at every look.
    pub fn never_two_halves(&self, most: u64) {
        println!("masters, and how many were needed, in {} looks: {:?}", self.looks, self.seen);
        assert!(self.looks > 50, "{} looks", self.looks);
        assert!(self.seen.iter().any(|(there, _)| *there == most), "all of them were seen: {:?}", self.seen);
        let halves: Vec<_> = self.seen.iter().filter(|(there, wanted)| wanted * 2 <= *there).collect();
        assert!(halves.is_empty(), "half of them could have elected one: {:?}", self.seen);
        assert!(self.seen.iter().all(|(there, wanted)| wanted <= there), "they could not agree: {:?}", self.seen);
    }
}
