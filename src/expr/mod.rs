//! Templates and expressions: minijinja, strict, without access to anything but the context, and bounded.
//!
//! Templates come from modules, contexts come from answers of services, and neither is trusted: work is paid for in
//! fuel, text is limited, and what can't be evaluated is an error and never an empty text. What an error means is the
//! caller's to say: *not yet* in a gate, *unsafe* in a safety rule.

mod engine;
mod error;
mod functions;
mod rows;
mod scan;
#[cfg(test)]
mod tests;
mod watch;

pub use engine::{Context, MAX_OUTPUT, Shared};
pub use error::{ExprError, ExprErrorKind};
pub use watch::{Mark, Memo, Watched};

use serde_json::Value;
use std::collections::BTreeSet;

/// Compiles a template and renders nothing.
///
/// # Errors
/// When the text is not a template; the error says where.
pub fn check_template(text: &str) -> Result<(), ExprError> {
    engine::template_names(text).map(drop)
}

/// Compiles an expression and evaluates nothing.
///
/// # Errors
/// When the text is not an expression; the error says where.
pub fn check_expression(text: &str) -> Result<(), ExprError> {
    engine::expression_names(text).map(drop)
}

/// The names that a template takes from its context, functions left out: what must be a parameter or documented.
///
/// # Errors
/// When the text is not a template.
pub fn template_names(text: &str) -> Result<BTreeSet<String>, ExprError> {
    engine::template_names(text)
}

/// The names that an expression takes from its context, functions left out.
///
/// # Errors
/// When the text is not an expression.
pub fn expression_names(text: &str) -> Result<BTreeSet<String>, ExprError> {
    engine::expression_names(text)
}

/// The attributes that a template takes of a name from its context: of `services`, `zones` for `{{ services.zones }}`.
/// Empty when the text is not a template.
pub fn attributes(text: &str, name: &str) -> BTreeSet<String> {
    engine::attributes(text, name).unwrap_or_default()
}

/// Renders a template. A single final line end is kept.
///
/// # Errors
/// When it does not compile, takes an undefined value, fails, or exceeds its limits.
pub fn render(text: &str, context: &Value) -> Result<String, ExprError> {
    Context::new(context).render(text)
}

/// Evaluates an expression.
///
/// # Errors
/// When it does not compile, is undefined, fails, or exceeds its limits.
pub fn eval(text: &str, context: &Value) -> Result<Value, ExprError> {
    Context::new(context).eval(text)
}

/// Evaluates an expression for its truth: false are `false`, `none`, 0, and what is empty.
///
/// # Errors
/// When it could not be evaluated: callers take that for *not yet* or *unsafe*, never for *true*.
pub fn eval_bool(text: &str, context: &Value) -> Result<bool, ExprError> {
    Context::new(context).eval_bool(text)
}
