//! Readers of the executor's events: plain lines for logs and pipes, live lines for terminals, JSON lines for programs. All
//! show the same events; nothing that comes from a host or a service reaches a terminal unescaped.

mod json;
mod lines;
mod plain;
mod report;
mod terminal;
mod waits;

pub use lines::{failure, outcome};
pub use report::Report;

use crate::apply::{Event, Happening};
use std::io::Write;
use tokio::sync::mpsc;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// One line for each event that matters.
    Plain,
    /// The same lines, and below them one live line for each host, instance or service that something happens to.
    Terminal,
    /// Only problems and the outcome.
    Quiet,
}

/// Shows events until the sender is gone; the last thing shown is the outcome, after what took longest. Lines go to `out`,
/// live lines to the standard error; each event as a line of JSON to `json`, where somebody asked for that. Returns what a
/// report needs.
pub async fn run(
    mut events: mpsc::Receiver<Event>,
    style: Style,
    out: &mut (dyn Write + Send),
    mut json: Option<&mut (dyn Write + Send)>,
) -> Report {
    let mut report = Report::default();
    let mut waits = waits::Waits::default();
    let mut plain = plain::Plain::new(style == Style::Quiet);
    let live = (style == Style::Terminal).then(terminal::Live::new);
    while let Some(event) = events.recv().await {
        if let Some(json) = json.as_deref_mut() {
            json::write(&json::line(&event), json);
        }
        waits.see(&event);
        report.see(&event);
        let mut lines = plain.lines(&event);
        if matches!(event.what, Happening::Ended { .. }) && style != Style::Quiet {
            lines.splice(0..0, waits.line());
        }
        match &live {
            Some(live) => live.show(&event, &lines, out),
            None => plain::write(&lines, out),
        }
    }
    if let Some(live) = live {
        live.end();
    }
    report
}
