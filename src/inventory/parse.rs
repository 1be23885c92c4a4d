//! Reads the answer to [`super::request`]. Everything in it is untrusted: what is not exactly as expected is an error
//! that says where, and never a guess.

use super::answer::{BadAnswer, Section, sections};
use super::folders::{Owner, below, folders};
use super::instances::{Facts, instance};
use super::request::BOOT_SCRIPT;
use super::strangers::Strangers;
use super::{
    FileObservation, HostObservation, ProcessObservation, SoftwareObservation, SupervisorObservation, printable,
};
use crate::desired::{DesiredHost, DesiredInstance, UNIT_FOLDER};
use crate::model::{Digest, is_name};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Longest text of a file that is kept for a diff.
const LONGEST_TEXT: usize = 256 * 1024;
/// What must be told of the machine.
const MACHINE: [&str; 4] = ["boot", "uid", "memory", "uptime"];
/// How many paths of a damaged folder are named.
const DAMAGED_PATHS: usize = 8;

/// Reads the answer of a host.
///
/// # Errors
/// When the answer is not whole or has anything in it that can't be.
pub fn parse(
    answer: &[u8],
    host: &DesiredHost,
    instances: &[Arc<DesiredInstance>],
) -> Result<HostObservation, BadAnswer> {
    let sections = sections(answer)?;
    let mut seen = HostObservation::default();
    let mut facts = Facts::default();
    let mut strangers = Strangers::default();
    let mut owners = BTreeMap::new();
    let mut service_uid = None;
    let mut found = super::facts::FoundIn::new();
    for section in &sections {
        match section.name {
            "machine" => service_uid = machine(section, &mut seen, &mut facts, &MACHINE)?,
            "software" => software(section, &mut seen)?,
            "instances" => facts.take(section)?,
            "needs" => (seen.facts, found) = super::facts::facts(section)?,
            "strangers" => strangers.take(section)?,
            "files" => {
                let (stats, files) = files(section)?;
                seen.artifacts = artifacts(&stats, host);
                facts.take_generations(&stats);
                owners = stats.into_iter().map(|stat| (stat.path, stat.owner)).collect();
                facts.files = files;
            }
            "supervisor" => seen.supervisor = supervisor(section)?,
            "debris" => seen.debris = section.lines.iter().map(|line| (*line).to_owned()).collect(),
            "boot" => seen.init.enabled = section.lines.contains(&"enabled"),
            "blocked" => return Err(BadAnswer::Blocked { prefix: host.prefix.clone() }),
            "observation 1" | "end" => {}
            _ => other(section, &mut seen, &mut facts)?,
        }
    }
    seen.user_exists = host.user.is_none() || service_uid.is_some() || seen.uid != 0;
    seen.prepared = prepared(host, instances, &owners, seen.uid, service_uid);
    let config = facts.files.get(&below(host, &host.supervisord().config));
    seen.supervisor.config = config.map(|file| file.sha256);
    let unit = |(path, file): (&String, &FileObservation)| {
        let name = path.strip_prefix(UNIT_FOLDER)?.strip_prefix('/')?;
        Some((name.to_owned(), file.sha256))
    };
    seen.init.units = facts.files.iter().filter_map(unit).collect();
    seen.init.script = facts.files.get(BOOT_SCRIPT).map(|file| file.sha256);
    for one in instances {
        let role = one.id.role.as_str();
        let mut seen_of = instance(&facts, host, role, Some(one), &seen)?;
        seen_of.found = found.remove(role).unwrap_or_default();
        if one.adopts.is_some() {
            for (path, file) in strangers.identities(one) {
                seen_of.files.entry(path).or_insert(file);
            }
            let user = if seen.uid == 0 { service_uid.unwrap_or(seen.uid) } else { seen.uid };
            let (stranger, mut adoption) = strangers.of(host, one, &seen, facts.uptime, user);
            match stranger.filter(|_| !matches!(seen_of.process, ProcessObservation::Running(_))) {
                Some(stranger) => seen_of.process = ProcessObservation::Running(stranger),
                // Its own process has its ports.
                None if matches!(seen_of.process, ProcessObservation::Running(_)) => adoption.taken.clear(),
                None => {}
            }
            seen_of.has_data |= adoption.keeps.is_some();
            seen_of.adoption = Some(adoption);
        }
        seen.instances.insert(one.id.role.to_string(), seen_of);
    }
    seen.kept = std::mem::take(&mut facts.kept);
    for role in facts.roles.clone() {
        if !seen.instances.contains_key(&role) {
            let found = instance(&facts, host, &role, None, &seen)?;
            seen.instances.insert(role, found);
        }
    }
    Ok(seen)
}

