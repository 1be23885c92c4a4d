//! The list of runs.

use super::{History, about, done, ended, pretty, unread};
use crate::history::PastRun;
use crate::render::style::{Style, Tone, wrapped};
use crate::render::{fold, words};
use serde_json::{Value, json};
use std::fmt::Write as _;

impl History {
    /// The list for people: a paragraph for each run.
    pub fn text(&self, colour: bool, width: usize) -> String {
        let (style, width) = (Style { colour }, width.max(40));
        let mut text = String::new();
        for run in &self.runs {
            text.push_str(&paragraph(run, style, width));
        }
        if self.runs.is_empty() {
            _ = writeln!(text, "{}: no run is recorded", self.cluster);
        }
        for (host, why) in &self.unread {
            let line = format!("{host} could not be asked: {why}");
            _ = writeln!(text, "{}", style.paint(Tone::Bad, &wrapped(&line, 0, 2, width)));
        }
        text
    }

    /// The list for programs.
    pub fn json(&self) -> String {
        let runs: Vec<Value> = self.runs.iter().map(about).collect();
        pretty(&json!({ "cluster": self.cluster, "runs": runs, "unread": unread(self) }))
    }

    /// The list as a table in Markdown.
    pub fn markdown(&self) -> String {
        let mut text = "| run | when | by | outcome | hosts |\n| --- | --- | --- | --- | --- |\n".to_owned();
        for run in &self.runs {
            let header = run.header.as_ref();
            let (since, who) =
                header.map_or(("", String::new()), |one| (&one.since, format!("{}: {}", one.who, one.why)));
            let outcome = [Some(ended(run)), done(run)].into_iter().flatten().collect::<Vec<_>>().join(", ");
            let cells = [&run.run, since, &who, &outcome, &fold::hosts(&run.hosts)].map(super::report::cell);
            _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        for (host, why) in &self.unread {
            _ = writeln!(
                text,
                "\n{} could not be asked: {}",
                super::report::cell(host.as_str()),
                super::report::cell(why)
            );
        }
        text
    }
}

fn paragraph(run: &PastRun, style: Style, width: usize) -> String {
    let tone = match &run.outcome {
        Some(outcome) if outcome.exit == 0 => Tone::Added,
        Some(_) => Tone::Bad,
        None => Tone::Changed,
    };
    let plain = ended(run);
    let rest = done(run).map(|done| format!(", {done}")).unwrap_or_default();
    let rest = format!("{rest} on {}", fold::hosts(&run.hosts));
    let head = format!("{}  {plain}", run.run);
    let mut text = format!("{}  {}", style.paint(Tone::Strong, &run.run), style.paint(tone, &plain));
    _ = writeln!(text, "{}", wrapped(&rest, head.chars().count(), 2, width));
    if let Some(header) = &run.header {
        let by = format!("{} {}: {}", header.since, header.who, header.why);
        _ = writeln!(text, "  {}", wrapped(&by, 2, 4, width));
        for (name, reason) in &header.waived {
            _ = writeln!(text, "  {}", wrapped(&format!("waived {name}: {reason}"), 2, 4, width));
        }
    }
    text.push_str(&problems(run, style, width));
    text
}

/// What of its journals can't be read, within reason.
pub(super) fn problems(run: &PastRun, style: Style, width: usize) -> String {
    const SHOWN: usize = 5;
    let mut text = String::new();
    for problem in run.problems.iter().take(SHOWN) {
        let line = format!("can't be read whole: {problem}");
        _ = writeln!(text, "  {}", style.paint(Tone::Bad, &wrapped(&line, 2, 4, width)));
    }
    let more = run.problems.len().saturating_sub(SHOWN);
    if more > 0 {
        _ = writeln!(text, "  and {}", words::count(more, "more journal"));
    }
    text
}
