//! What `esplan validate` has found, for programs: JSON, annotations, SARIF.

mod sarif;
#[cfg(test)]
mod tests;

pub use sarif::sarif;

use super::github::{Annotation, Level, commands};
use crate::diag::{Diag, Place};
use serde::Serialize;

/// One mistake or warning.
#[derive(Debug, Serialize)]
struct Finding {
    level: &'static str,
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    #[serde(flatten)]
    place: Option<At>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related: Vec<Related>,
}

/// A place, in JSON.
#[derive(Debug, Serialize)]
struct At {
    file: String,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

/// Another place that belongs to it.
#[derive(Debug, Serialize)]
struct Related {
    message: String,
    #[serde(flatten)]
    place: Option<At>,
}

impl From<Place> for At {
    fn from(place: Place) -> Self {
        let Place { file, line, column, end_line, end_column } = place;
        Self { file, line, column, end_line, end_column }
    }
}

fn finding(level: &'static str, diag: &Diag) -> Finding {
    let related = diag.related.iter().map(|other| Related { message: said(other), place: other.place().map(At::from) });
    Finding {
        level,
        code: diag.code.name(),
        message: diag.message.clone(),
        label: diag.label.clone(),
        help: diag.help.clone(),
        place: diag.place().map(At::from),
        related: related.collect(),
    }
}

/// What another place says: a note beside the mistake may have a label alone.
fn said(other: &Diag) -> String {
    if other.message.is_empty() { other.label.clone() } else { other.message.clone() }
}

/// All with their level.
fn all<'a>(mistakes: &'a [Diag], warnings: &'a [Diag]) -> impl Iterator<Item = (&'static str, &'a Diag)> {
    let mistakes = mistakes.iter().map(|diag| ("error", diag));
    mistakes.chain(warnings.iter().map(|diag| ("warning", diag)))
}

/// One JSON object: `valid`, and the findings. Diagnostics must have their texts attached.
pub fn json(mistakes: &[Diag], warnings: &[Diag]) -> String {
    #[derive(Serialize)]
    struct Found {
        valid: bool,
        findings: Vec<Finding>,
    }
    let findings = all(mistakes, warnings).map(|(level, diag)| finding(level, diag)).collect();
    // Text and numbers: nothing of it can fail to be written.
    let text = serde_json::to_string_pretty(&Found { valid: mistakes.is_empty(), findings }).unwrap_or_default();
    super::json::printable(&text) + "\n"
}

/// Annotations at their places. Diagnostics must have their texts attached.
pub fn github(mistakes: &[Diag], warnings: &[Diag]) -> String {
    let annotation = |(level, diag): (&str, &Diag)| {
        let mut message = diag.message.clone();
        for more in [Some(&diag.label), diag.help.as_ref()].into_iter().flatten().filter(|more| !more.is_empty()) {
            message.push_str("; ");
            message.push_str(more);
        }
        let place = diag.place().map_or_else(Vec::new, |at| {
            let mut place = vec![("file", at.file), ("line", at.line.to_string()), ("col", at.column.to_string())];
            place.push(("endLine", at.end_line.to_string()));
            // Columns mean something within one line alone.
            if at.end_line == at.line {
                place.push(("endColumn", at.end_column.to_string()));
            }
            place
        });
        let level = if level == "error" { Level::Error } else { Level::Warning };
        Annotation { level, title: diag.code.name().to_owned(), message, place }
    };
    commands(&all(mistakes, warnings).map(annotation).collect::<Vec<_>>())
}
