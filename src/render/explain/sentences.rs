//! The parts of a module as sentences.

use super::super::words::{and, duration};
use crate::model::{
    Ask, Expr, FreeSyntax, Hook, HttpMethod, Module, Param, ParamType, Probe, ProbeKind, ProbeOn, RequirementRow,
    Source, SourceKind, Value, Version,
};

/// A type as a module writes it, with its limits.
pub(super) fn kind(kind: &ParamType) -> String {
    match kind {
        ParamType::Port => "port".to_owned(),
        ParamType::Size => "size".to_owned(),
        ParamType::Duration => "duration".to_owned(),
        ParamType::Path => "path".to_owned(),
        ParamType::Bool => "bool".to_owned(),
        ParamType::Int { min: Some(min), max: Some(max) } => format!("int, {min} to {max}"),
        ParamType::Int { min: Some(min), max: None } => format!("int, {min} or more"),
        ParamType::Int { min: None, max: Some(max) } => format!("int, at most {max}"),
        ParamType::Int { min: None, max: None } => "int".to_owned(),
        ParamType::Text => "text".to_owned(),
        ParamType::Enum(_) => "enum".to_owned(),
        ParamType::List(_) => "list".to_owned(),
        ParamType::Version => "version".to_owned(),
        ParamType::Map => "map".to_owned(),
        ParamType::Secret => "secret".to_owned(),
        ParamType::File => "file".to_owned(),
        ParamType::Files => "files".to_owned(),
    }
}

/// What a parameter is for, with the words that it takes.
pub(super) fn about(param: &Param) -> String {
    let words = match &param.kind {
        ParamType::Enum(words) => format!("one of {}", words.join(", ")),
        ParamType::List(words) if !words.is_empty() => format!("some of {}", words.join(", ")),
        _ => return param.doc.clone(),
    };
    if param.doc.is_empty() { words } else { format!("{}: {words}", param.doc) }
}

pub(super) fn default(param: &Param) -> String {
    match &param.default {
        Some(value) => shown(value),
        None if param.optional => "optional".to_owned(),
        None => "required".to_owned(),
    }
}

/// A value as somebody would write it in `cluster.kdl`.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "#null".to_owned(),
        Value::Bool(truth) => format!("#{truth}"),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Size(bytes) => size(*bytes),
        Value::Duration(millis) => duration(std::time::Duration::from_millis(*millis)),
        Value::Text(text) => format!("\"{text}\""),
        Value::List(items) if items.is_empty() => "empty".to_owned(),
        Value::List(items) => items.iter().map(shown).collect::<Vec<_>>().join(" "),
        Value::Map(map) if map.is_empty() => "empty".to_owned(),
        Value::Map(map) => {
            map.iter().map(|(key, value)| format!("{key}={}", shown(value))).collect::<Vec<_>>().join(" ")
        }
        Value::Secret(secret) => format!("secret {}", secret.0),
    }
}

