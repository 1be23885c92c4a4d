//! Unified diffs of rendered files.

use crate::desired::DesiredFile;
use crate::model::Digest;
use similar::TextDiff;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Lines around a change.
const CONTEXT: usize = 3;

/// Longer texts are compared by digest alone: nobody reads such a diff, and it would take long to make.
const LONGEST: usize = 256 * 1024;

/// Diffs that were made: the same change of a file on a thousand hosts is compared once.
#[derive(Debug, Default)]
pub(super) struct Texts {
    made: BTreeMap<(String, Digest, Digest), Option<Arc<str>>>,
}

impl Texts {
    /// The diff between a text and a wanted file.
    pub(super) fn unified(&mut self, path: &str, old: &str, file: &DesiredFile) -> Option<Arc<str>> {
        let key = (path.to_owned(), Digest::of(old.as_bytes()), file.sha256);
        self.made.entry(key).or_insert_with(|| unified(path, old, &file.content).map(Into::into)).clone()
    }
}

/// A unified diff with the path in its head, or nothing when a text is too long to compare.
fn unified(path: &str, old: &str, new: &str) -> Option<String> {
    if old.len() > LONGEST || new.len() > LONGEST {
        return None;
    }
    let path = path.trim_start_matches('/');
    // The old text comes from a host: no control character of it reaches a terminal.
    let old: String =
        old.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect();
    let diff = TextDiff::from_lines(old.as_str(), new);
    let text =
        diff.unified_diff().context_radius(CONTEXT).header(&format!("a/{path}"), &format!("b/{path}")).to_string();
    Some(text)
}
