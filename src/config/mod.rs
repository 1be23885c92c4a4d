//! `cluster.kdl` and `modules/*.kdl` → [`crate::model`]: every mistake of both in one run, each with its place.
//!
//! Nothing here touches a disk: texts come through [`Files`]. The files are untrusted like any input: sizes, nesting,
//! ranges, includes and the number of reports are limited.

mod accept;
mod allow;
mod attached;
mod body;
mod checks;
mod cluster;
mod files;
mod given;
mod grammar;
mod hosts;
mod ids;
mod keys;
mod merge;
mod module;
mod modules;
mod range;
mod reader;
mod report;
mod roles;
mod ssh;
#[cfg(test)]
mod tests;
mod typed;
mod values;
mod versions;

pub use accept::expired;
pub use grammar::{Absent, Called, Field, Spec, Times, languages, reference};
pub use merge::{params_of, version_of};
pub use values::{duration, size};

use crate::diag::{Code, Diag, Diagnostics, Sources};
use crate::model::{Cluster, Declared, Digest, Module, ModuleName};
use files::Tree;
use hosts::Hosts;
use indexmap::IndexMap;
use modules::Library;
use reader::Cx;
use std::sync::Arc;

/// Where texts come from: a folder on disk, or a map in a test.
pub trait Files {
    /// The bytes of a file. A file larger than `limit` bytes is refused without being read whole.
    ///
    /// # Errors
    /// Why it can't be read, as a fragment for people (`no such file`).
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, String>;

    /// The names of the plain files in a folder.
    ///
    /// # Errors
    /// Why it can't be read, as a fragment for people.
    fn list(&self, folder: &str) -> Result<Vec<String>, String>;
}

/// The operator's intent, decoded and checked.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What `cluster.kdl` says.
    pub cluster: Cluster,
    /// The modules in use: of roles, what those require, and the supervisor's. In the order of first use.
    pub modules: IndexMap<ModuleName, Arc<Module>>,
    /// Pairings that our own tests prove and no vendor supports: shown, not refused.
    pub warnings: Vec<Diag>,
    /// What does not go together, and where versions are said: plans are refused for it.
    pub declared: Declared,
    /// Digest of the file and everything that it includes.
    pub file_digest: Digest,
    /// Digest of the modules in use with their templates.
    pub modules_digest: Digest,
}

/// Which modules are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Those in use.
    InUse,
    /// All in the folder, for `esplan validate`.
    All,
}

/// Reads `cluster.kdl` and the modules in use. `None` when anything was wrong: then the diagnostics say what.
pub fn load(files: &dyn Files, path: &str, modules_dir: &str, sources: &mut Sources) -> (Option<Loaded>, Diagnostics) {
    load_reach(files, path, modules_dir, sources, Reach::InUse)
}

/// Like [`load`], with a choice of modules. What is loaded is the same; with [`Reach::All`] mistakes in modules that
/// nobody uses are reported too.
pub fn load_reach(
    files: &dyn Files,
    path: &str,
    modules_dir: &str,
    sources: &mut Sources,
    reach: Reach,
) -> (Option<Loaded>, Diagnostics) {
    let cx = Cx::default();
    let loaded = read(files, path, modules_dir.trim_end_matches('/'), sources, reach, &cx);
    let diagnostics = cx.into_diagnostics();
    (loaded.filter(|_| diagnostics.is_empty()), diagnostics)
}

/// Reads one module alone, for `esplan explain`.
pub fn load_module(
    files: &dyn Files,
    name: &str,
    modules_dir: &str,
    sources: &mut Sources,
) -> (Option<Arc<Module>>, Diagnostics) {
    let cx = Cx::default();
    let mut library = Library::open(files, modules_dir.trim_end_matches('/'), &cx);
    let known: Vec<&str> = library.names.iter().map(String::as_str).collect();
    let wanted = ModuleName::new(name).ok().filter(|_| known.contains(&name));
    if wanted.is_none() && !known.is_empty() {
        let diag = Diag::nowhere(Code::Unresolved, format!("there is no module `{}`", hosts::shown(name)));
        cx.report(match crate::diag::nearest(name, known.iter().copied()) {
            Some(near) => diag.help(format!("did you mean `{near}`? There are {}", report::listed(&known))),
            None => diag.help(format!("there are {}", report::listed(&known))),
        });
    }
    let module = wanted.and_then(|name| {
        library.need(&name, &cx, sources);
        library.read.get(&name).cloned().flatten()
    });
    let diagnostics = cx.into_diagnostics();
    (module.filter(|_| diagnostics.is_empty()), diagnostics)
}

