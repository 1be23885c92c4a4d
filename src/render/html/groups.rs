//! The differences, those of several together, each with its diffs line by line.

use super::place::Places;
use crate::inventory::visible;
use crate::model::InstanceId;
use crate::plan::Plan;
use crate::render::groups::{Line, Whom, groups as grouped, without};
use crate::render::told::{Told, Topic};
use crate::render::words::count;
use serde::Serialize;
use std::collections::BTreeSet;

/// With so many lines of diffs in the whole page they are open from the start.
pub(super) const FEW_LINES: usize = 40;

/// Most lines of one diff.
const LONGEST: usize = 2_000;

/// Most lines of all diffs: a page that is larger is not read, and hard to open.
const MOST: usize = 60_000;

/// Differences that are the same of all that it names.
#[derive(Debug, Serialize)]
pub(super) struct Group {
    name: String,
    /// How many, when there are several.
    count: Option<String>,
    hosts: String,
    roles: String,
    lines: Vec<Shown>,
}

/// One difference.
#[derive(Debug, Serialize)]
struct Shown {
    kind: &'static str,
    sign: char,
    /// A word for the style sheet.
    tone: &'static str,
    /// The sign in a word.
    means: &'static str,
    what: String,
    diffs: Vec<Diff>,
}

/// The diff of a file.
#[derive(Debug, Default, Serialize)]
struct Diff {
    path: String,
    added: usize,
    removed: usize,
    lines: Vec<DiffLine>,
    /// Why there are no lines.
    masked: &'static str,
}

#[derive(Debug, Serialize)]
struct DiffLine {
    tone: &'static str,
    text: String,
}

/// A kind of difference that the page can be filtered by.
#[derive(Debug, Serialize)]
pub(super) struct Kind {
    value: &'static str,
    name: &'static str,
}

impl Group {
    /// Lines of its diffs.
    pub(super) fn diff_lines(&self) -> usize {
        self.lines.iter().flat_map(|line| &line.diffs).map(|diff| diff.lines.len()).sum()
    }
}

/// A difference whose words can be told of several hosts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Words<'a> {
    sign: char,
    topic: Topic,
    what: String,
    diffs: Vec<Option<std::borrow::Cow<'a, str>>>,
}

impl Line for Words<'_> {
    fn without(&self, host: &str) -> Self {
        let diffs = self.diffs.iter().map(|diff| diff.as_ref().map(|text| without(text, host).into()));
        Self { what: without(&self.what, host), diffs: diffs.collect(), ..*self }
    }
}

fn words(told: Told<'_>) -> Vec<Words<'_>> {
    let diffs = told.diffs.into_iter().map(|diff| diff.map(std::borrow::Cow::Borrowed)).collect();
    vec![Words { sign: told.sign, topic: told.topic, what: told.what, diffs }]
}

/// All groups, and how many lines of diffs are left out.
pub(super) fn groups(plan: &Plan, places: &Places<'_>) -> (Vec<Group>, usize) {
    let (mut room, mut left_out) = (MOST, 0);
    let mut groups = Vec::new();
    for (whom, lines) in grouped(plan, words) {
        let (hosts, roles) = match &whom {
            Whom::Hosts(hosts) => (places.of_hosts(hosts.iter().copied()), String::new()),
            Whom::Instances(ids, _) => places.of_instances(ids),
            Whom::Service(name) => places.of_service(name),
        };
        let lines = lines.iter().map(|line| shown(line, &mut room, &mut left_out)).collect();
        groups.push(Group { name: whom.name(), count: several(&whom), hosts, roles, lines });
    }
    (groups, left_out)
}

/// The kinds that there are, in a fixed order.
pub(super) fn kinds(groups: &[Group]) -> Vec<Kind> {
    let there: BTreeSet<&str> = groups.iter().flat_map(|group| &group.lines).map(|line| line.kind).collect();
    let all = [
        ("host", "Host"),
        ("software", "Software"),
        ("file", "Files"),
        ("process", "Process"),
        ("health", "Health"),
        ("setting", "Settings"),
        ("kept", "Left as it is"),
    ];
    all.into_iter().filter(|(value, _)| there.contains(value)).map(|(value, name)| Kind { value, name }).collect()
}

fn several(whom: &Whom<'_>) -> Option<String> {
    let (number, what) = match whom {
        Whom::Hosts(hosts) => (hosts.len(), "host"),
        Whom::Instances(ids, _) => (instances(ids), "instance"),
        Whom::Service(_) => (1, "service"),
    };
    (number > 1).then(|| count(number, what))
}

fn instances(ids: &[&InstanceId]) -> usize {
    ids.len()
}

fn shown(line: &Words<'_>, room: &mut usize, left_out: &mut usize) -> Shown {
    let (tone, means) = match line.sign {
        '+' => ("add", "new"),
        '-' => ("remove", "goes away"),
        '~' => ("change", "changes"),
        '!' => ("broken", "not as it should be"),
        _ => ("kept", "left as it is"),
    };
    let kind = match line.topic {
        Topic::Host => "host",
        Topic::Software => "software",
        Topic::File => "file",
        Topic::Process => "process",
        Topic::Health => "health",
        Topic::Setting => "setting",
        Topic::Kept => "kept",
    };
    let diffs = line.diffs.iter().map(|diff| unified(diff.as_deref(), room, left_out)).collect();
    Shown { kind, sign: line.sign, tone, means, what: visible(&line.what), diffs }
}

/// A unified diff line by line.
fn unified(text: Option<&str>, room: &mut usize, left_out: &mut usize) -> Diff {
    let Some(text) = text else {
        return Diff { masked: "its content is not shown", ..Diff::default() };
    };
    let path = text.lines().find_map(|line| line.strip_prefix("+++ b/")).unwrap_or("the file").to_owned();
    let hunks = || text.lines().skip_while(|line| !line.starts_with("@@"));
    let starting = |sign: char| hunks().filter(|line| line.starts_with(sign)).count();
    let (all, most) = (hunks().count(), LONGEST.min(*room));
    let line = |line: &str| {
        let tone = match line.chars().next() {
            Some('+') => "add",
            Some('-') => "remove",
            Some('@' | '\\') => "hunk",
            _ => "",
        };
        DiffLine { tone, text: visible(line) }
    };
    let lines: Vec<DiffLine> = hunks().take(most).map(line).collect();
    *room -= lines.len();
    *left_out += all - lines.len();
    let masked = if lines.is_empty() { "its diff is left out here" } else { "" };
    Diff { path: visible(&path), added: starting('+'), removed: starting('-'), lines, masked }
}
