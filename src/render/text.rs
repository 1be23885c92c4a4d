//! A plan for people: what it comes to, what differs, what would be done in which order, what stands against it, and
//! once more what it comes to.

use super::style::{Style, Tone};
use super::words::count;
use super::{changes, notes, steps};
use crate::plan::{Outcome, Plan, PlanReport, Summary};
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
    let title = pen.paint(Tone::Strong, &headline(plan));
    let mut parts = vec![format!("{title}\n")];
    parts.push(changes::section(plan, &pen));
    parts.push(steps::section(plan, &pen));
    parts.push(notes::section(plan, report, &pen));
    if !plan.steps.is_empty() || !plan.refusals.is_empty() {
        parts.push(format!("{}\n", last_line(plan, &pen)));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

/// `logs: 3 changes on 3 hosts`.
fn headline(plan: &Plan) -> String {
    let Summary { hosts, unobserved, instances, changes, .. } = plan.summary;
    let mut line = format!("{}: ", plan.cluster);
    if changes == 0 && plan.steps.is_empty() {
        let (hosts, instances) = (count(hosts, "host"), count(instances, "instance"));
        _ = write!(line, "nothing to do, {hosts} and {instances} are as declared");
    } else {
        _ = write!(line, "{} on {}", count(changes, "change"), count(hosts, "host"));
    }
    if unobserved > 0 {
        _ = write!(line, ", {unobserved} not observed");
    }
    line
}

/// What would happen, in one line.
fn last_line(plan: &Plan, pen: &Pen) -> String {
    let Summary { starts, restarts, reloads, files, .. } = plan.summary;
    let mut parts = Vec::new();
    for (number, verb) in [(starts, "to start"), (restarts, "to restart"), (reloads, "to reload")] {
        if number > 0 {
            parts.push(format!("{number} {verb}"));
        }
    }
    if files > 0 {
        parts.push(format!("{} to write", count(files, "file")));
    }
    if parts.is_empty() && !plan.steps.is_empty() {
        parts.push("no instance is touched".to_owned());
    }
    let what = if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") };
    let refused = plan.standing_refusals().count();
    if plan.outcome() == Outcome::Nothing {
        return format!("{} {what}", pen.paint(Tone::Strong, "Plan:"));
    }
    if refused > 0 {
        let refused = pen.paint(Tone::Bad, &format!("{} refused", count(refused, "time").replace("1 time", "once")));
        return format!("{} {what}; {refused}: it can't be applied", pen.paint(Tone::Strong, "Plan:"));
    }
    format!("{} {what}", pen.paint(Tone::Strong, "Plan:"))
}
