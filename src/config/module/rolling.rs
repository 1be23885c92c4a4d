//! Settings, safety rules, the rules of a rolling change, settled state, status lines.

use super::super::cluster::{choice, one_of};
use super::super::reader::Node;
use super::super::report::{duplicate, suggest};
use super::super::values::Literal;
use super::probe::{Use, only, probe};
use super::scope::{Scope, names};
use crate::diag::{Code, Diag, Spanned};
use crate::model::{
    Ask, Hook, Name, Per, Probe, Repair, Rolling, SafetyRule, Setting, Settled, Share, StatusLine, Strategy,
};
use indexmap::IndexMap;

/// The settings of a module by name.
pub(super) type Settings = IndexMap<Name, Setting>;

pub(super) fn settings(nodes: Vec<Node<'_>>, scope: &Scope<'_>) -> Settings {
    let mut settings = Settings::new();
    for node in nodes {
        let name = node.arg_as::<Name>("the setting's name");
        let mut body = node.body();
        let read = part(&mut body.one("read"), &node, "read").and_then(|child| ask(&child, scope));
        let write = part(&mut body.one("write"), &node, "write").and_then(|child| {
            let probe = only(&child, scope, Use::WRITE);
            child.finish();
            probe
        });
        node.finish();
        let (Some(name), Some(read), Some(write)) = (name, read, write) else { continue };
        if let Some(first) = settings.get(&name.value) {
            let what = format!("the setting `{}`", name.value);
            node.cx.report(duplicate(&what, node.span(), first.span, "keep one of them"));
            continue;
        }
        settings.insert(name.value, Setting { read, write, span: node.span() });
    }
    settings
}

fn part<'a>(child: &mut Option<Node<'a>>, node: &Node<'_>, name: &str) -> Option<Node<'a>> {
    if child.is_none() {
        let diag = Diag::at(Code::Missing, node.span(), format!("a setting needs `{name}`"))
            .label(format!("no `{name}`"))
            .help(format!("add {name} {{ http … }}"));
        node.cx.report(diag);
    }
    child.take()
}

/// A probe whose answer is a value.
pub(super) fn ask(node: &Node<'_>, scope: &Scope<'_>) -> Option<Ask> {
    let children = node.children();
    let value = children.first().and_then(|child| child.need_prop::<String>("value"));
    let value = value.map(|text| scope.expr(text, names::ANSWER));
    let probe = children.first().and_then(|child| probe(child, scope, Use::GATE));
    if children.len() != 1 {
        let diag = Diag::at(Code::Missing, node.span(), "`read` asks one thing").label("expected one probe");
        node.cx.report(diag.help("write one probe with value=\"…\" into it"));
    }
    node.finish();
    Some(Ask { probe: probe?, value: value? })
}

/// Rules; those before a phase may say in which cases they are asked, over these names too, and the way out.
pub(super) fn safety(node: &Node<'_>, scope: &Scope<'_>, when: Option<&[&str]>) -> Vec<SafetyRule> {
    let rules = rules(node.body().rest(), node, scope, when);
    node.finish();
    rules
}

/// Rules, each by its name.
pub(super) fn rules(
    nodes: Vec<Node<'_>>,
    node: &Node<'_>,
    scope: &Scope<'_>,
    when: Option<&[&str]>,
) -> Vec<SafetyRule> {
    let mut rules: Vec<(Spanned<Name>, SafetyRule)> = Vec::new();
    for child in nodes {
        let name = child.arg_as::<Name>("the rule's name");
        let passes = child.flag("passes");
        let help = when.and_then(|_| child.prop::<String>("help")).map(|help| help.value);
        let when = when.and_then(|names| Some(scope.expr(child.prop::<String>("when")?, names)));
        let probe = only(&child, scope, Use::RULE);
        child.finish();
        let (Some(name), Some(probe)) = (name, probe) else { continue };
        if let Some((first, _)) = rules.iter().find(|(known, _)| *known == name) {
            let what = format!("the rule `{}`", name.value);
            node.cx.report(duplicate(&what, name.span, first.span, "rules are waived by name: give it another one"));
            continue;
        }
        rules.push((name.clone(), SafetyRule { name: name.value, when, help, passes, probe }));
    }
    rules.into_iter().map(|(_, rule)| rule).collect()
}

pub(super) fn strategy(node: Option<Node<'_>>) -> Strategy {
    let Some(node) = node else { return Strategy::Rolling };
    let recreate = choice(&node, &[("rolling", false), ("recreate", true)]).unwrap_or_default();
    let on_version_only = if recreate { node.flag("on-version-only") } else { false };
    node.finish();
    if recreate { Strategy::Recreate { on_version_only } } else { Strategy::Rolling }
}

