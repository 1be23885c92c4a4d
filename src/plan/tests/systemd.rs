//! Plans with systemd: moves, what is refused, and what starts at boot.

use super::super::*;
use super::world::*;
use super::{made, told};
use crate::check::{Violation, check};
use crate::desired::{Boot, Desired, DesiredFile, Place, Supervisor};
use crate::diff::Change;
use crate::inventory::{InitObservation, Inventory};
use crate::model::{Digest, OnChange, SupervisorKind};

/// The same platform, supervised by systemd.
fn to_systemd(desired: &Desired) -> Desired {
    let mut desired = desired.clone();
    for host in desired.hosts.values_mut() {
        host.supervisor = Supervisor::Systemd;
        host.boot = Some(Boot { script: "start".to_owned(), unit: "[Service]\n".to_owned() });
    }
    for one in desired.instances.values_mut() {
        let content = format!("unit of {}\n", one.id);
        let sha256 = Digest::of(content.as_bytes());
        let place = Place::Generation(SupervisorKind::Systemd.entry().to_owned());
        let on_change = OnChange::Restart;
        let content = content.into();
        let unit =
            DesiredFile { place, content, sha256, mode: 0o644, on_change, identity: false, secret: false, open: None };
        one.files = one.files.iter().cloned().chain([unit]).collect();
        for generation in [&mut one.content_generation, &mut one.restart_generation] {
            *generation = Digest::of(format!("{generation} under systemd").as_bytes());
        }
    }
    desired
}

/// Hosts that have booted with systemd, and where we are root.
fn booted(mut inventory: Inventory) -> Inventory {
    for host in ["node1", "node2", "node3"] {
        at(&mut inventory, host).init.systemd = true;
    }
    inventory
}

/// Everything runs under systemd as declared.
fn supervised(desired: &Desired) -> Inventory {
    let mut inventory = booted(converged(desired));
    for (name, host) in &desired.hosts {
        let boot = host.boot.as_ref().expect("it boots");
        let here = desired.instances.values().filter(|one| one.id.host == *name);
        let unit =
            |one: &crate::desired::DesiredInstance| (one.unit.clone(), one.files.last().expect("the unit").sha256);
        let own = (host.boot_unit(), Digest::of(boot.unit.as_bytes()));
        let seen = at(&mut inventory, name.as_str());
        seen.supervisor.pid = None;
        seen.init = InitObservation {
            systemd: true,
            units: here.map(unit).chain([own]).collect(),
            enabled: true,
            script: Some(Digest::of(boot.script.as_bytes())),
        };
    }
    for id in desired.instances.keys() {
        process(&mut inventory, &id.to_string()).supervised = Some(SupervisorKind::Systemd);
    }
    inventory
}

fn checked(desired: &Desired, inventory: &Inventory) -> Plan {
    let (plan, _) = made(desired, inventory, &PlanOptions::default());
    assert_eq!(check(&plan, desired, inventory), vec![], "{}", told(&plan));
    plan
}

#[test]
fn a_move_is_a_rolling_change_with_canaries_and_ends_the_old_supervisor() {
    let before = desired(&platform());
    let after = to_systemd(&before);
    let plan = checked(&after, &booted(converged(&before)));
    let told = told(&plan);
    let outside: usize = plan.changes.iter().filter(|change| matches!(change, Change::Unit { .. })).count();
    assert_eq!(outside, after.instances.len(), "every unit is listed");
    assert!(told.contains("[Canary]") && !told.contains("unsupervised") && !told.contains("[Repair]"), "{told}");
    let place =
        |what: &str| told.lines().position(|line| line.starts_with(what)).unwrap_or_else(|| panic!("{what}\n{told}"));
    let last = told.lines().enumerate().filter(|(_, line)| line.starts_with('[')).last().expect("a roll").0;
    assert!(place("supervise node1") < last && last < place("retire node1"), "{told}");
    assert!(checked(&after, &supervised(&after)).steps.is_empty(), "and then nothing is left");
}

