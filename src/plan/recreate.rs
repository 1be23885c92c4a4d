//! A service whose versions can't be mixed: all instances stop, one starts alone, then the others.

use super::facts::Facts;
use super::roll::{self, Manner};
use super::sequence::Draft;
use super::service::{Progress, Service};
use super::{Reason, StepKind, Wave};
use crate::desired::DesiredService;
use crate::model::Strategy;

/// Whether this change asks for it.
pub(super) fn applies(service: &DesiredService, disturbed: &[&Facts<'_>]) -> bool {
    match service.module.strategy {
        Strategy::Rolling => false,
        Strategy::Recreate { on_version_only: false } => true,
        Strategy::Recreate { on_version_only: true } => disturbed.iter().any(|facts| facts.upgrade.is_some()),
    }
}

/// Stops all that change, starts the first one alone, then the others.
pub(super) fn plan<'a>(service: &mut Service<'_, 'a>, disturbed: &[&Facts<'a>]) -> Progress {
    let reason = |facts: &Facts<'_>| [vec![Reason::Recreate], facts.reasons.clone()].concat();
    for facts in disturbed {
        service.up.remove(facts.id());
    }
    let members = service.members();
    let stop = |facts: &&Facts<'_>| {
        let kind = StepKind::Roll(roll::stop_only(facts, members.clone()));
        Draft::new(format!("stop {}", facts.id()), kind, reason(facts)).in_wave(Wave::Recreate)
    };
    service.sequence.group(disturbed.iter().map(stop).collect());
    let soak = service.input.desired.rollout.soak;
    let manner = service.manner();
    for (index, facts) in disturbed.iter().enumerate() {
        service.up.insert(facts.id().clone());
        let canary = index == 0;
        let manner = Manner { soak: canary.then_some(soak), ..manner };
        let kind = StepKind::Roll(roll::start_only(facts, service.members(), manner));
        let wave = if canary { Wave::Canary } else { Wave::Rest };
        let mut draft = Draft::new(format!("start {}", facts.id()), kind, reason(facts)).in_wave(wave);
        draft.no_return = facts.no_return();
        service.sequence.group(vec![draft]);
    }
    Progress::Complete
}
