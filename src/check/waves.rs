//! That nothing disturbs before everything is staged, that a canary comes before its rest, and that ends come last.

use super::{Reading, Violation};
use crate::model::Strategy;
use crate::plan::{Action, GateKind, Roll, Step, StepKind, Wave};

/// Whether a step may change what serves.
fn disturbs(step: &Step) -> bool {
    super::rolls(step).iter().flat_map(|roll| &roll.actions).any(|action| match action {
        Action::Stop { .. }
        | Action::StopUnsupervised { .. }
        | Action::Switch { .. }
        | Action::Start { .. }
        | Action::Reload
        | Action::Drain { .. }
        | Action::Withdraw
        | Action::PutBack
        | Action::BeforeStop
        | Action::AfterReady => true,
        Action::IfLeads
        | Action::Hold { .. }
        | Action::Release
        | Action::AwaitOthers { .. }
        | Action::CheckSafe
        | Action::AwaitReady { .. }
        | Action::AwaitHealthy { .. }
        | Action::Soak { .. } => false,
    })
}

/// Staging before disturbance, and the canary of a role before its rest.
pub(super) fn judge(reading: &Reading<'_>, found: &mut Vec<Violation>) {
    let (steps, staging) = (&reading.plan.steps, &reading.index.staging);
    for (number, step) in steps.iter().enumerate().filter(|(_, step)| disturbs(step)) {
        // Staging in earlier segments is before it anyway.
        let from = reading.order.segment_start(number);
        let beside = staging.get(staging.partition_point(|other| *other < from)..).unwrap_or_default();
        for late in beside.iter().filter(|other| !reading.order.is_before(**other, number)) {
            let staging = steps.get(*late).map(|step| step.id.0.clone()).unwrap_or_default();
            found.push(Violation::DisturbsBeforeStaging { step: step.id.0.clone(), staging });
        }
    }
    ends(reading, found);
    canaries(reading, found);
}

/// The final gate of a service, and collecting what a host does not use any more, come after everything else there.
fn ends(reading: &Reading<'_>, found: &mut Vec<Violation>) {
    let steps = &reading.plan.steps;
    for (number, step) in steps.iter().enumerate() {
        let rolling = match &step.kind {
            StepKind::Gate { service, gate: GateKind::Converged, .. } => reading.index.by_service.get(service),
            StepKind::Retire { host } | StepKind::Collect { host } | StepKind::Purge { host, .. } => {
                reading.index.by_host.get(host)
            }
            _ => None,
        };
        // The end of a phase is no end of the next one; and who leaves does so when the others have come to theirs.
        let same = |other: &&usize| {
            !matches!(step.kind, StepKind::Gate { .. })
                || steps.get(**other).is_some_and(|other| other.phase == step.phase && other.wave != Some(Wave::Leave))
        };
        let rolling = rolling.into_iter().flatten().filter(same);
        for other in rolling.filter(|other| !reading.order.is_before(**other, number)) {
            let roll = steps.get(*other).map(|step| step.id.0.clone()).unwrap_or_default();
            found.push(Violation::EndsTooEarly { step: step.id.0.clone(), roll });
        }
    }
}

fn canaries(reading: &Reading<'_>, found: &mut Vec<Violation>) {
    let rollout = &reading.desired.rollout;
    for (number, step) in reading.plan.steps.iter().enumerate() {
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
                let index = &reading.index;
                let of_role = index.canaries.get(&first.instance.role).into_iter().flatten();
                let of_service =
                    index.canaries_of_service.get(&first.service).filter(|_| replaced).into_iter().flatten();
                let steps = &reading.plan.steps;
                let same = |canary: &&usize| steps.get(**canary).is_some_and(|canary| canary.phase == step.phase);
                if !of_role.chain(of_service).filter(same).any(|canary| reading.order.is_before(*canary, number)) {
                    found.push(Violation::RestBeforeCanary { step: step.id.0.clone() });
                }
            }
            _ => {}
        }
    }
}
