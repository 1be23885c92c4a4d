//! `cluster.lock` from a cluster file and modules: which artifacts are in use, and what their sources come to.

use es_cluster::artifact::{ArtifactError, Cache, Clients, LockError, Request, ensure_bundle, lock};
use es_cluster::cli::files::DiskFiles;
use es_cluster::config::{Loaded, load};
use es_cluster::diag::Sources;
use es_cluster::lock::{Key, Lock};
use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use tempfile::TempDir;

const RUNTIME: &str = r#"
module "runtime" {
    doc "What services run on."
    artifact {
        file "runtime-{{ version }}.tar" root="runtime-{{ version }}" { version-map "8.0.202"="8u202"; }
    }
}
"#;

const SERVICE: &str = r#"
module "service" {
    doc "A service."
    requires "runtime"
    artifact {
        file "service-old-{{ version }}.tar" when="version_below(version, '2')"
        file "service-{{ version }}.tar" when="version_at_least(version, '2')"
    }
    plugins into="plugins/{{ plugin.name }}" { file "{{ plugin.name }}-{{ plugin.version }}-for-{{ version }}.tar"; }
    process { command "/bin/true"; stop signal="TERM" within="5s"; }
}
"#;

const WATCHER: &str = r#"
module "watcher" {
    doc "A supervisor."
    artifact { file "watcher-{{ version }}.tar"; }
    process { command "/bin/true"; stop signal="TERM" within="5s"; }
}
"#;

/// A controller: a cluster file, modules, a cache and vendor files.
struct Controller {
    folder: TempDir,
    cache: Cache,
    vendor: PathBuf,
}

impl Controller {
    fn new(cluster: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let modules = folder.path().join("modules");
        fs::create_dir(&modules).unwrap();
        for (name, text) in [("runtime", RUNTIME), ("service", SERVICE), ("watcher", WATCHER)] {
            fs::write(modules.join(format!("{name}.kdl")), text).unwrap();
        }
        fs::write(folder.path().join("cluster.kdl"), cluster).unwrap();
        let vendor = folder.path().join("install");
        fs::create_dir(&vendor).unwrap();
        let cache = Cache::open(folder.path().join("cache")).unwrap();
        Self { folder, cache, vendor }
    }

    /// A vendor archive whose only file `NAME` is below `root` and says `content`.
    fn vendor(&self, archive: &str, root: &str, content: &str) {
        let mut builder = tar::Builder::new(fs::File::create(self.vendor.join(archive)).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("{root}NAME"), content.as_bytes()).unwrap();
        builder.finish().unwrap();
    }

    fn load(&self) -> Loaded {
        let mut sources = Sources::new();
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let (loaded, diagnostics) = load(&DiskFiles, &path("cluster.kdl"), &path("modules"), &mut sources);
        loaded.unwrap_or_else(|| panic!("{:?}", diagnostics.into_reports(&sources)))
    }

    async fn lock(&self, existing: Option<&Lock>) -> Result<Lock, LockError> {
        let loaded = self.load();
        let vendor = [self.vendor.clone()];
        let request = Request {
            cluster: &loaded.cluster,
            modules: &loaded.modules,
            existing,
            vendor: &vendor,
            clients: &Clients::default(),
        };
        lock(&self.cache, &request, &|_| ()).await
    }

    /// What `NAME` says in the bundle of this artifact.
    fn name_in(&self, lock: &Lock, key: &Key) -> String {
        let path = ensure_bundle(&self.cache, key, lock.artifacts.get(key)).unwrap();
        let mut archive = tar::Archive::new(fs::File::open(path).unwrap());
        let mut content = String::new();
        archive.entries().unwrap().next().unwrap().unwrap().read_to_string(&mut content).unwrap();
        content
    }
}

fn label(key: &Key) -> String {
    format!("{}/{} {}", key.module, key.plugin.as_deref().unwrap_or("-"), key.version)
}

const CLUSTER: &str = r#"
cluster "demo" { supervisor "watcher"; }
versions {
    watcher "4.3.0"
    runtime "11.0.13"
    service "2.5.0" { plugin "extra" "2.5.0.1"; }
}
hosts { "node[1-2]" address="127.0.78.[1-2]" transport="local"; }
roles {
    service "a" on="node1"
    service "b" on="node2" { version runtime="8.0.202"; }
}
"#;

fn stocked(cluster: &str) -> Controller {
    let controller = Controller::new(cluster);
    controller.vendor("watcher-4.3.0.tar", "", "watcher");
    controller.vendor("runtime-11.0.13.tar", "runtime-11.0.13/", "runtime 11");
    controller.vendor("runtime-8u202.tar", "runtime-8u202/", "runtime 8");
    controller.vendor("service-2.5.0.tar", "", "service 2");
    controller.vendor("service-old-1.9.0.tar", "", "service 1");
    controller.vendor("extra-2.5.0.1-for-2.5.0.tar", "", "extra");
    controller
}