/// Facts of the machine; gives the numeric id of the user that services run as.
pub(super) fn machine(
    section: &Section<'_>,
    seen: &mut HostObservation,
    facts: &mut Facts,
    needed: &[&str],
) -> Result<Option<u32>, BadAnswer> {
    let mut user = None;
    let mut missing: BTreeSet<&str> = needed.iter().copied().collect();
    for line in &section.lines {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        let number = || value.parse::<u64>().map_err(|_| section.garbage(line));
        let id = || value.parse::<u32>().map_err(|_| section.garbage(line));
        match key {
            "boot" if !value.is_empty() && value.len() <= 64 && value.bytes().all(is_boot_id) => {
                value.clone_into(&mut seen.boot_id);
            }
            "uid" => seen.uid = id()?,
            "memory" => seen.memory = number()?.saturating_mul(1024),
            "uptime" => facts.uptime = number()?,
            "user" => user = Some(id()?),
            "closed" => seen.closed = Some(printable(value, 200)),
            "client" => seen.ssh_client = value == "ssh",
            "init" => seen.init.systemd = value == "systemd",
            _ => return Err(section.garbage(line)),
        }
        missing.remove(key);
    }
    match missing.first() {
        Some(key) => Err(section.garbage(&format!("no {key}"))),
        None => Ok(user),
    }
}

fn is_boot_id(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || byte == b'-'
}

/// What `stat` says of a path below the prefix.
pub(super) struct Stat<'a> {
    pub(super) path: &'a str,
    /// Numeric id.
    pub(super) owner: u32,
    /// Bytes.
    size: u64,
    /// When it was last changed, `2026-01-01 00:00:00.000000000 +0000`: in this form times sort as text.
    pub(super) time: &'a str,
}

/// The line of a path after its first word. GNU's find leaves out the time zone, which is always UTC.
pub(super) fn stat(line: &str) -> Option<Stat<'_>> {
    // Paths come as `./path` and `/./path`.
    let at = line.find(" ./").into_iter().chain(line.find(" /./")).min()?;
    let (facts, path) = line.split_at_checked(at)?;
    let path = path.strip_prefix(" ./").or_else(|| path.strip_prefix(" /."))?;
    let (owner, rest) = facts.split_once(' ')?;
    let (size, time) = rest.split_once(' ')?;
    Some(Stat { path, owner: owner.parse().ok()?, size: size.parse().ok()?, time })
}

fn prepared(
    host: &DesiredHost,
    instances: &[Arc<DesiredInstance>],
    found: &BTreeMap<&str, u32>,
    us: u32,
    service: Option<u32>,
) -> bool {
    // Only root can give a folder to somebody else.
    let service = if us == 0 { service.unwrap_or(us) } else { us };
    let owner = |owner| if owner == Owner::Us { us } else { service };
    folders(host, instances).iter().all(|(path, wanted)| found.get(path.as_str()) == Some(&owner(*wanted)))
}

/// The wanted artifacts that are there, at their whole length.
fn artifacts(stats: &[Stat<'_>], host: &DesiredHost) -> BTreeSet<String> {
    let parts = host.software.values().flat_map(|software| &software.parts);
    let wanted: BTreeMap<String, u64> = parts.map(|part| (part.file_name(), part.size)).collect();
    let there = stats.iter().filter_map(|stat| Some((stat.path.strip_prefix("install/")?, stat.size)));
    there.filter(|(name, size)| wanted.get(*name) == Some(size)).map(|(name, _)| name.to_owned()).collect()
}

fn is_folder_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-');
    !text.is_empty() && text.len() <= 255 && !text.starts_with('.') && text.chars().all(allowed)
}

fn software(section: &Section<'_>, seen: &mut HostObservation) -> Result<(), BadAnswer> {
    for line in &section.lines {
        if !is_folder_name(line) {
            return Err(section.garbage(line));
        }
        seen.software.insert((*line).to_owned(), SoftwareObservation::Intact);
    }
    Ok(())
}

/// Paths in the lines that differ between a folder and its manifest.
fn damaged(folder: &str, section: &Section<'_>) -> Result<SoftwareObservation, BadAnswer> {
    let bytes = section.bytes()?;
    let text = String::from_utf8_lossy(&bytes);
    let mut paths = BTreeSet::new();
    for line in text.lines() {
        let named = match line.split_once("  ") {
            Some((digest, path)) if Digest::parse(digest.trim_start_matches('\\')).is_ok() => path,
            _ => without_facts(line),
        };
        let inside = named.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
        paths.extend(inside.map(|path| printable(path, 200)));
    }
    if paths.is_empty() {
        paths.insert(".".to_owned());
    }
    Ok(SoftwareObservation::Damaged(paths.into_iter().take(DAMAGED_PATHS).collect()))
}

