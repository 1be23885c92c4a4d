//! What a change of the file means: two desired states against each other. No host is needed for it.

use super::fold;
use super::style::{Style, Tone};
use super::text::DiffStyle;
use crate::desired::{Desired, DesiredFile, DesiredInstance, Place};
use crate::model::{HostName, InstanceId, OnChange};
use serde::Serialize;
use similar::TextDiff;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Lines around a change.
const CONTEXT: usize = 3;
/// Longer texts are compared by digest alone.
const LONGEST: usize = 256 * 1024;
/// Lines of a short diff.
const SHORT: usize = 12;

/// Everything that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// The format's version.
    pub format: u32,
    /// What differs about the cluster as a whole.
    pub cluster: Vec<Difference>,
    /// Hosts that come and go, or whose address, way or supervisor differs.
    pub hosts: Vec<HostDifference>,
    /// Instances that are new.
    pub added: Vec<InstanceId>,
    /// Instances that go away. `esapply` never removes one by itself.
    pub removed: Vec<InstanceId>,
    /// Instances that differ; those that differ in the same way stand together.
    pub changed: Vec<Changed>,
}

/// A value before and after.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// What it is.
    pub what: String,
    /// Before; absent when it is new.
    pub from: Option<String>,
    /// After; absent when it goes away.
    pub to: Option<String>,
}

/// What differs about one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostDifference {
    /// The host.
    pub host: HostName,
    /// What differs.
    pub differs: Vec<Difference>,
}

/// Instances that differ in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The instances.
    pub instances: Vec<InstanceId>,
    /// What it asks of their processes.
    pub takes: OnChange,
    /// Versions, parameters and other values.
    pub differs: Vec<Difference>,
    /// Files, as they differ for the first of the instances.
    pub files: Vec<FileDifference>,
}

/// A rendered file that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FileDifference {
    /// Its path, in the generation's folder or absolute.
    pub path: String,
    /// A unified diff; absent when it holds a secret or is too long.
    pub diff: Option<String>,
    /// It holds a secret.
    pub secret: bool,
}

/// Compares what two files ask for.
pub fn compare(old: &Desired, new: &Desired) -> Comparison {
    let mut cluster = Vec::new();
    differ(&mut cluster, "name", Some(old.cluster.to_string()), Some(new.cluster.to_string()));
    differ(&mut cluster, "rollout", Some(rollout(old)), Some(rollout(new)));
    let missing = |of: &Desired, other: &Desired| -> Vec<InstanceId> {
        of.instances.keys().filter(|id| !other.instances.contains_key(*id)).cloned().collect()
    };
    let mut groups: BTreeMap<_, Changed> = BTreeMap::new();
    for (id, after) in &new.instances {
        let Some(before) = old.instances.get(id) else { continue };
        let (differs, files) = (values(before, after), files(before, after));
        let takes = takes(before, after);
        if differs.is_empty() && files.is_empty() && takes == OnChange::Nothing {
            continue;
        }
        // What stands around a change may differ: a host's own address does.
        let lines: Vec<(String, Vec<String>)> =
            files.iter().map(|file| (file.path.clone(), changed_lines(file))).collect();
        let group = groups.entry((id.role.clone(), differs.clone(), lines, word(takes)));
        let group = group.or_insert_with(|| Changed { instances: Vec::new(), takes, differs, files });
        group.instances.push(id.clone());
    }
    let mut changed: Vec<Changed> = groups.into_values().collect();
    changed.sort_by(|a, b| a.instances.cmp(&b.instances));
    Comparison {
        format: 1,
        cluster,
        hosts: hosts(old, new),
        added: missing(new, old),
        removed: missing(old, new),
        changed,
    }
}

fn differ(list: &mut Vec<Difference>, what: &str, from: Option<String>, to: Option<String>) {
    if from != to {
        list.push(Difference { what: what.to_owned(), from, to });
    }
}

fn rollout(desired: &Desired) -> String {
    let rollout = &desired.rollout;
    format!(
        "canary {}, soak {}, scope {:?}, batch {}, on-failure {:?}",
        rollout.canary,
        super::duration(rollout.soak),
        rollout.scope,
        rollout.batch,
        rollout.on_failure
    )
    .to_lowercase()
}

