//! `cluster.lock` from a real cluster file and the real modules, through the library.

use es_cluster::artifact::{Cache, Clients, Event, Request, ensure_bundle, lock};
use es_cluster::cli::files::DiskFiles;
use es_cluster::config::load;
use es_cluster::diag::Sources;
use es_cluster::lock::Lock;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

#[tokio::test]
#[ignore = "fetches from package registries"]
async fn the_repository_s_own_cluster_is_locked_from_the_registries() {
    let base = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(base.join("cluster.kdl")).unwrap();
    let kept: String = text.lines().filter(|line| !line.contains("kibana")).map(|line| format!("{line}\n")).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cluster.kdl");
    std::fs::write(&file, kept).unwrap();
    let mut sources = Sources::new();
    let (loaded, diagnostics) =
        load(&DiskFiles, file.to_str().unwrap(), base.join("modules").to_str().unwrap(), &mut sources);
    let loaded = loaded.unwrap_or_else(|| panic!("{:?}", diagnostics.into_reports(&sources)));
    let cache = Cache::open(std::env::var("TRY_CACHE").unwrap_or("/tmp/art-cache".into())).unwrap();
    let clients = Clients::default();
    let events = Mutex::new(Vec::new());
    let report = |event: Event| {
        eprintln!("{event:?}");
        events.lock().unwrap().push(event);
    };
    let vendor = [folder.path().join("install")];
    let request =
        Request { cluster: &loaded.cluster, modules: &loaded.modules, existing: None, vendor: &vendor, clients: &clients };
    let start = Instant::now();
    let locked = lock(&cache, &request, &report).await.unwrap_or_else(|error| panic!("{error}"));
    eprintln!("{}\nfirst: {:?}", locked.to_kdl(), start.elapsed());
    let id = sources.add("cluster.lock", locked.to_kdl());
    let (read, bad) = Lock::parse(&locked.to_kdl(), id);
    assert!(bad.is_empty());
    assert_eq!(read.as_ref(), Some(&locked));
    let start = Instant::now();
    let again = lock(&cache, &Request { existing: read.as_ref(), ..request }, &report).await.unwrap();
    assert_eq!(again.to_kdl(), locked.to_kdl());
    eprintln!("again: {:?}", start.elapsed());
    let start = Instant::now();
    for (key, entry) in &locked.artifacts {
        let path = ensure_bundle(&cache, key, Some(entry)).unwrap();
        eprintln!("{} {:?}", path.display(), std::fs::metadata(&path).unwrap().len());
    }
    eprintln!("verify: {:?}", start.elapsed());
}
