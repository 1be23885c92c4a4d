//! A job of a role on one of its hosts, rendered.

use super::DesiredFile;
use crate::model::{Digest, HostName, Name, RoleId, ServiceName};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A command that people may ask for: `esapply run`.
#[derive(Debug, Clone)]
pub struct DesiredJob {
    /// Its name in the module.
    pub name: Name,
    /// Whose it is.
    pub role: RoleId,
    /// Where it runs.
    pub host: HostName,
    /// What it does, in a sentence.
    pub doc: String,
    /// The words of the command; the first is an absolute path.
    pub command: Vec<String>,
    /// The command that only shows what it would do; none when empty.
    pub dry_run: Vec<String>,
    /// Its whole environment.
    pub env: BTreeMap<String, String>,
    /// The files in its folder, by name.
    pub files: Arc<[DesiredFile]>,
    /// Folder names of the software that it uses.
    pub software: Arc<[String]>,
    /// Services that it works on.
    pub needs: Vec<ServiceName>,
    /// How long it may take.
    pub within: Duration,
    /// Absolute path of the folder that it runs in; there only while it runs.
    pub folder: String,
}

impl DesiredJob {
    /// What would be run, as one digest: of its words and its files.
    pub fn digest(&self) -> Digest {
        let files = self.files.iter().map(|file| file.sha256.to_string());
        let words: Vec<String> = self.command.iter().cloned().chain(files).collect();
        Digest::of_parts(words.iter().map(String::as_bytes))
    }
}

impl fmt::Display for DesiredJob {
    /// `ROLE/JOB@HOST`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.role, self.name, self.host)
    }
}
