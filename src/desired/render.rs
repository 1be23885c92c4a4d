//! Rendering for one instance: every failure points into the module, and secrets are followed.

use super::context::Secrets;
use crate::diag::{Code, Diag, Diagnostics, Span, Spanned};
use crate::expr::{Context, ExprError, ExprErrorKind};
use crate::model::{Digest, Expr, Template};

/// Renders templates of a module for one instance.
pub(super) struct Renderer<'a> {
    /// With the names of secrets.
    masked: Context,
    /// Each with another text in the place of one secret, and the mark of that one.
    each: Vec<(Context, Digest)>,
    /// With the secrets themselves, when the instance has any and they are known.
    open: Option<Context>,
    /// The instance, for people.
    who: String,
    found: &'a mut Diagnostics,
}

/// A rendered file, with the names of secrets where they are.
pub(super) struct Rendered {
    pub(super) text: String,
    pub(super) sealed: Option<Sealed>,
}

/// What is hidden of a file with secrets in it.
pub(super) struct Sealed {
    /// The key of its digests.
    pub(super) key: Digest,
    /// The text with the secrets, when they are known.
    pub(super) open: Option<String>,
}

impl<'a> Renderer<'a> {
    /// For an instance. The names of secrets win over those of the context.
    pub(super) fn new(context: &Context, secrets: Option<&Secrets>, who: String, found: &'a mut Diagnostics) -> Self {
        let masked = context.clone();
        let each: Vec<_> =
            secrets.iter().flat_map(|secrets| &secrets.each).map(|(other, mark)| (masked.with(other), *mark)).collect();
        let open = secrets
            .and_then(|secrets| secrets.open.as_ref())
            .filter(|_| !each.is_empty())
            .map(|open| masked.with(open));
        Self { masked, each, open, who, found }
    }

    /// A text that anybody may see: a path, a word of a command. A secret in it is a mistake.
    pub(super) fn text(&mut self, template: &Template) -> Option<String> {
        let rendered = self.file(template)?;
        if rendered.sealed.is_some() {
            let message = "a secret would be seen here by everybody on the host";
            let help = "render it into a file: such a file is only readable by its owner, and masked in diffs";
            self.report(Diag::at(Code::RenderFailed, template.0.span, message).help(help));
            return None;
        }
        Some(rendered.text)
    }

    /// The content of a file. It holds a secret when it would be another one with another secret: that can be told without
    /// knowing any.
    pub(super) fn file(&mut self, template: &Template) -> Option<Rendered> {
        let result = self.sealed(&template.0.value);
        self.kept(&template.0, result)
    }

    fn sealed(&self, template: &str) -> Result<Rendered, ExprError> {
        let text = self.masked.render(template)?;
        let mut marks = Vec::new();
        for (other, mark) in &self.each {
            if other.render(template)? != text {
                marks.push(mark.to_string());
            }
        }
        let open = self.open.as_ref().map(|open| open.render(template)).transpose()?;
        if marks.is_empty() {
            // A template may look at a value in a way that a name in its place does not show: better hidden than not.
            if open.as_ref().is_none_or(|open| *open == text) {
                return Ok(Rendered { text, sealed: None });
            }
            marks.extend(self.each.iter().map(|(_, mark)| mark.to_string()));
        }
        let key = Digest::of_parts(marks.iter().map(String::as_bytes));
        Ok(Rendered { text, sealed: Some(Sealed { key, open }) })
    }

    /// Whether an expression holds; absent is yes.
    pub(super) fn holds(&mut self, expr: Option<&Expr>) -> Option<bool> {
        let Some(expr) = expr else { return Some(true) };
        let result = self.masked.eval_bool(&expr.0.value);
        self.kept(&expr.0, result)
    }

    /// A whole number.
    pub(super) fn number(&mut self, expr: &Expr) -> Option<i64> {
        let result = self.masked.eval(&expr.0.value);
        let value = self.kept(&expr.0, result)?;
        let number = value.as_i64();
        if number.is_none() {
            let shown: String = value.to_string().chars().take(60).collect();
            let diag = Diag::at(Code::RenderFailed, expr.0.span, "this gives no whole number");
            let diag = diag.label(format!("expected a whole number, found {shown} for `{}`", self.who));
            self.report(diag.help("such as `host.number`, or an expression over parameters"));
        }
        number
    }

    /// Any value.
    pub(super) fn value(&mut self, expr: &Expr) -> Option<serde_json::Value> {
        let result = self.masked.eval(&expr.0.value);
        self.kept(&expr.0, result)
    }

    /// Reports a mistake, naming the instance.
    pub(super) fn report(&mut self, diag: Diag) {
        let label = format!("for `{}`", self.who);
        self.found.push(if diag.label.is_empty() { diag.label(label) } else { diag });
    }

    fn kept<T>(&mut self, text: &Spanned<String>, result: Result<T, ExprError>) -> Option<T> {
        result.map_err(|error| self.report(failure(text, &error))).ok()
    }
}

fn failure(text: &Spanned<String>, error: &ExprError) -> Diag {
    let span = error.range.as_ref().map_or(text.span, |range| inside(text, range.start, range.len()));
    let message = match error.kind {
        ExprErrorKind::Undefined => error.to_string(),
        _ => format!("this can't be evaluated: {error}"),
    };
    let help = match error.kind {
        ExprErrorKind::Limit => "a template may loop over hosts, ports and parameters, not over large ranges",
        ExprErrorKind::Undefined => {
            "set it, or say what holds without it: `… | default('…')`; docs/modules.md lists what templates see"
        }
        _ => "docs/modules.md lists what templates and expressions see",
    };
    Diag::at(Code::RenderFailed, span, message).help(help)
}

/// The place of a part of a text: known when the text is a whole file, or quoted without escapes.
pub(super) fn inside(text: &Spanned<String>, start: usize, len: usize) -> Span {
    let quotes = text.span.len.saturating_sub(text.value.len());
    match quotes {
        0 | 2 if start + len <= text.value.len() => {
            Span { start: text.span.start + quotes / 2 + start, len, ..text.span }
        }
        _ => text.span,
    }
}
