//! The waves of one service: bootstrap, or repair, canary and rest, each with its gates.

use super::facts::{Facts, Hold, Need, State};
use super::roll::{self, Manner};
use super::safety::Safety;
use super::sequence::{Draft, Sequence};
use super::waves::{Pass, Waves};
use super::{GateKind, Members, Note, PlanInput, Reason, Refusal, StepKind, Wave, recreate};
use crate::desired::{Between, DesiredService};
use crate::graph::Stage;
use crate::model::{InstanceId, SafetyRule};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that planning one service looks at and adds to.
pub(super) struct Service<'p, 'a> {
    pub(super) input: &'p PlanInput<'a>,
    pub(super) declared: &'a DesiredService,
    pub(super) stages: Vec<&'p Stage>,
    pub(super) all: &'p BTreeMap<InstanceId, Facts<'a>>,
    /// Instances that are up when the next step begins.
    pub(super) up: BTreeSet<InstanceId>,
    pub(super) sequence: &'p mut Sequence,
    pub(super) safety: &'p mut Safety,
    pub(super) notes: &'p mut Vec<Note>,
}

/// How far a service got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing was to be done.
    Untouched,
    /// Everything that may be done is planned.
    Complete,
    /// Something was left for later on purpose.
    Partial,
}

impl<'p, 'a> Service<'p, 'a> {
    /// Its instances, by name.
    pub(super) fn instances(&self) -> impl Iterator<Item = &'p Facts<'a>> + use<'p, 'a> {
        let all = self.all;
        self.declared.instances.iter().filter_map(|id| all.get(id))
    }

    /// Those that something is to be done to, and was asked for.
    pub(super) fn work(&self) -> impl Iterator<Item = &'p Facts<'a>> + use<'p, 'a> {
        let options = self.input.options;
        self.instances()
            .filter(|facts| facts.need != Need::Nothing)
            .filter(|facts| options.selects(facts.id(), &facts.wanted.service))
    }

    /// Instances that are up now.
    pub(super) fn members(&self) -> Members {
        Members::of(self.up.iter().cloned())
    }

    /// Those that are stopped all together, because they can't be mixed.
    fn replaced(&self) -> Vec<&'p Facts<'a>> {
        recreate::together(self.declared, &self.work().collect::<Vec<_>>())
    }

    /// Those that can be worked on one by one.
    fn single(&self) -> Vec<&'p Facts<'a>> {
        let replaced: BTreeSet<&InstanceId> = self.replaced().into_iter().map(Facts::id).collect();
        self.work().filter(|facts| !replaced.contains(facts.id())).collect()
    }

    /// What must hold before a phase of a change: asked before anything of the service is touched.
    pub(super) fn before(&mut self, between: &Between<'_>) {
        let (name, phase) = (&self.declared.name, between.phase);
        let context = self.instances().next().map(|facts| &facts.wanted.context);
        let Some(context) = context.filter(|_| !phase.before.is_empty() && self.work().next().is_some()) else {
            return;
        };
        let called = |rule: &SafetyRule| self.declared.module.rule(rule.name.as_str());
        let (waived, rules): (Vec<_>, Vec<_>) =
            between.rules(context).partition(|rule| self.input.options.waivers.contains_key(&called(rule)));
        for rule in waived {
            let message = format!("{name}: what must hold before the phase `{}` is not asked", phase.name);
            self.safety.refuse(called(rule).as_str(), message, "leave the waiver out, and it is");
        }
        if rules.is_empty() {
            return;
        }
        if self.up.is_empty() {
            let message = format!("{name}: nothing of it runs that could be asked before the phase `{}`", phase.name);
            let help = "start it as it was first: declare the version that it has, and apply that";
            self.safety.refuse(Refusal::UNASKED, message, help);
            return;
        }
        let rules = rules.into_iter().map(|rule| rule.name.clone()).collect();
        let kind = StepKind::Before { service: name.clone(), rules, members: self.members(), within: phase.within };
        self.sequence.group(vec![Draft::new(format!("{name} before"), kind, vec![Reason::Follows])]);
    }

    /// Broken instances, or all of them when nothing runs: what has to be there before anything is disturbed.
    pub(super) fn start(&mut self) -> bool {
        let work = self.single();
        if work.is_empty() {
            return false;
        }
        if self.instances().all(|facts| facts.running().is_none()) {
            self.bootstrap(&work);
        } else {
            self.repair(&work);
        }
        true
    }

