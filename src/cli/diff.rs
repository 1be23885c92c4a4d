//! `esplan diff OLD.kdl NEW.kdl`: what a change of the file means. No host, no secret and no artifact is needed.

use super::args::{Common, Diff};
use super::error::CliError;
use super::exit::Exit;
use super::files::DiskFiles;
use super::format::Plain;
use super::load;
use super::terminal::Terminal;
use crate::config::{self, Loaded};
use crate::desired::{self, Desired, Part};
use crate::diag::Sources;
use crate::lock::{Key, Lock, Locked};
use crate::model::{Digest, ModuleName, Secret, Version};
use crate::render;
use std::path::{Path, PathBuf};

/// Flags of `esplan diff`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = super::examples::DIFF)]
pub struct DiffArgs {
    /// The file as it was. Its modules and lock are those beside it, else those beside NEW.
    #[arg(value_name = "OLD.kdl")]
    pub old: PathBuf,
    /// The file as it shall be.
    #[arg(value_name = "NEW.kdl")]
    pub new: PathBuf,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    pub format: Plain,
    /// How much of each file's difference to show.
    #[arg(long, value_enum, default_value_t = Diff::Short)]
    pub diff: Diff,
    /// Exit with 2 when the files ask for different things.
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// Compares what two files ask for.
pub(crate) fn diff(common: &Common, args: &DiffArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let side = |file: &Path, fallback: &Path| {
        let beside = load::beside(file, "modules");
        let modules = match &common.modules {
            Some(modules) => modules.clone(),
            None if beside.is_dir() => beside,
            None => load::beside(fallback, "modules"),
        };
        let lock = if load::beside(file, "cluster.lock").is_file() { file } else { fallback };
        desired(file, &modules, lock, common)
    };
    let (old, new) = (side(&args.old, &args.new)?, side(&args.new, &args.old)?);
    let found = render::compare(&old, &new);
    let style = match args.diff {
        Diff::Full => render::DiffStyle::Full,
        Diff::Short => render::DiffStyle::Short,
        Diff::None => render::DiffStyle::None,
    };
    terminal.print(&match args.format {
        Plain::Text => found.text(style, terminal.colour()),
        Plain::Json => found.json(),
    });
    Ok(if args.detailed_exitcode && !found.is_empty() { Exit::Changes } else { Exit::Done })
}

/// What a file asks for. Secrets have no value here: they are the same on both sides, and never shown.
fn desired(file: &Path, modules: &Path, lock: &Path, common: &Common) -> Result<Desired, CliError> {
    let side = Common { file: file.to_path_buf(), modules: Some(modules.to_path_buf()), ..common.clone() };
    let mut sources = Sources::new();
    let (path, folder) = (file.to_string_lossy(), modules.to_string_lossy());
    let (loaded, mistakes) = config::load(&DiskFiles, &path, &folder, &mut sources);
    let Some(loaded) = loaded else { return Err(CliError::from_diagnostics(mistakes, &sources)) };
    let beside_lock = Common { file: lock.to_path_buf(), ..side };
    let (mut lock, _) = load::read_lock(&beside_lock, &mut sources)?;
    fill(&mut lock, &loaded);
    let secret = |name: &String| (name.clone(), Secret::sealed(Digest::of(name.as_bytes())));
    let secrets = loaded.cluster.secrets.keys().map(secret).collect();
    let (desired, mistakes) = desired::expand(&loaded, &lock, Digest::of(b""), &secrets);
    desired.filter(|_| mistakes.is_empty()).ok_or_else(|| CliError::from_diagnostics(mistakes, &sources))
}

/// What is not locked (yet, or any more) stands for itself by its name: only whether it differs matters here.
fn fill(lock: &mut Lock, loaded: &Loaded) {
    let cluster = &loaded.cluster;
    let mut keys: Vec<Key> = Vec::new();
    let mut add = |module: &ModuleName, plugin: Option<String>, version: &Version| {
        keys.push(Key { module: module.clone(), plugin, version: version.clone() });
    };
    for (module, spec) in &cluster.versions {
        add(module, None, &spec.version.value);
        for (plugin, version) in &spec.plugins {
            add(module, Some(plugin.clone()), &version.value);
        }
    }
    for (module, version) in cluster.roles.iter().flat_map(|role| &role.versions) {
        add(module, None, &version.value);
    }
    for key in keys {
        let name = key.to_string().replace(' ', "-");
        let bundle = Some(Part { bundle: Digest::of(name.as_bytes()), name, size: 0, into: String::new() });
        lock.artifacts.entry(key).or_insert(Locked { source: String::new(), files: Vec::new(), bundle, system: None });
    }
}
