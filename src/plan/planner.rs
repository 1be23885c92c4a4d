//! The order of planning: stage everything, put leftovers back, then service by service what has to start and what has
//! to change, then collect what nothing uses any more.

use super::facts::{self, Facts, Hold, Need, State};
use super::fingerprint::relied_on;
use super::rounds::{self, Round};
use super::safety::{self, Safety};
use super::sequence::Sequence;
use super::service::{Progress, Service, is_changed};
use super::waves::Pass;
use super::whole::{Before, Whole};
use super::{
    Again, FORMAT, Later, Note, Plan, PlanInput, PlanReport, Refusal, Step, again, holds, leaving, majority, members,
    notes, recreate, rollback, settings, start, stops, summary,
};
use crate::desired::DesiredService;
use crate::diff::{self, Change, FileDiff};
use crate::graph::{self, Stages, TierOrder};
use crate::model::{HostName, InstanceId, Scope, ServiceName};
use std::collections::{BTreeMap, BTreeSet};

/// Makes the plan, and the report of what it leaves out. The same input gives the same bytes.
pub fn plan(input: &PlanInput<'_>) -> (Plan, PlanReport) {
    match input.options.asked {
        Some(Again::Start) => start::plan(input),
        Some(Again::Rollback) => rollback::plan(input),
        Some(asked @ (Again::Stop | Again::Release)) => holds::plan(input, asked),
        Some(Again::Restart { .. } | Again::Reload) | None => converge(input, Safety::default()),
    }
}

/// The plan that leads to what is declared, with what stands against it already.
pub(super) fn converge(input: &PlanInput<'_>, mut safety: Safety) -> (Plan, PlanReport) {
    let rounds = rounds::rounds(input.desired, input.inventory);
    let mut report = PlanReport::default();
    let (mut whole, mut later) = (Whole::default(), Vec::new());
    let (mut changes, mut diffs) = (Vec::new(), Vec::new());
    let mut before: Option<Before<'_>> = None;
    let mut well = BTreeSet::new();
    for why in rounds.wrong() {
        safety.refuse(Refusal::PHASES, why.clone(), "correct `phases` of the module");
    }
    for round in rounds.list() {
        let on = before.as_ref().map(|before| before.goes_on(round, &mut report.notes));
        if on.as_ref().is_some_and(BTreeSet::is_empty) {
            break;
        }
        let there = before.as_ref().zip(on.as_ref()).map(|(before, on)| before.then(on));
        let inventory = there.as_ref().unwrap_or(input.inventory);
        let now = &PlanInput { desired: &round.desired, inventory, options: input.options };
        let (mut differs, mut texts) = diff::diff(now.desired, now.inventory);
        if let Some(on) = &on {
            let of = |id: &InstanceId| now.desired.instances.get(id).is_some_and(|one| on.contains(&one.service));
            // What no longer holds is told once.
            differs.retain(|change| change.instance().is_some_and(of) && !matches!(change, Change::Lapsed { .. }));
            texts.retain(|diff| of(&diff.instance));
        }
        let all = facts::collect(now, &differs, round);
        if on.is_none() {
            report.notes.extend(notes::notes(now, &differs, &all));
            safety::judge(now, &all, &mut safety);
            leaving::judge(now, &all, &mut safety);
            super::singleton::judge(now, &mut safety);
            again::refuse(now, &all, &mut safety);
            well = stops::well(now, &all);
        }
        let ended = one_round(now, round, (&differs, &all), on.as_ref(), &mut whole, &mut safety, &mut report.notes);
        if on.is_none() {
            (changes, diffs) = (differs, texts);
        } else {
            let phases = round.phases.iter().filter(|(name, _)| on.as_ref().is_some_and(|on| on.contains(*name)));
            let phases = phases.map(|(name, between)| (name.clone(), between.phase.name.clone())).collect();
            later.push(Later { phases, changes: differs, diffs: texts });
        }
        if rounds.list().len() > 1 {
            let inventory = there.unwrap_or_else(|| input.inventory.clone());
            before = Some(Before { round, inventory, ended });
        }
    }
    let steps = whole.finish(input, &changes, &mut safety);
    judge_stops(input, &well, &steps, &mut safety);
    stops::before(input, &well, &steps, &mut safety);
    report.needs = super::needs(input);
    super::needs::judge(&report.needs, &steps, &mut safety);
    settings::unread(input, &changes, &mut safety);
    (Parts { steps, changes, diffs, later }.plan(input, safety), report)
}

