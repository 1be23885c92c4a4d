//! What the gates of a rollout say now: which of them would hold it, and why.

mod text;

use super::course::{self, What};
use crate::desired::Desired;
use crate::inventory::{Asked, printable};
use crate::model::{InstanceId, ServiceName};
use crate::plan::{Outcome, Plan, Refusal};
use serde::Serialize;
use std::collections::BTreeMap;

/// Longest answer of a gate.
const LONGEST: usize = 400;

/// The gates of the platform as they are now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use = "what the gates say is for showing"]
pub struct Gates {
    /// The cluster's name.
    pub cluster: String,
    /// Whether a rollout would pass: no rule refuses it, and every gate holds.
    pub passes: bool,
    /// What a plan that restarts everything would be refused for, waived or not.
    pub refusals: Vec<Refusal>,
    /// The services, by name.
    pub services: Vec<ServiceGates>,
    /// What the rules come to.
    #[serde(skip)]
    pub outcome: Outcome,
}

/// The gates of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceGates {
    /// Its name.
    pub service: String,
    /// Whether anything of it runs. Of what runs nowhere nothing is asked before it is started.
    pub runs: bool,
    /// Whether all of its gates hold.
    pub passes: bool,
    /// What a rollout puts right before it touches an instance.
    pub first: Vec<String>,
    /// Its gates, those of the service before those of instances.
    pub gates: Vec<GateState>,
}

/// What one gate says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GateState {
    /// `ready`, `healthy`, `converged`, `leader`, or the name of a rule of `safe-to-stop`.
    pub gate: String,
    /// The role of the instance that it is about; `null` when it is about the service.
    pub role: Option<String>,
    /// The instance that it is about.
    pub instance: Option<InstanceId>,
    /// Whether it holds.
    pub holds: bool,
    /// Its answer.
    pub says: String,
}

/// Brings together what the services have answered and what a plan that restarts everything would come to.
pub fn gates(desired: &Desired, plan: &Plan, asked: &BTreeMap<ServiceName, Vec<Asked>>) -> Gates {
    let entries = course::entries(plan);
    let services: Vec<ServiceGates> = desired
        .services
        .keys()
        .filter_map(|name| Some((name, asked.get(name)?)))
        .map(|(name, answers)| {
            let settings = entries.iter().filter(|entry| entry.what == What::Setting && entry.service == Some(name));
            let gates: Vec<GateState> = answers.iter().map(state).collect();
            ServiceGates {
                service: name.to_string(),
                runs: !gates.is_empty(),
                passes: gates.iter().all(|gate| gate.holds),
                first: settings.map(|entry| entry.head.clone()).collect(),
                gates,
            }
        })
        .collect();
    // That everything is as declared is what a plan without a step says.
    let outcome = if plan.outcome() == Outcome::Changes { Outcome::Nothing } else { plan.outcome() };
    let passes = outcome == Outcome::Nothing && services.iter().all(|service| service.passes);
    Gates { cluster: desired.cluster.to_string(), passes, refusals: plan.refusals.clone(), services, outcome }
}

fn state(asked: &Asked) -> GateState {
    GateState {
        gate: asked.gate.clone(),
        role: asked.instance.as_ref().map(|id| id.role.to_string()),
        instance: asked.instance.clone(),
        holds: asked.verdict.holds,
        says: printable(&asked.verdict.says, LONGEST),
    }
}

impl Gates {
    /// As indented JSON with a final line end.
    pub fn json(&self) -> String {
        // Plain data with text keys: it always serialises.
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        super::printable_json(&text) + "\n"
    }

    /// The gates that do not hold.
    fn blocking(&self) -> impl Iterator<Item = &GateState> {
        self.services.iter().flat_map(|service| &service.gates).filter(|gate| !gate.holds)
    }
}
