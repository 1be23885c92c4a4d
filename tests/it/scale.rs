//! Fleets: the work of a plan grows in step with the number of hosts. What is counted is what makes time and memory, not
//! time itself, which depends on the machine.

use crate::bad::Texts;
use crate::scenarios::desired;
use es_cluster::check::check;
use es_cluster::desired::Desired;
use es_cluster::inventory::{HostObservation, Inventory, ProcessObservation, Seen};
use es_cluster::plan::{Plan, PlanInput, PlanOptions, StepKind, plan};
use es_cluster::render::{self, TextOptions};
use es_cluster::sim::{Behaviour, Cluster};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

/// The modules of the benchmark `planning`, with the supervisor that the platform uses.
fn modules() -> Texts {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Texts::default();
    for folder in [root.join("modules"), root.join("fixtures/bench/modules")] {
        let below = Texts::below(&folder).0.into_iter();
        texts.0.extend(below.map(|(path, bytes)| (format!("modules/{path}"), bytes)));
    }
    texts
}

/// Three coordinators, and two edge roles on each of the other hosts: `cache` is the same everywhere, `probe` nowhere.
pub(crate) fn fleet(hosts: usize, rollout: &str, memory: &str) -> Desired {
    let mut lines = String::new();
    for (line, first) in (1..=hosts).step_by(100).enumerate() {
        let last = (first + 99).min(hosts);
        let count = last - first + 1;
        _ = writeln!(lines, "\"node[{first}-{last}]\" address=\"10.0.{line}.[1-{count}]\"");
    }
    let cluster = format!(
        "cluster \"fleet\" {{ supervisor \"supervisord\"; }}\n\
         versions {{ supervisord \"4.3.0\"; jdk \"11.0.13\"; zookeeper \"3.4.13\"; cache \"6.2.14\"; probe \"2.0.3\"; }}\n\
         rollout {{ canary 1; {rollout}; }}\nhosts {{\n{lines}}}\n\
         roles {{ zookeeper on=\"node[1-3]\"; probe on=\"node[4-{hosts}]\"; cache on=\"node[4-{hosts}]\" {{ max-memory \"{memory}\"; }}; }}\n"
    );
    desired(&modules(), &cluster)
}

/// What a plan is made of.
#[derive(Debug)]
struct Work {
    steps: usize,
    edges: usize,
    /// Instances in all lists of members.
    members: usize,
    json: usize,
}

fn work(made: &Plan) -> Work {
    Work {
        steps: made.steps.len(),
        edges: made.steps.iter().map(|step| step.needs.len()).sum(),
        members: made.members.iter().map(|list| list.len()).sum(),
        json: render::json(made).len(),
    }
}

/// A checked plan that reads back as it was written.
fn planned(desired: &Desired, inventory: &Inventory) -> Plan {
    let (made, _) = plan(&PlanInput { desired, inventory, options: &PlanOptions::default() });
    assert!(made.applyable(), "{:?}", made.refusals);
    assert_eq!(check(&made, desired, inventory), vec![]);
    assert_eq!(Plan::from_json(&render::json(&made)).expect("a plan"), made);
    made
}

pub(crate) fn converged(desired: &Desired, seen_for: &Desired) -> Inventory {
    let platform = Cluster::new(desired, Behaviour::default(), 1);
    platform.converge(desired);
    platform.inventory(seen_for)
}

fn empty(desired: &Desired) -> Inventory {
    let host = || HostObservation { user_exists: true, ..HostObservation::default() };
    let hosts = desired.hosts.keys().map(|name| (name.clone(), Seen::Seen(host()))).collect();
    Inventory { hosts, ..Inventory::default() }
}

/// Files that were rendered, as opposed to those that are held together with others.
fn renders(desired: &Desired, role: &str) -> usize {
    let of_role = desired.instances.values().filter(|one| one.id.role.as_str() == role);
    of_role.flat_map(|one| one.files.iter()).map(|file| file.content.as_ptr()).collect::<BTreeSet<_>>().len()
}