/// A size in the largest unit that it is a whole number of.
fn size(bytes: u64) -> String {
    let units = [(40, "t"), (30, "g"), (20, "m"), (10, "k")];
    let fits = |(shift, _): &(u32, &str)| bytes > 0 && bytes.trailing_zeros() >= *shift;
    units.into_iter().find(fits).map_or_else(|| bytes.to_string(), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

pub(super) fn requirement(row: &RequirementRow) -> String {
    let list = |versions: &[Version]| and(&versions.iter().map(ToString::to_string).collect::<Vec<_>>());
    let mut text = match (row.supported.is_empty(), row.proven.is_empty()) {
        (false, false) => format!("{}; {} is proven by our tests", list(&row.supported), list(&row.proven)),
        (false, true) => list(&row.supported),
        (true, false) => format!("{}, proven by our tests", list(&row.proven)),
        (true, true) => "not at all".to_owned(),
    };
    if let Some(when) = &row.when {
        text.push_str(", when ");
        text.push_str(&inline(when));
    }
    text
}

pub(super) fn source(source: &Source) -> String {
    let mut text = match &source.kind {
        SourceKind::File { name } => format!("file {}", name.0.value),
        SourceKind::Url { url, .. } => format!("url {}", url.0.value),
        SourceKind::Maven { coordinates, with_dependencies } => {
            let all: Vec<&str> = coordinates.iter().map(|one| one.0.as_str()).collect();
            let more = if *with_dependencies { ", with all that it depends on" } else { "" };
            format!("maven {}{more}", all.join(" "))
        }
        SourceKind::Pypi { requirements } => {
            let requirements: Vec<&str> = requirements.iter().map(|one| one.0.as_str()).collect();
            format!("pypi {}", requirements.join(" "))
        }
        SourceKind::Deb { package } => format!("deb {}", package.0.value),
        SourceKind::System { program } => format!("{}, which is already on the host", program.0.value),
    };
    if let Some(when) = &source.when {
        text.push_str(", when ");
        text.push_str(&inline(when));
    }
    text
}

pub(super) fn syntax(module: &Module) -> &'static str {
    match module.free_config.as_ref().map(|free| free.format) {
        Some(FreeSyntax::Yaml) => " as YAML",
        Some(FreeSyntax::Properties) => " as properties",
        Some(FreeSyntax::Ini) => " as INI",
        Some(FreeSyntax::KeyValue) => " as keys and values",
        None => "",
    }
}

/// A probe as a sentence.
pub(super) fn probe(probe: &Probe) -> String {
    let who = match probe.on {
        ProbeOn::SelfInstance => "this instance",
        ProbeOn::Any => "any instance",
        ProbeOn::Each => "each instance",
        ProbeOn::All => "all instances together",
        ProbeOn::Leader => "the leader",
    };
    let port = probe.port.as_ref().map_or_else(String::new, |port| format!(" ({port})"));
    let asked = match &probe.kind {
        ProbeKind::Http { method, path, .. } => format!("{} {}{port}", verb(*method), path.0.value),
        ProbeKind::Tcp { send: Some(text) } => format!("`{}` over TCP{port}", text.0.value.escape_debug()),
        ProbeKind::Tcp { send: None } => format!("a TCP connection{port}"),
        ProbeKind::Exec { command } => {
            let words: Vec<&str> = command.iter().map(|word| word.0.as_str()).collect();
            format!("`{}` on the host", words.join(" "))
        }
        ProbeKind::Kafka { set: Some(_), .. } => {
            format!("another configuration of the broker by its own protocol{port}")
        }
        ProbeKind::Kafka { broker: Some(_), .. } => format!("the broker's configuration by its own protocol{port}"),
        ProbeKind::Kafka { .. } => format!("the cluster's metadata by its own protocol{port}"),
    };
    let until = probe.until.as_ref().map_or_else(String::new, |until| format!(", until {}", inline(until)));
    let twice = if probe.twice { ", twice in a row" } else { "" };
    format!("asks {who} for {asked}{until}{twice}")
}

fn verb(method: HttpMethod) -> &'static str {
    match method {
        HttpMethod::Get => "GET",
        HttpMethod::Put => "PUT",
        HttpMethod::Post => "POST",
        HttpMethod::Delete => "DELETE",
    }
}

pub(super) fn asked(ask: &Ask) -> String {
    match &ask.probe.kind {
        ProbeKind::Http { method, path, .. } => format!(" (read by {} {})", verb(*method), path.0.value),
        _ => String::new(),
    }
}

pub(super) fn hook(hook: &Hook) -> String {
    let when = |when: &Option<Expr>| when.as_ref().map_or_else(String::new, |when| format!(", when {}", inline(when)));
    match hook {
        Hook::Set { setting, to, when: condition } => {
            format!("saves {setting} and sets it to {to}{}", when(condition))
        }
        Hook::Restore { setting } => format!("puts {setting} back as it was"),
        Hook::Call { probe: request, best_effort, tries, when: condition } => {
            let tries = if *tries > 1 { format!(", {tries} times at most") } else { String::new() };
            let effort = if *best_effort { "; a failure is only noted" } else { "" };
            format!("{}{tries}{}{effort}", probe(request), when(condition))
        }
    }
}

/// An expression on one line.
pub(super) fn inline(expr: &Expr) -> String {
    expr.0.value.split_whitespace().collect::<Vec<_>>().join(" ")
}
