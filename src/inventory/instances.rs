//! The part of a host's answer that is about instances and their processes.

use super::answer::{BadAnswer, Section};
use super::folders::below;
use super::parse::Stat;
use super::{FileObservation, Held, HostObservation, InstanceObservation, Previous, ProcessObservation, Running};
use crate::desired::{DesiredHost, DesiredInstance, Place};
use crate::model::{Digest, OnChange, SupervisorKind, is_name, slow};
use std::collections::{BTreeMap, BTreeSet};

/// Clock ticks in a second, as `/proc` counts them: a constant of the Linux ABI on the machines that we know.
pub(super) const TICKS: u64 = 100;
/// Files that are written with every generation and describe it.
const RECORDS: [&str; 5] = ["about.json", "manifest", "restart-generation", "secrets", "software"];
/// Most files with secrets that a host may tell of.
const SEALED: usize = 256;
/// Folder in a generation that holds what is placed elsewhere when it is switched to.
const PLACED: &str = ".placed/";

/// What the answer says, before it is put together.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Seconds since the machine was started.
    pub(super) uptime: u64,
    /// Regular files by path below the prefix.
    pub(super) files: BTreeMap<String, FileObservation>,
    /// Holds by role.
    pub(super) held: BTreeMap<String, Held>,
    /// Files that a reload takes up, in the generation that it was last asked for, by role.
    pub(super) reloaded: BTreeMap<String, BTreeMap<String, Digest>>,
    /// What the current generation was written with, where it is not the wanted one, by role.
    pub(super) applied: BTreeMap<String, BTreeMap<String, Digest>>,
    /// What the current generation says of an instance that was not asked for, or where it is not the wanted one, by role.
    pub(super) about: BTreeMap<String, String>,
    /// Roles whose last drain was done to its end.
    drained: BTreeSet<String>,
    /// Roles of which only data is there.
    pub(super) kept: BTreeSet<String>,
    /// Roles that have a folder.
    pub(super) roles: BTreeSet<String>,
    generations: BTreeMap<String, Vec<Digest>>,
    current: BTreeMap<String, Digest>,
    restart: BTreeMap<String, Digest>,
    uses: BTreeMap<String, Vec<String>>,
    previous: BTreeMap<String, Digest>,
    /// Roles of which that was left in the middle of a change.
    phased: BTreeSet<String>,
    used: BTreeMap<String, Vec<String>>,
    trial: BTreeMap<String, Digest>,
    data: BTreeSet<String>,
    /// Files with secrets as they were written, by path: the digest of their bytes, and the keyed one that stands for it.
    sealed: BTreeMap<String, (Digest, Digest)>,
    records: BTreeMap<String, Record>,
    kernel: BTreeMap<String, Kernel>,
    /// Control groups by role.
    groups: BTreeMap<String, Vec<String>>,
}

/// `run/<role>.proc`.
#[derive(Debug, Default)]
struct Record {
    pid: Option<u32>,
    start_time: Option<u64>,
    boot_id: String,
    restart_generation: Option<Digest>,
}

/// What the kernel says of the recorded process id.
#[derive(Debug)]
pub(super) struct Kernel {
    state: char,
    parent: u32,
    pub(super) start_time: u64,
}

impl Kernel {
    /// Whether it is more than what is left of a process.
    pub(super) const fn lives(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }
}

impl Facts {
    /// Takes in the lines about instances.
    pub(super) fn take(&mut self, section: &Section<'_>) -> Result<(), BadAnswer> {
        for line in &section.lines {
            let (key, rest) = line.split_once(' ').ok_or_else(|| section.garbage(line))?;
            let (role, value) = rest.split_once(' ').unwrap_or((rest, ""));
            if !is_name(role) {
                // Somebody else's folder is no data of a role.
                if key == "kept" {
                    continue;
                }
                return Err(section.garbage(line));
            }
            let role = role.to_owned();
            let digest = || Digest::parse(value).map_err(|_| section.garbage(line));
            match key {
                "role" => _ = self.roles.insert(role),
                // A folder that is not named like a generation is none; then there is no current one.
                "current" => _ = Digest::parse(value).map(|digest| self.current.insert(role, digest)),
                "restart" => _ = self.restart.insert(role, digest()?),
                "uses" if !value.is_empty() => self.uses.entry(role).or_default().push(value.to_owned()),
                "previous" => _ = Digest::parse(value).map(|digest| self.previous.insert(role, digest)),
                "trial" => _ = Digest::parse(value).map(|digest| self.trial.insert(role, digest)),
                "phased" => _ = self.phased.insert(role),
                "used" if !value.is_empty() => self.used.entry(role).or_default().push(value.to_owned()),
                "uses" | "used" => {}
                "data" => _ = self.data.insert(role),
                "kept" => _ = self.kept.insert(role),
                "drained" => _ = self.drained.insert(role),
                "about" => _ = self.about.insert(role, value.to_owned()),
                "sealed" => self.take_sealed(value).ok_or_else(|| section.garbage("sealed"))?,
                "record" => self.take_record(&role, value, section, line)?,
                "group" => self.groups.entry(role).or_default().push(value.to_owned()),
                "kernel" => _ = self.kernel.insert(role, kernel(value).ok_or_else(|| section.garbage(line))?),
                _ => return Err(section.garbage(line)),
            }
        }
        Ok(())
    }

