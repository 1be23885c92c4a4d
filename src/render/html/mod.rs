//! A plan as one page: what it comes to, what stands against it, the order as a picture and as a list, and every difference
//! with its diff. The page holds all that it needs: it opens without a network, and may load nothing from one.
//!
//! What comes from files, hosts and services is escaped by the template engine; nothing of it is ever a script, a style or
//! an address.

mod groups;
mod place;
mod steps;

use super::course;
use super::graph::{self, GRAPH_CSS, PALETTE_CSS};
use super::notes;
use super::text::headline;
use super::words::count;
use crate::desired::Desired;
use crate::plan::{Outcome, Plan, PlanReport, Summary};
use data_encoding::BASE64;
use groups::Group;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use place::Places;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use steps::Listed;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Everything that the template shows.
#[derive(Serialize)]
struct Page {
    style: String,
    style_hash: String,
    script: &'static str,
    script_hash: String,
    cluster: String,
    outcome: &'static str,
    verdict: &'static str,
    headline: String,
    tiles: Vec<Tile>,
    refusals: Vec<Refused>,
    no_return: Vec<Listed>,
    warnings: Vec<Warned>,
    notes: Vec<String>,
    hosts: Vec<String>,
    host_list: String,
    roles: Vec<String>,
    kinds: Vec<groups::Kind>,
    order_says: String,
    graph: Option<String>,
    staged: Vec<String>,
    steps: Vec<Listed>,
    changes_say: String,
    groups: Vec<Group>,
    diffs: bool,
    open: bool,
    /// What two people compare; nothing when there is nothing to apply.
    digest: Option<String>,
    inputs: Vec<Input>,
}

/// A number that the reader sees first.
#[derive(Serialize)]
struct Tile {
    name: &'static str,
    number: usize,
    tone: &'static str,
}

#[derive(Serialize)]
struct Refused {
    name: String,
    message: String,
    help: String,
    waived: Option<String>,
}

#[derive(Serialize)]
struct Warned {
    name: String,
    message: String,
}

#[derive(Serialize)]
struct Input {
    name: &'static str,
    digest: String,
    short: String,
}

/// The plan with its report as a page. The same plan gives the same bytes.
pub(super) fn html(plan: &Plan, report: &PlanReport, desired: &Desired) -> String {
    let page = page(plan, report, desired);
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    if let Ok(syntax) =
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()
    {
        engine.set_syntax(syntax);
    }
    // The template is ours, and every scenario of the tests is rendered with it.
    let made = engine.add_template("page.html", TEMPLATE);
    let made = made.and_then(|()| engine.get_template("page.html")?.render(Serde(page)));
    made.unwrap_or_else(|mistake| format!("<!doctype html><p>The page could not be made: {:?}</p>\n", mistake.kind()))
}

fn page(plan: &Plan, report: &PlanReport, desired: &Desired) -> Page {
    let places = Places::new(plan, desired);
    let style = format!("{PALETTE_CSS}{GRAPH_CSS}{STYLE}");
    let entries = course::entries(plan);
    let steps: Vec<Listed> = entries.iter().enumerate().map(|(n, entry)| Listed::new(n + 1, entry, &places)).collect();
    let (groups, left_out) = groups::groups(plan, &places);
    let drawn = if entries.is_empty() { None } else { graph::drawn(desired, plan).ok() };
    let lines: usize = groups.iter().map(Group::diff_lines).sum();
    Page {
        style_hash: hash(&style),
        style,
        script_hash: hash(SCRIPT),
        script: SCRIPT,
        cluster: plan.cluster.to_string(),
        outcome: outcome(plan).0,
        verdict: outcome(plan).1,
        headline: said(plan),
        tiles: tiles(plan),
        refusals: plan.refusals.iter().map(refused).collect(),
        no_return: steps.iter().filter(|step| step.no_return.is_some()).cloned().collect(),
        warnings: plan.warnings.iter().map(warned).collect(),
        notes: notes::sentences(report),
        host_list: places.script_list(),
        hosts: places.names(),
        roles: places.roles(),
        kinds: groups::kinds(&groups),
        order_says: order_says(plan, steps.len()),
        graph: drawn.map(|graph| graph::embedded(&graph)),
        staged: course::staged(plan),
        steps,
        changes_say: changes_say(plan, groups.len(), left_out),
        diffs: lines > 0,
        open: lines <= groups::FEW_LINES,
        groups,
        digest: (!plan.steps.is_empty()).then(|| plan.digest().to_string()),
        inputs: inputs(plan),
    }
}