fn read(
    files: &dyn Files,
    path: &str,
    modules_dir: &str,
    sources: &mut Sources,
    reach: Reach,
    cx: &Cx,
) -> Option<Loaded> {
    let tree = Tree::read(files, path, cx, sources);
    let mut library = Library::open(files, modules_dir, cx);
    if reach == Reach::All {
        library.need_all(cx, sources);
    }
    let tree = tree?;
    let names = library.names.clone();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // A section whose name is misspelt is not missing, and what is in it is not known.
    let mut body = cluster::sections(tree.nodes(cx));
    let misspelt = ["cluster", "roles", "hosts", "versions"].map(|name| body.misspells(name));
    let [cluster_misspelt, roles_misspelt, hosts_misspelt, versions_misspelt] = misspelt;
    let head = body.one("cluster").map(|node| cluster::head(&node));
    let (no_head, no_roles) = (head.is_none() && !cluster_misspelt, !body.has("roles") && !roles_misspelt);
    for (missing, absent) in [("cluster", no_head), ("roles", no_roles)] {
        if absent {
            cx.report(cluster::no_section(path, missing));
        }
    }
    let (versions, versions_whole) = cluster::versions(&body.many("versions"), &names);
    let rollout = body.one("rollout").map(|node| cluster::rollout(&node)).unwrap_or_default();
    let secrets = cluster::secrets(body.many("secret"), &body.many("secrets"));
    let cluster_name = head.as_ref().and_then(|head| head.name.as_ref()).map_or("cluster", |name| name.as_str());
    let mut hosts = Hosts::read(&body.many("hosts"), cluster_name);
    hosts.whole &= !hosts_misspelt;
    if names.is_empty() {
        // Without modules nothing more can be said; why there are none is reported already.
        if cx.count() == 0 {
            let help = "modules are files NAME.kdl; name another folder with `--modules DIR`";
            cx.report(Diag::nowhere(Code::Unreadable, format!("`{modules_dir}` holds no module")).help(help));
        }
        return None;
    }
    let drafts = roles::drafts(&body.many("roles"), &hosts, &names);
    let accepted = accept::read(&body.many("accept"), &hosts);
    for draft in &drafts {
        library.need(&draft.role.module.value, cx, sources);
    }
    let supervisor = head.as_ref().and_then(|head| head.supervisor.clone());
    if let Some(supervisor) = &supervisor {
        match ModuleName::new(supervisor.as_str()).ok().filter(|_| names.contains(&supervisor.as_str())) {
            Some(module) => library.need(&module, cx, sources),
            None if names.is_empty() => {}
            None => cx.report(cluster::no_module(supervisor.as_str(), supervisor.span, &names)),
        }
    }
    library.cycles(cx);
    let mut finished = Vec::new();
    for draft in drafts {
        let name = draft.role.module.value.clone();
        let module = library.read.get(&name).cloned().flatten();
        let whole = !library.broken.contains(&name);
        finished.push(draft.finish(module.as_deref(), whole, &hosts, &names));
    }
    let attached = attached::read(&mut finished, &library, &tree, files, cx);
    let given = given::read(files, &tree, &mut finished, &library.read, cx);
    let head = head?;
    let cluster = Cluster {
        name: head.name?,
        prefix: head.prefix,
        user: head.user,
        boot: head.boot,
        supervisor: supervisor?,
        allow: head.allow,
        ssh: head.ssh,
        versions,
        rollout,
        hosts: hosts.all,
        roles: finished,
        secrets,
        accepted,
    };
    let modules: IndexMap<ModuleName, Arc<Module>> =
        library.read.iter().filter_map(|(name, module)| Some((name.clone(), module.clone()?))).collect();
    accept::check(&cluster, cx);
    allow::check(&cluster, &modules, &library.broken, cx);
    let mut checked = checks::check(&cluster, &modules, &library.broken, versions_whole && !versions_misspelt, cx);
    if cx.count() > 0 {
        // With other mistakes nothing is planned: those who correct them are told of these, too.
        checked.conflicts.drain(..).for_each(|conflict| cx.report(conflict.diag));
    }
    let declared = versions::declared(&cluster, checked.conflicts, sources);
    let in_use = merge::in_use(&cluster, &modules);
    let modules: IndexMap<_, _> = modules.into_iter().filter(|(name, _)| in_use.contains(name)).collect();
    let warnings = checked.warnings;
    let texts = tree.texts.iter().map(|(_, bytes)| bytes.as_slice());
    let texts = texts.chain(given.iter().map(|(_, bytes)| bytes.as_slice()));
    let file_digest = Digest::of_parts(texts.chain(attached.values().map(String::as_bytes)));
    Some(Loaded { cluster, modules, warnings, declared, file_digest, modules_digest: library.digest(&in_use) })
}