    /// `DIGEST KEYED-DIGEST PATH`. `None` when it is anything else, or one too many: each may cost a slow digest.
    fn take_sealed(&mut self, value: &str) -> Option<()> {
        let mut words = value.splitn(3, ' ');
        let (bytes, keyed) = (Digest::parse(words.next()?).ok()?, Digest::parse(words.next()?).ok()?);
        self.sealed.insert(words.next()?.to_owned(), (bytes, keyed));
        (self.sealed.len() <= SEALED).then_some(())
    }

    /// A file as it may be told: of one with secrets in it the keyed digest, or when somebody has changed it, one that is
    /// slow to guess; and never its text.
    fn told(&self, path: &str, file: &FileObservation, secret: bool) -> FileObservation {
        let sha256 = match self.sealed.get(path) {
            Some((bytes, keyed)) if *bytes == file.sha256 => *keyed,
            Some((_, keyed)) => slow(keyed, file.sha256.to_string().as_bytes()),
            None if secret => slow(&Digest::of(path.as_bytes()), file.sha256.to_string().as_bytes()),
            None => return file.clone(),
        };
        FileObservation { sha256, mode: file.mode, content: None }
    }

    fn take_record(&mut self, role: &str, value: &str, section: &Section<'_>, line: &str) -> Result<(), BadAnswer> {
        let bad = || BadAnswer::BadRecord { path: format!("run/{role}.proc") };
        let (key, value) = value.split_once(' ').unwrap_or((value, ""));
        let record = self.records.entry(role.to_owned()).or_default();
        match key {
            "pid" => record.pid = Some(value.parse().map_err(|_| bad())?),
            "start_time" => record.start_time = Some(value.parse().map_err(|_| bad())?),
            "boot_id" => value.clone_into(&mut record.boot_id),
            "restart_generation" => record.restart_generation = Some(Digest::parse(value).map_err(|_| bad())?),
            // The launcher writes the record aside and renames it: it is whole, or somebody else wrote it.
            "end" if record.pid.is_none() || record.start_time.is_none() || record.boot_id.is_empty() => {
                return Err(bad());
            }
            "end" => {}
            _ => return Err(section.garbage(line)),
        }
        Ok(())
    }

