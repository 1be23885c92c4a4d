//! Plans to make pages of: real modules, simulated hosts.

use es_cluster::cli::files::DiskFiles;
use es_cluster::config;
use es_cluster::desired::{self, Desired, Part};
use es_cluster::diag::Sources;
use es_cluster::inventory::Inventory;
use es_cluster::lock::{Key, Lock, Locked};
use es_cluster::model::Digest;
use es_cluster::plan::{PlanInput, PlanOptions, plan};
use es_cluster::render::{self, Format, Places, Shown, TextOptions};
use es_cluster::sim::{Behaviour, Cluster};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The page of a change from one file to another, in a folder of its own.
pub struct Page {
    _folder: tempfile::TempDir,
    /// The page.
    pub path: PathBuf,
}

impl Page {
    /// Everything is as `before` says, but for what `spoil` does to it; `after` is declared.
    pub fn of(before: &str, after: &str, spoil: impl FnOnce(&mut Inventory)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (before, declared) = (desired(folder.path(), before), desired(folder.path(), after));
        let platform = Cluster::new(&before, Behaviour::default(), 1);
        platform.converge(&before);
        let mut inventory = platform.inventory(&declared);
        spoil(&mut inventory);
        let options = PlanOptions::default();
        let (made, report) = plan(&PlanInput { desired: &declared, inventory: &inventory, options: &options });
        let places = Places::new();
        let shown = Shown { plan: &made, report: &report, desired: &declared, places: &places };
        let path = folder.path().join("plan.html");
        fs::write(&path, render::plan(Format::Html, &shown, &TextOptions::default())).expect("the page");
        Self { _folder: folder, path }
    }

    /// Its address in a browser.
    pub fn url(&self) -> String {
        format!("file://{}", self.path.display())
    }
}

/// What a file means with all modules that there are, and everything locked that it names.
fn desired(folder: &Path, cluster: &str) -> Desired {
    let (file, modules) = (folder.join("cluster.kdl"), folder.join("modules"));
    fs::write(&file, cluster).expect("cluster.kdl");
    if !modules.exists() {
        fs::create_dir(&modules).expect("a folder");
        for from in ["modules", "fixtures/bench/modules"] {
            for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(from)).expect("modules").flatten() {
                // The benchmark has modules of its own beside some of the platform's.
                let _ = symlink(entry.path(), modules.join(entry.file_name()));
            }
        }
    }
    let mut sources = Sources::new();
    let path = |path: &Path| path.display().to_string();
    let (loaded, mistakes) = config::load(&DiskFiles, &path(&file), &path(&modules), &mut sources);
    let loaded = loaded.unwrap_or_else(|| panic!("{mistakes:?}"));
    let mut lock = Lock::default();
    for (module, spec) in &loaded.cluster.versions {
        let version = spec.version.value.clone();
        let name = format!("{module}-{version}");
        let part =
            Part { bundle: Digest::of(name.as_bytes()), name: name.clone(), size: 40 << 20, into: String::new() };
        let key = Key { module: module.clone(), plugin: None, version };
        lock.artifacts.insert(key, Locked { source: name, files: vec![], bundle: Some(part), system: None });
    }
    let (desired, mistakes) = desired::expand(&loaded, &lock, Digest::of(b"lock"), &indexmap::IndexMap::new());
    desired.unwrap_or_else(|| panic!("{mistakes:?}"))
}

/// A log platform on six hosts: its versions, the heap of its hot tier, and a free setting.
pub fn platform(elasticsearch: &str, heap: &str, clauses: u32) -> String {
    format!(
        r#"
cluster "logs" {{ prefix "/opt/es_cluster"; supervisor "supervisord"; }}
versions {{
    supervisord "4.3.0"; jdk "11.0.13"; zookeeper "3.4.13"; kafka "2.1.1"; kibana "{elasticsearch}"
    elasticsearch "{elasticsearch}"
}}
rollout {{ canary 1 soak="30s"; }}
hosts {{ "node[1-6]" address="10.77.0.[1-6]"; }}
roles {{
    zookeeper on="node[1-3]"
    kafka on="node[1-3]"
    elasticsearch "master" on="node[1-3]" {{ node-roles "master"; http-port 9210; transport-port 9310; heap "512m"; }}
    elasticsearch "hot" on="node[1-6]" {{
        node-roles "data" "ingest"; attr box_type="hot"; heap "{heap}"
        config {{ indices.query.bool.max_clause_count {clauses}; }}
    }}
    kibana on="node1"
}}
"#
    )
}

/// Three coordinators on a port, and two edge roles on each of the other hosts, with a limit of memory.
pub fn fleet(hosts: usize, port: u16, memory: &str) -> String {
    let mut lines = String::new();
    for (line, first) in (1..=hosts).step_by(100).enumerate() {
        let last = (first + 99).min(hosts);
        _ = writeln!(lines, "\"node[{first}-{last}]\" address=\"10.0.{line}.[1-{}]\"", last - first + 1);
    }
    format!(
        "cluster \"fleet\" {{ supervisor \"supervisord\"; }}\n\
         versions {{ supervisord \"4.3.0\"; jdk \"11.0.13\"; zookeeper \"3.4.13\"; cache \"6.2.14\"; probe \"2.0.3\"; }}\n\
         rollout {{ canary 1; batch \"10%\"; }}\nhosts {{\n{lines}}}\n\
         roles {{ zookeeper on=\"node[1-3]\" {{ client-port {port}; }}; probe on=\"node[4-{hosts}]\"\n\
         cache on=\"node[4-{hosts}]\" {{ max-memory \"{memory}\"; }}; }}\n"
    )
}