/// What stands against the stops of a plan, as far as it is known. `well` are the services of which everything is up.
pub(super) fn judge_stops(input: &PlanInput<'_>, well: &BTreeSet<ServiceName>, steps: &[Step], safety: &mut Safety) {
    let disturbed: BTreeSet<&ServiceName> = summary::restarted(steps).map(|roll| &roll.service).collect();
    for service in input.desired.services.keys() {
        let disturbed = disturbed.contains(service);
        let healthy = input.inventory.services.get(service).and_then(|seen| seen.healthy.as_ref());
        if let Some(verdict) = healthy.filter(|verdict| disturbed && !verdict.holds) {
            safety.warn("not-healthy", format!("{service} is not healthy now: {}", verdict.says));
        }
    }
    stops::judge(input, well, steps, safety);
}

/// What a plan is made of.
pub(super) struct Parts {
    pub(super) steps: Vec<Step>,
    pub(super) changes: Vec<Change>,
    pub(super) diffs: Vec<FileDiff>,
    pub(super) later: Vec<Later>,
}

impl Parts {
    /// The plan.
    pub(super) fn plan(self, input: &PlanInput<'_>, safety: Safety) -> Plan {
        let Self { mut steps, changes, diffs, later } = self;
        let (refusals, warnings) = safety.finish(input);
        let summary = summary::count(input, &changes, &later, &steps);
        Plan {
            format: FORMAT,
            cluster: input.desired.cluster.clone(),
            inputs: input.desired.inputs.clone(),
            fingerprints: relied_on(&steps, input.desired, input.inventory),
            members: members::number(&mut steps),
            steps,
            changes,
            diffs,
            later,
            refusals,
            warnings,
            summary,
        }
    }
}

