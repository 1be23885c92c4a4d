//! Diagnostics: what is wrong, where, what was expected, and the next step.
//!
//! A [`Diag`] points into one source text (a `cluster.kdl` or a module's file) and may carry related notes in other
//! sources. Decoders never stop at the first mistake: they push to a [`Diagnostics`] and go on.

mod code;
mod place;
mod sources;
mod spanned;
mod suggest;

pub use code::Code;
pub use place::Place;
pub use sources::{SourceId, Sources};
pub use spanned::{Span, Spanned};
pub use suggest::nearest;

use miette::{Diagnostic, LabeledSpan, NamedSource, Severity, SourceCode};
use std::fmt;
use std::sync::Arc;

/// One mistake in one of the operator's files.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Diag {
    /// Stable, documented name of the kind of mistake.
    pub code: Code,
    /// What is wrong, as a lowercase fragment without a full stop.
    pub message: String,
    /// Where; `None` when the mistake is that something is absent altogether.
    pub span: Option<Span>,
    /// The short text under the span.
    pub label: String,
    /// What to do next.
    pub help: Option<String>,
    /// Other places that belong to the same mistake. Those in the same text are shown in the same picture, with their
    /// label or else their message; those in other texts are shown below.
    pub related: Vec<Diag>,
    /// Whether this is such another place.
    note: bool,
    text: Option<Arc<NamedSource<String>>>,
}

impl Diag {
    /// A mistake at a place.
    pub fn at(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            span: Some(span),
            label: String::new(),
            help: None,
            related: Vec::new(),
            note: false,
            text: None,
        }
    }

    /// A mistake that has no place in any file.
    pub fn nowhere(code: Code, message: impl Into<String>) -> Self {
        Self { span: None, ..Self::at(code, Span::default(), message) }
    }

    /// Sets the short text under the span.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Sets what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds another place, in the same or another file.
    #[must_use]
    pub fn also(mut self, related: Diag) -> Self {
        self.related.push(Diag { note: true, ..related });
        self
    }

    /// Attaches the texts, so that the report can show the lines.
    #[must_use]
    pub fn with_sources(mut self, sources: &Sources) -> Self {
        self.text = self.span.and_then(|span| sources.named(span.source));
        self.related = self.related.into_iter().map(|related| related.with_sources(sources)).collect();
        self
    }
}

impl Diagnostic for Diag {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.note).then(|| Box::new(self.code) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<Severity> {
        self.note.then_some(Severity::Advice)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.text.as_deref().map(|text| text as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.span?;
        self.text.as_ref()?;
        let own = LabeledSpan::new_primary_with_span(shown(&self.label), (span.start, span.len));
        let others = self.related.iter().filter(|other| self.is_beside(other)).filter_map(|other| {
            let label = if other.label.is_empty() { &other.message } else { &other.label };
            other.span.map(|span| LabeledSpan::new_with_span(shown(label), (span.start, span.len)))
        });
        Some(Box::new(std::iter::once(own).chain(others)))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        let mut elsewhere = self.related.iter().filter(|other| !self.is_beside(other)).peekable();
        elsewhere.peek()?;
        Some(Box::new(elsewhere.map(|related| related as &dyn Diagnostic)))
    }
}

impl Diag {
    /// Whether another place is in the same text, so that one picture can show both.
    fn is_beside(&self, other: &Diag) -> bool {
        self.span.zip(other.span).is_some_and(|(own, other)| own.source == other.source)
    }
}

fn shown(label: &str) -> Option<String> {
    (!label.is_empty()).then(|| label.to_owned())
}

/// All mistakes found in one run.
#[derive(Debug, Default, Clone)]
#[must_use = "unread diagnostics hide the operator's mistakes"]
pub struct Diagnostics {
    list: Vec<Diag>,
}

impl Diagnostics {
    /// No mistake yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records a mistake. The same mistake at the same place is recorded once (a module used by three roles).
    pub fn push(&mut self, diag: Diag) {
        let known = |seen: &Diag| seen.code == diag.code && seen.span == diag.span && seen.message == diag.message;
        if !self.list.iter().any(known) {
            self.list.push(diag);
        }
    }

    /// Takes over the mistakes of another stage.
    pub fn extend(&mut self, other: Diagnostics) {
        for diag in other.list {
            self.push(diag);
        }
    }

    /// The mistakes by their place: as somebody reads the files. Those without a place come first.
    pub fn sorted(mut self) -> Self {
        self.list.sort_by_key(|diag| diag.span);
        self
    }

    /// Whether nothing was wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The mistakes in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Diag> {
        self.list.iter()
    }

    /// How many mistakes.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The mistakes with their source texts attached, ready to be shown.
    #[must_use]
    pub fn into_reports(self, sources: &Sources) -> Vec<Diag> {
        self.list.into_iter().map(|diag| diag.with_sources(sources)).collect()
    }
}
