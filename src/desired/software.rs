//! Which software an instance uses: folders that are named by what is in them.

use super::Software;
use crate::diag::{Code, Diag, Span};
use crate::lock::{Key, Lock};
use crate::model::{Cluster, Digest, Module, Role, Version};
use indexmap::IndexMap;
use std::sync::Arc;

/// A module's software, and where it is on a host.
#[derive(Debug, Clone)]
pub(super) struct Used {
    /// The folder; `None` for a module without an artifact.
    pub(super) software: Option<Arc<Software>>,
    /// Its version.
    pub(super) version: Version,
    /// Where it is: the folder, or the program when it is on the host already.
    pub(super) home: String,
    /// The plugins that are part of it.
    pub(super) plugins: IndexMap<String, Version>,
}

/// The software of a module for a role (`None`: the supervisor's, which no role has).
pub(super) fn used(
    cluster: &Cluster,
    role: Option<&Role>,
    module: &Module,
    prefix: &str,
    lock: &Lock,
) -> Result<Used, Box<Diag>> {
    let name = &module.name.value;
    let spec = cluster.versions.get(name);
    let own = role.and_then(|role| role.versions.get(name));
    let version = match (own.or(spec.map(|spec| &spec.version)), Version::parse("0")) {
        (Some(version), _) => version.clone(),
        (None, Ok(none)) if module.artifact.is_none() => crate::diag::Spanned::new(none, module.name.span),
        _ => {
            let place = role.map_or(cluster.supervisor.span, |role| role.module.span);
            let diag = Diag::at(Code::Missing, place, format!("`{name}` has no version")).label("needs it");
            return Err(Box::new(diag.help(format!("add a line to `versions`: {name} \"…\""))));
        }
    };
    if module.artifact.is_none() {
        return Ok(Used { software: None, version: version.value, home: String::new(), plugins: IndexMap::new() });
    }
    let plugins: IndexMap<String, Version> = spec
        .into_iter()
        .flat_map(|spec| &spec.plugins)
        .map(|(name, version)| (name.clone(), version.value.clone()))
        .collect();
    let place = |key: &Key| match &key.plugin {
        Some(plugin) => spec.and_then(|spec| spec.plugins.get(plugin)).map_or(version.span, |version| version.span),
        None => version.span,
    };
    let parts = lock.parts(name, &version.value, &plugins).map_err(|key| Box::new(not_locked(&key, place(&key))))?;
    let system = lock.system(name, &version.value);
    let digests = parts.iter().flat_map(|part| [part.bundle.to_string(), part.into.clone()]);
    let content: Vec<String> = digests.chain(system.map(str::to_owned)).collect();
    let hash = Digest::of_parts(content.iter().map(String::as_bytes));
    let folder = format!("{name}-{}-{}", version.value, hash.short());
    let home = system.map_or_else(|| format!("{prefix}/software/{folder}"), str::to_owned);
    let software = Software { folder, module: name.clone(), version: version.value.clone(), parts };
    Ok(Used { software: Some(Arc::new(software)), version: version.value, home, plugins })
}

fn not_locked(key: &Key, span: Span) -> Diag {
    let what = match &key.plugin {
        Some(plugin) => format!("the plugin `{plugin}` {} of `{}`", key.version, key.module),
        None => format!("`{}` {}", key.module, key.version),
    };
    Diag::at(Code::NotLocked, span, format!("{what} is not in `cluster.lock`"))
        .label("not locked")
        .help("run `esplan lock`: it finds the artifact and writes down which bytes it is")
}
