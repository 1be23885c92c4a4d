//! What differs: host by host, instance by instance, service by service; the same differences of several are told once.

use super::style::{Tone, wrapped};
use super::text::{DiffStyle, Pen};
use super::{fold, words};
use crate::diff::{Change, SupervisorChange};
use crate::inventory::{Held, HeldWhat, printable};
use crate::model::{Digest, HostName, InstanceId, OnChange, RoleId, ServiceName, SupervisorKind};
use crate::plan::Plan;
use std::collections::BTreeMap;

/// Longest text of a host or service in a line.
const LONGEST: usize = 200;

/// How many lines of a file's diff are shown in short.
const SHORT: usize = 12;

/// How many paths of a list are named.
const NAMED: usize = 3;

/// Texts of the diffs, by file.
type Diffs<'a> = BTreeMap<(&'a InstanceId, &'a str), Option<&'a str>>;

/// All differences.
pub(super) fn section(plan: &Plan, pen: &Pen) -> String {
    let mut hosts: BTreeMap<&HostName, Vec<String>> = BTreeMap::new();
    let mut instances: BTreeMap<&InstanceId, Vec<String>> = BTreeMap::new();
    let mut services: BTreeMap<&ServiceName, Vec<String>> = BTreeMap::new();
    let diffs: Diffs<'_> =
        plan.diffs.iter().map(|diff| ((&diff.instance, diff.path.as_str()), diff.text.as_deref())).collect();
    for change in &plan.changes {
        let lines = told(change, &diffs, pen);
        match (change, change.instance(), change.host()) {
            (Change::NotHealthy { service, .. } | Change::Setting { service, .. }, ..) => {
                services.entry(service).or_default().extend(lines);
            }
            (_, Some(instance), _) => instances.entry(instance).or_default().extend(lines),
            (_, None, Some(host)) => hosts.entry(host).or_default().extend(lines),
            (_, None, None) => {}
        }
    }
    let mut text = String::new();
    for (names, lines) in same(hosts) {
        block(&mut text, &fold::hosts(names), &lines, pen);
    }
    let mut roles: BTreeMap<&RoleId, BTreeMap<&InstanceId, Vec<String>>> = BTreeMap::new();
    for (instance, lines) in instances {
        roles.entry(&instance.role).or_default().insert(instance, lines);
    }
    for of_role in roles.into_values() {
        for (names, lines) in alike(same(of_role)) {
            block(&mut text, &fold::instances(names), &lines, pen);
        }
    }
    for (name, lines) in services {
        block(&mut text, name.as_str(), &lines, pen);
    }
    text
}

/// Those with the same lines together, in the order of the first of them.
fn same<K: Ord + Copy>(all: BTreeMap<K, Vec<String>>) -> Vec<(Vec<K>, Vec<String>)> {
    let mut groups: Vec<(Vec<K>, Vec<String>)> = Vec::new();
    let mut places: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for (key, lines) in all {
        let next = groups.len();
        if let Some((keys, _)) = places.get(&lines).and_then(|place| groups.get_mut(*place)) {
            keys.push(key);
        } else {
            places.insert(lines.clone(), next);
            groups.push((vec![key], lines));
        }
    }
    groups
}

/// Instances with the lines that are told of each of them.
type Group<'a> = (Vec<&'a InstanceId>, Vec<String>);

/// Single instances that differ in their own hosts' names alone together, with `*` for the name.
fn alike(groups: Vec<Group<'_>>) -> Vec<Group<'_>> {
    let nameless = |(names, lines): &Group<'_>| match names.as_slice() {
        [one] => Some(lines.iter().map(|line| without(line, one.host.as_str())).collect::<Vec<String>>()),
        _ => None,
    };
    let mut result: Vec<Group<'_>> = Vec::new();
    let mut places: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for group in groups {
        let Some(lines) = nameless(&group) else {
            result.push(group);
            continue;
        };
        let next = result.len();
        if let Some((names, shown)) = places.get(&lines).and_then(|place| result.get_mut(*place)) {
            names.extend(group.0);
            *shown = lines;
        } else {
            places.insert(lines, next);
            result.push(group);
        }
    }
    result
}

