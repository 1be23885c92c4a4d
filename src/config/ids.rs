//! Ids: an instance's number is the one in its host's name, never a position, and no two of a service are the same.

use super::reader::Cx;
use crate::diag::{Code, Diag, Spanned};
use crate::model::{Cluster, FileContent, HostName, Module, ModuleName, ServiceName};
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How templates name the id.
const ORDINAL: &str = "instance.ordinal";

/// Checks the services whose module takes the default id. An id that a module computes is only known when rendered.
pub(super) fn check(cluster: &Cluster, modules: &IndexMap<ModuleName, Arc<Module>>, cx: &Cx) {
    let mut services: BTreeMap<&ServiceName, BTreeMap<u32, Spanned<&HostName>>> = BTreeMap::new();
    let mut without: BTreeSet<&HostName> = BTreeSet::new();
    for role in &cluster.roles {
        if !modules.get(&role.module.value).is_some_and(|module| uses_number(module)) {
            continue;
        }
        for host in &role.hosts {
            let Some(spec) = cluster.hosts.get(&host.value) else { continue };
            let Some(number) = spec.number else {
                if without.insert(&host.value) {
                    let name = &spec.name.value;
                    let message = format!("`{}` needs an id on `{name}`, and the host has no number", role.id);
                    cx.report(
                        Diag::at(Code::BadId, spec.name.span, message)
                            .label("no number at the end of its name")
                            .help(format!("give the host a number that no other has: {name} number=1 …"))
                            .also(
                                Diag::at(Code::BadId, role.span, "the role that needs it")
                                    .label(format!("`{}` needs an id", role.id)),
                            ),
                    );
                }
                continue;
            };
            let taken = services.entry(&role.service).or_default();
            let Some(first) = taken.get(&number) else {
                taken.insert(number, Spanned::new(&host.value, spec.name.span));
                continue;
            };
            let message = format!("the id {number} is used twice in the service `{}`", role.service);
            let label = format!("`{}` has the number {number}", host.value);
            let same_host = *first.value == host.value;
            let help = if same_host {
                "two roles of one service share a host: put them on different hosts, or say service=\"…\""
            } else {
                "give one of the hosts another `number`"
            };
            let other =
                Diag::at(Code::BadId, first.span, "the other one").label(format!("`{}` has it, too", first.value));
            let place = if same_host { role.span } else { spec.name.span };
            cx.report(Diag::at(Code::BadId, place, message).label(label).help(help).also(other));
        }
    }
}

/// Whether anything that the module renders holds the default id.
fn uses_number(module: &Module) -> bool {
    if module.ordinal.is_some() {
        return false;
    }
    let files = module.files.iter().any(|file| {
        let content = match &file.content {
            FileContent::Inline(template) => Some(template),
            FileContent::TemplateFile(name) => module.templates.get(name),
            FileContent::Given(_) => None,
        };
        content.is_some_and(|template| template.0.contains(ORDINAL)) || file.path.0.contains(ORDINAL)
    });
    let process = module.process.iter().flat_map(|process| process.command.iter().chain(process.env.values()));
    files || process.into_iter().any(|word| word.0.contains(ORDINAL))
}
