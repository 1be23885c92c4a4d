//! Settings of a service's own file → parameters, free configuration, comments.

use super::quoted;
use crate::config::{duration, size};
use crate::model::{FreeSyntax, Import, Module, Name, ParamType, Value};
use std::collections::BTreeMap;

/// What became of a file.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    /// Lines of the role, by parameter.
    pub(crate) params: BTreeMap<String, String>,
    /// Words that a list has or has not, by parameter.
    pub(crate) words: BTreeMap<String, BTreeMap<String, bool>>,
    /// Settings that stay settings, with their values as KDL.
    pub(crate) free: BTreeMap<String, String>,
    /// What the module sets by itself.
    pub(crate) ours: Vec<String>,
    /// What could not be carried over.
    pub(crate) notes: Vec<String>,
}

/// Reads a file as far as a person would have written it by hand.
pub(crate) fn carry(path: &str, text: &str, format: FreeSyntax, module: &Module, import: &Import) -> Carried {
    let mut carried = Carried::default();
    let mut said = read(path, text, format, &mut carried.notes);
    // What the file does not say, the vendor's software decides: our own default may be another.
    for (name, setting) in &import.settings {
        if let (Some(vendor), false) = (&setting.vendor, said.contains_key(name)) {
            said.insert(name.clone(), vendor.clone());
        }
    }
    let mut maps: BTreeMap<Name, Vec<String>> = BTreeMap::new();
    for (key, value) in said {
        let matches = |name: &str| name.strip_suffix('*').map_or(name == key, |start| key.starts_with(start));
        if import.ours.iter().any(|name| matches(name)) {
            carried.ours.push(key);
            continue;
        }
        if is_secret(&key, import) {
            let told = format!("{path}: {key} holds a secret, which is not written here: declare it with `secret`");
            carried.notes.push(told);
            continue;
        }
        let setting = import.settings.iter().find(|(name, _)| matches(name));
        let Some((name, setting)) = setting else {
            carried.free.insert(key, literal(&value));
            continue;
        };
        let value = match (&setting.after, &setting.from) {
            (Some(after), _) => value.rsplit_once(after.as_str()).map_or(value.as_str(), |(_, rest)| rest).to_owned(),
            (_, Some(from)) => value.find(from.as_str()).map_or("", |at| &value[at..]).to_owned(),
            _ => value,
        };
        if let (Some(param), Some(word)) = (&setting.param, &setting.word) {
            carried.words.entry(param.to_string()).or_default().insert(word.clone(), value == "true");
            continue;
        }
        match &setting.param {
            None if setting.vendor.as_ref() == Some(&value) => {}
            None => _ = carried.free.insert(key, literal(&value)),
            Some(param) if module.params.get(param).is_some_and(|param| param.kind == ParamType::Map) => {
                let rest = key.strip_prefix(name.trim_end_matches('*')).unwrap_or(&key);
                maps.entry(param.clone()).or_default().push(format!("{}={}", quoted(rest), quoted(&value)));
            }
            Some(param) => match param_line(module, param, &value, &setting.unit) {
                Some(line) => carried.params.extend(line),
                None => carried.notes.push(format!("{path}: {key} has a value that `{param}` does not take: {value}")),
            },
        }
    }
    for (param, entries) in maps {
        carried.params.insert(param.to_string(), format!("{param} {}", entries.join(" ")));
    }
    carried
}

/// Words in the names of settings whose values are nobody's business.
const SECRETS: [&str; 5] = ["password", "passwd", "secret", "token", "credential"];

/// Whether a setting holds a secret, as the module or its own name says.
fn is_secret(key: &str, import: &Import) -> bool {
    let lower = key.to_ascii_lowercase();
    import.secrets.iter().any(|name| name == key) || SECRETS.iter().any(|word| lower.contains(word))
}

