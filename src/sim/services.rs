//! [`Services`] in memory: verdicts instead of protocols.

use super::Cluster;
use super::faults::When;
use super::trace::Effect;
use crate::host::{HookTime, Question, Services};
use crate::inventory::Verdict;
use crate::model::{InstanceId, Name, ServiceName};
use async_trait::async_trait;
use serde_json::Value;

/// The services of the simulated platform.
pub(super) struct SimServices {
    pub(super) cluster: Cluster,
}

impl SimServices {
    /// Whether any member can be asked.
    fn answers(&self, service: &ServiceName) -> Result<(), String> {
        let mut world = self.cluster.world();
        let ready = world.settled().ready();
        let any = ready.iter().any(|id| world.members.get(id).is_some_and(|member| member.service == *service));
        if any { Ok(()) } else { Err(format!("no member of {service} answers")) }
    }
}

#[async_trait]
impl Services for SimServices {
    async fn ask(&self, question: &Question) -> Verdict {
        self.cluster.alive().await;
        let mut world = self.cluster.world();
        let world = world.settled();
        let verdict = |answer: Result<(), String>| match answer {
            Ok(()) => Verdict { holds: true, unknown: false, says: String::new() },
            Err(says) => Verdict { holds: false, unknown: false, says },
        };
        match question {
            Question::Ready(id) | Question::Serves { instance: id, .. } if !world.ready().contains(id) => {
                verdict(Err(format!("{id} does not serve")))
            }
            Question::Serves { version: None, .. } => verdict(Ok(())),
            Question::Ready(id) if world.answers_as(id, None) => verdict(Ok(())),
            Question::Serves { instance: id, version } if world.answers_as(id, version.as_ref()) => verdict(Ok(())),
            Question::Ready(id) | Question::Serves { instance: id, .. } => {
                verdict(Err(format!("{id} answers as another version")))
            }
            Question::Service { service, members, .. } => verdict(world.healthy(service, members)),
            Question::Safe { rule, .. } if world.faults.never_safe.contains(rule) => {
                verdict(Err(format!("{rule} never holds")))
            }
            Question::Safe { instance, .. } => verdict(world.safe_to_stop(instance)),
            Question::Before { service, members, .. } => verdict(world.may_begin(service, members)),
            Question::GoesLast(id) if world.leaders().contains(id) => verdict(Ok(())),
            Question::GoesLast(id) => verdict(Err(format!("{id} does not lead"))),
        }
    }

    async fn read_setting(&self, service: &ServiceName, setting: &Name) -> Result<Value, String> {
        self.cluster.alive().await;
        self.answers(service)?;
        Ok(self.cluster.setting(service, setting))
    }

    async fn write_setting(&self, service: &ServiceName, setting: &Name, value: &Value) -> Result<(), String> {
        let number = self.cluster.operation_begins().await;
        self.answers(service)?;
        {
            let mut world = self.cluster.world();
            let same = |name: &ServiceName, other: &Name| name == service && other == setting;
            let records = world.hosts.values().flat_map(|machine| machine.undo.values());
            let recorded = records.into_iter().any(|record| same(&record.service, &record.setting));
            let (service, setting, value) = (service.clone(), setting.clone(), value.clone());
            world.note(Effect::Setting { service, setting, value, recorded });
        }
        self.cluster.set_setting(service, setting, value.clone());
        self.cluster.world().told(value);
        if self.cluster.dies(number, When::After) || self.cluster.dies(number, When::During) {
            self.cluster.die().await;
        }
        Ok(())
    }

    async fn call(&self, instance: &InstanceId, _when: HookTime, _index: usize) -> Result<(), String> {
        let number = self.cluster.operation_begins().await;
        let service = self.cluster.world().members.get(instance).map(|member| member.service.clone());
        self.answers(&service.ok_or("nobody knows it")?)?;
        self.cluster.world().note(Effect::Call { instance: instance.clone() });
        if self.cluster.dies(number, When::After) {
            self.cluster.die().await;
        }
        Ok(())
    }

    async fn left(&self, instance: &InstanceId) -> Result<Vec<Value>, String> {
        self.cluster.alive().await;
        Ok(self.cluster.world().settled().left(instance))
    }

    async fn stuck(&self, _: &InstanceId, _: &[Value]) -> Option<String> {
        None
    }

    async fn status(&self, service: &ServiceName) -> Vec<String> {
        let mut world = self.cluster.world();
        let ready = world.settled().ready();
        let members = world.members.iter().filter(|(_, member)| member.service == *service);
        let (all, up) = members.fold((0, 0), |(all, up), (id, _)| (all + 1, up + usize::from(ready.contains(id))));
        vec![format!("{up} of {all} serve")]
    }
}

impl Cluster {
    /// An operation of the controller begins; its number. Does not return when the controller dies before its effect, or is
    /// dead already.
    pub(super) async fn operation_begins(&self) -> usize {
        self.alive().await;
        let (number, dies) = self.world().next_operation();
        if dies == Some(When::Before) {
            self.die().await;
        }
        number
    }

    /// Whether the controller dies at this operation, then.
    pub(super) fn dies(&self, number: usize, when: When) -> bool {
        self.world().faults.crash.is_some_and(|crash| crash.at == number && crash.when == when)
    }

    /// The controller is dead: nothing of it goes on.
    pub(super) async fn die(&self) {
        self.died.send_replace(true);
        std::future::pending::<()>().await;
    }

    /// Does not return when the controller is dead.
    pub(super) async fn alive(&self) {
        if *self.died.borrow() {
            std::future::pending::<()>().await;
        }
    }
}
