//! Drafts of steps, in groups: the steps of a group go together, and each group comes after the one before it.
//!
//! Everything that disturbs is one chain of groups. Rule 7 of the design lets unrelated services go side by side when
//! nothing on their hosts would be lost together; a chain keeps that rule without having to prove it
//! (`docs/design/002-planner.md` says what may be relaxed).

use super::rounds::Round;
use super::{Reason, Step, StepId, StepKind, Wave};
use crate::model::{InstanceId, Name, ServiceName};
use std::collections::{BTreeMap, BTreeSet};

/// Edges between two groups that are written out; more of them go through a barrier.
const MOST_EDGES: usize = 64;

/// A step that does not know yet what it comes after.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) id: String,
    pub(super) kind: StepKind,
    pub(super) wave: Option<Wave>,
    pub(super) reason: Vec<Reason>,
    pub(super) no_return: bool,
    /// The phase of a change that its service is in.
    pub(super) phase: Option<Name>,
}

impl Draft {
    pub(super) fn new(id: String, kind: StepKind, reason: Vec<Reason>) -> Self {
        Self { id, kind, wave: None, reason, no_return: false, phase: None }
    }

    #[must_use]
    pub(super) fn in_wave(mut self, wave: Wave) -> Self {
        self.wave = Some(wave);
        self
    }
}

/// Steps in an order in which they can be done.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    drafts: Vec<Draft>,
    needs: Vec<Vec<usize>>,
    /// What the next group comes after.
    frontier: Vec<usize>,
    ids: BTreeSet<String>,
    /// The phases of changes that services are in: their steps have the name behind their own.
    phases: BTreeMap<ServiceName, Name>,
    /// The services of instances in a phase.
    instances: BTreeMap<InstanceId, ServiceName>,
}

impl Sequence {
    /// Steps of a round over services, of which some are in a phase of a change.
    pub(super) fn of(round: &Round<'_>) -> Self {
        let names = round.phases.iter().map(|(service, between)| (service.clone(), between.phase.name.clone()));
        let phases: BTreeMap<ServiceName, Name> = names.collect();
        let members = phases.keys().filter_map(|service| round.desired.services.get(service));
        let instances = members.flat_map(|of| of.instances.iter().map(|id| (id.clone(), of.name.clone()))).collect();
        Self { phases, instances, ..Self::default() }
    }

    /// The phase that a step's service is in.
    fn phase(&self, kind: &StepKind) -> Option<Name> {
        let service = match kind {
            StepKind::Render { instance, .. } => self.instances.get(instance),
            StepKind::Gate { service, .. } | StepKind::Before { service, .. } => Some(service),
            _ => kind.rolls().first().map(|roll| &roll.service),
        };
        self.phases.get(service?).cloned()
    }

    /// Adds a step after some others; its number.
    pub(super) fn add(&mut self, mut draft: Draft, needs: Vec<usize>) -> usize {
        if let Some(phase) = self.phase(&draft.kind) {
            draft.id = format!("{} ({phase})", draft.id);
            draft.phase = Some(phase);
        }
        let base = draft.id.clone();
        let mut count = 1;
        while !self.ids.insert(draft.id.clone()) {
            count += 1;
            draft.id = format!("{base} ({count})");
        }
        self.drafts.push(draft);
        self.needs.push(needs);
        self.drafts.len() - 1
    }

    /// Makes everything that was added so far the group that the next one comes after.
    pub(super) fn barrier(&mut self) {
        let needed: BTreeSet<usize> = self.needs.iter().flatten().copied().collect();
        self.frontier = (0..self.drafts.len()).filter(|step| !needed.contains(step)).collect();
    }

    /// Adds steps that go together, after everything before them; the id of the first.
    pub(super) fn group(&mut self, drafts: Vec<Draft>) -> Option<StepId> {
        if drafts.is_empty() {
            return None;
        }
        let after = self.before(drafts.len());
        let added: Vec<usize> = drafts.into_iter().map(|draft| self.add(draft, after.clone())).collect();
        let first = added.first().and_then(|step| self.drafts.get(*step)).map(|draft| StepId(draft.id.clone()));
        self.frontier = added;
        first
    }

    /// What each of so many steps needs that come after everything before them: that, or a barrier after it.
    fn before(&mut self, steps: usize) -> Vec<usize> {
        if steps > 1 && self.frontier.len() > 1 && self.frontier.len().saturating_mul(steps) > MOST_EDGES {
            let barrier = Draft::new("barrier".to_owned(), StepKind::Barrier, vec![Reason::Follows]);
            let barrier = self.add(barrier, self.frontier.clone());
            self.frontier = vec![barrier];
        }
        self.frontier.clone()
    }

    /// Adds all steps of another sequence after everything before them.
    pub(super) fn append(&mut self, other: Self) {
        let begin = other.needs.iter().filter(|needs| needs.is_empty()).count();
        let after = self.before(begin);
        let offset = self.drafts.len();
        let last: Vec<usize> = other.frontier.iter().map(|step| step + offset).collect();
        for (draft, needs) in other.drafts.into_iter().zip(other.needs) {
            let needs = if needs.is_empty() { after.clone() } else { needs.iter().map(|step| step + offset).collect() };
            self.add(draft, needs);
        }
        if !last.is_empty() {
            self.frontier = last;
        }
    }

    /// The drafts so far.
    pub(super) fn drafts(&self) -> &[Draft] {
        &self.drafts
    }

    /// The steps. Each names the fewest others that say what it comes after: a group names the one before it and
    /// nothing earlier, so there is nothing to reduce.
    pub(super) fn finish(self) -> Vec<Step> {
        let ids: Vec<StepId> = self.drafts.iter().map(|draft| StepId(draft.id.clone())).collect();
        let step = |(draft, needs): (Draft, Vec<usize>)| Step {
            id: StepId(draft.id),
            kind: draft.kind,
            phase: draft.phase,
            needs: needs.into_iter().filter_map(|step| ids.get(step).cloned()).collect(),
            wave: draft.wave,
            reason: draft.reason,
            no_return: draft.no_return,
        };
        self.drafts.into_iter().zip(self.needs).map(step).collect()
    }
}
