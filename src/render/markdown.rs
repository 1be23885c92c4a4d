//! A plan as the comment of a merge request: what it comes to, what stands against it, the order, the differences; all but
//! the first folded. What comes from files and hosts stands in fences and in code that it can't end.

use super::changes::{self, Block};
use super::format::Shown;
use super::style::Style;
use super::text::{DiffStyle, Pen, headline};
use super::words::count;
use super::{course, notes, steps};
use crate::inventory::{printable, visible};
use crate::plan::{Outcome, Plan};
use std::fmt::Write as _;

/// Longest comment, in bytes: below what the forges take (65,536 characters), with room for a line of their own.
const LIMIT: usize = 60_000;

/// Most that notes, and most that the order, may take of it.
const PART: usize = 14_000;

/// Most that one block of differences may take.
const BLOCK: usize = 9_000;

/// Longest difference that is no block, in characters.
const LINE: usize = 120;

/// What is kept free for the lines about what was left out.
const SPARE: usize = 600;

/// Columns of what stands in a fence.
const WIDTH: usize = 100;

/// The plan, ready to be posted; never longer than 60,000 bytes.
pub(super) fn markdown(shown: &Shown<'_>) -> String {
    let Shown { plan, report, .. } = *shown;
    let pen = Pen { style: Style { colour: false }, width: WIDTH, diff: DiffStyle::Full };
    let mut text = format!("### {}\n\n{}\n", escaped(&headline(plan)), verdict(plan));
    let noted = notes::section(plan, report, &pen);
    if !noted.is_empty() {
        _ = write!(text, "\n{}", fenced("text", &noted, PART));
    }
    let lost = course::all_no_return(plan);
    if !lost.is_empty() {
        let names = code(&printable(&super::fold::instances(lost.iter().copied()), SPARE));
        _ = writeln!(text, "\n**Point of no return:** {} can't be rolled back: {names}", count(lost.len(), "instance"));
    }
    let ordered = steps::section(plan, &pen);
    if !ordered.is_empty() {
        text.push_str(&folded("What would be done, in order", &fenced("text", &ordered, PART)));
    }
    // Lines of files are never broken, and neither are those about them.
    let blocks = changes::blocks(plan, &Pen { width: usize::MAX, ..pen });
    let (mut left_out, mut names) = (0, Vec::new());
    for block in &blocks {
        let part = match block.lines.as_slice() {
            [one] if one.chars().count() <= LINE => format!("\n- {} {}\n", code(&block.head), code(one.trim())),
            lines => folded(&title(block), &fenced("diff", &unindented(lines), BLOCK)),
        };
        if text.len() + part.len() + SPARE > LIMIT {
            left_out += 1;
            names.push(block.head.as_str());
        } else {
            text.push_str(&part);
        }
    }
    if left_out > 0 {
        let what = format!("{} of {}", left_out, count(blocks.len(), "difference"));
        let names = printable(&names.join(", "), SPARE / 3);
        _ = writeln!(text, "\n**Left out here:** {what} ({}). `esplan --diff full` shows all.", code(&names));
    }
    text
}

/// What it means, in one sentence.
fn verdict(plan: &Plan) -> &'static str {
    match plan.outcome() {
        Outcome::Nothing => "**Nothing to do:** applying this would write nothing.",
        Outcome::Changes => "**Changes:** `esapply` shows this again, and asks.",
        Outcome::Unobserved => "**Not observed:** while a host can't be looked at, this can't be applied.",
        Outcome::Refused => "**Refused:** safety rules stand against this, so it can't be applied.",
    }
}

/// The line that a folded block is known by.
fn title(block: &Block) -> String {
    let first = block.lines.iter().map(|line| line.trim()).find(|line| !line.is_empty()).unwrap_or_default();
    let own = |line: &&String| line.starts_with("  ") && !line.starts_with("      ");
    let more = block.lines.iter().filter(own).count().saturating_sub(1);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("<code>{}</code> {}{more}", html(&printable(&block.head, 300)), html_code(&printable(first, LINE)))
}

/// Signs and differences of files where a diff has them: in the first column.
fn unindented(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.strip_prefix("      ").or_else(|| line.strip_prefix("  ")).unwrap_or(line));
        text.push('\n');
    }
    text
}

/// A part that is closed until somebody opens it.
fn folded(title: &str, body: &str) -> String {
    let title = if title.starts_with('<') { title.to_owned() } else { html(title) };
    // The empty lines end the HTML, so that the forge reads the body as Markdown again.
    format!("\n<details><summary>{title}</summary>\n\n{body}\n</details>\n")
}

/// Text in a fence that is longer than any run of backticks in it; of a long text the first lines that fit.
fn fenced(language: &str, text: &str, limit: usize) -> String {
    let text = visible(text.trim_end_matches('\n'));
    let (mut kept, mut lines) = (String::new(), text.lines());
    for line in lines.by_ref() {
        if kept.len() + line.len() > limit {
            let rest = 1 + lines.count();
            _ = writeln!(kept, "... left out here: {}", count(rest, "more line"));
            break;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    let fence = "`".repeat(longest_run(&kept).max(2) + 1);
    format!("{fence}{language}\n{kept}{fence}\n")
}

/// Text as code within a line. It holds no line end.
fn code(text: &str) -> String {
    let ticks = "`".repeat(longest_run(text) + 1);
    // A blank at each end is taken away again; without it a backtick there would join the others.
    let blank = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{ticks}{blank}{text}{blank}{ticks}")
}

/// The longest run of backticks.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// Text as a part of HTML.
fn html(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// The same where a forge must not look for names of people or numbers of issues in it.
fn html_code(text: &str) -> String {
    format!("<code>{}</code>", html(text))
}

/// Words of ours and names, as Markdown that means just them.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '@' | '!' | '|' | '~' | '&' | '$') {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}
