//! Free `config { … }`: keys that no module names, written into the service's own file as they are.

use super::keys;
use super::render::inside;
use crate::diag::{Code, Diag};
use crate::model::{FreeEntry, FreeSyntax, HostName, Role, Template, Value};
use indexmap::IndexMap;
use std::fmt::Write as _;

/// The entries of a role that hold on a host: those for the host win.
pub(super) fn of<'a>(role: &'a Role, host: &HostName) -> Vec<&'a FreeEntry> {
    let mut entries: IndexMap<&str, &FreeEntry> = IndexMap::new();
    let general = role.free.iter().filter(|entry| entry.host.is_none());
    for entry in general.chain(role.free.iter().filter(|entry| entry.host.as_ref() == Some(host))) {
        entries.insert(&entry.key.value, entry);
    }
    entries.sort_unstable_keys();
    entries.into_values().collect()
}

/// Adds entries to a rendered file of a module. What can't be added is reported, with the place in the template where it
/// is one.
pub(super) fn add(
    text: String,
    entries: &[&FreeEntry],
    syntax: FreeSyntax,
    template: &Template,
    module: &str,
) -> Result<String, Vec<Diag>> {
    if entries.is_empty() {
        return Ok(text);
    }
    let set = keys::set_in(&text, syntax);
    let mut wrong = Vec::new();
    let mut added = Vec::new();
    for entry in entries {
        if let Some(line) = set.get(&entry.key.value) {
            wrong.push(conflict(entry, text.lines().nth(*line).unwrap_or_default(), template, module));
            continue;
        }
        match line(entry, syntax) {
            Ok(line) => added.push((entry.key.value.as_str(), line)),
            Err(why) => {
                let message = format!("`{}` can't be written into the service's file", entry.key.value);
                wrong.push(Diag::at(Code::WrongType, entry.key.span, message).label(why));
            }
        }
    }
    if wrong.is_empty() { Ok(insert(text, &added, syntax)) } else { Err(wrong) }
}

fn conflict(entry: &FreeEntry, rendered: &str, template: &Template, module: &str) -> Diag {
    let key = &entry.key.value;
    // The line of the template that begins like the rendered one, when the key is not itself computed.
    let begin = rendered.trim_start().split([':', '=', ' ']).next().unwrap_or_default();
    let found = template.0.value.lines().find(|line| !begin.is_empty() && line.trim_start().starts_with(begin));
    let span = found.map_or(template.0.span, |line| {
        let start = line.as_ptr() as usize - template.0.value.as_ptr() as usize;
        inside(&template.0, start, line.len())
    });
    let other = Diag::at(Code::KeyConflict, span, format!("the module's template sets `{key}`")).label("set here");
    Diag::at(Code::KeyConflict, entry.key.span, format!("`{key}` is set by the module already"))
        .label("set again")
        .help(format!("use the module's parameter for it (`esplan explain {module}` lists them), or leave it out"))
        .also(other)
}

fn insert(mut text: String, added: &[(&str, String)], syntax: FreeSyntax) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    if syntax != FreeSyntax::Ini {
        for (_, line) in added {
            _ = writeln!(text, "{line}");
        }
        return text;
    }
    for (key, line) in added {
        let (section, _) = keys::in_section(key);
        text = into_section(&text, section, line);
    }
    text
}

/// Puts a line at the end of a section, which is made when it is not there.
fn into_section(text: &str, section: &str, line: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let begin = match section {
        "" => Some(0),
        name => lines.iter().position(|line| keys::section(line) == Some(name)).map(|at| at + 1),
    };
    let header = format!("[{section}]");
    if let Some(begin) = begin {
        let next = lines[begin..].iter().position(|line| keys::section(line).is_some());
        let mut end = next.map_or(lines.len(), |at| begin + at);
        while end > begin && lines[end - 1].trim().is_empty() {
            end -= 1;
        }
        lines.insert(end, line);
    } else {
        lines.extend([header.as_str(), line]);
    }
    lines.join("\n") + "\n"
}

fn line(entry: &FreeEntry, syntax: FreeSyntax) -> Result<String, &'static str> {
    let (key, value) = (&entry.key.value, &entry.value);
    if key.is_empty() || key.chars().any(char::is_control) {
        return Err("a key is not empty and has no control characters");
    }
    match syntax {
        FreeSyntax::Yaml => Ok(format!("{}: {}", yaml_key(key), json(value)?)),
        FreeSyntax::Properties => Ok(format!("{}={}", properties(key, true), properties(&plain(value, ",")?, false))),
        FreeSyntax::Ini => Ok(format!("{} = {}", keys::in_section(key).1, one_line(&plain(value, ",")?)?)),
        FreeSyntax::KeyValue => Ok(format!("{key} {}", words(value)?)),
    }
}

/// A value as one text; the elements of a list with a separator between them.
fn plain(value: &Value, separator: &str) -> Result<String, &'static str> {
    match value {
        Value::Null => Ok(String::new()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Int(value) => Ok(value.to_string()),
        Value::Float(value) => Ok(value.to_string()),
        Value::Size(value) | Value::Duration(value) => Ok(value.to_string()),
        Value::Text(value) => Ok(value.clone()),
        Value::List(values) => {
            let texts: Result<Vec<String>, _> = values.iter().map(|value| plain(value, separator)).collect();
            texts.map(|texts| texts.join(separator))
        }
        Value::Map(_) => Err("a map has no form there"),
        Value::Secret(_) => Err("a secret goes through a parameter of the module"),
    }
}

