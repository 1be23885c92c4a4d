//! What can only be seen when the file and the modules are together: versions, ports, ids, secrets, required values.

use super::merge::place_of;
use super::reader::Cx;
use super::report::{quoted, suggest};
use crate::diag::{Code, Diag, Span};
use crate::model::{Cluster, Conflict, HostName, Module, ModuleName, Name, ParamType, Role, SourceKind, Value};
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// All checks. `all_versions` says that every line of `versions` was understood, so what is not there is missing. The result
/// is what is no mistake of the file, and yet told.
pub(super) fn check(
    cluster: &Cluster,
    modules: &IndexMap<ModuleName, Arc<Module>>,
    broken: &[ModuleName],
    all_versions: bool,
    cx: &Cx,
) -> super::versions::Checked {
    let whole = |name: &ModuleName| modules.get(name).filter(|_| !broken.contains(name));
    for role in &cluster.roles {
        let Some(module) = whole(&role.module.value) else { continue };
        required(role, module, cx);
        secrets(cluster, role, cx);
        reload(role, module, cx);
    }
    let ports = ports(cluster, modules);
    super::ids::check(cluster, modules, cx);
    if all_versions {
        supervisor_version(cluster, modules, cx);
        super::versions::missing(cluster, modules, broken, cx);
    }
    let mut checked = super::versions::check(cluster, modules, broken, cx);
    checked.conflicts.extend(ports);
    checked
}

/// Whether a module's software has a version that somebody must name: not when it is only ever found on the host.
pub(super) fn needs_version(module: &Module) -> bool {
    let fetched = |kind: &SourceKind| !matches!(kind, SourceKind::System { .. });
    module.artifact.as_ref().is_some_and(|artifact| artifact.sources.iter().any(|source| fetched(&source.kind)))
}

fn supervisor_version(cluster: &Cluster, modules: &IndexMap<ModuleName, Arc<Module>>, cx: &Cx) {
    let Some(module) = ModuleName::new(cluster.supervisor.as_str()).ok().and_then(|name| modules.get(&name)) else {
        return;
    };
    if needs_version(module) && !cluster.versions.contains_key(&module.name.value) {
        let message = format!("`{}`, which supervises the processes, has no version", module.name.value);
        let diag = Diag::at(Code::Missing, cluster.supervisor.span, message).label("not in `versions`");
        cx.report(diag.help(format!("add a line to `versions`: {} \"…\"", module.name.value)));
    }
}

/// Every parameter without a default is set, by the role or for each of its hosts.
fn required(role: &Role, module: &Module, cx: &Cx) {
    let needed = |(name, _): &(&Name, _)| !role.params.contains_key(*name);
    let params = module.params.iter().filter(|(_, param)| param.default.is_none() && !param.optional);
    for (name, param) in params.filter(needed) {
        let without: Vec<&str> = role
            .hosts
            .iter()
            .filter(|host| !role.overrides.get(&host.value).is_some_and(|own| own.contains_key(name)))
            .map(|host| host.as_str())
            .collect();
        if without.is_empty() {
            continue;
        }
        let message = format!("`{}` needs the parameter `{name}`", role.id);
        let what = super::typed::what(&param.kind);
        let diag = Diag::at(Code::Missing, role.span, message)
            .label(format!("`{name}` is not set"))
            .help(format!("add `{name} …` with {what}"))
            .also(Diag::at(Code::Missing, param.span, "it is declared here, without a default").label("declared here"));
        cx.report(diag);
    }
}

/// Every secret that is named is declared.
fn secrets(cluster: &Cluster, role: &Role, cx: &Cx) {
    let values = role.params.values().chain(role.overrides.values().flat_map(IndexMap::values));
    for value in values {
        let Value::Secret(secret) = &value.value else { continue };
        if !cluster.secrets.contains_key(&secret.0) {
            let known: Vec<&str> = cluster.secrets.keys().map(String::as_str).collect();
            let diag = Diag::at(Code::Unresolved, value.span, format!("there is no secret `{}`", secret.0));
            let example =
                || format!("declare it at the top of the file: secret \"{}\" from=\"env\" \"VARIABLE\"", secret.0);
            cx.report(if known.is_empty() {
                diag.label("not declared").help(example())
            } else {
                suggest(diag, &secret.0, &known, "not declared")
            });
        }
    }
}