/// A line with `*` for a host's name, where it stands alone.
fn without(line: &str, host: &str) -> String {
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let (mut result, mut rest) = (String::with_capacity(line.len()), line);
    while let Some(start) = rest.find(host) {
        let (before, after) = (&rest[..start], &rest[start + host.len()..]);
        let alone = !part_of_word(before.chars().next_back()) && !part_of_word(after.chars().next());
        result.push_str(before);
        result.push_str(if alone { "*" } else { host });
        rest = after;
    }
    result.push_str(rest);
    result
}

fn block(text: &mut String, head: &str, lines: &[String], pen: &Pen) {
    text.push_str(&pen.paint(Tone::Strong, head));
    text.push('\n');
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
}

/// A line with its sign.
fn line(sign: char, what: &str, pen: &Pen) -> Vec<String> {
    let tone = match sign {
        '+' => Tone::Added,
        '-' => Tone::Removed,
        '~' => Tone::Changed,
        '!' => Tone::Bad,
        _ => Tone::Quiet,
    };
    vec![format!("  {} {}", pen.paint(tone, &sign.to_string()), wrapped(what, 4, 6, pen.width))]
}

fn told(change: &Change, diffs: &Diffs<'_>, pen: &Pen) -> Vec<String> {
    match change {
        Change::Unobserved { why, .. } => line('!', &format!("not observed: {}", printable(why, LONGEST)), pen),
        Change::Unprepared { host, missing } => {
            let missing: Vec<String> = missing.iter().map(|path| path.replace(host.as_str(), "*")).collect();
            line('+', &format!("folders: {}", list(&missing)), pen)
        }
        Change::Supervisor { how: SupervisorChange::Down, .. } => line('!', "the supervisor does not run", pen),
        Change::Supervisor { how: SupervisorChange::Config, .. } => line('~', "configuration of the supervisor", pen),
        Change::Supervisor { how: SupervisorChange::Superseded, .. } => {
            line('-', "the supervisor that was declared before still runs", pen)
        }
        Change::Boot { host, path, from, to } => {
            outside(&path.replace(host.as_str(), "*"), *from, *to, "starts everything at boot", pen)
        }
        Change::SoftwareMissing { folder, bytes: 0, .. } => line('+', &format!("software {folder}"), pen),
        Change::SoftwareMissing { folder, bytes, .. } => {
            line('+', &format!("software {folder}, {} to copy", words::bytes(*bytes)), pen)
        }
        Change::SoftwareDamaged { folder, paths, .. } => {
            line('!', &format!("software {folder} is not as it was unpacked: {}", list(paths)), pen)
        }
        Change::NewInstance { .. } => line('+', "new", pen),
        Change::File { instance, path, on_change, from, to, by_hand } => {
            let sign = match (from, to) {
                (None, _) => '+',
                (_, None) => '-',
                _ => '~',
            };
            let hand = if *by_hand { ", edited by hand" } else { "" };
            let asks = match on_change {
                _ if *by_hand => "",
                OnChange::Restart => ", needs a restart",
                OnChange::Reload => ", needs a reload",
                OnChange::Nothing => "",
            };
            let mut lines = line(sign, &format!("{path}{hand}{asks}"), pen);
            lines.extend(diff_of(instance, path, diffs, pen));
            lines
        }
        Change::Mode { path, from, to, .. } => line('~', &format!("{path}: mode {from:04o} -> {to:04o}"), pen),
        Change::Software { module, from: Some(from), to, .. } => line('~', &format!("{module} {from} -> {to}"), pen),
        Change::Software { module, from: None, to, .. } => line('+', &format!("{module} {to}"), pen),
        Change::NotRunning { died: true, .. } => line('!', "does not run: it has died", pen),
        Change::NotRunning { died: false, .. } => line('!', "does not run", pen),
        Change::RestartPending { .. } => {
            line('!', "restart pending: it runs on an older generation than the one on disk", pen)
        }
        Change::ProcessDefinition { instance } => {
            let mut lines = line('~', "process definition, needs a restart", pen);
            for path in ["launch", SupervisorKind::Supervisord.entry(), SupervisorKind::Systemd.entry()] {
                lines.extend(diff_of(instance, path, diffs, pen));
            }
            lines
        }
        Change::Unsupervised { pid, .. } => {
            line('!', &format!("unsupervised: process {pid} runs, and no supervisor watches it"), pen)
        }
        Change::OtherSupervisor { from, to, .. } => {
            line('~', &format!("moves from {} to {}, needs a restart", from.word(), to.word()), pen)
        }
        Change::Unit { path, from, to, .. } => outside(path, *from, *to, "outside the prefix", pen),
        Change::NotReady { says, .. } => line('!', &format!("does not serve: {}", printable(says, LONGEST)), pen),
        Change::Unproven { .. } => line('!', "changed by a run that was lost before it was seen to be healthy", pen),
        Change::ReloadOwed { .. } => line('!', "reload pending: it was never told to read its changed files", pen),
        Change::Held { held, .. } => line('=', &kept(held), pen),
        Change::NotHealthy { says, .. } => line('!', &format!("not healthy: {}", printable(says, LONGEST)), pen),
        Change::UndoLeft { service, setting, value, .. } => {
            let value = printable(&value.to_string(), LONGEST);
            line('!', &format!("{setting} of {service} was left changed; {value} is put back"), pen)
        }
        Change::Setting { setting, observed, repair, .. } => {
            let (observed, repair) =
                (printable(&observed.to_string(), LONGEST), printable(&repair.to_string(), LONGEST));
            line('~', &format!("{setting}: {observed} -> {repair}"), pen)
        }
        Change::Debris { paths, .. } => line('-', &format!("left behind by an interrupted run: {}", list(paths)), pen),
        Change::Orphan { role, running, .. } => {
            let runs = if *running { "runs here" } else { "is here" };
            line('=', &format!("{} {runs} and is not declared", printable(role, LONGEST)), pen)
        }
    }
}

