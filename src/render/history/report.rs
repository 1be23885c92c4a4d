//! The report of one run: how it ended, what was waited for longest, what failed, and every step.

use super::{History, about, done, ended, list, millis, pretty, took_words, unread};
use crate::history::{Entry, PastRun, PastStep};
use crate::render::style::{Style, Tone, wrapped};
use crate::render::{fold, words};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// How many of the slowest waits are named.
const SLOWEST: usize = 5;

/// Most steps that people are shown; a program is given all.
const STEPS: usize = 200;

impl History {
    /// The report of the first run for people.
    pub fn report(&self, colour: bool, width: usize) -> String {
        let (style, width) = (Style { colour }, width.max(40));
        let mut text = String::new();
        if let Some(run) = self.runs.first() {
            text.push_str(&head(run, style, width));
            let waits = run.slowest(SLOWEST);
            if !waits.is_empty() {
                _ = writeln!(text, "\n{}", style.paint(Tone::Strong, "slowest"));
            }
            for entry in waits {
                _ = writeln!(text, "  {:>7}  {}: {}", took(entry), entry.subject, entry.action);
            }
            _ = writeln!(text, "\n{}", style.paint(Tone::Strong, "steps"));
            for step in run.steps.iter().take(STEPS) {
                text.push_str(&row(step, style, width));
            }
            if run.steps.len() > STEPS {
                let more = words::count(run.steps.len() - STEPS, "more step");
                _ = writeln!(text, "  ... {more}: --format json has all");
            }
        }
        for (host, why) in &self.unread {
            let line = format!("{host} could not be asked: {why}");
            _ = writeln!(text, "{}", style.paint(Tone::Bad, &wrapped(&line, 0, 2, width)));
        }
        text
    }

    /// The report of the first run for programs.
    pub fn report_json(&self) -> String {
        let Some(run) = self.runs.first() else { return self.json() };
        let mut value = about(run);
        if let Value::Object(fields) = &mut value {
            fields.insert("cluster".to_owned(), self.cluster.clone().into());
            fields.insert("slowest".to_owned(), run.slowest(SLOWEST).into_iter().map(entry).collect());
            fields.insert("steps".to_owned(), run.steps.iter().map(step).collect());
            fields.insert("unread".to_owned(), unread(self));
        }
        pretty(&value)
    }

    /// The report of the first run in Markdown.
    pub fn report_markdown(&self) -> String {
        let Some(run) = self.runs.first() else { return self.markdown() };
        let plain = Style { colour: false };
        let mut text = format!("### {}\n\n", cell(format!("{}: {}", run.run, ended(run))));
        for line in head(run, plain, usize::MAX).lines().skip(1) {
            _ = writeln!(text, "- {}", cell(line.trim()));
        }
        text.push_str("\n| at | took | step | what |\n| ---: | ---: | --- | --- |\n");
        for step in run.steps.iter().take(STEPS) {
            let cells = [took_words(step.at()), step_took(step), step.step.clone(), actions(step)];
            _ = writeln!(text, "| {} |", cells.map(|text| cell(&text)).join(" | "));
        }
        if run.steps.len() > STEPS {
            _ = writeln!(text, "\n{} left out", words::count(run.steps.len() - STEPS, "more step"));
        }
        text
    }
}

/// A text as code in a table of Markdown, which it can't leave; an empty one as nothing.
pub(super) fn cell(text: impl AsRef<str>) -> String {
    let text: String = text.as_ref().chars().map(|c| if matches!(c, '`' | '|') { '\'' } else { c }).collect();
    let text = crate::inventory::printable(&text, 400);
    if text.trim().is_empty() { String::new() } else { format!("`{}`", text.trim()) }
}

/// How it ended, by whom, with what was waived and what can't be read.
fn head(run: &PastRun, style: Style, width: usize) -> String {
    let tone = if run.outcome.as_ref().is_some_and(|outcome| outcome.exit == 0) { Tone::Added } else { Tone::Bad };
    let mut text = format!("{}: {}\n", style.paint(Tone::Strong, &run.run), style.paint(tone, &ended(run)));
    let mut line = |label: &str, what: &str| {
        let text_line = format!("{label} {what}");
        _ = writeln!(text, "  {}", wrapped(&text_line, 2, 4, width));
    };
    match done(run) {
        Some(done) => line("done:", &done),
        None => line("it was lost, or goes on:", &format!("{} recorded", words::count(run.steps.len(), "step"))),
    }
    if let Some(header) = &run.header {
        line("when:", &header.since);
        line("by:", &format!("{}: {}", header.who, header.why));
        line("plan:", &format!("sha256:{}", header.plan));
        for (name, reason) in &header.waived {
            line("waived:", &format!("{name}: {reason}"));
        }
    }
    line("hosts:", &fold::hosts(&run.hosts));
    for failed in run.steps.iter().filter_map(PastStep::failed) {
        let why = failed.failed.as_deref().unwrap_or_default();
        line("failed:", &format!("{}, {}: {why}", failed.subject, failed.action));
    }
    text.push_str(&list::problems(run, style, width));
    text
}

fn row(step: &PastStep, style: Style, width: usize) -> String {
    let (at, took) = (took_words(step.at()), step_took(step));
    let tone = if step.failed().is_some() { Tone::Bad } else { Tone::Strong };
    let mut text = format!("  {at:>7}  {took:>7}  {}\n", style.paint(tone, &step.step));
    // Of a step that is one action its own line says all.
    if step.entries.len() > 1 {
        _ = writeln!(text, "                    {}", wrapped(&actions(step), 20, 20, width));
    }
    text
}

/// `stop 1s, await ready 8s`; with the instance where it changes.
fn actions(step: &PastStep) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut about = "";
    let several =
        step.entries.iter().any(|entry| step.entries.first().is_some_and(|first| first.subject != entry.subject));
    for entry in &step.entries {
        let subject = if several && entry.subject != about { format!("{}: ", entry.subject) } else { String::new() };
        about = &entry.subject;
        let failed = if entry.failed.is_some() { " FAILED" } else { "" };
        parts.push(format!("{subject}{} {}{failed}", entry.action, took(entry)));
    }
    parts.join(", ")
}

fn step_took(step: &PastStep) -> String {
    step.took().map_or_else(|| "?".to_owned(), took_words)
}

fn took(entry: &Entry) -> String {
    entry.took.map_or_else(|| "without an end".to_owned(), took_words)
}

fn step(step: &PastStep) -> Value {
    let actions: Vec<Value> = step.entries.iter().map(entry).collect();
    json!({ "step": step.step, "at": millis(step.at()), "took": step.took().map(millis), "actions": actions })
}

fn entry(entry: &Entry) -> Value {
    let mut value = json!({
        "subject": entry.subject,
        "action": entry.action,
        "at": millis(entry.at),
        "took": entry.took.map(millis),
    });
    if let (Some(why), Value::Object(fields)) = (&entry.failed, &mut value) {
        fields.insert("failed".to_owned(), why.clone().into());
    }
    value
}
