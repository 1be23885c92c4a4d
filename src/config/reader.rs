//! A small reader over KDL nodes: typed arguments and properties with their places, and a report of everything that
//! nobody asked for. Decoders read what they know and call [`Node::finish`]; they never stop at the first mistake.

pub(super) use super::body::Body;

use super::grammar::{Spec, UNKNOWN};
use super::report::{duplicate, unknown_name, wrong};
use super::values::{Expected, FromKdl, Raw, found};
use crate::diag::{Code, Diag, Diagnostics, SourceId, Span, Spanned};
use crate::syntax;
use indexmap::IndexMap;
use kdl::{KdlDocument, KdlEntry, KdlNode};
use std::cell::{Cell, RefCell};

/// Mistakes that one run shows at most: enough to work on, and a bound for hostile input.
const MOST_DIAGNOSTICS: usize = 200;

/// Collects the mistakes of all decoders of a run.
#[derive(Debug, Default)]
pub(super) struct Cx {
    diagnostics: RefCell<Diagnostics>,
}

impl Cx {
    pub(super) fn report(&self, diag: Diag) {
        let mut diagnostics = self.diagnostics.borrow_mut();
        if diagnostics.len() < MOST_DIAGNOSTICS {
            diagnostics.push(diag);
        }
    }

    /// Parses a text. `None` when it is not KDL; what is wrong is reported.
    pub(super) fn parse(&self, name: &str, text: &str, source: SourceId) -> Option<KdlDocument> {
        syntax::parse(name, text, source, Code::Syntax)
            .map_err(|found| {
                for diag in found {
                    self.report(diag);
                }
            })
            .ok()
    }

    pub(super) fn count(&self) -> usize {
        self.diagnostics.borrow().len()
    }

    pub(super) fn into_diagnostics(self) -> Diagnostics {
        self.diagnostics.into_inner().sorted()
    }
}

/// A node with the file that it came from, and a record of what was read of it.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) cx: &'a Cx,
    source: SourceId,
    kdl: &'a KdlNode,
    /// What the language says of it.
    spec: &'static Spec,
    args_read: Cell<usize>,
    props_read: RefCell<Vec<&'static str>>,
    all_props_read: Cell<bool>,
    body_read: Cell<bool>,
}

impl<'a> Node<'a> {
    /// A node that stands in the block of what is told by `within`.
    pub(super) fn new(cx: &'a Cx, source: SourceId, kdl: &'a KdlNode, within: &Spec) -> Self {
        Self {
            cx,
            source,
            kdl,
            spec: within.child(kdl.name().value()).unwrap_or(&UNKNOWN),
            args_read: Cell::new(0),
            props_read: RefCell::default(),
            all_props_read: Cell::new(false),
            body_read: Cell::new(false),
        }
    }