fn one_line(text: &str) -> Result<String, &'static str> {
    if text.chars().any(char::is_control) { Err("a value is one line there") } else { Ok(text.to_owned()) }
}

fn words(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::List(values) => values.iter().map(words).collect::<Result<Vec<_>, _>>().map(|words| words.join(" ")),
        value => {
            let text = one_line(&plain(value, " ")?)?;
            let bare = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | '#');
            if !text.is_empty() && text.chars().all(bare) {
                return Ok(text);
            }
            Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
        }
    }
}

/// A value as JSON, which is YAML too.
fn json(value: &Value) -> Result<String, &'static str> {
    if matches!(value, Value::Secret(_)) {
        return Err("a secret goes through a parameter of the module");
    }
    serde_json::to_string(value).map_err(|_| "it has no form there")
}

fn yaml_key(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '*' | '+');
    if key.starts_with(|c: char| c.is_ascii_alphabetic()) && key.chars().all(bare) {
        return key.to_owned();
    }
    serde_json::Value::from(key).to_string()
}

/// Escapes as Java's properties want them: the file is read as Latin-1.
fn properties(text: &str, key: bool) -> String {
    let mut escaped = String::new();
    for (at, c) in text.chars().enumerate() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            '=' | ':' | '#' | '!' | ' ' if key => escaped.extend(['\\', c]),
            ' ' if at == 0 => escaped.push_str("\\ "),
            ' '..='~' => escaped.push(c),
            c => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    _ = write!(escaped, "\\u{unit:04x}");
                }
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Span, Spanned};

    fn entry(key: &str, value: Value) -> FreeEntry {
        FreeEntry { key: Spanned::new(key.to_owned(), Span::default()), value, host: None }
    }

    fn added(text: &str, syntax: FreeSyntax, entries: &[(&str, Value)]) -> String {
        let entries: Vec<FreeEntry> = entries.iter().map(|(key, value)| entry(key, value.clone())).collect();
        let template = Template(Spanned::new(text.to_owned(), Span::default()));
        add(text.to_owned(), &entries.iter().collect::<Vec<_>>(), syntax, &template, "store").expect("fits")
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn each_syntax_has_its_own_form() {
        let list = Value::List(vec![text("a"), text("b c")]);
        let entries = [("x.flag", Value::Bool(true)), ("x.list", list), ("x.text", text("it's #1: \"ü\""))];
        let yaml = added("a: 1", FreeSyntax::Yaml, &entries);
        assert_eq!(yaml, "a: 1\nx.flag: true\nx.list: [\"a\",\"b c\"]\nx.text: \"it's #1: \\\"ü\\\"\"\n");
        let properties = added("a=1\n", FreeSyntax::Properties, &entries);
        assert_eq!(properties, "a=1\nx.flag=true\nx.list=a,b c\nx.text=it's #1: \"\\u00fc\"\n");
        let words = added("a 1\n", FreeSyntax::KeyValue, &entries);
        assert_eq!(words, "a 1\nx.flag true\nx.list a \"b c\"\nx.text \"it's #1: \\\"ü\\\"\"\n");
    }

    #[test]
    fn ini_keys_go_into_their_section() {
        let text = "top = 1\n\n[one]\na = 1\n\n[two]\nb = 2\n";
        let entries = [("one.c", Value::Int(3)), ("new", Value::Int(4)), ("three.d", Value::Int(5))];
        let ini = added(text, FreeSyntax::Ini, &entries);
        assert_eq!(ini, "top = 1\nnew = 4\n\n[one]\na = 1\nc = 3\n\n[two]\nb = 2\n[three]\nd = 5\n");
    }

    #[test]
    fn what_the_template_sets_is_not_set_again() {
        let template = "one: 1\npath:\n  data: /x\n";
        let spanned = Spanned::new(template.to_owned(), Span { start: 100, len: template.len(), ..Span::default() });
        let data = entry("path.data", text("/y"));
        let wrong =
            add(template.to_owned(), &[&data], FreeSyntax::Yaml, &Template(spanned), "store").expect_err("conflict");
        assert_eq!(wrong[0].code, Code::KeyConflict);
        assert_eq!(wrong[0].related[0].span.map(|span| (span.start, span.len)), Some((113, 10)));
    }

    #[test]
    fn a_value_can_not_add_further_lines() {
        for (syntax, fits) in [
            (FreeSyntax::Yaml, true),
            (FreeSyntax::Properties, true),
            (FreeSyntax::Ini, false),
            (FreeSyntax::KeyValue, false),
        ] {
            let entries = [entry("a", text("x\nb: y"))];
            let template = Template(Spanned::new(String::new(), Span::default()));
            let result = add(String::new(), &[&entries[0]], syntax, &template, "store");
            assert_eq!(result.is_ok(), fits, "{syntax:?}");
            assert!(result.map_or(1, |text| text.lines().count()) == 1, "{syntax:?}");
        }
    }
}
