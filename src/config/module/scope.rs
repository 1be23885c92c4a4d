//! Templates and expressions of a module: compiled once, and their names known to be there.

use super::super::reader::{Cx, Node};
use super::super::report::suggest;
use super::filters;
use crate::diag::{Code, Diag, Span, Spanned};
use crate::expr;
use crate::model::{Expr, FileContent, Module, Name, Param, Probe, ProbeOn, Template};
use indexmap::IndexMap;
use std::collections::BTreeSet;

/// What templates and expressions may use beside parameters.
pub(super) mod names {
    /// Everywhere where an instance is known.
    pub(in super::super) const INSTANCE: &[&str] = &[
        "cluster", "host", "instance", "service", "services", "peers", "version", "plugins", "software", "conf", "dirs",
    ];
    /// In what judges an answer.
    pub(in super::super) const ANSWER: &[&str] =
        &["status", "text", "body", "kv", "answers", "members", "now", "as_declared"];
    /// In what reads, writes or judges a setting.
    pub(in super::super) const VALUE: &[&str] = &["value", "status", "text", "body", "kv", "answers"];
    /// In what a setting becomes while an instance leaves.
    pub(in super::super) const MOVED: &[&str] = &["value", "leaving"];
    /// In what is asked when that does not go on.
    pub(in super::super) const LEFT: &[&str] = &["left"];
    /// In what judges the answer to that.
    pub(in super::super) const STUCK: &[&str] = &["left", "status", "text", "body", "kv", "answers"];
    /// Where only the version of the software is known.
    pub(in super::super) const VERSION: &[&str] = &["version"];
    /// For plugins.
    pub(in super::super) const PLUGIN: &[&str] = &["version", "plugin"];
    /// Between two modules.
    pub(in super::super) const COMPAT: &[&str] = &["version", "other"];
    /// For a change of versions.
    pub(in super::super) const CHANGE: &[&str] = &["from", "to"];
}

/// The names that a module's templates may use.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    cx: &'a Cx,
    instance: BTreeSet<String>,
    /// Something that would add names is wrong: then no name is called unknown.
    loose: bool,
    files: BTreeSet<String>,
    ports: BTreeSet<String>,
    port_params: Vec<String>,
    file_params: Vec<String>,
}

/// A parameter's name as templates see it.
pub(in super::super) fn snake(name: &str) -> String {
    name.replace(['-', '.'], "_")
}

