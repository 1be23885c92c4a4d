//! Services whose instances are all stopped before the first one starts: whatever ends the run meanwhile, they are not left
//! down. An interrupted run brings them up as planned; after a rollback the others start as they were.

use super::events::{Happening, Subject};
use super::run::Run;
use crate::host::HookTime;
use crate::model::InstanceId;
use crate::plan::{Roll, Step, StepKind, Wave};
use std::time::Duration;

/// How long one may take to be ready again when its module does not say.
const WITHIN: Duration = Duration::from_mins(10);

impl Run<'_> {
    /// Takes note of a stop. From now on the service itself can tell what it is like without the instance.
    pub(crate) fn stopped(&self, step: &Step, roll: &Roll) {
        let mut state = self.state();
        state.stopping.remove(&roll.instance);
        if step.wave == Some(Wave::Recreate) {
            state.recreated.insert(roll.instance.clone());
        }
    }

    /// Whether an interrupted run still has to start this instance: it is down as a part of a whole.
    pub(crate) fn must_finish(&self, instance: &InstanceId) -> bool {
        let state = self.state();
        state.recreated.contains(instance) && !state.halting
    }

    /// Whether an interrupted run still has to do this step.
    pub(crate) fn finishes(&self, step: &Step) -> bool {
        matches!(&step.kind, StepKind::Roll(roll) if self.must_finish(&roll.instance))
    }

    /// After a failure: starts what is still down, at the generation that it had. Not where one of the service runs the new
    /// one already, since they can't be mixed.
    pub(crate) async fn start_recreated(&self) {
        let (down, rolled_back, started) = {
            let state = self.state();
            (state.recreated.clone(), state.rolled_back.clone(), state.started.clone())
        };
        for id in down {
            let Ok(instance) = self.instance(&id) else { continue };
            let mate = |other: &&InstanceId| {
                self.desired.instances.get(*other).is_some_and(|one| one.service == instance.service)
            };
            if started.iter().filter(|other| !rolled_back.contains(other)).any(|other| mate(&other)) {
                let text = "it stays down: its service runs another version now".to_owned();
                self.tell(Happening::Warned { subject: Subject::Instance(id), text }).await;
                continue;
            }
            let step = self.plan.steps.iter().find(|step| {
                let of = |roll: &Roll| roll.instance == id && step.wave == Some(Wave::Recreate);
                matches!(&step.kind, StepKind::Roll(roll) if of(roll))
            });
            let Some(step) = step else { continue };
            let subject = Subject::Instance(id.clone());
            let within = instance.module.ready.as_ref().map_or(WITHIN, |gate| gate.within);
            let work = async {
                self.start(&instance, false).await?;
                self.await_ready(step, &instance, within).await?;
                self.hooks(&step.id, &instance, HookTime::AfterReady).await
            };
            if let Err(trouble) = self.recorded(&id.host, &step.id, &subject, "start again", work).await {
                let text = format!("it could not be started again as it was: {}", trouble.why);
                self.tell(Happening::Warned { subject, text }).await;
            }
        }
    }
}
