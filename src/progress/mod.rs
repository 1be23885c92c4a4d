//! Readers of the executor's events: plain lines for logs and pipes, live lines for terminals, JSON lines for programs. All
//! show the same events; nothing that comes from a host or a service reaches a terminal unescaped.

mod eta;
mod json;
mod lines;
mod plain;
mod report;
mod terminal;
mod waits;

pub use eta::Eta;
pub use lines::{failure, outcome};
pub use report::Report;

use crate::apply::{Event, Happening};
use std::io::Write;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often a terminal is told how far the run is, when nothing happens.
const REFRESH: Duration = Duration::from_millis(500);

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
/// report needs. `eta` is for the terminal.
pub async fn run(
    mut events: mpsc::Receiver<Event>,
    style: Style,
    out: &mut (dyn Write + Send),
    mut json: Option<&mut (dyn Write + Send)>,
    mut eta: Option<Eta>,
) -> Report {
    let mut report = Report::default();
    let mut waits = waits::Waits::default();
    let mut plain = plain::Plain::new(style == Style::Quiet);
    let mut live = (style == Style::Terminal).then(terminal::Live::new);
    loop {
        // Time goes on also while nothing happens.
        let event = match tokio::time::timeout(REFRESH, events.recv()).await {
            Ok(Some(event)) => event,
            Ok(None) => break,
            Err(_) => {
                if let Some(live) = &mut live {
                    live.refresh(eta.as_ref());
                }
                continue;
            }
        };
        if let Some(eta) = &mut eta {
            eta.see(&event);
        }
        if let Some(json) = json.as_deref_mut() {
            json::write(&json::line(&event), json);
        }
        waits.see(&event);
        report.see(&event);
        let mut lines = plain.lines(&event);
        if matches!(event.what, Happening::Ended { .. }) && style != Style::Quiet {
            lines.splice(0..0, waits.line());
        }
        match &mut live {
            Some(live) => live.show(&event, &lines, out, eta.as_ref()),
            None => plain::write(&lines, out),
        }
    }
    if let Some(mut live) = live {
        live.end();
    }
    report
}