impl<'a> Scope<'a> {
    pub(super) fn new(
        cx: &'a Cx,
        params: &IndexMap<Name, Param>,
        params_whole: bool,
        requires: &[Node<'_>],
        modules: &[&str],
        files: &IndexMap<String, Template>,
    ) -> Self {
        let mut instance: BTreeSet<String> = names::INSTANCE.iter().map(|name| (*name).to_owned()).collect();
        instance.extend(params.keys().map(|name| snake(name.as_str())));
        // Read without marking: `requires` itself is decoded later and reports what is wrong with it.
        instance.extend(requires.iter().filter_map(Node::peek_arg).map(snake));
        let loose = !params_whole || requires.iter().filter_map(Node::peek_arg).any(|name| !modules.contains(&name));
        let is_port = |param: &Param| param.kind == crate::model::ParamType::Port;
        let port_params: Vec<String> =
            params.iter().filter(|(_, param)| is_port(param)).map(|(name, _)| name.as_str().to_owned()).collect();
        Self {
            cx,
            instance,
            loose,
            files: files.keys().cloned().collect(),
            file_params: params
                .iter()
                .filter(|(_, param)| param.kind == crate::model::ParamType::Files)
                .map(|(name, _)| name.as_str().to_owned())
                .collect(),
            ports: params.keys().map(|name| name.as_str().to_owned()).collect(),
            port_params,
        }
    }

    /// Whether something that would add names is wrong: then nothing is called unknown.
    pub(super) const fn is_loose(&self) -> bool {
        self.loose
    }

    /// A template over an instance's context and some more names.
    pub(super) fn template(&self, text: Spanned<String>, more: &[&str]) -> Template {
        self.check(&text, &self.known(more), self.loose, true);
        Template(text)
    }

    /// An expression over an instance's context and some more names.
    pub(super) fn expr(&self, text: Spanned<String>, more: &[&str]) -> Expr {
        self.check(&text, &self.known(more), self.loose, false);
        Expr(text)
    }

    /// A template over some names alone: no instance is known there.
    pub(super) fn only_template(&self, text: Spanned<String>, only: &[&str]) -> Template {
        self.check(&text, only, false, true);
        Template(text)
    }

    /// An expression over some names alone.
    pub(super) fn only_expr(&self, text: Spanned<String>, only: &[&str]) -> Expr {
        self.check(&text, only, false, false);
        Expr(text)
    }

    fn known<'k>(&'k self, more: &[&'k str]) -> Vec<&'k str> {
        self.instance.iter().map(String::as_str).chain(more.iter().copied()).collect()
    }

    /// Reports what can't be compiled, and names that are not known; `loose` says that there are more names than these.
    fn check(&self, text: &Spanned<String>, known: &[&str], loose: bool, template: bool) {
        let names = if template { expr::template_names } else { expr::expression_names };
        let used = match names(&text.value) {
            Ok(used) => used,
            Err(error) => {
                let span = error.range.clone().map_or(text.span, |range| inside(text, range));
                let what = if template { "this template" } else { "this expression" };
                let diag = Diag::at(Code::BadTemplate, span, format!("{what} has a syntax error"));
                let help = "the syntax is that of minijinja (Jinja2); docs/modules.md lists names, functions, filters";
                self.cx.report(diag.label(error.message).help(help));
                return;
            }
        };
        for name in used.iter().filter(|name| !known.contains(&name.as_str())) {
            let span = word_in(text, name);
            let diag = |what: String| Diag::at(Code::BadTemplate, span, what);
            let rest = text.value.get(text.value.find(name.as_str()).unwrap_or_default() + name.len()..);
            if rest.is_some_and(|rest| rest.trim_start().starts_with('(')) {
                let diag = diag(format!("there is no function `{name}`"));
                self.cx.report(suggest(diag, name, filters::FUNCTIONS, "unknown name"));
            } else if !loose {
                self.cx.report(suggest(diag(format!("nothing here is called `{name}`")), name, known, "unknown name"));
            }
        }
        for unknown in filters::unknown(&text.value, template) {
            let span = inside(text, unknown.at..unknown.at + unknown.name.len());
            let message = format!("there is no {} `{}`", unknown.what, unknown.name);
            let diag = Diag::at(Code::BadTemplate, span, message);
            let known = if unknown.what == "filter" { filters::FILTERS } else { filters::TESTS };
            self.cx.report(suggest(diag, &unknown.name, known, "unknown name"));
        }
    }

    /// Whether a file of the module's folder exists.
    pub(super) fn has_file(&self, name: &Spanned<String>) -> bool {
        if self.files.contains(&name.value) {
            return true;
        }
        let known: Vec<&str> = self.files.iter().map(String::as_str).collect();
        let message = format!("there is no template `{}` in the module's folder", name.value);
        self.cx.report(suggest(Diag::at(Code::Unresolved, name.span, message), &name.value, &known, "no such file"));
        false
    }

    /// Whether a parameter has the operator's files.
    pub(super) fn has_files(&self, name: &Spanned<Name>) -> bool {
        let known: Vec<&str> = self.file_params.iter().map(String::as_str).collect();
        if self.loose || known.contains(&name.as_str()) {
            return true;
        }
        let message = format!("there is no parameter `{}` of type files", name.value);
        let diag = Diag::at(Code::Unresolved, name.span, message);
        self.cx.report(suggest(diag, name.as_str(), &known, "expected a parameter of type files"));
        false
    }

    /// Checks that `port=` names a port parameter, or that there is one when it names none.
    pub(super) fn check_port(&self, port: Option<&Spanned<String>>, probe: Span) {
        match port {
            _ if self.loose => {}
            Some(port) if !self.port_params.contains(&port.value) => {
                let known: Vec<&str> = self.port_params.iter().map(String::as_str).collect();
                let message = if self.ports.contains(&port.value) {
                    format!("the parameter `{}` is not a port", port.value)
                } else {
                    format!("there is no parameter `{}`", port.value)
                };
                let diag = Diag::at(Code::Unresolved, port.span, message);
                self.cx.report(suggest(diag, &port.value, &known, "expected a parameter of type port"));
            }
            None if self.port_params.is_empty() => {
                let diag = Diag::at(Code::Missing, probe, "the module has no port to ask")
                    .label("no parameter has the type port")
                    .help("declare one in `params`: port type=\"port\" default=…");
                self.cx.report(diag);
            }
            _ => {}
        }
    }

    /// Compiles the module's template files, each once.
    pub(super) fn check_files(&self, module: &Module, templates: &IndexMap<String, Template>) {
        let mut seen = BTreeSet::new();
        let files = module.files.iter().map(|file| &file.content);
        for content in files.chain(module.jobs.values().flat_map(|job| job.files.values())) {
            let FileContent::TemplateFile(name) = content else { continue };
            if let Some(Template(text)) = templates.get(name).filter(|_| seen.insert(name.clone())) {
                self.check(text, &self.known(&[]), self.loose, true);
            }
        }
    }

    /// `on="leader"` needs an expression that says who that is: the one of `rolling { last }`.
    pub(super) fn check_leader(&self, module: &Module) {
        let gates = [&module.ready, &module.healthy, &module.converged].into_iter().flatten();
        let probes = gates
            .flat_map(|gate| &gate.probes)
            .chain(module.safe_to_stop.iter().map(|rule| &rule.probe))
            .chain(module.settings.values().flat_map(|setting| [&setting.read.probe, &setting.write]))
            .chain(
                module
                    .phases
                    .iter()
                    .flat_map(|phases| &phases.list)
                    .flat_map(|phase| &phase.before)
                    .map(|rule| &rule.probe),
            )
            .chain(module.drain.iter().flat_map(|drain| drain.rules.iter().map(|rule| &rule.probe)))
            .chain(module.drain.iter().flat_map(|drain| drain.stuck.iter().chain([&drain.left.probe])))
            .chain(module.status.iter().map(|line| &line.probe));
        let mut asking = probes.filter(|probe: &&Probe| probe.on == ProbeOn::Leader);
        if let (None, Some(probe)) = (&module.rolling.last, asking.next()) {
            let span = probe.until.as_ref().map_or(module.name.span, |until| until.0.span);
            let diag = Diag::at(Code::Missing, span, "this probe asks the leader, and nothing says who that is")
                .label("judges the leader's answer")
                .help("say it in `rolling { last { … until=\"…\"; } }`");
            self.cx.report(diag);
        }
    }
}

/// The files of a module's folder as templates.
pub(in super::super) fn templates(texts: Vec<(String, Spanned<String>)>) -> IndexMap<String, Template> {
    texts.into_iter().map(|(name, text)| (name, Template(text))).collect()
}

/// Where the text itself begins: after the quote for a text in KDL, at the start for a whole file.
fn offset(text: &Spanned<String>) -> Option<usize> {
    match text.span.len.checked_sub(text.value.len()) {
        Some(0) => Some(0),
        Some(2) => Some(1),
        _ => None,
    }
}

/// The place of a range of the text; the whole text when it was written with escapes, which move things about.
fn inside(text: &Spanned<String>, range: std::ops::Range<usize>) -> Span {
    match offset(text) {
        Some(first) if range.end <= text.value.len() && range.start <= range.end => {
            Span { start: text.span.start + first + range.start, len: range.len(), ..text.span }
        }
        _ => text.span,
    }
}

/// The place of the first use of a name.
fn word_in(text: &Spanned<String>, name: &str) -> Span {
    let word =
        |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.' || c == '\'' || c == '"');
    let found = text.value.match_indices(name).map(|(at, _)| at).find(|at| {
        let before = text.value[..*at].chars().next_back();
        let after = text.value[at + name.len()..].chars().next();
        !word(before) && !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
    });
    found.map_or(text.span, |at| inside(text, at..at + name.len()))
}
