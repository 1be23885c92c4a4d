//! The rounds of a change that needs several: which ones are still needed follows from what runs, and from what the
//! generations on hosts say of themselves. Nobody has to remember how far a change has come.

use crate::desired::{Between, Desired, DesiredInstance, DesiredService, phase_of_file};
use crate::inventory::{InstanceObservation, Inventory, ProcessObservation, Seen};
use crate::model::{InstanceId, Name, Phase, Phases, ServiceName, Version};
use serde_json::json;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What should be after each round, in order.
#[derive(Debug)]
pub struct Rounds<'a> {
    list: Vec<Round<'a>>,
    wrong: Vec<String>,
}

/// One round over the services that need it.
#[derive(Debug)]
pub struct Round<'a> {
    /// What should be when it is over; after the last one what is declared.
    pub desired: Cow<'a, Desired>,
    /// The services that are in a phase of a change.
    pub phases: BTreeMap<ServiceName, Between<'a>>,
    /// Instances that go through a phase without a way back.
    crossing: BTreeSet<InstanceId>,
    /// Services of which one has gone through such a phase already.
    begun: BTreeSet<ServiceName>,
}

impl<'a> Rounds<'a> {
    /// The rounds; at least one.
    pub fn list(&self) -> &[Round<'a>] {
        &self.list
    }

    /// Why a round could not be thought of, for people. Then there is one round, which must not be done.
    pub(super) fn wrong(&self) -> &[String] {
        &self.wrong
    }
}

impl Round<'_> {
    /// Whether an instance goes through a phase without a way back.
    pub fn crosses(&self, instance: &InstanceId) -> bool {
        self.crossing.contains(instance)
    }

    /// Whether the phase that a service is in has no way back, and one of it has gone through it. What had to hold before it
    /// was asked then: asked again it could only keep a lost run from being continued.
    pub fn has_begun(&self, service: &ServiceName) -> bool {
        self.begun.contains(service)
    }

    /// The name of the phase that a service is in.
    pub fn name(&self, service: &ServiceName) -> Option<&Name> {
        self.phases.get(service).map(|between| &between.phase.name)
    }
}

/// The rounds that lead from what is there to what is declared.
pub fn rounds<'a>(desired: &'a Desired, inventory: &Inventory) -> Rounds<'a> {
    let mut wrong = Vec::new();
    let mut courses: BTreeMap<&ServiceName, Course<'a>> = BTreeMap::new();
    for service in desired.services.values() {
        let Some(mut course) = Course::of(desired, inventory, service) else { continue };
        match course.render(desired, service) {
            Ok(()) => _ = courses.insert(&service.name, course),
            Err(why) => wrong.push(why),
        }
    }
    let count = courses.values().map(|course| course.phases.len() - course.first).max().unwrap_or(1);
    let round = |number: usize| {
        let now = |course: &Course<'a>| Some(course.first + number).filter(|at| *at < course.phases.len());
        let mut round = Round {
            desired: Cow::Borrowed(desired),
            phases: BTreeMap::new(),
            crossing: BTreeSet::new(),
            begun: BTreeSet::new(),
        };
        for (name, course) in &courses {
            let Some((at, phase)) = now(course).and_then(|at| Some((at, *course.phases.get(at)?))) else { continue };
            let (from, to) = (course.from.clone(), course.to.clone());
            round.phases.insert((*name).clone(), Between { phase, from, to });
            if phase.no_return {
                let crossing = course.gone.iter().filter(|(_, gone)| **gone <= at);
                round.crossing.extend(crossing.map(|(id, _)| (*id).clone()));
                if course.gone.values().any(|gone| *gone > at) {
                    round.begun.insert((*name).clone());
                }
            }
            if at + 1 == course.phases.len() {
                continue;
            }
            let instances = &mut round.desired.to_mut().instances;
            for id in desired.services.get(*name).into_iter().flat_map(|service| &service.instances) {
                // What has come further is left there.
                let wanted = course.gone.get(id).map_or(at, |gone| at.max(gone.saturating_sub(1)));
                if let Some(one) = course.rendered.get(&wanted).and_then(|all| all.get(id)) {
                    instances.insert(id.clone(), one.clone());
                }
            }
        }
        round
    };
    Rounds { list: (0..count).map(round).collect(), wrong }
}

/// How a service comes to what is declared.
struct Course<'a> {
    /// The phases of such a change.
    phases: Vec<&'a Phase>,
    /// The first one that is still needed.
    first: usize,
    /// How many phases each instance has behind it, or is in.
    gone: BTreeMap<&'a InstanceId, usize>,
    from: Version,
    to: Version,
    /// What should be after each phase but the last one.
    rendered: BTreeMap<usize, BTreeMap<InstanceId, DesiredInstance>>,
}

