//! A folder of `conf/*.list` files → `cluster.kdl`. Pure: the folder was read already, and is not trusted.
//!
//! Nothing here knows a service: what is known is in the `import` node of its module.

mod settings;

use crate::diag::SourceId;
use crate::layout;
use crate::model::{FreeSyntax, HostName, Import, Module, Name, ParamType, SourceKind, Value, Version};
pub(crate) use settings::{Carried, carry, param_line};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

/// What was read of a folder.
#[derive(Debug, Clone, Default)]
pub struct Legacy {
    /// The folder's name.
    pub name: String,
    /// Texts of `conf/*.list`, by name without `.list`.
    pub lists: BTreeMap<String, String>,
    /// Texts below `conf/`, by path below it.
    pub configs: BTreeMap<String, String>,
    /// Names of the files in `install/`.
    pub archives: Vec<String>,
    /// What could not be read, and why.
    pub unread: Vec<String>,
}

/// The result.
#[derive(Debug, Clone)]
pub struct Imported {
    /// `cluster.kdl`.
    pub text: String,
    /// How many things could not be carried over; each is a comment that begins with `TODO`.
    pub left: usize,
}

/// The list of all hosts.
const ALL: &str = "cluster";

/// What watches the processes. Nothing in such a folder says it.
const SUPERVISOR: &str = "\
// Not in the folder: systemd is on most hosts, starts everything at boot, and needs root or sudo there.\n\
// Without root: \"supervisord\", with its version in `versions` and Python 3 on the hosts.\n\
supervisor \"systemd\"\n";

/// A role in the making.
struct Draft<'m> {
    module: &'m Module,
    label: Option<&'m str>,
    hosts: Vec<HostName>,
    lines: BTreeMap<String, String>,
    carried: Carried,
    /// The file that it was read from.
    path: String,
}

/// Writes the file.
pub fn import(legacy: &Legacy, modules: &[Arc<Module>]) -> Imported {
    let mut notes: Vec<String> = legacy.unread.clone();
    let known: BTreeSet<&str> = modules
        .iter()
        .filter_map(|module| module.import.as_ref())
        .flat_map(|import| import.lists.iter().map(|list| list.name.as_str()))
        .collect();
    let mut hosts: BTreeSet<HostName> = BTreeSet::new();
    let mut lists: BTreeMap<&str, Vec<HostName>> = BTreeMap::new();
    for (name, text) in &legacy.lists {
        let names = host_names(name, text, &mut notes);
        hosts.extend(names.iter().cloned());
        lists.insert(name, names);
    }
    for (name, members) in
        lists.iter().filter(|(name, members)| !known.contains(**name) && **name != ALL && !members.is_empty())
    {
        let members: Vec<&str> = members.iter().map(HostName::as_str).collect();
        notes.push(format!("conf/{name}.list: no module for it; its hosts are {}", members.join(" ")));
    }
    let mut drafts = Vec::new();
    let mut ports: BTreeMap<HostName, BTreeSet<i64>> = BTreeMap::new();
    for module in modules {
        let Some(import) = &module.import else { continue };
        for list in &import.lists {
            let members = lists.get(list.name.as_str()).cloned().unwrap_or_default();
            if members.is_empty() {
                continue;
            }
            let mut lines: BTreeMap<String, String> =
                list.params.iter().map(|(name, text)| (name.to_string(), text.clone())).collect();
            let label = list.label.as_deref();
            let (path, carried) = carried(legacy, module, import, label, &mut notes);
            lines.extend(carried.params.clone());
            for (param, words) in &carried.words {
                let line = with_words(module, param, words, lines.get(param));
                lines.insert(param.clone(), line);
            }
            let mut draft = Draft { module, label, hosts: members, lines, carried, path };
            free_ports(&mut draft, &mut ports);
            drafts.push(draft);
        }
    }
    let versions = versions(legacy, modules, &drafts, &mut notes);
    let text = write(legacy, &hosts, &versions, &drafts, &notes);
    let laid = layout::canonical("cluster.kdl", &text, SourceId(0)).unwrap_or(text);
    let left = laid.matches("// TODO").count();
    Imported { text: laid, left }
}

/// Hosts of a list: one on each line.
fn host_names(list: &str, text: &str, notes: &mut Vec<String>) -> Vec<HostName> {
    let mut names: Vec<HostName> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        match HostName::new(&line.to_ascii_lowercase()) {
            Ok(name) if names.contains(&name) => {}
            Ok(name) => names.push(name),
            Err(_) => notes.push(format!("conf/{list}.list:{}: `{line}` is no host name", number + 1)),
        }
    }
    names.sort();
    names
}

