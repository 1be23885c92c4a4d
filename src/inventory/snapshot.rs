//! Snapshots: what was observed, in a file, to plan on a machine that reaches no host. Somebody may have edited one.

use super::{Inventory, printable};
use crate::model::{Digest, Name};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Version of the form of snapshots.
const FORMAT: u32 = 1;

/// What was observed of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    format: u32,
    /// The cluster's name.
    pub cluster: Name,
    /// The marks of the declared secrets, by name: what a plan is made with where their values are not known.
    pub secrets: BTreeMap<String, Digest>,
    /// What was observed.
    pub inventory: Inventory,
}

/// Why a text is not a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum BadSnapshot {
    /// It is not JSON, or not that of a snapshot.
    #[error("it is no snapshot: {0}")]
    NotASnapshot(String),
    /// It was made by another version of this program.
    #[error("it has format {found}, and this program reads {FORMAT}")]
    OtherFormat {
        /// Its format.
        found: u32,
    },
    /// Something in it was never observed: what comes from hosts is made safe to print before it is kept.
    #[error("it was changed by hand: {0:?} has a control character in it")]
    Unprintable(String),
}

/// What every format says.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

impl Snapshot {
    /// Of an inventory.
    pub const fn new(cluster: Name, secrets: BTreeMap<String, Digest>, inventory: Inventory) -> Self {
        Self { format: FORMAT, cluster, secrets, inventory }
    }

    /// As JSON.
    pub fn to_json(&self) -> String {
        // Plain data with text keys: it always serialises.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// Reads a snapshot.
    ///
    /// # Errors
    /// When the text is no snapshot of this format, or has something in it that could not have been observed.
    pub fn from_json(text: &str) -> Result<Self, BadSnapshot> {
        let bad = |error: serde_json::Error| BadSnapshot::NotASnapshot(printable(&error.to_string(), 200));
        let head: Head = serde_json::from_str(text).map_err(bad)?;
        if head.format != FORMAT {
            return Err(BadSnapshot::OtherFormat { found: head.format });
        }
        let value: Value = serde_json::from_str(text).map_err(bad)?;
        if let Some(found) = unprintable(&value, "") {
            return Err(BadSnapshot::Unprintable(printable(found, 60)));
        }
        serde_json::from_value(value).map_err(bad)
    }
}

/// The first text that could make a terminal do something. Contents of files are only ever shown by `diff`, which makes
/// them safe; the depth is bounded by the reader of JSON.
fn unprintable<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    match value {
        Value::String(text) => (key != "content" && text.chars().any(char::is_control)).then_some(text),
        Value::Array(items) => items.iter().find_map(|item| unprintable(item, key)),
        Value::Object(entries) => entries.iter().find_map(|(key, item)| {
            if key.chars().any(char::is_control) { Some(key.as_str()) } else { unprintable(item, key) }
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}
