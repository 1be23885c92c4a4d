//! What hosts lack and may be given: each name is that of a need which some module has, and which can be met by us.

use super::reader::Cx;
use super::report::suggest;
use crate::diag::{Code, Diag};
use crate::model::{Cluster, Module, ModuleName, NeedKind};
use indexmap::IndexMap;
use std::sync::Arc;

pub(super) fn check(cluster: &Cluster, modules: &IndexMap<ModuleName, Arc<Module>>, broken: &[ModuleName], cx: &Cx) {
    // A need may be in what is not understood.
    if !broken.is_empty() {
        return;
    }
    let kinds = || modules.values().flat_map(|module| &module.host.needs).map(|need| &need.kind);
    let settings: Vec<String> = kinds().filter(|kind| kind.can_be_allowed()).map(NeedKind::name).collect();
    for name in &cluster.allow {
        if settings.contains(&name.value) {
            continue;
        }
        if kinds().any(|kind| kind.name() == name.value) {
            let message = format!("`{}` is nothing that esapply can give a host", name.value);
            let diag = Diag::at(Code::Unresolved, name.span, message)
                .label("only kernel settings can be allowed, and programs of which the module names the package");
            cx.report(diag.help("see to it on the hosts themselves; the table of a plan says which lack it"));
            continue;
        }
        let message = format!("no module that is used needs `{}`", name.value);
        let known: Vec<&str> = settings.iter().map(String::as_str).collect();
        let diag = Diag::at(Code::Unresolved, name.span, message);
        cx.report(if known.is_empty() {
            diag.label("nobody needs it").help("leave it out: what is declared needs nothing that could be given")
        } else {
            suggest(diag, &name.value, &known, "nobody needs it")
        });
    }
}