/// A file that is new, changed or not wanted any more, and what it is for.
fn outside(path: &str, from: Option<Digest>, to: Option<Digest>, what: &str, pen: &Pen) -> Vec<String> {
    let sign = match (from, to) {
        (None, _) => '+',
        (_, None) => '-',
        _ => '~',
    };
    line(sign, &format!("{}, {what}", printable(path, LONGEST)), pen)
}

fn kept(held: &Held) -> String {
    let how = match held.what {
        HeldWhat::Stopped => "stopped",
        HeldWhat::RolledBack => "rolled back",
    };
    format!("held, {how} by {}: {}", printable(&held.by, LONGEST), printable(&held.why, LONGEST))
}

/// The first few of some paths.
fn list(paths: &[String]) -> String {
    let mut named: Vec<String> = paths.iter().take(NAMED).map(|path| printable(path, LONGEST)).collect();
    if paths.len() > NAMED {
        named.push(format!("{} more", paths.len() - NAMED));
    }
    named.join(", ")
}

/// The hunks of a file's diff, or how many lines they change.
fn diff_of(instance: &InstanceId, path: &str, diffs: &Diffs<'_>, pen: &Pen) -> Vec<String> {
    let Some(found) = diffs.get(&(instance, path)) else { return Vec::new() };
    let Some(text) = found else {
        return vec![format!("      {}", pen.paint(Tone::Quiet, "(its content is not shown)"))];
    };
    let shown = |line: &str| format!("      {}", pen.paint(tone(line), line));
    let hunks = || text.lines().filter(|line| !line.starts_with("--- ") && !line.starts_with("+++ "));
    match pen.diff {
        DiffStyle::None => Vec::new(),
        DiffStyle::Short => {
            let mut lines: Vec<String> = hunks().take(SHORT).map(shown).collect();
            let more = hunks().count().saturating_sub(SHORT);
            if more > 0 {
                let more = format!("... {}, shown by --diff full", words::count(more, "more line"));
                lines.push(format!("      {}", pen.paint(Tone::Quiet, &more)));
            }
            lines
        }
        DiffStyle::Full => hunks().map(shown).collect(),
    }
}

fn tone(line: &str) -> Tone {
    match line.chars().next() {
        Some('+') => Tone::Added,
        Some('-') => Tone::Removed,
        _ => Tone::Quiet,
    }
}