pub(super) fn rolling(node: Option<Node<'_>>, scope: &Scope<'_>, settings: &Settings) -> Rolling {
    let mut rolling = Rolling {
        max_unavailable: Share::Count(1),
        per: Per::Instance,
        last: None,
        before_stop: Vec::new(),
        after_ready: Vec::new(),
        no_return: None,
    };
    let Some(node) = node else { return rolling };
    let mut body = node.body();
    if let Some(child) = body.one("max-unavailable") {
        if let Some(count) = child.arg::<Share>(0, "how many may be down at once") {
            if count.value == Share::Count(0) {
                let diag = Diag::at(Code::WrongType, count.span, "`max-unavailable` can't be 0");
                node.cx.report(diag.label("expected 1 or more").help("with 0 nothing could ever be changed"));
            } else {
                rolling.max_unavailable = count.value;
            }
        }
        let per = [("instance", Per::Instance), ("host", Per::Host)];
        if let Some(per) = child.prop_with("per", |raw| one_of(raw, &per)) {
            rolling.per = per.value;
        }
        child.finish();
    }
    if let Some(child) = body.one("last") {
        rolling.last = only(&child, scope, Use::RULE);
        child.finish();
    }
    rolling.before_stop = body.one("before-stop").map(|child| hooks(&child, scope, settings)).unwrap_or_default();
    rolling.after_ready = body.one("after-ready").map(|child| hooks(&child, scope, settings)).unwrap_or_default();
    if let Some(child) = body.one("no-return") {
        let text = child.arg::<String>(0, "an expression over `from` and `to`");
        rolling.no_return = text.map(|text| scope.expr(text, names::CHANGE));
        child.finish();
    }
    node.finish();
    rolling
}

fn hooks(node: &Node<'_>, scope: &Scope<'_>, settings: &Settings) -> Vec<Hook> {
    let hooks = node.body().rest().iter().filter_map(|child| hook(child, scope, settings)).collect();
    node.finish();
    hooks
}

fn hook(node: &Node<'_>, scope: &Scope<'_>, settings: &Settings) -> Option<Hook> {
    let when = || node.prop::<String>("when").map(|text| scope.expr(text, &[]));
    let hook = match node.name() {
        "set" => {
            let setting = known(node, settings);
            let to = node.need_prop::<Literal>("to");
            let when = when();
            setting.zip(to).map(|(setting, to)| Hook::Set { setting, to: to.value.0, when })
        }
        "restore" => known(node, settings).map(|setting| Hook::Restore { setting }),
        _ => {
            let best_effort = node.flag("best-effort");
            let tries = node.prop::<u32>("tries").map_or(1, |tries| tries.value.clamp(1, 100));
            let when = when();
            let probe: Option<Probe> = only(node, scope, Use::GATE);
            probe.map(|probe| Hook::Call { probe, best_effort, tries, when })
        }
    };
    node.finish();
    hook
}

/// The setting that a node names, when the module has it.
pub(super) fn known(node: &Node<'_>, settings: &Settings) -> Option<Name> {
    there(node, node.arg_as::<Name>("the name of a setting")?, settings)
}

/// The same where a property names it.
pub(super) fn known_prop(node: &Node<'_>, settings: &Settings) -> Option<Name> {
    there(node, node.need_prop::<Name>("setting")?, settings)
}

fn there(node: &Node<'_>, name: Spanned<Name>, settings: &Settings) -> Option<Name> {
    if settings.contains_key(&name.value) {
        return Some(name.value);
    }
    let known: Vec<&str> = settings.keys().map(Name::as_str).collect();
    let diag = Diag::at(Code::Unresolved, name.span, format!("the module has no setting `{}`", name.value));
    node.cx.report(if known.is_empty() {
        diag.label("no such setting").help("declare it: setting \"name\" { read { … }; write { … }; }")
    } else {
        suggest(diag, name.as_str(), &known, "no such setting")
    });
    None
}

pub(super) fn settled(node: &Node<'_>, scope: &Scope<'_>, settings: &Settings) -> Vec<Settled> {
    let mut settled = Vec::new();
    for child in node.body().rest() {
        let setting = known(&child, settings);
        let expect = child.need_prop::<String>("expect").map(|text| scope.expr(text, &["value"]));
        // What depends on who is there is worked out; what is the same for everybody is a value.
        let repair = if child.has_prop("value") {
            child.prop::<String>("value").map(|text| Repair::Worked(scope.expr(text, &["value"])))
        } else {
            child.need_prop::<Literal>("repair").map(|literal| Repair::To(literal.value.0))
        };
        let majority = child.flag("majority");
        child.finish();
        if let (Some(setting), Some(expect), Some(repair)) = (setting, expect, repair) {
            settled.push(Settled { setting, expect, repair, majority });
        }
    }
    node.finish();
    settled
}

pub(super) fn status(node: &Node<'_>, scope: &Scope<'_>) -> Vec<StatusLine> {
    let mut lines = Vec::new();
    for child in node.body().rest() {
        let show = child.need_prop::<String>("show").map(|text| scope.template(text, names::ANSWER));
        let probe = only(&child, scope, Use::GATE);
        child.finish();
        if let (Some(show), Some(probe)) = (show, probe) {
            lines.push(StatusLine { probe, show });
        }
    }
    node.finish();
    lines
}
