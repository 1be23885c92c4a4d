//! Probes and gates.

use super::super::cluster::one_of;
use super::super::reader::Node;
use super::super::report::suggest;
use super::scope::{Scope, names};
use crate::diag::{Code, Diag};
use crate::model::{Gate, HttpMethod, Parse, Probe, ProbeKind, ProbeOn, Template};
use std::time::Duration;

/// How long one request may take when the module does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a gate waits when the module does not say.
const DEFAULT_WITHIN: Duration = Duration::from_mins(1);

/// What a probe is for: which names it sees, and whether it must judge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Use {
    /// Names beside the instance's context in what is sent.
    pub(super) sent: &'static [&'static str],
    /// Names beside the instance's context in what judges.
    pub(super) judged: &'static [&'static str],
    /// Whether `until` must be there.
    pub(super) judges: bool,
}

impl Use {
    pub(super) const GATE: Self = Self { sent: &[], judged: names::ANSWER, judges: false };
    pub(super) const RULE: Self = Self { judges: true, ..Self::GATE };
    pub(super) const STUCK: Self = Self { sent: names::LEFT, judged: names::STUCK, judges: false };
    pub(super) const WRITE: Self = Self { sent: &["value"], judged: names::VALUE, judges: false };
}

/// A gate: `ready within="60s" { http … }`.
pub(super) fn gate(node: &Node<'_>, scope: &Scope<'_>) -> Option<Gate> {
    let within = node.prop::<Duration>("within").map_or(DEFAULT_WITHIN, |within| within.value);
    let children = node.children();
    node.finish();
    let probes: Vec<Probe> = children.iter().filter_map(|child| probe(child, scope, Use::GATE)).collect();
    if children.is_empty() {
        node.cx.report(nothing_asked(node));
        return None;
    }
    Some(Gate { within, probes })
}

/// The one probe in a node's block.
pub(super) fn only(node: &Node<'_>, scope: &Scope<'_>, how: Use) -> Option<Probe> {
    let children = node.children();
    let Some((first, more)) = children.split_first() else {
        node.cx.report(nothing_asked(node));
        return None;
    };
    for child in more {
        let message = format!("`{}` asks one thing", node.name());
        node.cx.report(Diag::at(Code::UnknownName, child.span(), message).label("one too many").help("keep one probe"));
    }
    probe(first, scope, how)
}

fn nothing_asked(node: &Node<'_>) -> Diag {
    Diag::at(Code::Missing, node.span(), format!("`{}` asks nothing", node.name()))
        .label("no probe in its block")
        .help("write a probe into it, such as: http \"GET\" \"/\" until=\"status == 200\"")
}

/// A probe.
pub(super) fn probe(node: &Node<'_>, scope: &Scope<'_>, how: Use) -> Option<Probe> {
    let template = |text| scope.template(text, how.sent);
    let kind = match ProbeKind::WORDS.iter().position(|word| *word == node.name()) {
        Some(0) => http(node, &template),
        Some(1) => Some(ProbeKind::Tcp { send: node.prop::<String>("send").map(template) }),
        Some(2) => {
            let command: Vec<Template> =
                node.args::<String>(0, "a word of a command").into_iter().map(template).collect();
            if node.arg_count() == 0 {
                node.arg::<String>(0, "a program");
            }
            Some(ProbeKind::Exec { command })
        }
        Some(_) => Some(kafka(node, &template)),
        None => {
            let diag =
                Diag::at(Code::UnknownName, node.name_span(), format!("`{}` is not a kind of probe", node.name()));
            node.cx.report(suggest(diag, node.name(), ProbeKind::WORDS, "expected a probe"));
            return None;
        }
    };
    let port = node.prop::<String>("port");
    if node.name() != "exec" {
        scope.check_port(port.as_ref(), node.span());
    }
    let on = [
        ("self", ProbeOn::SelfInstance),
        ("any", ProbeOn::Any),
        ("each", ProbeOn::Each),
        ("all", ProbeOn::All),
        ("leader", ProbeOn::Leader),
    ];
    let on = node.prop_with("on", |raw| one_of(raw, &on)).map_or(ProbeOn::SelfInstance, |on| on.value);
    let parse = [("kv", Parse::KeyValue), ("json", Parse::Json)];
    let parse = node.prop_with("parse", |raw| one_of(raw, &parse)).map_or(Parse::Auto, |parse| parse.value);
    if how.judges && !node.has_prop("until") {
        let diag = Diag::at(Code::Missing, node.span(), "this probe judges nothing")
            .label("no `until`")
            .help("add until=\"…\": an expression that holds when all is well");
        node.cx.report(diag);
    }
    let until = node.prop::<String>("until").map(|text| scope.expr(text, how.judged));
    let probe = Probe {
        kind: kind?,
        on,
        port: port.map(|port| port.value),
        parse,
        until,
        twice: node.flag("twice"),
        says: node.prop::<String>("says").map(|text| scope.template(text, how.judged)),
        timeout: node.prop::<Duration>("timeout").map_or(DEFAULT_TIMEOUT, |timeout| timeout.value),
    };
    node.finish();
    Some(probe)
}

/// What is changed is changed at a broker that is named.
fn kafka(node: &Node<'_>, template: &impl Fn(crate::diag::Spanned<String>) -> Template) -> ProbeKind {
    if node.has_prop("set") && !node.has_prop("broker") {
        let diag = Diag::at(Code::Missing, node.span(), "whose configuration is set is not said").label("no `broker`");
        node.cx.report(diag.help("add broker=\"{{ instance.ordinal }}\": the id of the broker that is asked"));
    }
    let (broker, set) = (node.prop::<String>("broker"), node.prop::<String>("set"));
    ProbeKind::Kafka {
        apis: node.flag("apis"),
        spare: node.flag("spare"),
        broker: broker.map(template),
        set: set.map(template),
    }
}

fn http(node: &Node<'_>, template: &impl Fn(crate::diag::Spanned<String>) -> Template) -> Option<ProbeKind> {
    let methods = [
        ("GET", HttpMethod::Get),
        ("PUT", HttpMethod::Put),
        ("POST", HttpMethod::Post),
        ("DELETE", HttpMethod::Delete),
    ];
    if node.arg_count() == 0 {
        node.arg::<String>(0, "a method and a path");
    }
    let method = node.arg_with("the method", |raw| one_of(raw, &methods));
    let path = if node.arg_count() == 1 && method.is_some() {
        node.arg::<String>(1, "a path")
    } else {
        node.opt_arg::<String>(1, "the path")
    };
    if let Some(path) = path.as_ref().filter(|path| !path.starts_with('/') && !path.starts_with("{{")) {
        let message = format!("the path can't be \"{}\"", super::super::hosts::shown(&path.value));
        node.cx.report(
            Diag::at(Code::WrongType, path.span, message).label("expected a path that begins with `/`").help(
                match path.split_once("://") {
                    Some(_) => "the host and the port are the instance's own: give the path and the query".to_owned(),
                    None => format!("write \"/{}\"", path.value),
                },
            ),
        );
    }
    let body = node.prop::<String>("body").map(template);
    Some(ProbeKind::Http { method: method?.value, path: template(path?), body })
}