#[tokio::test]
async fn everything_in_use_is_locked_once() {
    let controller = stocked(CLUSTER);
    let locked = controller.lock(None).await.unwrap_or_else(|error| panic!("{error}"));
    let said: BTreeSet<(String, String)> =
        locked.artifacts.keys().map(|key| (label(key), controller.name_in(&locked, key))).collect();
    let expected = [
        ("runtime/- 11.0.13", "runtime 11"),
        ("runtime/- 8.0.202", "runtime 8"),
        ("service/- 2.5.0", "service 2"),
        ("service/extra 2.5.0.1", "extra"),
        ("watcher/- 4.3.0", "watcher"),
    ];
    assert_eq!(said, expected.map(|(key, name)| (key.to_owned(), name.to_owned())).into());
    let plugin = locked.artifacts.iter().find(|(key, _)| key.plugin.is_some()).unwrap().1;
    let part = plugin.bundle.as_ref().unwrap();
    assert_eq!((part.into.as_str(), part.name.as_str()), ("plugins/extra", "service-extra-2.5.0.1"));
}

#[tokio::test]
async fn the_written_lock_is_read_back_and_keeps_everything() {
    let controller = stocked(CLUSTER);
    let locked = controller.lock(None).await.unwrap_or_else(|error| panic!("{error}"));
    let mut sources = Sources::new();
    let (read, bad) = Lock::parse(&locked.to_kdl(), sources.add("cluster.lock", locked.to_kdl()));
    assert!(bad.is_empty());
    fs::remove_dir_all(&controller.vendor).unwrap();
    let again = controller.lock(read.as_ref()).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again.to_kdl(), locked.to_kdl());
}

#[tokio::test]
async fn an_upgrade_adds_the_new_version_and_keeps_the_rest() {
    let controller =
        stocked(&CLUSTER.replace("service \"2.5.0\" { plugin \"extra\" \"2.5.0.1\"; }", "service \"1.9.0\""));
    let before = controller.lock(None).await.unwrap_or_else(|error| panic!("{error}"));
    fs::write(controller.folder.path().join("cluster.kdl"), CLUSTER).unwrap();
    fs::remove_file(controller.vendor.join("runtime-11.0.13.tar")).unwrap();
    let after = controller.lock(Some(&before)).await.unwrap_or_else(|error| panic!("{error}"));
    let versions = |lock: &Lock| -> Vec<String> {
        lock.artifacts.keys().filter(|key| key.module.as_str() == "service").map(label).collect()
    };
    assert_eq!(versions(&before), ["service/- 1.9.0"]);
    assert_eq!(versions(&after), ["service/- 2.5.0", "service/extra 2.5.0.1"]);
}

#[tokio::test]
async fn what_can_t_be_had_names_every_source_of_every_artifact() {
    let controller = stocked(CLUSTER);
    fs::remove_file(controller.vendor.join("extra-2.5.0.1-for-2.5.0.tar")).unwrap();
    controller.vendor("runtime-8u202.tar", "other-folder/", "runtime 8");
    let Err(LockError::Unobtainable(missed)) = controller.lock(None).await else { panic!("locked") };
    let whats: Vec<&str> = missed.iter().map(|missed| missed.what.as_str()).collect();
    assert_eq!(whats, ["runtime 8.0.202", "service plugin extra 2.5.0.1"]);
    let text = missed[0].to_string();
    assert!(text.contains("file runtime-8u202.tar root=runtime-8u202"), "{text}");
    assert!(text.contains("at its top are: other-folder"), "{text}");
    assert!(matches!(missed[1].tries[0].1, ArtifactError::Absent { .. }));
}

#[tokio::test]
async fn a_source_that_renders_to_nonsense_is_refused_before_anything_is_fetched() {
    let controller = stocked(CLUSTER);
    let module = WATCHER.replace("watcher-{{ version }}.tar", "../{{ version }}");
    fs::write(controller.folder.path().join("modules/watcher.kdl"), module).unwrap();
    let Err(LockError::Bad(bad)) = controller.lock(None).await else { panic!("locked") };
    let diags: Vec<_> = bad.iter().map(es_cluster::artifact::BadNeed::diag).collect();
    assert_eq!(diags.len(), 1);
    assert_eq!(diags[0].message, "watcher 4.3.0: \"../4.3.0\" is not the name of a file");
    assert!(diags[0].span.is_some(), "it points into the module");
}
