//! `upgrade { … }`: ways from one version to another that are refused.

use super::super::reader::Node;
use super::super::report::duplicate;
use super::scope::Scope;
use crate::diag::{Code, Diag, Spanned};
use crate::model::{Find, Name, Upgrade, UpgradeStep, Version};

/// What the expressions see beside an instance's context.
const NAMES: &[&str] = &["from", "to", "found", "was"];

pub(super) fn upgrade(node: &Node<'_>, scope: &Scope<'_>) -> Upgrade {
    let mut body = node.body();
    let mut upgrade = Upgrade::default();
    for child in body.many("find") {
        let name = child.arg::<Name>(0, "the name of what is looked for");
        let pattern = child.arg::<String>(1, "a path in the data folder, with `*` for any part of a name");
        child.finish();
        if let (Some(name), Some(pattern)) = (name, pattern.filter(|pattern| is_pattern(&child, pattern))) {
            upgrade.finds.push(Find { name: name.value, pattern: pattern.value });
        }
    }
    let mut seen: Vec<Spanned<Name>> = Vec::new();
    for child in body.many("step") {
        let name = child.arg_as::<Name>("the rule's name");
        let when = child.need_prop::<String>("when").map(|text| scope.expr(text, NAMES));
        let says = child.need_prop::<String>("says").map(|text| scope.template(text, NAMES));
        let through = child.prop::<Version>("through").map(|version| version.value);
        let help = child.prop::<String>("help").map(|text| text.value);
        child.finish();
        let (Some(name), Some(when), Some(says)) = (name, when, says) else { continue };
        if let Some(first) = seen.iter().find(|known| **known == name) {
            let what = format!("the step `{}`", name.value);
            child.cx.report(duplicate(&what, name.span, first.span, "rules are waived by name: give it another one"));
            continue;
        }
        seen.push(name.clone());
        upgrade.steps.push(UpgradeStep { name: name.value, when, says, through, help });
    }
    node.finish();
    upgrade
}

/// What may stand in the request of a look: nothing that leaves the folder, or that a shell reads as anything but a pattern.
fn is_pattern(child: &Node<'_>, pattern: &Spanned<String>) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '*');
    let inside = pattern.value.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    if inside && pattern.value.chars().all(allowed) {
        return true;
    }
    let diag = Diag::at(Code::WrongType, pattern.span, format!("`{}` can't be looked for", pattern.value));
    let help = "letters, digits, `.`, `_`, `-` and `*`, with `/` between folders, relative to the data folder";
    child.cx.report(diag.label("expected a path in the data folder").help(help));
    false
}
