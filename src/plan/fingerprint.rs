//! What a plan relies on, per host: looked at again just before the host's first step. A plan keeps digests of it by what
//! they are of, so that it can say *what* has changed since it was made; it never keeps what was digested.

use super::{Step, StepKind};
use crate::desired::Desired;
use crate::inventory::{
    HostObservation, InstanceObservation, Inventory, ProcessObservation, Seen, SoftwareObservation, printable,
};
use crate::model::{Digest, HostName, RoleId, ServiceName, SupervisorKind};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Digits that are kept of the digest of one fact: they only explain. What decides is the digest of all of them.
const MARK: usize = 16;

/// Longest name of a fact that is shown to people.
const SHOWN: usize = 300;

/// What a plan relies on at one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Fingerprint {
    /// How much of the host it is about.
    pub of: Reliance,
    /// The digest of all facts.
    pub digest: Digest,
    /// The first digits of the digest of each fact, by what it is about (`file conf/ROLE/current/…`, `process ROLE`).
    pub facts: BTreeMap<String, String>,
}

/// How much of a host a plan relies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Reliance {
    /// The plan works on the host: everything but health, uptime, free space and leadership, which may change meanwhile.
    Whole,
    /// The plan only counts on instances there, of services that it disturbs or waits for elsewhere: whether they run, and
    /// whether they are held.
    Members,
}

/// What is no longer as it was when a plan was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a stale plan is not applied"]
pub struct Stale {
    /// By host, what has changed, in words.
    pub changed: BTreeMap<HostName, Vec<String>>,
    /// Hosts that can't be observed now, and why.
    pub unseen: BTreeMap<HostName, String>,
}

impl Fingerprint {
    /// Of everything that a plan which works on the host relies on: generations, files, software, which processes run,
    /// holds, undo records.
    pub fn whole(host: &HostObservation) -> Self {
        Self::of(Reliance::Whole, &whole(host))
    }

    /// Of what a plan relies on that only counts on these roles there.
    fn members<'a>(host: &HostObservation, roles: impl IntoIterator<Item = &'a str>) -> Self {
        Self::of(Reliance::Members, &members(host, roles))
    }

    fn of(of: Reliance, facts: &BTreeMap<String, String>) -> Self {
        let digest = Digest::of_parts(facts.iter().flat_map(|(name, fact)| [name.as_bytes(), fact.as_bytes()]));
        let mark = |fact: &String| Digest::of(fact.as_bytes()).to_string()[..MARK].to_owned();
        Self { of, digest, facts: facts.iter().map(|(name, fact)| (name.clone(), mark(fact))).collect() }
    }

    /// What of it has changed, in words; nothing when the host is as it was.
    pub fn changed(&self, host: &HostObservation) -> Vec<String> {
        let now = match self.of {
            Reliance::Whole => Self::whole(host),
            Reliance::Members => Self::members(host, self.facts.keys().filter_map(|name| name.strip_prefix("runs "))),
        };
        if now.digest == self.digest {
            return Vec::new();
        }
        let names: BTreeSet<&String> = self.facts.keys().chain(now.facts.keys()).collect();
        let said = |name: &&String| {
            let how = match (self.facts.get(*name), now.facts.get(*name)) {
                (was, is) if was == is => return None,
                (None, _) => "is new",
                (_, None) => "is gone",
                _ => "is another",
            };
            Some(printable(&words(name, how), SHOWN))
        };
        let mut changed: Vec<String> = names.iter().filter_map(said).collect();
        if changed.is_empty() {
            changed.push("something that the plan does not name".to_owned());
        }
        changed
    }
}

/// A fact that has changed, for people.
fn words(name: &str, how: &str) -> String {
    match name.split_once(' ') {
        None if name == "boot" => "it was started again".to_owned(),
        None => format!("its {name} changed"),
        Some(("file", path)) if how == "is another" => format!("{path} was changed"),
        Some(("file", path)) => format!("{path} {how}"),
        Some(("process", role)) => format!("the process of {role} was started, stopped or told something"),
        Some(("runs", role)) => format!("{role} runs or does not, unlike then"),
        Some(("generation", role)) => format!("{role} was switched to other files"),
        Some((kind, what)) => format!("{kind} {what} {how}"),
    }
}

/// Facts by what they are about.
fn whole(host: &HostObservation) -> BTreeMap<String, String> {
    let init = &host.init;
    let mut facts: BTreeMap<String, String> = [
        ("boot".to_owned(), host.boot_id.clone()),
        ("folders".to_owned(), format!("{} {}", host.prepared, host.user_exists)),
        ("supervisor".to_owned(), format!("{} {}", host.supervisor.pid.is_some(), shown(host.supervisor.config))),
        ("init".to_owned(), format!("{} {} {}", init.systemd, init.enabled, shown(init.script))),
    ]
    .into();
    facts.extend(init.units.iter().map(|(name, digest)| (format!("unit {name}"), digest.to_string())));
    let intact = |state: &SoftwareObservation| matches!(state, SoftwareObservation::Intact).to_string();
    facts.extend(host.software.iter().map(|(folder, state)| (format!("software {folder}"), intact(state))));
    for (role, instance) in &host.instances {
        of_instance(role, instance, &mut facts);
    }
    facts.extend(host.undo.keys().map(|name| (format!("undo {name}"), String::new())));
    facts
}

fn of_instance(role: &str, instance: &InstanceObservation, facts: &mut BTreeMap<String, String>) {
    let generation = format!("{} {} {}", shown(instance.current), shown(instance.current_restart), instance.on_trial);
    facts.insert(format!("generation {role}"), generation);
    facts.insert(format!("process {role}"), process(&instance.process));
    facts.extend(held(instance).map(|held| (format!("hold {role}"), held)));
    for (path, file) in &instance.files {
        // Placed files have an absolute path.
        let place = if path.starts_with('/') { path.clone() } else { format!("conf/{role}/current/{path}") };
        facts.insert(format!("file {place}"), format!("{} {:o}", file.sha256, file.mode));
    }
}

