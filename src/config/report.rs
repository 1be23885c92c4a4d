//! How mistakes are put into words: said twice, unknown, of the wrong type.

use super::values::{Expected, Raw, found};
use crate::diag::{Code, Diag, Span, nearest};

/// A value that is not what was expected.
pub(super) fn wrong(expected: &Expected, what: &str, raw: &Raw<'_>, span: Span) -> Diag {
    let message = format!("{what} can't be {}", found(raw));
    let diag = Diag::at(expected.code, span, message).label(format!("expected {}", expected.what));
    match &expected.help {
        Some(help) => diag.help(help.clone()),
        None => diag,
    }
}

/// Something that was said twice: the second place, with the first as a related note.
pub(super) fn duplicate(what: &str, second: Span, first: Span, help: &str) -> Diag {
    Diag::at(Code::Duplicate, second, format!("{what} is given twice"))
        .label("again here")
        .help(help)
        .also(Diag::at(Code::Duplicate, first, format!("{what} was first given here")).label("first here"))
}

/// A name that nobody knows, with the nearest one or all of them.
pub(super) fn unknown_name(message: String, span: Span, wanted: &str, known: &[&str]) -> Diag {
    let diag = Diag::at(Code::UnknownName, span, message);
    suggest(diag, wanted, known, "unknown name")
}

/// Adds the nearest of some names as label and help, or lists all of them.
pub(super) fn suggest(diag: Diag, wanted: &str, known: &[&str], label: &str) -> Diag {
    let mut names: Vec<&str> = known.to_vec();
    names.sort_unstable();
    names.dedup();
    match nearest(wanted, names.iter().copied()) {
        Some(name) => diag.label(format!("did you mean `{name}`?")).help(format!("known here: {}", listed(&names))),
        None if names.is_empty() => diag.label(label),
        None => diag.label(label).help(format!("known here: {}", listed(&names))),
    }
}

/// Names for people, each quoted, shortened when there are many.
pub(super) fn quoted(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    listed(&quoted.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Names for people, shortened when there are many.
pub(super) fn listed(names: &[&str]) -> String {
    const MOST: usize = 30;
    let shown: Vec<&str> = names.iter().take(MOST).copied().collect();
    let more = names.len().saturating_sub(MOST);
    if more == 0 { shown.join(", ") } else { format!("{}, and {more} more", shown.join(", ")) }
}