/// One round: what disturbs in it, and what has to be staged for that. The services that it leaves whole.
fn one_round(
    input: &PlanInput<'_>,
    round: &Round<'_>,
    (changes, all): (&[Change], &BTreeMap<InstanceId, Facts<'_>>),
    only: Option<&BTreeSet<ServiceName>>,
    whole: &mut Whole,
    safety: &mut Safety,
    notes: &mut Vec<Note>,
) -> BTreeSet<ServiceName> {
    let order = |service: &ServiceName| {
        let declared = input.desired.services.get(service).into_iter();
        let upgraded = declared.flat_map(|of| facts::of_service(all, of)).any(|facts| facts.upgrade.is_some());
        if upgraded { TierOrder::Upgrade } else { TierOrder::Start }
    };
    match (graph::stages(input.desired, order), graph::stages(input.desired, |_| TierOrder::Start)) {
        (Ok(changing), Ok(starting)) => {
            let planner = Planner { input, round, only, changes, all, changing: &changing, starting: &starting };
            let (disturbing, ended) = planner.disturbing(safety, notes);
            whole.add(input, round, (changes, all), disturbing);
            ended
        }
        (Err(cycle), _) | (_, Err(cycle)) => {
            safety.refuse(Refusal::CYCLE, cycle.to_string(), "leave out one `after` among their modules");
            BTreeSet::new()
        }
    }
}

struct Planner<'p, 'a> {
    input: &'p PlanInput<'a>,
    /// The phases that services are in.
    round: &'p Round<'p>,
    /// The services that it is about; `None`: all.
    only: Option<&'p BTreeSet<ServiceName>>,
    changes: &'p [Change],
    all: &'p BTreeMap<InstanceId, Facts<'a>>,
    /// Tiers in the order for what changes while a service runs.
    changing: &'p Stages,
    /// Tiers in the order of starts.
    starting: &'p Stages,
}

impl Planner<'_, '_> {
    /// Everything that disturbs, and the services of which nothing was left for later.
    fn disturbing(&self, safety: &mut Safety, notes: &mut Vec<Note>) -> (Sequence, BTreeSet<ServiceName>) {
        // What disturbs is thought of first, so that only what it needs is staged before it.
        let mut disturbing = Sequence::of(self.round);
        let asked: BTreeSet<ServiceName> = self.early_settings(&mut disturbing);
        let (partial, mut up) = match self.canary_hosts() {
            None => self.services(&[Pass::EachRole], &asked, &mut disturbing, safety, notes),
            Some(hosts) => {
                let passes = [Pass::CanaryHosts(hosts.clone()), Pass::OtherHosts(hosts)];
                self.services(&passes, &asked, &mut disturbing, safety, notes)
            }
        };
        if self.only.is_none() {
            let order = self.order();
            leaving::leave(self.input, &order, &partial, &mut up, &mut disturbing, (safety, notes));
        }
        let whole = self.input.desired.services.values().filter(|of| !partial.contains(&of.name) && self.ends(of));
        (disturbing, whole.map(|of| of.name.clone()).collect())
    }

    /// Whether all of a service is as it should be when what is planned is done.
    fn ends(&self, service: &DesiredService) -> bool {
        facts::of_service(self.all, service).all(|facts| {
            let asked = self.input.options.selects(facts.id(), &service.name);
            let done = if facts.need == Need::Nothing { facts.state == State::Up } else { asked };
            facts.state != State::Unseen && facts.hold == Hold::Free && done
        })
    }

    /// Settings of services that can be asked now: before anything is rolled.
    fn early_settings(&self, sequence: &mut Sequence) -> BTreeSet<ServiceName> {
        let mut touched = BTreeSet::new();
        for (name, service) in &self.input.desired.services {
            let answers = facts::of_service(self.all, service).any(|facts| facts.state == State::Up);
            let up = self.initially_up(service);
            if answers && self.selected(service) && settings::add(self.input, self.changes, service, &up, sequence) {
                touched.insert(name.clone());
            }
        }
        touched
    }

    fn selected(&self, service: &DesiredService) -> bool {
        facts::of_service(self.all, service).any(|facts| self.input.options.selects(facts.id(), &service.name))
    }

    /// With `scope "host"`: the first hosts by name that something has to be changed on.
    fn canary_hosts(&self) -> Option<BTreeSet<HostName>> {
        let rollout = &self.input.desired.rollout;
        if rollout.scope != Scope::Host || rollout.canary == 0 {
            return None;
        }
        let mut hosts: BTreeSet<&HostName> = BTreeSet::new();
        for (name, service) in &self.input.desired.services {
            let changed = facts::of_service(self.all, service)
                .filter(|facts| is_changed(facts) && self.input.options.selects(facts.id(), name));
            let changed: Vec<&Facts<'_>> = changed.collect();
            // Those that are replaced together have no canary host: they all stop.
            let replaced: BTreeSet<&InstanceId> =
                recreate::together(service, &changed).into_iter().map(Facts::id).collect();
            let single = changed.iter().filter(|facts| !replaced.contains(facts.id()));
            hosts.extend(single.map(|facts| &facts.id().host));
        }
        let count = usize::try_from(rollout.canary).unwrap_or(usize::MAX);
        (hosts.len() > 1).then(|| hosts.into_iter().take(count).cloned().collect())
    }

    fn services(
        &self,
        passes: &[Pass],
        touched: &BTreeSet<ServiceName>,
        sequence: &mut Sequence,
        safety: &mut Safety,
        notes: &mut Vec<Note>,
    ) -> (BTreeSet<ServiceName>, BTreeMap<ServiceName, BTreeSet<InstanceId>>) {
        let mut up: BTreeMap<ServiceName, BTreeSet<InstanceId>> = BTreeMap::new();
        let mut partial: BTreeSet<ServiceName> = BTreeSet::new();
        let mut worked: BTreeSet<ServiceName> = touched.clone();
        let down = |service: &&DesiredService| self.initially_up(service).is_empty() && self.selected(service);
        let declared = self.input.desired.services.values();
        let mut owed: BTreeSet<ServiceName> = declared.filter(down).map(|service| service.name.clone()).collect();
        for (index, pass) in passes.iter().enumerate() {
            let last = index + 1 == passes.len();
            if index > 0 && self.input.options.canary_only {
                break;
            }
            for desired in self.order().into_iter().filter_map(|name| self.input.desired.services.get(&name)) {
                let name = &desired.name;
                if self.only.is_some_and(|only| !only.contains(name)) {
                    continue;
                }
                let before = graph::before(self.input.desired, name);
                let there = up.entry(name.clone()).or_insert_with(|| self.initially_up(desired)).clone();
                let mut service = Service {
                    input: self.input,
                    declared: desired,
                    stages: self.starting.of(name).collect(),
                    all: self.all,
                    up: there,
                    sequence: &mut *sequence,
                    safety: &mut *safety,
                    notes: &mut *notes,
                };
                let waits_for = before.into_iter().find(|first| partial.contains(first));
                if let Some(on) = waits_for {
                    if service.work().next().is_some() {
                        service.notes.push(Note::WaitsFor { service: name.clone(), on });
                        partial.insert(name.clone());
                    }
                    continue;
                }
                if let Some(between) = self.round.phases.get(name).filter(|_| index == 0 && !self.round.has_begun(name))
                {
                    service.before(between);
                }
                if index == 0 && self.only.is_none() && service.work().next().is_some() {
                    leaving::hand_over(self.input, desired, &service.up, (service.sequence, service.safety));
                }
                let there = service.up.clone();
                let mut did = index == 0 && service.start();
                did |= self.owed_settings(&mut service, &mut owed);
                for draft in majority::joined(self.input, desired, (&there, &service.up)) {
                    service.sequence.group(vec![draft]);
                    did = true;
                }
                service.stages = self.changing.of(name).collect();
                let progress = service.change(pass);
                did |= progress != Progress::Untouched;
                did |= self.owed_settings(&mut service, &mut owed);
                if did {
                    worked.insert(name.clone());
                }
                if progress == Progress::Partial {
                    partial.insert(name.clone());
                } else if last && worked.contains(name) {
                    service.converge();
                }
                up.insert(name.clone(), service.up);
            }
        }
        (partial, up)
    }

    /// Settings of a service that could not be asked, as soon as something of it is up.
    fn owed_settings(&self, service: &mut Service<'_, '_>, owed: &mut BTreeSet<ServiceName>) -> bool {
        let name = &service.declared.name;
        let (up, declared) = (service.up.clone(), service.declared);
        !up.is_empty() && owed.remove(name) && settings::add(self.input, self.changes, declared, &up, service.sequence)
    }

    fn order(&self) -> Vec<ServiceName> {
        let mut order: Vec<ServiceName> = Vec::new();
        for stage in &self.starting.stages {
            if order.last() != Some(&stage.service) {
                order.push(stage.service.clone());
            }
        }
        order
    }

    fn initially_up(&self, service: &DesiredService) -> BTreeSet<InstanceId> {
        let up = facts::of_service(self.all, service).filter(|facts| facts.state == State::Up);
        up.map(|facts| facts.id().clone()).chain(leaving::up(self.input, &service.name)).collect()
    }
}
