//! [`Services`] from the modules' probes.

use super::dial::Dial;
use super::judge;
use super::whom::Scope;
use crate::desired::{Desired, DesiredInstance, DesiredService};
use crate::host::{HookTime, Question, Services};
use crate::inventory::{Verdict, printable};
use crate::model::{Ask, Gate, Hook, InstanceId, Name, ProbeOn, ServiceName, Setting, StatusLine, Version};
use crate::plan::GateKind;
use async_trait::async_trait;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Longest message about a setting, in characters.
const ERROR: usize = 700;

/// Longest line of `status`, in characters.
const STATUS_LINE: usize = 200;

/// Asks services over a [`Dial`], as their modules say.
pub struct Prober {
    desired: Arc<Desired>,
    dial: Arc<dyn Dial>,
    /// Instances that are asked where they are declared to listen, although they did not when they were looked at.
    switched: Mutex<BTreeSet<InstanceId>>,
}

impl Prober {
    /// For these instances, reached in this way.
    pub fn new(desired: Arc<Desired>, dial: Arc<dyn Dial>) -> Self {
        Self { desired, dial, switched: Mutex::default() }
    }

    /// An instance as it can be spoken to now.
    fn one(&self, id: &InstanceId) -> Option<&DesiredInstance> {
        let switched = self.switched.lock().unwrap_or_else(PoisonError::into_inner).contains(id);
        self.desired.elsewhere.get(id).filter(|_| !switched).or_else(|| self.desired.instance(id))
    }

    /// Instances as they can be spoken to now, by name.
    fn these<'a>(&'a self, ids: impl IntoIterator<Item = &'a InstanceId>) -> Vec<&'a DesiredInstance> {
        let mut list: Vec<_> = ids.into_iter().filter_map(|id| self.one(id)).collect();
        list.sort_by(|a, b| a.id.cmp(&b.id));
        list.dedup_by(|a, b| a.id == b.id);
        list
    }