#[test]
fn work_grows_with_the_fleet_and_not_faster() {
    let sizes = [100, 400];
    for rollout in ["batch 1", "batch \"10%\"", "batch \"100%\""] {
        type Case = fn(usize, &str) -> Plan;
        let cases: [(&str, Case); 3] = [
            ("bootstrap", |hosts, rollout| {
                let declared = fleet(hosts, rollout, "64m");
                planned(&declared, &empty(&declared))
            }),
            ("one change on every edge host", |hosts, rollout| {
                let (before, declared) = (fleet(hosts, rollout, "64m"), fleet(hosts, rollout, "65m"));
                planned(&declared, &converged(&before, &declared))
            }),
            ("a power cut on every edge host", |hosts, rollout| {
                let declared = fleet(hosts, rollout, "64m");
                let mut inventory = converged(&declared, &declared);
                for (_, seen) in inventory.hosts.iter_mut().skip(3) {
                    let Seen::Seen(host) = seen else { continue };
                    for one in host.instances.values_mut() {
                        one.process = ProcessObservation::Dead { restart_generation: one.current_restart };
                    }
                }
                planned(&declared, &inventory)
            }),
        ];
        for (name, case) in cases {
            let [small, large] = sizes.map(|hosts| work(&case(hosts, rollout)));
            let grows = |small: usize, large: usize| large * sizes[0] <= small * sizes[1] * 11 / 10;
            let counts = [
                (small.steps, large.steps),
                (small.edges, large.edges),
                (small.members, large.members),
                (small.json, large.json),
            ];
            assert!(
                counts.into_iter().all(|(small, large)| grows(small, large)),
                "{name}, {rollout}: {small:?} {large:?}"
            );
        }
    }
}

#[test]
fn what_is_the_same_everywhere_is_rendered_once() {
    let [small, large] = [100, 400].map(|hosts| fleet(hosts, "batch 1", "64m"));
    let counts = |role: &str| [renders(&small, role), renders(&large, role)];
    // The configuration, the launcher and the supervisor's entry.
    assert_eq!(counts("cache"), [3, 3]);
    // One configuration for each host; the process is the same.
    assert_eq!(counts("probe"), [97 + 2, 397 + 2]);
    let generations = |desired: &Desired, role: &str| {
        let of_role = desired.instances.values().filter(|one| one.id.role.as_str() == role);
        of_role.map(|one| one.content_generation).collect::<BTreeSet<_>>().len()
    };
    assert_eq!((generations(&large, "cache"), generations(&large, "probe")), (1, 397));
}

#[test]
fn a_converged_fleet_needs_nothing_and_a_part_of_it_goes_at_a_time() {
    let (before, declared) = (fleet(103, "batch \"10%\"", "64m"), fleet(103, "batch \"10%\"", "65m"));
    let nothing = planned(&before, &converged(&before, &before));
    assert!(nothing.steps.is_empty() && nothing.changes.is_empty(), "{:?}", nothing.changes.first());
    let inventory = converged(&before, &declared);
    let made = planned(&declared, &inventory);
    let rolls: Vec<_> = made.steps.iter().filter(|step| matches!(step.kind, StepKind::Roll(_))).collect();
    let mut together: Vec<usize> = Vec::new();
    for (number, roll) in rolls.iter().enumerate() {
        match together.last_mut().filter(|_| number > 0 && rolls[number - 1].needs == roll.needs) {
            Some(size) => *size += 1,
            None => together.push(1),
        }
    }
    assert_eq!(together, [[1].as_slice(), &[10; 9], &[9]].concat(), "the canary, then a tenth of 100 at a time");
    let options = PlanOptions::default();
    let (made, report) = plan(&PlanInput { desired: &declared, inventory: &inventory, options: &options });
    let text = render::text(&made, &report, &TextOptions::default());
    assert!(text.contains("cache@node[4-103]\n") && text.lines().count() < 60, "{text}");
}
