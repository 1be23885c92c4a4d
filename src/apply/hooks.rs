//! What a module does around a restart. A setting is never changed before a record of what it was is on the host, synced:
//! whoever comes after a crash can put it back.

use super::events::{Happening, Subject};
use super::gate::Wait;
use super::mutation::Mutation;
use super::run::{Run, Undo};
use super::trouble::{Cause, Trouble};
use crate::desired::DesiredInstance;
use crate::host::{HookTime, Op};
use crate::inventory::UndoRecord;
use crate::model::{Expr, Hook, HostName, InstanceId, Name, ServiceName};
use crate::plan::{Step, StepId};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How long a setting may take to be read or written: a service that has just lost its leader elects a new one meanwhile.
const SETTING_WITHIN: Duration = Duration::from_mins(1);

/// The pause between two tries of a request.
const PAUSE: Duration = Duration::from_millis(500);

impl Run<'_> {
    /// Runs one list of hooks of an instance.
    pub(crate) async fn hooks(
        &self,
        step: &StepId,
        instance: &Arc<DesiredInstance>,
        when: HookTime,
    ) -> Result<(), Trouble> {
        let rolling = &instance.module.rolling;
        let hooks = match when {
            HookTime::BeforeStop => &rolling.before_stop,
            HookTime::AfterReady => &rolling.after_ready,
        };
        for (index, hook) in hooks.iter().enumerate() {
            match hook {
                Hook::Set { setting, to, when } if applies(when.as_ref(), instance)? => {
                    self.set(step, instance, setting, to).await?;
                }
                Hook::Restore { setting } => self.restore(step, instance, setting).await?,
                Hook::Call { best_effort, tries, when: on, .. } if applies(on.as_ref(), instance)? => {
                    self.call(instance, when, index, *tries, *best_effort).await?;
                }
                Hook::Set { .. } | Hook::Call { .. } => {}
            }
        }
        Ok(())
    }

    /// Changes a setting: the record first.
    pub(crate) async fn set(
        &self,
        step: &StepId,
        instance: &Arc<DesiredInstance>,
        setting: &Name,
        to: &Value,
    ) -> Result<(), Trouble> {
        let _alone = self.settings.lock().await;
        let key = (instance.service.clone(), setting.clone());
        let shared = self.state().undo.get_mut(&key).map(|undo| undo.users.insert(instance.id.clone())).is_some();
        if !shared {
            let value = self.read_setting(step, &key.0, setting).await?;
            if value == *to {
                return Ok(());
            }
            let (host, name) = (self.desired_host(&instance.id.host)?, format!("{}.{setting}.json", key.0));
            let record = UndoRecord {
                service: key.0.clone(),
                instance: instance.id.clone(),
                setting: setting.clone(),
                value: value.clone(),
            };
            if !self.mutated(Mutation::UndoForgotten) {
                self.operate(&Op::WriteUndo { host, name: name.clone(), record }).await?;
            }
            let undo = Undo { host: instance.id.host.clone(), name, value, users: [instance.id.clone()].into() };
            self.state().undo.insert(key.clone(), undo);
        }
        self.write_setting(step, &key.0, setting, to).await
    }

    /// Puts a setting back when nobody else wants it changed any more.
    pub(crate) async fn restore(
        &self,
        step: &StepId,
        instance: &Arc<DesiredInstance>,
        setting: &Name,
    ) -> Result<(), Trouble> {
        if self.mutated(Mutation::RestoreForgotten) {
            return Ok(());
        }
        let _alone = self.settings.lock().await;
        let key = (instance.service.clone(), setting.clone());
        let undo = {
            let mut state = self.state();
            let Some(undo) = state.undo.get_mut(&key) else { return Ok(()) };
            undo.users.remove(&instance.id);
            undo.clone()
        };
        if undo.users.is_empty() { self.put_back(step, &key.0, setting, &undo).await } else { Ok(()) }
    }

    /// Writes what a setting was, then removes the record: in this order, a crash between the two only repeats the write.
    async fn put_back(&self, step: &StepId, service: &ServiceName, setting: &Name, undo: &Undo) -> Result<(), Trouble> {
        self.write_setting(step, service, setting, &undo.value).await?;
        let host = self.desired_host(&undo.host)?;
        self.operate(&Op::RemoveUndo { host, name: undo.name.clone() }).await?;
        self.state().undo.remove(&(service.clone(), setting.clone()));
        Ok(())
    }

    /// Puts back what an interrupted run has left.
    pub(crate) async fn undo_left(
        &self,
        step: &StepId,
        host: &HostName,
        record: &str,
        service: &ServiceName,
        setting: &Name,
    ) -> Result<(), Trouble> {
        let left = self.observed(host).and_then(|host| host.undo.get(record));
        let Some(left) = left else {
            return Err(Trouble::new(Cause::Plan, format!("{host} has no undo record {record}")));
        };
        let users = std::collections::BTreeSet::new();
        let undo = Undo { host: host.clone(), name: record.to_owned(), value: left.value.clone(), users };
        self.put_back(step, service, setting, &undo).await
    }

    /// Puts back everything that this instance's roll has changed, when the roll ends early. Nothing is left when that works;
    /// when it does not, the record stays and the next plan shows it.
    pub(crate) async fn put_back_of(&self, step: &StepId, instance: &InstanceId) {
        let _alone = self.settings.lock().await;
        let mine: Vec<_> = {
            let mut state = self.state();
            let mine = state.undo.iter_mut().filter_map(|(key, undo)| {
                let last = undo.users.remove(instance) && undo.users.is_empty();
                last.then(|| (key.clone(), undo.clone()))
            });
            mine.collect()
        };
        for ((service, setting), undo) in mine {
            if let Err(trouble) = self.put_back(step, &service, &setting, &undo).await {
                let text =
                    format!("setting {setting} of {service} could not be put back, its record stays: {}", trouble.why);
                self.tell(Happening::Warned { subject: Subject::Instance(instance.clone()), text }).await;
            }
        }
    }

    /// Puts back everything that this instance's roll has changed and nobody else wants changed.
    pub(crate) async fn put_back_all(&self, step: &Step, instance: &Arc<DesiredInstance>) -> Result<(), Trouble> {
        let mine: Vec<Name> = {
            let state = self.state();
            let mine = state.undo.iter().filter(|((service, _), _)| *service == instance.service);
            mine.filter(|(_, undo)| undo.users.contains(&instance.id)).map(|((_, name), _)| name.clone()).collect()
        };
        for setting in mine {
            self.restore(&step.id, instance, &setting).await?;
        }
        Ok(())
    }

    pub(crate) async fn read_setting(
        &self,
        step: &StepId,
        service: &ServiceName,
        setting: &Name,
    ) -> Result<Value, Trouble> {
        let mut read = None;
        self.patiently(step, service, &format!("answering for setting {setting}"), async || {
            read = Some(self.platform.services().read_setting(service, setting).await?);
            Ok(())
        })
        .await?;
        read.ok_or_else(|| Trouble::new(Cause::Setting, format!("setting {setting} of {service} could not be read")))
    }

    /// Writes a setting of a service.
    pub(crate) async fn write_setting(
        &self,
        step: &StepId,
        service: &ServiceName,
        setting: &Name,
        value: &Value,
    ) -> Result<(), Trouble> {
        let what = format!("accepting setting {setting}");
        self.patiently(step, service, &what, async || {
            self.platform.services().write_setting(service, setting, value).await
        })
        .await
    }

    /// Writes a setting of a service, or of one instance of it.
    pub(crate) async fn set_setting(
        &self,
        step: &StepId,
        service: &ServiceName,
        instance: Option<&InstanceId>,
        setting: &Name,
        value: &Value,
    ) -> Result<(), Trouble> {
        let Some(instance) = instance else { return self.write_setting(step, service, setting, value).await };
        let what = format!("accepting setting {setting} of {instance}");
        self.patiently(step, service, &what, async || {
            self.platform.services().write_own_setting(instance, setting, value).await
        })
        .await
    }

    /// Tries until it works, or the limit passes.
    async fn patiently(
        &self,
        step: &StepId,
        service: &ServiceName,
        what: &str,
        mut work: impl AsyncFnMut() -> Result<(), String>,
    ) -> Result<(), Trouble> {
        let wait = Wait {
            step,
            subject: Subject::Service(service.clone()),
            what,
            within: SETTING_WITHIN,
            twice: false,
            process: None,
            ends_when_halting: false,
        };
        let mut waited = Duration::ZERO;
        loop {
            let Err(says) = work().await else { return Ok(()) };
            self.locks_held().await?;
            if waited >= wait.within {
                return Err(Trouble::new(Cause::Setting, format!("{service} was not {what}: {says}")).answered(says));
            }
            self.tell_waiting(&wait, says, waited).await;
            tokio::time::sleep(PAUSE).await;
            waited += PAUSE;
        }
    }

    /// Sends one request.
    async fn call(
        &self,
        instance: &Arc<DesiredInstance>,
        when: HookTime,
        index: usize,
        tries: u32,
        best_effort: bool,
    ) -> Result<(), Trouble> {
        let services = self.platform.services();
        let mut attempt = 1;
        loop {
            let Err(why) = services.call(&instance.id, when, index).await else { return Ok(()) };
            if attempt >= tries {
                if best_effort {
                    let text = format!("a request that may fail has failed: {why}");
                    self.tell(Happening::Warned { subject: Subject::Instance(instance.id.clone()), text }).await;
                    return Ok(());
                }
                let why = format!("a request around the restart of {} failed: {why}", instance.id);
                return Err(Trouble::new(Cause::Setting, why));
            }
            let subject = Subject::Instance(instance.id.clone());
            self.tell(Happening::Retrying { subject, why, attempt, of: tries }).await;
            tokio::time::sleep(PAUSE).await;
            attempt += 1;
        }
    }
}

/// Whether a hook's condition holds for an instance.
fn applies(when: Option<&Expr>, instance: &DesiredInstance) -> Result<bool, Trouble> {
    let Some(Expr(text)) = when else { return Ok(true) };
    let wrong = |error| Trouble::new(Cause::Setting, format!("`{}` can't be evaluated: {error}", text.value));
    instance.context.eval_bool(&text.value).map_err(wrong)
}