/// The line of a parameter: `None` when it does not take the value, `Some(None)` when the value is its default.
#[expect(clippy::option_option, reason = "two different kinds of nothing")]
pub(crate) fn param_line(module: &Module, name: &Name, value: &str, unit: &str) -> Option<Option<(String, String)>> {
    let param = module.params.get(name)?;
    let value = value.trim();
    let (parsed, text) = match &param.kind {
        ParamType::Port => value.parse::<u16>().ok().map(|port| (Value::Int(port.into()), port.to_string()))?,
        ParamType::Int { min, max } => {
            let number = value.parse::<i64>().ok()?;
            let fits = min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max);
            fits.then(|| (Value::Int(number), number.to_string()))?
        }
        ParamType::Bool => {
            let flag = match value {
                "true" | "yes" | "on" => true,
                "false" | "no" | "off" => false,
                _ => return None,
            };
            (Value::Bool(flag), format!("#{flag}"))
        }
        ParamType::Duration => {
            let millis = duration(&format!("{value}{unit}")).or_else(|| duration(value))?;
            (Value::Duration(millis), quoted(&span(millis)))
        }
        ParamType::Size => {
            // Some write `100mb` where others write `100m`.
            let short = value.to_ascii_lowercase();
            let short = short.strip_suffix('b').unwrap_or(&short);
            let bytes = size(&format!("{value}{unit}")).or_else(|| size(short))?;
            (Value::Size(bytes), quoted(&amount(bytes)))
        }
        ParamType::Enum(words) => {
            let word = words.iter().find(|word| *word == value)?;
            (Value::Text(word.clone()), quoted(word))
        }
        ParamType::Text | ParamType::Path | ParamType::Version => (Value::Text(value.to_owned()), quoted(value)),
        ParamType::List(_) | ParamType::Map | ParamType::Secret | ParamType::File | ParamType::Files => return None,
    };
    let same = param.default.as_ref() == Some(&parsed);
    Some((!same).then(|| (name.to_string(), format!("{name} {text}"))))
}

fn span(millis: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let unit = units.into_iter().find(|(factor, _)| millis > 0 && millis.is_multiple_of(*factor));
    unit.map_or_else(|| format!("{millis}ms"), |(factor, unit)| format!("{}{unit}", millis / factor))
}

fn amount(bytes: u64) -> String {
    let units = [(30, "g"), (20, "m"), (10, "k")];
    let unit = units.into_iter().find(|(shift, _)| bytes > 0 && bytes.is_multiple_of(1 << shift));
    unit.map_or_else(|| bytes.to_string(), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

/// A value as KDL: numbers and truths as such, everything else in quotes.
fn literal(value: &str) -> String {
    let number = value.len() < 19 && value.parse::<i64>().is_ok_and(|number| number.to_string() == value);
    match value {
        "true" | "false" | "null" => format!("#{value}"),
        _ if number => value.to_owned(),
        _ => quoted(value),
    }
}

/// Settings by name. What has more than one line is told and left out.
fn read(path: &str, text: &str, format: FreeSyntax, notes: &mut Vec<String>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open: Vec<(usize, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let (indent, line) = (line.len() - line.trim_start().len(), line.trim());
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let separators: &[char] = match format {
            FreeSyntax::Yaml => &[':'],
            FreeSyntax::KeyValue => &[' ', '\t'],
            FreeSyntax::Properties | FreeSyntax::Ini => &['='],
        };
        let note = || format!("{path}:{}: not carried over: {line}", number + 1);
        let Some((key, value)) = line.split_once(separators).filter(|_| !line.starts_with(['-', '['])) else {
            notes.push(note());
            continue;
        };
        let (key, value) = (key.trim(), value.trim());
        if format != FreeSyntax::Yaml {
            found.insert(key.to_owned(), value.to_owned());
            continue;
        }
        open.retain(|(column, _)| *column < indent);
        let path: Vec<&str> = open.iter().map(|(_, name)| name.as_str()).chain([key]).collect();
        let full = path.join(".");
        let value = value.split_once(" #").map_or(value, |(value, _)| value.trim());
        if value.is_empty() {
            open.push((indent, key.to_owned()));
        } else if value.starts_with(['{', '|', '>', '&', '*']) {
            notes.push(note());
        } else {
            let bare = value.strip_prefix(['"', '\'']).and_then(|rest| rest.strip_suffix(['"', '\'']));
            found.insert(full, bare.unwrap_or(value).to_owned());
        }
    }
    found
}
