//! The section `phases`: a change that needs several passes.

use super::super::reader::Node;
use super::super::report::{duplicate, suggest};
use super::rolling;
use super::scope::{Scope, names};
use crate::diag::{Code, Diag};
use crate::model::{Name, Param, ParamType, Phase, Phases, SafetyRule, Template};
use indexmap::IndexMap;
use std::time::Duration;

/// How long what must hold before a phase may take to hold, unless it says otherwise.
const WITHIN: Duration = Duration::from_mins(1);

pub(super) fn phases(node: &Node<'_>, scope: &Scope<'_>, params: &IndexMap<Name, Param>) -> Option<Phases> {
    let when = node.need_prop::<String>("when").map(|text| scope.expr(text, names::CHANGE));
    let children = node.body().rest();
    let before = node.cx.count();
    let mut list: Vec<Phase> = Vec::new();
    for child in &children {
        let Some(phase) = phase(child, scope, params) else { continue };
        if let Some(first) = list.iter().find(|known| known.name == phase.name) {
            let what = format!("the phase `{}`", phase.name);
            node.cx.report(duplicate(&what, phase.span, first.span, "give one of them another name"));
            continue;
        }
        list.push(phase);
    }
    node.finish();
    match list.last() {
        None if node.cx.count() == before => {
            let diag = Diag::at(Code::Missing, node.span(), "`phases` has no phase").label("expected at least one");
            node.cx.report(diag.help("write one into it: phase \"NAME\" { … }"));
        }
        Some(last) if !last.set.is_empty() => {
            let message = format!("`{}` is the last phase, which leaves what is declared", last.name);
            let diag = Diag::at(Code::UnknownName, last.span, message).label("it can't `set` anything");
            node.cx.report(diag.help("what it sets would never become what is declared: add a phase after it"));
        }
        _ => {}
    }
    Some(Phases { when: when?, list })
}

fn phase(node: &Node<'_>, scope: &Scope<'_>, params: &IndexMap<Name, Param>) -> Option<Phase> {
    let name = node.arg_as::<Name>("the phase's name");
    let when = node.prop::<String>("when").map(|text| scope.expr(text, names::CHANGE));
    let no_return = node.flag("no-return");
    let mut body = node.body();
    let mut set = IndexMap::new();
    for child in body.many("set") {
        set.extend(sets(&child, scope, params));
    }
    let (mut before, mut within): (Vec<SafetyRule>, Duration) = (Vec::new(), WITHIN);
    if let Some(child) = body.one("before") {
        within = child.prop::<Duration>("within").map_or(WITHIN, |within| within.value);
        before = rolling::safety(&child, scope, Some(names::CHANGE));
    }
    node.finish();
    Some(Phase { name: name?.value, when, set, no_return, before, within, span: node.span() })
}

fn sets(node: &Node<'_>, scope: &Scope<'_>, params: &IndexMap<Name, Param>) -> Vec<(Name, Template)> {
    let mut found = Vec::new();
    for (name, text) in node.props::<String>() {
        let template = scope.only_template(text, names::CHANGE);
        let param = Name::new(&name.value).ok().and_then(|known| Some((params.get(&known)?, known)));
        let Some((param, known)) = param else {
            let all: Vec<&str> = params.keys().map(Name::as_str).collect();
            let diag = Diag::at(Code::Unresolved, name.span, format!("the module has no parameter `{}`", name.value));
            node.cx.report(suggest(diag, &name.value, &all, "no such parameter"));
            continue;
        };
        // What a role says wins, so it must be seen whether it says anything.
        let single = matches!(
            param.kind,
            ParamType::Text | ParamType::Version | ParamType::Enum(_) | ParamType::Int { .. } | ParamType::Bool
        );
        if !param.optional || param.default.is_some() || !single {
            let diag = Diag::at(Code::WrongType, name.span, format!("a phase can't set `{}`", name.value));
            let diag = diag.label("expected an optional text, version, enum, int or bool");
            node.cx.report(diag.help("what a role says wins over a phase: without a default it can be told"));
            continue;
        }
        found.push((known, template));
    }
    node.finish();
    found
}
