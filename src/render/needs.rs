//! What hosts must offer, and what they do, as a table: worst first.

use super::fold;
use super::style::{Style, Tone};
use super::text::Pen;
use crate::inventory::printable;
use crate::plan::{HostNeed, NeedState};
use std::fmt::Write as _;

/// Longest cell.
const LONGEST: usize = 40;

/// The whole table, for who asks for it.
pub fn needs(rows: &[HostNeed], colour: bool) -> String {
    if rows.is_empty() {
        return String::new();
    }
    format!("host needs\n{}", table(rows.iter(), Style { colour }, usize::MAX))
}

/// What a plan shows of it: what is not as it should be. How many others are is said once.
pub(super) fn missing(rows: &[HostNeed], pen: &Pen) -> String {
    let missing = || rows.iter().filter(|row| row.state != NeedState::Pass);
    if missing().next().is_none() {
        return String::new();
    }
    let passed = rows.len() - missing().count();
    format!("host needs: {passed} more are there\n{}", table(missing(), pen.style, pen.width))
}

fn table<'a>(rows: impl Iterator<Item = &'a HostNeed>, style: Style, within: usize) -> String {
    let rows: Vec<(NeedState, [String; 4])> = rows
        .map(|row| {
            let cells = [&row.need, &row.wants, &row.has].map(|cell| printable(cell, LONGEST));
            let [need, wants, has] = cells;
            let may = if row.can_be_allowed { ", may be allowed" } else { "" };
            (row.state, [need, wants, format!("{has}{may}"), fold::hosts(&row.hosts)])
        })
        .collect();
    let width = |column: usize| rows.iter().map(|(_, cells)| cells[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let mut text = String::new();
    for (state, [need, wants, has, hosts]) in &rows {
        let tone = match state {
            NeedState::Fail => Tone::Bad,
            NeedState::Warn | NeedState::Fixed => Tone::Changed,
            NeedState::Unknown | NeedState::Pass => Tone::Quiet,
        };
        let word = style.paint(tone, &format!("{:<7}", state.word()));
        let [first, second, third] = widths;
        let line = format!("  {word}  {need:<first$}  {wants:<second$}  {has:<third$}");
        // Where a line is too short for it, who it is about stands in the next one.
        let columns = 15 + first + second + third;
        _ = if columns > within {
            writeln!(text, "  {}  {need}\n      {wants}, {has}\n      {hosts}", word.trim_end())
        } else if columns + 4 + hosts.chars().count() > within {
            writeln!(text, "{}\n      {hosts}", line.trim_end())
        } else {
            writeln!(text, "{line}  {hosts}")
        };
    }
    text
}
