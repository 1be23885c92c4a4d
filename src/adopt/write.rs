//! Processes → roles: what the instances of a role have in common is said once, the rest for each host.

use super::read::One;
use crate::import::{comment, quoted, quoted_key};
use crate::model::{Cluster, HostName, Module, ModuleName, Name, Version};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

/// Instances that form a role.
pub(super) struct Group<'m> {
    pub(super) module: &'m Module,
    label: Option<String>,
    pub(super) members: BTreeMap<HostName, One<'m>>,
}

/// Instances of a module with one port are a role.
pub(super) fn groups<'m>(ones: Vec<One<'m>>, notes: &mut BTreeSet<String>) -> Vec<Group<'m>> {
    let mut groups: BTreeMap<(String, i64), Group<'m>> = BTreeMap::new();
    for one in ones {
        let key = (one.module.name.value.to_string(), one.port);
        let group =
            groups.entry(key).or_insert_with(|| Group { module: one.module, label: None, members: BTreeMap::new() });
        if group.members.contains_key(&one.host) {
            let (module, host, port) = (&one.module.name.value, &one.host, one.port);
            notes.insert(format!("{module} on {host}: a second one on port {port} is left out"));
            continue;
        }
        group.members.insert(one.host.clone(), one);
    }
    let mut of_module: BTreeMap<String, usize> = BTreeMap::new();
    for (module, _) in groups.keys() {
        *of_module.entry(module.clone()).or_default() += 1;
    }
    let mut taken: BTreeSet<(String, String)> = BTreeSet::new();
    for ((module, port), group) in &mut groups {
        if of_module.get(module).is_some_and(|count| *count > 1) {
            // A folder's name tells more than a port, where it is one of them alone.
            let folder = group.members.values().next().and_then(|one| one.data.as_ref()?.rsplit('/').next());
            let named = folder.and_then(|name| Name::new(name).ok()).map(|name| name.to_string());
            let label = named.filter(|name| taken.insert((module.clone(), name.clone())));
            group.label = Some(label.unwrap_or_else(|| format!("p{port}")));
        }
    }
    groups.into_values().collect()
}

/// The sections `versions` and `roles`.
pub(super) fn write(
    cluster: &Cluster,
    modules: &[Arc<Module>],
    groups: &[Group<'_>],
    mut notes: BTreeSet<String>,
) -> String {
    let versions = versions(cluster, modules, groups, &mut notes);
    let mut text = String::from("// Adopted by `esplan adopt`. What could not be carried over is marked with TODO.\n");
    // Writing to a String can't fail.
    for note in &notes {
        let _ = writeln!(text, "// TODO {}", comment(note));
    }
    let _ = writeln!(text, "\nversions {{\n{versions}}}\n\nroles {{");
    for group in groups {
        role(group, &mut text);
    }
    text + "}\n"
}

/// One version of each module: the one that most have.
fn versions(cluster: &Cluster, modules: &[Arc<Module>], groups: &[Group<'_>], notes: &mut BTreeSet<String>) -> String {
    let mut counted: BTreeMap<ModuleName, BTreeMap<Version, BTreeSet<&HostName>>> = BTreeMap::new();
    let mut needed: BTreeSet<&ModuleName> = BTreeSet::new();
    for one in groups.iter().flat_map(|group| group.members.values()) {
        needed.insert(&one.module.name.value);
        needed.extend(one.module.requires.iter().map(|need| &need.module.value));
        for (module, version) in &one.versions {
            counted.entry(module.clone()).or_default().entry(version.clone()).or_default().insert(&one.host);
        }
    }
    let mut lines = String::new();
    for module in needed.into_iter().filter(|module| !cluster.versions.contains_key(*module)) {
        let fetched = modules.iter().any(|known| known.name.value == *module && known.artifact.is_some());
        let known = counted.get(module);
        let most =
            known.and_then(|known| known.iter().max_by_key(|(version, hosts)| (hosts.len(), (*version).clone())));
        match most {
            Some((version, _)) => {
                if known.is_some_and(|known| known.len() > 1) {
                    let all: Vec<String> =
                        known.into_iter().flatten().map(|(version, _)| version.to_string()).collect();
                    notes.insert(format!(
                        "several versions of {module} run: {}; the others would be changed to {version}",
                        all.join(", ")
                    ));
                }
                let _ = writeln!(lines, "{module} \"{version}\"");
            }
            None if fetched => {
                notes.insert(format!("no version of {module} was found: write it into `versions`"));
            }
            None => {}
        }
    }
    lines
}

/// What all of them say, and what each says beside it.
fn common<'a>(all: &[&'a BTreeMap<String, String>]) -> BTreeMap<&'a str, &'a str> {
    let Some((first, rest)) = all.split_first() else { return BTreeMap::new() };
    let everywhere = |(key, line): &(&String, &String)| rest.iter().all(|other| other.get(*key) == Some(line));
    first.iter().filter(everywhere).map(|(key, line)| (key.as_str(), line.as_str())).collect()
}

fn role(group: &Group<'_>, text: &mut String) {
    let members: Vec<&One<'_>> = group.members.values().collect();
    let hosts: Vec<&str> = group.members.keys().map(HostName::as_str).collect();
    let label = group.label.as_ref().map(|label| format!(" {}", quoted(label))).unwrap_or_default();
    let lines = common(&members.iter().map(|one| &one.lines).collect::<Vec<_>>());
    let free = common(&members.iter().map(|one| &one.free).collect::<Vec<_>>());
    let data = members.first().and_then(|one| one.data.as_ref());
    let ours: BTreeSet<&str> = members.iter().flat_map(|one| &one.ours).map(String::as_str).collect();
    let _ = writeln!(text, "{}{label} on={} {{", group.module.name.value, quoted(&hosts.join(",")));
    if !ours.is_empty() {
        let ours: Vec<&str> = ours.into_iter().collect();
        let _ = writeln!(text, "// es_cluster sets these by itself: {}", comment(&ours.join(", ")));
    }
    adopt(data, text);
    let all = |_: &str, _: &str| true;
    settings(&lines, &free, all, text);
    for one in &members {
        let own = one.lines.iter().map(|(key, line)| (key.as_str(), line.as_str())).collect();
        let own_free = one.free.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let mut inside = String::new();
        if one.data.as_ref() != data {
            adopt(one.data.as_ref(), &mut inside);
        }
        let beside = |key: &str, value: &str| lines.get(key) != Some(&value) && free.get(key) != Some(&value);
        settings(&own, &own_free, beside, &mut inside);
        if !inside.is_empty() {
            let _ = writeln!(text, "on {} {{\n{inside}}}", quoted(one.host.as_str()));
        }
    }
    text.push_str("}\n");
}

fn adopt(data: Option<&String>, text: &mut String) {
    let data = data.map(|data| format!(" data={}", quoted(data))).unwrap_or_default();
    let _ = writeln!(text, "adopt{data}");
}

fn settings(
    lines: &BTreeMap<&str, &str>,
    free: &BTreeMap<&str, &str>,
    wanted: impl Fn(&str, &str) -> bool,
    text: &mut String,
) {
    for (_, line) in lines.iter().filter(|(key, line)| wanted(key, line)) {
        let _ = writeln!(text, "{line}");
    }
    let free: Vec<(&&str, &&str)> = free.iter().filter(|(key, value)| wanted(key, value)).collect();
    if !free.is_empty() {
        text.push_str("config {\n");
        for (key, value) in free {
            let _ = writeln!(text, "{} {value}", quoted_key(key));
        }
        text.push_str("}\n");
    }
}
