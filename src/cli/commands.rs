//! The smaller commands of `esplan`.

use super::args::{Common, Look};
use super::earlier;
use super::error::CliError;
use super::exit::Exit;
use super::files::DiskFiles;
use super::format::{Drawing, Plain};
use super::load::{self, Files};
use super::plan;
use super::terminal::Terminal;
use crate::artifact::{self, Cache, Clients, Event};
use crate::config;
use crate::diag::Sources;
use crate::host::Platform as _;
use crate::inventory::Snapshot;
use crate::model::HostName;
use crate::plan::rehearsal;
use crate::probe;
use crate::render;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// `esplan lock`: artifacts → `cluster.lock`.
pub(crate) async fn lock(common: &Common, install: Option<&Path>, terminal: &Terminal) -> Result<Exit, CliError> {
    let Files { loaded, mut sources } = load::read(common)?;
    let (existing, _) = load::read_lock(common, &mut sources)?;
    let cache = open_cache()?;
    let vendor: Vec<PathBuf> =
        install.map(Path::to_path_buf).into_iter().chain([load::beside(&common.file, "install")]).collect();
    let request = artifact::Request {
        cluster: &loaded.cluster,
        modules: &loaded.modules,
        existing: Some(&existing),
        vendor: &vendor,
        clients: &Clients::default(),
    };
    let report = |event: Event| {
        if let Some(line) = line(&event) {
            terminal.complain(&format!("{line}\n"));
        }
    };
    let lock = artifact::lock(&cache, &request, &report).await.map_err(|error| match error {
        artifact::LockError::Unobtainable(_) => CliError::with_hint(
            error.to_string(),
            "put the vendor's download into the folder `install` beside the file, or name a folder with --install",
        ),
        other => CliError::new(other.to_string()),
    })?;
    let path = load::beside(&common.file, "cluster.lock");
    if existing != lock || !path.exists() {
        artifact::write_whole(&path, lock.to_kdl().as_bytes()).map_err(|error| CliError::new(error.to_string()))?;
    }
    terminal.print(&format!("{}: {} artifacts locked\n", path.display(), lock.artifacts.len()));
    Ok(Exit::Done)
}

/// What is worth a line while artifacts are resolved: downloads and misses, not what is at hand.
fn line(event: &Event) -> Option<String> {
    match event {
        Event::Kept { .. } => None,
        Event::Trying { what, source } => Some(format!("{what}: trying {source}")),
        Event::Missed { what, source, .. } => Some(format!("{what}: not from {source}")),
        Event::Locked { what, source, size } => Some(format!("{what}: locked, {} MiB from {source}", size >> 20)),
    }
}

/// The controller's cache.
pub(crate) fn open_cache() -> Result<Cache, CliError> {
    Cache::default_dir().and_then(Cache::open).map_err(|error| CliError::new(error.to_string()))
}

/// `esplan status`: every instance and a verdict per service.
pub(crate) async fn status(common: &Common, at: &Look, format: Plain, terminal: &Terminal) -> Result<Exit, CliError> {
    let observed = at.observed.as_deref();
    let (mut desired, _) = load::desired(common, observed).await?;
    let (inventory, _) = plan::look(common, observed, false, &mut desired, &BTreeSet::new()).await?;
    let status = render::status(&desired, &inventory);
    terminal.print(&match format {
        Plain::Text => status.text(terminal.colour()),
        Plain::Json => status.json(),
    });
    Ok(if !inventory.hosts.values().all(|host| host.seen().is_some()) {
        Exit::Unobserved
    } else if status.healthy {
        Exit::Done
    } else {
        Exit::Unhealthy
    })
}

/// `esplan explain MODULE`.
pub(crate) fn explain(common: &Common, module: &str, terminal: &Terminal) -> Result<Exit, CliError> {
    let folder = load::modules_dir(common);
    let mut sources = Sources::new();
    let (found, mistakes) = config::load_module(&DiskFiles, module, &folder.to_string_lossy(), &mut sources);
    let found = found.ok_or_else(|| CliError::from_diagnostics(mistakes, &sources))?;
    terminal.print(&render::explain(&found));
    Ok(Exit::Done)
}

/// `esplan graph`: the order of a change that restarts everything.
pub(crate) async fn graph(common: &Common, format: Drawing, terminal: &Terminal) -> Result<Exit, CliError> {
    let (desired, _) = load::desired(common, None).await?;
    let drawn = render::graph(&desired, &rehearsal(&desired), format.into());
    terminal.print(&drawn.map_err(|cycle| {
        CliError::with_hint(cycle.to_string(), "leave out one `after` among their modules").exiting(Exit::Refused)
    })?);
    Ok(Exit::Done)
}

/// `esplan observe --out FILE`: a snapshot.
pub(crate) async fn observe(common: &Common, out: &Path, verify: bool, terminal: &Terminal) -> Result<Exit, CliError> {
    let (mut desired, _) = load::desired(common, None).await?;
    let (mut inventory, world) = plan::look(common, None, verify, &mut desired, &BTreeSet::new()).await?;
    if let Some(world) = &world {
        inventory.durations = earlier::took(&desired, &inventory, world).await;
        let running = probe::to_ask(&desired, &inventory);
        probe::safe(&desired, &mut inventory, &running, &*world.services()).await;
    }
    let marks = desired.secrets.iter().map(|(name, secret)| (name.clone(), secret.mark())).collect();
    let snapshot = Snapshot::new(desired.cluster.clone(), marks, inventory);
    artifact::write_whole(out, snapshot.to_json().as_bytes()).map_err(|error| CliError::new(error.to_string()))?;
    let inventory = snapshot.inventory;
    let unseen: Vec<&HostName> =
        inventory.hosts.iter().filter(|(_, host)| host.seen().is_none()).map(|(name, _)| name).collect();
    terminal.print(&format!("{}: {} hosts\n", out.display(), inventory.hosts.len()));
    if unseen.is_empty() {
        return Ok(Exit::Done);
    }
    Err(CliError::new(format!("not observed: {}", render::hosts(unseen))).exiting(Exit::Unobserved))
}
