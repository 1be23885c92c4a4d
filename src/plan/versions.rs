//! What a plan may not do with versions: pairs that do not go together, and ways from one version to another that the
//! software has not.

use super::facts::{self, Facts};
use super::rounds;
use super::safety::Safety;
use super::{PlanInput, Refusal};
use crate::model::{InstanceId, ModuleName};
use std::collections::{BTreeMap, BTreeSet};

/// All rules about versions.
pub(super) fn judge(input: &PlanInput<'_>, all: &BTreeMap<InstanceId, Facts<'_>>, safety: &mut Safety) {
    conflicts(input, all, safety);
    downgrades(input, all, safety);
}

/// Whether an instance is asked for.
fn asked(input: &PlanInput<'_>, facts: &Facts<'_>) -> bool {
    input.options.selects(facts.id(), &facts.wanted.service)
}

/// Declared versions that do not go together, as far as the plan is about one of them.
fn conflicts(input: &PlanInput<'_>, all: &BTreeMap<InstanceId, Facts<'_>>, safety: &mut Safety) {
    let about: BTreeSet<&ModuleName> =
        all.values().filter(|facts| asked(input, facts)).map(|facts| &facts.wanted.module.name.value).collect();
    for conflict in &input.desired.declared.conflicts {
        if input.options.only.is_empty() || conflict.between.iter().any(|module| about.contains(module)) {
            let help = conflict.diag.help.as_deref().unwrap_or("declare versions that go together");
            let message = conflict.diag.message.clone();
            safety.refuse_at(conflict.name.as_str(), message, help, conflict.diag.place().as_ref());
        }
    }
}

fn downgrades(input: &PlanInput<'_>, all: &BTreeMap<InstanceId, Facts<'_>>, safety: &mut Safety) {
    for facts in all.values().filter(|facts| asked(input, facts)) {
        let Some((from, to)) = facts.upgrade.as_ref().filter(|(from, to)| to < from) else { continue };
        // A change that has not come to a phase without a way back may be taken back.
        let phases = facts.wanted.module.phases.as_ref();
        let began = phases.and_then(|phases| rounds::mark(facts.found, phases)).map(|(_, began)| began);
        if began.is_none_or(|began| *to < began) && facts::crosses(facts.wanted, to, from) {
            let message = format!("{} would go from {from} back to {to}, and there is no way back", facts.id());
            let help = "declare the version that it runs; data of the newer version can only be restored from a backup";
            let place = input.desired.declared.places.get(&facts.id().role);
            safety.refuse_at(Refusal::DOWNGRADE, message, help, place);
        }
    }
}
