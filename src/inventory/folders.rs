//! The folders that a host must have.

use crate::desired::{DesiredHost, DesiredInstance};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who a folder belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The user that we act as.
    Us,
    /// The user that services run as.
    Service,
}

/// Folders of ours below every prefix, relative to it; `.` is the prefix itself.
const OURS: [&str; 10] = [".", "bin", "conf", "data", "install", "log", "log/history", "run", "run/undo", "software"];

/// Every folder that must exist, parents before what is in them. Paths are relative to the prefix where they are below it.
pub fn folders(host: &DesiredHost, instances: &[Arc<DesiredInstance>]) -> BTreeMap<String, Owner> {
    let mut folders: BTreeMap<String, Owner> = OURS.iter().map(|path| ((*path).to_owned(), Owner::Us)).collect();
    if let Some((folder, _)) = below(host, &host.supervisor.config_path).rsplit_once('/') {
        folders.insert(folder.to_owned(), Owner::Us);
    }
    for instance in instances {
        folders.insert(below(host, &instance.conf_dir), Owner::Us);
        let named = instance.context.get("dirs").and_then(|dirs| dirs.as_object());
        let others = named.into_iter().flatten().filter_map(|(name, path)| (name != "conf").then(|| path.as_str())?);
        for path in [instance.data_dir.as_str(), instance.log_dir.as_str()].into_iter().chain(others) {
            folders.entry(below(host, path)).or_insert(Owner::Service);
        }
    }
    folders
}

/// A path relative to the prefix, or as it is when it is not below it.
pub fn below(host: &DesiredHost, path: &str) -> String {
    let rest = path.strip_prefix(host.prefix.trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/'));
    rest.unwrap_or(path).trim_end_matches('/').to_owned()
}
