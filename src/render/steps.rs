//! What would be done, in order, as text: staging in a few lines, then wave by wave with gates, reasons and limits.

use super::course::{self, Entry};
use super::style::{Tone, wrapped};
use super::text::Pen;
use crate::inventory::printable;
use crate::plan::Plan;
use std::fmt::Write as _;

/// All steps.
pub(super) fn section(plan: &Plan, pen: &Pen) -> String {
    if plan.steps.is_empty() {
        return String::new();
    }
    let mut text = staged(plan, pen);
    let mut phase = None;
    for (number, entry) in course::entries(plan).iter().enumerate() {
        let now = entry.service.zip(entry.phase);
        if let Some((service, name)) = now.filter(|_| now != phase) {
            let line = format!("phase \"{name}\" of {service}");
            _ = writeln!(text, "    {}", pen.paint(Tone::Strong, &line));
        }
        phase = now;
        let number = format!("{:>3}", number + 1);
        let head = wrapped(&entry.head, 4, 6, pen.width);
        _ = writeln!(text, "{} {}", pen.paint(Tone::Quiet, &number), pen.paint(Tone::Strong, &head));
        for line in lines(entry) {
            _ = writeln!(text, "      {}", wrapped(&printable(&line, usize::MAX), 6, 8, pen.width));
        }
    }
    text
}

/// Everything that does not disturb, by kind.
fn staged(plan: &Plan, pen: &Pen) -> String {
    let lines = course::staged(plan);
    if lines.is_empty() {
        return String::new();
    }
    let mut text = format!("    {}\n", pen.paint(Tone::Strong, "staged before anything is disturbed"));
    for line in lines {
        _ = writeln!(text, "      {}", wrapped(&printable(&line, usize::MAX), 6, 8, pen.width));
    }
    text
}

/// What there is to say of an entry beside its headline.
fn lines(entry: &Entry<'_>) -> Vec<String> {
    let actions = Some(entry.actions.join(", ")).filter(|actions| !actions.is_empty());
    let no_return = entry.no_return().map(|what| format!("POINT OF NO RETURN: {what}"));
    let notes = entry.notes.iter().cloned();
    actions.into_iter().chain(notes).chain(entry.why.clone()).chain(no_return).collect()
}
