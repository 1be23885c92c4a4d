//! What is asked for although nothing differs: a restart or a reload. It goes the way of any change, canary first.

use super::facts::{Facts, Hold, Need};
use super::safety::Safety;
use super::{PlanInput, Reason, Refusal};
use crate::model::InstanceId;
use std::collections::BTreeMap;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// A restart of what has been running for at least this many seconds: a plan that is made anew after the first
    /// instances restarted leaves those alone.
    Restart {
        /// Seconds since the run began.
        since: u64,
    },
    /// The reload signal.
    Reload,
}

/// Adds to what an instance needs. What differs, or does not run, is left as it was found: [`refuse`] speaks of it.
pub(super) fn ask(input: &PlanInput<'_>, facts: &mut Facts<'_>) {
    let Some(asked) = input.options.asked else { return };
    let selected = input.options.selects(facts.id(), &facts.wanted.service);
    let idle = facts.hold == Hold::Free && facts.need <= Need::Wait && !facts.render;
    let Some(running) = facts.running().filter(|_| selected && idle) else { return };
    let need = match asked {
        Again::Restart { since } if running.uptime >= since => Need::Restart,
        Again::Reload if facts.wanted.process.reloads() => Need::Reload,
        _ => return,
    };
    (facts.need, facts.asked) = (need, true);
    facts.reasons.push(Reason::Asked);
}

/// A restart changes nothing else, unless somebody takes that on; and what has no reload is not restarted in its place.
pub(super) fn refuse(input: &PlanInput<'_>, all: &BTreeMap<InstanceId, Facts<'_>>, safety: &mut Safety) {
    let Some(asked) = input.options.asked else { return };
    let names = |which: &dyn Fn(&Facts<'_>) -> bool| {
        let selected = all.values().filter(|facts| input.options.selects(facts.id(), &facts.wanted.service));
        selected.filter(|facts| which(facts)).map(|facts| facts.id().to_string()).collect::<Vec<_>>().join(", ")
    };
    let differ =
        names(&|facts| facts.hold == Hold::Free && facts.running().is_some() && (facts.switch || facts.render));
    if !differ.is_empty() {
        let message = format!("{differ}: not as declared; this would change more than was asked for");
        safety.refuse(Refusal::DIFFERS, message, "look at `esplan`, and apply that first with `esapply --only TARGET`");
    }
    let without = names(&|facts| !facts.wanted.process.reloads());
    if asked == Again::Reload && !without.is_empty() {
        let message = format!("{without}: the module knows no reload");
        safety.refuse(Refusal::NO_RELOAD, message, "name what has one, or restart it: `esapply restart TARGET`");
    }
}
