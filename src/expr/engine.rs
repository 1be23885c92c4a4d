//! The engine with its limits.

use super::{ExprError, ExprErrorKind, functions, scan};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Enumerator, Object, ObjectRepr, Serde};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::{Arc, LazyLock};

/// Longest rendered text and longest value of an expression, in bytes. Configuration files are far below.
pub const MAX_OUTPUT: usize = 1 << 20;

/// Work that one template or expression may cost. One unit is about one instruction or 64 bytes of data, so this is
/// well under a second, and enough to go through an answer with tens of thousands of rows.
const FUEL: u64 = 2_000_000;

static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_auto_escape_callback(|_| AutoEscape::None);
    engine.set_fuel(Some(FUEL));
    engine.set_debug(true); // errors then carry the place
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        engine.set_syntax(syntax);
    }
    engine.set_formatter(|out, _, value| Ok(out.write_str(&functions::text(value)?)?));
    functions::add_to(&mut engine);
    engine
});

/// A value that contexts hold together: cloning it costs nothing, whatever is in it.
#[derive(Clone)]
pub struct Shared(pub(super) Value);

impl Shared {
    /// From data.
    pub fn new(data: &serde_json::Value) -> Self {
        Self(Value::from(Serde(data)))
    }

    /// A list of values.
    pub fn list(values: impl IntoIterator<Item = Shared>) -> Self {
        Self(values.into_iter().map(|value| value.0).collect())
    }

    /// The values of a list but one; looked up when they are asked for, so that it costs nothing to have such a list for
    /// each value.
    #[must_use]
    pub fn without(&self, skipped: usize) -> Self {
        Self(Value::from_object(Without { list: self.0.clone(), skipped }))
    }

    /// A map whose entries come from several maps; the last one that has a name wins.
    pub fn merged(maps: impl IntoIterator<Item = Shared>) -> Self {
        Self(minijinja::value::merge_maps(maps.into_iter().map(|map| map.0)))
    }

    /// A map of values.
    pub fn map(pairs: impl IntoIterator<Item = (String, Shared)>) -> Self {
        Self(Value::from_pairs(pairs.into_iter().map(|(name, value)| (name, value.0))))
    }
}

/// What templates and expressions see. Cheap to clone and to extend: values are shared.
#[derive(Clone)]
pub struct Context(pub(super) Value);

impl Context {
    /// A context from data.
    pub fn new(data: &serde_json::Value) -> Self {
        Self(Value::from(Serde(data)))
    }

    /// A context of values, some of which others hold too.
    pub fn of(names: impl IntoIterator<Item = (String, Shared)>) -> Self {
        Self(Shared::map(names).0)
    }

    /// This context with the names of another one; those win.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(minijinja::value::merge_maps([self.0.clone(), other.0.clone()]))
    }

    /// This context with further names; they win over names of the same spelling.
    #[must_use]
    pub fn with(&self, names: &serde_json::Value) -> Self {
        Self(minijinja::value::merge_maps([self.0.clone(), Value::from(Serde(names))]))
    }

    /// What a name stands for, as data; `None` when there is no such name.
    pub fn get(&self, name: &str) -> Option<serde_json::Value> {
        let value = self.0.get_attr(name).ok().filter(|value| !value.is_undefined())?;
        serde_json::to_value(value).ok()
    }

    /// Renders a template, see [`super::render`].
    ///
    /// # Errors
    /// When it does not compile, takes an undefined value, fails, or exceeds its limits.
    pub fn render(&self, text: &str) -> Result<String, ExprError> {
        scan::template(text)?;
        let mut output = Bounded::default();
        let engine: &Environment<'_> = &ENGINE;
        let template = engine.template_from_str(text).map_err(|error| ExprError::from_engine(&error))?;
        template.render_captured_to(self.0.clone(), &mut output).map_err(|error| output.explain(&error))?;
        String::from_utf8(output.bytes).map_err(|_| ExprError::failed("the result is not UTF-8"))
    }

    /// Evaluates an expression, see [`super::eval`].
    ///
    /// # Errors
    /// When it does not compile, is undefined, fails, or exceeds its limits.
    pub fn eval(&self, text: &str) -> Result<serde_json::Value, ExprError> {
        let value = self.value_of(text)?;
        // Through a bounded text: a small program can describe a list of lists of lists that has no end in practice.
        serde_json::from_slice(&to_json(&value)?)
            .map_err(|error| ExprError::failed(&format!("the result is not data: {error}")))
    }

    /// Evaluates an expression for its truth, see [`super::eval_bool`].
    ///
    /// # Errors
    /// When it could not be evaluated.
    pub fn eval_bool(&self, text: &str) -> Result<bool, ExprError> {
        self.value_of(text).map(|value| value.is_true())
    }

    fn value_of(&self, text: &str) -> Result<Value, ExprError> {
        scan::expression(text)?;
        let engine: &Environment<'_> = &ENGINE;
        let expression = engine.compile_expression(text).map_err(|error| ExprError::from_engine(&error))?;
        let value = expression.eval(self.0.clone()).map_err(|error| ExprError::from_engine(&error))?;
        if value.is_undefined() {
            let message = format!("`{}` is undefined", text.trim());
            return Err(ExprError { kind: ExprErrorKind::Undefined, message, line: Some(1), range: None });
        }
        Ok(value)
    }
}

