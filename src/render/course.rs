//! What would be done, in order, as data: what is staged first, then each wave with its actions, limits and reasons.
//! Rolls that differ in their host alone are one entry. What all formats tell alike.

use super::actions::{actions, gates};
use super::why::why;
use super::{fold, words};
use crate::inventory::printable;
use crate::model::{HostName, InstanceId, Name, RoleId, ServiceName};
use crate::plan::{GateKind, Plan, Reason, Roll, Step, StepKind, Wave};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Consecutive steps that read as one.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    /// What kind of entry.
    pub(super) what: What,
    /// In one line: `rest coord@node[2-3], one after the other`.
    pub(super) head: String,
    /// What is done to each instance, in order: `stop (30s)`.
    pub(super) actions: Vec<String>,
    /// What is waited for among them, without what is done: `healthy 10m`.
    pub(super) gates: Vec<String>,
    /// What else there is to know.
    pub(super) notes: Vec<String>,
    /// Why, as a sentence.
    pub(super) why: Option<String>,
    /// After this there is no way back.
    pub(super) no_return: bool,
    /// The phase of a change that its service is in.
    pub(super) phase: Option<&'a Name>,
    /// The service that it is about, when it is about one.
    pub(super) service: Option<&'a ServiceName>,
    /// The instances that are changed; of candidates, all that may be picked.
    pub(super) instances: Vec<&'a InstanceId>,
    /// How many of them are taken.
    pub(super) take: usize,
    /// How many go at a time.
    pub(super) pace: Pace,
    /// Whether the one that leads goes last.
    pub(super) leader_last: bool,
}

/// Instances that can't go back once they have been changed.
pub(super) fn all_no_return(plan: &Plan) -> BTreeSet<&InstanceId> {
    // The canary and the rest of a role may have the same candidates.
    entries(plan).iter().filter(|entry| entry.no_return).flat_map(|entry| entry.instances.iter().copied()).collect()
}

/// What kind of entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Instances are changed.
    Roll(Option<Wave>),
    /// A service is waited for.
    Gate(GateKind),
    /// What must hold before a phase of a change is asked.
    Before,
    /// A setting of a service is put back or repaired.
    Setting,
    /// Supervisors are ended.
    Retire,
    /// Data is deleted.
    Purge,
}

/// How many go at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// One after the other, or a single one.
    One,
    /// So many.
    Some(u32),
    /// All of them.
    Together,
}

/// What must be equal for rolls to be told together.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    role: RoleId,
    wave: Option<Wave>,
    actions: Vec<String>,
    why: Option<String>,
    no_return: bool,
    phase: Option<Name>,
}

/// What a point of no return means for people.
pub(super) const NO_RETURN: &str = "it can't be rolled back to its old version";

/// The same of a phase of a change.
const NO_RETURN_PHASE: &str = "once one has come through this phase, the service can't go back";

impl Entry<'_> {
    /// What it means that there is no way back, for people; nothing when there is one.
    pub(super) fn no_return(&self) -> Option<&'static str> {
        self.no_return.then_some(if self.phase.is_some() { NO_RETURN_PHASE } else { NO_RETURN })
    }
}

/// All entries, in order, but what is staged.
pub(super) fn entries(plan: &Plan) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let mut last: Option<(Key, Option<bool>)> = None;
    let mut before: Option<&Step> = None;
    for step in plan.steps.iter().filter(|step| !is_staging(&step.kind)) {
        let beside = before.is_some_and(|before| before.needs == step.needs);
        let retiring = before.is_some_and(|before| matches!(before.kind, StepKind::Retire { .. }));
        before = Some(step);
        let StepKind::Roll(roll) = &step.kind else {
            last = None;
            match &step.kind {
                StepKind::Retire { .. } if retiring => {}
                StepKind::Retire { .. } => entries.push(retire(plan)),
                kind => entries.extend(other(kind, step)),
            }
            continue;
        };
        let entry = rolled(step, roll);
        let key = key(&entry, step, roll);
        // Those that go together and those that go one by one are not told together.
        let known = last.as_mut().filter(|(known, together)| *known == key && together.is_none_or(|it| it == beside));
        if let (Some((_, together)), Some(entry)) = (known, entries.last_mut()) {
            *together = Some(beside);
            entry.pace = if beside { Pace::Together } else { Pace::One };
            entry.instances.push(&roll.instance);
            entry.take += 1;
        } else {
            last = Some((key, None));
            entries.push(entry);
        }
    }
    for entry in entries.iter_mut().filter(|entry| entry.head.is_empty()) {
        let together = match (entry.instances.len(), entry.pace) {
            (0 | 1, _) => "",
            (_, Pace::Together) => ", together",
            _ => ", one after the other",
        };
        let names = fold::instances(entry.instances.iter().copied());
        let wave = match entry.what {
            What::Roll(wave) => wave_name(wave),
            _ => "change",
        };
        entry.head = format!("{wave} {names}{together}");
    }
    for (entry, phase) in entries.iter_mut().filter_map(|entry| entry.phase.map(|phase| (entry, phase))) {
        _ = write!(entry.head, " ({phase})");
    }
    entries
}

