//! What services say of stopping their instances, and of the phase that they would begin, as far as they were asked: the rules
//! of `safe-to-stop` and of `before`, judged before anything begins. They are asked again right before each stop, and before
//! the phase.

use super::facts::{Facts, State, of_service};
use super::safety::Safety;
use super::{Action, Plan, PlanInput, Roll, Step, StepKind, Wave, summary};
use crate::desired::DesiredService;
use crate::model::{InstanceId, Name, ServiceName};
use std::collections::{BTreeMap, BTreeSet};

/// Instances that run well and are stopped: what they keep is asked about. A broken one is repaired whatever it keeps, and
/// what runs nowhere keeps nothing from anybody.
fn stopped(steps: &[Step]) -> BTreeSet<&InstanceId> {
    // Of a service that ends as a whole nothing is asked.
    let unasked = |step: &Step| {
        let asks = |roll: &Roll| roll.actions.iter().any(|action| matches!(action, Action::CheckSafe));
        step.wave == Some(Wave::Stop) && !step.kind.rolls().iter().any(asks)
    };
    let asks = |step: &&Step| !matches!(step.wave, Some(Wave::Repair | Wave::Bootstrap)) && !unasked(step);
    let steps = steps.iter().filter(asks);
    steps.flat_map(|step| summary::restarted(std::slice::from_ref(step))).map(|roll| &roll.instance).collect()
}

/// What must hold of a service before a phase of a change.
#[derive(Debug, Clone)]
pub struct AskedBefore {
    /// The service.
    pub service: ServiceName,
    /// The phase.
    pub phase: Name,
    /// The rule.
    pub rule: Name,
    /// Who may be asked.
    pub members: Vec<InstanceId>,
}

/// What must hold before the phases that a plan begins with: what is asked before a later one need not hold yet.
fn asked_before(steps: &[Step]) -> Vec<AskedBefore> {
    let mut asked = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let StepKind::Before { service, rules, members, .. } = &step.kind else { continue };
        let rolls = |step: &Step| step.kind.rolls().iter().any(|roll| roll.service == *service);
        let Some(phase) = step.phase.as_ref().filter(|_| !steps.iter().take(number).any(rolls)) else { continue };
        asked.extend(rules.iter().map(|rule| AskedBefore {
            service: service.clone(),
            phase: phase.clone(),
            rule: rule.clone(),
            members: members.to_vec(),
        }));
    }
    asked
}

impl Plan {
    /// Instances before whose stop the rules of `safe-to-stop` are asked.
    pub fn stopped(&self) -> BTreeSet<&InstanceId> {
        stopped(&self.steps)
    }

    /// What must hold before the phases that it begins with.
    pub fn asked_before(&self) -> Vec<AskedBefore> {
        asked_before(&self.steps)
    }
}

/// The services of which everything is up.
pub(super) fn well(input: &PlanInput<'_>, all: &BTreeMap<InstanceId, Facts<'_>>) -> BTreeSet<ServiceName> {
    let up = |service: &&DesiredService| of_service(all, service).all(|facts| facts.state == State::Up);
    input.desired.services.values().filter(up).map(|service| service.name.clone()).collect()
}

/// Refuses what a rule forbids. Where something of the service is to be brought back first, what it says now means nothing:
/// the rules are asked when it is back.
pub(super) fn judge(input: &PlanInput<'_>, well: &BTreeSet<ServiceName>, steps: &[Step], safety: &mut Safety) {
    for id in stopped(steps) {
        let Some(wanted) = input.desired.instance(id) else { continue };
        let leaves = input.desired.leaving.contains_key(id);
        let answers = input.inventory.services.get(&wanted.service).and_then(|seen| seen.safe.get(id));
        let Some(answers) = answers.filter(|_| well.contains(&wanted.service)) else { continue };
        // What is moved away first is asked whether it can be moved, and not whether it is there.
        let drain = super::leaving::drains(wanted).filter(|_| leaves);
        for rule in drain.map_or(&wanted.module.safe_to_stop, |drain| &drain.rules) {
            let Some(verdict) = answers.get(&rule.name).filter(|verdict| !verdict.holds) else { continue };
            let name = wanted.module.rule(rule.name.as_str());
            if rule.passes && input.options.waivers.keys().any(|waived| *waived == name) {
                continue;
            }
            if rule.passes {
                safety.warn(name.as_str(), format!("{id}: {}; the stop waits until that has passed", verdict.says));
            } else {
                let help = if drain.is_some() {
                    "make room for it elsewhere, or let it stay; a rule can be waived by its name"
                } else {
                    "give what it keeps another copy, or move it away; `esplan gates` asks again"
                };
                let what = if drain.is_some() { "can't leave" } else { "can't be stopped" };
                safety.refuse(name.as_str(), format!("{id} {what}: {}", verdict.says), help);
            }
        }
    }
}

/// Refuses a change whose first phase may not begin as things are.
pub(super) fn before(input: &PlanInput<'_>, well: &BTreeSet<ServiceName>, steps: &[Step], safety: &mut Safety) {
    for asked in asked_before(steps).iter().filter(|asked| well.contains(&asked.service)) {
        let answer = input.inventory.services.get(&asked.service).and_then(|seen| seen.before.get(&asked.rule));
        let module = input.desired.services.get(&asked.service).map(|service| &service.module);
        let Some((verdict, module)) = answer.filter(|verdict| !verdict.holds).zip(module) else { continue };
        let name = module.rule(asked.rule.as_str());
        let rule = module.phases.as_ref().and_then(|phases| phases.rule(&asked.phase, &asked.rule));
        if rule.is_some_and(|rule| rule.passes) {
            let message = format!("{}: {}; the phase waits until that has passed", asked.service, verdict.says);
            safety.warn(name.as_str(), message);
        } else {
            let help = rule.and_then(|rule| rule.help.as_deref()).unwrap_or("make it so; `esplan` asks again");
            let message = format!("{} can't begin the phase `{}`: {}", asked.service, asked.phase, verdict.says);
            safety.refuse(name.as_str(), message, help);
        }
    }
}