/// The verdict as a word for the style sheet, and for people.
fn outcome(plan: &Plan) -> (&'static str, &'static str) {
    match plan.outcome() {
        Outcome::Nothing => ("nothing", "Nothing to do"),
        Outcome::Changes => ("changes", "Can be applied"),
        Outcome::Unobserved => ("unobserved", "Not all hosts were observed"),
        Outcome::Refused => ("refused", "Refused"),
    }
}

/// The headline without the name, which stands above it.
fn said(plan: &Plan) -> String {
    let line = headline(plan);
    line.strip_prefix(&format!("{}: ", plan.cluster)).map_or(line.clone(), str::to_owned)
}

fn tiles(plan: &Plan) -> Vec<Tile> {
    let Summary { hosts, unobserved, instances, changes, starts, restarts, reloads, stops, files, leaves } =
        plan.summary;
    let refused = plan.standing_refusals().count();
    let always = [("changes", changes, ""), ("hosts observed", hosts, ""), ("instances", instances, "")];
    let sometimes = [
        ("to start", starts, ""),
        ("to restart", restarts, "warm"),
        ("to reload", reloads, ""),
        ("to stop", stops, "warm"),
        ("to leave", leaves, "warm"),
        ("files to write", files, ""),
        ("not observed", unobserved, "bad"),
        ("refused", refused, "bad"),
        ("warnings", plan.warnings.len(), "warm"),
    ];
    let sometimes = sometimes.into_iter().filter(|(_, number, _)| *number > 0);
    always.into_iter().chain(sometimes).map(|(name, number, tone)| Tile { name, number, tone }).collect()
}

fn refused(refusal: &crate::plan::Refusal) -> Refused {
    Refused {
        name: refusal.name.to_string(),
        message: notes::message(&refusal.told()),
        help: refusal.help.clone(),
        waived: refusal.waived.as_deref().map(notes::message),
    }
}

fn warned(warning: &crate::plan::Warning) -> Warned {
    Warned { name: warning.name.to_string(), message: notes::message(&warning.message) }
}

fn order_says(plan: &Plan, steps: usize) -> String {
    if plan.steps.is_empty() {
        return "No step: nothing is changed.".to_owned();
    }
    format!("{}; each waits for the one before it.", count(steps, "step"))
}

fn changes_say(plan: &Plan, groups: usize, left_out: usize) -> String {
    if groups == 0 {
        return "Everything is as declared.".to_owned();
    }
    let mut text = format!("{}; what is the same of several is told once.", count(plan.changes.len(), "difference"));
    if left_out > 0 {
        let lines = count(left_out, "line");
        _ = write!(text, " {lines} of diffs are left out here: esplan --diff full shows them.");
    }
    text
}

fn inputs(plan: &Plan) -> Vec<Input> {
    let input = |(name, digest): (&'static str, crate::model::Digest)| Input {
        name,
        digest: digest.to_string(),
        short: digest.short(),
    };
    let inputs = &plan.inputs;
    let made_from = [("file", inputs.file), ("modules", inputs.modules), ("lock", inputs.lock)];
    made_from.into_iter().map(input).collect()
}

/// What the page's policy knows a script or a style by.
fn hash(text: &str) -> String {
    format!("sha256-{}", BASE64.encode(&Sha256::digest(text.as_bytes())))
}
