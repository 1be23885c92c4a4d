//! Processes that somebody started by hand and that an instance may take the place of: recognised by words of their command
//! lines and by the ports of the instance that they listen to.

use super::answer::{BadAnswer, Section};
use super::instances::{Kernel, kernel};
use super::{FileObservation, HostObservation, Running};
use crate::desired::{Adopts, DesiredHost, DesiredInstance, Place};
use crate::model::{Digest, Transport, is_name, sh_quote};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

/// Shell functions that look for such processes.
const STRANGER_FUNCTIONS: &str = concat!(include_str!("holders.sh"), include_str!("stranger.sh"));

/// What was seen for an instance that may run already, beside its process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Adoption {
    /// Its ports that somebody listens to who was not recognised, or whom we may not look at.
    pub taken: BTreeSet<u16>,
    /// The unit that the recognised process is in.
    pub unit: Option<String>,
    /// What its data folder below the prefix is a link to; `.` when it is a folder.
    pub linked: Option<String>,
    /// Whether the folder that its data is in is there, and belongs to the user that services run as.
    pub keeps: Option<bool>,
}

/// What is asked about the instances that may run already. Everything in it was checked, or comes from a module.
pub(super) fn calls(instances: &[Arc<DesiredInstance>]) -> String {
    let mut calls = String::new();
    for one in instances {
        let Some(Adopts { words, data }) = &one.adopts else { continue };
        if calls.is_empty() {
            calls.push_str(STRANGER_FUNCTIONS);
            calls.push_str("say '[strangers]'\n");
        }
        let ports = one.ports.values().fold(String::new(), |ports, port| format!("{ports}:{port:04X} "));
        let given = [one.id.role.as_str(), &one.data_dir, data.as_deref().unwrap_or_default(), &ports];
        calls.push_str("stranger");
        for word in given.into_iter().chain(words.iter().map(String::as_str)) {
            // Writing to a String can't fail.
            let _ = write!(calls, " {}", sh_quote(word));
        }
        calls.push('\n');
        for (number, file) in one.files.iter().enumerate().filter(|(_, file)| file.identity) {
            let Place::Absolute(path) = &file.place else { continue };
            let inside = path.strip_prefix(&one.data_dir).and_then(|rest| rest.strip_prefix('/'));
            let (Some(inside), Some(data)) = (inside, data) else { continue };
            let (role, path) = (sh_quote(one.id.role.as_str()), sh_quote(&format!("{data}/{inside}")));
            let _ = writeln!(calls, "identity {role} {number} {path}");
        }
    }
    calls
}

/// What an answer says of them, by role.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    listens: BTreeMap<String, Vec<Listener>>,
    /// Sockets by process.
    holds: BTreeMap<String, BTreeMap<u32, BTreeSet<u64>>>,
    born: BTreeMap<(String, u32), Kernel>,
    units: BTreeMap<(String, u32), String>,
    /// Texts of files that identify data, by their number among the wanted files.
    identities: BTreeMap<(String, usize), String>,
    linked: BTreeMap<String, String>,
    keeps: BTreeMap<String, u32>,
}

#[derive(Debug)]
struct Listener {
    address: IpAddr,
    port: u16,
    socket: u64,
}

impl Strangers {
    /// Takes in the lines of the section.
    pub(super) fn take(&mut self, section: &Section<'_>) -> Result<(), BadAnswer> {
        for line in &section.lines {
            self.line(line).ok_or_else(|| section.garbage(line))?;
        }
        Ok(())
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let (key, rest) = line.split_once(' ')?;
        let (role, value) = rest.split_once(' ')?;
        let role = Some(role).filter(|role| is_name(role))?.to_owned();
        let of_process = || {
            let (pid, value) = value.split_once(' ')?;
            Some((pid.parse::<u32>().ok().filter(|pid| *pid > 1)?, value))
        };
        match key {
            "linked" => _ = self.linked.insert(role, value.to_owned()),
            "keeps" => _ = self.keeps.insert(role, value.parse().ok()?),
            "identity" => {
                let (number, text) = value.split_once(' ')?;
                let known = self.identities.entry((role, number.parse().ok()?)).or_default();
                let _ = writeln!(known, "{text}");
            }
            "listens" => self.listens.entry(role).or_default().push(listener(value)?),
            "holds" => {
                let (pid, socket) = of_process()?;
                self.holds.entry(role).or_default().entry(pid).or_default().insert(socket.parse().ok()?);
            }
            "born" => {
                let (pid, fields) = of_process()?;
                // One that ended meanwhile is told by its absence.
                self.born.extend(kernel(fields).map(|kernel| ((role, pid), kernel)));
            }
            "unit" => {
                let (pid, path) = of_process()?;
                let unit = path.rsplit('/').find(|part| part.ends_with(".service"));
                self.units.extend(unit.map(|unit| ((role, pid), unit.to_owned())));
            }
            _ => return None,
        }
        Some(())
    }