    fn scope<'a>(&'a self, members: Vec<&'a DesiredInstance>, subject: Option<&'a DesiredInstance>) -> Scope<'a> {
        Scope {
            desired: &self.desired,
            dial: &*self.dial,
            members,
            subject,
            counted: false,
            cautious: false,
            names: Map::new(),
        }
    }

    /// A question about an instance: the other members of its service may be asked too.
    fn about<'a>(&'a self, id: &InstanceId) -> Result<(&'a DesiredInstance, Scope<'a>), String> {
        let instance = self.one(id).ok_or_else(|| format!("{id} is not declared"))?;
        let service = self.desired.services.get(&instance.service);
        let members =
            service.map_or_else(Vec::new, |service| self.members(service, self.desired.leaving.contains_key(id)));
        Ok((instance, self.scope(members, Some(instance))))
    }

    /// Who can be asked about a service: those that leave too, when it is about one of them or when there are no others.
    fn members<'a>(&'a self, service: &'a DesiredService, leaves: bool) -> Vec<&'a DesiredInstance> {
        let leaving = self.desired.leaving_of(&service.name).map(|one| &one.id);
        let leaving = leaving.filter(|_| leaves || service.instances.is_empty());
        self.these(service.instances.iter().chain(leaving))
    }

    fn service(&self, name: &ServiceName) -> Result<&DesiredService, String> {
        self.desired.services.get(name).ok_or_else(|| format!("service {name} is not declared"))
    }

    fn setting<'a>(&'a self, service: &ServiceName, name: &Name) -> Result<(&'a Setting, Scope<'a>), String> {
        let service = self.service(service)?;
        let module = &service.module;
        let setting = module.settings.get(name);
        let setting = setting.ok_or_else(|| format!("module {} has no setting `{name}`", module.name.value))?;
        Ok((setting, self.scope(self.members(service, false), None)))
    }

    async fn gate(scope: &Scope<'_>, gate: &Gate) -> Verdict {
        let judged = futures::future::join_all(gate.probes.iter().map(|probe| scope.judge(probe))).await;
        judge::all(judged.into_iter().map(|judged| judged.verdict).collect())
    }

    /// Whether it serves as it is declared.
    async fn ready(&self, id: &InstanceId) -> Result<Verdict, String> {
        let (instance, scope) = self.about(id)?;
        Self::ready_in(instance, &scope).await
    }

    /// Whether it serves as it is: at the version that it runs, with whatever plugins that has.
    async fn serves(&self, id: &InstanceId, version: Option<&Version>) -> Result<Verdict, String> {
        let (instance, mut scope) = self.about(id)?;
        if let Some(version) = version {
            scope.names.insert("version".to_owned(), version.as_str().into());
        }
        scope.names.insert("plugins".to_owned(), Value::Array(Vec::new()));
        scope.names.insert("as_declared".to_owned(), false.into());
        Self::ready_in(instance, &scope).await
    }

    async fn ready_in(instance: &DesiredInstance, scope: &Scope<'_>) -> Result<Verdict, String> {
        let id = &instance.id;
        Ok(match &instance.module.ready {
            Some(gate) => Self::gate(scope, gate).await,
            None => judge::holds(&format!("{id}: the module has no `ready` gate")),
        })
    }

    async fn service_gate(
        &self,
        service: &ServiceName,
        kind: GateKind,
        members: &[InstanceId],
    ) -> Result<Verdict, String> {
        let module = &self.service(service)?.module;
        let gate = match kind {
            GateKind::Healthy => &module.healthy,
            GateKind::Converged => &module.converged,
        };
        let scope = Scope { counted: true, ..self.scope(self.these(members), None) };
        match (gate, kind) {
            (Some(gate), _) => Ok(Self::gate(&scope, gate).await),
            (None, GateKind::Converged) => Ok(judge::holds("the module has no `converged` gate")),
            // What a service as a whole needs is then that each of its instances serves.
            (None, GateKind::Healthy) => {
                let ready = futures::future::join_all(members.iter().map(|id| self.ready(id))).await;
                Ok(judge::each(&ready.into_iter().collect::<Result<Vec<_>, _>>()?))
            }
        }
    }

    async fn safe(&self, id: &InstanceId, rule: &Name) -> Result<Verdict, String> {
        let (instance, mut scope) = self.about(id)?;
        scope.cautious = true;
        // Of what leaves it is asked whether what it keeps can be moved.
        let drain = instance.module.drain.iter().flat_map(|drain| &drain.rules);
        let mut rules = instance.module.safe_to_stop.iter().chain(drain);
        let found = rules.find(|candidate| candidate.name == *rule);
        let found = found.ok_or_else(|| format!("module {} has no rule `{rule}`", instance.module.name.value))?;
        Ok(scope.judge(&found.probe).await.verdict)
    }

    async fn before(
        &self,
        service: &ServiceName,
        (phase, rule): (&Name, &Name),
        members: &[InstanceId],
    ) -> Result<Verdict, String> {
        let module = &self.service(service)?.module;
        let found = module.phases.as_ref().and_then(|phases| phases.rule(phase, rule));
        let found = found.ok_or_else(|| format!("module {} has no rule `{rule}`", module.name.value))?;
        let scope = self.scope(self.these(members), None);
        let scope = Scope { counted: true, cautious: true, ..scope };
        Ok(scope.judge(&found.probe).await.verdict)
    }

    async fn goes_last(&self, id: &InstanceId) -> Result<Verdict, String> {
        let (instance, scope) = self.about(id)?;
        match &instance.module.rolling.last {
            Some(last) => Ok(scope.judge(last).await.verdict),
            None => Ok(judge::failed("the module has no `last`")),
        }
    }
}

#[async_trait]
impl Services for Prober {
    async fn ask(&self, question: &Question) -> Verdict {
        let verdict = match question {
            Question::Ready(id) => self.ready(id).await,
            Question::Serves { instance, version } => self.serves(instance, version.as_ref()).await,
            Question::Service { service, gate, members } => self.service_gate(service, *gate, members).await,
            Question::Safe { instance, rule } => self.safe(instance, rule).await,
            Question::Before { service, phase, rule, members } => self.before(service, (phase, rule), members).await,
            Question::GoesLast(id) => self.goes_last(id).await,
        };
        verdict.unwrap_or_else(|why| judge::failed(&why))
    }

    fn switched(&self, instance: &InstanceId, declared: bool) {
        let mut switched = self.switched.lock().unwrap_or_else(PoisonError::into_inner);
        if declared {
            switched.insert(instance.clone());
        } else {
            switched.remove(instance);
        }
    }

    async fn read_setting(&self, service: &ServiceName, setting: &Name) -> Result<Value, String> {
        let (setting, scope) = self.setting(service, setting)?;
        read(setting, &scope).await
    }

