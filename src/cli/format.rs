//! Formats as flags take them.

use super::error::CliError;
use crate::render::{Format, GraphFormat};
use clap::ValueEnum;
use clap::builder::PossibleValue;
use std::path::{Path, PathBuf};

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(self.about()))
    }
}

/// Output of commands that show no plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Plain {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Output of `esplan graph`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Drawing {
    /// For people.
    #[default]
    Text,
    /// For Graphviz.
    Dot,
    /// For Markdown that draws Mermaid.
    Mermaid,
    /// A picture, light and dark.
    Svg,
}

impl From<Drawing> for GraphFormat {
    fn from(drawing: Drawing) -> Self {
        match drawing {
            Drawing::Text => Self::Text,
            Drawing::Dot => Self::Dot,
            Drawing::Mermaid => Self::Mermaid,
            Drawing::Svg => Self::Svg,
        }
    }
}

/// Output of `esplan validate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Findings {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// Annotations (workflow commands) for the log of a GitHub workflow.
    Github,
    /// SARIF 2.1.0, for code scanning and editors.
    Sarif,
}

/// A file that a report is written to, in the format that its name asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The file.
    pub path: PathBuf,
    /// The format.
    pub format: Format,
}

impl Report {
    /// Reads the format off the name's end.
    pub fn parse(text: &str) -> Result<Self, String> {
        let path = PathBuf::from(text);
        let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
        let format = Format::by_extension(end).ok_or_else(|| {
            let ends: Vec<String> =
                Format::ALL.iter().map(|format| format!(".{} ({})", format.extension(), format.name())).collect();
            format!("the name's end says the format: {}", ends.join(", "))
        })?;
        Ok(Self { path, format })
    }
}

/// Writes a report or a plan: aside, then renamed.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), CliError> {
    crate::artifact::write_whole(path, text.as_bytes()).map_err(|error| CliError::new(error.to_string()))
}
