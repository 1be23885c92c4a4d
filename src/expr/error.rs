//! What went wrong with a template or an expression, in one line that is safe to print.

use minijinja::ErrorKind;
use std::error::Error as _;
use std::ops::Range;

/// Longest message; details may quote the untrusted answer of a service.
const MAX_MESSAGE: usize = 400;

/// Why a template or an expression gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// What kind of failure.
    pub kind: ExprErrorKind,
    /// For people: one line, without control characters, bounded.
    pub message: String,
    /// Line in the text, from 1.
    pub line: Option<usize>,
    /// Bytes of the text that are concerned.
    pub range: Option<Range<usize>>,
}

/// Kinds of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExprErrorKind {
    /// The text does not compile, or calls a function, filter or test that does not exist.
    Syntax,
    /// It uses something that its context does not have.
    Undefined,
    /// It worked too long, or its result is too large.
    Limit,
    /// It failed on the values it was given.
    Failed,
}

impl ExprError {
    pub(super) fn limit(what: &str) -> Self {
        Self { kind: ExprErrorKind::Limit, message: what.to_owned(), line: None, range: None }
    }

    pub(super) fn failed(what: &str) -> Self {
        Self { kind: ExprErrorKind::Failed, message: what.to_owned(), line: None, range: None }
    }

    pub(super) fn from_engine(error: &minijinja::Error) -> Self {
        let kind = kind_of(error);
        let mut message = match (kind, error.detail()) {
            (ExprErrorKind::Limit, _) => "it works too long, or on too much data".to_owned(),
            (_, Some(detail)) => detail.to_owned(),
            (_, None) => error.kind().to_string(),
        };
        let mut cause = error.source();
        while let Some(inner) = cause {
            message.push_str(": ");
            message.push_str(&inner.to_string());
            cause = inner.source();
        }
        Self { kind, message: one_line(&message), line: error.line(), range: error.range() }
    }
}

/// The kind of the first cause: an error of the writer wraps ours, a fuel error may be wrapped by a filter's.
fn kind_of(error: &minijinja::Error) -> ExprErrorKind {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(inner) = inner.downcast_ref::<minijinja::Error>()
            && inner.kind() == ErrorKind::OutOfFuel
        {
            return ExprErrorKind::Limit;
        }
        cause = inner.source();
    }
    match error.kind() {
        ErrorKind::OutOfFuel | ErrorKind::WriteFailure => ExprErrorKind::Limit,
        ErrorKind::UndefinedError => ExprErrorKind::Undefined,
        ErrorKind::SyntaxError
        | ErrorKind::UnknownFilter
        | ErrorKind::UnknownFunction
        | ErrorKind::UnknownTest
        | ErrorKind::UnknownMethod => ExprErrorKind::Syntax,
        _ => ExprErrorKind::Failed,
    }
}

/// Makes a text one bounded line without control characters.
fn one_line(text: &str) -> String {
    let mut line: String = text.chars().take(MAX_MESSAGE).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(MAX_MESSAGE).is_some() {
        line.push('…');
    }
    line
}