    /// The node's name.
    pub(super) fn name(&self) -> &'a str {
        self.kdl.name().value()
    }

    /// The place of the name.
    pub(super) fn name_span(&self) -> Span {
        self.span_of(self.kdl.name().span())
    }

    /// The place of name, arguments and properties, without the block.
    pub(super) fn span(&self) -> Span {
        let name = self.name_span();
        let end = self.kdl.entries().last().map_or(name.start + name.len, |entry| {
            let span = self.span_of(entry.span());
            span.start + span.len
        });
        Span { len: end.saturating_sub(name.start), ..name }
    }

    fn span_of(&self, span: miette::SourceSpan) -> Span {
        Span { source: self.source, start: span.offset(), len: span.len() }
    }

    /// The place of an entry's value alone, also when it is a property.
    fn value_span(&self, entry: &KdlEntry) -> Span {
        let whole = self.span_of(entry.span());
        let len = entry.format().map_or(whole.len, |format| format.value_repr.len().min(whole.len));
        Span { start: whole.start + whole.len - len, len, ..whole }
    }

    fn entries(&self, want: impl Fn(&KdlEntry) -> bool) -> impl Iterator<Item = &'a KdlEntry> {
        self.kdl.entries().iter().filter(move |entry| want(entry))
    }

    fn read<T: FromKdl>(&self, entry: &KdlEntry, what: &str) -> Option<Spanned<T>> {
        self.read_with(entry, what, T::from_kdl)
    }

    fn read_with<T>(
        &self,
        entry: &KdlEntry,
        what: &str,
        read: impl Fn(&Raw<'_>) -> Result<T, Expected>,
    ) -> Option<Spanned<T>> {
        let span = self.value_span(entry);
        match read(&raw(entry)) {
            Ok(value) => Some(Spanned::new(value, span)),
            Err(expected) => {
                self.cx.report(wrong(&expected, what, &raw(entry), span));
                None
            }
        }
    }

    /// The argument at a position, read in order; a report when it is absent.
    pub(super) fn arg<T: FromKdl>(&self, index: usize, what: &str) -> Option<Spanned<T>> {
        if self.entries(|e| e.name().is_none()).nth(index).is_none() {
            let name = self.name();
            let diag = Diag::at(Code::Missing, self.span(), format!("`{name}` needs {what}"))
                .label(if T::WHAT == "a text" { "nothing follows".to_owned() } else { format!("expected {}", T::WHAT) })
                .help(format!("write {what} after `{name}`"));
            self.cx.report(diag);
        }
        self.opt_arg(index, what)
    }

    /// The first argument, called `what` also when it is of the wrong type: when the node's name is no name for it.
    pub(super) fn arg_as<T: FromKdl>(&self, what: &str) -> Option<Spanned<T>> {
        if self.arg_count() == 0 {
            return self.arg(0, what);
        }
        self.arg_with(what, T::from_kdl)
    }

    /// The argument at a position, if it is there.
    pub(super) fn opt_arg<T: FromKdl>(&self, index: usize, what: &str) -> Option<Spanned<T>> {
        self.args_read.set(self.args_read.get().max(index + 1));
        let entry = self.entries(|e| e.name().is_none()).nth(index)?;
        match index {
            0 => self.read(entry, &format!("`{}`", self.name())),
            _ => self.read(entry, what),
        }
    }

    /// All arguments from a position on.
    pub(super) fn args<T: FromKdl>(&self, from: usize, what: &str) -> Vec<Spanned<T>> {
        self.args_read.set(usize::MAX);
        self.entries(|e| e.name().is_none()).skip(from).filter_map(|entry| self.read(entry, what)).collect()
    }

    /// All arguments, read by a function: for types that are only known from a module.
    pub(super) fn args_with<T>(&self, what: &str, read: impl Fn(&Raw<'_>) -> Result<T, Expected>) -> Vec<Spanned<T>> {
        self.args_read.set(usize::MAX);
        self.entries(|e| e.name().is_none()).filter_map(|entry| self.read_with(entry, what, &read)).collect()
    }

    /// One argument, read by a function.
    pub(super) fn arg_with<T>(&self, what: &str, read: impl Fn(&Raw<'_>) -> Result<T, Expected>) -> Option<Spanned<T>> {
        self.args_read.set(self.args_read.get().max(1));
        let entry = self.entries(|e| e.name().is_none()).next()?;
        self.read_with(entry, what, read)
    }

    /// One property, read by a function.
    pub(super) fn prop_with<T>(
        &self,
        name: &'static str,
        read: impl Fn(&Raw<'_>) -> Result<T, Expected>,
    ) -> Option<Spanned<T>> {
        self.reads(name);
        let entry = self.entries(|e| e.name().is_some_and(|n| n.value() == name)).last()?;
        self.read_with(entry, &format!("`{name}`"), read)
    }

    /// How many arguments there are.
    pub(super) fn arg_count(&self) -> usize {
        self.entries(|e| e.name().is_none()).count()
    }

    /// A property, if it is there. Said twice is a mistake, with both places.
    pub(super) fn prop<T: FromKdl>(&self, name: &'static str) -> Option<Spanned<T>> {
        self.reads(name);
        let entry = self.entries(|e| e.name().is_some_and(|n| n.value() == name)).last()?;
        self.read(entry, &format!("`{name}`"))
    }

    /// The place of a property's value, right or wrong.
    pub(super) fn place_of(&self, name: &str) -> Option<Span> {
        self.entries(|e| e.name().is_some_and(|n| n.value() == name)).last().map(|entry| self.value_span(entry))
    }

    /// Whether a property is there at all, right or wrong.
    pub(super) fn has_prop(&self, name: &str) -> bool {
        self.entries(|e| e.name().is_some_and(|n| n.value() == name)).next().is_some()
    }

    /// A property that must be there.
    pub(super) fn need_prop<T: FromKdl>(&self, name: &'static str) -> Option<Spanned<T>> {
        if !self.has_prop(name) {
            let node = self.name();
            let help = match T::WHAT {
                "a text" => format!("add `{name}=\"…\"`"),
                what => format!("add `{name}=…` with {what}"),
            };
            let diag = Diag::at(Code::Missing, self.span(), format!("`{node}` needs `{name}=…`"))
                .label(format!("`{name}` is not set"))
                .help(help);
            self.cx.report(diag);
        }
        self.prop(name)
    }

    /// A property that is `#true` or absent.
    pub(super) fn flag(&self, name: &'static str) -> bool {
        self.prop::<bool>(name).is_some_and(|value| value.value)
    }

    /// All properties with their names and the places of the names, for maps whose keys are the operator's.
    pub(super) fn props<T: FromKdl>(&self) -> Vec<(Spanned<String>, Spanned<T>)> {
        self.all_props_read.set(true);
        let mut seen: Vec<(Spanned<String>, Spanned<T>)> = Vec::new();
        for entry in self.entries(|e| e.name().is_some()) {
            let Some(name) = entry.name() else { continue };
            if let Some(value) = self.read(entry, &format!("`{}`", name.value())) {
                seen.push((Spanned::new(name.value().to_owned(), self.span_of(name.span())), value));
            }
        }
        seen
    }

    /// All child nodes in order.
    pub(super) fn children(&self) -> Vec<Node<'a>> {
        self.body_read.set(true);
        let nodes = self.kdl.children().map_or(&[][..], |block| block.nodes());
        nodes.iter().map(|kdl| Node::new(self.cx, self.source, kdl, self.spec)).collect()
    }

    /// The node as it stands in the file, on one line.
    pub(super) fn text(&self) -> String {
        self.forgive();
        self.kdl.to_string().trim().trim_end_matches(';').trim_end().to_owned()
    }

    /// Whether the node has a block.
    pub(super) fn has_block(&self) -> bool {
        self.kdl.children().is_some()
    }

    /// The children by name. One that the language does not have here is reported with the nearest one that it has.
    pub(super) fn body(&self) -> Body<'a> {
        Body::new(self.children(), self.spec, &format!("in `{}`", self.name()))
    }

    /// Notes that a property was read. That the tables have it is for the tests to find out.
    fn reads(&self, name: &'static str) {
        debug_assert!(
            std::ptr::eq(self.spec, std::ptr::from_ref(&UNKNOWN))
                || self.spec.property_names().any(|known| known == name),
            "`{name}` of `{}` is not in the tables of the language",
            self.name(),
        );
        self.props_read.borrow_mut().push(name);
    }

    /// Reports that the node's own name is not one of those that are known here.
    pub(super) fn unknown<'k>(&self, place: &str, known: impl IntoIterator<Item = &'k str>) {
        let known: Vec<&str> = known.into_iter().collect();
        let message = format!("`{}` is not known {place}", self.name());
        self.cx.report(unknown_name(message, self.name_span(), self.name(), &known));
    }

    /// The first argument when it is a text, without counting as read.
    pub(super) fn peek_arg(&self) -> Option<&'a str> {
        self.kdl.entries().iter().find(|entry| entry.name().is_none())?.value().as_string()
    }

    /// Counts everything as read: after a mistake that makes the rest meaningless.
    pub(super) fn forgive(&self) {
        self.args_read.set(usize::MAX);
        self.all_props_read.set(true);
        self.body_read.set(true);
    }

    /// Reports every argument, property and block that nobody read, and every property that was said twice.
    pub(super) fn finish(&self) {
        let node = self.name();
        let read = self.args_read.get();
        for entry in self.entries(|e| e.name().is_none()).skip(read) {
            let message = match read {
                0 => format!("`{node}` takes no value, {} is one too many", found(&raw(entry))),
                1 => format!("`{node}` takes one value, {} is one too many", found(&raw(entry))),
                more => format!("`{node}` takes {more} values, {} is one too many", found(&raw(entry))),
            };
            let diag = Diag::at(Code::UnknownName, self.span_of(entry.span()), message).label("not expected here");
            self.cx.report(diag.help("remove it"));
        }
        self.duplicate_props();
        if !self.all_props_read.get() {
            let known = self.props_read.borrow();
            for entry in self.kdl.entries() {
                let Some(name) = entry.name().filter(|name| !known.contains(&name.value())) else { continue };
                let message = format!("`{node}` has no property `{}`", name.value());
                let names: Vec<&str> = self.spec.property_names().collect();
                self.cx.report(unknown_name(message, self.span_of(name.span()), name.value(), &names));
            }
        }
        if let Some(block) = self.kdl.children().filter(|_| !self.body_read.get()) {
            let span = block.nodes().first().map_or(self.name_span(), |first| self.span_of(first.name().span()));
            let message = format!("`{node}` takes no block");
            self.cx
                .report(Diag::at(Code::UnknownName, span, message).label("not expected here").help("remove the block"));
        }
    }

    fn duplicate_props(&self) {
        let mut seen: IndexMap<&str, Span> = IndexMap::new();
        for entry in self.kdl.entries() {
            let Some(name) = entry.name() else { continue };
            let span = self.span_of(entry.span());
            if let Some(first) = seen.get(name.value()) {
                let what = format!("the property `{}`", name.value());
                self.cx.report(duplicate(&what, span, *first, "remove one of them"));
            } else {
                seen.insert(name.value(), span);
            }
        }
    }
}

fn raw(entry: &KdlEntry) -> Raw<'_> {
    Raw { value: entry.value(), repr: entry.format().map_or("", |format| format.value_repr.as_str()) }
}
