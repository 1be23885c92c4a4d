//! A setting that is a majority: as many of those that vote have to agree. At no moment may it be half of those that are there,
//! or two halves could each agree without the other; nor more than are there, or nobody could agree at all.
//!
//! Two peers: ECK counts the masters that still exist and never lowers the number early; the vendor's own guide has it raised before
//! masters join and lowered when they have left. Both ask for one that is set for all members at once, since files are exchanged
//! one after the other.

use super::sequence::Draft;
use super::{PlanInput, Reason, StepKind, leaving};
use crate::desired::{DesiredInstance, DesiredService};
use crate::model::{InstanceId, Name};
use serde_json::json;
use std::collections::BTreeSet;

/// Whether a setting is kept in step here.
pub(super) fn is(of: &DesiredService, setting: &Name) -> bool {
    of.module.settled.iter().any(|rule| rule.majority && rule.setting == *setting)
}

const fn majority(voters: u64) -> u64 {
    voters / 2 + 1
}

fn count<'a>(ones: impl Iterator<Item = &'a DesiredInstance>) -> u64 {
    u64::try_from(ones.filter(|one| one.votes).count()).unwrap_or(u64::MAX)
}

/// Voters among these.
fn voters(input: &PlanInput<'_>, ids: &BTreeSet<InstanceId>) -> u64 {
    count(ids.iter().filter_map(|id| input.desired.instance(id)))
}

/// All that vote: those that are declared, and those that leave and are there.
fn whole(input: &PlanInput<'_>, of: &DesiredService) -> u64 {
    let declared = of.instances.iter().filter_map(|id| input.desired.instances.get(id));
    count(declared) + voters(input, &leaving::up(input, &of.name))
}

/// What it may be while these are up.
fn fits(input: &PlanInput<'_>, of: &DesiredService, up: &BTreeSet<InstanceId>) -> u64 {
    majority(whole(input, of)).min(voters(input, up)).max(1)
}

/// The settings that matter at the declared versions, as they are.
fn settings<'a>(input: &PlanInput<'_>, of: &'a DesiredService) -> Vec<(&'a Name, i64)> {
    let observed = input.inventory.services.get(&of.name);
    let member = of.instances.iter().find_map(|id| input.desired.instances.get(id));
    let rules = of.module.settled.iter().filter(|rule| {
        // A version that does not mind any number is content with none.
        let any = member.map(|one| one.context.with(&json!({ "value": 0 })).eval_bool(&rule.expect.0).unwrap_or(true));
        rule.majority && any == Some(false)
    });
    let value = |setting: &Name| observed?.settings.get(setting)?.as_ref().ok()?.as_i64();
    rules.filter_map(|rule| Some((&rule.setting, value(&rule.setting)?))).collect()
}

fn set(of: &DesiredService, (word, setting): (&str, &Name), value: u64, reason: Reason) -> Draft {
    let (service, setting) = (of.name.clone(), setting.clone());
    let id = format!("{word} {setting} of {service}");
    Draft::new(id, StepKind::Repair { service, instance: None, setting, value: value.into() }, vec![reason])
}

/// Before anything is rolled: as high as it can be for those that join. Where some leave it is set to what it is, too: until they
/// have left, files of members are exchanged and must not bring it earlier.
pub(super) fn early(input: &PlanInput<'_>, of: &DesiredService, up: &BTreeSet<InstanceId>) -> Vec<Draft> {
    let fits = fits(input, of, up);
    let draft = |(setting, is): (&Name, i64)| {
        if u64::try_from(is).ok() != Some(fits) {
            return Some(set(of, ("repair", setting), fits, Reason::NotSettled));
        }
        leaving::voters_leave(input, of).then(|| set(of, ("keep", setting), fits, Reason::UntilLeft))
    };
    settings(input, of).into_iter().filter_map(draft).collect()
}

/// When those that join are up: more than were there before could not agree.
pub(super) fn joined(
    input: &PlanInput<'_>,
    of: &DesiredService,
    (before, up): (&BTreeSet<InstanceId>, &BTreeSet<InstanceId>),
) -> Vec<Draft> {
    let fits = |up| fits(input, of, up);
    if before.is_empty() || fits(up) <= fits(before) {
        return Vec::new();
    }
    let raised =
        settings(input, of).into_iter().map(|(setting, _)| set(of, ("raise", setting), fits(up), Reason::Follows));
    raised.collect()
}

/// What is set while one after the other leaves.
pub(super) struct Lowered {
    is: u64,
    whole: u64,
}

impl Lowered {
    pub(super) fn new(input: &PlanInput<'_>, of: &DesiredService, up: &BTreeSet<InstanceId>) -> Self {
        Self { is: fits(input, of, up), whole: whole(input, of) }
    }

    /// One leaves, these stay. What is set before it goes, when it could not be set by those that stay, and what after.
    pub(super) fn without(
        &mut self,
        input: &PlanInput<'_>,
        of: &DesiredService,
        (leaver, up): (&DesiredInstance, &BTreeSet<InstanceId>),
    ) -> (Vec<Draft>, Vec<Draft>) {
        if !leaver.votes {
            return (Vec::new(), Vec::new());
        }
        self.whole = self.whole.saturating_sub(1);
        let (was, stay) = (self.is, voters(input, up));
        self.is = majority(self.whole).min(was);
        if self.is == was || stay == 0 {
            return (Vec::new(), Vec::new());
        }
        let word = format!("when {} leaves lower", leaver.id);
        let drafts = settings(input, of).into_iter();
        let drafts = drafts.map(|(setting, _)| set(of, (&word, setting), self.is, Reason::Follows)).collect();
        if stay < was { (drafts, Vec::new()) } else { (Vec::new(), drafts) }
    }
}
