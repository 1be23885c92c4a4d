//! Standard output and standard error: data goes to the one, everything else to the other. Resolved once.

use std::io::{IsTerminal as _, Write as _};
use tracing_subscriber::filter::LevelFilter;

/// Where the program talks to.
#[derive(Debug)]
pub(crate) struct Terminal {
    colour: bool,
    /// Standard error is a terminal: live progress can be drawn.
    live: bool,
}

impl Terminal {
    /// Reads the environment and starts the log on standard error.
    pub(crate) fn new(no_color: bool, verbose: u8) -> Self {
        let level = match verbose {
            0 => LevelFilter::WARN,
            1 => LevelFilter::INFO,
            2 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        };
        let colour = !no_color && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        // Only the first call of a process can succeed, and tests may make several.
        let _ = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_writer(std::io::stderr)
            .with_ansi(colour && std::io::stderr().is_terminal())
            .without_time()
            .try_init();
        Self { colour, live: std::io::stderr().is_terminal() }
    }

    /// Prints data. A reader that went away ends nothing.
    #[expect(clippy::unused_self, reason = "only who was handed a terminal may print")]
    pub(crate) fn print(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// Prints what is not data.
    #[expect(clippy::unused_self, reason = "only who was handed a terminal may print")]
    pub(crate) fn complain(&self, text: &str) {
        let mut out = std::io::stderr().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// Whether standard output takes colours.
    pub(crate) fn colour(&self) -> bool {
        self.colour && std::io::stdout().is_terminal()
    }

    /// Whether standard error takes colours.
    pub(crate) fn colour_of_stderr(&self) -> bool {
        self.colour && self.live
    }

    /// Whether live progress can be drawn.
    pub(crate) fn is_live(&self) -> bool {
        self.live
    }

    /// Columns of the terminal; 100 where there is none.
    pub(crate) fn width(&self) -> usize {
        let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
        columns.unwrap_or_else(|| if self.is_live() { usize::from(console_width()) } else { 100 })
    }

    /// Asks a question that only `yes` answers with yes. Without a terminal the answer is `None`.
    pub(crate) fn ask(&self, question: &str) -> Option<bool> {
        if !std::io::stdin().is_terminal() {
            return None;
        }
        self.complain(question);
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        Some(read.is_ok() && answer.trim() == "yes")
    }
}

fn console_width() -> u16 {
    rustix::termios::tcgetwinsize(std::io::stderr()).map_or(100, |size| size.ws_col.max(40))
}
