//! `esplan import DIR`: reads the folder of hand-made scripts, within limits and without following links.

use super::args::Common;
use super::error::{CliError, render_diagnostics};
use super::exit::Exit;
use super::files::DiskFiles;
use super::format::write;
use super::load;
use super::terminal::Terminal;
use crate::config::{self, Files as _};
use crate::diag::Sources;
use crate::import::{Legacy, import as make};
use crate::inventory::printable;
use crate::model::Module;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a list or a configuration file.
const MOST_BYTES: u64 = 1 << 20;
/// Files below `conf/`, and names in `install/`.
const MOST_FILES: usize = 2_000;
/// Folders in folders below `conf/`.
const DEEPEST: usize = 4;

/// Flags of `esplan import`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = super::examples::IMPORT)]
pub struct Import {
    /// A folder with conf/*.list, conf/SERVICE/ and install/
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Write the file here; it must not be there yet. By default it is printed.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// The folder → `cluster.kdl`.
pub(crate) fn import(common: &Common, args: &Import, terminal: &Terminal) -> Result<Exit, CliError> {
    if let Some(out) = args.out.as_ref().filter(|out| out.exists()) {
        return Err(CliError::with_hint(
            format!("{} is there already; nothing was written", out.display()),
            "name another file with --out, or move this one away",
        ));
    }
    let modules = modules_of(common)?;
    let legacy = read(&args.dir)?;
    let imported = make(&legacy, &modules);
    match &args.out {
        Some(out) => write(out, &imported.text)?,
        None => terminal.print(&imported.text),
    }
    if imported.left > 0 {
        terminal.complain(&format!("{} things could not be carried over: look for TODO in the file\n", imported.left));
    }
    Ok(Exit::Done)
}

/// All modules of the folder.
pub(super) fn modules_of(common: &Common) -> Result<Vec<Arc<Module>>, CliError> {
    let folder = load::modules_dir(common);
    let folder = folder.to_string_lossy();
    let names = DiskFiles.list(&folder).map_err(|why| {
        CliError::with_hint(format!("{folder}: {why}"), "name the folder of modules with --modules DIR")
    })?;
    let mut modules = Vec::new();
    for name in names.iter().filter_map(|name| name.strip_suffix(".kdl")) {
        let mut sources = Sources::new();
        match config::load_module(&DiskFiles, name, &folder, &mut sources) {
            (Some(module), _) => modules.push(module),
            (None, mistakes) => {
                return Err(CliError::new(render_diagnostics(&mistakes.into_reports(&sources), false)));
            }
        }
    }
    Ok(modules)
}

fn read(dir: &Path) -> Result<Legacy, CliError> {
    let conf = dir.join("conf");
    if !conf.is_dir() {
        let hint = "it should hold conf/*.list with a host name on each line, conf/SERVICE/ and install/";
        return Err(CliError::with_hint(format!("{} has no folder `conf`", dir.display()), hint));
    }
    let real = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_path_buf());
    let name = real.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut legacy = Legacy { name, ..Legacy::default() };
    let mut left = MOST_FILES;
    below(&conf, "", 0, &mut left, &mut legacy);
    for (name, kind) in entries(&dir.join("install"), &mut legacy.unread) {
        if kind.is_file() && legacy.archives.len() < MOST_FILES {
            legacy.archives.push(name);
        }
    }
    Ok(legacy)
}

/// Names in a folder, sorted, with what they are; links are not followed.
fn entries(folder: &Path, unread: &mut Vec<String>) -> Vec<(String, fs::FileType)> {
    let Ok(list) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in list.flatten().take(MOST_FILES) {
        let name = entry.file_name();
        match (name.to_str(), entry.file_type()) {
            (Some(name), Ok(kind)) if !name.chars().any(char::is_control) => found.push((name.to_owned(), kind)),
            _ => unread.push(format!("{}: not readable, or no text", printable(&name.to_string_lossy(), 200))),
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn below(folder: &Path, inside: &str, depth: usize, left: &mut usize, legacy: &mut Legacy) {
    for (name, kind) in entries(folder, &mut legacy.unread) {
        let path = if inside.is_empty() { name.clone() } else { format!("{inside}/{name}") };
        if *left == 0 || depth > DEEPEST {
            legacy.unread.push(format!("conf/{path}: not read: too many files, or too deep"));
            return;
        }
        *left -= 1;
        let file = folder.join(&name);
        if kind.is_dir() {
            below(&file, &path, depth + 1, left, legacy);
        } else if kind.is_symlink() {
            legacy.unread.push(format!("conf/{path}: a link is not followed"));
        } else {
            let text = DiskFiles.read(&file.to_string_lossy(), MOST_BYTES);
            match text.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())) {
                Ok(text) if inside.is_empty() && name.strip_suffix(".list").is_some() => {
                    let name = name.trim_end_matches(".list").to_owned();
                    legacy.lists.insert(name, text.trim_start_matches('\u{feff}').to_owned());
                }
                Ok(text) => _ = legacy.configs.insert(path, text.trim_start_matches('\u{feff}').to_owned()),
                Err(why) => legacy.unread.push(format!("conf/{path}: {why}")),
            }
        }
    }
}
