//! All rounds of a plan put together: everything is staged before the first instance is disturbed, then one round comes
//! after the other, then what nothing uses any more is collected.

use super::facts::Facts;
use super::predict;
use super::provide;
use super::rounds::Round;
use super::safety::Safety;
use super::sequence::{Draft, Sequence};
use super::{Note, PlanInput, Reason, Step, StepKind, holds, leaving, staging, summary};
use crate::diff::Change;
use crate::inventory::Inventory;
use crate::model::{HostName, InstanceId, ServiceName};
use std::collections::{BTreeMap, BTreeSet};

/// What the rounds so far ask for.
#[derive(Debug, Default)]
pub(super) struct Whole {
    staged: Sequence,
    disturbing: Sequence,
    /// Hosts that get something new.
    written: BTreeSet<HostName>,
    moved: BTreeSet<InstanceId>,
}

impl Whole {
    /// Adds a round after those before it.
    pub(super) fn add(
        &mut self,
        input: &PlanInput<'_>,
        round: &Round<'_>,
        (changes, all): (&[Change], &BTreeMap<InstanceId, Facts<'_>>),
        disturbing: Sequence,
    ) {
        let touched = summary::touched(disturbing.drafts());
        let mut staged = Sequence::of(round);
        self.written.extend(staging::stage(input, changes, all, &touched, &mut staged));
        self.written.extend(summary::switched(disturbing.drafts()));
        self.moved.extend(summary::moved(disturbing.drafts()));
        self.staged.append(staged);
        self.disturbing.append(disturbing);
    }

    /// The steps of all of them.
    pub(super) fn finish(self, input: &PlanInput<'_>, changes: &[Change], safety: &mut Safety) -> Vec<Step> {
        let mut written = self.written;
        let mut sequence = Sequence::default();
        sequence.group(provide::packages(input, changes));
        sequence.append(self.staged);
        sequence.group(provide::kernel(input, changes));
        let lapsed = holds::lapsed(input, changes, self.disturbing.drafts());
        sequence.append(self.disturbing);
        sequence.group(lapsed);
        let (retired, hosts) = staging::retired(input, changes, &self.moved);
        sequence.group(retired);
        written.extend(hosts);
        sequence.group(leaving::purge(input, &self.moved, safety));
        let collect = |host: HostName| {
            let kind = StepKind::Collect { host: host.clone() };
            Draft::new(format!("collect {host}"), kind, vec![Reason::Follows])
        };
        sequence.group(written.into_iter().map(collect).collect());
        sequence.finish()
    }
}

/// A round that is planned.
pub(super) struct Before<'r> {
    pub(super) round: &'r Round<'r>,
    /// What was there before it.
    pub(super) inventory: Inventory,
    /// The services that it leaves whole.
    pub(super) ended: BTreeSet<ServiceName>,
}

impl Before<'_> {
    /// The services that go on with the next round. Nothing of that before all of this one is done and healthy.
    pub(super) fn goes_on(&self, next: &Round<'_>, notes: &mut Vec<Note>) -> BTreeSet<ServiceName> {
        let (on, left): (Vec<_>, Vec<_>) = next.phases.iter().partition(|(name, _)| self.ended.contains(*name));
        notes.extend(left.into_iter().map(|(service, between)| {
            let (service, phase) = (service.clone(), between.phase.name.clone());
            Note::PhaseLeft { service, phase }
        }));
        on.into_iter().map(|(name, _)| name.clone()).collect()
    }

    /// What will be there then.
    pub(super) fn then(&self, on: &BTreeSet<ServiceName>) -> Inventory {
        predict::after(&self.round.desired, &self.inventory, on)
    }
}
