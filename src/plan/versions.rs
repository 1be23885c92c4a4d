//! What a plan may not do with versions: pairs that do not go together, and ways from one version to another that the
//! software has not.

use super::facts::{self, Facts};
use super::rounds;
use super::safety::Safety;
use super::{PlanInput, Refusal};
use crate::desired::{DesiredInstance, Place};
use crate::inventory::InstanceObservation;
use crate::model::{InstanceId, ModuleName, Name, UpgradeStep, Version};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// All rules about versions.
pub(super) fn judge(input: &PlanInput<'_>, all: &BTreeMap<InstanceId, Facts<'_>>, safety: &mut Safety) {
    conflicts(input, all, safety);
    downgrades(input, all, safety);
    steps(input, all, safety);
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

/// Ways that the module says are none, with the instances that would go them.
fn steps(input: &PlanInput<'_>, all: &BTreeMap<InstanceId, Facts<'_>>, safety: &mut Safety) {
    let mut told: BTreeMap<(Name, String, String), Vec<&Facts<'_>>> = BTreeMap::new();
    for facts in all.values().filter(|facts| asked(input, facts)) {
        let Some((from, to)) = &facts.upgrade else { continue };
        let module = &facts.wanted.module;
        for step in &module.upgrade.steps {
            if let Some(says) = stands_against(facts.wanted, facts.found, step, (from, to)) {
                let help = help(module.name.as_str(), step, to);
                told.entry((module.rule(step.name.as_str()), says, help)).or_default().push(facts);
            }
        }
    }
    for ((name, says, help), facts) in told {
        let ids: Vec<String> = facts.iter().map(|facts| facts.id().to_string()).collect();
        let place = facts.first().and_then(|facts| input.desired.declared.places.get(&facts.id().role));
        safety.refuse_at(name.as_str(), format!("{}: {says}", ids.join(", ")), &help, place);
    }
}

/// What a step says, when it stands against a way; what can't be told stands against it.
pub(super) fn stands_against(
    wanted: &DesiredInstance,
    found: Option<&InstanceObservation>,
    step: &UpgradeStep,
    (from, to): (&Version, &Version),
) -> Option<String> {
    let seen = |name: &Name| found.is_some_and(|found| found.found.contains(name));
    let finds = wanted.module.upgrade.finds.iter();
    let finds: Map<String, Value> =
        finds.map(|find| (find.name.as_str().replace(['-', '.'], "_"), Value::Bool(seen(&find.name)))).collect();
    let names = json!({ "from": from.as_str(), "to": to.as_str(), "found": finds, "was": was(wanted, found) });
    let context = wanted.context.with(&names);
    match context.eval_bool(&step.when.0) {
        Ok(false) => None,
        Ok(true) => {
            let plain = |_| format!("there is no way from {from} to {to}");
            Some(context.render(&step.says.0).unwrap_or_else(plain))
        }
        Err(error) => Some(format!("whether it can go from {from} to {to} can't be told: {error}")),
    }
}

/// The texts of the files of the current generation, by path, as far as they may be shown.
fn was(wanted: &DesiredInstance, found: Option<&InstanceObservation>) -> Map<String, Value> {
    let Some(found) = found else { return Map::new() };
    let same = |path: &str| {
        let is = |place: &Place| matches!(place, Place::Generation(own) if own == path);
        wanted.files.iter().find(|file| is(&file.place) && !file.secret)
    };
    let text = |(path, file): (&String, &crate::inventory::FileObservation)| {
        let declared = || same(path).filter(|own| own.sha256 == file.sha256).map(|own| own.content.to_string());
        Some((path.clone(), Value::String(file.content.clone().or_else(declared)?)))
    };
    found.files.iter().filter_map(text).collect()
}

fn help(module: &str, step: &UpgradeStep, to: &Version) -> String {
    match (&step.help, &step.through) {
        (Some(help), _) => help.clone(),
        (None, Some(through)) => {
            format!("declare `{module}` {through} (its newest release), apply that, and then go on to {to}")
        }
        (None, None) => "declare the version that it runs, or one that there is a way to".to_owned(),
    }
}
