//! Instances that are not declared any more: what they keep is moved away, then they are stopped for the last time, and what
//! would start them again is removed. Their data stays where it is.
//!
//! That comes last, in the order of stops: whoever used them has been told of the others by then.

use super::facts::{self, Facts, State};
use super::majority::Lowered;
use super::roll::{Manner, prepare_stop, start_process, stop_process};
use super::safety::Safety;
use super::sequence::{Draft, Sequence};
use super::{Action, GateKind, Members, Note, PlanInput, Reason, Refusal, Roll, StepKind, Wave};
use crate::desired::{DesiredInstance, DesiredService};
use crate::inventory::{InstanceObservation, ProcessObservation, Running};
use crate::model::{Drain, InstanceId, ServiceName};
use std::collections::{BTreeMap, BTreeSet};

/// One instance that leaves.
#[derive(Clone, Copy)]
struct Leaver<'a> {
    one: &'a DesiredInstance,
    found: &'a InstanceObservation,
    state: State,
}

impl<'a> Leaver<'a> {
    fn of(input: &PlanInput<'a>, one: &'a DesiredInstance) -> Option<Self> {
        let found = facts::observed(input, &one.id.host)?.instances.get(one.id.role.as_str())?;
        Some(Self { one, found, state: facts::state(input, one, true, Some(found)) })
    }

    fn running(&self) -> Option<&'a Running> {
        match &self.found.process {
            ProcessObservation::Running(running) => Some(running),
            _ => None,
        }
    }

    fn runs(&self) -> bool {
        self.running().is_some()
    }

    /// What is moved away from it; `None` when there is nothing, or when somebody takes it on that it is not.
    fn drain(&self, input: &PlanInput<'_>) -> Option<&'a Drain> {
        let waived = |name: &str| input.options.waivers.keys().any(|waiver| waiver.as_str() == name);
        drains(self.one).filter(|_| !waived(Refusal::LAST_COPY) || takers(input, self.one) > 0)
    }
}

/// What has to be moved away from an instance before it leaves.
pub(super) fn drains(one: &DesiredInstance) -> Option<&Drain> {
    let drain = one.module.drain.as_ref()?;
    // What can't be told is there.
    let keeps = drain.when.as_ref().is_none_or(|when| one.context.eval_bool(&when.0).unwrap_or(true));
    keeps.then_some(drain)
}

/// How many that stay can take what it keeps.
fn takers(input: &PlanInput<'_>, one: &DesiredInstance) -> usize {
    let stay = input.desired.services.get(&one.service).into_iter().flat_map(|service| &service.instances);
    stay.filter_map(|id| input.desired.instances.get(id)).filter(|other| drains(other).is_some()).count()
}

/// Those of a service that leave and were asked for, in the order in which they do: the last tier to start first.
fn of_service<'a>(input: &PlanInput<'a>, service: &'a DesiredService) -> Vec<Leaver<'a>> {
    let all = input.desired.leaving.values().filter(|one| one.service == service.name);
    let asked = all.filter(|one| input.options.selects(&one.id, &service.name));
    let mut leavers: Vec<Leaver<'a>> = asked.filter_map(|one| Leaver::of(input, one)).collect();
    let order = &service.module.order.start;
    let place = |leaver: &Leaver<'_>| order.iter().position(|tier| *tier == leaver.one.tier).unwrap_or(order.len());
    leavers.sort_by_key(|leaver| std::cmp::Reverse(place(leaver)));
    leavers
}

/// Whether voters of a service that run leave by this plan.
pub(super) fn voters_leave(input: &PlanInput<'_>, service: &DesiredService) -> bool {
    !apart(input) && of_service(input, service).iter().any(|leaver| leaver.one.votes && leaver.runs())
}

/// Whether nothing is done but what was asked for.
fn apart(input: &PlanInput<'_>) -> bool {
    input.options.asked.is_some() || input.options.canary_only
}

/// Instances of a service that leave and are up, as far as gates wait for them: members that the files of the others no longer
/// name may find no leader any more, once the leader has such a file. They disturb nobody.
pub(super) fn up(input: &PlanInput<'_>, service: &ServiceName) -> BTreeSet<InstanceId> {
    let leavers = input.desired.leaving_of(service).filter_map(|one| Leaver::of(input, one));
    let counts = |leaver: &Leaver<'_>| leaver.state == State::Up && !(leaver.one.votes && leaver.one.module.by_file);
    leavers.filter(counts).map(|leaver| leaver.one.id.clone()).collect()
}

/// What stands against it, as far as it does not depend on the order.
pub(super) fn judge(input: &PlanInput<'_>, all: &BTreeMap<InstanceId, Facts<'_>>, safety: &mut Safety) {
    if apart(input) {
        return;
    }
    for service in input.desired.services.values() {
        let leavers = of_service(input, service);
        membership(input, service, all, &leavers, safety);
        let upgraded = facts::of_service(all, service).find(|facts| facts.upgrade.is_some());
        if let (Some(first), Some(upgraded)) = (leavers.first(), upgraded) {
            let message =
                format!("{} would leave {} while {} changes its version", first.one.id, service.name, upgraded.id());
            let help = "one after the other: leave the version as it is and apply, then change it";
            safety.refuse(Refusal::LEAVES_UPGRADE, message, help);
        }
        for leaver in &leavers {
            kept(input, service, leaver, safety);
        }
    }
}

