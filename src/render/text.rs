//! A plan for people: what it comes to, what differs, what would be done in which order, what stands against it, and
//! once more what it comes to.

use super::style::{Style, Tone, wrapped};
use super::words::count;
use super::{changes, notes, steps};
use crate::plan::{Plan, PlanReport, Summary};
use std::fmt::Write as _;

/// How much of the files' differences is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DiffStyle {
    /// Unified diffs.
    #[default]
    Full,
    /// The first lines of each.
    Short,
    /// Only which files.
    None,
}

/// How a plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextOptions {
    /// How much of the files' differences.
    pub diff: DiffStyle,
    /// Columns; lines of files are never broken.
    pub width: usize,
    /// Whether the terminal shows colour.
    pub colour: bool,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self { diff: DiffStyle::Full, width: 80, colour: false }
    }
}

/// What all parts of a text are written with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pen {
    pub(super) style: Style,
    pub(super) width: usize,
    pub(super) diff: DiffStyle,
}

impl Pen {
    pub(super) fn paint(&self, tone: Tone, text: &str) -> String {
        self.style.paint(tone, text)
    }
}

/// The plan with its report, ready to print.
pub fn text(plan: &Plan, report: &PlanReport, options: &TextOptions) -> String {
    let pen = Pen { style: Style { colour: options.colour }, width: options.width.max(40), diff: options.diff };
    let title = wrapped(&headline(plan), 0, 4, pen.width);
    let mut parts = vec![format!("{}\n", pen.paint(Tone::Strong, &title))];
    parts.push(changes::section(plan, &pen));
    parts.push(steps::section(plan, &pen));
    parts.push(notes::section(plan, report, &pen));
    if !plan.steps.is_empty() || !plan.refusals.is_empty() {
        parts.push(format!("{}\n", last_line(plan, &pen)));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

/// `logs: 3 changes on 3 hosts; 1 to restart, 1 file to write`.
pub(super) fn headline(plan: &Plan) -> String {
    let Summary { hosts, unobserved, instances, changes, .. } = plan.summary;
    let mut line = format!("{}: ", plan.cluster);
    let nothing = changes == 0 && plan.steps.is_empty();
    if nothing {
        let (hosts, instances) = (count(hosts, "host"), count(instances, "instance"));
        _ = write!(line, "nothing to do, {hosts} and {instances} are as declared");
    } else {
        _ = write!(line, "{} on {}", count(changes, "change"), count(hosts, "host"));
    }
    if unobserved > 0 {
        _ = write!(line, ", {unobserved} not observed");
    }
    if !nothing {
        _ = write!(line, "; {}", what(plan));
    }
    if let Some(refused) = refused(plan) {
        _ = write!(line, "; {refused}");
    }
    line
}

/// What would happen, in a few words: `6 to restart, 6 files to write`.
pub(super) fn what(plan: &Plan) -> String {
    let Summary { starts, restarts, reloads, stops, files, leaves, .. } = plan.summary;
    let mut parts = Vec::new();
    let verbs = [
        (starts, "to start"),
        (restarts, "to restart"),
        (reloads, "to reload"),
        (stops, "to stop"),
        (leaves, "to leave"),
    ];
    for (number, verb) in verbs {
        if number > 0 {
            parts.push(format!("{number} {verb}"));
        }
    }
    if files > 0 {
        parts.push(format!("{} to write", count(files, "file")));
    }
    match (parts.is_empty(), plan.steps.is_empty()) {
        (false, _) => parts.join(", "),
        (true, false) => "no instance is touched".to_owned(),
        (true, true) => "nothing to do".to_owned(),
    }
}

/// `refused once`; nothing when it can be applied.
pub(super) fn refused(plan: &Plan) -> Option<String> {
    match plan.standing_refusals().count() {
        0 => None,
        1 => Some("refused once".to_owned()),
        times => Some(format!("refused {times} times")),
    }
}

/// What would happen, in one line.
fn last_line(plan: &Plan, pen: &Pen) -> String {
    let mut line = format!("{} {}", pen.paint(Tone::Strong, "Plan:"), what(plan));
    if let Some(refused) = refused(plan) {
        _ = write!(line, "; {}: it can't be applied", pen.paint(Tone::Bad, &refused));
    }
    line
}
