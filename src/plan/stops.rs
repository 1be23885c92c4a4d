//! What services say of stopping their instances, as far as they were asked: the rules of `safe-to-stop`, judged before
//! anything begins. They are asked again right before each stop.

use super::facts::{Facts, State, of_service};
use super::safety::Safety;
use super::{Plan, PlanInput, Step, Wave, summary};
use crate::desired::DesiredService;
use crate::model::{InstanceId, ServiceName};
use std::collections::{BTreeMap, BTreeSet};

/// Instances that run well and are stopped: what they keep is asked about. A broken one is repaired whatever it keeps, and
/// what runs nowhere keeps nothing from anybody.
fn stopped(steps: &[Step]) -> BTreeSet<&InstanceId> {
    let asks = |step: &&Step| !matches!(step.wave, Some(Wave::Repair | Wave::Bootstrap));
    let steps = steps.iter().filter(asks);
    steps.flat_map(|step| summary::restarted(std::slice::from_ref(step))).map(|roll| &roll.instance).collect()
}

impl Plan {
    /// Instances before whose stop the rules of `safe-to-stop` are asked.
    pub fn stopped(&self) -> BTreeSet<&InstanceId> {
        stopped(&self.steps)
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
