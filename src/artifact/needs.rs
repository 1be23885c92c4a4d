//! Which artifacts the cluster uses: every module at every version, with its plugins, and how each may be had.

use super::bundle::inner_path;
use super::recipe::{BadSource, Recipe, Subject};
use crate::diag::{Code, Diag, Span};
use crate::expr;
use crate::lock::Key;
use crate::model::{Artifact, Cluster, Module, ModuleName, Role, Source, Version, is_name};
use indexmap::IndexMap;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Modules by name.
pub type Modules = IndexMap<ModuleName, Arc<Module>>;

/// An artifact that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) key: Key,
    /// Ways to get it, in order.
    pub(super) recipes: Vec<Recipe>,
    /// Folder below the software folder; only for plugins.
    pub(super) into: String,
}

/// Something in the cluster file or a module that keeps an artifact from being looked for.
#[derive(Debug, thiserror::Error)]
pub enum BadNeed {
    /// A version is not declared.
    #[error("no version of {module} is declared; add `{module} \"…\"` to `versions`")]
    NoVersion {
        /// The module.
        module: String,
    },
    /// A module is not known.
    #[error("there is no module {module}")]
    NoModule {
        /// The module.
        module: String,
    },
    /// No source applies.
    #[error("{what}: none of the sources of its module is for this version")]
    NoSource {
        /// Software or plugin, with its version.
        what: String,
        /// The sources.
        span: Span,
    },
    /// A source is not usable as it is written.
    #[error("{what}: {why}")]
    Source {
        /// Software or plugin, with its version.
        what: String,
        /// What is wrong.
        why: BadSource,
        /// The source.
        span: Span,
    },
    /// A plugin can't be placed.
    #[error("{what}: {why}")]
    Plugin {
        /// The plugin with its version.
        what: String,
        /// What is wrong.
        why: String,
    },
}

impl BadNeed {
    /// The mistake with its place in the module's file, when it has one.
    pub fn diag(&self) -> Diag {
        match self {
            Self::NoVersion { .. } => Diag::nowhere(Code::Missing, self.to_string()),
            Self::NoModule { .. } | Self::Plugin { .. } => Diag::nowhere(Code::Unresolved, self.to_string()),
            Self::NoSource { span, .. } => Diag::at(Code::Unresolved, *span, self.to_string())
                .label("none of these applies")
                .help("add a source for this version to the module, or declare another version"),
            Self::Source { span, .. } => {
                Diag::at(Code::RenderFailed, *span, self.to_string()).label("this source can't be used")
            }
        }
    }
}

/// `name version`, for people.
pub(super) fn label(key: &Key) -> String {
    match &key.plugin {
        None => format!("{} {}", key.module, key.version),
        Some(plugin) => format!("{} plugin {plugin} {}", key.module, key.version),
    }
}

/// Everything in use, in the order of its keys; or every mistake.
pub(super) fn needs(cluster: &Cluster, modules: &Modules) -> Result<Vec<Need>, Vec<BadNeed>> {
    let mut search = Search { cluster, modules, found: BTreeMap::new(), bad: Vec::new(), done: BTreeSet::new() };
    for role in &cluster.roles {
        search.module(&role.module.value, Some(role), 0);
    }
    match ModuleName::new(cluster.supervisor.as_str()) {
        Ok(module) => search.module(&module, None, 0),
        Err(_) => search.bad.push(BadNeed::NoModule { module: cluster.supervisor.to_string() }),
    }
    if search.bad.is_empty() { Ok(search.found.into_values().collect()) } else { Err(search.bad) }
}

/// Modules that need each other in a circle are another stage's to report; here they only must end.
const MAX_DEPTH: u32 = 32;

struct Search<'a> {
    cluster: &'a Cluster,
    modules: &'a Modules,
    found: BTreeMap<Key, Need>,
    bad: Vec<BadNeed>,
    done: BTreeSet<(ModuleName, Option<Version>)>,
}

impl Search<'_> {
    fn module(&mut self, name: &ModuleName, role: Option<&Role>, depth: u32) {
        let Some(module) = self.modules.get(name).map(Arc::clone) else {
            return self.bad(BadNeed::NoModule { module: name.to_string() });
        };
        let spec = self.cluster.versions.get(name);
        let version = role.and_then(|role| role.versions.get(name)).or(spec.map(|spec| &spec.version));
        let version = version.map(|version| version.value.clone());
        if let Some(artifact) = &module.artifact
            && self.done.insert((name.clone(), version.clone()))
        {
            match &version {
                None => self.bad(BadNeed::NoVersion { module: name.to_string() }),
                Some(version) => {
                    self.software(name, version, artifact);
                    for (plugin, plugged) in spec.into_iter().flat_map(|spec| &spec.plugins) {
                        self.plugin(&module, version, plugin, &plugged.value);
                    }
                }
            }
        }
        if depth < MAX_DEPTH {
            for required in &module.requires {
                self.module(&required.module.value, role, depth + 1);
            }
        }
    }

    fn software(&mut self, name: &ModuleName, version: &Version, artifact: &Artifact) {
        let key = Key { module: name.clone(), plugin: None, version: version.clone() };
        let subject = Subject { version, plugin: None };
        self.add(key, &artifact.sources, subject, String::new(), artifact.span);
    }

    fn plugin(&mut self, module: &Module, version: &Version, plugin: &str, plugged: &Version) {
        let name = &module.name.value;
        let key = Key { module: name.clone(), plugin: Some(plugin.to_owned()), version: plugged.clone() };
        let what = label(&key);
        let Some(plugins) = &module.plugins else {
            return self.bad(BadNeed::Plugin { what, why: format!("the module {name} takes no plugins") });
        };
        if !is_name(plugin) {
            return self.bad(BadNeed::Plugin { what, why: "this is not usable as a name".to_owned() });
        }
        let context = json!({
            "version": version.as_str(),
            "plugin": { "name": plugin, "version": plugged.as_str() },
        });
        let into = expr::render(&plugins.into.0.value, &context)
            .map_err(|why| why.to_string())
            .and_then(|into| inner_path(&into).map_err(|why| format!("its place {into:?} {why}")));
        match into {
            Err(why) => self.bad(BadNeed::Plugin { what, why }),
            Ok(into) => {
                let subject = Subject { version, plugin: Some((plugin, plugged)) };
                self.add(key, &plugins.sources, subject, into, plugins.into.0.span);
            }
        }
    }

    fn add(&mut self, key: Key, sources: &[Source], subject: Subject<'_>, into: String, span: Span) {
        let what = label(&key);
        let mut recipes = Vec::new();
        let known_bad = self.bad.len();
        for source in sources {
            match Recipe::of(source, subject) {
                Ok(recipe) => recipes.extend(recipe),
                Err(why) => self.bad(BadNeed::Source { what: what.clone(), why, span: source.span }),
            }
        }
        if self.bad.len() > known_bad {
            return;
        }
        if recipes.is_empty() {
            return self.bad(BadNeed::NoSource { what, span });
        }
        let need = Need { key: key.clone(), recipes, into };
        match self.found.get(&key) {
            Some(known) if *known != need => self.bad(BadNeed::Plugin {
                what,
                why: "it is used with two versions of the software, and its sources differ between them".to_owned(),
            }),
            _ => _ = self.found.insert(key, need),
        }
    }

    fn bad(&mut self, bad: BadNeed) {
        self.bad.push(bad);
    }
}
