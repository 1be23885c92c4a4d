//! The way back of an instance whose change failed: its previous generation, gated again. It holds for a canary and for
//! any later instance alike (`rollout { on-failure }` decides): the others keep what they have, since the plan stops here.
//!
//! The hold is written first. A controller that dies in the middle leaves an instance that says where it goes back to, and
//! the next plan finishes that.

use super::Bundle;
use super::events::{Happening, Subject};
use super::run::Run;
use super::trouble::Trouble;
use crate::desired::DesiredInstance;
use crate::host::{HookTime, Op};
use crate::inventory::{Held, HeldWhat};
use crate::model::Digest;
use crate::plan::{Action, Roll, Step};
use std::sync::Arc;
use std::time::Duration;

/// The limits of a rollback's gates where the failed roll has none.
const WITHIN: Duration = Duration::from_mins(10);

impl Run<'_> {
    /// Goes back, and writes into the bundle how that ended.
    pub(crate) async fn roll_back(
        &self,
        step: &Step,
        roll: &Roll,
        instance: &Arc<DesiredInstance>,
        (from, to): (Digest, Digest),
        bundle: &mut Bundle,
    ) {
        self.tell(Happening::RollingBack { instance: roll.instance.clone() }).await;
        let held = Held {
            by: self.options.claim.who.clone(),
            why: bundle.why.clone(),
            what: HeldWhat::RolledBack,
            from: Some(from),
            to: Some(to),
        };
        match self.back(step, roll, instance, to, held).await {
            Ok(()) => {
                self.state().rolled_back.push(roll.instance.clone());
                bundle.then = format!(
                    "{} was rolled back to its previous generation {} and is healthy again; nothing further was touched",
                    roll.instance,
                    to.short()
                );
                bundle.next = String::from("esplan --diff full    # correct cluster.kdl, then esapply again");
                self.tell(Happening::RolledBack { instance: roll.instance.clone() }).await;
            }
            Err((action, trouble)) => {
                self.put_back_of(&step.id, &roll.instance).await;
                bundle.then = format!(
                    "the rollback of {} failed too ({action}: {}); it was left as it is, and nothing further was touched",
                    roll.instance, trouble.why
                );
                bundle.next = format!("esplan status    # {} needs somebody to look at it", roll.instance);
            }
        }
    }

    async fn back(
        &self,
        step: &Step,
        roll: &Roll,
        instance: &Arc<DesiredInstance>,
        to: Digest,
        held: Held,
    ) -> Result<(), (&'static str, Trouble)> {
        let host = self.desired_host(&roll.instance.host).map_err(|trouble| ("roll back", trouble))?;
        let one = || Arc::clone(instance);
        let at = || Arc::clone(&host);
        let has = |wanted: fn(&Action) -> bool| roll.actions.iter().any(wanted);
        let reloads = has(|action| matches!(action, Action::Reload));
        let restarts = has(|action| matches!(action, Action::Start { .. })) || !reloads;
        self.back_action(step, roll, "hold", self.operate(&Op::Hold { host: at(), instance: one(), held: Some(held) }))
            .await?;
        if restarts {
            // It may be another instance that keeps the service from being healthy: then this one is needed.
            self.back_action(step, roll, "roll back: check safe", self.may_go_back(instance)).await?;
            // A setting that is changed already stays changed; its record says what it was.
            let changed = self.state().undo.values().any(|undo| undo.users.contains(&roll.instance));
            if has(|action| matches!(action, Action::BeforeStop)) && !changed {
                let hooks = self.hooks(&step.id, instance, HookTime::BeforeStop);
                if let Err((_, trouble)) = self.back_action(step, roll, "roll back: before stop", hooks).await {
                    let text = format!("before the stop for the rollback: {}", trouble.why);
                    self.tell(Happening::Warned { subject: Subject::Instance(roll.instance.clone()), text }).await;
                }
            }
            let stop = Op::Stop { host: at(), instance: one(), within: instance.process.stop_within };
            self.back_action(step, roll, "roll back: stop", self.operate(&stop)).await?;
        }
        let switch = Op::Switch { host: at(), instance: one(), to };
        self.back_action(step, roll, "roll back: switch", self.operate(&switch)).await?;
        self.switched(&instance.id, to, false);
        if restarts {
            self.back_action(step, roll, "roll back: start", self.start(instance, false)).await?;
        } else {
            let reload = Op::Reload { host: at(), instance: one() };
            self.back_action(step, roll, "roll back: reload", self.operate(&reload)).await?;
        }
        let (ready, healthy) = limits(instance);
        let serves = self.await_ready(step, instance, ready);
        self.back_action(step, roll, "roll back: await ready", serves).await?;
        if has(|action| matches!(action, Action::AfterReady)) {
            let hooks = self.hooks(&step.id, instance, HookTime::AfterReady);
            self.back_action(step, roll, "roll back: after ready", hooks).await?;
        }
        let well = self.await_healthy(step, roll, instance, healthy);
        self.back_action(step, roll, "roll back: await healthy", well).await
    }

    async fn back_action(
        &self,
        step: &Step,
        roll: &Roll,
        action: &'static str,
        work: impl Future<Output = Result<(), Trouble>>,
    ) -> Result<(), (&'static str, Trouble)> {
        let subject = Subject::Instance(roll.instance.clone());
        let done = self.recorded(&roll.instance.host, &step.id, &subject, action, work).await;
        done.map_err(|trouble| (action, trouble))
    }
}

/// The module's limits for `ready` and `healthy`.
fn limits(instance: &DesiredInstance) -> (Duration, Duration) {
    let within = |gate: &Option<crate::model::Gate>| gate.as_ref().map_or(WITHIN, |gate| gate.within);
    (within(&instance.module.ready), within(&instance.module.healthy))
}
