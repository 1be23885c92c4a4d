//! What each instance is and needs: read off the observation and the changes once, before anything is decided.

use super::rounds::Round;
use super::{PlanInput, Reason, again, safety};
use crate::desired::{DesiredInstance, DesiredService, Place};
use crate::diff::Change;
use crate::inventory::{HeldWhat, HostObservation, InstanceObservation, ProcessObservation, Running, version_in};
use crate::model::{Digest, HostName, InstanceId, OnChange, RoleId, SupervisorKind, Version};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// How an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Its host was not observed, or is planned without: it counts as down, and nothing is done to it.
    Unseen,
    /// It does not run.
    Down,
    /// It runs and does not serve.
    NotReady,
    /// It runs, and nothing says that it does not serve.
    Up,
}

/// What an instance needs, from least to most disturbing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    /// Nothing, or nothing that we may do.
    Nothing,
    /// It runs what it should and does not serve yet: waiting.
    Wait,
    /// Files that the process need not be told about.
    Place,
    /// Files that it reads on a signal.
    Reload,
    /// A stop and a start.
    Restart,
    /// A start.
    Start,
}

/// What keeps an instance from becoming what is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// Nothing.
    Free,
    /// Somebody has stopped it, or holds it as it is.
    Held,
    /// What is declared failed on it: it goes back, or is back, at its previous generation.
    Failed,
    /// What is declared failed on another instance of its role: it keeps what it has.
    Blocked,
}

/// One instance.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is seen or asked by itself")]
pub(super) struct Facts<'a> {
    pub(super) wanted: &'a DesiredInstance,
    pub(super) found: Option<&'a InstanceObservation>,
    pub(super) state: State,
    pub(super) need: Need,
    /// Whether its generation has to be written (again).
    pub(super) render: bool,
    /// Whether files outside the generation or the generation itself have to be switched.
    pub(super) switch: bool,
    /// The generation it should be at: the declared one, or the one that a rollback goes back to.
    pub(super) target: Digest,
    /// What keeps it from becoming what is declared.
    pub(super) hold: Hold,
    /// Versions of its own software, when they change.
    pub(super) upgrade: Option<(Version, Version)>,
    pub(super) reasons: Vec<Reason>,
    /// Whether only somebody's wish is why something is done to it.
    pub(super) asked: bool,
    /// Whether it goes through a phase of a change that has no way back.
    pub(super) crosses: bool,
}

impl Facts<'_> {
    /// Keeps the instance at what it has: what is declared has failed on another instance of its role.
    fn block(&mut self) {
        let current = self.found.and_then(|found| found.current);
        if current == Some(self.wanted.content_generation) || self.need == Need::Nothing {
            return;
        }
        self.hold = Hold::Blocked;
        (self.render, self.switch, self.upgrade) = (false, false, None);
        let recorded = self.found.and_then(|found| found.current_restart);
        self.need = match (current, self.running()) {
            (None, _) => Need::Nothing,
            (Some(_), None) => Need::Start,
            (_, Some(running)) if running.supervised.is_none() || Some(running.restart_generation) != recorded => {
                Need::Restart
            }
            _ if self.state == State::NotReady || self.on_trial() => Need::Wait,
            _ => Need::Nothing,
        };
        self.target = current.unwrap_or(self.target);
        let kept = |reason: &Reason| {
            !matches!(reason, Reason::Files(_) | Reason::Software(_) | Reason::ByHand(_) | Reason::ProcessDefinition)
        };
        self.reasons.retain(kept);
    }

    pub(super) fn id(&self) -> &InstanceId {
        &self.wanted.id
    }

    /// Whether a run that was lost had switched it, and had not seen it healthy.
    pub(super) fn on_trial(&self) -> bool {
        self.found.is_some_and(|found| found.on_trial)
    }

    pub(super) fn running(&self) -> Option<&Running> {
        match self.found.map(|found| &found.process) {
            Some(ProcessObservation::Running(running)) => Some(running),
            _ => None,
        }
    }

    /// Whether the module says that there is no way back from the version or the phase it gets.
    pub(super) fn no_return(&self) -> bool {
        (self.crosses && self.switch) || self.upgrade.as_ref().is_some_and(|(from, to)| crosses(self.wanted, from, to))
    }

    /// The complete generation to go back to: the current one. When that is the declared one already, because a
    /// controller was lost between the switch and the gate, or when it is on trial, it is what was current before, unless its
    /// version is one that there is no way back to. Of any other generation nobody knows whether it ever worked.
    pub(super) fn rollback(&self) -> Option<Digest> {
        let found = self.found?;
        let complete = |generation: &Digest| *generation != self.target && found.generations.contains(generation);
        if found.current != Some(self.target) && !(found.on_trial && found.previous.is_some()) {
            return found.current.filter(complete);
        }
        let before = found.previous.as_ref().filter(|before| complete(&before.generation))?;
        let module = self.wanted.module.name.as_str();
        let old = before.software.iter().find_map(|folder| version_in(module, folder))?;
        (!crosses(self.wanted, &old, &self.wanted.version)).then_some(before.generation)
    }
}

