//! What a plan says of a case: without a waiver, with one, and of what stands nearest to it.

use super::cases::{Case, Says};
use crate::modules::{Golden, desired as expanded};
use crate::scenarios::converged;
use es_cluster::check::check;
use es_cluster::desired::Desired;
use es_cluster::inventory::Inventory;
use es_cluster::model::Name;
use es_cluster::plan::{Outcome, Plan, PlanInput, PlanOptions, PlanReport, Refusal, StepKind, Warning, plan};
use es_cluster::render::{self, TextOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Why something is waived, in a word that no line is broken in.
pub(super) const WHY: &str = "ticket-4711";

/// What texts of `cluster.kdl` mean; many cases have the same one.
#[derive(Default)]
pub(super) struct Meanings {
    desired: BTreeMap<String, Desired>,
    refused: BTreeMap<String, BTreeSet<String>>,
}

impl Meanings {
    fn of(&mut self, text: &str) -> Desired {
        self.desired.entry(text.to_owned()).or_insert_with(|| expanded(&Golden(text), "golden.kdl")).clone()
    }

    /// By which names a plan is refused where everything is as it is declared.
    fn refused(&mut self, text: &str) -> &BTreeSet<String> {
        let desired = self.of(text);
        self.refused.entry(text.to_owned()).or_insert_with(|| {
            let (made, _) = planned(&desired, &converged(&desired), &PlanOptions::default());
            made.refusals.iter().map(|refusal| refusal.name.to_string()).collect()
        })
    }
}

fn planned(desired: &Desired, inventory: &Inventory, options: &PlanOptions) -> (Plan, PlanReport) {
    plan(&PlanInput { desired, inventory, options })
}

fn waiving(name: &str, options: PlanOptions) -> PlanOptions {
    PlanOptions { waivers: [(Name::new(name).expect("a name"), WHY.to_owned())].into(), ..options }
}

/// What a plan says of the rule, without a waiver and with one.
pub(super) fn told(case: &Case, meanings: &mut Meanings, broken: &mut Vec<String>) -> String {
    let mut desired = meanings.of(&case.declared);
    let mut inventory = converged(&meanings.of(case.had.as_ref().unwrap_or(&case.declared)));
    (case.change)(&mut desired, &mut inventory);
    let options = (case.options)(&desired);
    let (made, _) = planned(&desired, &inventory, &options);
    let (waived, report) = planned(&desired, &inventory, &waiving(&case.name, options));
    let mut wrong = |what: &str| broken.push(format!("{} ({}): {what}", case.rule, case.name));
    let mut told = match case.says {
        Says::No => refused(case, &made, &mut wrong),
        Says::Waits => waits(case, &made, &waived, &mut wrong),
        Says::Wish => wished(case, &made, &waived, &mut wrong),
        Says::Asked => asked(case, &made, &waived, &mut wrong),
    };
    if case.says != Says::Wish {
        taken_on(case, &waived, &report, &mut wrong);
    }
    if case.says == Says::No && waived.applyable() {
        let violations = check(&waived, &desired, &inventory);
        if !violations.is_empty() {
            wrong(&format!("what was taken on is a violation: {violations:?}"));
        }
    }
    if let Some((what, declared)) = &case.beside {
        if meanings.refused(declared).contains(&case.name) {
            wrong(&format!("{what} is refused as well"));
        }
        _ = writeln!(told, "    takes: {what}");
    }
    told
}

/// Whether a message is about this case: of a need, about the role that has it.
fn is_about(case: &Case, message: &str) -> bool {
    let by = case.by.as_ref().is_none_or(|(role, wants)| {
        let whom = message.split_once(", and ").and_then(|(_, rest)| rest.strip_suffix(wants.as_str()));
        let whom = whom.and_then(|rest| rest.strip_suffix(" wants "));
        whom.is_some_and(|whom| whom.split(", ").any(|one| one == role))
    });
    by && (case.of)(message)
}

/// Without the other roles that want the same: which those are, other modules say.
fn alone(case: &Case, message: &str) -> String {
    match (&case.by, message.split_once(", and ")) {
        (Some((role, wants)), Some((has, _))) => format!("{has}, and {role} wants {wants}"),
        _ => message.to_owned(),
    }
}

/// The warning of a plan that a case is about.
fn warned<'p>(case: &Case, made: &'p Plan, wrong: &mut impl FnMut(&str)) -> Option<&'p Warning> {
    let about = |warning: &&Warning| warning.name.as_str() == case.name && is_about(case, &warning.message);
    let found = made.warnings.iter().find(about);
    if found.is_none() {
        wrong(&format!("no such warning; there are {:?}", made.warnings));
    }
    found
}

