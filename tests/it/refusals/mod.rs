//! Every rule by which a plan is refused, of the modules and of the planner itself, with a case: `fixtures/refusals/`.
//!
//! The rules come out of the modules' own tables, and so do nearly all cases: a new row, rule, port or file that names an id
//! has one as soon as it is written. What can't be made up from the table alone (a step of `upgrade`) needs a line in
//! `fixtures/refusals/cases.json`; who forgets it is told what to write.

mod cases;
mod own;
mod table;
mod told;
mod versions;

use crate::apply::store_changed;
use crate::platform::drive::{How, apply_plan, observe, paused, plan_of};
use cases::{Case, Says};
use es_cluster::apply::End;
use es_cluster::history::{Journal, JournalText};
use es_cluster::model::{Module, Name, SafetyRule};
use es_cluster::plan::Refusal;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use told::{Meanings, WHY, told};

/// Waivers of one run. Of more than 50 a reader of journals keeps the first ones, and a run may have some of its own.
const WAIVERS: usize = 40;

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/refusals")
}

/// Every rule of these modules and of the planner; `None` where it has no case.
fn rules(modules: &[Arc<Module>]) -> Vec<(String, Option<Case>)> {
    let mut rules = table::rules(modules);
    rules.extend(own::cases().into_iter().map(|case| (case.rule.clone(), Some(case))));
    rules
}

#[test]
fn every_rule_refuses_with_its_name_and_a_way_out_and_can_be_waived() {
    let modules = table::modules();
    let rules = rules(&modules);
    let without: Vec<&String> = rules.iter().filter(|(_, case)| case.is_none()).map(|(rule, _)| rule).collect();
    assert!(
        without.is_empty(),
        "rules without a case: {without:?}; for a step of `upgrade` or a rule before a phase add to \
         fixtures/refusals/cases.json: \"MODULE.RULE\": {{\"from\": \"VERSION\", \"to\": \"VERSION\"}}, with \"role\": \
         \"PARAMETERS\", \"with\": {{\"MODULE\": \"VERSION\"}} and \"finds\": [\"NAME\"] where the rule asks for them; any \
         other is one that refuses nothing near to what goes together, or that no plan judges where it stands"
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
    golden(&texts);
}

/// What people are told is what is written in `fixtures/refusals/expected/`, and nothing else is there.
fn golden(texts: &BTreeMap<String, String>) {
    let folder = folder().join("expected");
    let update = std::env::var_os("UPDATE").is_some();
    for (name, text) in texts {
        if update {
            fs::write(folder.join(name), text).expect("written");
        }
        let expected = fs::read_to_string(folder.join(name)).unwrap_or_default();
        let diff = similar::TextDiff::from_lines(&expected, text).unified_diff().to_string();
        assert!(expected == *text, "{name}: what people are told has changed (UPDATE=1 takes it over):\n{diff}");
    }
    let there = fs::read_dir(&folder).expect("expected").flatten();
    let there = there.map(|entry| entry.file_name().into_string().expect("a name"));
    let stale: Vec<String> = there.filter(|name| !texts.contains_key(name)).collect();
    if update {
        for name in &stale {
            fs::remove_file(folder.join(name)).expect("removed");
        }
    } else {
        assert!(stale.is_empty(), "{stale:?}: nothing says that any more (UPDATE=1 removes it)");
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

/// What somebody has taken on is known afterwards, on every host that the run has changed: of every rule of every module and of
/// the planner, as `esplan history` reads it. That a waived plan has it is what the test above looks at.
#[test]
fn every_waiver_is_in_the_journal() {
    let waivable = |case: &Case| case.says != Says::Wish;
    let cases = rules(&table::modules()).into_iter().filter_map(|(_, case)| case.filter(waivable));
    let names: BTreeSet<String> =
        cases.map(|case| case.name).chain(Refusal::ALL.iter().map(|&name| name.to_owned())).collect();
    let names: Vec<String> = names.into_iter().collect();
    for names in names.chunks(WAIVERS) {
        paused(async {
            let (cluster, desired) = store_changed().await;
            let inventory = observe(&cluster, &desired).await;
            let (mut plan, _) = plan_of(&desired, &inventory);
            let refused = |name: &String| {
                let refusal = Refusal::called(name, "what would be wrong".to_owned(), "the way out".to_owned());
                Refusal { waived: Some(WHY.to_owned()), ..refusal.expect(name) }
            };
            plan.refusals.extend(names.iter().map(refused));
            let applied = apply_plan(&cluster, &desired, &inventory, plan, &How::default()).await;
            assert_eq!(applied.outcome.as_ref().expect("alive").end, End::Done, "{}", applied.told());
            let mut told = 0;
            for host in cluster.hosts() {
                let last = cluster.machine(&host).and_then(|mut machine| machine.history.pop_last());
                let Some((run, lines)) = last else { continue };
                let journal = Journal::read(&host, &JournalText { run, lines, whole: true });
                let waived = journal.header.expect("a first line").waived;
                let ours: BTreeSet<String> =
                    waived.into_iter().filter(|(_, why)| why == WHY).map(|(name, _)| name).collect();
                // The last run of a host that this one has not changed is an earlier one.
                if !ours.is_empty() {
                    assert!(names.iter().eq(&ours), "{host}: {ours:?}");
                    told += 1;
                }
            }
            assert!(told > 0, "no journal has a waiver: {names:?}");
        });
    }
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

/// What a rule asks a service before a stop, before an instance is drained or before a phase of a change is tried on answers:
/// on one that forbids it, and on one that has nothing against it.
#[test]
fn every_rule_that_asks_a_service_has_answers_against_it_and_for_it() {
    let cases = fs::read_to_string(folder().join("../answers/cases.json")).expect("cases");
    let cases: Vec<serde_json::Value> = serde_json::from_str(&cases).expect("cases");
    let tried = |module: &str, phase: Option<&Name>, rule: &SafetyRule, holds: bool| {
        let about = |ask: &serde_json::Value| match phase {
            None => {
                let rest = ask["safe"].as_str().and_then(|id| id.strip_prefix(module));
                rest.is_some_and(|rest| rest.starts_with(['@', '-']))
            }
            Some(phase) => ask["before"] == module && ask["phase"] == phase.as_str(),
        };
        let same = |case: &serde_json::Value| case["ask"]["rule"] == rule.name.as_str() && case["holds"] == holds;
        cases.iter().any(|case| same(case) && about(&case["ask"]))
    };
    let mut without = Vec::new();
    for module in table::modules() {
        let drain = module.drain.iter().flat_map(|drain| &drain.rules);
        let stops = module.safe_to_stop.iter().chain(drain).map(|rule| (None, rule));
        let phases = module.phases.iter().flat_map(|phases| &phases.list);
        let before = phases.flat_map(|phase| phase.before.iter().map(move |rule| (Some(&phase.name), rule)));
        for (phase, rule) in stops.chain(before) {
            let missing = [true, false].into_iter().filter(|holds| !tried(module.name.as_str(), phase, rule, *holds));
            without.extend(missing.map(|holds| format!("{}.{} with holds={holds}", module.name.value, rule.name)));
        }
    }
    assert!(without.is_empty(), "rules without an answer in fixtures/answers/cases.json: {without:#?}");
}
