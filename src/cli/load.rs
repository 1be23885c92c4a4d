//! The operator's files → the desired state.

use super::args::Common;
use super::error::CliError;
use super::files::DiskFiles;
use super::observe;
use crate::config::{self, Files as _, Loaded, Reach};
use crate::desired::{self, Desired};
use crate::diag::{Diagnostics, Sources};
use crate::lock::Lock;
use crate::model::{Digest, Module, ModuleName, Role, Secret, SecretSource};
use crate::render::Places;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest lock file, in bytes.
const LOCK_LIMIT: u64 = 16 << 20;

/// Largest secret, in bytes.
const SECRET_LIMIT: u64 = 64 << 10;

/// The decoded files.
pub(crate) struct Files {
    /// The cluster and its modules.
    pub(crate) loaded: Loaded,
    /// The texts, for diagnostics of later stages.
    pub(crate) sources: Sources,
}

/// The folder of modules.
pub(crate) fn modules_dir(common: &Common) -> PathBuf {
    common.modules.clone().unwrap_or_else(|| beside(&common.file, "modules"))
}

/// A file or folder beside the cluster's file.
pub(crate) fn beside(file: &Path, name: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(name)
}

/// Reads the cluster's file and the modules that it uses; every mistake in one error.
pub(crate) fn read(common: &Common) -> Result<Files, CliError> {
    read_reach(common, Reach::InUse)
}

/// Like [`read`]; with [`Reach::All`] the mistakes of modules that nobody uses too.
pub(crate) fn read_reach(common: &Common, reach: Reach) -> Result<Files, CliError> {
    let mut sources = Sources::new();
    let (file, modules) = (common.file.to_string_lossy(), modules_dir(common));
    let (loaded, mut mistakes) = config::load_reach(&DiskFiles, &file, &modules.to_string_lossy(), &mut sources, reach);
    match loaded {
        Some(loaded) if mistakes.is_empty() => {
            // The one place that hands in what day it is.
            let today = super::saved::rfc3339(std::time::SystemTime::now());
            let late = config::expired(&loaded.cluster, today.get(..10).unwrap_or_default());
            if late.is_empty() {
                Ok(Files { loaded, sources })
            } else {
                Err(CliError::from_diagnostics(late, &sources))
            }
        }
        _ => {
            if mistakes.is_empty() {
                mistakes.push(crate::diag::Diag::nowhere(crate::diag::Code::Unreadable, "the file can't be used"));
            }
            Err(CliError::from_diagnostics(mistakes, &sources))
        }
    }
}

/// `cluster.lock` with its digest; an absent one is empty.
pub(crate) fn read_lock(common: &Common, sources: &mut Sources) -> Result<(Lock, Digest), CliError> {
    let path = beside(&common.file, "cluster.lock");
    let shown = path.display().to_string();
    let text = match std::fs::metadata(&path) {
        Err(absent) if absent.kind() == std::io::ErrorKind::NotFound => return Ok((Lock::default(), Digest::of(b""))),
        Err(cause) => return Err(CliError::new(format!("{shown}: {cause}"))),
        Ok(meta) if meta.len() > LOCK_LIMIT => {
            return Err(CliError::with_hint(
                format!("{shown} is too large to be a lock"),
                "write it anew: esplan lock",
            ));
        }
        Ok(_) => std::fs::read_to_string(&path).map_err(|cause| CliError::new(format!("{shown}: {cause}")))?,
    };
    let digest = Digest::of(text.as_bytes());
    let id = sources.add(&shown, text.clone());
    let (lock, mistakes) = Lock::parse(&text, id);
    match lock {
        Some(lock) if mistakes.is_empty() => Ok((lock, digest)),
        _ => Err(CliError::from_diagnostics(mistakes, sources)),
    }
}

/// A module that no role uses, when it is there and has no mistake.
pub(crate) fn module(common: &Common, name: &ModuleName) -> Option<Arc<Module>> {
    let folder = modules_dir(common);
    config::load_module(&DiskFiles, name.as_str(), &folder.to_string_lossy(), &mut Sources::new()).0
}

