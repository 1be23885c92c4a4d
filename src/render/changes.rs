//! What differs, as text: host by host, instance by instance, service by service; the same differences of several are
//! told once.

use super::groups::groups;
use super::style::{Tone, wrapped};
use super::text::{DiffStyle, Pen};
use super::told::Told;
use super::words;
use crate::inventory::{printable, visible};
use crate::plan::Plan;

/// How many lines of a file's diff are shown in short.
const SHORT: usize = 12;

/// What differs in the same way, under one name.
#[derive(Debug)]
pub(super) struct Block {
    /// Whose differences: `coord@node[1-3]`.
    pub(super) head: String,
    /// Their lines, indented: by two columns with a sign, by six those of a file's diff.
    pub(super) lines: Vec<String>,
}

/// All differences: of hosts, of instances by role, of services. What is the same of several is one block.
pub(super) fn blocks(plan: &Plan, pen: &Pen) -> Vec<Block> {
    let groups = groups(plan, |told| shown(&told, pen)).into_iter();
    groups.map(|(whom, lines)| Block { head: whom.name(), lines }).collect()
}

/// All differences.
pub(super) fn section(plan: &Plan, pen: &Pen) -> String {
    let mut text = String::new();
    for Block { head, lines } in blocks(plan, pen) {
        text.push_str(&pen.paint(Tone::Strong, &head));
        text.push('\n');
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

/// A difference with its sign and its diffs.
fn shown(told: &Told<'_>, pen: &Pen) -> Vec<String> {
    let tone = match told.sign {
        '+' => Tone::Added,
        '-' => Tone::Removed,
        '~' => Tone::Changed,
        '!' => Tone::Bad,
        _ => Tone::Quiet,
    };
    let sign = pen.paint(tone, &told.sign.to_string());
    let mut lines = vec![format!("  {sign} {}", wrapped(&printable(&told.what, usize::MAX), 4, 6, pen.width))];
    lines.extend(told.diffs.iter().flat_map(|diff| hunks(*diff, pen)));
    lines
}

/// The hunks of a file's diff, or how many lines they change.
fn hunks(diff: Option<&str>, pen: &Pen) -> Vec<String> {
    let Some(text) = diff else {
        return vec![format!("      {}", pen.paint(Tone::Quiet, "(its content is not shown)"))];
    };
    let shown = |line: &str| format!("      {}", pen.paint(tone(line), &visible(line)));
    let hunks = || text.lines().skip_while(|line| !line.starts_with("@@"));
    match pen.diff {
        DiffStyle::None => Vec::new(),
        DiffStyle::Short => {
            let mut lines: Vec<String> = hunks().take(SHORT).map(shown).collect();
            let more = hunks().count().saturating_sub(SHORT);
            if more > 0 {
                let more = format!("... {}, shown by --diff full", words::count(more, "more line"));
                lines.push(format!("      {}", pen.paint(Tone::Quiet, &more)));
            }
            lines
        }
        DiffStyle::Full => hunks().map(shown).collect(),
    }
}

fn tone(line: &str) -> Tone {
    match line.chars().next() {
        Some('+') => Tone::Added,
        Some('-') => Tone::Removed,
        _ => Tone::Quiet,
    }
}
