//! Every rule by which a plan is refused, of the modules and of the planner itself, with a case: `fixtures/refusals/`.
//!
//! The rules come out of the modules' own tables, and so do nearly all cases: a new row, rule, port or file that names an id
//! has one as soon as it is written. What can't be made up from the table alone (a step of `upgrade`) needs a line in
//! `fixtures/refusals/cases.json`; who forgets it is told what to write.

mod cases;
mod own;
mod table;

use crate::apply::store_changed;
use crate::modules::{Golden, desired as expanded};
use crate::platform::drive::{How, apply_plan, observe, paused, plan_of};
use crate::scenarios::converged;
use cases::Case;
use es_cluster::apply::End;
use es_cluster::check::check;
use es_cluster::desired::Desired;
use es_cluster::inventory::Inventory;
use es_cluster::model::Name;
use es_cluster::plan::{Outcome, Plan, PlanInput, PlanOptions, PlanReport, Refusal, StepKind, plan};
use es_cluster::render::{self, TextOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/refusals")
}

/// What texts of `cluster.kdl` mean; many cases have the same one.
#[derive(Default)]
struct Meanings(BTreeMap<String, Desired>);

impl Meanings {
    fn of(&mut self, text: &str) -> Desired {
        self.0.entry(text.to_owned()).or_insert_with(|| expanded(&Golden(text), "golden.kdl")).clone()
    }
}

fn planned(desired: &Desired, inventory: &Inventory, options: &PlanOptions) -> (Plan, PlanReport) {
    plan(&PlanInput { desired, inventory, options })
}

/// What a plan says of the rule, without a waiver and with one.
fn told(case: &Case, meanings: &mut Meanings, broken: &mut Vec<String>) -> String {
    let mut desired = meanings.of(&case.declared);
    let mut inventory = converged(&meanings.of(case.had.as_ref().unwrap_or(&case.declared)));
    (case.change)(&mut desired, &mut inventory);
    let options = (case.options)(&desired);
    let (made, _) = planned(&desired, &inventory, &options);
    let mut wrong = |what: &str| broken.push(format!("{} ({}): {what}", case.rule, case.name));
    if case.passes {
        let warning = made.warnings.iter().find(|warning| warning.name.as_str() == case.name);
        if warning.is_none() {
            wrong("a rule that passes by itself is no warning of the plan");
        }
        return warning.map(|warning| format!("warning: {}\n", warning.message)).unwrap_or_default();
    }
    if case.asked {
        return asked(case, &made, planned(&desired, &inventory, &waiving(&case.name, options)), &mut wrong);
    }
    let found = made.standing_refusals().find(|refusal| refusal.name.as_str() == case.name && (case.of)(refusal));
    let Some(found) = found else {
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
    let (waived, report) = planned(&desired, &inventory, &waiving(&case.name, options));
    if waived.standing_refusals().any(|refusal| refusal.name.as_str() == case.name) {
        wrong("it is refused in spite of its waiver");
    }
    if !render::text(&waived, &report, &TextOptions::default()).contains(WHY) {
        wrong("the plan does not show the waiver");
    }
    if waived.applyable() && !check(&waived, &desired, &inventory).is_empty() {
        wrong(&format!("what was taken on is a violation: {:?}", check(&waived, &desired, &inventory)));
    }
    format!("refused: {}\n    way out: {}\n", found.told(), found.help)
}

/// Why something is waived, in a word that no line is broken in.
const WHY: &str = "ticket-4711";

fn waiving(name: &str, options: PlanOptions) -> PlanOptions {
    PlanOptions { waivers: [(Name::new(name).expect("a name"), WHY.to_owned())].into(), ..options }
}

/// What only the service can tell: a step of the plan asks it, and with a waiver none does.
fn asked(case: &Case, made: &Plan, (waived, report): (Plan, PlanReport), wrong: &mut impl FnMut(&str)) -> String {
    let asks = |plan: &Plan| {
        plan.steps.iter().any(|step| match &step.kind {
            StepKind::Before { rules, .. } => rules.iter().any(|rule| case.name.ends_with(&format!(".{rule}"))),
            _ => false,
        })
    };
    if !asks(made) || !made.applyable() {
        wrong("no step asks for it before the phase");
    }
    if asks(&waived) || !render::text(&waived, &report, &TextOptions::default()).contains(WHY) {
        wrong("it is asked in spite of its waiver, or the plan does not show that");
    }
    let said = waived.refusals.iter().find(|refusal| refusal.name.as_str() == case.name);
    let said = said.map(|refusal| format!("{}\n    way back: {}", refusal.message, refusal.help));
    format!("asked before the phase; waived: {}\n", said.unwrap_or_default())
}

#[test]
fn every_rule_refuses_with_its_name_and_a_way_out_and_can_be_waived() {
    let modules = table::modules();
    let mut rules: Vec<(String, Option<Case>)> = table::rules(&modules);
    rules.extend(own::cases().into_iter().map(|case| (case.rule.clone(), Some(case))));
    let without: Vec<&String> = rules.iter().filter(|(_, case)| case.is_none()).map(|(rule, _)| rule).collect();
    assert!(
        without.is_empty(),
        "rules without a case: {without:?}; add to fixtures/refusals/cases.json: \"MODULE.RULE\": {{\"from\": \"VERSION\", \
         \"to\": \"VERSION\"}}, with \"role\": \"PARAMETERS\" and \"finds\": {{\"NAME\": true}} where the rule asks for them"
    );
    assert!(rules.len() >= 40, "{} rules", rules.len());
    let (mut meanings, mut broken) = (Meanings::default(), Vec::new());
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for case in rules.iter().filter_map(|(_, case)| case.as_ref()) {
        let told = steady(&told(case, &mut meanings, &mut broken));
        let of = modules.iter().map(|module| module.name.as_str());
        let of = of.into_iter().find(|name| case.rule.split(['.', ' ']).next() == Some(name)).unwrap_or("planner");
        let text = texts.entry(format!("{of}.txt")).or_default();
        _ = write!(text, "{}\n  {}", case.rule, told.replace('\n', "\n  ").trim_end_matches(' '));
    }
    let named: BTreeSet<&str> = rules.iter().filter_map(|(_, case)| Some(case.as_ref()?.name.as_str())).collect();
    let unnamed: Vec<&&str> = Refusal::ALL.iter().filter(|name| !named.contains(**name)).collect();
    assert!(unnamed.is_empty(), "rules of the planner without a case in tests/it/refusals/own.rs: {unnamed:?}");
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
    for (name, text) in &texts {
        let golden = folder().join("expected").join(name);
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&golden, text).expect("written");
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        let diff = similar::TextDiff::from_lines(&expected, text).unified_diff().to_string();
        assert!(expected == *text, "{name}: what people are told has changed (UPDATE=1 takes it over):\n{diff}");
    }
}