fn is_staging(kind: &StepKind) -> bool {
    match kind {
        StepKind::Prepare { .. }
        | StepKind::Fetch { .. }
        | StepKind::Assemble { .. }
        | StepKind::Render { .. }
        | StepKind::Supervise { .. }
        | StepKind::Install { .. }
        | StepKind::Provide { .. }
        | StepKind::Barrier
        | StepKind::Collect { .. } => true,
        StepKind::Retire { .. }
        | StepKind::Purge { .. }
        | StepKind::Undo { .. }
        | StepKind::Repair { .. }
        | StepKind::Roll(_)
        | StepKind::PickNext { .. }
        | StepKind::Gate { .. }
        | StepKind::Before { .. } => false,
    }
}

/// Everything that does not disturb, by kind, a line each.
pub(super) fn staged(plan: &Plan) -> Vec<String> {
    let (mut prepare, mut supervise, mut boot, mut render) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut unpack: BTreeMap<&str, Vec<&HostName>> = BTreeMap::new();
    let mut install: BTreeMap<String, Vec<&HostName>> = BTreeMap::new();
    let mut provide: BTreeMap<String, Vec<&HostName>> = BTreeMap::new();
    for step in &plan.steps {
        match &step.kind {
            StepKind::Prepare { host, .. } => prepare.push(host),
            StepKind::Supervise { host } if starts(step) => supervise.push(host),
            StepKind::Supervise { host } => boot.push(host),
            StepKind::Provide { host, set, .. } => {
                let named: Vec<String> = set.iter().map(|(name, value)| format!("{name}={value}")).collect();
                provide.entry(named.join(", ")).or_default().push(host);
            }
            StepKind::Install { host, packages } => {
                let named: Vec<&str> = packages.keys().map(String::as_str).collect();
                install.entry(named.join(", ")).or_default().push(host);
            }
            StepKind::Assemble { host, folder } => unpack.entry(folder).or_default().push(host),
            StepKind::Render { instance, .. } => render.push(instance),
            _ => {}
        }
    }
    let mut lines = Vec::new();
    lines.extend(install.into_iter().map(|(named, hosts)| format!("install {named} on {}", fold::hosts(hosts))));
    if !prepare.is_empty() {
        lines.push(format!("prepare {}", fold::hosts(prepare)));
    }
    lines.extend(unpack.into_iter().map(|(folder, hosts)| format!("unpack {folder} on {}", fold::hosts(hosts))));
    if !render.is_empty() {
        lines.push(format!("write {}", fold::instances(render)));
    }
    lines.extend(provide.into_iter().map(|(set, hosts)| {
        let what =
            if set.is_empty() { "write which kernel settings are kept".to_owned() } else { format!("set {set}") };
        format!("{what} on {}", fold::hosts(hosts))
    }));
    if !supervise.is_empty() {
        lines.push(format!("start the supervisor on {}", fold::hosts(supervise)));
    }
    if !boot.is_empty() {
        lines.push(format!("write what starts at boot on {}", fold::hosts(boot)));
    }
    lines
}

/// Whether the supervisor itself is missing, and not only what starts it at boot.
fn starts(step: &Step) -> bool {
    let missing =
        |reason: &Reason| matches!(reason, Reason::Missing(what) if what.iter().any(|one| one == "supervisor"));
    step.reason.iter().any(missing)
}

/// An entry about no instance.
fn bare(what: What, head: String, service: Option<&ServiceName>, note: String) -> Entry<'_> {
    Entry {
        what,
        head,
        actions: Vec::new(),
        gates: Vec::new(),
        notes: vec![note],
        why: None,
        no_return: false,
        phase: None,
        service,
        instances: Vec::new(),
        take: 0,
        pace: Pace::One,
        leader_last: false,
    }
}

/// The ends of supervisors that are not declared any more, which come together.
fn retire(plan: &Plan) -> Entry<'_> {
    let host = |step: &'_ Step| match &step.kind {
        StepKind::Retire { host } => Some(host.clone()),
        _ => None,
    };
    let hosts: Vec<HostName> = plan.steps.iter().filter_map(host).collect();
    let head = format!("end the supervisor on {} that has nothing to do there any more", fold::hosts(hosts.iter()));
    bare(What::Retire, head, None, "nothing runs under it any more".to_owned())
}