fn hosts(old: &Desired, new: &Desired) -> Vec<HostDifference> {
    let names: BTreeSet<&HostName> = old.hosts.keys().chain(new.hosts.keys()).collect();
    let mut found = Vec::new();
    for name in names {
        let mut differs = Vec::new();
        let (before, after) = (old.hosts.get(name), new.hosts.get(name));
        let address = |host: &crate::desired::DesiredHost| host.address.clone();
        differ(&mut differs, "address", before.map(address), after.map(address));
        if let Some((before, after)) = before.zip(after) {
            differ(&mut differs, "prefix", Some(before.prefix.clone()), Some(after.prefix.clone()));
            differ(&mut differs, "user", before.user.clone(), after.user.clone());
            let transport = |host: &crate::desired::DesiredHost| Some(format!("{:?}", host.transport).to_lowercase());
            differ(&mut differs, "transport", transport(before), transport(after));
            let kind = |host: &crate::desired::DesiredHost| {
                let version = host.supervisor.supervisord().map(|own| format!(" {}", own.version)).unwrap_or_default();
                Some(format!("{:?}", host.supervisor.kind()).to_lowercase() + &version)
            };
            differ(&mut differs, "supervisor", kind(before), kind(after));
        }
        if !differs.is_empty() {
            found.push(HostDifference { host: name.clone(), differs });
        }
    }
    found
}

/// Versions, software, parameters and the process.
fn values(before: &DesiredInstance, after: &DesiredInstance) -> Vec<Difference> {
    let mut list = Vec::new();
    differ(&mut list, "version", Some(before.version.to_string()), Some(after.version.to_string()));
    // A folder's name ends in a hash of its content: `NAME-VERSION-HASH`.
    let software = |instance: &DesiredInstance| -> BTreeMap<String, String> {
        let parts = instance.software.iter().filter_map(|folder| folder.split_once('-'));
        parts
            .map(|(name, rest)| {
                (name.to_owned(), rest.rsplit_once('-').map_or(rest, |(version, _)| version).to_owned())
            })
            .collect()
    };
    let (old, new) = (software(before), software(after));
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        if name != before.module.name.value.as_str() {
            differ(&mut list, name, old.get(name).cloned(), new.get(name).cloned());
        }
    }
    let value = |instance: &DesiredInstance, name: &crate::model::Name| {
        let value = instance.params.get(name)?;
        serde_json::to_string(value).ok().filter(|text| text != "null")
    };
    let names: BTreeSet<_> = before.params.keys().chain(after.params.keys()).collect();
    for name in names {
        differ(&mut list, name.as_str(), value(before, name), value(after, name));
    }
    differ(&mut list, "tier", Some(before.tier.clone()), Some(after.tier.clone()));
    let ordinal = |instance: &DesiredInstance| Some(instance.ordinal.to_string());
    differ(&mut list, "id", ordinal(before), ordinal(after));
    list
}

fn files(before: &DesiredInstance, after: &DesiredInstance) -> Vec<FileDifference> {
    let by_path = |instance: &'_ DesiredInstance| -> BTreeMap<String, DesiredFile> {
        let path = |file: &DesiredFile| match &file.place {
            Place::Generation(path) | Place::Absolute(path) => path.clone(),
        };
        instance.files.iter().map(|file| (path(file), file.clone())).collect()
    };
    let (old, new) = (by_path(before), by_path(after));
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut found = Vec::new();
    for path in paths {
        let (before, after) = (old.get(path), new.get(path));
        if before.map(|file| file.sha256) == after.map(|file| file.sha256) {
            continue;
        }
        let secret = before.into_iter().chain(after).any(|file| file.secret);
        let text = |file: Option<&DesiredFile>| file.map_or_else(String::new, |file| file.content.to_string());
        let (old, new) = (text(before), text(after));
        let short = old.len() <= LONGEST && new.len() <= LONGEST;
        let diff = (short && !secret).then(|| unified(path, &old, &new));
        found.push(FileDifference { path: path.clone(), diff, secret });
    }
    found
}

/// The lines that differ, without those around them.
fn changed_lines(file: &FileDifference) -> Vec<String> {
    let lines = file.diff.iter().flat_map(|diff| diff.lines().skip(2));
    lines.filter(|line| line.starts_with(['+', '-'])).map(str::to_owned).collect()
}

fn unified(path: &str, old: &str, new: &str) -> String {
    let path = path.trim_start_matches('/');
    let diff = TextDiff::from_lines(old, new);
    diff.unified_diff().context_radius(CONTEXT).header(&format!("a/{path}"), &format!("b/{path}")).to_string()
}