fn refused(case: &Case, made: &Plan, wrong: &mut impl FnMut(&str)) -> String {
    let about = |refusal: &&Refusal| refusal.name.as_str() == case.name && is_about(case, &refusal.message);
    let Some(found) = made.standing_refusals().find(about) else {
        let all: Vec<String> = made.refusals.iter().map(|one| format!("{}: {}", one.name, one.message)).collect();
        wrong(&format!("no such refusal; there are {all:?}, warnings {:?}", made.warnings));
        return String::new();
    };
    let unobserved = found.name.as_str() == Refusal::UNOBSERVED;
    if made.outcome() != if unobserved { Outcome::Unobserved } else { Outcome::Refused } {
        wrong(&format!("the plan ends with {:?}", made.outcome()));
    }
    if found.help.is_empty() || found.help == found.message {
        wrong("no way out is told");
    }
    format!("refused: {}\n    way out: {}\n", alone(case, &found.told()), found.help)
}

/// What passes by itself: that is its way out, and with a waiver nobody waits for it.
fn waits(case: &Case, made: &Plan, waived: &Plan, wrong: &mut impl FnMut(&str)) -> String {
    let Some(found) = warned(case, made, wrong) else { return String::new() };
    if !found.message.contains(" waits until that has passed") {
        wrong("it does not say that it is waited for");
    }
    if !made.applyable() {
        wrong("what passes by itself refuses the plan");
    }
    format!("warning: {}\n    waived: {}\n", found.message, instead(case, waived))
}

/// What can be done without. It says what is wanted, which is its way out; it refuses nothing, and so there is nothing to waive.
fn wished(case: &Case, made: &Plan, waived: &Plan, wrong: &mut impl FnMut(&str)) -> String {
    let Some(found) = warned(case, made, wrong) else { return String::new() };
    if made.refusals.iter().chain(&waived.refusals).any(|refusal| refusal.name.as_str() == case.name) {
        wrong("a plan is refused for a wish");
    }
    let idle = |warning: &Warning| warning.name.as_str() == "waiver" && warning.message.contains(&case.name);
    if !waived.warnings.iter().any(idle) {
        wrong("the plan does not say that its waiver has no effect");
    }
    format!("warning: {}\n", alone(case, &found.message))
}

/// What only the service can tell: a step of the plan asks it, and with a waiver none does.
fn asked(case: &Case, made: &Plan, waived: &Plan, wrong: &mut impl FnMut(&str)) -> String {
    let asks = |plan: &Plan| {
        plan.steps.iter().any(|step| match &step.kind {
            StepKind::Before { rules, .. } => rules.iter().any(|rule| case.name.ends_with(&format!(".{rule}"))),
            _ => false,
        })
    };
    if !asks(made) || !made.applyable() {
        wrong("no step asks for it before the phase");
    }
    if asks(waived) {
        wrong("it is asked in spite of its waiver");
    }
    format!("asked before the phase; waived: {}\n", instead(case, waived))
}

/// What a plan says of a rule that is not asked for its waiver.
fn instead(case: &Case, waived: &Plan) -> String {
    let said = waived.refusals.iter().find(|refusal| refusal.name.as_str() == case.name);
    said.map(|refusal| format!("{}\n    way back: {}", refusal.message, refusal.help)).unwrap_or_default()
}

/// A waiver is kept with its reason in the plan, which the journal is written from, and shown.
fn taken_on(case: &Case, waived: &Plan, report: &PlanReport, wrong: &mut impl FnMut(&str)) {
    let of = |refusal: &&Refusal| refusal.name.as_str() == case.name;
    if !waived.refusals.iter().filter(of).any(|refusal| refusal.waived.as_deref() == Some(WHY)) {
        wrong("the plan has no refusal with that waiver, which the journal would have");
    }
    if waived.standing_refusals().any(|refusal| of(&refusal)) {
        wrong("it is refused in spite of its waiver");
    }
    if !render::text(waived, report, &TextOptions::default()).contains(WHY) {
        wrong("the plan does not show the waiver");
    }
}
