//! What a random platform declares, small enough to be read when a case fails.

use proptest::prelude::*;
use std::collections::BTreeSet;

/// The names of services, in an order in which one may come after another.
pub(crate) const SERVICES: [&str; 4] = ["alpha", "beta", "gamma", "delta"];

/// A whole platform.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) canary: u32,
    pub(crate) batch: u32,
    /// Seconds.
    pub(crate) soak: u64,
    pub(crate) scope_host: bool,
    /// Version of the software that services share.
    pub(crate) runtime: u64,
    /// What supervises.
    pub(crate) systemd: bool,
    /// Whether hosts start everything by themselves when they boot.
    pub(crate) boot: bool,
    pub(crate) services: Vec<ServiceSpec>,
}

/// One service.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is something that a module says or does not say")]
pub(crate) struct ServiceSpec {
    pub(crate) version: u64,
    pub(crate) voters: bool,
    pub(crate) max: u32,
    pub(crate) per_host: bool,
    pub(crate) leader: bool,
    pub(crate) hooks: bool,
    pub(crate) rules: bool,
    pub(crate) converged: bool,
    pub(crate) recreate: bool,
    pub(crate) uses_runtime: bool,
    pub(crate) after: Option<usize>,
    pub(crate) roles: Vec<RoleSpec>,
}

/// One role: the hosts it is on, and the contents of its files.
#[derive(Debug, Clone)]
pub(crate) struct RoleSpec {
    pub(crate) hosts: BTreeSet<u8>,
    pub(crate) conf: u64,
    pub(crate) live: u64,
    pub(crate) note: u64,
    pub(crate) placed: u64,
}

/// A change of the file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Version(usize),
    Runtime,
    Conf(usize, usize),
    Live(usize, usize),
    Note(usize, usize),
    Placed(usize, usize),
    NewHost(usize, usize, u8),
    /// The other supervisor.
    Supervisor,
    /// Starting at boot, or no longer.
    Boot,
}

/// Something that somebody, or an accident, has done to a host.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Drift {
    Kill(usize),
    EditConf(usize),
    EditNote(usize),
    DamageSoftware(usize),
    KillSupervisor(usize),
    EditUnit(usize),
    Reboot(usize),
    Setting(usize),
    UndoLeft(usize),
    Debris(usize),
    /// It runs, and it was never ours.
    ByHand(usize),
}

impl Spec {
    /// The same with a change; a change of something that is not there changes nothing.
    pub(crate) fn changed(&self, change: Change) -> Self {
        let mut spec = self.clone();
        let pick = |index: usize, length: usize| index % length.max(1);
        let role = |spec: &mut Self, service: usize, role: usize, edit: &dyn Fn(&mut RoleSpec)| {
            let service = pick(service, spec.services.len());
            let roles = &mut spec.services[service].roles;
            let role = pick(role, roles.len());
            edit(&mut roles[role]);
        };
        match change {
            Change::Version(service) => {
                let service = pick(service, spec.services.len());
                spec.services[service].version += 1;
            }
            Change::Runtime => spec.runtime += 1,
            Change::Supervisor => spec.systemd = !spec.systemd,
            Change::Boot => spec.boot = !spec.boot,
            Change::Conf(service, which) => role(&mut spec, service, which, &|role| role.conf += 1),
            Change::Live(service, which) => role(&mut spec, service, which, &|role| role.live += 1),
            Change::Note(service, which) => role(&mut spec, service, which, &|role| role.note += 1),
            Change::Placed(service, which) => role(&mut spec, service, which, &|role| role.placed += 1),
            Change::NewHost(service, which, host) => {
                role(&mut spec, service, which, &|role| _ = role.hosts.insert(host));
            }
        }
        spec
    }
}

