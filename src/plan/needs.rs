//! What instances need of their hosts, and what the hosts have: a table. What is missing for something that would be
//! started is refused, for anything else it is worth a warning.

use super::safety::Safety;
use super::{PlanInput, Refusal, Step, StepKind, facts, provide};
use crate::desired::{DesiredHost, DesiredInstance, Need};
use crate::diff::packages;
use crate::inventory::{HostObservation, ProcessObservation};
use crate::model::{HostName, InstanceId, NeedKind, RoleId, SupervisorKind, Transport};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What is left on a disk in any case.
const FLOOR: u64 = 64 << 20;

/// One thing that is needed, and the hosts that have the same of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HostNeed {
    /// How it is.
    pub state: NeedState,
    /// Its name, by which it is waived.
    pub need: String,
    /// What is wanted.
    pub wants: String,
    /// What there is.
    pub has: String,
    /// By whom.
    pub by: BTreeSet<RoleId>,
    /// Where.
    pub hosts: BTreeSet<HostName>,
    /// Whether it would be set if the file allowed that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub can_be_allowed: bool,
}

/// How something that is needed is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NeedState {
    /// It is missing.
    Fail,
    /// It is missing, and who wants it can do without.
    Warn,
    /// It is missing, and the plan sets it.
    Fixed,
    /// Nobody could tell.
    Unknown,
    /// It is there.
    Pass,
}

impl NeedState {
    /// In one word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::Fixed => "fix",
            Self::Unknown => "unknown",
            Self::Pass => "pass",
        }
    }
}

/// State, name, what is wanted, what there is, whether it would be set if that were allowed.
type Told = (NeedState, String, String, String, bool);

/// The table, worst first.
pub fn needs(input: &PlanInput<'_>) -> Vec<HostNeed> {
    let mut rows: BTreeMap<Told, (BTreeSet<RoleId>, BTreeSet<HostName>)> = BTreeMap::new();
    for (host, instances) in input.desired.by_host() {
        let Some(seen) = facts::observed(input, host) else { continue };
        let Some(declared) = input.desired.hosts.get(host) else { continue };
        let on = On::new(input, declared, seen, &instances);
        let selected: Vec<_> =
            instances.into_iter().filter(|one| input.options.selects(&one.id, &one.service)).collect();
        if selected.is_empty() {
            continue;
        }
        for need in declared.own_needs() {
            let (by, hosts) = rows.entry(on.told(need)).or_default();
            by.extend(supervisor());
            hosts.insert(host.clone());
        }
        if let Some(user) = &declared.user {
            rows.entry(account(user, seen)).or_default().1.insert(host.clone());
        }
        for one in selected {
            for need in one.needs.iter() {
                let (by, hosts) = rows.entry(on.told(need)).or_default();
                by.insert(one.id.role.clone());
                hosts.insert(host.clone());
            }
            for port in taken(one, seen) {
                let key =
                    (NeedState::Fail, TAKEN.to_owned(), format!("{port} free"), "somebody listens".to_owned(), false);
                let (by, hosts) = rows.entry(key).or_default();
                by.insert(one.id.role.clone());
                hosts.insert(host.clone());
            }
        }
    }
    let row =
        |((state, need, wants, has, can_be_allowed), (by, hosts)): (Told, (BTreeSet<RoleId>, BTreeSet<HostName>))| {
            HostNeed { state, need, wants, has, by, hosts, can_be_allowed }
        };
    rows.into_iter().map(row).chain(disks(input)).collect()
}

/// The need that a port is free.
const TAKEN: &str = Refusal::PORT_TAKEN;
/// The need that the user is there that services run as.
const USER: &str = "user";
/// The need that everything has room.
const DISK: &str = Refusal::DISK;

/// Ports of an instance that does not run which somebody listens to.
fn taken<'a>(one: &'a DesiredInstance, seen: &'a HostObservation) -> impl Iterator<Item = u16> + 'a {
    let found = seen.instances.get(one.id.role.as_str());
    let down = !found.is_some_and(|found| matches!(found.process, ProcessObservation::Running(_)));
    one.ports.values().copied().filter(move |port| down && one.adopts.is_none() && seen.facts.taken.contains(port))
}

/// A supervisor of ours, in the place of a role.
fn supervisor() -> Option<RoleId> {
    RoleId::new(SupervisorKind::Supervisord.word()).ok()
}

