//! What a host offers, as far as instances there need it: what is asked, and what was answered.

use super::answer::{BadAnswer, Section};
use crate::desired::{DesiredHost, DesiredInstance};
use crate::model::{Name, NeedKind, sh_quote};
use core::net::IpAddr;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

/// What a host offers. What was not asked, or could not be told, is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// Kernel settings by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctl: BTreeMap<String, u64>,
    /// Kernel settings that a file of ours keeps for the next boot; absent when there is no such file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<BTreeMap<String, u64>>,
    /// Open files that the hard limit allows a process of ours; `u64::MAX` is without limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
    /// Whether the hard limit allows a process of ours to lock all memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked_memory: Option<bool>,
    /// Whether there is swap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap: Option<bool>,
    /// Whether transparent huge pages are used for everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub huge_pages: Option<bool>,
    /// Programs that are in the path, of those that were asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub commands: BTreeMap<String, bool>,
    /// Whether packages can be installed there, by a package manager that we know; asked where a program has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installs: Option<bool>,
    /// Whether raw sockets may be opened by who services run as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_sockets: Option<bool>,
    /// Free bytes on the disk of the prefix, when something is to be unpacked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free: Option<u64>,
    /// Ports of instances which do not run that somebody listens to.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub taken: BTreeSet<u16>,
}