fn process(process: &ProcessObservation) -> String {
    match process {
        ProcessObservation::Absent => "absent".to_owned(),
        ProcessObservation::Dead { restart_generation } => format!("dead {}", shown(*restart_generation)),
        ProcessObservation::Running(running) => format!(
            "running {} {} {} {} {}",
            running.pid,
            running.start_time,
            running.restart_generation,
            running.supervised.map_or("nobody", SupervisorKind::word),
            running.reload_owed
        ),
    }
}

fn held(instance: &InstanceObservation) -> Option<String> {
    instance.held.as_ref().map(|held| format!("{:?} {:?}", held.what, held.from))
}

/// Whether instances run and whether they are held.
fn members<'a>(host: &HostObservation, roles: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    for role in roles {
        let instance = host.instances.get(role);
        let runs = instance.is_some_and(|one| matches!(one.process, ProcessObservation::Running(_)));
        facts.insert(format!("runs {role}"), runs.to_string());
        facts.extend(instance.and_then(held).map(|held| (format!("hold {role}"), held)));
    }
    facts
}

/// All digits of a digest.
fn shown(digest: Option<Digest>) -> String {
    digest.map_or_else(|| "none".to_owned(), |digest| digest.to_string())
}

/// The fingerprints of the hosts that steps rely on: those that they work on, and those with instances of services that
/// they disturb or wait for. Whatever happens on another host does not concern the plan.
pub(super) fn relied_on(steps: &[Step], desired: &Desired, inventory: &Inventory) -> BTreeMap<HostName, Fingerprint> {
    let worked_on: BTreeSet<&HostName> = steps.iter().flat_map(|step| works_on(&step.kind)).collect();
    let services: BTreeSet<&ServiceName> = steps.iter().flat_map(|step| concerns(&step.kind)).collect();
    let mut members: BTreeMap<&HostName, BTreeSet<&RoleId>> = BTreeMap::new();
    for one in desired.instances.values().chain(desired.leaving.values()).filter(|one| services.contains(&one.service))
    {
        members.entry(&one.id.host).or_default().insert(&one.id.role);
    }
    let hosts: BTreeSet<&HostName> = worked_on.iter().copied().chain(members.keys().copied()).collect();
    let seen = hosts.into_iter().filter_map(|host| Some((host, inventory.hosts.get(host).and_then(Seen::seen)?)));
    seen.map(|(host, seen)| {
        let roles = members.get(host).into_iter().flatten().map(|role| role.as_str());
        let whole = worked_on.contains(host);
        (host.clone(), if whole { Fingerprint::whole(seen) } else { Fingerprint::members(seen, roles) })
    })
    .collect()
}

/// The hosts that a step works on.
fn works_on(kind: &StepKind) -> Vec<&HostName> {
    match kind {
        StepKind::Prepare { host, .. }
        | StepKind::Fetch { host, .. }
        | StepKind::Assemble { host, .. }
        | StepKind::Supervise { host }
        | StepKind::Install { host, .. }
        | StepKind::Provide { host, .. }
        | StepKind::Retire { host }
        | StepKind::Undo { host, .. }
        | StepKind::Purge { host, .. }
        | StepKind::Collect { host } => vec![host],
        StepKind::Render { instance, .. } => vec![&instance.host],
        StepKind::Roll(roll) => vec![&roll.instance.host],
        StepKind::PickNext { candidates, .. } => candidates.iter().map(|roll| &roll.instance.host).collect(),
        StepKind::Barrier | StepKind::Repair { .. } | StepKind::Gate { .. } | StepKind::Before { .. } => Vec::new(),
    }
}

/// The services that a step disturbs, changes a setting of, or waits for.
fn concerns(kind: &StepKind) -> Vec<&ServiceName> {
    match kind {
        StepKind::Undo { service, .. }
        | StepKind::Repair { service, .. }
        | StepKind::Gate { service, .. }
        | StepKind::Before { service, .. } => vec![service],
        StepKind::Roll(roll) => vec![&roll.service],
        StepKind::PickNext { candidates, .. } => candidates.iter().map(|roll| &roll.service).collect(),
        StepKind::Prepare { .. }
        | StepKind::Fetch { .. }
        | StepKind::Assemble { .. }
        | StepKind::Render { .. }
        | StepKind::Supervise { .. }
        | StepKind::Install { .. }
        | StepKind::Provide { .. }
        | StepKind::Retire { .. }
        | StepKind::Barrier
        | StepKind::Purge { .. }
        | StepKind::Collect { .. } => Vec::new(),
    }
}

impl super::Plan {
    /// What of the platform is no longer what the plan was made from; `None` when all that it relies on still holds.
    pub fn stale(&self, inventory: &Inventory) -> Option<Stale> {
        let mut stale = Stale::default();
        for (host, fingerprint) in &self.fingerprints {
            match inventory.hosts.get(host) {
                Some(Seen::Seen(seen)) => {
                    let changed = fingerprint.changed(seen);
                    if !changed.is_empty() {
                        stale.changed.insert(host.clone(), changed);
                    }
                }
                Some(Seen::Unseen(unseen)) => _ = stale.unseen.insert(host.clone(), unseen.why.clone()),
                None => _ = stale.unseen.insert(host.clone(), "it was not looked at".to_owned()),
            }
        }
        (!stale.changed.is_empty() || !stale.unseen.is_empty()).then_some(stale)
    }
}
