//! Which value holds: the role's for one host, then the role's, then the module's default.

use crate::diag::Span;
use crate::model::{Cluster, HostName, Module, ModuleName, Name, Role, Value, Version};
use indexmap::IndexMap;
use std::sync::Arc;

/// All parameters of the module as they hold for a role on a host, in the module's order. A parameter that is optional
/// and not given is [`Value::Null`].
pub fn params_of(role: &Role, host: &HostName, module: &Module) -> IndexMap<Name, Value> {
    let value = |name: &Name| {
        let given = role.overrides.get(host).and_then(|own| own.get(name)).or_else(|| role.params.get(name));
        let default = || module.params.get(name).and_then(|param| param.default.clone());
        given.map(|value| value.value.clone()).or_else(default).unwrap_or(Value::Null)
    };
    module.params.keys().map(|name| (name.clone(), value(name))).collect()
}

/// Where the value of a parameter was said for a role on a host; `None` for the module's default.
pub(super) fn place_of(role: &Role, host: &HostName, name: &Name) -> Option<Span> {
    let own = role.overrides.get(host).and_then(|own| own.get(name));
    own.or_else(|| role.params.get(name)).map(|value| value.span)
}

/// The version of a module that a role uses: its own choice, else that of `versions`.
pub fn version_of<'a>(cluster: &'a Cluster, role: &'a Role, module: &ModuleName) -> Option<&'a Version> {
    place_of_version(cluster, role, module).map(|(version, _)| version)
}

/// The version with its place.
pub(super) fn place_of_version<'a>(
    cluster: &'a Cluster,
    role: &'a Role,
    module: &ModuleName,
) -> Option<(&'a Version, Span)> {
    let own = role.versions.get(module);
    let version = own.or_else(|| cluster.versions.get(module).map(|spec| &spec.version))?;
    Some((&version.value, version.span))
}

/// The modules of all roles, what they require, and the supervisor's.
pub(super) fn in_use(cluster: &Cluster, modules: &IndexMap<ModuleName, Arc<Module>>) -> Vec<ModuleName> {
    let mut wanted: Vec<ModuleName> = cluster.roles.iter().map(|role| role.module.value.clone()).collect();
    wanted.extend(ModuleName::new(cluster.supervisor.as_str()));
    let mut used: Vec<ModuleName> = Vec::new();
    while let Some(name) = wanted.pop() {
        if used.contains(&name) {
            continue;
        }
        wanted.extend(
            modules.get(&name).iter().flat_map(|module| module.requires.iter().map(|r| r.module.value.clone())),
        );
        used.push(name);
    }
    used
}