/// Without what another module changes: lines of the file, and what everything takes together.
fn steady(text: &str) -> String {
    let mut steady = String::new();
    for (number, part) in text.split("golden.kdl:").enumerate() {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':');
        let place = if number > 0 { "golden.kdl:…" } else { "" };
        _ = write!(steady, "{place}{}", if number > 0 { rest } else { part });
    }
    match (steady.split_once(" would need "), steady.find('\n')) {
        (Some((before, _)), Some(end)) => format!("{before} would need … MiB of memory{}", &steady[end..]),
        _ => steady,
    }
}

/// What somebody has taken on is known afterwards, on every host that the run has changed.
#[test]
fn every_waiver_is_in_the_journal() {
    paused(async {
        let (cluster, desired) = store_changed().await;
        let inventory = observe(&cluster, &desired).await;
        let (mut plan, _) = plan_of(&desired, &inventory);
        let refused = |name: &&str| Refusal::called(name, "what would be wrong".to_owned(), "the way out".to_owned());
        let all = Refusal::ALL.iter().filter_map(refused);
        plan.refusals = all.map(|refusal| Refusal { waived: Some(WHY.to_owned()), ..refusal }).collect();
        let applied = apply_plan(&cluster, &desired, &inventory, plan, &How::default()).await;
        assert_eq!(applied.outcome.as_ref().expect("alive").end, End::Done, "{}", applied.told());
        let journals =
            cluster.hosts().into_iter().filter_map(|host| cluster.machine(&host)?.history.into_values().last());
        let begun: Vec<String> = journals.filter_map(|lines| lines.into_iter().next()).collect();
        let waiving: Vec<&String> = begun.iter().filter(|line| line.contains(WHY)).collect();
        assert!(!waiving.is_empty(), "{begun:?}");
        for line in waiving {
            let record: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
            let told: BTreeSet<&str> =
                record["waived"].as_array().expect("a list").iter().filter_map(|pair| pair[0].as_str()).collect();
            assert_eq!(told, Refusal::ALL.iter().copied().collect(), "{line}");
        }
    });
}

/// A rule of the planner is a constant, so that the test above knows of it.
#[test]
fn the_planner_refuses_by_names_that_are_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plan");
    for entry in fs::read_dir(folder).expect("src/plan").flatten().filter(|entry| entry.path().is_file()) {
        let text = fs::read_to_string(entry.path()).expect("text");
        assert!(
            !text.contains("refuse(\""),
            "{:?}: a name in quotes; make it a constant of `Refusal::ALL`",
            entry.path()
        );
    }
}

/// What a rule asks a service is tried on answers of the real one.
#[test]
fn every_rule_before_a_stop_has_an_answer_that_forbids_it() {
    let cases = fs::read_to_string(folder().join("../answers/cases.json")).expect("cases");
    let cases: Vec<serde_json::Value> = serde_json::from_str(&cases).expect("cases");
    let forbids = |module: &str, rule: &str| {
        let about = |case: &&serde_json::Value| case["ask"]["rule"] == rule && case["holds"] == false;
        let of = |case: &serde_json::Value| {
            let role = case["ask"]["safe"].as_str().unwrap_or_default();
            role.starts_with(&format!("{module}@")) || role.starts_with(&format!("{module}-"))
        };
        cases.iter().filter(about).any(of)
    };
    let modules = table::modules();
    let rules = modules.iter().flat_map(|one| one.safe_to_stop.iter().map(move |rule| (one, rule)));
    let without: Vec<String> = rules
        .filter(|(module, rule)| !forbids(module.name.as_str(), rule.name.as_str()))
        .map(|(module, rule)| format!("{}.{}", module.name.value, rule.name))
        .collect();
    assert!(without.is_empty(), "rules without a recorded answer in fixtures/answers/cases.json: {without:?}");
}