/// What it keeps is moved, or it stays.
fn kept(input: &PlanInput<'_>, service: &DesiredService, leaver: &Leaver<'_>, safety: &mut Safety) {
    let id = &leaver.one.id;
    if drains(leaver.one).is_none() || leaver.found.drained && !leaver.runs() {
        return;
    }
    if takers(input, leaver.one) == 0 {
        let message =
            format!("{id} would leave, and nothing of {} remains that could take what it keeps", service.name);
        let help = "declare where it goes; or take on that it is only stopped: what it keeps stays in its data folder";
        safety.refuse(Refusal::LAST_COPY, message, help);
    } else if leaver.state != State::Up && leaver.found.has_data {
        let message = format!("{id} would leave and does not serve: nothing can be moved away from it");
        let help = if leaver.found.held.is_some() {
            "declare it again and `esapply start` it first; or take on that what it keeps may be the last copy, and stays \
             in its data folder alone"
        } else {
            "declare it again and apply, so that it is repaired first; or take on that what it keeps may be the last \
             copy, and stays in its data folder alone"
        };
        safety.refuse(Refusal::UNDRAINED, message, help);
    }
}

/// Members that know each other from their files alone change one at a time: two halves with different lists could each
/// think that they are the majority.
fn membership(
    input: &PlanInput<'_>,
    service: &DesiredService,
    all: &BTreeMap<InstanceId, Facts<'_>>,
    leavers: &[Leaver<'_>],
    safety: &mut Safety,
) {
    let runs = facts::of_service(all, service).any(|facts| facts.running().is_some());
    if !service.module.by_file || !runs {
        return;
    }
    let new = |facts: &&Facts<'_>| {
        facts.wanted.votes && facts.state == State::Down && facts.found.is_none_or(|found| !found.has_data)
    };
    let asked = |facts: &&Facts<'_>| input.options.selects(facts.id(), &service.name);
    let joins: Vec<String> =
        facts::of_service(all, service).filter(new).filter(asked).map(|facts| facts.id().to_string()).collect();
    let leaves = leavers.iter().filter(|leaver| leaver.one.votes && leaver.runs());
    let leaves: Vec<String> = leaves.map(|leaver| leaver.one.id.to_string()).collect();
    for (ids, what) in [(joins, "join"), (leaves, "leave")] {
        if let [first, _, ..] = ids.as_slice() {
            let message = format!(
                "{} would {what} {} at once, and its members know each other from their files alone",
                ids.join(", "),
                service.name
            );
            let help = format!("one after the other: declare the change of {first} alone and apply, then the next one");
            safety.refuse(Refusal::MEMBERSHIP, message, &help);
        }
    }
}

/// One that leads and leaves gives that up before others get a list without it, which they would not follow it with.
pub(super) fn hand_over(
    input: &PlanInput<'_>,
    service: &DesiredService,
    up: &BTreeSet<InstanceId>,
    (sequence, safety): (&mut Sequence, &mut Safety),
) {
    let module = &service.module;
    if apart(input) || !module.by_file || module.rolling.last.is_none() || up.len() < 2 {
        return;
    }
    for leaver in of_service(input, service).iter().filter(|leaver| leaver.one.votes && leaver.state == State::Up) {
        quorum(input, service, leaver, up, safety);
        let mut actions = vec![Action::IfLeads];
        prepare_stop(module, &mut actions);
        actions.push(stop_process(leaver.one, leaver.running()));
        start_process(module, Manner::default(), &mut actions);
        let members = Members::of(up.iter().cloned());
        let (instance, service) = (leaver.one.id.clone(), service.name.clone());
        let roll = Roll { instance, service, actions, members, rollback: None };
        let draft = Draft::new(format!("hand over {}", leaver.one.id), StepKind::Roll(roll), vec![Reason::Leads]);
        sequence.group(vec![draft.in_wave(Wave::Leave)]);
    }
}

/// Instances of a service that are not declared any more and run.
pub(super) fn running<'a>(
    input: &PlanInput<'a>,
    service: &'a ServiceName,
) -> impl Iterator<Item = &'a DesiredInstance> + use<'a> {
    let leavers: Vec<_> = input.desired.leaving_of(service).filter_map(|one| Leaver::of(input, one)).collect();
    leavers.into_iter().filter(Leaver::runs).map(|leaver| leaver.one)
}