    /// Everything that is changed while the service runs.
    pub(super) fn change(&mut self, pass: &Pass) -> Progress {
        let mut disturbed = self.single();
        disturbed.retain(|facts| is_changed(facts) && pass.covers(facts));
        let replaced = if pass.is_canary() { Vec::new() } else { self.replaced() };
        let mut progress = Progress::Untouched;
        if !replaced.is_empty() {
            self.refuse_mixture(&replaced);
            progress = recreate::plan(self, &replaced);
        }
        if !disturbed.is_empty() {
            progress = Waves { disturbed, pass }.plan(self);
        }
        progress
    }

    /// Versions that can't be mixed are not mixed: what would go on beside the replaced ones (it was not selected, or it
    /// is held) keeps all of them from being replaced.
    fn refuse_mixture(&mut self, replaced: &[&Facts<'_>]) {
        // One that runs what is declared, because an interrupted run has come that far, is no other version.
        let other = |facts: &Facts<'_>| {
            let changed = facts.need == Need::Restart && !only_unsupervised(facts);
            facts.hold != Hold::Free || facts.upgrade.is_some() || changed
        };
        let replaced: BTreeSet<&InstanceId> = replaced.iter().map(|facts| facts.id()).collect();
        let beside = |facts: &&Facts<'_>| facts.running().is_some() && other(facts) && !replaced.contains(facts.id());
        let left: Vec<String> = self.instances().filter(beside).map(|facts| facts.id().to_string()).collect();
        if !left.is_empty() {
            let message = format!("{}: {} would go on beside another version", self.declared.name, left.join(", "));
            self.safety.refuse(Refusal::MIXED_VERSIONS, message, "select the whole service, or release what is held");
        }
    }

    /// The gate for the final state of the service.
    pub(super) fn converge(&mut self) {
        if let Some(gate) = &self.declared.module.converged {
            self.gate(GateKind::Converged, gate.within);
        }
    }

    /// A gate for all that are up.
    fn gate(&mut self, gate: GateKind, within: std::time::Duration) {
        let name = &self.declared.name;
        let what = match gate {
            GateKind::Healthy => "healthy",
            GateKind::Converged => "converged",
        };
        let kind = StepKind::Gate { service: name.clone(), gate, members: self.members(), within };
        self.sequence.group(vec![Draft::new(format!("{name} {what}"), kind, vec![Reason::Follows])]);
    }

    fn healthy(&mut self) {
        if let Some(gate) = &self.declared.module.healthy {
            self.gate(GateKind::Healthy, gate.within);
        }
    }

    /// All instances of a tier together, since a quorum can't form one by one; then the gate; then the next tier.
    fn bootstrap(&mut self, work: &[&'p Facts<'a>]) {
        let known = self.instances().all(|facts| facts.state != State::Unseen);
        let first = known && !self.instances().any(|facts| facts.found.is_some_and(|found| found.has_data));
        let why = if first { Reason::New } else { Reason::Revived };
        for tier in self.tiers(work) {
            self.up.extend(tier.iter().map(|facts| facts.id().clone()));
            let manner = Manner { first, gated_apart: true, ..self.manner() };
            let members = self.members();
            let reason = |_: &Facts<'_>| vec![why.clone()];
            let drafts = self.start_drafts(&tier, &members, manner, Wave::Bootstrap, reason);
            self.sequence.group(drafts);
            self.healthy();
        }
    }

    /// The tiers of these, in order. A member without a majority of the voters serves nobody and would be waited for in
    /// vain, so tiers that have none are started with the next one.
    fn tiers(&self, work: &[&'p Facts<'a>]) -> Vec<Vec<&'p Facts<'a>>> {
        let votes = |facts: &&Facts<'_>| facts.wanted.votes;
        let majority = match self.instances().filter(votes).count() {
            0 => 0,
            voters => voters / 2 + 1,
        };
        let mut there = self.instances().filter(votes).filter(|facts| self.up.contains(facts.id())).count();
        let mut tiers: Vec<Vec<&'p Facts<'a>>> = Vec::new();
        let mut alone = true;
        for stage in &self.stages {
            let tier: Vec<&'p Facts<'a>> = work.iter().copied().filter(|facts| stage.has(facts.id())).collect();
            there += tier.iter().copied().filter(votes).count();
            match tiers.last_mut() {
                _ if tier.is_empty() => {}
                Some(last) if !alone => last.extend(tier),
                _ => tiers.push(tier),
            }
            alone = there >= majority;
        }
        tiers
    }