/// See [`Shared::without`].
#[derive(Debug)]
struct Without {
    list: Value,
    skipped: usize,
}

impl Object for Without {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let index = key.as_usize()?;
        self.list.as_object()?.get_value(&Value::from(if index < self.skipped { index } else { index + 1 }))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.list.len().unwrap_or(0).saturating_sub(1))
    }
}

impl fmt::Debug for Context {
    /// The names alone: what they stand for may be the whole platform.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.try_iter().into_iter().flatten();
        f.debug_list().entries(names.map(|name| name.to_string())).finish()
    }
}

/// The JSON text of a value.
///
/// # Errors
/// When it is not data (a function), or larger than [`MAX_OUTPUT`].
pub(super) fn to_json(value: &Value) -> Result<Vec<u8>, ExprError> {
    let mut output = Bounded::default();
    match serde_json::to_writer(&mut output, value) {
        Ok(()) => Ok(output.bytes),
        Err(_) if output.full => Err(too_large()),
        Err(error) => Err(ExprError::failed(&format!("the value is not data: {error}"))),
    }
}

/// Compiles a template; the names it takes from outside.
pub(super) fn template_names(text: &str) -> Result<BTreeSet<String>, ExprError> {
    scan::template(text)?;
    let engine: &Environment<'_> = &ENGINE;
    let template = engine.template_from_str(text).map_err(|error| ExprError::from_engine(&error))?;
    Ok(only_context(template.undeclared_variables(false)))
}

/// Compiles an expression; the names it takes from outside.
pub(super) fn expression_names(text: &str) -> Result<BTreeSet<String>, ExprError> {
    scan::expression(text)?;
    let engine: &Environment<'_> = &ENGINE;
    let expression = engine.compile_expression(text).map_err(|error| ExprError::from_engine(&error))?;
    Ok(only_context(expression.undeclared_variables(false)))
}

/// The attributes that a template takes of a name.
pub(super) fn attributes(text: &str, name: &str) -> Result<BTreeSet<String>, ExprError> {
    scan::template(text)?;
    let engine: &Environment<'_> = &ENGINE;
    let template = engine.template_from_str(text).map_err(|error| ExprError::from_engine(&error))?;
    let of = |path: String| Some(path.strip_prefix(name)?.strip_prefix('.')?.split('.').next()?.to_owned());
    Ok(template.undeclared_variables(true).into_iter().filter_map(of).collect())
}

fn only_context(names: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    let global = |name: &String| ENGINE.globals().any(|(known, _)| known == name);
    names.into_iter().filter(|name| !global(name)).collect()
}

fn too_large() -> ExprError {
    ExprError::limit("its result is larger than 1 MiB")
}

/// A text that takes [`MAX_OUTPUT`] bytes and no more.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    full: bool,
}

impl Bounded {
    fn explain(&self, error: &minijinja::Error) -> ExprError {
        if self.full {
            return ExprError { line: error.line(), range: error.range(), ..too_large() };
        }
        ExprError::from_engine(error)
    }
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > MAX_OUTPUT {
            self.full = true;
            return Err(io::Error::other("too large"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
