//! The one request by which a host is observed: a POSIX shell script, made of what is wanted there.

use super::folders::{asides, below, folders};
use super::{facts, strangers};
use crate::desired::{DesiredHost, DesiredInstance, Place, UNIT_FOLDER};
use crate::model::{OnChange, sh_quote};
use std::fmt::Write as _;
use std::sync::Arc;

/// Shell functions that look at a host; a request adds the calls. What makes a manifest uses the same ones.
pub const OBSERVE_FUNCTIONS: &str = include_str!("observe.sh");

/// What starts everything at boot, relative to the prefix.
pub(super) const BOOT_SCRIPT: &str = "bin/boot";

/// A path that can't be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the path {path:?} has a character that is not printable ASCII, or a backslash: give it another name in the module"
)]
pub struct BadPath {
    /// The path.
    pub path: String,
}

/// The script that observes a host. `verify` compares software by content, not by size and times.
///
/// # Errors
/// When a wanted file has a name that an answer could not tell.
pub fn request(host: &DesiredHost, instances: &[Arc<DesiredInstance>], verify: bool) -> Result<String, BadPath> {
    let mut script = String::from(OBSERVE_FUNCTIONS);
    let mut call = |words: &[&str]| -> Result<(), BadPath> {
        for (index, word) in words.iter().enumerate() {
            if index > 0 && word.bytes().any(|byte| !matches!(byte, b' '..=b'~') || byte == b'\\') {
                return Err(BadPath { path: (*word).to_owned() });
            }
            let text = if index == 0 { (*word).to_owned() } else { format!(" {}", sh_quote(word)) };
            script.push_str(&text);
        }
        script.push('\n');
        Ok(())
    };
    let folders = folders(host, instances);
    let (folder_names, places) = (folders.keys().map(String::as_str), Places::of(host, instances));
    call(&["held= seen= found="])?;
    call(if verify { &["software", "contents", ".sha256"] } else { &["software", "listing", ".manifest"] })?;
    call(&["say", "[instances]"])?;
    for (instance, placed) in instances.iter().zip(&places.in_data) {
        let (role, data) = (instance.id.role.as_str(), below(host, &instance.data_dir));
        let words = ["instance", role, &data].into_iter().chain(placed.iter().map(String::as_str));
        call(&words.collect::<Vec<_>>())?;
    }
    let supervisor = below(host, &host.supervisord().config);
    call(&["orphans", supervisor.split('/').nth(1).unwrap_or_default()])?;
    let current: Vec<String> = instances.iter().map(|one| format!("conf/{}/current/", one.id.role)).collect();
    let starts = current.iter().map(String::as_str).chain(places.placed.iter().map(String::as_str));
    let units = instances.iter().map(|one| one.unit.clone()).chain([host.boot_unit()]);
    let units: Vec<String> = units.map(|unit| format!("{UNIT_FOLDER}/{unit}")).collect();
    let starts = starts.chain(units.iter().map(String::as_str));
    let starts = ["--", &supervisor, BOOT_SCRIPT].into_iter().chain(starts);
    call(&["files"].into_iter().chain(folder_names).chain(starts).collect::<Vec<_>>())?;
    for (path, sha256) in &places.shown {
        call(&["differs", sha256, path])?;
    }
    for instance in instances {
        call(&["applied", instance.id.role.as_str(), &instance.content_generation.to_string()])?;
    }
    for (instance, files) in instances.iter().zip(&places.reloaded).filter(|(_, files)| !files.is_empty()) {
        let words = ["reload", instance.id.role.as_str()].into_iter().chain(files.iter().map(String::as_str));
        call(&words.collect::<Vec<_>>())?;
    }
    call(&["boot", UNIT_FOLDER, &host.boot_unit()])?;
    call(&["records"])?;
    call(&["debris"].into_iter().chain(places.aside.iter().map(String::as_str)).collect::<Vec<_>>())?;
    Ok(around(host, &script, &[facts::calls(host, instances), strangers::calls(instances)].concat()))
}

/// Where wanted files are, relative to the prefix.
#[derive(Default)]
struct Places {
    /// Placed files of each instance that are in its data folder, relative to it.
    in_data: Vec<Vec<String>>,
    /// Files of each instance that are taken up by a reload, relative to the generation.
    reloaded: Vec<Vec<String>>,
    /// Files outside generations.
    placed: Vec<String>,
    /// Files whose text may be shown when it differs, with the wanted digest.
    shown: Vec<(String, String)>,
    /// What is written aside beside placed files.
    aside: Vec<String>,
}

impl Places {
    fn of(host: &DesiredHost, instances: &[Arc<DesiredInstance>]) -> Self {
        let mut places = Self::default();
        for instance in instances {
            let data = format!("{}/", below(host, &instance.data_dir));
            let (mut in_data, mut reloaded) = (Vec::new(), Vec::new());
            for file in instance.files.iter() {
                let path = match &file.place {
                    Place::Generation(path) => format!("conf/{}/current/{path}", instance.id.role),
                    Place::Absolute(path) => below(host, path),
                };
                match &file.place {
                    Place::Generation(inside) if file.on_change == OnChange::Reload => reloaded.push(inside.clone()),
                    Place::Generation(_) => {}
                    Place::Absolute(_) => {
                        places.placed.push(path.clone());
                        in_data.extend(path.strip_prefix(&data).map(str::to_owned));
                    }
                }
                if !file.secret {
                    places.shown.push((path, file.sha256.to_string()));
                }
            }
            places.aside.extend(asides(host, instance));
            places.in_data.push(in_data);
            places.reloaded.push(reloaded);
        }
        places
    }
}

/// The calls, done below the prefix; the machine alone when there is none yet.
fn around(host: &DesiredHost, calls: &str, machine: &str) -> String {
    let (prefix, user) = (sh_quote(&host.prefix), sh_quote(host.user.as_deref().unwrap_or_default()));
    let supervisor = host.supervisord();
    let (pidfile, config) = (sh_quote(&supervisor.pidfile), sh_quote(&supervisor.config));
    let (functions, calls) = calls.split_at(OBSERVE_FUNCTIONS.len());
    let mut script = String::from(functions);
    _ = write!(
        script,
        "say '[observation 1]'\nmachine {user}\nplace {prefix}\n\
         if cd {prefix} 2>/dev/null; then\n{calls}supervisor {pidfile} {config}\n\
         elif [ -e {prefix} ]; then say '[blocked]'\nfi\n{machine}say '[end]'\nflush\n"
    );
    script
}
