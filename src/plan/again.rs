//! What is asked for although nothing differs. A restart or a reload goes the way of any change, canary first; a start the
//! way of any start, and a rollback is in [`super::rollback`]. What is stopped and released is in [`super::holds`].

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
    /// A start of what was stopped on purpose, or does not run.
    Start,
    /// A stop after which it stays down.
    Stop,
    /// Nothing but that it is not held any more.
    Release,
    /// Back to the generation before.
    Rollback,
}

/// Adds to what an instance needs. What differs, or does not run, is left as it was found: [`refuse`] speaks of it.
pub(super) fn ask(input: &PlanInput<'_>, facts: &mut Facts<'_>) {
    let Some(asked) = input.options.asked else { return };
    let selected = input.options.selects(facts.id(), &facts.wanted.service);
    if asked == Again::Rollback && facts.hold == Hold::Failed && selected && facts.need > Need::Wait {
        (facts.asked, facts.reasons) = (true, vec![Reason::Asked]);
    }
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

/// A start is for what does not run, and a rollback for what goes back; the rest keeps what it has.
pub(super) fn nothing_else(input: &PlanInput<'_>, facts: &mut Facts<'_>) {
    let meant = match input.options.asked {
        Some(Again::Start) => facts.need == Need::Start,
        Some(Again::Rollback) => facts.hold == Hold::Failed,
        _ => return,
    };
    if !meant {
        (facts.render, facts.switch, facts.upgrade) = (false, false, None);
        if facts.need > Need::Wait {
            facts.need = Need::Nothing;
        }
    } else if !facts.on_trial() {
        // What is started as it was has nothing to go back to.
        facts.asked = true;
    }
}

/// A restart changes nothing else, unless somebody takes that on; and what has no reload is not restarted in its place.
pub(super) fn refuse(input: &PlanInput<'_>, all: &BTreeMap<InstanceId, Facts<'_>>, safety: &mut Safety) {
    let Some(asked) = input.options.asked.filter(|asked| *asked != Again::Rollback) else { return };
    let names = |which: &dyn Fn(&Facts<'_>) -> bool| {
        let selected = all.values().filter(|facts| input.options.selects(facts.id(), &facts.wanted.service));
        selected.filter(|facts| which(facts)).map(|facts| facts.id().to_string()).collect::<Vec<_>>().join(", ")
    };
    let starts = asked == Again::Start;
    let differ = names(&|facts| {
        facts.hold == Hold::Free && facts.running().is_some() != starts && (facts.switch || facts.render)
    });
    if !differ.is_empty() {
        let message = format!("{differ}: not as declared; this would change more than was asked for");
        let help = if starts {
            "look at `esplan`; `esapply release TARGET`, and apply"
        } else {
            "look at `esplan`, and apply that first with `esapply --only TARGET`"
        };
        safety.refuse(Refusal::DIFFERS, message, help);
    }
    let without = names(&|facts| !facts.wanted.process.reloads());
    if asked == Again::Reload && !without.is_empty() {
        let message = format!("{without}: the module knows no reload");
        safety.refuse(Refusal::NO_RELOAD, message, "name what has one, or restart it: `esapply restart TARGET`");
    }
}
