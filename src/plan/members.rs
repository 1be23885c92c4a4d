//! Instances that are expected to be up at a gate. Thousands of steps of one wave expect the same: they hold one list
//! together, and the JSON of a plan has each list once, in `members`, and numbers in the steps.

use super::{Plan, Step, StepKind};
use crate::model::InstanceId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

/// Some instances, sorted; clones share the list.
#[derive(Debug, Clone, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(with = "u64", inline))]
pub struct Members {
    ids: Arc<[InstanceId]>,
    /// Which of [`Plan::members`] it is.
    number: usize,
}

impl Members {
    /// A list of instances.
    pub fn of(ids: impl IntoIterator<Item = InstanceId>) -> Self {
        Self { ids: ids.into_iter().collect(), number: 0 }
    }
}

impl Deref for Members {
    type Target = [InstanceId];

    fn deref(&self) -> &[InstanceId] {
        &self.ids
    }
}

impl PartialEq for Members {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ids, &other.ids) || self.ids == other.ids
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.number as u64)
    }
}

impl<'de> Deserialize<'de> for Members {
    /// The number alone; the plan that it is read with knows the list.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        usize::deserialize(deserializer).map(|number| Self { ids: Arc::default(), number })
    }
}

/// The lists of a step.
fn lists(step: &mut Step) -> Vec<&mut Members> {
    match &mut step.kind {
        StepKind::Roll(roll) => vec![&mut roll.members],
        StepKind::PickNext { candidates, .. } => candidates.iter_mut().map(|roll| &mut roll.members).collect(),
        StepKind::Gate { members, .. } | StepKind::Before { members, .. } => vec![members],
        StepKind::Prepare { .. }
        | StepKind::Fetch { .. }
        | StepKind::Assemble { .. }
        | StepKind::Render { .. }
        | StepKind::Supervise { .. }
        | StepKind::Install { .. }
        | StepKind::Provide { .. }
        | StepKind::Barrier
        | StepKind::Retire { .. }
        | StepKind::Undo { .. }
        | StepKind::Repair { .. }
        | StepKind::Purge { .. }
        | StepKind::Collect { .. } => Vec::new(),
    }
}

/// Numbers the lists of all steps in the order in which they come; each list once.
pub(super) fn number(steps: &mut [Step]) -> Vec<Arc<[InstanceId]>> {
    let mut by_place: BTreeMap<*const InstanceId, usize> = BTreeMap::new();
    let mut by_content: BTreeMap<Arc<[InstanceId]>, usize> = BTreeMap::new();
    let mut all: Vec<Arc<[InstanceId]>> = Vec::new();
    for members in steps.iter_mut().flat_map(lists) {
        // Most are clones of one another: those are known by where they are, without looking at what is in them.
        let known = by_place.get(&members.ids.as_ptr()).copied().filter(|at| all.get(*at) == Some(&members.ids));
        let number = known.unwrap_or_else(|| {
            let next = all.len();
            let number = *by_content.entry(Arc::clone(&members.ids)).or_insert(next);
            if number == next {
                all.push(Arc::clone(&members.ids));
            }
            by_place.insert(members.ids.as_ptr(), number);
            number
        });
        members.number = number;
        if let Some(first) = all.get(number) {
            members.ids = Arc::clone(first);
        }
    }
    all
}

/// Gives each list of a plan that was read its instances.
///
/// # Errors
/// The first number that no list has.
pub(super) fn resolve(plan: &mut Plan) -> Result<(), usize> {
    for members in plan.steps.iter_mut().flat_map(lists) {
        members.ids = plan.members.get(members.number).cloned().ok_or(members.number)?;
    }
    Ok(())
}