    /// Files that identify the data that an instance takes over, where they are: the link to it may not be there yet.
    pub(super) fn identities(&self, wanted: &DesiredInstance) -> BTreeMap<String, FileObservation> {
        let role = wanted.id.role.as_str();
        let files = wanted.files.iter().enumerate().filter_map(|(number, file)| {
            let Place::Absolute(path) = &file.place else { return None };
            let text = self.identities.get(&(role.to_owned(), number))?;
            let sha256 = Digest::of(text.as_bytes());
            Some((path.clone(), FileObservation { sha256, mode: file.mode, content: Some(text.clone()) }))
        });
        files.collect()
    }

    /// What was seen for an instance: the process that would be replaced, and the rest. `service` is the user that services
    /// run as.
    pub(super) fn of(
        &self,
        host: &DesiredHost,
        wanted: &DesiredInstance,
        seen: &HostObservation,
        uptime: u64,
        service: u32,
    ) -> (Option<Running>, Adoption) {
        let role = wanted.id.role.as_str();
        let ports: BTreeSet<u16> = wanted.ports.values().copied().collect();
        let ours = |one: &&Listener| ports.contains(&one.port) && is_of(host, one.address);
        let listeners: Vec<&Listener> = self.listens.get(role).into_iter().flatten().filter(ours).collect();
        let holding = self.holds.get(role).into_iter().flatten().filter(|(pid, sockets)| {
            seen.supervisor.pid != Some(**pid) && listeners.iter().any(|one| sockets.contains(&one.socket))
        });
        let holding: Vec<(u32, &BTreeSet<u64>)> = holding.map(|(pid, sockets)| (*pid, sockets)).collect();
        let key = |pid: u32| (role.to_owned(), pid);
        let known = match holding.as_slice() {
            // Two that share a port are nothing that we know how to replace.
            [(pid, sockets)] => {
                self.born.get(&key(*pid)).filter(|kernel| kernel.lives()).map(|kernel| (*pid, *sockets, kernel))
            }
            _ => None,
        };
        let held = |one: &&&Listener| known.is_some_and(|(_, sockets, _)| sockets.contains(&one.socket));
        let adoption = Adoption {
            taken: listeners.iter().filter(|one| !held(one)).map(|one| one.port).collect(),
            unit: known.and_then(|(pid, ..)| self.units.get(&key(pid)).cloned()),
            linked: self.linked.get(role).cloned(),
            keeps: self.keeps.get(role).map(|owner| *owner == service),
        };
        let running = known.map(|(pid, _, kernel)| Running {
            pid,
            start_time: kernel.start_time,
            uptime: uptime.saturating_sub(kernel.start_time / super::instances::TICKS),
            restart_generation: Digest::of(b"not started by es_cluster"),
            supervised: None,
            reload_owed: false,
            stranger: true,
        });
        (running, adoption)
    }
}

/// Whether a listener concerns a host: sandbox hosts share a machine, and each has its own address there.
fn is_of(host: &DesiredHost, address: IpAddr) -> bool {
    let own = host.address.parse::<IpAddr>();
    host.transport == Transport::Ssh || address.is_unspecified() || own.is_ok_and(|own| own == address)
}

/// `0100007F:0885:12345`: address and port as `/proc/net/tcp` and `tcp6` write them, and the socket's inode.
fn listener(text: &str) -> Option<Listener> {
    let (place, socket) = text.rsplit_once(':')?;
    let (address, port) = address_and_port(place)?;
    Some(Listener { address, port, socket: socket.parse().ok()? })
}

/// `0100007F:0885`.
pub(super) fn address_and_port(text: &str) -> Option<(IpAddr, u16)> {
    let (digits, port) = text.split_once(':')?;
    if digits.len() % 8 != 0 {
        return None;
    }
    // Each word is in the machine's own order.
    let mut bytes = Vec::new();
    for at in (0..digits.len()).step_by(8) {
        let word = u32::from_str_radix(digits.get(at..at + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    let address = match (<[u8; 4]>::try_from(bytes.as_slice()), <[u8; 16]>::try_from(bytes.as_slice())) {
        (Ok(four), _) => IpAddr::V4(Ipv4Addr::from(four)),
        (_, Ok(sixteen)) => Ipv6Addr::from(sixteen).to_canonical(),
        _ => return None,
    };
    Some((address, u16::from_str_radix(port, 16).ok()?))
}