impl HostFacts {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The bit of a set of capabilities that allows raw sockets.
const NET_RAW: u32 = 13;

/// Shell functions that look at what a machine offers.
const NEED_FUNCTIONS: &str = include_str!("needs.sh");

/// What is looked for in the data folder of an instance. Names and patterns were checked when the module
/// was read; a pattern is left to the shell.
fn finds(one: &DesiredInstance) -> String {
    let mut calls = String::new();
    for find in &one.module.upgrade.finds {
        let (role, data) = (sh_quote(one.id.role.as_str()), sh_quote(&one.data_dir));
        // Writing to a String can't fail.
        _ = writeln!(calls, "need_finds {role} {} {data}/{}", find.name, find.pattern);
    }
    calls
}

/// What is asked of the machine, whether or not the prefix is there.
pub(super) fn calls(host: &DesiredHost, instances: &[Arc<DesiredInstance>]) -> String {
    let mut kinds: BTreeSet<&NeedKind> = BTreeSet::new();
    for needs in instances.iter().map(|one| &one.needs[..]).chain([host.own_needs()]) {
        kinds.extend(needs.iter().map(|need| &need.kind));
    }
    let mut calls = format!("{NEED_FUNCTIONS}say '[needs]'\n");
    let mut call = |words: &[&str]| calls.push_str(&line(words));
    call(&["need_kept", &host.kernel_file()]);
    let kernel: BTreeSet<String> = kinds.iter().filter_map(|kind| kernel_path(kind)).collect();
    call(&[&["need_sysctl"], kernel.iter().map(String::as_str).collect::<Vec<_>>().as_slice()].concat());
    let commands: BTreeSet<&str> = kinds.iter().filter_map(|kind| kind.program()).collect();
    for name in commands {
        call(&["need_program", name]);
    }
    if kinds.iter().any(|kind| matches!(kind, NeedKind::Command { package: Some(_), .. })) {
        call(&["need_installer"]);
    }
    for kind in kinds {
        match kind {
            NeedKind::Sysctl { .. } | NeedKind::Command { .. } => {}
            NeedKind::OpenFiles(_) => call(&["need_openfiles"]),
            NeedKind::LockedMemory => call(&["need_lockedmemory"]),
            NeedKind::NoSwap => call(&["need_swap"]),
            NeedKind::NoHugePages => call(&["need_hugepages"]),
            NeedKind::RawSockets => call(&["need_capabilities"]),
        }
    }
    for one in instances {
        calls.push_str(&finds(one));
    }
    let mut call = |words: &[&str]| calls.push_str(&line(words));
    let software: Vec<&str> = host.software.keys().map(String::as_str).collect();
    call(&[&["need_room", host.prefix.as_str()], software.as_slice()].concat());
    if let Ok(address) = host.address.parse::<IpAddr>() {
        let places = places(address);
        for one in instances.iter().filter(|one| one.adopts.is_none() && !one.ports.is_empty()) {
            let ports: BTreeSet<String> = one.ports.values().map(|port| format!("{port:04X}")).collect();
            let ports: Vec<String> = ports.into_iter().collect();
            call(&["need_binds", one.id.role.as_str(), &format!("({places}):({})", ports.join("|"))]);
        }
        calls.push_str("need_listening\n");
    }
    calls
}

/// Where the kernel shows a setting.
fn kernel_path(kind: &NeedKind) -> Option<String> {
    match kind {
        NeedKind::Sysctl { name, .. } => Some(format!("/proc/sys/{}", name.replace('.', "/"))),
        _ => None,
    }
}

/// A call of a function with these words.
fn line(words: &[&str]) -> String {
    let quoted = |(number, word): (usize, &&str)| if number == 0 { (*word).to_owned() } else { sh_quote(word) };
    let words: Vec<String> = words.iter().enumerate().map(quoted).collect();
    words.join(" ") + "\n"
}

/// Where a listener would keep us from binding an address, as the kernel writes addresses: four bytes at a time, the last
/// one first.
fn places(address: IpAddr) -> String {
    let word = |bytes: &[u8]| bytes.iter().rev().fold(String::new(), |text, byte| format!("{text}{byte:02X}"));
    let own = match address {
        IpAddr::V4(v4) => word(&v4.octets()),
        IpAddr::V6(v6) => v6.octets().chunks(4).map(word).collect(),
    };
    format!("{own}|0000000000000000FFFF0000{own}|00000000|{}", "0".repeat(32))
}

/// What was found in the data folders, by role.
pub(super) type FoundIn = BTreeMap<String, BTreeSet<Name>>;

/// Reads the answer.
pub(super) fn facts(section: &Section<'_>) -> Result<(HostFacts, FoundIn), BadAnswer> {
    let (mut facts, mut found) = (HostFacts::default(), FoundIn::new());
    for line in &section.lines {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        let (name, rest) = value.split_once(' ').unwrap_or((value, ""));
        let garbage = || section.garbage(line);
        match key {
            // Some settings have several numbers, or are words; what can't be compared is not known.
            "sysctl" => _ = rest.trim().parse().map(|number| facts.sysctl.insert(name.replace('/', "."), number)),
            "keeps" => _ = facts.kept.get_or_insert_default(),
            // A line that is none of ours is a difference like any other.
            "kept" => {
                let (name, number) = value.split_once('=').unwrap_or((value, ""));
                facts.kept.get_or_insert_default().insert(name.to_owned(), number.parse().unwrap_or(u64::MAX));
            }
            "openfiles" if value == "unlimited" => facts.open_files = Some(u64::MAX),
            "openfiles" => facts.open_files = value.parse().ok(),
            "lockedmemory" if value == "unlimited" => facts.locked_memory = Some(true),
            "lockedmemory" => facts.locked_memory = value.parse::<u64>().ok().map(|_| false),
            "installer" => facts.installs = Some(value == "yes"),
            "swap" => facts.swap = Some(value == "on"),
            "hugepages" => facts.huge_pages = Some(value.contains("[always]")),
            "program" => _ = facts.commands.insert(name.to_owned(), rest == "yes"),
            "capabilities" => {
                let set = u64::from_str_radix(value, 16).map_err(|_| garbage())?;
                facts.raw_sockets = Some(set >> NET_RAW & 1 == 1);
            }
            "found" => {
                let what = Name::new(rest).map_err(|_| garbage())?;
                found.entry(name.to_owned()).or_default().insert(what);
            }
            "free" => facts.free = Some(value.parse::<u64>().map_err(|_| garbage())?.saturating_mul(1024)),
            "taken" => _ = facts.taken.insert(u16::from_str_radix(value, 16).map_err(|_| garbage())?),
            _ => return Err(garbage()),
        }
    }
    Ok((facts, found))
}
