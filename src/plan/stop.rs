//! A stop that somebody asks for: services in the reverse of their order, tiers in the reverse of their starts. As long as
//! somebody of a service stays up, it goes as carefully as any other stop, and the others have to serve without it.

use super::facts::{Facts, State};
use super::roll::{self, READY_WITHIN};
use super::safety::{self, Safety};
use super::sequence::{Draft, Sequence};
use super::{Action, Members, PlanInput, Reason, Refusal, Roll, StepKind, Wave, facts, leaving};
use crate::desired::DesiredService;
use crate::graph::{self, Stage, TierOrder};
use crate::inventory::HeldWhat;
use crate::model::{InstanceId, Module, ServiceName};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Everything that planning the stops looks at.
struct Stops<'p, 'a> {
    input: &'p PlanInput<'a>,
    all: &'p BTreeMap<InstanceId, Facts<'a>>,
}

/// Adds what stops, and what was down already and is not to be started.
pub(super) fn steps(
    input: &PlanInput<'_>,
    all: &BTreeMap<InstanceId, Facts<'_>>,
    sequence: &mut Sequence,
    safety: &mut Safety,
) {
    let stages = match graph::stages(input.desired, |_| TierOrder::Start) {
        Ok(stages) => stages,
        Err(cycle) => {
            safety.refuse(Refusal::CYCLE, cycle.to_string(), "leave out one `after` among their modules");
            return;
        }
    };
    let stops = Stops { input, all };
    stops.strangers(safety);
    let mut up: BTreeMap<&ServiceName, BTreeSet<InstanceId>> = BTreeMap::new();
    for stage in stages.stages.iter().rev() {
        let Some(service) = input.desired.services.get(&stage.service) else { continue };
        let ends = stops.ends(service);
        if ends && !up.contains_key(&stage.service) {
            stops.outage(service, safety);
        }
        let up = up.entry(&stage.service).or_insert_with(|| stops.up(service));
        stops.stage(service, stage, (ends, up), sequence, safety);
    }
}

impl Stops<'_, '_> {
    fn selected(&self, facts: &Facts<'_>) -> bool {
        facts.state != State::Unseen && self.input.options.selects(facts.id(), &facts.wanted.service)
    }

    fn up(&self, service: &DesiredService) -> BTreeSet<InstanceId> {
        let up = facts::of_service(self.all, service).filter(|facts| facts.state == State::Up);
        up.map(|facts| facts.id().clone()).chain(leaving::up(self.input, &service.name)).collect()
    }

    /// Whether nothing of a service would run any more. What was not looked at may run.
    fn ends(&self, service: &DesiredService) -> bool {
        let mut stops = facts::of_service(self.all, service).filter(|facts| facts.running().is_some());
        let stays =
            |facts: &Facts<'_>| facts.state == State::Unseen || (facts.running().is_some() && !self.selected(facts));
        stops.any(|facts| self.selected(facts))
            && !facts::of_service(self.all, service).any(stays)
            && leaving::running(self.input, &service.name).next().is_none()
    }

    /// Where somebody has more than one of a service, all of them are not stopped by the way; nor what others need.
    fn outage(&self, service: &DesiredService, safety: &mut Safety) {
        let after = self.input.desired.services.values().filter(|other| {
            let stays =
                facts::of_service(self.all, other).any(|facts| facts.state != State::Down && !self.selected(facts));
            other.name != service.name
                && stays
                && graph::before(self.input.desired, &other.name).contains(&service.name)
        });
        let after: Vec<&str> = after.map(|other| other.name.as_str()).collect();
        if service.instances.len() < 2 && after.is_empty() {
            return;
        }
        let name = &service.name;
        let (message, help) = if after.is_empty() {
            (format!("{name}: nothing of it would run any more"), "stop fewer of it")
        } else {
            let after = after.join(", ");
            let message = format!("{name}: nothing of it would run any more, and {after} comes after it");
            (message, "stop fewer of it, and first what comes after it")
        };
        safety.refuse(Refusal::OUTAGE, message, help);
    }