#[test]
fn what_runs_as_declared_under_the_wrong_supervisor_is_changed_and_not_repaired() {
    let desired = to_systemd(&desired(&platform()));
    let mut inventory = supervised(&desired);
    process(&mut inventory, "coord@node2").supervised = Some(SupervisorKind::Supervisord);
    let told = told(&checked(&desired, &inventory));
    assert!(told.contains("[Canary] roll coord@node2: safe?") && told.contains(" stop start "), "{told}");
}

#[test]
fn a_supervisor_that_something_else_runs_under_goes_on() {
    let before = desired(&platform());
    let after = to_systemd(&before);
    let mut inventory = booted(converged(&before));
    let orphan = of(&mut inventory, "coord@node1").clone();
    at(&mut inventory, "node1").instances.insert("old".to_owned(), orphan);
    let told = told(&checked(&after, &inventory));
    assert!(!told.contains("retire node1") && told.contains("retire node2"), "{told}");
}

#[test]
fn a_unit_that_differs_is_put_back_without_a_restart() {
    let desired = to_systemd(&desired(&platform()));
    let mut inventory = supervised(&desired);
    let unit = desired.instances[&id("coord@node1")].unit.clone();
    at(&mut inventory, "node1").init.units.insert(unit, Digest::of(b"by hand"));
    let plan = checked(&desired, &inventory);
    let told = told(&plan);
    assert!(told.contains("place coord@node1: switch\n") && plan.summary.restarts == 0, "{told}");
}

#[test]
fn without_systemd_or_root_it_is_refused_and_what_starts_at_boot_is_only_warned_of() {
    let mut desired = to_systemd(&desired(&platform()));
    let refused = |desired: &Desired, inventory: &Inventory| {
        let (plan, _) = made(desired, inventory, &PlanOptions::default());
        plan.standing_refusals().map(|one| format!("{}: {}", one.name, one.message)).collect::<Vec<_>>().join("\n")
    };
    let mut inventory = empty(&desired);
    assert!(refused(&desired, &inventory).contains("supervisor: node1 has not booted with systemd"));
    for host in ["node1", "node2", "node3"] {
        let seen = at(&mut inventory, host);
        (seen.init.systemd, seen.uid) = (true, 1000);
    }
    assert!(refused(&desired, &inventory).contains("only root may write units"));
    let own = self::desired(&platform());
    for (name, host) in &mut desired.hosts {
        host.supervisor = own.hosts[name].supervisor.clone();
    }
    let (plan, _) = made(&desired, &inventory, &PlanOptions::default());
    let warned = plan.warnings.iter().any(|one| one.message.contains("@reboot /bin/sh /hosts/node1/bin/boot"));
    assert!(plan.applyable() && warned, "{:?}", plan.warnings);
    let units = |change: &&Change| matches!(change, Change::Boot { path, .. } if path.starts_with("/etc/"));
    assert_eq!(plan.changes.iter().filter(units).count(), 0, "what can't be written is no difference");
}

#[test]
fn a_unit_that_the_plan_does_not_list_is_found() {
    let before = desired(&platform());
    let after = to_systemd(&before);
    let inventory = booted(converged(&before));
    let (mut plan, _) = made(&after, &inventory, &PlanOptions::default());
    plan.changes.retain(|change| !matches!(change, Change::Unit { .. } | Change::Boot { .. }));
    let found = check(&plan, &after, &inventory);
    let unlisted = |wanted: &str| {
        found.iter().any(|one| matches!(one, Violation::UnlistedFile { path, .. } if path.ends_with(wanted)))
    };
    assert!(unlisted(":coord.service") && unlisted(":node1.service"), "{found:?}");
}

#[test]
fn a_supervisor_that_runs_as_it_was_before_is_told() {
    let desired = desired(&platform());
    let mut inventory = converged(&desired);
    at(&mut inventory, "node1").supervisor.running_config = Some(Digest::of(b"older"));
    let (plan, _) = made(&desired, &inventory, &PlanOptions::default());
    let told =
        plan.warnings.iter().any(|one| one.message.contains("node1") && one.message.contains("as it was started"));
    assert!(told && plan.steps.is_empty(), "{:?}", plan.warnings);
}
