//! How many of a service may be down at once, and that its voters keep their majority, whatever is picked.
//!
//! For each step that stops something: everything that was down before and is surely up again is up; everything else
//! of the service that may be under way at the same time is down.

use super::{Reading, Violation, scope};
use crate::desired::DesiredService;
use crate::inventory::ProcessObservation;
use crate::model::{HostName, InstanceId, Per, ServiceName};
use crate::plan::{Action, Refusal, Roll, Step, StepKind, Wave};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Goes through the segments of the plan in order, and keeps what is down between them.
pub(super) fn judge(reading: &Reading<'_>, found: &mut Vec<Violation>) {
    let mut services: BTreeMap<&ServiceName, Down<'_>> = BTreeMap::new();
    for number in &reading.index.stops {
        let Some(step) = reading.plan.steps.get(*number) else { continue };
        for service in super::rolls(step).iter().map(|roll| &roll.service) {
            if let Some(of) = reading.desired.services.get(service) {
                services.entry(service).or_insert_with(|| Down::before(reading, of));
            }
        }
    }
    for segment in reading.order.segments() {
        let steps = reading.plan.steps.get(segment.clone()).unwrap_or_default();
        let mut stopping: BTreeMap<&ServiceName, Vec<(usize, Vec<&Roll>)>> = BTreeMap::new();
        for (number, step) in segment.clone().zip(steps) {
            let mut own: BTreeMap<&ServiceName, Vec<&Roll>> = BTreeMap::new();
            for roll in super::rolls(step).iter().filter(|roll| stops_one_that_serves(reading, step, roll)) {
                own.entry(&roll.service).or_default().push(roll);
            }
            for (service, rolls) in own {
                stopping.entry(service).or_default().push((number, rolls));
            }
        }
        for (service, stopping) in &stopping {
            if let Some(down) = services.get_mut(*service) {
                of_service(reading, segment, down, stopping, found);
            }
        }
        for roll in steps.iter().flat_map(|step| super::rolls(step).iter().map(move |roll| (step, roll))) {
            let (step, roll) = roll;
            if let Some(down) = services.get_mut(&roll.service) {
                down.after(step, roll);
            }
        }
    }
}

/// The steps of one segment that stop something of one service.
fn of_service<'a>(
    reading: &Reading<'a>,
    segment: &Range<usize>,
    down: &mut Down<'a>,
    stopping: &[(usize, Vec<&'a Roll>)],
    found: &mut Vec<Violation>,
) {
    // All are stopped on purpose, and the plan says so.
    let recreated = |number: usize| reading.plan.steps.get(number).is_none_or(|step| step.wave == Some(Wave::Recreate));
    if reading.order.is_flat(segment) {
        // Everything of the segment may be under way together.
        let all = || stopping.iter().flat_map(|(_, rolls)| rolls).map(|roll| &roll.instance);
        all().for_each(|id| down.tally.add(id));
        for (number, rolls) in stopping.iter().filter(|(number, _)| !recreated(*number)) {
            for roll in rolls {
                down.tally.remove(&roll.instance);
            }
            one_step(reading, *number, rolls, down, found);
            for roll in rolls {
                down.tally.add(&roll.instance);
            }
        }
        all().for_each(|id| down.tally.remove(id));
        return;
    }
    for (number, rolls) in stopping.iter().filter(|(number, _)| !recreated(*number)) {
        let mut then = down.clone();
        for earlier in segment.clone().filter(|other| reading.order.is_before(*other, *number)) {
            let Some(step) = reading.plan.steps.get(earlier) else { continue };
            let same = super::rolls(step).iter().filter(|roll| roll.service == down.of.name);
            same.for_each(|roll| then.after(step, roll));
        }
        for (_, beside) in stopping.iter().filter(|(other, _)| reading.order.may_overlap(*number, *other)) {
            for roll in beside {
                then.tally.add(&roll.instance);
            }
        }
        one_step(reading, *number, rolls, &then, found);
    }
}

/// One step, when those in the tally are down: the worst pick that it leaves open.
fn one_step(reading: &Reading<'_>, number: usize, stopping: &[&Roll], down: &Down<'_>, found: &mut Vec<Violation>) {
    let Some(step) = reading.plan.steps.get(number) else { return };
    let (of, tally) = (down.of, &down.tally);
    let at_once = match &step.kind {
        StepKind::PickNext { budget, take, .. } => usize::try_from(*budget.min(take)).unwrap_or(usize::MAX),
        _ => 1,
    };
    let rolling = &of.module.rolling;
    let allowed = down.allowed;
    // The worst pick: candidates on as many hosts as can be, none of which is down already.
    let fresh: BTreeSet<&InstanceId> =
        stopping.iter().map(|roll| &roll.instance).filter(|id| !tally.ids.contains_key(*id)).collect();
    let (already, more) = match rolling.per {
        Per::Instance => (tally.ids.len(), fresh.len()),
        Per::Host => {
            let hosts = fresh.iter().map(|id| &id.host).filter(|host| !tally.hosts.contains_key(*host));
            (tally.hosts.len(), hosts.collect::<BTreeSet<_>>().len())
        }
    };
    let most = already + more.min(at_once);
    if more > 0 && most > allowed && !reading.waived(Refusal::MAX_UNAVAILABLE) {
        let (step, service) = (step.id.0.clone(), of.name.clone());
        found.push(Violation::OverBudget { step, service, down: most, allowed });
    }
    let votes = |id: &InstanceId| down.voters.contains(id);
    let picked = fresh.iter().filter(|id| votes(id)).count();
    if picked == 0 {
        return;
    }
    let lost = tally.ids.keys().filter(|id| votes(id)).count();
    let voters = down.voters.len();
    let up = voters.saturating_sub(lost + picked.min(at_once));
    let waived = reading.waived(Refusal::QUORUM) || reading.waived(Refusal::QUORUM_OUTAGE);
    if up * 2 <= voters && !waived {
        let (step, service) = (step.id.0.clone(), of.name.clone());
        found.push(Violation::LosesQuorum { step, service, up, voters });
    }
}

/// What is down of one service at one time.
#[derive(Clone)]
struct Down<'a> {
    of: &'a DesiredService,
    /// How many may be down.
    allowed: usize,
    voters: BTreeSet<&'a InstanceId>,
    /// Down since an earlier segment, or before the plan.
    ids: BTreeSet<&'a InstanceId>,
    tally: Tally<'a>,
}