    /// What somebody started by hand is nothing of ours yet, and what leaves is nothing of ours any more: nothing would keep it
    /// down.
    fn strangers(&self, safety: &mut Safety) {
        let stranger = |facts: &&Facts<'_>| facts.running().is_some_and(|running| running.stranger);
        for facts in self.all.values().filter(|facts| self.selected(facts)).filter(stranger) {
            let message = format!("{} was started by hand and is not managed yet", facts.id());
            safety.refuse(Refusal::DIFFERS, message, "take it over first: `esapply --only TARGET`");
        }
        let leaving = self.input.desired.services.keys().flat_map(|service| leaving::running(self.input, service));
        for one in leaving.filter(|one| self.input.options.selects(&one.id, &one.service)) {
            let message = format!("{} runs and is not declared any more: it leaves, and is not kept down", one.id);
            safety.refuse(
                Refusal::DIFFERS,
                message,
                "let it leave: `esapply`; or name what is to be stopped without it",
            );
        }
    }

    /// One tier: of a service that ends all of it together, otherwise one after the other.
    fn stage(
        &self,
        service: &DesiredService,
        stage: &Stage,
        (ends, up): (bool, &mut BTreeSet<InstanceId>),
        sequence: &mut Sequence,
        safety: &mut Safety,
    ) {
        let mut together = Vec::new();
        let here = stage.instances.iter().filter_map(|id| self.all.get(id)).filter(|facts| self.selected(facts));
        for facts in here {
            let Some(draft) = self.draft(service, facts, (ends, up), safety) else { continue };
            if ends {
                together.push(draft);
            } else {
                sequence.group(vec![draft]);
            }
        }
        sequence.group(together);
    }

    /// What is done to one; `None` when there is nothing to do, or nothing there.
    fn draft(
        &self,
        service: &DesiredService,
        facts: &Facts<'_>,
        (ends, up): (bool, &mut BTreeSet<InstanceId>),
        safety: &mut Safety,
    ) -> Option<Draft> {
        let found = facts.found.filter(|found| found.current.is_some())?;
        // What it was rolled back from is kept, so that a start can tell.
        let held = found.held.as_ref().filter(|held| held.holds(facts.wanted.content_generation));
        let (from, to) = held.map_or((None, None), |held| (held.from, held.to));
        let hold = Action::Hold { what: HeldWhat::Stopped, from, to };
        let (module, mut actions) = (&facts.wanted.module, Vec::new());
        if facts.running().is_none() {
            if held.is_some_and(|held| held.what == HeldWhat::Stopped) {
                return None;
            }
            return Some(drafted("hold", facts, vec![hold], Members::default()));
        }
        if !ends && facts.state == State::Up {
            safety::budget(service, self.all, up, &[facts], 1, safety);
        }
        up.remove(facts.id());
        if !ends {
            roll::prepare_stop(module, &mut actions);
        }
        let changes = actions.contains(&Action::BeforeStop);
        actions.extend([hold, roll::stop_process(facts.wanted, facts.running())]);
        if changes {
            // It stays down for long: nothing waits for it in the way that a restart is waited for.
            actions.push(Action::PutBack);
        }
        if !ends && !up.is_empty() && self.have_majority(service, up) {
            actions.push(Action::AwaitOthers { within: others_within(module) });
        }
        // Of a service that ends nobody is waited for.
        let members = if ends { Members::default() } else { Members::of(up.iter().cloned()) };
        Some(drafted("stop", facts, actions, members))
    }

    /// Whether those that stay up can agree; without that they serve nobody, and somebody has taken that on.
    fn have_majority(&self, service: &DesiredService, up: &BTreeSet<InstanceId>) -> bool {
        let voters = || facts::of_service(self.all, service).filter(|facts| facts.wanted.votes);
        let there = voters().filter(|facts| up.contains(facts.id())).count();
        let all = voters().count();
        all == 0 || there * 2 > all
    }
}

/// How long the others may take until they serve again: they may have lost who led them.
fn others_within(module: &Module) -> Duration {
    let gate = module.healthy.as_ref().or(module.ready.as_ref());
    gate.map_or(READY_WITHIN, |gate| gate.within)
}

fn drafted(verb: &str, facts: &Facts<'_>, actions: Vec<Action>, members: Members) -> Draft {
    let (instance, service) = (facts.id().clone(), facts.wanted.service.clone());
    let roll = Roll { instance, service, actions, members, rollback: None };
    Draft::new(format!("{verb} {}", facts.id()), StepKind::Roll(roll), vec![Reason::Asked]).in_wave(Wave::Stop)
}