/// Whether there is no way back between two versions, as the module says of this instance; an expression that fails counts as yes.
pub(super) fn crosses(wanted: &DesiredInstance, from: &Version, to: &Version) -> bool {
    let names = json!({ "from": from.as_str(), "to": to.as_str() });
    let rule = wanted.module.rolling.no_return.as_ref();
    rule.is_some_and(|rule| wanted.context.with(&names).eval_bool(&rule.0).unwrap_or(true))
}

/// The observation of a host that may be planned for.
pub(super) fn observed<'a>(input: &PlanInput<'a>, host: &HostName) -> Option<&'a HostObservation> {
    if input.options.without.contains(host) {
        return None;
    }
    input.inventory.hosts.get(host).and_then(|seen| seen.seen())
}

/// Reads off everything about every instance.
pub(super) fn collect<'a>(
    input: &PlanInput<'a>,
    changes: &[Change],
    round: &Round<'_>,
) -> BTreeMap<InstanceId, Facts<'a>> {
    let mut by_instance: BTreeMap<&InstanceId, Vec<&Change>> = BTreeMap::new();
    for change in changes {
        if let Some(instance) = change.instance() {
            by_instance.entry(instance).or_default().push(change);
        }
    }
    let one = |wanted: &'a DesiredInstance| {
        let changes = by_instance.get(&wanted.id).map_or(&[][..], Vec::as_slice);
        (wanted.id.clone(), facts(input, wanted, changes, round))
    };
    let mut all: BTreeMap<InstanceId, Facts<'a>> = input.desired.instances.values().map(one).collect();
    let failed: BTreeSet<RoleId> =
        all.values().filter(|one| one.hold == Hold::Failed).map(|one| one.id().role.clone()).collect();
    for facts in all.values_mut().filter(|facts| facts.hold == Hold::Free && failed.contains(&facts.id().role)) {
        facts.block();
    }
    for facts in all.values_mut() {
        again::nothing_else(input, facts);
    }
    all
}

