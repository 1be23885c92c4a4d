//! Software from the real registries, into a cache that is empty: twice the same bytes, and it runs.

use crate::lab::{Tier, tier};
use es_cluster::artifact::{Cache, Clients, Request, ensure_bundle, lock};
use es_cluster::cli::files::DiskFiles;
use es_cluster::config::{Loaded, load};
use es_cluster::diag::Sources;
use es_cluster::lock::Lock;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const SMALL: &str = r#"
cluster "artifacts" { supervisor "supervisord"; }
versions { supervisord "4.3.0"; jdk "11.0.13"; zookeeper "3.4.13"; }
hosts { node1 address="127.0.79.1" transport="local"; }
roles { zookeeper on="node1"; }
"#;

fn loaded(folder: &Path, text: &str) -> Loaded {
    let file = folder.join("cluster.kdl");
    fs::write(&file, text).expect("cluster.kdl");
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("modules").display().to_string();
    let mut sources = Sources::new();
    let (loaded, diagnostics) = load(&DiskFiles, &file.display().to_string(), &modules, &mut sources);
    loaded.unwrap_or_else(|| panic!("{:?}", diagnostics.into_reports(&sources)))
}

fn locked(cache: &Cache, loaded: &Loaded, vendor: &[PathBuf], existing: Option<&Lock>) -> Lock {
    let clients = Clients::default();
    let request = Request { cluster: &loaded.cluster, modules: &loaded.modules, existing, vendor, clients: &clients };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let begin = Instant::now();
    let lock = runtime.block_on(lock(cache, &request, &|_| ())).unwrap_or_else(|error| panic!("{error}"));
    println!("locked {} artifacts in {:.1?}", lock.artifacts.len(), begin.elapsed());
    lock
}

#[test]
fn software_from_the_registries_is_the_same_everywhere_and_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let vendor = [folder.path().join("install")];
    let text = if tier() == Tier::Accept {
        let stand_ins = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stand-ins/build");
        assert!(Command::new(stand_ins).arg(&vendor[0]).status().expect("stand-ins").success());
        include_str!("../../cluster.kdl")
    } else {
        SMALL
    };
    let loaded = loaded(folder.path(), text);
    let caches = ["first", "second"].map(|name| Cache::open(folder.path().join(name)).expect("a cache"));
    let first = locked(&caches[0], &loaded, &vendor, None);
    let second = locked(&caches[1], &loaded, &vendor, Some(&first));
    assert_eq!(second.to_kdl(), first.to_kdl());

    let (key, jdk) = first.artifacts.iter().find(|(key, _)| key.module.as_str() == "jdk").expect("a JDK");
    let bundle = ensure_bundle(&caches[1], key, Some(jdk)).expect("a bundle");
    let home = folder.path().join("jdk");
    fs::create_dir(&home).expect("a folder");
    let unpacked = Command::new("tar").arg("xf").arg(&bundle).current_dir(&home).status();
    assert!(unpacked.expect("tar").success());
    let java = Command::new(home.join("bin/java")).arg("-version").output().expect("java runs");
    let said = String::from_utf8_lossy(&java.stderr).into_owned();
    assert!(java.status.success() && said.contains("11.0.13"), "{said}");
}