/// Three hosts: voters with a leader, and after them a store whose restarts change a setting and have a safety rule.
pub(crate) fn example() -> Spec {
    let role = || RoleSpec { hosts: BTreeSet::from([1, 2, 3]), conf: 1, live: 1, note: 1, placed: 1 };
    let coord = ServiceSpec {
        version: 1,
        voters: true,
        max: 1,
        per_host: false,
        leader: true,
        hooks: false,
        rules: false,
        converged: false,
        recreate: false,
        uses_runtime: true,
        after: None,
        roles: vec![role()],
    };
    let store = ServiceSpec {
        voters: false,
        leader: false,
        hooks: true,
        rules: true,
        converged: true,
        after: Some(0),
        roles: vec![role(), role()],
        ..coord.clone()
    };
    let services = vec![coord, store];
    Spec { canary: 1, batch: 1, soak: 4, scope_host: false, runtime: 1, systemd: false, boot: false, services }
}

/// A platform of 1 to 6 hosts and 1 to 4 services.
pub(crate) fn spec() -> impl Strategy<Value = Spec> {
    (1_u8..=6).prop_flat_map(|hosts| {
        let services = prop::collection::vec(service(hosts), 1..=4);
        let rollout = (0_u32..=2, 1_u32..=2, 0_u64..=4, prop::bool::weighted(0.2));
        let watched = (prop::bool::weighted(0.3), any::<bool>());
        (rollout, watched, services).prop_map(|((canary, batch, soak, scope_host), (systemd, boot), services)| {
            let runtime = 1;
            Spec { canary, batch, soak, scope_host, runtime, systemd, boot, services }
        })
    })
}

fn service(hosts: u8) -> impl Strategy<Value = ServiceSpec> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let rare = (prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    let roles = prop::collection::vec(role(hosts), 1..=2);
    (flags, rare, 1_u32..=2, prop::option::of(0_usize..4), roles).prop_map(|(flags, rare, max, after, roles)| {
        let (voters, leader, hooks, rules, converged, uses_runtime) = flags;
        let (recreate, per_host) = rare;
        let recreate = recreate && !voters;
        let version = 1;
        ServiceSpec {
            version,
            voters,
            max,
            per_host,
            leader,
            hooks,
            rules,
            converged,
            recreate,
            uses_runtime,
            after,
            roles,
        }
    })
}

fn role(hosts: u8) -> impl Strategy<Value = RoleSpec> {
    prop::collection::btree_set(1..=hosts, 1..=usize::from(hosts)).prop_map(|hosts| {
        let (conf, live, note, placed) = (1, 1, 1, 1);
        RoleSpec { hosts, conf, live, note, placed }
    })
}

/// Changes of the file.
pub(crate) fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        4 => (0_usize..4).prop_map(Change::Version),
        2 => Just(Change::Runtime),
        4 => (0_usize..4, 0_usize..2).prop_map(|(service, role)| Change::Conf(service, role)),
        2 => (0_usize..4, 0_usize..2).prop_map(|(service, role)| Change::Live(service, role)),
        1 => (0_usize..4, 0_usize..2).prop_map(|(service, role)| Change::Note(service, role)),
        1 => (0_usize..4, 0_usize..2).prop_map(|(service, role)| Change::Placed(service, role)),
        1 => (0_usize..4, 0_usize..2, 1_u8..=6).prop_map(|(service, role, host)| Change::NewHost(service, role, host)),
        2 => Just(Change::Supervisor),
        1 => Just(Change::Boot),
    ];
    prop::collection::vec(change, 1..=3)
}

/// Drift.
pub(crate) fn drift() -> impl Strategy<Value = Vec<Drift>> {
    let drift = prop_oneof![
        2 => (0_usize..8).prop_map(Drift::Kill),
        1 => (0_usize..8).prop_map(Drift::EditConf),
        1 => (0_usize..8).prop_map(Drift::EditNote),
        1 => (0_usize..8).prop_map(Drift::DamageSoftware),
        1 => (0_usize..8).prop_map(Drift::KillSupervisor),
        1 => (0_usize..8).prop_map(Drift::EditUnit),
        1 => (0_usize..8).prop_map(Drift::Reboot),
        1 => (0_usize..8).prop_map(Drift::Setting),
        1 => (0_usize..8).prop_map(Drift::UndoLeft),
        1 => (0_usize..8).prop_map(Drift::Debris),
        2 => (0_usize..8).prop_map(Drift::ByHand),
    ];
    prop::collection::vec(drift, 0..=2)
}
