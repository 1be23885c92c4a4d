//! The folders that a host must have.

use crate::desired::{DesiredHost, DesiredInstance, Place};
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
    let own = host.supervisor.supervisord().map(|own| below(host, &own.config_path));
    if let Some((folder, _)) = own.as_ref().and_then(|path| path.rsplit_once('/')) {
        folders.insert(folder.to_owned(), Owner::Us);
    }
    for instance in instances {
        folders.insert(below(host, &instance.conf_dir), Owner::Us);
        let named = instance.context.get("dirs");
        let others = named
            .iter()
            .filter_map(|dirs| dirs.as_object())
            .flatten()
            .filter_map(|(name, path)| (name != "conf").then(|| path.as_str())?);
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

/// Whether a path is one that we write aside, and so may remove: below the prefix, and never in a folder of a service
/// except for what is placed there (`aside`).
pub fn is_debris(path: &str, aside: &[String]) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let ours = matches!(
        parts.as_slice(),
        [_] | ["bin" | "conf" | "install" | "run" | "software", _]
            | ["conf", _, _]
            | ["log", "history", _]
            | ["run", "undo", _]
    );
    let named = parts.last().is_some_and(|name| name.starts_with(".tmp-"));
    let plain = parts.iter().all(|part| !matches!(*part, "" | "." | "..") && !part.chars().any(char::is_control));
    named && plain && (ours || aside.iter().any(|known| known == path))
}

/// What is written aside beside the placed files of an instance, relative to the prefix.
pub fn asides(host: &DesiredHost, instance: &DesiredInstance) -> Vec<String> {
    let placed = instance.files.iter().filter_map(|file| match &file.place {
        Place::Absolute(path) => Some(below(host, path)),
        Place::Generation(_) => None,
    });
    let aside = |path: String| {
        let (folder, name) = path.rsplit_once('/').map_or((".", path.as_str()), |parts| parts);
        format!("{folder}/.tmp-{name}")
    };
    placed.map(aside).collect()
}

#[cfg(test)]
mod tests {
    use super::is_debris;

    #[test]
    fn only_what_we_wrote_aside_may_be_removed() {
        let aside = ["data/a/.tmp-id".to_owned()];
        for path in
            [".tmp-x", "install/.tmp-b", "conf/a/.tmp-0", "run/undo/.tmp-u", "log/history/.tmp-h", "data/a/.tmp-id"]
        {
            assert!(is_debris(path, &aside), "{path}");
        }
        let bad = [
            "data/a",
            "data/a/.tmp-x",
            "data/.tmp-x",
            "conf/../.tmp-x",
            "/.tmp-x",
            "../.tmp-x",
            "conf//.tmp-x",
            "conf/a/b/.tmp-x",
            "log/a/.tmp-x",
            "conf/.tmp-x/..",
            "",
            ".tmp-x/data",
            "run/.tmp-a\n",
        ];
        for path in bad {
            assert!(!is_debris(path, &aside), "{path}");
        }
    }
}