/// The path in a line of a manifest, see `listing`: GNU's find ends the line of a folder with its kind and mode (`d755`),
/// and that of a file with kind and mode, size, two times and inode. With stat it is one word of hexadecimal digits, or one
/// such word, size, two times of three words each and inode.
fn without_facts(line: &str) -> &str {
    let before_inode = line.rsplit(' ').nth(1);
    let facts = match before_inode {
        Some(zone) if zone.starts_with(['+', '-']) => 9,
        Some(seconds) if seconds.contains('.') && seconds.parse::<f64>().is_ok() => 5,
        _ => 1,
    };
    line.rsplitn(facts + 1, ' ').last().unwrap_or(line)
}

/// What is said of single paths, and regular files by path: digest and permission bits.
fn files<'a>(section: &Section<'a>) -> Result<(Vec<Stat<'a>>, BTreeMap<String, FileObservation>), BadAnswer> {
    let (mut stats, mut modes, mut found) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for line in &section.lines {
        if let Some(rest) = line.strip_prefix("stat ") {
            stats.push(stat(rest).ok_or_else(|| section.garbage(line))?);
        } else if let Some(rest) = line.strip_prefix("mode ") {
            let mut words = rest.splitn(3, ' ');
            let mode = words.next().and_then(|mode| u32::from_str_radix(mode, 8).ok());
            let (mode, path) = mode.zip(words.nth(1)).ok_or_else(|| section.garbage(line))?;
            modes.insert(path, mode);
        } else {
            let (digest, path) = line.split_once("  ").ok_or_else(|| section.garbage(line))?;
            let sha256 = Digest::parse(digest).map_err(|_| section.garbage(line))?;
            // A file that came or went between the two looks is told by the next one.
            if let Some(mode) = modes.get(path) {
                found.insert(path.to_owned(), FileObservation { sha256, mode: *mode, content: None });
            }
        }
    }
    Ok((stats, found))
}

fn supervisor(section: &Section<'_>) -> Result<SupervisorObservation, BadAnswer> {
    let mut seen = SupervisorObservation::default();
    for line in &section.lines {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        match key {
            "pid" => seen.pid = Some(value.parse().map_err(|_| section.garbage(line))?),
            // The record may be absent or old; then it is not known.
            "config" => seen.running_config = Digest::parse(value).ok(),
            "version" => seen.version = is_folder_name(value).then(|| value.to_owned()),
            _ => return Err(section.garbage(line)),
        }
    }
    Ok(seen)
}

/// Sections that are about one thing each.
fn other(section: &Section<'_>, seen: &mut HostObservation, facts: &mut Facts) -> Result<(), BadAnswer> {
    let bad_record = |path: String| BadAnswer::BadRecord { path };
    if let Some(folder) = section.about("damaged").filter(|folder| is_folder_name(folder)) {
        seen.software.insert(folder.to_owned(), damaged(folder, section)?);
    } else if let Some(path) = section.about("content") {
        let bytes = section.bytes()?;
        let text = if bytes.len() > LONGEST_TEXT { None } else { String::from_utf8(bytes).ok() };
        if let Some(file) = facts.files.get_mut(path) {
            file.content = text;
        }
    } else if let Some(role) = section.about("was").filter(|role| is_name(role)) {
        facts.reloaded.insert(role.to_owned(), digests(section)?);
    } else if let Some(role) = section.about("applied").filter(|role| is_name(role)) {
        facts.applied.insert(role.to_owned(), digests(section)?);
    } else if let Some(role) = section.about("about").filter(|role| is_name(role)) {
        let text = String::from_utf8(section.bytes()?).ok();
        let line = text.as_deref().map(str::trim_end).filter(|line| line.len() <= LONGEST_TEXT);
        let line = line.filter(|line| line.chars().all(|c| matches!(c, ' '..='~')));
        facts.about.extend(line.map(|line| (role.to_owned(), line.to_owned())));
    } else if let Some(role) = section.about("held").filter(|role| is_name(role)) {
        let held = serde_json::from_slice(&section.bytes()?).map_err(|_| bad_record(format!("run/{role}.held")))?;
        facts.held.insert(role.to_owned(), held);
    } else if let Some(name) = section.about("undo").filter(|name| is_folder_name(name)) {
        let undo = serde_json::from_slice(&section.bytes()?).map_err(|_| bad_record(format!("run/undo/{name}")))?;
        seen.undo.insert(name.to_owned(), undo);
    } else {
        return Err(section.garbage(section.name));
    }
    Ok(())
}

/// Digests by path, as `sha256sum` and manifests have them.
fn digests(section: &Section<'_>) -> Result<BTreeMap<String, Digest>, BadAnswer> {
    let mut digests = BTreeMap::new();
    for line in &section.lines {
        let (digest, path) = line.split_once("  ").ok_or_else(|| section.garbage(line))?;
        let digest = Digest::parse(digest).map_err(|_| section.garbage(line))?;
        digests.insert(path.to_owned(), digest);
    }
    Ok(digests)
}