/// The service's own file, of the role or of all roles.
fn carried(
    legacy: &Legacy,
    module: &Module,
    import: &Import,
    label: Option<&str>,
    notes: &mut Vec<String>,
) -> (String, Carried) {
    let find = |file: &str| {
        let own = label.map(|label| format!("{}/{label}/{file}", module.name.value));
        let common = format!("{}/{file}", module.name.value);
        own.into_iter().chain([common]).find_map(|path| legacy.configs.get(&path).map(|text| (path, text.as_str())))
    };
    let (file, format) =
        module.free_config.as_ref().map_or(("", FreeSyntax::Properties), |free| (free.file.as_str(), free.format));
    let (path, text) = find(file).unwrap_or_default();
    let mut carried = carry(&path, text, format, module, import);
    for (file, starts, param) in &import.lines {
        let Some((_, text)) = find(file) else { continue };
        let value = text.lines().map(str::trim).filter_map(|line| line.strip_prefix(starts.as_str())).next_back();
        let taken = |value: &str| param_line(module, param, value, "");
        carried.params.extend(value.and_then(taken).flatten());
    }
    notes.append(&mut carried.notes);
    (path, carried)
}

/// A list of words: what the file says of each, else the list of hosts, else the module.
pub(crate) fn with_words(module: &Module, param: &str, said: &BTreeMap<String, bool>, line: Option<&String>) -> String {
    let default =
        module.params.iter().find(|(name, _)| name.as_str() == param).and_then(|(_, known)| known.default.clone());
    let default = match default {
        Some(Value::List(words)) => words,
        _ => Vec::new(),
    };
    let base: Vec<String> = match line {
        Some(line) => line.split('"').skip(1).step_by(2).map(str::to_owned).collect(),
        None => default
            .into_iter()
            .filter_map(|word| match word {
                Value::Text(word) => Some(word),
                _ => None,
            })
            .collect(),
    };
    let mut words: BTreeSet<String> = base.into_iter().filter(|word| said.get(word) != Some(&false)).collect();
    words.extend(said.iter().filter(|(_, holds)| **holds).map(|(word, _)| word.clone()));
    words.iter().fold(param.to_owned(), |line, word| format!("{line} {}", quoted(word)))
}

/// Gives an instance the next free port where another one on the same host has it: what services do by themselves.
fn free_ports(draft: &mut Draft<'_>, taken: &mut BTreeMap<HostName, BTreeSet<i64>>) {
    let ports = draft.module.params.iter().filter(|(_, param)| param.kind == ParamType::Port);
    for (name, param) in ports {
        let said = draft.lines.get(name.as_str()).and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        let default = match &param.default {
            Some(Value::Int(port)) => Some(*port),
            _ => None,
        };
        let Some(wanted) = said.or(default) else { continue };
        let is_taken =
            |port: &i64| draft.hosts.iter().any(|host| taken.get(host).is_some_and(|used| used.contains(port)));
        let port = (wanted..=65535).find(|port| !is_taken(port)).unwrap_or(wanted);
        if port != wanted {
            let line = format!("{name} {port} // {wanted} is taken on a host of it: the next free one");
            draft.lines.insert(name.to_string(), line);
        }
        for host in &draft.hosts {
            taken.entry(host.clone()).or_default().insert(port);
        }
    }
}

