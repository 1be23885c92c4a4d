//! The two hashes of an instance.
//!
//! The content generation covers everything that is rendered for an instance, so that two instances of the same
//! generation are the same on disk. The restart generation covers the part that a running process can't take up. It
//! follows from the content generation, never the other way round: a file that only asks for a reload moves the first
//! and not the second.

use super::{DesiredFile, Place};
use crate::model::{Digest, OnChange};

/// Content and restart generation, of all files (the process definition is among them) and the folders of software.
pub(super) fn of(files: &[DesiredFile], software: &[String]) -> (Digest, Digest) {
    let content = hash("content", files.iter(), software);
    let restart = hash("restart", files.iter().filter(|file| file.on_change == OnChange::Restart), software);
    (content, restart)
}

fn hash<'a>(what: &str, files: impl Iterator<Item = &'a DesiredFile>, software: &[String]) -> Digest {
    let mut lines: Vec<String> = files.map(line).collect();
    lines.extend(software.iter().map(|folder| format!("software {folder}")));
    lines.sort_unstable();
    lines.insert(0, what.to_owned());
    Digest::of_parts(lines.iter().map(String::as_bytes))
}

fn line(file: &DesiredFile) -> String {
    let (kind, path) = match &file.place {
        Place::Generation(path) => ("file", path),
        Place::Absolute(path) => ("placed", path),
    };
    format!("{kind} {:o} {} {path}", file.mode, file.sha256)
}
