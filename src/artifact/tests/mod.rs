//! Resolving with stand-ins for the clients, and the cache under attack.

mod cache;
mod clients;
mod lock;

use super::bundle::Layout;
use super::fetch::Fetcher;
use super::lock::{Event, LockError, resolve};
use super::needs::Need;
use super::recipe::{Kind, Recipe};
use super::{Cache, Clients};
use crate::lock::{Key, Lock};
use crate::model::{ModuleName, Version};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;

/// A machine: a cache, a vendor folder, and stand-ins for the clients.
struct Machine {
    folder: TempDir,
    cache: Cache,
    clients: Clients,
    vendor: Vec<PathBuf>,
    events: Mutex<Vec<Event>>,
    limit: u64,
}

impl Machine {
    /// Nothing is installed there.
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::open(folder.path().join("cache")).expect("a cache");
        let vendor = vec![folder.path().join("vendor"), folder.path().join("install")];
        for place in &vendor {
            fs::create_dir(place).expect("a folder");
        }
        let absent = |name: &str| folder.path().join("absent").join(name);
        let clients = Clients {
            mvn: absent("mvn"),
            python: absent("python3"),
            apt_get: absent("apt-get"),
            curl: absent("curl"),
            limit: Duration::from_secs(20),
        };
        Self { folder, cache, clients, vendor, events: Mutex::default(), limit: 1 << 20 }
    }

    /// A program that runs this shell script.
    fn program(&self, name: &str, script: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        // Written under another name and renamed: a file that is open for writing can't be executed.
        let aside = self.folder.path().join(format!("{name}.new"));
        fs::write(&aside, format!("#!/bin/sh\nset -e\n{script}\n")).expect("written");
        fs::set_permissions(&aside, fs::Permissions::from_mode(0o755)).expect("made executable");
        fs::rename(&aside, &path).expect("renamed");
        path
    }

    fn vendor_file(&self, name: &str, bytes: &[u8]) {
        fs::write(self.vendor[0].join(name), bytes).expect("written");
    }

    fn fetcher(&self) -> Fetcher<'_> {
        Fetcher { cache: &self.cache, clients: &self.clients, vendor: &self.vendor, limit: self.limit }
    }

    async fn lock(&self, needs: Vec<Need>, existing: Option<&Lock>) -> Result<Lock, LockError> {
        let report = |event| self.events.lock().expect("events").push(event);
        resolve(&self.fetcher(), needs, existing, &report).await
    }

    fn events(&self) -> Vec<Event> {
        std::mem::take(&mut self.events.lock().expect("events"))
    }

    /// Names in a folder of the cache.
    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.cache.root().join(folder)).expect("a folder");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }
}

fn key(module: &str, version: &str) -> Key {
    Key {
        module: ModuleName::new(module).expect("a name"),
        plugin: None,
        version: Version::parse(version).expect("a version"),
    }
}

fn need(module: &str, version: &str, recipes: Vec<Recipe>) -> Need {
    Need { key: key(module, version), recipes, into: String::new() }
}

fn recipe(kind: Kind) -> Recipe {
    Recipe { kind, layout: Layout::default() }
}

fn file(name: &str) -> Recipe {
    recipe(Kind::File { name: name.to_owned() })
}

fn pypi(requirement: &str) -> Recipe {
    recipe(Kind::Pypi { requirements: vec![requirement.to_owned()] })
}

/// A tar archive with one file.
fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, content).expect("appended");
    builder.into_inner().expect("finished")
}

fn unpacked(bundle: &Path, name: &str) -> Vec<u8> {
    use std::io::Read as _;
    let mut archive = tar::Archive::new(fs::File::open(bundle).expect("a bundle"));
    for entry in archive.entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        if entry.path().expect("a path") == Path::new(name) {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("content");
            return content;
        }
    }
    panic!("no {name} in the bundle");
}

fn corrupt(path: &Path) {
    let mut file = fs::OpenOptions::new().append(true).open(path).expect("opened");
    file.write_all(b"x").expect("written");
}
