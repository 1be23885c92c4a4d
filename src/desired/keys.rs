//! Which keys a rendered file sets, read just well enough to see that free configuration sets none of them again.

use crate::model::FreeSyntax;
use std::collections::BTreeMap;

/// Keys with the number of their line, from 0.
pub(super) fn set_in(text: &str, syntax: FreeSyntax) -> BTreeMap<String, usize> {
    match syntax {
        FreeSyntax::Yaml => yaml(text),
        FreeSyntax::Properties => lines(text, &['#', '!'], |line| split(line, &['=', ':', ' ', '\t'])),
        FreeSyntax::KeyValue => lines(text, &['#'], |line| split(line, &[' ', '\t'])),
        FreeSyntax::Ini => ini(text),
    }
}

/// The section that a key of an ini file belongs to, and its name there.
pub(super) fn in_section(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

/// The section that a line of an ini file begins.
pub(super) fn section(line: &str) -> Option<&str> {
    line.trim().strip_prefix('[')?.split_once(']').map(|(name, _)| name.trim())
}

fn lines<'a>(text: &'a str, comments: &[char], key: impl Fn(&'a str) -> Option<&'a str>) -> BTreeMap<String, usize> {
    let lines = text.lines().enumerate().map(|(number, line)| (number, line.trim()));
    let lines = lines.filter(|(_, line)| !line.starts_with(comments));
    lines.filter_map(|(number, line)| Some((key(line)?.to_owned(), number))).collect()
}

fn split<'a>(line: &'a str, separators: &[char]) -> Option<&'a str> {
    line.split(separators).next().map(str::trim).filter(|key| !key.is_empty())
}

fn ini(text: &str) -> BTreeMap<String, usize> {
    let (mut keys, mut current) = (BTreeMap::new(), String::new());
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = section(line) {
            name.clone_into(&mut current);
        } else if let Some(key) = split(line, &['=', ':']).filter(|_| !line.starts_with([';', '#'])) {
            let full = if current.is_empty() { key.to_owned() } else { format!("{current}.{key}") };
            keys.insert(full, number);
        }
    }
    keys
}

/// Keys of block mappings, as dotted paths, whether they are written flat or nested.
fn yaml(text: &str) -> BTreeMap<String, usize> {
    let mut keys = BTreeMap::new();
    let mut open: Vec<(usize, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let inner = line.trim_start();
        if inner.is_empty() || inner.starts_with(['#', '-']) {
            continue;
        }
        let ends = |at: &usize| inner[at + 1..].is_empty() || inner[at + 1..].starts_with([' ', '\t']);
        let Some(colon) = inner.match_indices(':').map(|(at, _)| at).find(ends) else { continue };
        let key = inner[..colon].trim().trim_matches(['"', '\'']);
        let indent = line.len() - inner.len();
        open.retain(|(outer, _)| *outer < indent);
        let path = open.last().map_or_else(|| key.to_owned(), |(_, outer)| format!("{outer}.{key}"));
        keys.insert(path.clone(), number);
        open.push((indent, path));
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str, syntax: FreeSyntax) -> Vec<String> {
        set_in(text, syntax).into_keys().collect()
    }

    #[test]
    fn keys_are_found_in_each_syntax() {
        let text =
            "# a: b\nnode.name: \"x: y\"\npath:\n  data: /d\n  logs:\n    - a: 1\n\"other\": 1\nurl: http://x:1/\n";
        assert_eq!(keys(text, FreeSyntax::Yaml), ["node.name", "other", "path", "path.data", "path.logs", "url"]);
        assert_eq!(keys("#x=1\na.b=1\nc : 2\nd\n", FreeSyntax::Properties), ["a.b", "c", "d"]);
        assert_eq!(keys("port 1\n# x y\nsave 900 1\n", FreeSyntax::KeyValue), ["port", "save"]);
        assert_eq!(keys("top = 1\n[one.two]\na=1\n; b=1\n", FreeSyntax::Ini), ["one.two.a", "top"]);
    }
}
