//! `cluster.lock` as data: which bytes each declared version is. Read and written as KDL.

mod read;
#[cfg(test)]
mod tests;
mod write;

use crate::desired::Part;
use crate::diag::{Diagnostics, SourceId};
use crate::model::{Digest, ModuleName, Version};
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::fmt;

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

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.plugin {
            None => write!(f, "{} {}", self.module, self.version),
            Some(plugin) => write!(f, "{} plugin {plugin} {}", self.module, self.version),
        }
    }
}

/// One locked artifact.
#[derive(Debug, Clone, PartialEq)]
pub struct Locked {
    /// Which source it came from, for people (`maven GROUP:NAME:VERSION`).
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

impl Lock {
    /// Reads the file. `None` when anything in it is wrong: a lock is used whole or not at all.
    pub fn parse(text: &str, source: SourceId) -> (Option<Self>, Diagnostics) {
        read::lock(text, source)
    }

    /// The file's text: sorted, the same bytes for the same content.
    pub fn to_kdl(&self) -> String {
        write::lock(self)
    }

    /// What a module's software is assembled from: its own bundle, then those of its plugins by name. Empty for
    /// software that is already on the host.
    ///
    /// # Errors
    /// The first thing that is not locked.
    pub fn parts(
        &self,
        module: &ModuleName,
        version: &Version,
        plugins: &IndexMap<String, Version>,
    ) -> Result<Vec<Part>, Key> {
        let mut wanted = vec![(None, version)];
        let mut sorted: Vec<_> = plugins.iter().map(|(name, version)| (Some(name.clone()), version)).collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        wanted.append(&mut sorted);
        let mut parts = Vec::new();
        for (plugin, version) in wanted {
            let key = Key { module: module.clone(), plugin, version: version.clone() };
            match self.artifacts.get(&key) {
                Some(locked) => parts.extend(locked.bundle.clone()),
                None => return Err(key),
            }
        }
        Ok(parts)
    }

    /// The program that stands for software that is already on the host.
    pub fn system(&self, module: &ModuleName, version: &Version) -> Option<&str> {
        let key = Key { module: module.clone(), plugin: None, version: version.clone() };
        self.artifacts.get(&key)?.system.as_deref()
    }
}
