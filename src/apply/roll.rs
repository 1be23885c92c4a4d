//! One instance's actions, as one unit: either all are done, or the instance is rolled back, or it is said what was left.

use super::Bundle;
use super::events::Subject;
use super::gate::Wait;
use super::held::after_a_stop;
use super::mutation::Mutation;
use super::run::Run;
use super::trouble::{Cause, Trouble};
use crate::desired::DesiredInstance;
use crate::host::{Failure, HookTime, Op, Question};
use crate::model::{Digest, Gate, OnFailure, ServiceName};
use crate::plan::{Action, GateKind, Roll, Step, Wave};
use std::sync::Arc;
use std::time::Duration;

/// How a step ends the run.
#[derive(Debug)]
pub(crate) enum Halt {
    /// It failed.
    Failed(Box<Bundle>),
    /// A host is no longer what the plan was made from.
    Stale(String),
    /// The run ends for another reason; nothing was disturbed here.
    Halted,
}

impl Run<'_> {
    /// Changes one instance.
    pub(crate) async fn roll(&self, step: &Step, roll: &Roll) -> Result<(), Halt> {
        let result = self.roll_actions(step, roll).await;
        let mut state = self.state();
        state.disturbed.remove(&roll.instance);
        state.stopping.remove(&roll.instance);
        drop(state);
        result
    }

    async fn roll_actions(&self, step: &Step, roll: &Roll) -> Result<(), Halt> {
        let subject = Subject::Instance(roll.instance.clone());
        let host = &roll.instance.host;
        let instance = match self.instance_of(step, &roll.instance) {
            Ok(instance) => instance,
            Err(trouble) => return Err(self.halt(step, &subject, None, None, trouble).await),
        };
        if let Err(trouble) = self.look(host).await {
            return Err(self.halt(step, &subject, None, None, trouble).await);
        }
        let (mut begun, mut watched) = (false, true);
        for action in &roll.actions {
            if self.is_halting() && !begun && disturbs(action) && !self.must_finish(&roll.instance) {
                self.put_back_of(&step.id, &roll.instance).await;
                return Err(Halt::Halted);
            }
            if self.is_halting() && matches!(action, Action::Soak { .. }) {
                watched = false;
                continue;
            }
            if let Err(trouble) = self.check_repair(step, roll, &instance, action).await {
                return Err(self.fell(step, roll, &instance, &Action::CheckSafe, begun, trouble).await);
            }
            if matches!(action, Action::IfLeads) {
                match self.who_leads(step, &roll.service).await {
                    Ok(leaders) if leaders.contains(&roll.instance) => {}
                    Ok(_) => return Ok(()),
                    Err(trouble) if trouble.cause == Cause::Halted => return Err(Halt::Halted),
                    Err(trouble) => return Err(self.halt(step, &subject, Some(action.name()), None, trouble).await),
                }
            }
            begun |= disturbs(action);
            let work = self.act(step, roll, &instance, action);
            if let Err(trouble) = self.recorded(host, &step.id, &subject, action.name(), work).await {
                return Err(self.fell(step, roll, &instance, action, begun, trouble).await);
            }
        }
        let is_over = |action: &Action| puts_on_trial(action) || is_first_start(action, &instance);
        let gate = |action: &Action| matches!(action, Action::AwaitReady { .. } | Action::AwaitHealthy { .. });
        let seen = self.was_on_trial(&instance) && roll.actions.iter().any(gate);
        if watched && (seen || roll.actions.iter().any(is_over)) {
            let host = self.desired_host(host);
            let accepted = async { self.operate(&Op::Accept { host: host?, instance: Arc::clone(&instance) }).await };
            if let Err(trouble) = accepted.await {
                return Err(self.halt(step, &subject, Some("accept"), Some(&instance), trouble).await);
            }
        }
        Ok(())
    }

    /// Whether a lost run had switched it, and had not seen it healthy.
    fn was_on_trial(&self, instance: &DesiredInstance) -> bool {
        let seen = self.observed(&instance.id.host).and_then(|host| host.instances.get(instance.id.role.as_str()));
        seen.is_some_and(|seen| seen.on_trial)
    }

    /// A plan does not ask whether a broken instance may be stopped. It may have come back since.
    async fn check_repair(
        &self,
        step: &Step,
        roll: &Roll,
        instance: &Arc<DesiredInstance>,
        action: &Action,
    ) -> Result<(), Trouble> {
        let asked = roll.actions.iter().any(|action| matches!(action, Action::CheckSafe));
        if step.wave != Some(Wave::Repair) || asked || !is_stop(action) {
            return Ok(());
        }
        let subject = Subject::Instance(roll.instance.clone());
        let work = self.check_safe(step, roll, instance);
        self.recorded(&roll.instance.host, &step.id, &subject, Action::CheckSafe.name(), work).await
    }

    /// Does one action.
    async fn act(
        &self,
        step: &Step,
        roll: &Roll,
        instance: &Arc<DesiredInstance>,
        action: &Action,
    ) -> Result<(), Trouble> {
        let host = self.desired_host(&roll.instance.host)?;
        let one = Arc::clone(instance);
        match action {
            Action::IfLeads => Ok(()),
            Action::Drain { within } => self.drain(step, instance, *within).await,
            Action::Withdraw => self.operate(&Op::Withdraw { host, instance: one }).await,
            Action::PutBack => {
                self.undrain(step, instance).await?;
                self.put_back_all(step, instance).await
            }
            Action::Hold { what, from, to } => self.hold(instance, (*what, *from, *to)).await,
            Action::Release => self.operate(&Op::Hold { host, instance: one, held: None }).await,
            Action::AwaitOthers { within } => self.await_others(step, roll, *within).await,
            Action::CheckSafe => self.check_safe(step, roll, instance).await,
            Action::BeforeStop => self.hooks(&step.id, instance, HookTime::BeforeStop).await,
            Action::Stop { within } => {
                self.operate(&Op::Stop { host, instance: one, within: *within }).await?;
                self.stopped(step, roll);
                Ok(())
            }
            Action::StopUnsupervised { pid, started, within } => {
                let stranger = started.map(|started| (*pid, started));
                self.operate(&Op::StopUnsupervised { host, instance: one, within: *within, stranger }).await?;
                self.stopped(step, roll);
                Ok(())
            }
            Action::Switch { to, .. } => {
                self.operate(&Op::Switch { host, instance: one, to: *to }).await?;
                self.switched(&instance.id, *to, *to == instance.content_generation);
                self.release(instance, *to).await
            }
            Action::Start { first } => self.start(instance, *first).await,
            Action::Reload => self.operate(&Op::Reload { host, instance: one }).await,
            Action::AwaitReady { within } => self.await_ready(step, instance, *within).await,
            Action::AfterReady => self.hooks(&step.id, instance, HookTime::AfterReady).await,
            Action::AwaitHealthy { within } => self.await_healthy(step, roll, instance, *within).await,
            Action::Soak { for_ } => {
                let questions = [self.serving(&roll.instance), healthy(roll)];
                let wait = Self::watched(step, instance, "healthy while it is watched", *for_, false);
                self.soak(&wait, &questions).await
            }
        }
    }

    pub(crate) async fn start(&self, instance: &Arc<DesiredInstance>, first: bool) -> Result<(), Trouble> {
        let host = self.desired_host(&instance.id.host)?;
        {
            let mut state = self.state();
            state.started.insert(instance.id.clone());
            state.recreated.remove(&instance.id);
        }
        let op = Op::Start { host: Arc::clone(&host), instance: Arc::clone(instance), first };
        self.operate(&op).await?;
        if self.mutated(Mutation::RestartsTwice) {
            let within = instance.process.stop_within;
            self.operate(&Op::Stop { host, instance: Arc::clone(instance), within }).await?;
            self.operate(&op).await?;
        }
        Ok(())
    }

    pub(crate) async fn await_ready(
        &self,
        step: &Step,
        instance: &Arc<DesiredInstance>,
        within: Duration,
    ) -> Result<(), Trouble> {
        let question = self.serving(&instance.id);
        let twice = instance.module.ready.as_ref().is_some_and(Gate::wants_twice);
        let wait = Self::watched(step, instance, "ready", within, twice);
        self.wait(&wait, &question).await
    }

    pub(crate) async fn await_healthy(
        &self,
        step: &Step,
        roll: &Roll,
        instance: &Arc<DesiredInstance>,
        within: Duration,
    ) -> Result<(), Trouble> {
        let twice = self.wants_twice(&roll.service, GateKind::Healthy);
        let mut wait = Self::watched(step, instance, "in a healthy service", within, twice);
        if roll.actions.iter().any(|action| matches!(action, Action::Withdraw)) {
            // It is gone: the service is waited for without it.
            wait.process = None;
        }
        self.wait(&wait, &healthy(roll)).await
    }

    /// Whether a gate of a service counts only when it holds twice in a row.
    pub(crate) fn wants_twice(&self, service: &ServiceName, gate: GateKind) -> bool {
        let Some(service) = self.desired.services.get(service) else { return false };
        let gate = match gate {
            GateKind::Healthy => &service.module.healthy,
            GateKind::Converged => &service.module.converged,
        };
        gate.as_ref().is_some_and(Gate::wants_twice)
    }

    fn watched<'w>(
        step: &'w Step,
        instance: &'w Arc<DesiredInstance>,
        what: &'w str,
        within: Duration,
        twice: bool,
    ) -> Wait<'w> {
        let subject = Subject::Instance(instance.id.clone());
        Wait { step: &step.id, subject, what, within, twice, process: Some(instance), ends_when_halting: false }
    }

    /// An action failed.
    async fn fell(
        &self,
        step: &Step,
        roll: &Roll,
        instance: &Arc<DesiredInstance>,
        action: &Action,
        begun: bool,
        trouble: Trouble,
    ) -> Halt {
        if trouble.cause == Cause::Halted {
            self.put_back_of(&step.id, &roll.instance).await;
            return Halt::Halted;
        }
        let subject = Subject::Instance(roll.instance.clone());
        let mut bundle = self.failure(step, &subject, Some(action.name()), Some(instance), &trouble).await;
        match self.way_back(roll, instance, (action, begun), &trouble.cause) {
            // Somebody else may be at work: not one more effect from here.
            _ if trouble.cause == Cause::LockLost => {
                bundle.then = String::from("it was left as it is: the lock is gone");
            }
            Some((from, to)) => self.roll_back(step, roll, instance, (from, to), &mut bundle).await,
            None => {
                self.put_back_of(&step.id, &roll.instance).await;
                let left = if begun { "the instance was left as it is" } else { "the instance was not touched" };
                bundle.then = format!("{left}, and nothing further was touched");
                after_a_stop(action, roll, &mut bundle);
            }
        }
        Halt::Failed(Box::new(bundle))
    }

    /// The generations that a rollback goes between, when there is a way back. A roll that only waits or starts goes back,
    /// too: it continues what a lost controller had begun.
    fn way_back(
        &self,
        roll: &Roll,
        instance: &DesiredInstance,
        (failed, begun): (&Action, bool),
        cause: &Cause,
    ) -> Option<(Digest, Digest)> {
        let stuck = is_stop(failed);
        let gate = matches!(failed, Action::AwaitReady { .. } | Action::AwaitHealthy { .. } | Action::Soak { .. });
        let wanted = self.desired.rollout.on_failure == OnFailure::Rollback;
        let lost = *cause == Cause::Host(Failure::Unreachable);
        if !(begun || gate) || stuck || lost || !wanted || self.mutated(Mutation::RollbackSkipped) {
            return None;
        }
        let switched = roll.actions.iter().find_map(|action| match action {
            Action::Switch { to, .. } => Some(*to),
            _ => None,
        });
        let from = switched.unwrap_or(instance.content_generation);
        let to = roll.rollback.filter(|to| *to != from)?;
        Some((from, to))
    }
}

