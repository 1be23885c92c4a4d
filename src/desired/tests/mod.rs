//! The made-up platform of `fixtures/tiny`, expanded.

mod instances;
mod launcher;
mod mistakes;

use super::*;
use crate::config::{self, Files};
use crate::desired::Part;
use crate::diag::{Diagnostics, Sources};
use crate::lock::{Key, Lock, Locked};
use crate::model::Secret;
use std::fs;
use std::path::Path;

/// Texts by path: `cluster.kdl` and `modules/…`.
#[derive(Debug, Clone, Default)]
pub(super) struct World {
    texts: BTreeMap<String, String>,
    secret: String,
    sealed: bool,
}

impl Files for World {
    fn read(&self, path: &str, _limit: u64) -> Result<Vec<u8>, String> {
        self.texts.get(path).map(|text| text.clone().into_bytes()).ok_or_else(|| "no such file".to_owned())
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        let inside = |path: &String| Some(path.strip_prefix(folder)?.strip_prefix('/')?.to_owned());
        Ok(self.texts.keys().filter_map(inside).filter(|name| !name.contains('/')).collect())
    }
}

impl World {
    /// The fixture as it is.
    pub(super) fn tiny() -> Self {
        let mut world = Self { texts: BTreeMap::new(), secret: "open sesame".to_owned(), sealed: false };
        world.add(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tiny"), "");
        world
    }

    fn add(&mut self, folder: &Path, name: &str) {
        for entry in fs::read_dir(folder).expect("folder").flatten() {
            let inner = format!("{name}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                self.add(&entry.path(), &format!("{inner}/"));
            } else {
                self.texts.insert(inner, fs::read_to_string(entry.path()).expect("text"));
            }
        }
    }

    /// The same with one text changed.
    pub(super) fn with(mut self, path: &str, from: &str, to: &str) -> Self {
        let text = self.texts.get_mut(path).expect("a text of the fixture");
        assert!(text.contains(from), "{path} has no {from:?}");
        *text = text.replacen(from, to, 1);
        self
    }

    /// The same with another secret.
    pub(super) fn secret(self, secret: &str) -> Self {
        Self { secret: secret.to_owned(), ..self }
    }

    /// The same where only the mark of the secret is known.
    pub(super) fn sealed(self) -> Self {
        Self { sealed: true, ..self }
    }

    /// Expands it with a lock that has everything that `lock` accepts.
    pub(super) fn expand_with(&self, lock: impl Fn(&Key) -> bool) -> (Option<Desired>, Diagnostics) {
        let mut sources = Sources::new();
        let (loaded, found) = config::load(self, "cluster.kdl", "modules", &mut sources);
        assert!(found.is_empty(), "{found:#?}");
        let loaded = loaded.expect("loads");
        let mut artifacts = BTreeMap::new();
        for (module, spec) in &loaded.cluster.versions {
            let plugins = spec.plugins.iter().map(|(plugin, version)| (Some(plugin.clone()), version));
            for (plugin, version) in [(None, &spec.version)].into_iter().chain(plugins) {
                let key = Key { module: module.clone(), plugin, version: version.value.clone() };
                let locked = locked(&key);
                artifacts.insert(key, locked);
            }
        }
        artifacts.retain(|key, _| lock(key));
        let secret = Secret::new("tiny", "store-key", &self.secret);
        let secret = if self.sealed { Secret::sealed(secret.mark()) } else { secret };
        let secrets = [("store-key".to_owned(), secret)].into_iter().collect();
        expand(&loaded, &Lock { artifacts }, Digest::of(b"lock"), &secrets)
    }

    /// Expands it; nothing may be wrong.
    pub(super) fn expand(&self) -> Desired {
        let (desired, found) = self.expand_with(|_| true);
        assert!(found.is_empty(), "{found:#?}");
        desired.expect("expands")
    }

    /// The mistakes, as `CODE MESSAGE`; those of an earlier stage when it does not come that far.
    pub(super) fn mistakes(&self) -> Vec<String> {
        let (loaded, found) = config::load(self, "cluster.kdl", "modules", &mut Sources::new());
        let found = if loaded.is_some() { self.expand_with(|_| true).1 } else { found };
        assert!(!found.is_empty(), "nothing is wrong");
        found.iter().map(|diag| format!("{} {}", diag.code, diag.message)).collect()
    }
}

fn locked(key: &Key) -> Locked {
    let into = key.plugin.as_ref().map(|plugin| format!("plugins/{plugin}")).unwrap_or_default();
    let name = key.to_string().replace(' ', "-");
    let bundle = Part { bundle: Digest::of(name.as_bytes()), name: name.clone(), size: 1, into };
    Locked { source: format!("file {name}"), files: Vec::new(), bundle: Some(bundle), system: None }
}

/// An instance by its name.
pub(super) fn instance<'a>(desired: &'a Desired, name: &str) -> &'a DesiredInstance {
    &desired.instances[&InstanceId::try_from(name.to_owned()).expect("an instance")]
}

/// A file of an instance.
pub(super) fn file<'a>(desired: &'a Desired, name: &str, path: &str) -> &'a DesiredFile {
    let place = |file: &&DesiredFile| match &file.place {
        Place::Generation(own) | Place::Absolute(own) => own == path,
    };
    instance(desired, name).files.iter().find(place).expect(path)
}
