//! Places of entries: checked before anything else happens with an entry.

use super::refusal::Refusal;

/// Longest path in bytes.
const MAX_PATH: usize = 1024;
/// Longest segment in bytes: what file systems take.
const MAX_SEGMENT: usize = 255;
/// Most segments.
const MAX_DEPTH: usize = 64;

/// The path of an entry as `a/b/c`; empty is the archive's own top (`./`).
pub(super) fn entry_path(raw: &[u8]) -> Result<String, Refusal> {
    let refuse = |why| Err(Refusal::path(raw, why));
    let Ok(text) = std::str::from_utf8(raw) else { return refuse("has a name that is not UTF-8") };
    if text.starts_with('/') {
        return refuse("is absolute");
    }
    if text.contains('\\') {
        return refuse("has a backslash in its name");
    }
    if text.chars().any(char::is_control) {
        return refuse("has a control character in its name");
    }
    let mut segments = Vec::new();
    for segment in text.split('/') {
        match segment {
            "" | "." => {}
            ".." => return refuse("leads out of its folder by '..'"),
            long if long.len() > MAX_SEGMENT => return refuse("has a name of more than 255 bytes"),
            segment => segments.push(segment),
        }
    }
    let path = segments.join("/");
    if path.len() > MAX_PATH || segments.len() > MAX_DEPTH {
        return refuse("has a path that is too long");
    }
    Ok(path)
}

/// A place that a module gives (`root`, `into`): relative, inside, without empty segments.
pub(crate) fn inner_path(text: &str) -> Result<String, &'static str> {
    let clean = text.trim_end_matches('/');
    let odd = |segment: &str| matches!(segment, "" | "." | "..");
    if clean.starts_with('/') {
        return Err("must be relative");
    }
    if clean.len() > MAX_PATH || clean.contains('\\') || clean.chars().any(char::is_control) {
        return Err("is not usable as a path");
    }
    if !clean.is_empty() && clean.split('/').any(odd) {
        return Err("must not contain '.', '..' or empty segments");
    }
    Ok(clean.to_owned())
}

/// The part of `path` below `root`: `None` outside of it, empty for the root itself.
pub(super) fn below<'a>(root: &str, path: &'a str) -> Option<&'a str> {
    if root.is_empty() {
        return Some(path);
    }
    match path.strip_prefix(root)? {
        "" => Some(""),
        rest => rest.strip_prefix('/'),
    }
}

/// `base/path`, where either may be empty.
pub(super) fn join(base: &str, path: &str) -> String {
    match (base, path) {
        ("", path) => path.to_owned(),
        (base, "") => base.to_owned(),
        (base, path) => format!("{base}/{path}"),
    }
}

/// The folder that `path` is in; empty at the top.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}