/// The service's gate with the members that are expected then.
pub(crate) fn healthy(roll: &Roll) -> Question {
    Question::Service { service: roll.service.clone(), gate: GateKind::Healthy, members: roll.members.to_vec() }
}

/// Whether an action is a stop.
const fn is_stop(action: &Action) -> bool {
    matches!(action, Action::Stop { .. } | Action::StopUnsupervised { .. })
}

/// Whether an action replaces what has worked by what has yet to show that it does.
const fn puts_on_trial(action: &Action) -> bool {
    matches!(action, Action::Switch { from: Some(_), .. })
}

/// Whether an action starts it with words that no later start of it may have.
fn is_first_start(action: &Action, instance: &DesiredInstance) -> bool {
    matches!(action, Action::Start { first: true }) && !instance.process.first_start.is_empty()
}

/// Whether an action disturbs what runs.
const fn disturbs(action: &Action) -> bool {
    match action {
        Action::Stop { .. }
        | Action::StopUnsupervised { .. }
        | Action::Switch { .. }
        | Action::Withdraw
        // What follows it belongs to it.
        | Action::Hold { .. }
        | Action::Release
        | Action::Start { .. }
        | Action::Reload => true,
        Action::IfLeads
        | Action::Drain { .. }
        | Action::PutBack
        | Action::CheckSafe
        | Action::BeforeStop
        | Action::AwaitOthers { .. }
        | Action::AwaitReady { .. }
        | Action::AfterReady
        | Action::AwaitHealthy { .. }
        | Action::Soak { .. } => false,
    }
}
