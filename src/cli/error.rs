//! Every error becomes words, a hint and an exit code here, and nowhere else.

use super::exit::Exit;
use crate::diag::{Diag, Diagnostics, Sources};
use miette::{GraphicalReportHandler, GraphicalTheme};

/// What ends a program early.
#[derive(Debug)]
pub enum CliError {
    /// Mistakes in the operator's files.
    Diagnostics(Vec<Diag>),
    /// Anything else: what went wrong and what to do next.
    Plain {
        /// What went wrong.
        message: String,
        /// What to do next.
        hint: Option<String>,
        /// How the program ends.
        exit: Exit,
    },
}

impl CliError {
    /// An error of the general kind.
    pub fn new(message: impl Into<String>) -> Self {
        Self::Plain { message: message.into(), hint: None, exit: Exit::Error }
    }

    /// The same with the next step.
    pub fn with_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Plain { message: message.into(), hint: Some(hint.into()), exit: Exit::Error }
    }

    /// The same with another exit code.
    #[must_use]
    pub fn exiting(self, code: Exit) -> Self {
        match self {
            Self::Plain { message, hint, .. } => Self::Plain { message, hint, exit: code },
            other @ Self::Diagnostics(_) => other,
        }
    }

    /// Mistakes with the texts that they point into.
    pub fn from_diagnostics(diagnostics: Diagnostics, sources: &Sources) -> Self {
        Self::Diagnostics(diagnostics.into_reports(sources))
    }

    /// How the program ends.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Diagnostics(_) => Exit::Error,
            Self::Plain { exit, .. } => *exit,
        }
    }

    /// The words, for standard error.
    pub fn render(&self, colour: bool) -> String {
        match self {
            Self::Diagnostics(list) => render_diagnostics(list, colour),
            Self::Plain { message, hint, .. } => match hint {
                Some(hint) => format!("error: {message}\n\nhint: {hint}\n"),
                None => format!("error: {message}\n"),
            },
        }
    }
}

/// One report, with the lines that it points at.
pub fn picture(diag: &Diag, colour: bool) -> String {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(100);
    let mut text = String::new();
    // Writing to a String can't fail; a report that can't be drawn still has its message.
    if handler.render_report(&mut text, diag).is_err() {
        text.push_str(&diag.message);
    }
    text.push('\n');
    text
}

/// All reports one after the other, and their number.
pub fn render_diagnostics(list: &[Diag], colour: bool) -> String {
    let text: String = list.iter().map(|diag| picture(diag, colour)).collect();
    text + &if list.len() == 1 { "1 mistake\n".to_owned() } else { format!("{} mistakes\n", list.len()) }
}