    /// Broken ones first: those that do not run, and those that only have to be waited for, together; then the gate;
    /// then one by one those on trial, those that run without serving what they should, and those without a supervisor.
    fn repair(&mut self, work: &[&'p Facts<'a>]) {
        let on_trial = |facts: &&&Facts<'a>| facts.need == Need::Wait && facts.state == State::Up;
        let waited = |facts: &&&Facts<'a>| facts.need == Need::Wait && !on_trial(facts);
        for facts in work.iter().filter(waited) {
            let says = facts.reasons.iter().find_map(|reason| match reason {
                Reason::NotReady(says) => Some(says.clone()),
                _ => None,
            });
            self.notes.push(Note::WaitedFor { instance: facts.id().clone(), says: says.unwrap_or_default() });
        }
        let down: Vec<&Facts<'a>> = work.iter().copied().filter(|facts| facts.need == Need::Start).collect();
        let mut groups = self.tiers(&down);
        groups.push(work.iter().filter(waited).copied().collect());
        groups.retain(|group| !group.is_empty());
        let together = groups.iter().map(Vec::len).sum::<usize>() > 1;
        for group in groups {
            self.up.extend(group.iter().map(|facts| facts.id().clone()));
            let manner = Manner { gated_apart: together, ..self.manner() };
            self.start_together(&group, manner);
        }
        if together {
            self.healthy();
        }
        for facts in work.iter().filter(on_trial) {
            self.start_together(&[*facts], self.manner());
        }
        let stuck = |facts: &&&Facts<'a>| facts.state == State::NotReady && facts.need >= Need::Place;
        let stuck: Vec<&Facts<'a>> = work.iter().filter(stuck).copied().collect();
        for batch in stuck.chunks(self.batch()) {
            self.up.extend(batch.iter().map(|facts| facts.id().clone()));
            self.start_together(batch, self.manner());
        }
        let one_by_one = |facts: &&&Facts<'a>| {
            facts.state == State::Up
                && facts.need == Need::Restart
                && (only_unsupervised(facts) || (facts.hold == Hold::Failed && !facts.asked))
        };
        let restarted: Vec<&Facts<'a>> = work.iter().filter(one_by_one).copied().collect();
        if !restarted.is_empty() {
            Waves::one_by_one(self, &restarted);
        }
    }

    /// Brings some broken ones up at the same time.
    fn start_together(&mut self, group: &[&Facts<'a>], manner: Manner) {
        let members = self.members();
        let drafts = self.start_drafts(group, &members, manner, Wave::Repair, |facts| facts.reasons.clone());
        self.sequence.group(drafts);
    }

    /// What brings some instances up, each with these members at its gate.
    fn start_drafts(
        &self,
        group: &[&Facts<'_>],
        members: &Members,
        manner: Manner,
        wave: Wave,
        reason: impl Fn(&Facts<'_>) -> Vec<Reason>,
    ) -> Vec<Draft> {
        let draft = |facts: &&Facts<'_>| {
            // What a lost controller had begun, or not seen to the end, is watched as a canary is: it may have been one.
            // Beside others it is not: each would take the restart of the next for its own failure.
            let replaces = facts.switch && facts.found.is_some_and(|found| found.current.is_some());
            let watched = group.len() == 1 && (facts.on_trial() || replaces);
            let soak = watched.then_some(self.input.desired.rollout.soak);
            let rolled = roll::roll(facts, members.clone(), Manner { soak: manner.soak.or(soak), ..manner });
            let verb = match facts.need {
                Need::Start => "start",
                Need::Wait => "await",
                _ => "roll",
            };
            let kind = StepKind::Roll(rolled);
            let mut draft = Draft::new(format!("{verb} {}", facts.id()), kind, reason(facts)).in_wave(wave);
            draft.no_return = facts.no_return();
            draft
        };
        group.iter().map(draft).collect()
    }

    /// How many go at a time, as far as the cluster says it.
    pub(super) fn batch(&self) -> usize {
        self.input.desired.rollout.batch.of(self.declared.instances.len())
    }

    /// How its instances are rolled, as far as the cluster says it.
    pub(super) fn manner(&self) -> Manner {
        let stop = self.input.desired.rollout.on_failure == crate::model::OnFailure::Stop;
        Manner { no_rollback: stop, ..Manner::default() }
    }
}

/// Whether an instance that serves is to be changed, and not only repaired.
pub(super) fn is_changed(facts: &Facts<'_>) -> bool {
    let repaired = only_unsupervised(facts) || (facts.hold == Hold::Failed && !facts.asked);
    facts.need >= Need::Place && facts.state == State::Up && !repaired
}

/// Whether the only thing the matter is that no supervisor watches it.
pub(super) fn only_unsupervised(facts: &Facts<'_>) -> bool {
    let same = |running: &crate::inventory::Running| {
        running.supervised.is_none() && running.restart_generation == facts.wanted.restart_generation
    };
    facts.need == Need::Restart && !facts.switch && facts.running().is_some_and(same)
}