impl<'a> Course<'a> {
    /// `None` when nothing but what is declared is needed.
    fn of(desired: &'a Desired, inventory: &Inventory, service: &'a DesiredService) -> Option<Self> {
        let known = service.module.phases.as_ref()?;
        let wanted: Vec<&DesiredInstance> =
            service.instances.iter().filter_map(|id| desired.instances.get(id)).collect();
        let to = wanted.iter().map(|one| &one.version).max()?.clone();
        let marks = wanted.iter().filter_map(|one| Some(mark(seen(inventory, &one.id), known)?.1));
        let older = wanted.iter().filter_map(|one| {
            let found = seen(inventory, &one.id)?.version_of(&one.module.name);
            found.filter(|version| *version < one.version)
        });
        let from = marks.chain(older).min()?;
        let phases = phases(known, &wanted, &from, &to)?;
        let mut gone = BTreeMap::new();
        let mut first = phases.len() - 1;
        for one in wanted {
            let looked = inventory.hosts.get(&one.id.host).is_some_and(|host| host.seen().is_some());
            let found = seen(inventory, &one.id).filter(|found| found.current.is_some());
            let (number, done) = match found {
                // Whatever it is at, nobody has seen it.
                None if !looked => (0, false),
                // It is new, and begins where the others are.
                None => continue,
                Some(found) => {
                    let number = gone_by(one, found, known, &phases);
                    (number, number == phases.len() || is_settled(inventory, one, found))
                }
            };
            gone.insert(&one.id, number);
            first = first.min(if done { number } else { number.saturating_sub(1) });
        }
        Some(Self { phases, first, gone, from, to, rendered: BTreeMap::new() })
    }

    /// Renders what should be after each phase that is still to come, and after the one that some are in.
    fn render(&mut self, desired: &Desired, service: &DesiredService) -> Result<(), String> {
        let Some((_, earlier)) = self.phases.split_last() else { return Ok(()) };
        for (number, phase) in earlier.iter().enumerate().skip(self.first) {
            let nobody = || format!("nothing can be rendered for the phase `{}` of {}", phase.name, service.name);
            let anew = desired.anew.as_ref().ok_or_else(nobody)?;
            let between = Between { phase, from: self.from.clone(), to: self.to.clone() };
            self.rendered.insert(number, anew.render(&service.name, &between)?);
        }
        Ok(())
    }
}

/// The phases that a change goes through; `None` when it needs none, or when the file says itself what is to be.
fn phases<'a>(known: &'a Phases, wanted: &[&DesiredInstance], from: &Version, to: &Version) -> Option<Vec<&'a Phase>> {
    let context = wanted.first()?.context.with(&json!({ "from": from.as_str(), "to": to.as_str() }));
    // What can't be told is needed: a phase too many costs a restart.
    let holds = |expr: &crate::model::Expr| context.eval_bool(&expr.0).unwrap_or(true);
    if !holds(&known.when) {
        return None;
    }
    let free = |name: &Name| {
        wanted.iter().all(|one| one.params.get(name).is_none_or(|value| *value == crate::model::Value::Null))
    };
    let needed: Vec<&Phase> = known.list.iter().filter(|phase| phase.when.as_ref().is_none_or(holds)).collect();
    let (last, earlier) = needed.split_last()?;
    let changes = |phase: &Phase| phase.set.is_empty() || phase.set.keys().any(free);
    if earlier.first().is_some_and(|first| !changes(first)) {
        return None;
    }
    let mut phases: Vec<&Phase> = earlier.iter().copied().filter(|phase| phase.no_return || changes(phase)).collect();
    phases.push(last);
    Some(phases)
}

/// The observation of an instance.
fn seen<'i>(inventory: &'i Inventory, id: &InstanceId) -> Option<&'i InstanceObservation> {
    inventory.hosts.get(&id.host).and_then(Seen::seen)?.instances.get(id.role.as_str())
}

/// What its generation says of a phase: its number among all of the module, and where the change began.
pub(super) fn mark(found: Option<&InstanceObservation>, phases: &Phases) -> Option<(usize, Version)> {
    found?.files.keys().find_map(|path| phase_of_file(path, phases))
}

/// How many of these phases its generation has behind it, or is in.
fn gone_by(one: &DesiredInstance, found: &InstanceObservation, known: &Phases, phases: &[&Phase]) -> usize {
    if let Some((number, _)) = mark(Some(found), known) {
        let upto = known.list.iter().take(number + 1).map(|phase| &phase.name).collect::<BTreeSet<_>>();
        return phases.iter().filter(|phase| upto.contains(&phase.name)).count().min(phases.len() - 1);
    }
    match found.version_of(&one.module.name) {
        Some(version) if version < one.version => 0,
        _ => phases.len(),
    }
}

/// Whether what its generation says is also what runs, and serves.
fn is_settled(inventory: &Inventory, one: &DesiredInstance, found: &InstanceObservation) -> bool {
    let ProcessObservation::Running(running) = &found.process else { return false };
    let service = inventory.services.get(&one.service);
    let refuses = service.and_then(|service| service.ready.get(&one.id)).is_some_and(|verdict| !verdict.holds);
    found.current_restart == Some(running.restart_generation) && !found.on_trial && !refuses
}
