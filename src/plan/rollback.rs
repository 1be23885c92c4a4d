//! A rollback that somebody asks for: it is planned as a change to the generation that was current before, canary first, and
//! each is held as rolled back right before it is stopped. So whoever continues a lost run finishes what had begun, and the
//! file has to say something else before the newer generation is tried again.

use super::facts::crosses;
use super::fingerprint::relied_on;
use super::planner::converge;
use super::rounds::Round;
use super::safety::Safety;
use super::versions::stands_against;
use super::{Note, Plan, PlanInput, PlanReport, Refusal, rounds};
use crate::desired::DesiredInstance;
use crate::diff::Change;
use crate::inventory::{
    Held, HeldWhat, InstanceObservation, Inventory, Previous, Seen, SoftwareObservation, version_in,
};
use crate::model::{Digest, InstanceId, Strategy};
use std::collections::BTreeMap;

/// The plan of a rollback, and the report beside it.
pub(super) fn plan(input: &PlanInput<'_>) -> (Plan, PlanReport) {
    let mut safety = Safety::default();
    let (inventory, back) = hold(input, &mut safety);
    let (mut plan, mut report) = converge(&PlanInput { inventory: &inventory, ..*input }, safety);
    plan.fingerprints = relied_on(&plan.steps, input.desired, input.inventory);
    // It is not held yet: what is told is that it goes back.
    plan.changes.retain(|change| {
        let told = matches!(change, Change::Held { .. } | Change::RestartPending { .. });
        !(told && change.instance().is_some_and(|id| back.contains_key(id)))
    });
    plan.changes.extend(back.iter().map(|(id, goes)| {
        let (instance, to, software) = (id.clone(), goes.to, goes.software.clone());
        Change::GoesBack { instance, to, software }
    }));
    plan.summary.changes = plan.changes.iter().filter(|change| !change.only_shown()).count();
    report.notes.retain(|note| match note {
        Note::Held { instance, .. } | Note::Blocked { by: instance, .. } => !back.contains_key(instance),
        _ => true,
    });
    (plan, report)
}

/// Where an instance goes back to.
struct GoesBack {
    to: Digest,
    /// `NAME FROM -> TO`.
    software: Vec<String>,
}

/// What is there as if everything that can go back were held as that already, and where each goes.
fn hold(input: &PlanInput<'_>, safety: &mut Safety) -> (Inventory, BTreeMap<InstanceId, GoesBack>) {
    let mut inventory = input.inventory.clone();
    let mut back = BTreeMap::new();
    let rounds = rounds(input.desired, input.inventory);
    let Some(round) = rounds.list().first() else { return (inventory, back) };
    let waived = input.options.waivers.keys().any(|name| name.as_str() == Refusal::NO_WAY_BACK);
    for one in input.desired.instances.values().filter(|one| input.options.selects(&one.id, &one.service)) {
        let Some(Seen::Seen(host)) = inventory.hosts.get_mut(&one.id.host) else { continue };
        let Some(found) = host.instances.get_mut(one.id.role.as_str()) else { continue };
        // What is held stays as it is held, and what was never there has nothing to go back from.
        let held = found.held.as_ref().is_some_and(|held| held.holds(one.content_generation));
        if held || found.current.is_none() {
            continue;
        }
        let intact = |folder: &String| host.software.get(folder) == Some(&SoftwareObservation::Intact);
        let whole = found.previous.as_ref().is_none_or(|previous| previous.software.iter().all(intact));
        let to = match way_back(one, found, (round, whole)) {
            Ok(to) => Some(to),
            Err(NoWay { why, help, may }) => {
                safety.refuse(Refusal::NO_WAY_BACK, why, help);
                may.filter(|_| waived)
            }
        };
        let Some(to) = to else { continue };
        let (from, software) = (one.content_generation, replaced(one, found, to));
        let goes = GoesBack { to: to.generation, software };
        let (by, why, what) = (String::new(), String::new(), HeldWhat::RolledBack);
        found.held = Some(Held { by, why, what, from: Some(from), to: Some(goes.to) });
        back.insert(one.id.clone(), goes);
    }
    (inventory, back)
}

/// Why an instance can't go back; `may` is where it goes when somebody takes that on.
struct NoWay<'a> {
    why: String,
    help: &'static str,
    may: Option<&'a Previous>,
}

/// The generation that an instance goes back to; `whole` says that the software of that is there.
fn way_back<'a>(
    one: &DesiredInstance,
    found: &'a InstanceObservation,
    (round, whole): (&Round<'_>, bool),
) -> Result<&'a Previous, NoWay<'a>> {
    let id = &one.id;
    let declare = "declare what it should be, and apply that";
    if round.phases.contains_key(&one.service) {
        let why = format!(
            "{id}: the file asks {} for a change in several phases, which has not come to its end",
            one.service
        );
        return Err(NoWay {
            why,
            help: "declare what it has, or let the change come to its end: `esapply`",
            may: None,
        });
    }
    let complete = |previous: &&Previous| {
        found.generations.contains(&previous.generation) && found.current != Some(previous.generation) && whole
    };
    let Some(previous) = found.previous.as_ref().filter(complete) else {
        let why = format!("{id} has no whole generation before the one that it has");
        return Err(NoWay { why, help: declare, may: None });
    };
    if previous.phased {
        let why = format!("{id} would go back into the middle of a change that needed several phases");
        return Err(NoWay { why, help: declare, may: None });
    }
    let module = one.module.name.as_str();
    let before = previous.software.iter().find_map(|folder| version_in(module, folder));
    let versions = before.zip(found.version_of(&one.module.name)).filter(|(before, now)| before != now);
    let together = match one.module.strategy {
        Strategy::Rolling => false,
        Strategy::Recreate { on_version_only } => versions.is_some() || !on_version_only,
    };
    if together {
        let why =
            format!("{id} can't go back one after the other: what it has and had can't be mixed in {}", one.service);
        return Err(NoWay { why, help: declare, may: None });
    }
    let Some((before, now)) = versions else { return Ok(previous) };
    if crosses(one, &before, &now) {
        let why = format!("{id} can't go back from {now} to {before}: its data may be of the newer version");
        let help = "stay at the newer version, or restore a backup that the older one can read";
        return Err(NoWay { why, help, may: Some(previous) });
    }
    let mut steps = one.module.upgrade.steps.iter();
    if let Some(says) = steps.find_map(|step| stands_against(one, Some(found), step, (&now, &before))) {
        return Err(NoWay {
            why: format!("{id} can't go back: {says}"),
            help: "stay at the newer version",
            may: Some(previous),
        });
    }
    Ok(previous)
}

/// `redis 6.2.14 -> 6.2.13`: the software that the generation before has other versions of.
fn replaced(one: &DesiredInstance, found: &InstanceObservation, to: &Previous) -> Vec<String> {
    let required = one.module.requires.iter().map(|required| &required.module);
    let modules = std::iter::once(&one.module.name).chain(required);
    let differs = modules.filter_map(|module| {
        let of = |software: &[String]| software.iter().find_map(|folder| version_in(module.as_str(), folder));
        let (now, before) = (of(&found.software)?, of(&to.software)?);
        (now != before).then(|| format!("{} {now} -> {before}", module.value))
    });
    differs.collect()
}
