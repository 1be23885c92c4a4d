//! Unified diffs of rendered files.

use similar::TextDiff;

/// Lines around a change.
const CONTEXT: usize = 3;

/// Longer texts are compared by digest alone: nobody reads such a diff, and it would take long to make.
const LONGEST: usize = 256 * 1024;

/// A unified diff with the path in its head, or nothing when a text is too long to compare.
pub(super) fn unified(path: &str, old: &str, new: &str) -> Option<String> {
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