/// The version of each module, from the names of archives.
fn versions(legacy: &Legacy, modules: &[Arc<Module>], drafts: &[Draft<'_>], notes: &mut Vec<String>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut used: BTreeSet<&str> = BTreeSet::new();
    let needed = |module: &Module| {
        drafts.iter().any(|draft| {
            let requires = draft.module.requires.iter().any(|need| need.module.value == module.name.value);
            draft.module.name.value == module.name.value || requires
        })
    };
    for module in modules.iter().filter(|module| needed(module)) {
        let mut found: Vec<(Version, &str)> = Vec::new();
        for source in module.artifact.iter().flat_map(|artifact| &artifact.sources) {
            let SourceKind::File { name } = &source.kind else { continue };
            let Some((before, after)) = name.0.value.split_once("{{ version }}") else { continue };
            for archive in &legacy.archives {
                let middle = archive.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
                let ours = |text: &str| {
                    let mapped = source.version_map.iter().find(|(_, theirs)| *theirs == text);
                    mapped.map_or_else(|| text.to_owned(), |(ours, _)| ours.clone())
                };
                let version = middle.and_then(|text| Version::parse(&ours(text)).ok());
                found.extend(version.map(|version| (version, archive.as_str())));
            }
        }
        used.extend(found.iter().map(|(_, archive)| *archive));
        found.sort();
        found.dedup_by(|a, b| a.0 == b.0);
        let name = &module.name.value;
        match found.as_slice() {
            [] => {
                notes.push(format!("install/ has no archive of {name} that its module knows: write its version below"));
            }
            [.., (version, _)] => {
                if found.len() > 1 {
                    notes.push(format!("install/ has several versions of {name}: the newest was taken"));
                }
                lines.push(format!("{name} \"{version}\""));
            }
        }
    }
    for archive in legacy.archives.iter().filter(|archive| !used.contains(archive.as_str())) {
        notes.push(format!("install/{archive}: no module that is used here knows it"));
    }
    lines
}

fn write(
    legacy: &Legacy,
    hosts: &BTreeSet<HostName>,
    versions: &[String],
    drafts: &[Draft<'_>],
    notes: &[String],
) -> String {
    let mut text =
        String::from("// Imported by `esplan import`. What could not be carried over is marked with TODO.\n");
    // Writing to a String can't fail.
    for note in notes {
        let _ = writeln!(text, "// TODO {}", comment(note));
    }
    let name =
        Name::new(&legacy.name.to_ascii_lowercase()).map_or_else(|_| "imported".to_owned(), |name| name.to_string());
    let _ = writeln!(text, "\ncluster {} {{\n{SUPERVISOR}}}\n\nversions {{", quoted(&name));
    for line in versions {
        let _ = writeln!(text, "{line}");
    }
    text.push_str("}\n\nhosts {\n");
    let mut free = 1_u32;
    let numbered = |host: &HostName| host.as_str().ends_with(|c: char| c.is_ascii_digit());
    for host in hosts {
        let number = if numbered(host) {
            String::new()
        } else {
            let taken = |number: u32| {
                hosts.iter().any(|host| {
                    numbered(host)
                        && host.as_str().trim_start_matches(|c: char| !c.is_ascii_digit()) == number.to_string()
                })
            };
            while taken(free) {
                free += 1;
            }
            free += 1;
            format!(" number={} // TODO compare with the ids (myid, meta.properties) on the host", free - 1)
        };
        let _ = writeln!(text, "{} address={}{number}", quoted(host.as_str()), quoted(host.as_str()));
    }
    text.push_str("}\n\nroles {\n");
    for draft in drafts {
        let members: Vec<&str> = draft.hosts.iter().map(HostName::as_str).collect();
        let label = draft.label.map(|label| format!(" {}", quoted(label))).unwrap_or_default();
        let _ = write!(text, "{}{label} on={}", draft.module.name.value, quoted(&members.join(",")));
        if draft.lines.is_empty() && draft.carried.free.is_empty() && draft.carried.ours.is_empty() {
            text.push('\n');
            continue;
        }
        text.push_str(" {\n");
        if !draft.carried.ours.is_empty() {
            let ours = format!("{}: es_cluster sets these by itself: {}", draft.path, draft.carried.ours.join(", "));
            let _ = writeln!(text, "// {}", comment(&ours));
        }
        for line in draft.lines.values() {
            let _ = writeln!(text, "{line}");
        }
        if !draft.carried.free.is_empty() {
            text.push_str("config {\n");
            for (key, value) in &draft.carried.free {
                let _ = writeln!(text, "{} {value}", quoted_key(key));
            }
            text.push_str("}\n");
        }
        text.push_str("}\n");
    }
    text + "}\n"
}

/// A text of unknown origin as a comment of one line.
pub(crate) fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || crate::syntax::is_forbidden(c) { '?' } else { c }).take(400).collect()
}

/// A text in quotes.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() || crate::syntax::is_forbidden(c) || ('\u{2028}'..='\u{2029}').contains(&c) => {
                let _ = write!(quoted, "\\u{{{:x}}}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// The name of a node: plain where it may be.
pub(crate) fn quoted_key(key: &str) -> String {
    let plain = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        && !["true", "false", "null", "inf", "nan"].contains(&key);
    if plain { key.to_owned() } else { quoted(key) }
}
