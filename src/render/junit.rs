//! A plan as a test report: each host, service, gate and rule is a case. What is as declared has passed, what differs or is
//! still to come is *skipped* with what it is about, what could not be observed is an error, what is refused a failure.

use super::cases::{Case, Verdict, report};
use super::fold;
use super::format::Shown;
use super::text::headline;
use super::told::{self, Told};
use super::words::{count, duration};
use crate::diff::Change;
use crate::inventory::printable;
use crate::model::{HostName, InstanceId};
use crate::plan::{Action, GateKind, Plan, Refusal, Step, StepKind};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

/// Longest message of a case, in characters.
const LONGEST: usize = 400;

/// Longest list of differences of a case, in lines.
const LINES: usize = 60;

/// The plan as JUnit XML.
pub(super) fn junit(shown: &Shown<'_>) -> String {
    let plan = shown.plan;
    let suites =
        [("hosts", hosts(shown)), ("services", services(plan)), ("gates", gates(plan)), ("rules", rules(plan))];
    report(&headline(plan), plan.cluster.as_str(), &suites)
}

/// Each host that the plan is about: with what differs on it.
fn hosts(shown: &Shown<'_>) -> Vec<Case> {
    let mut lines: BTreeMap<&HostName, Vec<String>> = BTreeMap::new();
    let mut unseen: BTreeMap<&HostName, &str> = BTreeMap::new();
    let none = BTreeMap::new();
    for change in &shown.plan.changes {
        match (change, change.host()) {
            (Change::Unobserved { host, why }, _) => _ = unseen.insert(host, why),
            (Change::NotHealthy { .. } | Change::Setting { instance: None, .. }, _) | (_, None) => {}
            (_, Some(host)) => {
                let of = change.instance().map_or_else(String::new, |id| format!("{id}: "));
                let Told { sign, what, .. } = told::told(change, &none);
                lines.entry(host).or_default().push(format!("{of}{sign} {what}"));
            }
        }
    }
    let refused = shown.plan.standing_refusals().any(|refusal| refusal.name.as_str() == Refusal::UNOBSERVED);
    let case = |host: &HostName| {
        let lines = lines.get(host).map_or(&[][..], Vec::as_slice);
        let verdict = match unseen.get(host) {
            Some(why) if refused => Verdict::Error(format!("not observed: {}", printable(why, LONGEST))),
            // Somebody has taken it on: planned without it, or waived.
            Some(why) => Verdict::Skipped(format!("not observed, as was accepted: {}", printable(why, LONGEST))),
            None if lines.is_empty() => Verdict::Passed,
            None => Verdict::Skipped(count(lines.len(), "difference")),
        };
        Case { output: first(lines), ..Case::new(host.to_string(), verdict) }
    };
    shown.desired.hosts.keys().map(case).collect()
}

/// The first lines, and how many more there are.
fn first(lines: &[String]) -> String {
    let mut output = String::new();
    for line in lines.iter().take(LINES) {
        _ = writeln!(output, "{line}");
    }
    if let Some(rest) = lines.len().checked_sub(LINES).filter(|rest| *rest > 0) {
        _ = writeln!(output, "... {}", count(rest, "more line"));
    }
    output
}

/// Each service that is not as it should be as a whole.
fn services(plan: &Plan) -> Vec<Case> {
    let case = |change: &Change| match change {
        Change::NotHealthy { service, says } => {
            let (kind, message) = ("not-healthy".to_owned(), printable(says, LONGEST));
            let verdict = Verdict::Failed { kind, message, help: String::new() };
            Some(Case::new(format!("{service} is healthy"), verdict))
        }
        Change::Setting { service, instance: None, setting, observed, repair } => {
            let text = |value: &serde_json::Value| printable(&value.to_string(), LONGEST);
            let verdict = Verdict::Skipped(format!("{} -> {}", text(observed), text(repair)));
            Some(Case::new(format!("{setting} of {service}"), verdict))
        }
        _ => None,
    };
    plan.changes.iter().filter_map(case).collect()
}

/// Each gate that would be waited for: not asked by a plan.
fn gates(plan: &Plan) -> Vec<Case> {
    let (mut cases, mut known) = (Vec::new(), BTreeSet::new());
    let mut add = |name: String, within: Duration| {
        let verdict = Verdict::Skipped(format!("waits at most {} when the plan is applied", duration(within)));
        // The canary and the rest of a role may have the same candidates.
        if known.insert(name.clone()) {
            cases.push(Case::new(name, verdict));
        }
    };
    for step in &plan.steps {
        if let StepKind::Gate { service, gate, within, .. } = &step.kind {
            let what = match gate {
                GateKind::Healthy => "healthy",
                GateKind::Converged => "in its final state",
            };
            let phase = step.phase.as_ref().map(|phase| format!(" ({phase})")).unwrap_or_default();
            add(format!("{service} is {what}{phase}"), *within);
        }
        if let StepKind::Before { service, rules, within, .. } = &step.kind {
            for rule in rules {
                add(format!("{service}: {rule}"), *within);
            }
        }
        for (what, within) in awaited(step) {
            let names: BTreeSet<&InstanceId> = step.kind.rolls().iter().map(|roll| &roll.instance).collect();
            let phase = step.phase.as_ref().map(|phase| format!(" ({phase})")).unwrap_or_default();
            add(format!("{} {what}{phase}", fold::instances(names)), within);
        }
    }
    cases
}

/// The gates of a step that changes instances.
fn awaited(step: &Step) -> Vec<(&'static str, Duration)> {
    let actions = step.kind.rolls().first().map_or(&[][..], |roll| roll.actions.as_slice());
    let gate = |action: &Action| match action {
        Action::AwaitReady { within } => Some(("ready", *within)),
        Action::AwaitHealthy { within } => Some(("healthy", *within)),
        Action::Soak { for_ } if !for_.is_zero() => Some(("stays healthy", *for_)),
        _ => None,
    };
    actions.iter().filter_map(gate).collect()
}

/// Each refusal.
fn rules(plan: &Plan) -> Vec<Case> {
    let case = |refusal: &Refusal| {
        let message = printable(&refusal.told(), LONGEST);
        let verdict = match &refusal.waived {
            Some(why) => Verdict::Skipped(format!("waived: {}", printable(why, LONGEST))),
            None => {
                Verdict::Failed { kind: refusal.name.to_string(), message: message.clone(), help: refusal.help.clone() }
            }
        };
        let output = if refusal.waived.is_some() { format!("{message}\n") } else { String::new() };
        let name = format!("{}: {}", refusal.name, printable(&refusal.message, 100));
        Case { output, ..Case::new(name, verdict) }
    };
    plan.refusals.iter().map(case).collect()
}