    async fn write_setting(&self, service: &ServiceName, setting: &Name, value: &Value) -> Result<(), String> {
        let (setting, scope) = self.setting(service, setting)?;
        write(setting, scope, value).await
    }

    async fn read_own_setting(&self, instance: &InstanceId, setting: &Name) -> Result<Value, String> {
        let (declared, scope) = self.about(instance)?;
        read(known(declared, setting)?, &scope).await
    }

    async fn write_own_setting(&self, instance: &InstanceId, setting: &Name, value: &Value) -> Result<(), String> {
        let (declared, scope) = self.about(instance)?;
        write(known(declared, setting)?, scope, value).await
    }

    async fn call(&self, instance: &InstanceId, when: HookTime, index: usize) -> Result<(), String> {
        let (declared, scope) = self.about(instance)?;
        let hooks = match when {
            HookTime::BeforeStop => &declared.module.rolling.before_stop,
            HookTime::AfterReady => &declared.module.rolling.after_ready,
        };
        // How often, and what a failure means, is the caller's: it tells people about each try.
        match hooks.get(index) {
            Some(Hook::Call { probe, .. }) => held(scope.judge(probe).await.verdict),
            _ => Err(format!("hook {index} of module {} is not a call", declared.module.name.value)),
        }
    }

    async fn left(&self, instance: &InstanceId) -> Result<Vec<Value>, String> {
        let (one, mut scope) = self.about(instance)?;
        scope.cautious = true;
        let drain = one.module.drain.as_ref().ok_or_else(|| format!("the module of {instance} knows no drain"))?;
        match ask(&drain.left, &scope).await? {
            Value::Array(left) => Ok(left),
            other => Err(format!("what is left on {instance} is {}, and no list", printable(&other.to_string(), 100))),
        }
    }

    async fn stuck(&self, instance: &InstanceId, left: &[Value]) -> Option<String> {
        let (one, mut scope) = self.about(instance).ok()?;
        let probe = one.module.drain.as_ref()?.stuck.as_ref()?;
        scope.names.insert("left".to_owned(), left.into());
        let judged = scope.judge(probe).await;
        let says = judged.context.zip(probe.says.as_ref()).and_then(|(context, says)| context.render(&says.0).ok());
        says.map(|says| printable(says.trim(), ERROR)).filter(|says| !says.is_empty())
    }

    async fn status(&self, service: &ServiceName) -> Vec<String> {
        let Ok(service) = self.service(service) else { return Vec::new() };
        let scope = self.scope(self.these(&service.instances), None);
        let lines = service.module.status.iter().map(|line| status_line(&scope, line));
        futures::future::join_all(lines).await
    }
}

fn known<'a>(instance: &'a DesiredInstance, setting: &Name) -> Result<&'a Setting, String> {
    let module = &instance.module;
    module.settings.get(setting).ok_or_else(|| format!("module {} has no setting `{setting}`", module.name.value))
}

async fn read(setting: &Setting, scope: &Scope<'_>) -> Result<Value, String> {
    ask(&setting.read, scope).await
}

async fn ask(what: &Ask, scope: &Scope<'_>) -> Result<Value, String> {
    let judged = scope.judge(&what.probe).await;
    let context = judged.context.filter(|_| judged.verdict.holds).ok_or_else(|| judged.verdict.says.clone())?;
    let value = context.eval(&what.value.0);
    value.map_err(|error| printable(&format!("{}; no value can be read from that: {error}", judged.said), ERROR))
}

async fn write(setting: &Setting, mut scope: Scope<'_>, value: &Value) -> Result<(), String> {
    scope.names.insert("value".to_owned(), value.clone());
    held(scope.judge(&setting.write).await.verdict)
}

fn held(verdict: Verdict) -> Result<(), String> {
    if verdict.holds { Ok(()) } else { Err(verdict.says) }
}

async fn status_line(scope: &Scope<'_>, line: &StatusLine) -> String {
    let judged = scope.judge(&line.probe).await;
    // A line over all members is about those that answered.
    let shown = judged.verdict.holds || line.probe.on == ProbeOn::All;
    let shown = match judged.context.filter(|_| shown) {
        Some(context) => context.render(&line.show.0).map_err(|error| format!("{}; {error}", judged.said)),
        None => Err(judged.verdict.says),
    };
    printable(shown.unwrap_or_else(|why| why).trim(), STATUS_LINE)
}