/// All that leave, one after the other, the services in the order of stops. `up` are the instances that are up by then;
/// nothing of a service leaves that has not come to what is declared.
pub(super) fn leave(
    input: &PlanInput<'_>,
    order: &[ServiceName],
    partial: &BTreeSet<ServiceName>,
    up: &mut BTreeMap<ServiceName, BTreeSet<InstanceId>>,
    sequence: &mut Sequence,
    (safety, notes): (&mut Safety, &mut Vec<Note>),
) {
    if apart(input) {
        return;
    }
    // A service of which nothing is declared any more has no place in the order of starts: it goes first.
    let alone = input.desired.services.values().filter(|service| service.instances.is_empty());
    let names = alone.map(|service| &service.name).chain(order.iter().rev());
    for service in names.filter_map(|name| input.desired.services.get(name)) {
        let leavers = of_service(input, service);
        if let (Some(first), true) = (leavers.first(), partial.contains(&service.name)) {
            notes.push(Note::LeavesLater { instance: first.one.id.clone(), service: service.name.clone() });
            continue;
        }
        let up = up.entry(service.name.clone()).or_default();
        let mut lowered = Lowered::new(input, service, up);
        for leaver in &leavers {
            quorum(input, service, leaver, up, safety);
            up.remove(&leaver.one.id);
            let (before, after) = lowered.without(input, service, (leaver.one, up));
            for draft in before {
                sequence.group(vec![draft]);
            }
            let roll = roll(input, leaver, up);
            let draft = Draft::new(format!("leave {}", leaver.one.id), StepKind::Roll(roll), vec![Reason::Undeclared]);
            sequence.group(vec![draft.in_wave(Wave::Leave)]);
            for draft in after {
                sequence.group(vec![draft]);
            }
        }
        if let Some(gate) = service.module.converged.as_ref().filter(|_| !leavers.is_empty() && !up.is_empty()) {
            let (gate, within, members) = (GateKind::Converged, gate.within, Members::of(up.iter().cloned()));
            let kind = StepKind::Gate { service: service.name.clone(), gate, members, within };
            sequence.group(vec![Draft::new(format!("{} converged", service.name), kind, vec![Reason::Follows])]);
        }
    }
}

/// Whether those that stay keep their majority while it goes: of all that vote before, since that is what they know.
fn quorum(
    input: &PlanInput<'_>,
    service: &DesiredService,
    leaver: &Leaver<'_>,
    up: &BTreeSet<InstanceId>,
    safety: &mut Safety,
) {
    // Whoever was never there is no member that counts yet.
    let there = |one: &&DesiredInstance| {
        let found = facts::observed(input, &one.id.host).and_then(|host| host.instances.get(one.id.role.as_str()));
        up.contains(&one.id) || found.is_some_and(|found| found.has_data)
    };
    let stay = service.instances.iter().filter_map(|id| input.desired.instances.get(id)).filter(|one| one.votes);
    let stay = stay.filter(there);
    let (there, staying) = stay.fold((0, 0), |(there, all), one| (there + usize::from(up.contains(&one.id)), all + 1));
    // A service that ends altogether has no majority to keep.
    if !leaver.one.votes || !leaver.runs() || staying == 0 || there * 2 > staying + 1 {
        return;
    }
    let id = &leaver.one.id;
    let message = format!("{id} would leave, and {there} of {} voters of {} would be left", staying + 1, service.name);
    let name = if staying < 2 { Refusal::QUORUM_OUTAGE } else { Refusal::QUORUM };
    safety.refuse(name, message, "bring the others back first, or place it on more hosts");
}

fn roll(input: &PlanInput<'_>, leaver: &Leaver<'_>, up: &BTreeSet<InstanceId>) -> Roll {
    let module = &leaver.one.module;
    let mut actions = Vec::new();
    let drain = leaver.drain(input).filter(|_| leaver.state == State::Up);
    actions.extend(drain.map(|drain| Action::Drain { within: drain.within }));
    if leaver.runs() {
        if leaver.state == State::Up && !up.is_empty() {
            actions.push(Action::CheckSafe);
        }
        actions.push(stop_process(leaver.one, leaver.running()));
    }
    actions.push(Action::Withdraw);
    if drain.is_some() {
        actions.push(Action::PutBack);
    }
    let healthy = module.healthy.as_ref().filter(|_| leaver.runs() && !up.is_empty());
    actions.extend(healthy.map(|gate| Action::AwaitHealthy { within: gate.within }));
    let (instance, service) = (leaver.one.id.clone(), leaver.one.service.clone());
    Roll { instance, service, actions, members: Members::of(up.iter().cloned()), rollback: None }
}

/// Data that somebody has named, of which nothing else is there; what is named and not there is a mistake.
pub(super) fn purge(input: &PlanInput<'_>, leaves: &BTreeSet<InstanceId>, safety: &mut Safety) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for id in &input.options.purge {
        let kept = facts::observed(input, &id.host).is_some_and(|host| host.kept.contains(id.role.as_str()));
        if kept || leaves.contains(id) {
            let kind = StepKind::Purge { host: id.host.clone(), role: id.role.clone() };
            drafts.push(Draft::new(format!("purge {id}"), kind, vec![Reason::Asked]));
        } else {
            let message = format!("there is no data of {id} that could be deleted");
            let help = "name what the plan shows as kept, ROLE@HOST; only data of what is declared nowhere is deleted";
            safety.refuse(Refusal::PURGE, message, help);
        }
    }
    drafts
}
