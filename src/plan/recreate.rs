//! A service whose versions can't be mixed: all instances stop, one starts alone, then the others.

use super::facts::{Facts, Hold, Need};
use super::roll::{self, Manner};
use super::sequence::Draft;
use super::service::{Progress, Service, only_unsupervised};
use super::{Reason, StepKind, Wave};
use crate::desired::DesiredService;
use crate::model::Strategy;

/// The instances that are replaced together; none when nothing asks for it. One that is down already, because a run was
/// interrupted between the stops and the starts, is one of them: it must not start beside one of the old version.
pub(super) fn together<'f, 'a>(service: &DesiredService, work: &[&'f Facts<'a>]) -> Vec<&'f Facts<'a>> {
    let free = |facts: &&&Facts<'a>| facts.hold == Hold::Free;
    let upgraded = work.iter().filter(free).any(|facts| facts.upgrade.is_some());
    let restarted = work.iter().filter(free).any(|facts| facts.need == Need::Restart && !only_unsupervised(facts));
    let applies = match service.module.strategy {
        Strategy::Rolling => false,
        Strategy::Recreate { on_version_only: false } => upgraded || restarted,
        Strategy::Recreate { on_version_only: true } => upgraded,
    };
    let replaced = |facts: &&&'f Facts<'a>| applies && matches!(facts.need, Need::Restart | Need::Start);
    let mut replaced: Vec<&'f Facts<'a>> = work.iter().filter(free).filter(replaced).copied().collect();
    // All are down before the first one starts: the order of starts, whatever changes.
    let order = &service.module.order.start;
    replaced.sort_by_key(|facts| order.iter().position(|tier| *tier == facts.wanted.tier).unwrap_or(order.len()));
    replaced
}

/// Stops all of them that run, starts the first one alone, then the others.
pub(super) fn plan<'a>(service: &mut Service<'_, 'a>, replaced: &[&Facts<'a>]) -> Progress {
    let reason = |facts: &Facts<'_>| [vec![Reason::Recreate], facts.reasons.clone()].concat();
    for facts in replaced {
        service.up.remove(facts.id());
    }
    let members = service.members();
    let stop = |facts: &Facts<'_>| {
        let kind = StepKind::Roll(roll::stop_only(facts, members.clone()));
        Draft::new(format!("stop {}", facts.id()), kind, reason(facts)).in_wave(Wave::Recreate)
    };
    let running = replaced.iter().filter(|facts| facts.need == Need::Restart);
    service.sequence.group(running.map(|facts| stop(facts)).collect());
    let soak = service.input.desired.rollout.soak;
    let manner = service.manner();
    let (first, others) = replaced.split_at(replaced.len().min(1));
    let batches = [first].into_iter().filter(|first| !first.is_empty()).chain(others.chunks(service.batch()));
    for (index, batch) in batches.enumerate() {
        service.up.extend(batch.iter().map(|facts| facts.id().clone()));
        let canary = index == 0;
        let manner = Manner { soak: canary.then_some(soak), ..manner };
        let (members, wave) = (service.members(), if canary { Wave::Canary } else { Wave::Rest });
        let start = |facts: &&Facts<'_>| {
            let kind = StepKind::Roll(roll::start_only(facts, members.clone(), manner));
            let mut draft = Draft::new(format!("start {}", facts.id()), kind, reason(facts)).in_wave(wave);
            draft.no_return = facts.no_return();
            draft
        };
        service.sequence.group(batch.iter().map(start).collect());
    }
    Progress::Complete
}
