//! `cluster.lock` as data: which bytes each declared version is. Read and written as KDL.

use crate::desired::Part;
use crate::model::{Digest, ModuleName, Version};
use std::collections::BTreeMap;

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lock {
    /// Locked artifacts.
    pub artifacts: BTreeMap<Key, Locked>,
}

/// What is locked: a module's software at a version, or one of its plugins.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The module.
    pub module: ModuleName,
    /// The plugin's name; `None` is the software itself.
    pub plugin: Option<String>,
    /// The version, as the operator wrote it.
    pub version: Version,
}

/// One locked artifact.
#[derive(Debug, Clone, PartialEq)]
pub struct Locked {
    /// Which source it came from, for people (`maven org.apache.kafka:kafka_2.11:2.1.1`).
    pub source: String,
    /// What was fetched. Empty for software that is already on the host.
    pub files: Vec<LockedFile>,
    /// The canonical bundle made of it; `None` for software that is already on the host.
    pub bundle: Option<Part>,
    /// The program whose presence on the host is required, for software that is already there.
    pub system: Option<String>,
}

/// One fetched file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedFile {
    /// Its name.
    pub name: String,
    /// sha256 of its bytes.
    pub sha256: Digest,
    /// Bytes.
    pub size: u64,
}