fn by_supervisor(row: &HostNeed) -> bool {
    supervisor().is_some_and(|supervisor| row.by.contains(&supervisor))
}

fn starts_supervisor(step: &Step, row: &HostNeed) -> bool {
    matches!(&step.kind, StepKind::Supervise { host } if row.hosts.contains(host))
}

/// A host, and what may be given to it.
struct On<'a> {
    host: &'a DesiredHost,
    seen: &'a HostObservation,
    /// Something is given to it in this run, when the file allows it.
    gives: bool,
    /// Programs that are allowed to be installed: whoever else needs one of them has it then, too.
    programs: BTreeMap<&'a str, &'a str>,
}

impl<'a> On<'a> {
    fn new(
        input: &PlanInput<'_>,
        host: &'a DesiredHost,
        seen: &'a HostObservation,
        instances: &[&'a DesiredInstance],
    ) -> Self {
        let needs = instances.iter().flat_map(|one| one.needs.iter()).chain(host.own_needs());
        Self { host, seen, gives: provide::may(input, &host.name), programs: packages::given(needs) }
    }

    /// What is told of one need.
    fn told(&self, need: &Need) -> Told {
        let (state, has) = judge_one(need, self.host, self.seen);
        let missing = matches!(state, NeedState::Fail | NeedState::Warn) && self.seen.uid == 0;
        let (known, allowed) = match &need.kind {
            NeedKind::Command { name, .. } => {
                let allowed = self.programs.contains_key(name.as_str());
                (self.seen.facts.installs == Some(true) && (allowed || need.kind.can_be_allowed()), allowed)
            }
            kind => (kind.can_be_allowed(), need.allowed),
        };
        let can = missing && known;
        let state = if can && allowed && self.gives { NeedState::Fixed } else { state };
        (state, need.kind.name(), need.kind.wants(), has, can && !allowed)
    }
}

/// What is told of the user that services run as. Root makes it; who is not root runs them as itself.
fn account(user: &str, seen: &HostObservation) -> Told {
    let (state, has) = match (seen.uid, seen.user_exists) {
        (0, true) => (NeedState::Pass, "there".to_owned()),
        (0, false) => (NeedState::Fixed, "not there".to_owned()),
        (uid, _) => (NeedState::Pass, format!("not used: we are user {uid}")),
    };
    (state, USER.to_owned(), user.to_owned(), has, false)
}

fn judge_one(need: &Need, host: &DesiredHost, seen: &HostObservation) -> (NeedState, String) {
    let facts = &seen.facts;
    let missing = if need.wish { NeedState::Warn } else { NeedState::Fail };
    let state = |holds: bool| if holds { NeedState::Pass } else { missing };
    let unknown = || (NeedState::Unknown, "not known".to_owned());
    let yes = |value: Option<bool>, wanted: bool, words: [&str; 2]| match value {
        None => unknown(),
        Some(value) => (state(value == wanted), words[usize::from(value)].to_owned()),
    };
    match &need.kind {
        NeedKind::Sysctl { name, at_least, at_most } => match facts.sysctl.get(name) {
            None => unknown(),
            Some(is) => {
                let holds = at_least.is_none_or(|least| *is >= least) && at_most.is_none_or(|most| *is <= most);
                (state(holds), is.to_string())
            }
        },
        NeedKind::OpenFiles(_) | NeedKind::LockedMemory if seen.uid == 0 => {
            (NeedState::Pass, "root sets it".to_owned())
        }
        NeedKind::OpenFiles(least) => match facts.open_files {
            None => unknown(),
            Some(u64::MAX) => (NeedState::Pass, "unlimited".to_owned()),
            Some(is) => (state(is >= *least), is.to_string()),
        },
        NeedKind::LockedMemory => yes(facts.locked_memory, true, ["limited", "unlimited"]),
        NeedKind::NoSwap => yes(facts.swap, false, ["off", "on"]),
        NeedKind::NoHugePages => yes(facts.huge_pages, false, ["not always", "always"]),
        NeedKind::Command { name, .. } => yes(facts.commands.get(name).copied(), true, ["not there", "there"]),
        // A service that becomes another user keeps no right of root's.
        NeedKind::RawSockets if host.user.is_some() => (missing, "services run as another user".to_owned()),
        NeedKind::RawSockets => yes(facts.raw_sockets, true, ["not allowed", "allowed"]),
    }
}

/// Room for what is to be unpacked, with its bundles. Sandbox hosts share the disk of their machine.
fn disks(input: &PlanInput<'_>) -> Vec<HostNeed> {
    let mut machines: BTreeMap<String, (BTreeSet<HostName>, u64, u64)> = BTreeMap::new();
    let by_host = input.desired.by_host();
    for host in input.desired.hosts.values() {
        let Some(seen) = facts::observed(input, &host.name) else { continue };
        let Some(free) = seen.facts.free else { continue };
        let machine = match host.transport {
            Transport::Local => format!("boot {}", seen.boot_id),
            Transport::Ssh => format!("host {}", host.name),
        };
        let missing = host.software.values().filter(|one| !seen.software.contains_key(&one.folder));
        let parts = missing.flat_map(|one| &one.parts);
        let bundle = |name: &String| seen.artifacts.contains(name);
        let takes = parts.map(|part| part.size.saturating_mul(if bundle(&part.file_name()) { 1 } else { 2 }));
        let left = by_host.get(&host.name).into_iter().flatten().map(|one| one.free_disk);
        let all = takes.chain(left).fold(0, u64::saturating_add);
        let entry = machines.entry(machine).or_insert((BTreeSet::new(), FLOOR, free));
        entry.0.insert(host.name.clone());
        entry.1 = entry.1.saturating_add(all);
        entry.2 = entry.2.min(free);
    }
    let mib = |bytes: u64| format!("{} MiB", bytes.div_ceil(1 << 20));
    let row = |(hosts, takes, free): (BTreeSet<HostName>, u64, u64)| HostNeed {
        state: if takes > free { NeedState::Fail } else { NeedState::Pass },
        need: DISK.to_owned(),
        wants: format!("{} free", mib(takes)),
        has: mib(free),
        by: BTreeSet::new(),
        hosts,
        can_be_allowed: false,
    };
    machines.into_values().map(row).collect()
}

/// Refuses what would be started without what it needs.
pub(super) fn judge(table: &[HostNeed], steps: &[Step], safety: &mut Safety) {
    let started: BTreeSet<&InstanceId> =
        steps.iter().flat_map(|step| step.kind.rolls()).map(|roll| &roll.instance).collect();
    for row in table {
        let hosts: Vec<&str> = row.hosts.iter().map(HostName::as_str).collect();
        let by: Vec<&str> = row.by.iter().map(RoleId::as_str).collect();
        let whom = if by.is_empty() { "what is unpacked there".to_owned() } else { by.join(", ") };
        let message = format!("{}: {} is {}, and {whom} wants {}", hosts.join(", "), row.need, row.has, row.wants);
        let concerned = match row.need.as_str() {
            DISK => !steps.is_empty(),
            _ if by_supervisor(row) && steps.iter().any(|step| starts_supervisor(step, row)) => true,
            _ => started.iter().any(|id| row.hosts.contains(&id.host) && row.by.contains(&id.role)),
        };
        match row.state {
            NeedState::Fail if concerned => safety.refuse(&row.need, message, &help(row)),
            NeedState::Fail | NeedState::Warn => safety.warn(&row.need, message),
            NeedState::Fixed | NeedState::Unknown | NeedState::Pass => {}
        }
    }
}

fn help(row: &HostNeed) -> String {
    let (need, wants) = (row.need.as_str(), row.wants.as_str());
    match need {
        TAKEN => "look at who listens there (`ss -ltnp` as root) and end it, or declare another port".to_owned(),
        DISK => "make room, or put the prefix on a larger disk".to_owned(),
        "nofile" => "raise the hard limit of the user (limits.conf, or LimitNOFILE of its unit)".to_owned(),
        "memlock" => "raise the hard limit of the user (limits.conf, or LimitMEMLOCK of its unit)".to_owned(),
        "swap" => "`swapoff -a`, and take it out of /etc/fstab".to_owned(),
        "raw-sockets" => "let it run as root: `user` of `cluster`, and how the host is reached".to_owned(),
        _ if row.can_be_allowed && need.starts_with("command.") => {
            format!("allow \"{need}\" in `cluster`, and its package is installed; or install it yourself")
        }
        _ if need.starts_with("command.") => "install the package that has it".to_owned(),
        _ if row.can_be_allowed => format!("allow \"{need}\" in `cluster`, and it is set and kept; or set it yourself"),
        _ => format!("set it to {wants}: a file in /etc/sysctl.d keeps it after a boot, `sysctl -w` sets it now"),
    }
}