    /// Takes in the manifests of generations: newest first.
    pub(super) fn take_generations(&mut self, stats: &[Stat<'_>]) {
        let mut stats: Vec<(&str, &str)> = stats.iter().map(|stat| (stat.time, stat.path)).collect();
        stats.sort_unstable_by(|a, b| b.cmp(a));
        for (_, path) in stats {
            let mut parts = path.split('/');
            let (Some("conf"), Some(role), Some(generation), Some("manifest")) =
                (parts.next(), parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            // Other folders may be there; they are not ours.
            if let Ok(digest) = Digest::parse(generation) {
                self.generations.entry(role.to_owned()).or_default().push(digest);
            }
        }
    }
}

/// The fields of `/proc/PID/stat` after the name: state, parent, …, start time is the twentieth of them.
pub(super) fn kernel(text: &str) -> Option<Kernel> {
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let state = fields.first()?.chars().next()?;
    Some(Kernel { state, parent: fields.get(1)?.parse().ok()?, start_time: fields.get(19)?.parse().ok()? })
}

/// Puts together what was seen of one instance.
pub(super) fn instance(
    facts: &Facts,
    host: &DesiredHost,
    role: &str,
    wanted: Option<&DesiredInstance>,
    seen: &HostObservation,
) -> Result<InstanceObservation, BadAnswer> {
    let files = wanted.map(|wanted| files(facts, host, wanted)).unwrap_or_default();
    let owed = wanted.is_some_and(|wanted| reload_owed(facts, wanted));
    Ok(InstanceObservation {
        current: facts.current.get(role).copied(),
        generations: facts.generations.get(role).cloned().unwrap_or_default(),
        current_restart: facts.restart.get(role).copied(),
        files,
        applied: facts.applied.get(role).cloned().unwrap_or_default(),
        process: process(facts, role, owed, seen, Some(&host.unit_of(role)))?,
        adoption: None,
        about: facts.about.get(role).cloned(),
        drained: facts.drained.contains(role),
        held: facts.held.get(role).cloned(),
        has_data: facts.data.contains(role),
        found: BTreeSet::new(),
        software: facts.uses.get(role).cloned().unwrap_or_default(),
        on_trial: facts.trial.get(role).is_some_and(|on| facts.current.get(role) == Some(on)),
        previous: facts.previous.get(role).map(|generation| Previous {
            generation: *generation,
            software: facts.used.get(role).cloned().unwrap_or_default(),
            phased: facts.phased.contains(role),
        }),
    })
}

/// Files of the current generation without its records and without what the service itself writes there; placed files.
fn files(facts: &Facts, host: &DesiredHost, wanted: &DesiredInstance) -> BTreeMap<String, FileObservation> {
    let folder = format!("conf/{}/current/", wanted.id.role);
    let wanted_secret: BTreeSet<&Place> =
        wanted.files.iter().filter(|file| file.secret).map(|file| &file.place).collect();
    let owned = |path: &str| wanted.module.service_owned.iter().any(|owned| owned == path);
    let secret = |wanted: &Place| wanted_secret.contains(wanted);
    let rendered = facts.files.iter().filter_map(|(whole, file)| {
        let path = whole.strip_prefix(&folder)?;
        let ours = !RECORDS.contains(&path) && !path.starts_with(PLACED) && !owned(path);
        ours.then(|| (path.to_owned(), facts.told(whole, file, secret(&Place::Generation(path.to_owned())))))
    });
    let placed = wanted.files.iter().filter_map(|file| match &file.place {
        Place::Absolute(path) => {
            let place = below(host, path);
            Some((path.clone(), facts.told(&place, facts.files.get(&place)?, file.secret)))
        }
        Place::Generation(_) => None,
    });
    rendered.chain(placed).collect()
}

/// Whether a file that a reload takes up is another one than when a reload (or a start) was last asked for.
fn reload_owed(facts: &Facts, wanted: &DesiredInstance) -> bool {
    let role = wanted.id.role.as_str();
    let Some(was) = facts.reloaded.get(role) else { return false };
    wanted.files.iter().filter(|file| file.on_change == OnChange::Reload).any(|file| match &file.place {
        Place::Generation(path) => {
            let now = facts.files.get(&format!("conf/{role}/current/{path}"));
            now.map(|file| file.sha256) != was.get(path).copied()
        }
        // It is not kept with the old generation's rendered files: better once too often.
        Place::Absolute(_) => true,
    })
}

/// A record is believed only when process id, start time and boot id are those of a process that runs. Without the name
/// of its unit it is not told who watches it.
pub(super) fn process(
    facts: &Facts,
    role: &str,
    reload_owed: bool,
    seen: &HostObservation,
    unit: Option<&str>,
) -> Result<ProcessObservation, BadAnswer> {
    let Some(record) = facts.records.get(role) else { return Ok(ProcessObservation::Absent) };
    let dead = ProcessObservation::Dead { restart_generation: record.restart_generation };
    let (Some(pid), Some(start_time)) = (record.pid, record.start_time) else { return Ok(dead) };
    let kernel = facts.kernel.get(role).filter(|kernel| kernel.lives());
    let Some(kernel) = kernel.filter(|kernel| kernel.start_time == start_time && record.boot_id == seen.boot_id) else {
        return Ok(dead);
    };
    let Some(restart_generation) = record.restart_generation else {
        return Err(BadAnswer::BadRecord { path: format!("run/{role}.proc") });
    };
    Ok(ProcessObservation::Running(Running {
        pid,
        start_time,
        uptime: facts.uptime.saturating_sub(start_time / TICKS),
        restart_generation,
        supervised: supervised(facts, role, kernel, seen, unit),
        reload_owed,
        stranger: false,
    }))
}

fn supervised(
    facts: &Facts,
    role: &str,
    kernel: &Kernel,
    seen: &HostObservation,
    unit: Option<&str>,
) -> Option<SupervisorKind> {
    let in_unit = |path: &String| path.split('/').any(|part| Some(part) == unit);
    if seen.init.systemd && facts.groups.get(role).is_some_and(|groups| groups.iter().any(in_unit)) {
        return Some(SupervisorKind::Systemd);
    }
    (seen.supervisor.pid == Some(kernel.parent)).then_some(SupervisorKind::Supervisord)
}
