//! The smaller commands of `esplan`.

use super::args::{Common, Esplan, Format};
use super::error::CliError;
use super::exit::Exit;
use super::files::Disk;
use super::load::{self, Files};
use super::plan;
use super::terminal::Terminal;
use crate::artifact::{self, Cache};
use crate::diag::Sources;
use crate::model::ModuleName;
use crate::render;
use std::collections::BTreeSet;
use std::path::Path;

/// `esplan validate`: the file and all modules, no host.
pub(crate) fn validate(common: &Common, terminal: &Terminal) -> Result<Exit, CliError> {
    let Files { loaded, mut sources } = load::read(common)?;
    load::read_lock(common, &mut sources)?;
    for warning in &loaded.warnings {
        terminal.complain(&format!("warning: {}\n", warning.message));
    }
    let cluster = &loaded.cluster;
    let instances: usize = cluster.roles.iter().map(|role| role.hosts.len()).sum();
    terminal.print(&format!(
        "{}: {} hosts, {} roles, {instances} instances, {} modules: valid\n",
        cluster.name,
        cluster.hosts.len(),
        cluster.roles.len(),
        loaded.modules.len(),
    ));
    Ok(Exit::Done)
}

/// `esplan lock`: artifacts → `cluster.lock`.
pub(crate) async fn lock(common: &Common, install: Option<&Path>, terminal: &Terminal) -> Result<Exit, CliError> {
    let Files { loaded, mut sources } = load::read(common)?;
    let (existing, _) = load::read_lock(common, &mut sources)?;
    let cache = open_cache()?;
    let mut folders: Vec<_> = install.map(Path::to_path_buf).into_iter().collect();
    folders.push(load::beside(&common.file, "install"));
    let options = artifact::LockOptions { folders };
    let report = |line: &str| terminal.complain(&format!("{line}\n"));
    let lock = artifact::lock(&loaded, &existing, &cache, &options, &report)
        .await
        .map_err(|error| CliError::with_hint(error.to_string(), error.hint()))?;
    let path = load::beside(&common.file, "cluster.lock");
    let text = lock.to_kdl();
    if existing != lock || !path.exists() {
        artifact::write_whole(&path, text.as_bytes()).map_err(|error| CliError::new(error.to_string()))?;
    }
    terminal.print(&format!("{}: {} artifacts locked\n", path.display(), lock.artifacts.len()));
    Ok(Exit::Done)
}

/// The controller's cache.
pub(crate) fn open_cache() -> Result<Cache, CliError> {
    Cache::default_dir().and_then(Cache::open).map_err(|error| CliError::new(error.to_string()))
}

/// `esplan status`: every instance and a verdict per service.
pub(crate) async fn status(args: &Esplan, terminal: &Terminal) -> Result<Exit, CliError> {
    let (desired, lock, _) = load::desired(&args.common).await?;
    let (inventory, _) = plan::look(&args.common, &args.plan, &desired, lock, &BTreeSet::new()).await?;
    let status = render::status(&desired, &inventory);
    terminal.print(&match args.format {
        Format::Text => status.text(terminal.width(), terminal.colour()),
        Format::Json => status.json(),
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
    let (modules, mistakes) = crate::config::load_modules(&Disk, &folder.to_string_lossy(), &mut sources);
    let found = ModuleName::new(module).ok().and_then(|name| modules.get(&name));
    let Some(found) = found else {
        if !mistakes.is_empty() {
            return Err(CliError::from_diagnostics(mistakes, &sources));
        }
        let nearest = crate::diag::nearest(module, modules.keys().map(ModuleName::as_str));
        let message = format!("no module `{module}` in {}", folder.display());
        return Err(match nearest {
            Some(nearest) => CliError::with_hint(message, format!("did you mean `{nearest}`?")),
            None => CliError::new(message),
        });
    };
    terminal.print(&render::explain(found));
    Ok(Exit::Done)
}

/// `esplan observe --out FILE`: a snapshot.
pub(crate) async fn observe(args: &Esplan, out: &Path, terminal: &Terminal) -> Result<Exit, CliError> {
    let (desired, lock, _) = load::desired(&args.common).await?;
    let (inventory, _) = plan::look(&args.common, &args.plan, &desired, lock, &BTreeSet::new()).await?;
    let text = serde_json::to_string_pretty(&inventory).map_err(|cause| CliError::new(cause.to_string()))?;
    artifact::write_whole(out, text.as_bytes()).map_err(|error| CliError::new(error.to_string()))?;
    let unseen: Vec<&str> =
        inventory.hosts.iter().filter(|(_, host)| host.seen().is_none()).map(|(name, _)| name.as_str()).collect();
    terminal.print(&format!("{}: {} hosts\n", out.display(), inventory.hosts.len()));
    if unseen.is_empty() {
        return Ok(Exit::Done);
    }
    Err(CliError::new(format!("not observed: {}", unseen.join(", "))).exiting(Exit::Unobserved))
}
