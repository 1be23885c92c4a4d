//! One step of a plan, turned into operations on hosts and questions to services.

use super::Bundle;
use super::events::{Happening, Subject};
use super::gate::Wait;
use super::mutation::Mutation;
use super::pick::Pick;
use super::roll::Halt;
use super::run::Run;
use super::trouble::{Cause, Trouble};
use crate::desired::{DesiredInstance, Software};
use crate::host::{Op, Question};
use crate::model::{HostName, InstanceId, Name, ServiceName};
use crate::plan::{GateKind, Roll, Step, StepKind};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

impl Run<'_> {
    /// Does one step.
    pub(crate) async fn step(&self, step: &Step) -> Result<(), Halt> {
        let subject = subject(step);
        let began = tokio::time::Instant::now();
        if let Some(subject) = &subject {
            self.tell(Happening::StepBegan { step: step.id.clone(), subject: subject.clone() }).await;
        }
        match &step.kind {
            StepKind::Roll(roll) => self.roll(step, roll).await?,
            StepKind::PickNext { candidates, rule, budget, take, except } => {
                let pick = Pick { candidates, rule: *rule, budget: *budget, take: *take, except: except.as_ref() };
                self.pick_next(step, &pick).await?;
            }
            _ => {
                let Some(subject) = &subject else { return Ok(()) };
                if let Err(trouble) = self.plain(step, subject).await {
                    return Err(self.halt(step, subject, None, None, trouble).await);
                }
            }
        }
        if let Some(subject) = subject {
            self.tell(Happening::StepEnded { step: step.id.clone(), subject, took: began.elapsed() }).await;
        }
        Ok(())
    }

    /// Does a step that is one action.
    async fn plain(&self, step: &Step, subject: &Subject) -> Result<(), Trouble> {
        let at = self.journal_host(step)?;
        match &step.kind {
            StepKind::Prepare { host, debris } => {
                let instances = self.instances_on(host);
                let op = Op::Prepare { host: self.desired_host(host)?, instances, debris: debris.clone() };
                self.on_host(step, subject, host, "prepare", &op).await
            }
            StepKind::Fetch { host, folder } => {
                let op = Op::Fetch { host: self.desired_host(host)?, software: self.software(host, folder)? };
                self.on_host(step, subject, host, "fetch", &op).await
            }
            StepKind::Assemble { host, folder } => {
                let op = Op::Assemble { host: self.desired_host(host)?, software: self.software(host, folder)? };
                self.on_host(step, subject, host, "assemble", &op).await
            }
            StepKind::Render { instance, generation } => {
                let instance = self.instance_of(step, instance)?;
                if instance.content_generation != *generation {
                    return Err(Trouble::new(Cause::Plan, "the plan was made from another file"));
                }
                let host = &instance.id.host;
                let op = Op::Render { host: self.desired_host(host)?, instance: Arc::clone(&instance) };
                self.on_host(step, subject, host, "render", &op).await
            }
            StepKind::Supervise { host } => {
                let op = Op::Supervise { host: self.desired_host(host)? };
                self.on_host(step, subject, host, "supervise", &op).await
            }
            StepKind::Provide { host, keep, set } => {
                let op = Op::Provide { host: self.desired_host(host)?, keep: keep.clone(), set: set.clone() };
                self.on_host(step, subject, host, "provide", &op).await
            }
            StepKind::Install { host, packages } => {
                let op = Op::Install { host: self.desired_host(host)?, packages: packages.clone() };
                self.on_host(step, subject, host, "install", &op).await
            }
            StepKind::Retire { host } => {
                let op = Op::Retire { host: self.desired_host(host)? };
                self.on_host(step, subject, host, "retire", &op).await
            }
            StepKind::Collect { host } => {
                let desired = self.desired_host(host)?;
                let keep = desired.software.keys().cloned().collect();
                self.on_host(step, subject, host, "collect", &Op::Collect { host: desired, keep }).await
            }
            StepKind::Purge { host, role } => {
                let op = Op::Purge { host: self.desired_host(host)?, role: role.clone() };
                self.on_host(step, subject, host, "purge", &op).await
            }
            StepKind::Undo { host, record, service, setting } => {
                self.look(host).await?;
                let work = self.undo_left(&step.id, host, record, service, setting);
                self.recorded(host, &step.id, subject, "undo", work).await
            }
            StepKind::Repair { service, instance, setting, value } => {
                let work = self.set_setting(&step.id, service, instance.as_ref(), setting, value);
                self.recorded(&at, &step.id, subject, "repair", work).await
            }
            StepKind::Gate { service, gate, members, within } => {
                let work = self.gate(step, service, *gate, members, *within);
                self.recorded(&at, &step.id, subject, gate_name(*gate), work).await
            }
            StepKind::Before { service, rules, members, within } => {
                let work = self.before(step, service, (rules, members), *within);
                self.recorded(&at, &step.id, subject, "before", work).await
            }
            StepKind::Roll(_) | StepKind::PickNext { .. } | StepKind::Barrier => Ok(()),
        }
    }

    /// What must hold of a service before a phase of a change. What can't be told does not hold.
    async fn before(
        &self,
        step: &Step,
        service: &ServiceName,
        (rules, members): (&[Name], &[InstanceId]),
        within: Duration,
    ) -> Result<(), Trouble> {
        if self.mutated(Mutation::BeforeIgnored) {
            return Ok(());
        }
        let phase = step.phase.as_ref().ok_or_else(|| Trouble::new(Cause::Plan, "it is not said which phase it is"))?;
        for rule in rules {
            let wait = Wait {
                step: &step.id,
                subject: Subject::Service(service.clone()),
                what: rule.as_str(),
                within,
                twice: false,
                process: None,
                ends_when_halting: true,
            };
            let (service, phase, rule) = (service.clone(), phase.clone(), rule.clone());
            let question = Question::Before { service, phase, rule, members: members.to_vec() };
            self.wait(&wait, &question).await.map_err(|trouble| match trouble.cause {
                Cause::Gate => Trouble { cause: Cause::Unsafe, ..trouble },
                _ => trouble,
            })?;
        }
        Ok(())
    }

    /// One operation on a host, which is looked at first.
    async fn on_host(
        &self,
        step: &Step,
        subject: &Subject,
        host: &HostName,
        action: &str,
        op: &Op,
    ) -> Result<(), Trouble> {
        self.look(host).await?;
        self.recorded(host, &step.id, subject, action, self.operate(op)).await
    }

    async fn gate(
        &self,
        step: &Step,
        service: &ServiceName,
        gate: GateKind,
        members: &[InstanceId],
        within: Duration,
    ) -> Result<(), Trouble> {
        let wait = Wait {
            step: &step.id,
            subject: Subject::Service(service.clone()),
            what: gate_name(gate),
            within,
            twice: self.wants_twice(service, gate),
            process: None,
            ends_when_halting: false,
        };
        let question = Question::Service { service: service.clone(), gate, members: members.to_vec() };
        self.wait(&wait, &question).await
    }

    fn software(&self, host: &HostName, folder: &str) -> Result<Arc<Software>, Trouble> {
        let found = self.desired.hosts.get(host).and_then(|host| host.software.get(folder)).cloned();
        found.ok_or_else(|| Trouble::new(Cause::Plan, format!("{folder} is not wanted on {host}")))
    }

    /// The host whose journal a step goes into: its own, or the first one of its service.
    fn journal_host(&self, step: &Step) -> Result<HostName, Trouble> {
        let nowhere = || Trouble::new(Cause::Plan, format!("{} concerns no host", step.id.0));
        self.hosts_of(step).into_iter().next().ok_or_else(nowhere)
    }

    /// The hosts that a step concerns: those it works on; for a whole service, those of its instances.
    pub(crate) fn hosts_of(&self, step: &Step) -> BTreeSet<HostName> {
        self.concerned(step, &mut BTreeSet::new())
    }

    /// The hosts that any step concerns. Thousands of steps share a list of members, which is gone through once.
    pub(crate) fn hosts_of_plan(&self) -> BTreeSet<HostName> {
        let mut lists = BTreeSet::new();
        self.plan.steps.iter().flat_map(|step| self.concerned(step, &mut lists)).collect()
    }

    /// The same for one step, without the members of the lists in `seen`: where a list is in memory.
    fn concerned(&self, step: &Step, seen: &mut BTreeSet<(usize, usize)>) -> BTreeSet<HostName> {
        let mut of_roll = |roll: &Roll| {
            let new = seen.insert((roll.members.as_ptr().addr(), roll.members.len()));
            let members = if new { &roll.members[..] } else { &[] };
            members.iter().chain([&roll.instance]).map(|member| member.host.clone()).collect::<Vec<_>>()
        };
        let wanted: BTreeSet<HostName> = match &step.kind {
            StepKind::Prepare { host, .. }
            | StepKind::Fetch { host, .. }
            | StepKind::Assemble { host, .. }
            | StepKind::Supervise { host }
            | StepKind::Install { host, .. }
            | StepKind::Provide { host, .. }
            | StepKind::Retire { host }
            | StepKind::Undo { host, .. }
            | StepKind::Purge { host, .. }
            | StepKind::Collect { host } => [host.clone()].into(),
            StepKind::Render { instance, .. } => [instance.host.clone()].into(),
            StepKind::Barrier => BTreeSet::new(),
            StepKind::Roll(roll) => of_roll(roll).into_iter().collect(),
            StepKind::PickNext { candidates, .. } => candidates.iter().flat_map(of_roll).collect(),
            StepKind::Repair { service, .. } | StepKind::Gate { service, .. } | StepKind::Before { service, .. } => {
                let members = self.desired.services.get(service).into_iter().flat_map(|service| &service.instances);
                let leaving = self.desired.leaving_of(service).map(|one| &one.id);
                members.chain(leaving).map(|member| member.host.clone()).collect()
            }
        };
        // A host that could not be observed takes no part.
        wanted.into_iter().filter(|host| self.observed(host).is_some()).collect()
    }

    /// Collects what is known about a failure.
    pub(crate) async fn failure(
        &self,
        step: &Step,
        subject: &Subject,
        action: Option<&str>,
        instance: Option<&DesiredInstance>,
        trouble: &Trouble,
    ) -> Bundle {
        self.state().halting = true;
        let bundle = self.bundle(&step.id, subject, action, instance, trouble).await;
        self.tell(Happening::Failed { step: step.id.clone(), bundle: Box::new(bundle.clone()) }).await;
        bundle
    }

    /// What a failure means for the run, where nothing has to be rolled back.
    pub(crate) async fn halt(
        &self,
        step: &Step,
        subject: &Subject,
        action: Option<&str>,
        instance: Option<&DesiredInstance>,
        trouble: Trouble,
    ) -> Halt {
        match trouble.cause {
            Cause::Halted => Halt::Halted,
            Cause::Stale(_) => {
                self.state().halting = true;
                Halt::Stale(trouble.why)
            }
            _ => Halt::Failed(Box::new(self.failure(step, subject, action, instance, &trouble).await)),
        }
    }
}

/// What a step is about, when it is one thing.
fn subject(step: &Step) -> Option<Subject> {
    match &step.kind {
        StepKind::Prepare { host, .. }
        | StepKind::Fetch { host, .. }
        | StepKind::Assemble { host, .. }
        | StepKind::Supervise { host }
        | StepKind::Install { host, .. }
        | StepKind::Provide { host, .. }
        | StepKind::Retire { host }
        | StepKind::Undo { host, .. }
        | StepKind::Purge { host, .. }
        | StepKind::Collect { host } => Some(Subject::Host(host.clone())),
        StepKind::Barrier => None,
        StepKind::Render { instance, .. } => Some(Subject::Instance(instance.clone())),
        StepKind::Roll(roll) => Some(Subject::Instance(roll.instance.clone())),
        StepKind::PickNext { candidates, .. } => candidates.first().map(|roll| Subject::Service(roll.service.clone())),
        StepKind::Repair { service, .. } | StepKind::Gate { service, .. } | StepKind::Before { service, .. } => {
            Some(Subject::Service(service.clone()))
        }
    }
}

const fn gate_name(gate: GateKind) -> &'static str {
    match gate {
        GateKind::Healthy => "healthy",
        GateKind::Converged => "converged",
    }
}
