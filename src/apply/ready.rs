//! Which steps may begin: each knows how many of those that it needs are still to be done, so that the end of a step costs
//! a look at those that need it, and not at all that wait.

use crate::plan::{Step, StepId};
use std::collections::{BTreeMap, BTreeSet};

/// The steps of a plan that have not begun, and those that are done.
pub(super) struct Ready<'p> {
    steps: &'p [Step],
    /// For each step, how many of its needs are not done.
    open: Vec<usize>,
    /// The steps that need one.
    followers: BTreeMap<&'p StepId, Vec<usize>>,
    /// Those that may begin, by their place in the plan.
    free: BTreeSet<usize>,
    /// Those that have not begun.
    waiting: BTreeSet<usize>,
    done: BTreeSet<&'p StepId>,
}

impl<'p> Ready<'p> {
    /// All steps wait. `ordered` is false only for the test of the tests that drops every edge.
    pub(super) fn of(steps: &'p [Step], ordered: bool) -> Self {
        let mut followers: BTreeMap<&StepId, Vec<usize>> = BTreeMap::new();
        let mut open = Vec::with_capacity(steps.len());
        for (place, step) in steps.iter().enumerate() {
            let needs: BTreeSet<&StepId> = step.needs.iter().filter(|_| ordered).collect();
            open.push(needs.len());
            for need in needs {
                followers.entry(need).or_default().push(place);
            }
        }
        let free = open.iter().enumerate().filter(|(_, open)| **open == 0).map(|(place, _)| place).collect();
        Self { steps, open, followers, free, waiting: (0..steps.len()).collect(), done: BTreeSet::new() }
    }

    /// Takes the first step in the plan's order that may begin and is wanted.
    pub(super) fn take(&mut self, wanted: impl Fn(&Step) -> bool) -> Option<&'p Step> {
        let steps = self.steps;
        let place = self.free.iter().copied().find(|place| steps.get(*place).is_some_and(&wanted))?;
        self.free.remove(&place);
        self.waiting.remove(&place);
        steps.get(place)
    }

    /// A step is done: what needed nothing else may begin.
    pub(super) fn done(&mut self, step: &'p StepId) {
        if !self.done.insert(step) {
            return;
        }
        for place in self.followers.remove(step).unwrap_or_default() {
            let Some(open) = self.open.get_mut(place) else { continue };
            *open = open.saturating_sub(1);
            if *open == 0 && self.waiting.contains(&place) {
                self.free.insert(place);
            }
        }
    }

    /// How many are done.
    pub(super) fn count(&self) -> usize {
        self.done.len()
    }

    /// The first step that has not begun.
    pub(super) fn first_waiting(&self) -> Option<&'p Step> {
        self.waiting.first().and_then(|place| self.steps.get(*place))
    }
}

#[cfg(test)]
mod tests {
    use super::{BTreeSet, Ready, Step, StepId};
    use crate::plan::StepKind;
    use proptest::prelude::*;

    fn step(name: usize, needs: &[usize]) -> Step {
        let id = |number: &usize| StepId(format!("step {number}"));
        let (kind, needs) = (StepKind::Barrier, needs.iter().map(id).collect());
        Step { id: id(&name), kind, needs, phase: None, wave: None, reason: Vec::new(), no_return: false }
    }

    proptest! {
        /// Any edges: forwards, backwards, twice, to itself, and to what is not there.
        #[test]
        fn it_takes_what_going_through_all_waiting_steps_would(
            edges in prop::collection::vec(prop::collection::vec(0..14_usize, 0..4), 0..12),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
            unwanted in 0..14_usize,
        ) {
            let steps: Vec<Step> = edges.iter().enumerate().map(|(name, needs)| step(name, needs)).collect();
            let (mut ready, mut waiting) = (Ready::of(&steps, true), steps.iter().collect::<Vec<_>>());
            let (mut done, mut running) = (BTreeSet::new(), Vec::new());
            let unwanted = StepId(format!("step {unwanted}"));
            for at in order {
                loop {
                    let may = |step: &&Step| step.id != unwanted && step.needs.iter().all(|need| done.contains(need));
                    let expected = waiting.iter().position(may).map(|place| waiting.remove(place));
                    let taken = ready.take(|step| step.id != unwanted);
                    prop_assert_eq!(taken.map(|step| &step.id), expected.map(|step| &step.id));
                    prop_assert_eq!(ready.first_waiting().map(|step| &step.id), waiting.first().map(|step| &step.id));
                    let Some(taken) = taken else { break };
                    running.push(taken);
                }
                if running.is_empty() {
                    break;
                }
                let ended = running.remove(at.index(running.len()));
                done.insert(ended.id.clone());
                ready.done(&ended.id);
                prop_assert_eq!(ready.count(), done.len());
            }
        }
    }

    #[test]
    fn a_fleet_of_steps_costs_a_look_at_those_that_follow() {
        let steps: Vec<Step> = (0..50_000).map(|name| step(name, if name == 0 { &[] } else { &[0] })).collect();
        let mut ready = Ready::of(&steps, true);
        let mut begun = 0;
        while let Some(step) = ready.take(|_| true) {
            begun += 1;
            ready.done(&step.id);
        }
        assert_eq!((begun, ready.count()), (steps.len(), steps.len()));
    }
}
