//! Readers of the executor's events: plain lines for logs and pipes, live lines for terminals. Both show the same events in
//! the same words; nothing that comes from a host or a service reaches a terminal unescaped.

mod lines;
mod plain;
mod terminal;

pub use lines::{failure, outcome};

use crate::apply::Event;
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

/// Shows events until the sender is gone; the last thing shown is the outcome. Lines go to `out`, live lines to the
/// standard error.
pub async fn run(mut events: mpsc::Receiver<Event>, style: Style, out: &mut (dyn Write + Send)) {
    let mut plain = plain::Plain::new(style == Style::Quiet);
    let live = (style == Style::Terminal).then(terminal::Live::new);
    while let Some(event) = events.recv().await {
        let lines = plain.lines(&event);
        match &live {
            Some(live) => live.show(&event, &lines, out),
            None => plain::write(&lines, out),
        }
    }
    if let Some(live) = live {
        live.end();
    }
}
