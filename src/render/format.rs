//! The formats of a plan, in one list: what `--format` takes, what the end of a report's name means, and what the golden
//! files of the scenarios cover.

use super::{TextOptions, github, html, json, junit, markdown, text};
use crate::desired::Desired;
use crate::diag::Place;
use crate::model::RoleId;
use crate::plan::{Plan, PlanReport};
use std::collections::BTreeMap;

/// A format of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people, on a terminal.
    Text,
    /// The plan itself: what `--out` writes.
    Json,
    /// For the comment of a merge request.
    Markdown,
    /// For the test report of a pipeline.
    Junit,
    /// Annotations of a workflow's log.
    Github,
    /// One page that needs nothing else, for a browser.
    Html,
}

impl Format {
    /// All of them. Each has golden files in `fixtures/scenarios/`.
    pub const ALL: &[Self] = &[Self::Text, Self::Json, Self::Markdown, Self::Junit, Self::Github, Self::Html];

    /// Its name on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Markdown => "markdown",
            Self::Junit => "junit",
            Self::Github => "github",
            Self::Html => "html",
        }
    }

    /// What it is for, as the help of a command says it.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Text => "For people",
            Self::Json => "For programs: the plan itself",
            Self::Markdown => "For the comment of a merge request",
            Self::Junit => "For the test report of a pipeline",
            Self::Github => "Annotations (workflow commands) for the log of a GitHub workflow",
            Self::Html => "One page for a browser, with nothing beside it",
        }
    }

    /// How the names of its files end.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Json => "json",
            Self::Markdown => "md",
            Self::Junit => "xml",
            Self::Github => "github",
            Self::Html => "html",
        }
    }

    /// The format that a file's name asks for by its end.
    pub fn by_extension(extension: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|format| format.extension() == extension)
    }
}

/// A plan with everything that some format shows of it.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What it leaves out, and why.
    pub report: &'a PlanReport,
    /// What it was made from.
    pub desired: &'a Desired,
    /// Where roles are declared; formats that point into files do so where a place is known.
    pub places: &'a Places,
}

/// Where roles are declared.
pub type Places = BTreeMap<RoleId, Place>;

/// The plan in a format. The same plan gives the same bytes; only text has options.
pub fn plan(format: Format, shown: &Shown<'_>, options: &TextOptions) -> String {
    match format {
        Format::Text => text(shown.plan, shown.report, options),
        Format::Json => json(shown.plan),
        Format::Markdown => markdown::markdown(shown),
        Format::Junit => junit::junit(shown),
        Format::Github => github::github(shown),
        Format::Html => html::html(shown.plan, shown.report, shown.desired),
    }
}
