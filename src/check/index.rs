//! Where a plan says what: made in one pass, so that no rule goes through all steps for each step.

use crate::model::{Digest, HostName, InstanceId, RoleId, ServiceName};
use crate::plan::{Action, GateKind, Plan, Roll, Step, StepKind, Wave};
use std::collections::{BTreeMap, BTreeSet};

/// Numbers of steps by what is in them, each list in the order of the plan.
#[derive(Default)]
pub(super) struct Index<'a> {
    /// Steps that write a generation of an instance.
    pub(super) renders: BTreeMap<&'a InstanceId, Vec<(usize, Digest)>>,
    /// Steps that start an instance.
    pub(super) starts: BTreeMap<&'a InstanceId, Vec<usize>>,
    /// Generations that an instance is switched to.
    pub(super) switches: BTreeMap<&'a InstanceId, Vec<Digest>>,
    /// Steps that do something to instances of a service.
    pub(super) by_service: BTreeMap<&'a ServiceName, Vec<usize>>,
    /// Steps that do something to instances of a host.
    pub(super) by_host: BTreeMap<&'a HostName, Vec<usize>>,
    /// Steps of canaries, by role.
    pub(super) canaries: BTreeMap<&'a RoleId, Vec<usize>>,
    /// Steps of canaries, by service.
    pub(super) canaries_of_service: BTreeMap<&'a ServiceName, Vec<usize>>,
    /// Steps that wait until a service is healthy, and the instances that they wait for.
    pub(super) gates: BTreeMap<&'a ServiceName, Vec<(usize, BTreeSet<&'a InstanceId>)>>,
    /// Steps that stop something.
    pub(super) stops: Vec<usize>,
    /// Steps that stop an instance to stay down.
    pub(super) stays_down: BTreeMap<&'a InstanceId, Vec<usize>>,
    /// Steps that stage.
    pub(super) staging: Vec<usize>,
}

impl<'a> Index<'a> {
    pub(super) fn of(plan: &'a Plan) -> Self {
        let mut index = Self::default();
        for (number, step) in plan.steps.iter().enumerate() {
            index.take(number, step);
        }
        index
    }

    fn take(&mut self, number: usize, step: &'a Step) {
        if stages(step) {
            self.staging.push(number);
        }
        match &step.kind {
            StepKind::Render { instance, generation } => {
                self.renders.entry(instance).or_default().push((number, *generation));
            }
            StepKind::Gate { service, gate: GateKind::Healthy, members, .. } => {
                self.gates.entry(service).or_default().push((number, members.iter().collect()));
            }
            _ => {}
        }
        // The record of a hold is nothing that an end has to come after.
        let records =
            |roll: &Roll| roll.actions.iter().all(|action| matches!(action, Action::Release | Action::Hold { .. }));
        for roll in super::rolls(step).iter().filter(|roll| !records(roll)) {
            once(self.by_service.entry(&roll.service).or_default(), number);
            once(self.by_host.entry(&roll.instance.host).or_default(), number);
            if step.wave == Some(Wave::Canary) {
                once(self.canaries.entry(&roll.instance.role).or_default(), number);
                once(self.canaries_of_service.entry(&roll.service).or_default(), number);
            }
            for action in &roll.actions {
                match action {
                    Action::Start { .. } => once(self.starts.entry(&roll.instance).or_default(), number),
                    Action::Switch { to, .. } => self.switches.entry(&roll.instance).or_default().push(*to),
                    Action::Stop { .. } | Action::StopUnsupervised { .. } => {
                        once(&mut self.stops, number);
                        if step.wave == Some(Wave::Stop) {
                            once(self.stays_down.entry(&roll.instance).or_default(), number);
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Adds a number that is not smaller than those before it, once.
fn once(list: &mut Vec<usize>, number: usize) {
    if list.last() != Some(&number) {
        list.push(number);
    }
}

/// Whether a step stages: it writes, and disturbs nothing.
fn stages(step: &Step) -> bool {
    match step.kind {
        StepKind::Prepare { .. }
        | StepKind::Fetch { .. }
        | StepKind::Assemble { .. }
        | StepKind::Render { .. }
        | StepKind::Supervise { .. }
        | StepKind::Install { .. }
        | StepKind::Provide { .. } => true,
        StepKind::Barrier
        | StepKind::Retire { .. }
        | StepKind::Undo { .. }
        | StepKind::Repair { .. }
        | StepKind::Roll(_)
        | StepKind::PickNext { .. }
        | StepKind::Gate { .. }
        | StepKind::Before { .. }
        | StepKind::Purge { .. }
        | StepKind::Collect { .. } => false,
    }
}
