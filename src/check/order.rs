//! What comes before what, worked out from `needs` alone.
//!
//! Steps are read in segments: every step of a segment is surely done before any step of the next one begins. A plan for
//! ten thousand hosts has hundreds of thousands of steps, and hundreds of segments with little order inside; so no list of
//! everything before a step is ever made, only of what is before it in its own segment.

use super::{Violation, by_id};
use crate::plan::Plan;
use std::collections::BTreeSet;
use std::ops::Range;

/// The order of a plan's steps.
pub(super) struct Order {
    /// The segment of each step. Steps of one segment are neighbours.
    segment: Vec<usize>,
    /// The steps of each segment.
    segments: Vec<Range<usize>>,
    /// For each step, the steps of its own segment that are surely done before it begins.
    before: Vec<BTreeSet<usize>>,
}

impl Order {
    /// Reads the order. Nothing when ids or needs are broken: then nothing else can be said.
    pub(super) fn read(plan: &Plan, found: &mut Vec<Violation>) -> Option<Self> {
        let numbers = by_id(plan);
        let broken = found.len();
        let mut needs: Vec<BTreeSet<usize>> = Vec::with_capacity(plan.steps.len());
        for (number, step) in plan.steps.iter().enumerate() {
            if numbers.get(&step.id) != Some(&number) {
                found.push(Violation::SameId { step: step.id.0.clone() });
            }
            let mut all = BTreeSet::new();
            for needed in &step.needs {
                match numbers.get(needed).copied().filter(|needed| *needed < number) {
                    Some(needed) => _ = all.insert(needed),
                    None => found.push(Violation::BadNeed { step: step.id.0.clone(), needed: needed.0.clone() }),
                }
            }
            needs.push(all);
        }
        (found.len() == broken).then(|| Self::of(&needs))
    }

    /// The order of steps of which each needs some before it.
    pub(super) fn of(needs: &[BTreeSet<usize>]) -> Self {
        let cuts = cuts(needs);
        let (mut segment, mut segments, mut first) = (Vec::with_capacity(needs.len()), Vec::new(), 0);
        for number in 0..needs.len() {
            if number > first && cuts.get(number) == Some(&true) {
                segments.push(first..number);
                first = number;
            }
            segment.push(segments.len());
        }
        if first < needs.len() {
            segments.push(first..needs.len());
        }
        let mut before: Vec<BTreeSet<usize>> = Vec::with_capacity(needs.len());
        for (number, needs) in needs.iter().enumerate() {
            let mut all = BTreeSet::new();
            let first = segment.get(number).and_then(|at| segments.get(*at)).map_or(number, |range| range.start);
            for needed in needs.range(first..) {
                all.extend(before.get(*needed).into_iter().flatten().copied());
                all.insert(*needed);
            }
            before.push(all);
        }
        Self { segment, segments, before }
    }

    /// The steps of each segment, in order.
    pub(super) fn segments(&self) -> &[Range<usize>] {
        &self.segments
    }

    /// The first step of the segment of a step.
    pub(super) fn segment_start(&self, step: usize) -> usize {
        self.segment.get(step).and_then(|at| self.segments.get(*at)).map_or(step, |range| range.start)
    }

    /// The first step of the segment after that of a step.
    pub(super) fn segment_end(&self, step: usize) -> usize {
        self.segment.get(step).and_then(|at| self.segments.get(*at)).map_or(step, |range| range.end)
    }

    /// Whether no step of a segment comes before another one of it.
    pub(super) fn is_flat(&self, segment: &Range<usize>) -> bool {
        self.before.get(segment.clone()).is_some_and(|before| before.iter().all(BTreeSet::is_empty))
    }

    /// Whether the first step is surely done before the second begins.
    pub(super) fn is_before(&self, first: usize, second: usize) -> bool {
        match (self.segment.get(first), self.segment.get(second)) {
            (Some(one), Some(other)) if one == other => {
                self.before.get(second).is_some_and(|before| before.contains(&first))
            }
            (Some(one), Some(other)) => one < other,
            _ => false,
        }
    }

    /// Whether two steps may be under way at the same time.
    pub(super) fn may_overlap(&self, one: usize, other: usize) -> bool {
        one != other && !self.is_before(one, other) && !self.is_before(other, one)
    }
}

