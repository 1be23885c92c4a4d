//! What happens to one instance, in order: the actions of a roll.

use super::facts::{Facts, Hold, Need, State};
use super::{Action, Members, Roll};
use crate::desired::DesiredInstance;
use crate::inventory::{HeldWhat, Running};
use crate::model::{Digest, Module};
use std::time::Duration;

/// How long a module without a `ready` gate may take until its process is there.
pub(super) const READY_WITHIN: Duration = Duration::from_mins(1);

/// How a roll is done, beside what the instance needs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    /// How long the canary must stay healthy; `None` for others.
    pub(super) soak: Option<Duration>,
    /// With the arguments of a very first start.
    pub(super) first: bool,
    /// The service is gated by a step of its own, for several instances together.
    pub(super) gated_apart: bool,
    /// What failed is left as it is, for somebody to look at.
    pub(super) no_rollback: bool,
}

/// The roll of an instance that needs something. `members` are those that are up when it is gated, itself among them.
pub(super) fn roll(facts: &Facts<'_>, members: Members, manner: Manner) -> Roll {
    let module = &facts.wanted.module;
    let mut actions = Vec::new();
    match facts.need {
        Need::Nothing => {}
        Need::Wait => {
            actions.push(ready(module));
            healthy(module, manner, &mut actions);
        }
        Need::Place => {
            switch(facts, &mut actions);
            if facts.state == State::NotReady {
                actions.push(ready(module));
                healthy(module, manner, &mut actions);
            }
        }
        Need::Reload => {
            switch(facts, &mut actions);
            actions.push(Action::Reload);
            actions.push(ready(module));
            healthy(module, manner, &mut actions);
        }
        Need::Restart => {
            stop(facts, &mut actions);
            start(facts, manner, &mut actions);
        }
        Need::Start => {
            hold(facts, &mut actions);
            start(facts, manner, &mut actions);
        }
    }
    Roll {
        instance: facts.id().clone(),
        service: facts.wanted.service.clone(),
        actions,
        members,
        rollback: rollback(facts, manner),
    }
}

/// The stop alone, of a service whose instances are all stopped before the first one starts.
pub(super) fn stop_only(facts: &Facts<'_>, members: Members) -> Roll {
    let mut actions = Vec::new();
    stop(facts, &mut actions);
    actions.retain(|action| !matches!(action, Action::CheckSafe));
    let (instance, service) = (facts.id().clone(), facts.wanted.service.clone());
    Roll { instance, service, actions, members, rollback: None }
}

/// The start alone, after [`stop_only`].
pub(super) fn start_only(facts: &Facts<'_>, members: Members, manner: Manner) -> Roll {
    let mut actions = Vec::new();
    start(facts, manner, &mut actions);
    let (instance, service) = (facts.id().clone(), facts.wanted.service.clone());
    Roll { instance, service, actions, members, rollback: rollback(facts, manner) }
}

fn rollback(facts: &Facts<'_>, manner: Manner) -> Option<Digest> {
    let ran = matches!(facts.need, Need::Restart | Need::Reload | Need::Wait | Need::Start);
    // What was restarted as it is has nothing to go back to, and neither has what stays at what works.
    let free = facts.hold == Hold::Free && !facts.asked;
    facts.rollback().filter(|_| ran && free && !manner.no_rollback && !facts.no_return())
}

fn stop(facts: &Facts<'_>, actions: &mut Vec<Action>) {
    // One that does not serve has nothing to lose, and rules that ask it would never let it be repaired.
    if facts.state == State::Up {
        prepare_stop(&facts.wanted.module, actions);
    }
    hold(facts, actions);
    actions.push(stop_process(facts.wanted, facts.running()));
}

/// What goes back is recorded as that before it is disturbed, also where a lost run has done it already: so whoever reads the
/// journal can tell it from a change.
fn hold(facts: &Facts<'_>, actions: &mut Vec<Action>) {
    let held = facts.found.and_then(|found| found.held.as_ref());
    if let Some(held) = held.filter(|_| facts.hold == Hold::Failed && facts.switch) {
        actions.push(Action::Hold { what: HeldWhat::RolledBack, from: held.from, to: Some(facts.target) });
    }
}

/// What comes before one that serves is stopped.
pub(super) fn prepare_stop(module: &Module, actions: &mut Vec<Action>) {
    actions.push(Action::CheckSafe);
    if !module.rolling.before_stop.is_empty() {
        actions.push(Action::BeforeStop);
    }
}

/// The stop itself, in the way that reaches what runs.
pub(super) fn stop_process(one: &DesiredInstance, running: Option<&Running>) -> Action {
    let within = one.process.stop_within;
    match running {
        Some(running) if running.supervised.is_none() => {
            let started = running.stranger.then_some(running.start_time);
            Action::StopUnsupervised { pid: running.pid, started, within }
        }
        _ => Action::Stop { within },
    }
}

fn start(facts: &Facts<'_>, manner: Manner, actions: &mut Vec<Action>) {
    switch(facts, actions);
    start_process(&facts.wanted.module, manner, actions);
}

/// The start of what is current, and its gates.
pub(super) fn start_process(module: &Module, manner: Manner, actions: &mut Vec<Action>) {
    actions.push(Action::Start { first: manner.first });
    actions.push(ready(module));
    if !module.rolling.after_ready.is_empty() && !manner.gated_apart {
        actions.push(Action::AfterReady);
    }
    healthy(module, manner, actions);
}

fn switch(facts: &Facts<'_>, actions: &mut Vec<Action>) {
    if facts.switch {
        let from = facts.found.and_then(|found| found.current);
        actions.push(Action::Switch { from, to: facts.target });
    }
}

fn ready(module: &Module) -> Action {
    Action::AwaitReady { within: module.ready.as_ref().map_or(READY_WITHIN, |gate| gate.within) }
}

fn healthy(module: &Module, manner: Manner, actions: &mut Vec<Action>) {
    let Some(gate) = module.healthy.as_ref().filter(|_| !manner.gated_apart) else { return };
    actions.push(Action::AwaitHealthy { within: gate.within });
    if let Some(for_) = manner.soak {
        actions.push(Action::Soak { for_ });
    }
}
