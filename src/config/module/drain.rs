//! The section `drain`: how an instance leaves for good.

use super::super::reader::Node;
use super::probe::{Use, only};
use super::rolling::{self, Settings};
use super::scope::{Scope, names};
use crate::diag::{Code, Diag};
use crate::model::{Drain, Moved};
use std::time::Duration;

/// How long a drain may take when the module does not say.
const WITHIN: Duration = Duration::from_hours(1);

pub(super) fn drain(node: &Node<'_>, scope: &Scope<'_>, settings: &Settings) -> Option<Drain> {
    let within = node.prop::<Duration>("within").map_or(WITHIN, |within| within.value);
    let when = node.prop::<String>("when").map(|text| scope.expr(text, &[]));
    let mut body = node.body();
    let rules = rolling::rules(body.many("rule"), node, scope, None);
    let moved = |child: &Node<'_>, put_back: bool| {
        let setting = rolling::known(child, settings);
        let to = child.need_prop::<String>("to").map(|text| scope.expr(text, names::MOVED));
        child.finish();
        Some(Moved { setting: setting?, to: to?, put_back })
    };
    let sets: Vec<Moved> = body
        .many("set")
        .iter()
        .filter_map(|child| {
            let put_back = child.prop::<bool>("put-back").is_none_or(|said| said.value);
            moved(child, put_back)
        })
        .collect();
    let left = body.one("left");
    if left.is_none() {
        let diag = Diag::at(Code::Missing, node.span(), "`drain` does not say how it is known that nothing is left");
        node.cx.report(diag.label("no `left`").help("add left { http … value=\"…\"; }: a list, empty when it is done"));
    }
    let left = left.and_then(|child| rolling::ask(&child, scope));
    let stuck = body.one("stuck").and_then(|child| {
        let probe = only(&child, scope, Use::STUCK);
        child.finish();
        probe
    });
    let finish = body.many("finish").iter().filter_map(|child| moved(child, false)).collect();
    node.finish();
    Some(Drain { within, when, rules, sets, left: left?, stuck, finish })
}
