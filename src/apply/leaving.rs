//! An instance that leaves: what it keeps is moved away, which may take hours and is told all the time; it is never stopped
//! before nothing is left there.

use super::events::Subject;
use super::gate::Wait;
use super::mutation::Mutation;
use super::run::Run;
use super::trouble::{Cause, Trouble};
use crate::desired::DesiredInstance;
use crate::host::{Op, Question};
use crate::inventory::printable;
use crate::model::{Drain, Moved};
use crate::plan::Step;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often it is looked at what is left.
const EVERY: Duration = Duration::from_secs(1);

/// How often the service is told again to move what is there: something may have come meanwhile. And for how long nothing
/// has to change before it is asked why.
const AGAIN: Duration = Duration::from_mins(1);

/// How many of the things that are left are named.
const NAMED: usize = 5;

impl Run<'_> {
    /// Moves away what an instance keeps, and waits until nothing is left there.
    pub(crate) async fn drain(
        &self,
        step: &Step,
        instance: &Arc<DesiredInstance>,
        within: Duration,
    ) -> Result<(), Trouble> {
        let Some(drain) = instance.module.drain.clone() else {
            return Err(Trouble::new(Cause::Plan, format!("the module of {} knows no drain", instance.id)));
        };
        if self.mutated(Mutation::DrainSkipped) {
            return Ok(());
        }
        self.may_drain(&drain, instance).await?;
        let services = self.platform.services();
        let subject = Subject::Instance(instance.id.clone());
        let (step_id, what) = (&step.id, "drained");
        let wait = Wait { step: step_id, subject, what, within, twice: true, process: None, ends_when_halting: true };
        let began = Instant::now();
        let (mut told, mut changed, mut last) = (None::<Instant>, began, None);
        let mut empty = false;
        let mut why = String::new();
        loop {
            let left = services.left(&instance.id).await;
            self.locks_held().await?;
            let says = match &left {
                Ok(left) if left.is_empty() && empty => break,
                Ok(left) => {
                    empty = left.is_empty();
                    if told.is_none_or(|told| told.elapsed() >= AGAIN) && !empty {
                        why = self
                            .move_away(step, &drain, instance)
                            .await
                            .err()
                            .map(|trouble| trouble.why)
                            .unwrap_or_default();
                        told = Some(Instant::now());
                    }
                    if last.as_ref() != Some(left) {
                        (last, changed) = (Some(left.clone()), Instant::now());
                    } else if changed.elapsed() >= AGAIN && !empty {
                        why = services.stuck(&instance.id, left).await.unwrap_or(why);
                        changed = Instant::now();
                    }
                    words(left, &why)
                }
                Err(why) => why.clone(),
            };
            if self.is_halting() {
                return Err(Trouble::new(Cause::Halted, "the run ends").answered(says));
            }
            if began.elapsed() >= within {
                let limit = super::bundle::seconds(within);
                let why = format!("{} was not drained within {limit}: {says}", instance.id);
                return Err(Trouble::new(Cause::Gate, why).answered(says));
            }
            self.tell_waiting(&wait, says, began.elapsed()).await;
            sleep(EVERY).await;
        }
        for moved in &drain.finish {
            self.set_moved(step, moved, instance).await?;
        }
        let host = self.desired_host(&instance.id.host)?;
        self.operate(&Op::Drained { host, instance: Arc::clone(instance) }).await
    }

    /// What must hold before it begins. What can't be told does not hold.
    async fn may_drain(&self, drain: &Drain, instance: &DesiredInstance) -> Result<(), Trouble> {
        for rule in &drain.rules {
            let name = instance.module.rule(rule.name.as_str());
            if self.waived(name.as_str()) {
                continue;
            }
            let question = Question::Safe { instance: instance.id.clone(), rule: rule.name.clone() };
            let verdict = self.platform.services().ask(&question).await;
            if !verdict.holds {
                let why = format!("{} can't be drained ({}): {}", instance.id, rule.name, verdict.says);
                return Err(Trouble::new(Cause::Gate, why).answered(verdict.says));
            }
        }
        Ok(())
    }

    /// Tells the service to move what is there.
    async fn move_away(&self, step: &Step, drain: &Drain, instance: &Arc<DesiredInstance>) -> Result<(), Trouble> {
        for moved in &drain.sets {
            self.set_moved(step, moved, instance).await?;
        }
        Ok(())
    }

    /// Sets a setting to what follows from what it is.
    async fn set_moved(&self, step: &Step, moved: &Moved, instance: &Arc<DesiredInstance>) -> Result<(), Trouble> {
        let (service, setting) = (&instance.service, &moved.setting);
        let value = self.read_setting(&step.id, service, setting).await?;
        let names = json!({ "value": value, "leaving": instance.id.to_string() });
        let to = instance.context.with(&names).eval(&moved.to.0);
        let to = to.map_err(|error| Trouble::new(Cause::Setting, format!("{setting} of {service}: {error}")))?;
        if to == Value::Null || to == value {
            return Ok(());
        }
        if moved.put_back {
            self.set(&step.id, instance, setting, &to).await
        } else {
            self.write_setting(&step.id, service, setting, &to).await
        }
    }

    /// Puts back the settings that were changed for it.
    pub(crate) async fn undrain(&self, step: &Step, instance: &Arc<DesiredInstance>) -> Result<(), Trouble> {
        let drain = instance.module.drain.iter().flat_map(|drain| &drain.sets);
        for moved in drain.filter(|moved| moved.put_back) {
            self.restore(&step.id, instance, &moved.setting).await?;
        }
        Ok(())
    }
}

/// What is left, in words, and why as far as it is known.
fn words(left: &[Value], why: &str) -> String {
    let name = |one: &Value| match one {
        Value::String(name) => name.clone(),
        Value::Object(fields) => {
            let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            fields.get("name").map_or_else(|| fields.values().take(3).map(word).collect::<Vec<_>>().join(" "), word)
        }
        other => other.to_string(),
    };
    let names: Vec<String> = left.iter().take(NAMED).map(name).collect();
    let more = if left.len() > NAMED { ", …" } else { "" };
    let what = match left.len() {
        0 => "nothing is left there".to_owned(),
        count => format!("{count} left there: {}{more}", names.join(", ")),
    };
    printable(&if why.is_empty() { what } else { format!("{what}; {why}") }, 700)
}