fn facts<'a>(input: &PlanInput<'a>, wanted: &'a DesiredInstance, changes: &[&Change], round: &Round<'_>) -> Facts<'a> {
    let host = observed(input, &wanted.id.host);
    let found = host.and_then(|host| host.instances.get(wanted.id.role.as_str()));
    let hold = found.and_then(|found| found.held.as_ref()).filter(|held| held.holds(wanted.content_generation));
    let back = hold.filter(|hold| hold.what == HeldWhat::RolledBack).and_then(|hold| hold.to);
    let kept = match hold.map(|hold| &hold.what) {
        None => Hold::Free,
        Some(HeldWhat::Stopped) => Hold::Held,
        Some(HeldWhat::RolledBack) => Hold::Failed,
    };
    let mut facts = Facts {
        wanted,
        found,
        state: state(input, wanted, host.is_some(), found),
        need: Need::Nothing,
        render: false,
        switch: false,
        target: back.unwrap_or(wanted.content_generation),
        hold: kept,
        upgrade: upgrade(wanted, changes),
        reasons: reasons(wanted, changes),
        asked: false,
        crosses: round.crosses(&wanted.id),
    };
    if facts.state == State::Unseen || (hold.is_some() && back.is_none()) {
        return facts;
    }
    let current = found.and_then(|found| found.current);
    let unit = changes.iter().any(|change| matches!(change, Change::Unit { .. }));
    let placed = unit || changes.iter().any(|change| differs_outside(wanted, change));
    facts.switch = current != Some(facts.target) || (placed && back.is_none());
    facts.render = back.is_none() && must_render(wanted, found, changes);
    let kind = input.desired.hosts.get(&wanted.id.host).map(|host| host.supervisor.kind());
    facts.need = need(&facts, kind, changes);
    again::ask(input, &mut facts);
    facts
}

pub(super) fn state(
    input: &PlanInput<'_>,
    wanted: &DesiredInstance,
    seen: bool,
    found: Option<&InstanceObservation>,
) -> State {
    if !seen {
        return State::Unseen;
    }
    let Some(ProcessObservation::Running(running)) = found.map(|found| &found.process) else { return State::Down };
    if running.stranger {
        // It would not answer as the instance will; to whoever uses it, it may well serve.
        return State::Up;
    }
    let service = input.inventory.services.get(&wanted.service);
    match service.and_then(|service| service.ready.get(&wanted.id)) {
        // What can't be asked may well serve: it is not repaired as something that does not, unless somebody says so.
        Some(verdict) if verdict.unknown && !safety::unasked_waived(input) => State::Up,
        Some(verdict) if !verdict.holds => State::NotReady,
        _ => State::Up,
    }
}

fn need(facts: &Facts<'_>, declared: Option<SupervisorKind>, changes: &[&Change]) -> Need {
    let Some(running) = facts.running() else { return Need::Start };
    let recorded = facts.found.and_then(|found| found.current_restart);
    let wanted = if facts.target == facts.wanted.content_generation {
        Some(facts.wanted.restart_generation)
    } else if facts.switch {
        None // a rollback that has not come to its switch
    } else {
        recorded
    };
    let reload = |change: &&&Change| {
        matches!(change, Change::ReloadOwed { .. } | Change::File { on_change: OnChange::Reload, .. })
    };
    // What goes back to an older generation goes back to whoever ran that.
    let watched = match declared.filter(|_| facts.target == facts.wanted.content_generation) {
        Some(declared) => running.supervised == Some(declared),
        None => running.supervised.is_some(),
    };
    if wanted != Some(running.restart_generation) || !watched {
        Need::Restart
    } else if changes.iter().any(|change| reload(&change)) {
        Need::Reload
    } else if facts.switch {
        Need::Place
    } else if facts.state == State::NotReady || facts.on_trial() {
        Need::Wait
    } else {
        Need::Nothing
    }
}

/// Whether a file outside the generation differs. One that identifies data is never overwritten.
fn differs_outside(wanted: &DesiredInstance, change: &Change) -> bool {
    let (Change::File { path, .. } | Change::Mode { path, .. }) = change else { return false };
    wanted.files.iter().any(|file| matches!(&file.place, Place::Absolute(place) if place == path))
}

/// Whether the declared generation is absent, incomplete, edited, or recorded with another restart generation.
fn must_render(wanted: &DesiredInstance, found: Option<&InstanceObservation>, changes: &[&Change]) -> bool {
    let Some(found) = found else { return true };
    if found.current != Some(wanted.content_generation) {
        // One that an interrupted run has staged is written again: it is cheap, and nobody has compared it.
        return true;
    }
    let edited = |change: &&&Change| {
        matches!(change, Change::File { .. } | Change::Mode { .. }) && !differs_outside(wanted, change)
    };
    found.current_restart != Some(wanted.restart_generation) || changes.iter().any(|change| edited(&change))
}

