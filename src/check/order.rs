//! What comes before what, worked out from `needs` alone; and that nothing disturbs before everything is staged.

use super::{Reading, Violation, by_id};
use crate::model::Strategy;
use crate::plan::{Action, GateKind, Plan, Roll, Step, StepKind, Wave};
use std::collections::BTreeSet;

/// For each step, all steps that are surely done before it begins.
pub(super) struct Order {
    before: Vec<BTreeSet<usize>>,
}

impl Order {
    /// Reads the order. Nothing when ids or needs are broken: then nothing else can be said.
    pub(super) fn read(plan: &Plan, found: &mut Vec<Violation>) -> Option<Self> {
        let numbers = by_id(plan);
        let broken = found.len();
        for (number, step) in plan.steps.iter().enumerate() {
            if numbers.get(&step.id) != Some(&number) {
                found.push(Violation::SameId { step: step.id.0.clone() });
            }
        }
        let mut before: Vec<BTreeSet<usize>> = Vec::with_capacity(plan.steps.len());
        for (number, step) in plan.steps.iter().enumerate() {
            let mut all = BTreeSet::new();
            for needed in &step.needs {
                match numbers.get(needed).copied().filter(|needed| *needed < number) {
                    Some(needed) => {
                        all.extend(before.get(needed).into_iter().flatten().copied());
                        all.insert(needed);
                    }
                    None => {
                        found.push(Violation::BadNeed { step: step.id.0.clone(), needed: needed.0.clone() });
                    }
                }
            }
            before.push(all);
        }
        (found.len() == broken).then_some(Self { before })
    }

    /// Whether the first step is surely done before the second begins.
    pub(super) fn is_before(&self, first: usize, second: usize) -> bool {
        self.before.get(second).is_some_and(|before| before.contains(&first))
    }

    /// Whether two steps may be under way at the same time.
    pub(super) fn may_overlap(&self, one: usize, other: usize) -> bool {
        one != other && !self.is_before(one, other) && !self.is_before(other, one)
    }
}

/// Whether a step may change what serves.
pub(super) fn disturbs(step: &Step) -> bool {
    super::rolls(step).iter().flat_map(|roll| &roll.actions).any(|action| match action {
        Action::Stop { .. }
        | Action::StopUnsupervised { .. }
        | Action::Switch { .. }
        | Action::Start { .. }
        | Action::Reload
        | Action::BeforeStop
        | Action::AfterReady => true,
        Action::CheckSafe | Action::AwaitReady { .. } | Action::AwaitHealthy { .. } | Action::Soak { .. } => false,
    })
}

fn stages(step: &Step) -> bool {
    match step.kind {
        StepKind::Prepare { .. }
        | StepKind::Fetch { .. }
        | StepKind::Assemble { .. }
        | StepKind::Render { .. }
        | StepKind::Supervise { .. } => true,
        StepKind::Retire { .. }
        | StepKind::Undo { .. }
        | StepKind::Repair { .. }
        | StepKind::Roll(_)
        | StepKind::PickNext { .. }
        | StepKind::Gate { .. }
        | StepKind::Collect { .. } => false,
    }
}

/// Staging before disturbance, and the canary of a role before its rest.
pub(super) fn judge(reading: &Reading<'_>, found: &mut Vec<Violation>) {
    let steps = &reading.plan.steps;
    for (number, step) in steps.iter().enumerate().filter(|(_, step)| disturbs(step)) {
        let late = steps
            .iter()
            .enumerate()
            .filter(|(other, staging)| stages(staging) && !reading.order.is_before(*other, number));
        for (_, staging) in late {
            let (step, staging) = (step.id.0.clone(), staging.id.0.clone());
            found.push(Violation::DisturbsBeforeStaging { step, staging });
        }
    }
    ends(reading, found);
    canaries(reading, found);
}

/// The final gate of a service, and collecting what a host does not use any more, come after everything else there.
fn ends(reading: &Reading<'_>, found: &mut Vec<Violation>) {
    let steps = &reading.plan.steps;
    for (number, step) in steps.iter().enumerate() {
        let concerns = |roll: &Roll| match &step.kind {
            StepKind::Gate { service, gate: GateKind::Converged, .. } => *service == roll.service,
            StepKind::Retire { host } | StepKind::Collect { host } => *host == roll.instance.host,
            _ => false,
        };
        for (other, rolling) in steps.iter().enumerate() {
            if super::rolls(rolling).iter().any(concerns) && !reading.order.is_before(other, number) {
                let (step, roll) = (step.id.0.clone(), rolling.id.0.clone());
                found.push(Violation::EndsTooEarly { step, roll });
            }
        }
    }
}

fn canaries(reading: &Reading<'_>, found: &mut Vec<Violation>) {
    let steps = &reading.plan.steps;
    let rollout = &reading.desired.rollout;
    for (number, step) in steps.iter().enumerate() {
        let Some(first) = super::rolls(step).first() else { continue };
        let restarts =
            |roll: &Roll| roll.actions.iter().any(|action| matches!(action, Action::Start { .. } | Action::Reload));
        match step.wave {
            Some(Wave::Canary) => {
                let gated =
                    reading.desired.services.get(&first.service).is_some_and(|one| one.module.healthy.is_some());
                let unwatched = super::rolls(step)
                    .iter()
                    .filter(|roll| restarts(roll))
                    .any(|roll| !matches!(roll.actions.last(), Some(Action::Soak { for_ }) if *for_ >= rollout.soak));
                if gated && unwatched {
                    found.push(Violation::NoSoak { step: step.id.0.clone() });
                }
            }
            Some(Wave::Rest) if rollout.canary > 0 => {
                // What is replaced together has one canary, whatever its roles.
                let of = reading.desired.services.get(&first.service).map(|service| &service.module.strategy);
                let replaced = matches!(of, Some(Strategy::Recreate { .. }));
                let same = |roll: &Roll| {
                    roll.instance.role == first.instance.role || (replaced && roll.service == first.service)
                };
                let is_canary = |(other, canary): (usize, &Step)| {
                    let waits = canary.wave == Some(Wave::Canary) && reading.order.is_before(other, number);
                    waits && super::rolls(canary).iter().any(same)
                };
                if !steps.iter().enumerate().any(is_canary) {
                    found.push(Violation::RestBeforeCanary { step: step.id.0.clone() });
                }
            }
            _ => {}
        }
    }
}