/// A roll, not yet with others and without its headline.
fn rolled<'a>(step: &'a Step, roll: &'a Roll) -> Entry<'a> {
    Entry {
        what: What::Roll(step.wave),
        head: String::new(),
        actions: actions(roll),
        gates: gates(roll),
        notes: Vec::new(),
        why: why(step),
        no_return: no_return(step, std::slice::from_ref(roll)),
        phase: step.phase.as_ref(),
        service: Some(&roll.service),
        instances: vec![&roll.instance],
        take: 1,
        pace: Pace::One,
        leader_last: false,
    }
}

fn key(entry: &Entry<'_>, step: &Step, roll: &Roll) -> Key {
    Key {
        role: roll.instance.role.clone(),
        wave: step.wave,
        actions: entry.actions.clone(),
        why: entry.why.clone(),
        no_return: entry.no_return,
        phase: step.phase.clone(),
    }
}

/// A wave in a word or two.
pub(super) fn wave_name(wave: Option<Wave>) -> &'static str {
    match wave {
        Some(Wave::Bootstrap) => "bootstrap",
        Some(Wave::Repair) => "repair",
        Some(Wave::Canary) => "canary",
        Some(Wave::Rest) => "rest",
        Some(Wave::Recreate) => "stop all",
        Some(Wave::Leave) => "let go",
        Some(Wave::Stop) => "stop",
        None => "change",
    }
}

fn other<'a>(kind: &'a StepKind, step: &'a Step) -> Option<Entry<'a>> {
    let entry = match kind {
        StepKind::PickNext { candidates, budget, take, .. } => picked(candidates, *budget, *take, step),
        StepKind::Gate { service, gate, members, within } => {
            let what = match gate {
                GateKind::Healthy => "healthy",
                GateKind::Converged => "in its final state",
            };
            let count = words::count(members.len(), "instance");
            let head = format!("wait until {service} is {what} with {count}");
            bare(What::Gate(*gate), head, Some(service), format!("at most {}", words::duration(*within)))
        }
        StepKind::Before { service, rules, within, .. } => {
            let rules: Vec<String> = rules.iter().map(ToString::to_string).collect();
            let head = format!("ask {service} before it goes on: {}", words::and(&rules));
            bare(What::Before, head, Some(service), format!("at most {}", words::duration(*within)))
        }
        StepKind::Purge { host, role } => {
            let head = format!("delete the data of {role} on {host}");
            bare(What::Purge, head, None, "it was named on the command line; there is no way back".to_owned())
        }
        StepKind::Undo { host, service, setting, .. } => {
            let head = format!("put {setting} of {service} back as it was");
            bare(What::Setting, head, Some(service), format!("recorded on {host} by an interrupted run"))
        }
        StepKind::Repair { service, instance, setting, value } => {
            let of = instance.as_ref().map_or_else(|| service.to_string(), ToString::to_string);
            let head = format!("set {setting} of {of} to {}", printable(&value.to_string(), 200));
            let why = match step.reason.first() {
                Some(Reason::UntilLeft) => "until those that leave have left, whatever the files say",
                Some(Reason::Follows) => "while it runs: more of them vote now, or fewer",
                _ => "while it runs: it is not as it should be",
            };
            bare(What::Setting, head, Some(service), why.to_owned())
        }
        _ => return None,
    };
    Some(Entry { phase: step.phase.as_ref(), ..entry })
}

/// Candidates of which some are taken, in an order that is only known then.
fn picked<'a>(candidates: &'a [Roll], budget: u32, take: u32, step: &'a Step) -> Entry<'a> {
    let names = fold::instances(candidates.iter().map(|roll| &roll.instance));
    let taken = usize::try_from(take).unwrap_or(usize::MAX).min(candidates.len());
    let how_many = match step.wave {
        _ if taken >= candidates.len() => String::new(),
        Some(Wave::Rest) if take == 1 => "the other one of ".to_owned(),
        Some(Wave::Rest) => format!("the other {take} of "),
        _ => format!("{take} of "),
    };
    let pace = if budget > 1 { format!(", {budget} at a time") } else { ", one after the other".to_owned() };
    let pace = if take > 1 { pace } else { String::new() };
    Entry {
        what: What::Roll(step.wave),
        head: format!("{} {how_many}{names}{pace}", wave_name(step.wave)),
        actions: candidates.first().map(actions).unwrap_or_default(),
        gates: candidates.first().map(gates).unwrap_or_default(),
        notes: vec!["the leader goes last; who leads is looked up each time".to_owned()],
        why: why(step),
        no_return: no_return(step, candidates),
        phase: step.phase.as_ref(),
        service: candidates.first().map(|roll| &roll.service),
        instances: candidates.iter().map(|roll| &roll.instance).collect(),
        take: taken,
        pace: if budget > 1 && take > 1 { Pace::Some(budget) } else { Pace::One },
        leader_last: true,
    }
}

/// Whether it is a point of no return: none of them is rolled back.
fn no_return(step: &Step, rolls: &[Roll]) -> bool {
    step.no_return && rolls.iter().all(|roll| roll.rollback.is_none())
}