/// Counts of what is down, each instance as often as something says so.
#[derive(Clone, Default)]
struct Tally<'a> {
    ids: BTreeMap<&'a InstanceId, usize>,
    /// How many instances are down on a host.
    hosts: BTreeMap<&'a HostName, usize>,
}

impl<'a> Tally<'a> {
    fn add(&mut self, id: &'a InstanceId) {
        let times = self.ids.entry(id).or_default();
        *times += 1;
        if *times == 1 {
            *self.hosts.entry(&id.host).or_default() += 1;
        }
    }

    fn remove(&mut self, id: &'a InstanceId) {
        if less(&mut self.ids, &id) {
            less(&mut self.hosts, &&id.host);
        }
    }
}

/// One less of something; whether none is left.
fn less<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) -> bool {
    let Some(count) = counts.get_mut(key) else { return false };
    *count = count.saturating_sub(1);
    let none = *count == 0;
    if none {
        counts.remove(key);
    }
    none
}

impl<'a> Down<'a> {
    /// Before the plan.
    fn before(reading: &Reading<'a>, of: &'a DesiredService) -> Self {
        let votes = |id: &&InstanceId| reading.desired.instances.get(*id).is_some_and(|wanted| wanted.votes);
        let voters = of.instances.iter().filter(votes).collect();
        let rolling = &of.module.rolling;
        let allowed = rolling.max_unavailable.of(match rolling.per {
            Per::Instance => of.instances.len(),
            Per::Host => of.instances.iter().map(|id| &id.host).collect::<BTreeSet<_>>().len(),
        });
        let mut down = Self { of, allowed, voters, ids: BTreeSet::new(), tally: Tally::default() };
        of.instances.iter().filter(|id| !serves(reading, id)).for_each(|id| down.is_down(id));
        down
    }

    fn is_down(&mut self, id: &'a InstanceId) {
        if self.ids.insert(id) {
            self.tally.add(id);
        }
    }

    /// After a roll of a step: it is surely ready again, or stopped for others to start it. Of candidates that may be left
    /// out, nothing is sure.
    fn after(&mut self, step: &Step, roll: &'a Roll) {
        let whole = match &step.kind {
            StepKind::PickNext { candidates, take, .. } => {
                usize::try_from(*take).is_ok_and(|take| take >= candidates.len())
            }
            _ => true,
        };
        let id = &roll.instance;
        if whole && roll.actions.iter().any(|action| matches!(action, Action::AwaitReady { .. })) {
            if self.ids.remove(id) {
                self.tally.remove(id);
            }
        } else if stops(roll)
            && !super::leaving::is_last(roll)
            && !roll.actions.iter().any(|action| matches!(action, Action::Start { .. }))
        {
            self.is_down(id);
        }
    }
}

/// Whether an instance serves as far as it was observed.
pub(super) fn serves(reading: &Reading<'_>, id: &InstanceId) -> bool {
    let runs = scope::instance(reading, id).is_some_and(|seen| matches!(seen.process, ProcessObservation::Running(_)));
    let service = reading.desired.instance(id).and_then(|wanted| reading.inventory.services.get(&wanted.service));
    let refuses = service.and_then(|service| service.ready.get(id)).is_some_and(|verdict| !verdict.holds);
    runs && !refuses
}

fn stops(roll: &Roll) -> bool {
    roll.actions.iter().any(|action| matches!(action, Action::Stop { .. } | Action::StopUnsupervised { .. }))
}

/// In a later phase of a change everything serves, whatever it was before. What leaves is judged by itself, and so is a
/// service that ends.
fn stops_one_that_serves(reading: &Reading<'_>, step: &Step, roll: &Roll) -> bool {
    let later = super::phases::round_of(reading, step, &roll.service).is_some_and(|round| round > 0);
    let ends = step.wave == Some(Wave::Stop) && reading.ended.contains(&roll.service);
    stops(roll) && step.wave != Some(Wave::Leave) && !ends && (later || serves(reading, &roll.instance))
}
