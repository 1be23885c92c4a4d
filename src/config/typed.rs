//! Values of parameters, typed by what the module declares.

use super::reader::Node;
use super::values::{Expected, Free, FromKdl, Port, Raw, duration, size};
use crate::diag::{Code, Diag, Spanned, nearest};
use crate::model::{ParamType, SecretRef, Value, Version};
use indexmap::IndexMap;

/// What a parameter's value is, for people, with its article.
pub(super) fn what(kind: &ParamType) -> String {
    match kind {
        ParamType::Port => Port::WHAT.to_owned(),
        ParamType::Size => "a size such as \"512m\"".to_owned(),
        ParamType::Duration => "a duration such as \"30s\"".to_owned(),
        ParamType::Path => "an absolute path".to_owned(),
        ParamType::Bool => bool::WHAT.to_owned(),
        ParamType::Int { min: Some(min), max: Some(max) } => format!("a whole number, {min} to {max}"),
        ParamType::Int { min: Some(min), max: None } => format!("a whole number, {min} or more"),
        ParamType::Int { min: None, max: Some(max) } => format!("a whole number, at most {max}"),
        ParamType::Int { min: None, max: None } => i64::WHAT.to_owned(),
        ParamType::Text => String::WHAT.to_owned(),
        ParamType::Enum(words) => format!("one of {}", words.join(", ")),
        ParamType::List(words) if words.is_empty() => "a list of words".to_owned(),
        ParamType::List(words) => format!("some of {}", words.join(", ")),
        ParamType::Version => Version::WHAT.to_owned(),
        ParamType::Map => "properties such as key=\"value\"".to_owned(),
        ParamType::Secret => "the name of a declared secret".to_owned(),
        ParamType::File => "the path of a file".to_owned(),
        ParamType::Files => "paths of files beside this one, or of folders with a `/` at the end".to_owned(),
    }
}

/// How a value of a type is written.
fn example(kind: &ParamType) -> String {
    match kind {
        ParamType::Port => "9200".to_owned(),
        ParamType::Size => "\"512m\"".to_owned(),
        ParamType::Duration => "\"30s\"".to_owned(),
        ParamType::Path => "\"/srv/data\"".to_owned(),
        ParamType::File => "\"ca.pem\"".to_owned(),
        ParamType::Bool => "#true".to_owned(),
        ParamType::Int { min, max } => min.or(*max).unwrap_or(1).to_string(),
        ParamType::Text | ParamType::Secret => "\"…\"".to_owned(),
        ParamType::Enum(words) | ParamType::List(words) => {
            format!("\"{}\"", words.first().map_or("…", String::as_str))
        }
        ParamType::Version => "\"1.2.3\"".to_owned(),
        ParamType::Map => "key=\"value\"".to_owned(),
        ParamType::Files => "\"rules/\"".to_owned(),
    }
}

/// One KDL value as a value of a type. Of a list it is one element.
pub(super) fn value(raw: &Raw<'_>, kind: &ParamType) -> Result<Value, Expected> {
    let wrong = || Expected::new(what(kind));
    match kind {
        ParamType::Port => Port::from_kdl(raw).map(|port| Value::Int(i64::from(port.0))),
        ParamType::Size => match raw.value.as_integer() {
            Some(number) => u64::try_from(number).ok().filter(|n| i64::try_from(*n).is_ok()).map(Value::Size),
            None => raw.value.as_string().and_then(size).map(Value::Size),
        }
        .ok_or_else(|| wrong().help("write a number and its unit in quotes: k, m, g or t (powers of 1024)")),
        ParamType::Duration => raw
            .value
            .as_string()
            .and_then(duration)
            .map(Value::Duration)
            .ok_or_else(|| wrong().help("write a number and its unit in quotes: ms, s, m, h or d")),
        ParamType::Path => path(&String::from_kdl(raw)?).map(Value::Text),
        ParamType::Bool => bool::from_kdl(raw).map(Value::Bool),
        ParamType::Int { min, max } => raw
            .value
            .as_integer()
            .and_then(|n| i64::try_from(n).ok())
            .filter(|n| min.is_none_or(|min| *n >= min) && max.is_none_or(|max| *n <= max))
            .map(Value::Int)
            .ok_or_else(|| super::values::whole(raw, what(kind))),
        // The path; its text is put into its place when everything is read.
        ParamType::Text | ParamType::File | ParamType::Files => String::from_kdl(raw).map(Value::Text),
        ParamType::List(words) if words.is_empty() => String::from_kdl(raw).map(Value::Text),
        ParamType::Enum(words) | ParamType::List(words) => word(raw, words, wrong),
        ParamType::Version => Version::from_kdl(raw).map(|version| Value::Text(version.as_str().to_owned())),
        ParamType::Map => Free::from_kdl(raw).map(|free| free.0),
        ParamType::Secret => String::from_kdl(raw).map(|name| Value::Secret(SecretRef(name))),
    }
}

fn word(raw: &Raw<'_>, words: &[String], wrong: impl Fn() -> Expected) -> Result<Value, Expected> {
    let text = raw.value.as_string().ok_or_else(&wrong)?;
    if words.iter().any(|word| word == text) {
        return Ok(Value::Text(text.to_owned()));
    }
    Err(match nearest(text, words.iter().map(String::as_str)) {
        Some(near) => wrong().help(format!("did you mean \"{near}\"?")),
        None => wrong(),
    })
}

/// A path that is absolute and safe to put into files and commands: no blanks, quotes or `..`.
pub(super) fn path(text: &str) -> Result<String, Expected> {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '@' | ':' | ',' | '=');
    let segments = || text.split('/').skip(1);
    if text.starts_with('/') && text.len() > 1 && text.chars().all(safe) && segments().all(|s| s != ".." && s != ".") {
        let parts: Vec<&str> = segments().filter(|s| !s.is_empty()).collect();
        return Ok(format!("/{}", parts.join("/")));
    }
    Err(Expected::new("an absolute path").help("it starts with `/` and has no blanks, quotes, `.` or `..` in it"))
}

/// The value that a role gives to a parameter: `heap "1g"`, `node-roles "data" "ingest"`, `attr box_type="hot"`.
pub(super) fn from_node(node: &Node<'_>, kind: &ParamType) -> Option<Spanned<Value>> {
    let name = format!("`{}`", node.name());
    let missing = || {
        let message = format!("`{}` has no value", node.name());
        let diag = Diag::at(Code::Missing, node.span(), message).label(format!("expected {}", what(kind)));
        node.cx.report(diag.help(format!("write it behind the name, such as: {} {}", node.name(), example(kind))));
    };
    match kind {
        ParamType::Map => {
            let mut map = IndexMap::new();
            for (key, free) in node.props::<Free>() {
                map.insert(key.value, free.value.0);
            }
            let help = format!("write `{} {}`", node.name(), example(kind));
            let no_value = |_: &Raw<'_>| Err::<(), _>(Expected::new(what(kind)).help(help.clone()));
            node.args_with(&name, no_value);
            if map.is_empty() && node.arg_count() == 0 {
                missing();
            }
            Some(Spanned::new(Value::Map(map), node.span()))
        }
        ParamType::List(_) | ParamType::Files => {
            let given = node.arg_count();
            let items = node.args_with(&name, |raw| value(raw, kind));
            if given == 0 {
                missing();
            }
            let whole = items.len() == given && given > 0;
            whole.then(|| Spanned::new(Value::List(items.into_iter().map(|item| item.value).collect()), node.span()))
        }
        _ => {
            if node.arg_count() == 0 {
                missing();
            }
            node.arg_with(&name, |raw| value(raw, kind))
        }
    }
}