/// Everything: files, lock, secrets → desired state. What is planned from a snapshot needs no values of secrets: their marks
/// are in it.
pub(crate) async fn desired(common: &Common, observed: Option<&Path>) -> Result<(Desired, Vec<String>), CliError> {
    let Files { loaded, mut sources } = read(common)?;
    let (lock, digest) = read_lock(common, &mut sources)?;
    let secrets = secrets(&loaded, &beside(&common.file, ""), observed).await?;
    let (desired, mistakes): (Option<Desired>, Diagnostics) = desired::expand(&loaded, &lock, digest, &secrets);
    let warnings = loaded.warnings.iter().map(|warning| warning.message.clone()).collect();
    match desired {
        Some(desired) if mistakes.is_empty() => Ok((desired, warnings)),
        _ => Err(CliError::from_diagnostics(mistakes, &sources)),
    }
}

/// Where roles are declared, for formats that point into files.
pub(crate) fn places(common: &Common) -> Result<Places, CliError> {
    let Files { loaded, sources } = read(common)?;
    let place = |role: &Role| Some((role.id.clone(), sources.place(role.span)?));
    Ok(loaded.cluster.roles.iter().filter_map(place).collect())
}

/// The declared secrets.
async fn secrets(loaded: &Loaded, base: &Path, observed: Option<&Path>) -> Result<IndexMap<String, Secret>, CliError> {
    let mut secrets = IndexMap::new();
    let mut marks = None;
    for (name, spec) in &loaded.cluster.secrets {
        let secret = match (value_of(&spec.source, base).await, observed) {
            (Ok(value), _) => {
                let secret = Secret::new(loaded.cluster.name.value.as_str(), name, &value);
                match &spec.previous {
                    None => secret,
                    Some(source) => match value_of(source, base).await {
                        Ok(previous) => secret.with_previous(&previous),
                        Err(why) => return Err(valueless(name, &format!("its previous one: {why}"))),
                    },
                }
            }
            (Err(why), None) => return Err(valueless(name, &why)),
            (Err(why), Some(path)) => {
                let known: &BTreeMap<String, Digest> = match &mut marks {
                    Some(known) => known,
                    none => none.insert(observe::snapshot(path)?.secrets),
                };
                Secret::sealed(*known.get(name).ok_or_else(|| valueless(name, &why))?)
            }
        };
        secrets.insert(name.clone(), secret);
    }
    Ok(secrets)
}

fn valueless(name: &str, why: &str) -> CliError {
    CliError::with_hint(format!("secret \"{name}\" has no value: {why}"), "see its `secret` line in the file")
}

/// The value of a secret, without line ends after it.
async fn value_of(source: &SecretSource, base: &Path) -> Result<String, String> {
    let value = match source {
        SecretSource::Env(variable) => {
            std::env::var(variable).map_err(|_| format!("the environment variable {variable} is not set"))?
        }
        SecretSource::File(path) => {
            let bytes = DiskFiles.read(&base.join(path).to_string_lossy(), SECRET_LIMIT);
            let bytes = bytes.map_err(|why| format!("{path}: {why}"))?;
            String::from_utf8(bytes).map_err(|_| format!("{path} is not text"))?
        }
        SecretSource::Command(words) => command_output(words).await?,
    };
    let value = value.trim_end_matches(['\n', '\r']);
    if value.is_empty() { Err("it is empty".to_owned()) } else { Ok(value.to_owned()) }
}

/// The output of a command, within a limit.
async fn command_output(words: &[String]) -> Result<String, String> {
    let (program, rest) = words.split_first().ok_or("the command is empty")?;
    let run =
        tokio::process::Command::new(program).args(rest).stdin(std::process::Stdio::null()).kill_on_drop(true).output();
    let limit = std::time::Duration::from_secs(30);
    let output = tokio::time::timeout(limit, run)
        .await
        .map_err(|_| format!("{program} did not end within 30 s"))?
        .map_err(|cause| format!("{program}: {cause}"))?;
    if !output.status.success() {
        return Err(format!("{program} ended with {}", output.status));
    }
    if output.stdout.len() as u64 > SECRET_LIMIT {
        return Err(format!("{program} printed more than {SECRET_LIMIT} bytes"));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("{program} printed something that is not text"))
}