/// Where the steps can be cut in two, so that everything before the cut surely comes before everything after it.
///
/// That holds at `p` when each step from `p` on that needs nothing from `p` on needs all ends of what is before `p`: the
/// steps there that nothing before `p` needs. `p - 1` is always such an end, so a step whose last need is `n` can only
/// allow the cut at `n + 1`.
fn cuts(needs: &[BTreeSet<usize>]) -> Vec<bool> {
    let count = needs.len();
    let mut first_needed = vec![usize::MAX; count];
    for (number, needs) in needs.iter().enumerate().rev() {
        for needed in needs {
            if let Some(first) = first_needed.get_mut(*needed) {
                *first = number;
            }
        }
    }
    // How many ends there are at each place: an end from the place after it to the one that needs it first.
    let mut ends = Changes::new(count);
    for (number, first) in first_needed.iter().enumerate() {
        ends.add(number + 1, first.saturating_add(1).min(count + 1));
    }
    let ends = ends.sums();
    let mut forbidden = Changes::new(count);
    for (number, needs) in needs.iter().enumerate() {
        let allowed = needs.last().map_or(0, |last| last + 1);
        forbidden.add(allowed + 1, number + 1);
        let met =
            needs.iter().filter(|needed| first_needed.get(**needed).is_some_and(|first| *first >= allowed)).count();
        if ends.get(allowed).is_none_or(|ends| *ends != i64::try_from(met).unwrap_or(-1)) {
            forbidden.add(allowed, allowed + 1);
        }
    }
    forbidden.sums().into_iter().map(|sum| sum == 0).collect()
}

/// Sums over ranges of places, added up once at the end.
struct Changes(Vec<i64>);

impl Changes {
    fn new(count: usize) -> Self {
        Self(vec![0; count + 2])
    }

    /// One more at each place of a range.
    fn add(&mut self, from: usize, to: usize) {
        for (place, change) in [(from, 1), (to, -1)].into_iter().filter(|_| from < to) {
            if let Some(sum) = self.0.get_mut(place) {
                *sum += change;
            }
        }
    }

    fn sums(self) -> Vec<i64> {
        let mut sum = 0;
        self.0
            .into_iter()
            .map(|change| {
                sum += change;
                sum
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn order(needs: &[&[usize]]) -> Order {
        Order::of(&needs.iter().map(|needs| needs.iter().copied().collect()).collect::<Vec<_>>())
    }

    #[test]
    fn groups_and_barriers_are_segments_of_their_own() {
        let groups = order(&[&[], &[], &[0, 1], &[0, 1], &[2, 3]]);
        assert_eq!(groups.segments(), [0..2, 2..4, 4..5]);
        assert!(groups.segments().iter().all(|segment| groups.is_flat(segment)));
        let lanes = order(&[&[], &[0], &[], &[2], &[1, 3]]);
        assert_eq!(lanes.segments(), [0..4, 4..5]);
        assert!(!lanes.is_flat(&(0..4)) && lanes.may_overlap(1, 2) && lanes.is_before(0, 1));
        assert_eq!(order(&[&[], &[0], &[0], &[1]]).segments(), [0..1, 1..4]);
        assert!(order(&[]).segments().is_empty());
    }

    proptest! {
        /// Against the plain definition, on every kind of small graph.
        #[test]
        fn the_order_is_what_needs_say(choices in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..4), 1..14)) {
            let needs: Vec<BTreeSet<usize>> = choices.iter().enumerate().map(|(number, choices)| {
                choices.iter().filter(|_| number > 0).map(|choice| choice.index(number)).collect()
            }).collect();
            let mut all: Vec<BTreeSet<usize>> = Vec::new();
            for needs in &needs {
                let further = needs.iter().flat_map(|needed| all[*needed].iter().copied());
                all.push(needs.iter().copied().chain(further).collect());
            }
            let order = Order::of(&needs);
            for one in 0..needs.len() {
                for (other, before) in all.iter().enumerate() {
                    prop_assert_eq!(order.is_before(one, other), before.contains(&one), "{} {} {:?}", one, other, needs);
                }
            }
            // The segments are as small as can be.
            for cut in 1..needs.len() {
                let holds = (cut..needs.len()).all(|after| (0..cut).all(|before| all[after].contains(&before)));
                prop_assert_eq!(order.segments().iter().any(|segment| segment.start == cut), holds, "{} {:?}", cut, needs);
            }
        }
    }
}