fn upgrade(wanted: &DesiredInstance, changes: &[&Change]) -> Option<(Version, Version)> {
    changes.iter().find_map(|change| match change {
        Change::Software { module, from: Some(from), to, .. }
            if module.as_str() == wanted.module.name.as_str() && from != to =>
        {
            Some((from.clone(), to.clone()))
        }
        _ => None,
    })
}

/// Why something is done to it, as far as the changes say.
fn reasons(wanted: &DesiredInstance, changes: &[&Change]) -> Vec<Reason> {
    let (mut files, mut by_hand, mut software, mut rest) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for change in changes {
        match change {
            Change::File { path, by_hand: true, .. } => by_hand.push(shown(wanted, path)),
            Change::File { path, .. } | Change::Mode { path, .. } => files.push(shown(wanted, path)),
            Change::Software { module, from: Some(from), to, .. } => software.push(format!("{module} {from} -> {to}")),
            Change::Software { module, from: None, to, .. } => software.push(format!("{module} {to}")),
            Change::ProcessDefinition { .. } => rest.push(Reason::ProcessDefinition),
            Change::RestartPending { .. } => rest.push(Reason::RestartPending),
            Change::NotRunning { .. } => rest.push(Reason::NotRunning),
            Change::NotReady { says, .. } => rest.push(Reason::NotReady(says.clone())),
            Change::Unsupervised { .. } => rest.push(Reason::Unsupervised),
            Change::Stranger { .. } => rest.push(Reason::Stranger),
            Change::OtherSupervisor { from, to, .. } => rest.push(Reason::OtherSupervisor { from: *from, to: *to }),
            Change::Unit { .. } => rest.push(Reason::Unit),
            Change::ReloadOwed { .. } => rest.push(Reason::ReloadOwed),
            Change::Unproven { .. } => rest.push(Reason::Unproven),
            _ => {}
        }
    }
    // A move explains what it changes.
    if rest.iter().any(|reason| matches!(reason, Reason::OtherSupervisor { .. })) {
        rest.retain(|reason| !matches!(reason, Reason::ProcessDefinition | Reason::Unit));
    }
    let mut reasons = Vec::new();
    if !software.is_empty() {
        reasons.push(Reason::Software(software));
    }
    if !files.is_empty() {
        reasons.push(Reason::Files(files));
    }
    if !by_hand.is_empty() {
        reasons.push(Reason::ByHand(by_hand));
    }
    reasons.extend(rest);
    reasons
}

/// A file's path as people know it: relative to its folder.
fn shown(wanted: &DesiredInstance, path: &str) -> String {
    let data = path.strip_prefix(wanted.data_dir.as_str()).and_then(|rest| rest.strip_prefix('/'));
    data.map_or_else(|| path.to_owned(), |rest| format!("data/{rest}"))
}

/// The instances of one service.
pub(super) fn of_service<'a, 'f>(
    facts: &'f BTreeMap<InstanceId, Facts<'a>>,
    service: &'f DesiredService,
) -> impl Iterator<Item = &'f Facts<'a>> {
    service.instances.iter().filter_map(|id| facts.get(id))
}

/// Facts by host.
pub(super) fn by_host<'a, 'f>(
    facts: &'f BTreeMap<InstanceId, Facts<'a>>,
) -> BTreeMap<&'f HostName, Vec<&'f Facts<'a>>> {
    let mut hosts: BTreeMap<&HostName, Vec<&Facts<'a>>> = BTreeMap::new();
    for facts in facts.values() {
        hosts.entry(&facts.id().host).or_default().push(facts);
    }
    hosts
}
