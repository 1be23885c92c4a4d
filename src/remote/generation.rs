//! Generations of rendered files: written aside as a whole, switched to by one rename.

use super::Transport;
use super::machine::{Calls, Machine, service_user};
use crate::desired::{DesiredHost, DesiredInstance, Place};
use crate::host::{Failure, HostError};
use crate::inventory::below;
use crate::model::Digest;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A few small files, and a sync of the disk under load.
const RENDER_WITHIN: Duration = Duration::from_mins(5);
/// The switch happens while the instance is down.
const SWITCH_WITHIN: Duration = Duration::from_mins(1);

impl<T: Transport> Machine<T> {
    /// Writes all files of the generation aside and renames.
    pub(super) async fn render(&self, host: &DesiredHost, instance: &DesiredInstance) -> Result<(), HostError> {
        let (role, generation) = (instance.id.role.as_str(), instance.content_generation.to_string());
        let archive = archive(host, instance).map_err(|why| self.error(Failure::Stop, format!("{role}: {why}")))?;
        let owned = self.service_owned(instance)?;
        // The service may add its own files, and may not touch ours: we act upon those as another user.
        let mode = if owned.is_empty() { "0755" } else { "1775" };
        let mut calls = Calls::one("render", [role, &generation, service_user(host), mode]);
        calls.add("keep_owned", [generation.as_str()].into_iter().chain(owned.iter().copied()));
        if !instance.process.check.is_empty() {
            // The same words with another folder: what is refused never gets the name of a generation.
            let (current, aside) = (format!("{}/current", instance.conf_dir), format!(".tmp-{generation}"));
            let tested = format!("{}/{aside}", instance.conf_dir);
            let words: Vec<String> =
                instance.process.check.iter().map(|word| word.replace(&current, &tested)).collect();
            let fixed = [aside.as_str(), service_user(host)];
            calls.add("tested", fixed.into_iter().chain(words.iter().map(String::as_str)));
        }
        calls.add("rendered", [generation.as_str()]);
        let what = format!("writing the files of {role}");
        self.change(&what, &host.prefix, &calls, archive, RENDER_WITHIN).await.map(|_| ())
    }

    /// Writes placed files, carries what the service wrote itself, renames `current`.
    pub(super) async fn switch(
        &self,
        host: &DesiredHost,
        instance: &DesiredInstance,
        to: Digest,
    ) -> Result<(), HostError> {
        let (role, generation) = (instance.id.role.as_str(), to.to_string());
        let owned = self.service_owned(instance)?;
        let mut calls = Calls::one("carry", [role, generation.as_str()].into_iter().chain(owned));
        calls.add("place", [role, generation.as_str(), service_user(host)]);
        calls.add("point", [role, generation.as_str()]);
        calls.add("take_unit", [role, generation.as_str(), instance.unit.as_str()]);
        let what = format!("switching {role}");
        self.units(&what, &host.prefix, &calls, Vec::new(), SWITCH_WITHIN).await.map(|_| ())
    }

    /// Names of the files that the service itself writes into its generation.
    fn service_owned<'a>(&self, instance: &'a DesiredInstance) -> Result<Vec<&'a str>, HostError> {
        let names: Vec<&str> = instance.module.service_owned.iter().map(String::as_str).collect();
        match names.iter().find(|name| !is_inside(name)) {
            Some(name) => Err(self.error(Failure::Stop, format!("{name} is not a name inside a folder"))),
            None => Ok(names),
        }
    }
}

/// Whether a path stays inside the folder that it is relative to.
fn is_inside(path: &str) -> bool {
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.chars().any(char::is_control);
    path.split('/').all(plain)
}

/// Each with a line end.
fn lines(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

/// Everything of a generation as one tar: rendered files, what is placed elsewhere below `.placed/`, and the records
/// that describe it.
fn archive(host: &DesiredHost, instance: &DesiredInstance) -> Result<Vec<u8>, String> {
    let mut tar = tar::Builder::new(Vec::new());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut add = |path: &str, mode: u32, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(mode & 0o777);
        header.set_mtime(now);
        header.set_entry_type(tar::EntryType::Regular);
        tar.append_data(&mut header, path, bytes).map_err(|error| format!("{path}: {error}"))
    };
    let (mut manifest, mut index, mut sealed) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (number, file) in instance.files.iter().enumerate() {
        let bytes = file.bytes().ok_or("the value of a secret in its files is not known here")?;
        if file.secret {
            // What the bytes are known by, for whoever looks at the host: only for the owner of the files themselves.
            let path = match &file.place {
                Place::Generation(path) => format!("conf/{}/current/{path}", instance.id.role),
                Place::Absolute(path) => below(host, path),
            };
            sealed.push(format!("{} {} {path}", Digest::of(bytes.as_bytes()), file.sha256));
        }
        match &file.place {
            Place::Generation(path) if is_inside(path) && !path.starts_with(".placed/") => {
                add(path, file.mode, bytes.as_bytes())?;
                manifest.insert(path, file.sha256);
            }
            Place::Absolute(path) if is_inside(&below(host, path)) => {
                let (path, identity) = (below(host, path), u8::from(file.identity));
                add(&format!(".placed/{number}"), 0o600, bytes.as_bytes())?;
                let mode = file.mode & 0o777;
                index.push(format!("{number}\t{mode:o}\t{identity}\t{path}"));
            }
            Place::Generation(path) | Place::Absolute(path) => return Err(format!("{path:?} is not below the prefix")),
        }
    }
    if !index.is_empty() {
        add(".placed/index", 0o600, lines(&index).as_bytes())?;
    }
    if !sealed.is_empty() {
        add("secrets", 0o600, lines(&sealed).as_bytes())?;
    }
    let manifest: Vec<String> = manifest.iter().map(|(path, sha256)| format!("{sha256}  {path}")).collect();
    add("manifest", 0o644, lines(&manifest).as_bytes())?;
    add("restart-generation", 0o644, format!("{}\n", instance.restart_generation).as_bytes())?;
    add("about.json", 0o644, format!("{}\n", instance.about()).as_bytes())?;
    add("software", 0o644, lines(&instance.software).as_bytes())?;
    tar.into_inner().map_err(|error| error.to_string())
}