/// What a running process would need.
fn takes(before: &DesiredInstance, after: &DesiredInstance) -> OnChange {
    if before.restart_generation != after.restart_generation {
        return OnChange::Restart;
    }
    let old: BTreeMap<&Place, &DesiredFile> = before.files.iter().map(|file| (&file.place, file)).collect();
    let differs = |file: &&DesiredFile| old.get(&file.place).is_none_or(|old| old.sha256 != file.sha256);
    let reload = after.files.iter().filter(differs).any(|file| file.on_change == OnChange::Reload);
    if reload { OnChange::Reload } else { OnChange::Nothing }
}

const fn word(takes: OnChange) -> &'static str {
    match takes {
        OnChange::Restart => "restart",
        OnChange::Reload => "reload",
        OnChange::Nothing => "nothing to restart",
    }
}

impl Comparison {
    /// Whether both files ask for the same.
    pub fn is_empty(&self) -> bool {
        let lists = self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty();
        self.cluster.is_empty() && self.hosts.is_empty() && lists
    }

    /// For programs.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// For people.
    pub fn text(&self, diff: DiffStyle, colour: bool) -> String {
        let style = Style { colour };
        let mut text = String::new();
        if self.is_empty() {
            return "Both files ask for the same.\n".to_owned();
        }
        // Writing to a String can't fail.
        for difference in &self.cluster {
            let _ = writeln!(text, "{} cluster: {}", style.paint(Tone::Changed, "~"), told(difference));
        }
        for host in &self.hosts {
            let differs: Vec<String> = host.differs.iter().map(told).collect();
            let _ = writeln!(text, "{} host {}: {}", style.paint(Tone::Changed, "~"), host.host, differs.join(", "));
        }
        if !self.added.is_empty() {
            let _ = writeln!(text, "{} new: {}", style.paint(Tone::Added, "+"), fold::instances(&self.added));
        }
        if !self.removed.is_empty() {
            let gone = fold::instances(&self.removed);
            let _ = writeln!(text, "{} no longer in the file: {gone}", style.paint(Tone::Removed, "-"));
        }
        for group in &self.changed {
            let names = style.paint(Tone::Strong, &fold::instances(&group.instances));
            let _ = writeln!(text, "{} {names}: {}", style.paint(Tone::Changed, "~"), word(group.takes));
            for difference in &group.differs {
                let _ = writeln!(text, "    {}", told(difference));
            }
            for file in &group.files {
                show_file(&mut text, file, diff, style);
            }
        }
        let restarts: usize = self
            .changed
            .iter()
            .filter(|group| group.takes == OnChange::Restart)
            .map(|group| group.instances.len())
            .sum();
        let changed: usize = self.changed.iter().map(|group| group.instances.len()).sum();
        let (added, removed) = (self.added.len(), self.removed.len());
        let _ = writeln!(text, "\n{added} new, {changed} changed, {removed} removed; {restarts} would restart");
        text
    }
}

fn told(difference: &Difference) -> String {
    let Difference { what, from, to } = difference;
    match (from, to) {
        (Some(from), Some(to)) => format!("{what} {from} → {to}"),
        (None, Some(to)) => format!("{what} {to} (new)"),
        (Some(from), None) => format!("{what} {from} (gone)"),
        (None, None) => what.clone(),
    }
}

fn show_file(text: &mut String, file: &FileDifference, diff: DiffStyle, style: Style) {
    let note = match (&file.diff, file.secret) {
        (_, true) => " (holds a secret: not shown)",
        (None, false) => " (too long to compare)",
        _ => "",
    };
    let _ = writeln!(text, "    {}{note}", file.path);
    let lines = file.diff.as_deref().unwrap_or_default().lines().skip(2);
    let shown = match diff {
        DiffStyle::Full => usize::MAX,
        DiffStyle::Short => SHORT,
        DiffStyle::None => 0,
    };
    for (index, line) in lines.enumerate() {
        if index == shown && shown > 0 {
            let _ = writeln!(text, "        … (--diff full)");
        }
        if index >= shown {
            break;
        }
        let tone = match line.as_bytes().first() {
            Some(b'+') => Tone::Added,
            Some(b'-') => Tone::Removed,
            _ => Tone::Quiet,
        };
        let _ = writeln!(text, "        {}", style.paint(tone, line));
    }
}
