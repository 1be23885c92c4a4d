//! The nodes `accept`: files that somebody changed on a host, and that are left as they are until a day.

use super::hosts::{Hosts, select, shown};
use super::reader::{Cx, Node};
use super::report::{duplicate, quoted, suggest};
use crate::diag::{Code, Diag, Diagnostics, Span};
use crate::model::{Accepted, Cluster, HostName, Role};
use std::collections::BTreeMap;

/// How a node is written.
const EXAMPLE: &str = "accept \"ROLE\" \"FILE\" on=\"node2\" until=\"2026-12-31\" reason=\"…\"";

/// Reads the nodes. Whether the roles are there is for [`check`].
pub(super) fn read(nodes: &[Node<'_>], hosts: &Hosts) -> Vec<Accepted> {
    let mut all = Vec::new();
    for node in nodes {
        let role = node.arg::<String>(0, "the role");
        let path = node.arg::<String>(1, "the file, as the plan names it");
        let on = node.need_prop::<String>("on");
        let until = node.need_prop::<String>("until");
        let reason = node.need_prop::<String>("reason");
        node.finish();
        let (Some(role), Some(path), Some(on), Some(until), Some(reason)) = (role, path, on, until, reason) else {
            continue;
        };
        if !is_day(&until.value) {
            let diag = Diag::at(Code::WrongType, until.span, format!("`until` can't be \"{}\"", shown(&until)));
            let diag = diag.label("expected a day such as \"2026-12-31\"");
            node.cx.report(diag.help(format!("write {EXAMPLE}")));
            continue;
        }
        if reason.value.trim().is_empty() {
            let diag = Diag::at(Code::Missing, reason.span, "`reason` is empty").label("expected why it is accepted");
            node.cx.report(diag.help("say why, for whoever reads it when the time is over"));
            continue;
        }
        let hosts = select(&on, hosts, node.cx);
        all.push(Accepted { role, hosts, path, until, reason: reason.value });
    }
    all
}

/// That the roles are there and run on the hosts, and that nothing is accepted twice.
pub(super) fn check(cluster: &Cluster, cx: &Cx) {
    let known: Vec<&str> = cluster.roles.iter().map(|role| role.id.as_str()).collect();
    let mut first: BTreeMap<(&str, &HostName, &str), Span> = BTreeMap::new();
    for accepted in &cluster.accepted {
        let roles: Vec<&Role> = cluster.roles.iter().filter(|role| role.id.as_str() == accepted.role.value).collect();
        if roles.is_empty() {
            let message = format!("there is no role `{}`", accepted.role.value);
            let diag = Diag::at(Code::Unresolved, accepted.role.span, message);
            cx.report(suggest(diag, &accepted.role.value, &known, "not a role"));
            continue;
        }
        for host in &accepted.hosts {
            let runs = |role: &&Role| role.hosts.iter().any(|known| known.value == host.value);
            if !roles.iter().any(runs) {
                let message = format!("`{}` does not run on `{host}`", accepted.role.value);
                let on: Vec<&str> = roles.iter().flat_map(|role| &role.hosts).map(|host| host.as_str()).collect();
                let diag = Diag::at(Code::Unresolved, host.span, message).label("not a host of this role");
                cx.report(diag.help(format!("it runs on {}", quoted(&on))));
            }
            let key = (accepted.role.as_str(), &host.value, accepted.path.as_str());
            if let Some(first) = first.insert(key, accepted.path.span) {
                let what =
                    format!("the acceptance of `{}` of `{}` on `{host}`", accepted.path.value, accepted.role.value);
                cx.report(duplicate(&what, accepted.path.span, first, "keep one of them"));
            }
        }
    }
}

/// What was accepted until a day that is over. `today` is `YYYY-MM-DD`; nothing here knows a clock.
pub fn expired(cluster: &Cluster, today: &str) -> Diagnostics {
    let mut found = Diagnostics::new();
    for accepted in cluster.accepted.iter().filter(|accepted| accepted.until.as_str() < today) {
        let message = format!(
            "`{}` of `{}` was accepted until {}",
            accepted.path.value, accepted.role.value, accepted.until.value
        );
        let diag = Diag::at(Code::Expired, accepted.until.span, message).label("this day is over");
        let help =
            "write what the host has into the file, or take the line out and have it put back; or say a later day";
        found.push(diag.help(format!("{help}. The reason was: {}", accepted.reason)));
    }
    found
}

/// `YYYY-MM-DD`, so that days compare as texts.
fn is_day(text: &str) -> bool {
    let number = |range: std::ops::Range<usize>| -> Option<u32> {
        text.get(range).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
    };
    let dashes = text.len() == 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-';
    let days = |year: u32, month: u32| match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        1..=12 => 31,
        _ => 0,
    };
    let day = number(0..4).zip(number(5..7)).zip(number(8..10));
    dashes && day.is_some_and(|((year, month), day)| (1..=days(year, month)).contains(&day))
}
