//! `host { … }`: what an instance needs of its host.

use super::super::cluster::choice;
use super::super::reader::Node;
use super::one_text;
use super::scope::Scope;
use crate::diag::{Code, Diag, Spanned};
use crate::model::{HostNeed, HostNeeds, NeedKind, is_name};

pub(super) fn host(node: &Node<'_>, scope: &Scope<'_>) -> HostNeeds {
    let mut body = node.body();
    let memory = one_text(&mut body, "memory", "an expression for the bytes that an instance takes");
    let free = one_text(&mut body, "free-disk", "an expression for the bytes that must be left");
    let mut needs = Vec::new();
    let mut add = |child: &Node<'_>, kind: Option<NeedKind>| {
        let when = child.prop::<String>("when").map(|text| scope.expr(text, &[]));
        let wish = child.flag("wish");
        child.finish();
        needs.extend(kind.map(|kind| HostNeed { kind, when, wish }));
    };
    for child in body.many("sysctl") {
        let kind = sysctl(&child);
        add(&child, kind);
    }
    for child in body.many("open-files") {
        let kind = child.need_prop::<u64>("at-least").map(|least| NeedKind::OpenFiles(least.value));
        add(&child, kind);
    }
    if let Some(child) = body.one("locked-memory") {
        add(&child, Some(NeedKind::LockedMemory));
    }
    if let Some(child) = body.one("swap") {
        let kind = choice(&child, &[("off", ())]).map(|()| NeedKind::NoSwap);
        add(&child, kind);
    }
    if let Some(child) = body.one("huge-pages") {
        let kind = choice(&child, &[("not-always", ())]).map(|()| NeedKind::NoHugePages);
        add(&child, kind);
    }
    for child in body.many("command") {
        let kind = command(&child);
        add(&child, kind);
    }
    if let Some(child) = body.one("raw-sockets") {
        add(&child, Some(NeedKind::RawSockets));
    }
    node.finish();
    let expr = |text: Option<_>| text.map(|text| scope.expr(text, &[]));
    HostNeeds { memory: expr(memory), free_disk: expr(free), needs }
}

fn command(child: &Node<'_>) -> Option<NeedKind> {
    let name =
        child.arg::<String>(0, "the name of a program").and_then(|name| named(child, name, "the name of a program"));
    let package = child.prop::<String>("package").map(|name| package(child, name));
    // What is wrong was reported.
    let package = match package {
        Some(None) => return None,
        Some(known) => known,
        None => None,
    };
    Some(NeedKind::Command { name: name?, package })
}

/// A name that no package manager takes for an option, or, by its end, for something to remove.
fn package(child: &Node<'_>, name: Spanned<String>) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '_' | '.');
    let begins = name.value.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins && name.value.len() <= 63 && name.value.chars().all(allowed) && !name.value.ends_with('-') {
        return Some(name.value);
    }
    let diag = Diag::at(Code::BadName, name.span, format!("`{}` is not the name of a package", name.value));
    child.cx.report(diag.label("expected letters, digits, `+`, `.`, `-` and `_`, and no `-` at the end"));
    None
}

/// A name that may stand in a path and in a waiver.
fn named(child: &Node<'_>, name: Spanned<String>, what: &str) -> Option<String> {
    if is_name(&name.value) && !name.value.contains("..") {
        return Some(name.value);
    }
    let diag = Diag::at(Code::BadName, name.span, format!("`{}` is not {what}", name.value));
    child.cx.report(diag.label("expected small letters, digits, `.`, `-` and `_`"));
    None
}

fn sysctl(child: &Node<'_>) -> Option<NeedKind> {
    let what = "the name of a kernel setting";
    let name = child.arg::<String>(0, what).and_then(|name| named(child, name, what));
    let at_least = child.prop::<u64>("at-least").map(|value| value.value);
    let at_most = child.prop::<u64>("at-most").map(|value| value.value);
    if at_least.is_none() && at_most.is_none() {
        child.need_prop::<u64>("at-least");
    }
    Some(NeedKind::Sysctl { name: name?, at_least, at_most })
}