/// A file that asks for a reload needs a process that knows how.
fn reload(_role: &Role, module: &Module, cx: &Cx) {
    let Some(process) =
        module.process.as_ref().filter(|process| process.reload_signal.is_none() && process.reload_command.is_empty())
    else {
        return;
    };
    let wants = |file: &&crate::model::FileSpec| file.on_change == crate::model::OnChange::Reload;
    if let Some(file) = module.files.iter().find(wants) {
        let message = format!("`{}` asks for a reload, and the process has no signal for it", file.path.0.value);
        let program = process.command.first().map(|word| word.0.span);
        let mut diag = Diag::at(Code::Missing, file.span, message)
            .label("on-change=\"reload\"")
            .help("add `reload signal=\"HUP\"` to `process`, or say on-change=\"restart\"");
        if let Some(span) = program {
            diag = diag.also(Diag::at(Code::Missing, span, "the process is here").label("no `reload` beside it"));
        }
        cx.report(diag);
    }
}

/// The name by which a port that is bound twice is refused.
const PORTS: &str = "port-conflict";

/// One use of a port: which role says it, and where.
#[derive(Debug, Clone)]
struct Bound<'a> {
    role: &'a Role,
    param: &'a Name,
    span: Option<Span>,
}

/// Two uses of one port, and the hosts on which they meet.
type Clash<'a> = (Bound<'a>, Bound<'a>, Vec<&'a str>);

/// No two instances on a host, and no two parameters of one instance, have the same port.
fn ports(cluster: &Cluster, modules: &IndexMap<ModuleName, Arc<Module>>) -> Vec<Conflict> {
    let mut on_host: BTreeMap<&HostName, Vec<&Role>> = BTreeMap::new();
    for role in &cluster.roles {
        for host in &role.hosts {
            on_host.entry(&host.value).or_default().push(role);
        }
    }
    // The same pair of roles usually meets on several hosts: it is one mistake.
    let mut clashes: IndexMap<(String, String, i64), Clash<'_>> = IndexMap::new();
    for (host, roles) in on_host {
        let mut bound: BTreeMap<i64, Bound<'_>> = BTreeMap::new();
        for role in roles {
            let Some(module) = modules.get(&role.module.value) else { continue };
            for (param, number) in ports_of(role, host, module) {
                let new = Bound { role, param, span: place_of(role, host, param) };
                match bound.get(&number) {
                    Some(first) => {
                        let name = |bound: &Bound<'_>| format!("{}.{}", bound.role.id, bound.param);
                        let pair = (name(first), name(&new), number);
                        clashes.entry(pair).or_insert_with(|| (first.clone(), new, Vec::new())).2.push(host.as_str());
                    }
                    None => {
                        bound.insert(number, new);
                    }
                }
            }
        }
    }
    let conflict = |((_, _, number), (first, second, hosts)): ((String, String, i64), Clash<'_>)| {
        let between = vec![first.role.module.value.clone(), second.role.module.value.clone()];
        Some(Conflict { name: Name::new(PORTS).ok()?, between, diag: clash(&first, &second, number, &hosts) })
    };
    clashes.into_iter().filter_map(conflict).collect()
}

fn ports_of<'a>(role: &'a Role, host: &HostName, module: &'a Module) -> Vec<(&'a Name, i64)> {
    let ports = module.params.iter().filter(|(_, param)| param.kind == ParamType::Port);
    let number = |(name, param): (&'a Name, &'a crate::model::Param)| {
        let own = role.overrides.get(host).and_then(|own| own.get(name)).or_else(|| role.params.get(name));
        match own.map_or(param.default.as_ref(), |value| Some(&value.value)) {
            Some(Value::Int(number)) => Some((name, *number)),
            _ => None,
        }
    };
    ports.filter_map(number).collect()
}

fn clash(first: &Bound<'_>, second: &Bound<'_>, number: i64, hosts: &[&str]) -> Diag {
    let place = |bound: &Bound<'_>| bound.span.unwrap_or(bound.role.span);
    let says = |bound: &Bound<'_>| match bound.span {
        Some(_) => format!("`{}` of `{}`", bound.param, bound.role.id),
        None => format!("`{}` of `{}`, by default", bound.param, bound.role.id),
    };
    let names: BTreeSet<&str> = hosts.iter().copied().collect();
    let names: Vec<&str> = names.into_iter().collect();
    let message = format!("port {number} is bound twice on {}", quoted(&names));
    let other = Diag::at(Code::PortConflict, place(first), "the other one").label(says(first));
    Diag::at(Code::PortConflict, place(second), message)
        .label(says(second))
        .help(format!("give one of them another port: `{} {}`", second.param, number.saturating_add(10).min(65_535)))
        .also(other)
}
