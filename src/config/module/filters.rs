//! Filters and tests that do not exist. The engine looks them up only when it comes to them, which for a gate would be
//! in the middle of a rollout.

use crate::expr;
use serde_json::json;

/// Filters that modules use, for suggestions; the engine knows more.
pub(super) const FILTERS: &[&str] = &[
    "abs",
    "attr",
    "bool",
    "default",
    "first",
    "float",
    "gib",
    "int",
    "items",
    "join",
    "kib",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "mib",
    "millis",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "seconds",
    "select",
    "selectattr",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
];

/// Functions that modules use, for suggestions.
pub(super) const FUNCTIONS: &[&str] = &[
    "dict",
    "loopback",
    "moved_away",
    "namespace",
    "only_copies",
    "range",
    "rows_at",
    "version_at_least",
    "version_below",
    "version_starts",
];

/// Tests that modules use, for suggestions.
pub(super) const TESTS: &[&str] = &[
    "containing",
    "defined",
    "equalto",
    "false",
    "in",
    "integer",
    "mapping",
    "none",
    "number",
    "sequence",
    "string",
    "true",
    "undefined",
    "version_at_least",
    "version_below",
    "version_starts",
];

/// A name after `|` or `is` that the engine does not know.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown {
    /// Where it begins.
    pub(super) at: usize,
    pub(super) name: String,
    /// `filter` or `test`.
    pub(super) what: &'static str,
}

/// Looks through an expression, or through the tags of a template.
pub(super) fn unknown(text: &str, template: bool) -> Vec<Unknown> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let (start, end) = if template { tag(text, at) } else { (0, text.len()) };
        if start < end {
            look(text, start, end, &mut found);
        }
        at = end.max(at + 1);
        if !template {
            break;
        }
    }
    found
}

/// The inside of the next tag from a place on; empty at the end of the text when there is none.
fn tag(text: &str, from: usize) -> (usize, usize) {
    let rest = text.get(from..).unwrap_or_default();
    let next = ["{{", "{%"].iter().filter_map(|open| rest.find(open)).min();
    let Some(start) = next.map(|at| from + at + 2) else { return (text.len(), text.len()) };
    let close = if text[..start].ends_with("{{") { "}}" } else { "%}" };
    (start, text[start..].find(close).map_or(text.len(), |len| start + len))
}

fn look(text: &str, start: usize, end: usize, found: &mut Vec<Unknown>) {
    let mut quote: Option<char> = None;
    let mut escaped = false;
    let mut wants: Option<&'static str> = None;
    let mut at = start;
    while let Some(c) = text[at..end].chars().next() {
        if let Some(open) = quote {
            if c == open && !escaped {
                quote = None;
            }
            escaped = c == '\\' && !escaped;
        } else if c == '\'' || c == '"' {
            (quote, wants) = (Some(c), None);
        } else if c.is_alphabetic() || c == '_' {
            let len = text[at..end].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(end - at);
            let word = &text[at..at + len];
            match (wants, word) {
                (Some("test"), "not") => {}
                (Some(what), _) => {
                    if !exists(word, what) {
                        found.push(Unknown { at, name: word.to_owned(), what });
                    }
                    wants = None;
                }
                (None, "is") => wants = Some("test"),
                (None, _) => {}
            }
            at += len;
            continue;
        } else if c == '|' {
            wants = Some("filter");
        } else if !c.is_whitespace() {
            wants = None;
        }
        at += c.len_utf8();
    }
}

fn exists(name: &str, what: &str) -> bool {
    let (usual, asked) = if what == "filter" { (FILTERS, "name is filter") } else { (TESTS, "name is test") };
    usual.contains(&name) || expr::eval_bool(asked, &json!({ "name": name })).unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::{FILTERS, TESTS, unknown};
    use crate::expr;
    use serde_json::json;

    #[test]
    fn what_is_suggested_exists() {
        for (names, asked) in [(FILTERS, "name is filter"), (TESTS, "name is test")] {
            for name in names {
                assert_eq!(expr::eval_bool(asked, &json!({ "name": name })), Ok(true), "{name}");
            }
        }
    }

    fn names(text: &str, template: bool) -> Vec<String> {
        unknown(text, template).into_iter().map(|one| format!("{} {}", one.what, one.name)).collect()
    }

    #[test]
    fn what_exists_is_known_and_text_is_no_code() {
        assert!(names("a | default('x | y') | tojson is defined and b is not none", false).is_empty());
        assert!(names("a | b is c {{ heap | mib }} {% for x in y | sort %}", true).is_empty());
        assert!(names("a is version_below('1') or b == 'is odd | x'", false).is_empty());
    }

    #[test]
    fn what_does_not_exist_is_found() {
        assert_eq!(names("a | to_json is definde", false), ["filter to_json", "test definde"]);
        assert_eq!(names("{{ a | mb }}: {% if x is not nune %}y{% endif %}", true), ["filter mb", "test nune"]);
    }
}
