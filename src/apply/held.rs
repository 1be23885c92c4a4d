//! What is held on purpose: the record of it, and how the others do without what was stopped.

use super::Bundle;
use super::events::Subject;
use super::gate::Wait;
use super::mutation::Mutation;
use super::run::Run;
use super::trouble::Trouble;
use crate::desired::DesiredInstance;
use crate::host::Op;
use crate::inventory::{Held, HeldWhat, Verdict};
use crate::model::Digest;
use crate::plan::{Action, Roll, Step};
use std::sync::Arc;
use std::time::Duration;

impl Run<'_> {
    /// Records that an instance is held.
    pub(crate) async fn hold(
        &self,
        instance: &Arc<DesiredInstance>,
        (what, from, to): (HeldWhat, Option<Digest>, Option<Digest>),
    ) -> Result<(), Trouble> {
        if self.mutated(Mutation::HoldForgotten) {
            return Ok(());
        }
        let known = self.held(instance);
        if known.is_some_and(|known| (known.what, known.from, known.to) == (what, from, to)) {
            return Ok(()); // who did it and why stays
        }
        let claim = &self.options.claim;
        let why = self.options.why.clone().unwrap_or_else(|| claim.why.clone());
        let stopped = self.held(instance).filter(|held| held.what == HeldWhat::Stopped && what != held.what);
        let why = if stopped.is_some() { "it was rolled back before it was stopped".to_owned() } else { why };
        let held = Held { by: claim.who.clone(), why, what, from, to };
        let host = self.desired_host(&instance.id.host)?;
        self.operate(&Op::Hold { host, instance: Arc::clone(instance), held: Some(held) }).await
    }

    /// Waits until everybody who stays up serves, after one was stopped for good. They need not be healthy: a service that
    /// wants all its copies in sync never is while one of it is kept down.
    pub(crate) async fn await_others(&self, step: &Step, roll: &Roll, within: Duration) -> Result<(), Trouble> {
        if self.mutated(Mutation::OthersIgnored) {
            return Ok(());
        }
        let wait = Wait {
            step: &step.id,
            subject: Subject::Service(roll.service.clone()),
            what: "serving without what was stopped",
            within,
            twice: false,
            process: None,
            ends_when_halting: false,
        };
        let services = self.platform.services();
        self.wait_for(&wait, || async {
            for other in roll.members.iter().filter(|other| **other != roll.instance) {
                let verdict = services.ask(&self.serves(other)).await;
                if !verdict.holds {
                    return Verdict { says: format!("{other}: {}", verdict.says), ..verdict };
                }
            }
            Verdict { holds: true, unknown: false, says: "all others serve".to_owned() }
        })
        .await
    }

    /// Removes the hold of what was rolled back, after a switch to anything but the generation that it is held at. What was
    /// stopped is released by an action of its own.
    pub(crate) async fn release(&self, instance: &Arc<DesiredInstance>, to: Digest) -> Result<(), Trouble> {
        let held = self.held(instance).filter(|held| held.what == HeldWhat::RolledBack);
        if held.is_none_or(|held| held.to == Some(to)) {
            return Ok(());
        }
        let host = self.desired_host(&instance.id.host)?;
        self.operate(&Op::Hold { host, instance: Arc::clone(instance), held: None }).await
    }

    fn held(&self, instance: &DesiredInstance) -> Option<Held> {
        self.observed(&instance.id.host)?.instances.get(instance.id.role.as_str())?.held.clone()
    }
}

/// What to type when a stop failed after it was recorded: it is held by then.
pub(super) fn after_a_stop(failed: &Action, roll: &Roll, bundle: &mut Bundle) {
    let is_hold = |action: &Action| matches!(action, Action::Hold { what: HeldWhat::Stopped, .. });
    let at = |wanted: &dyn Fn(&Action) -> bool| roll.actions.iter().position(wanted);
    let held = at(&is_hold).zip(at(&|action| action == failed)).is_some_and(|(hold, failed)| hold < failed);
    if !held {
        return;
    }
    let id = &roll.instance;
    let (now, why) = match failed {
        Action::Stop { .. } | Action::StopUnsupervised { .. } => {
            ("is held, and may still run", "or the same command again")
        }
        _ => ("is stopped and held", "it may be needed"),
    };
    bundle.then = format!("{id} {now}, and nothing further was touched");
    bundle.next = format!("esapply start {id}    # {why}");
}
