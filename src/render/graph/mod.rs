//! The order of a platform as a graph: one box for each tier of a service, in it its roles with the waves that they go in,
//! and lines to what it comes after. Made from the same stages and steps as a plan.

mod dot;
mod layout;
mod mermaid;
mod svg;
mod text;

use super::course::{self, Entry, Pace, What};
use super::fold;
use crate::desired::Desired;
use crate::diff::Change;
use crate::graph::{self, Cycle, Stage, TierOrder};
use crate::inventory::visible;
use crate::model::{InstanceId, RoleId, ServiceName};
use crate::plan::{GateKind, Plan, Wave};
use std::collections::BTreeMap;

pub(super) use svg::{GRAPH_CSS, PALETTE_CSS, embedded};

/// Most waves that a box shows one by one.
const MOST_WAVES: usize = 7;

/// Formats of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphFormat {
    /// For people.
    Text,
    /// For Graphviz.
    Dot,
    /// For Markdown that draws Mermaid.
    Mermaid,
    /// A picture.
    Svg,
}

/// A graph, ready to be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Graph {
    /// The cluster's name.
    pub(super) cluster: String,
    /// Boxes, each after those that it comes after.
    pub(super) nodes: Vec<Node>,
    /// For each box those, by number, that it directly comes after.
    pub(super) needs: Vec<Vec<usize>>,
}

/// A tier of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// `store`, or `store · hot` where there are tiers.
    pub(super) title: String,
    /// How many instances it has.
    pub(super) count: usize,
    /// Its roles with their hosts, `store-hot@node[1-3]`.
    pub(super) roles: Vec<String>,
    /// What is done, in order.
    pub(super) waves: Vec<Mark>,
}

/// A wave or a gate in a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// Its number in the order of the whole plan, from 1.
    pub(super) number: usize,
    /// What kind it is, a word for style sheets.
    pub(super) kind: &'static str,
    /// `canary node1`.
    pub(super) label: String,
    /// What is waited for: `ready 1m, healthy 10m, soak 30s`.
    pub(super) gates: String,
    /// After this there is no way back.
    pub(super) no_return: bool,
}

/// The graph of a desired state with the waves of a plan, in a format.
///
/// # Errors
/// When services come after each other in a circle.
pub fn graph(desired: &Desired, plan: &Plan, format: GraphFormat) -> Result<String, Cycle> {
    let graph = drawn(desired, plan)?;
    Ok(match format {
        GraphFormat::Text => text::text(&graph),
        GraphFormat::Dot => dot::dot(&graph),
        GraphFormat::Mermaid => mermaid::mermaid(&graph),
        GraphFormat::Svg => svg::standing_alone(&graph),
    })
}

/// The stages of a desired state, each with what a plan does to it.
pub(super) fn drawn(desired: &Desired, plan: &Plan) -> Result<Graph, Cycle> {
    let stages = graph::stages(desired, |service| order_of(desired, plan, service))?;
    let tiers = |service: &ServiceName| stages.of(service).count() > 1;
    let mut nodes: Vec<Node> = stages.stages.iter().map(|stage| node(stage, tiers(&stage.service))).collect();
    let mut reached: BTreeMap<&ServiceName, usize> = BTreeMap::new();
    for (number, entry) in course::entries(plan).iter().enumerate() {
        let first = entry.instances.first();
        let at = match (first, entry.service) {
            (Some(instance), _) => stages.stages.iter().position(|stage| stage.has(instance)),
            (None, Some(service)) => {
                let begin = || stages.stages.iter().position(|stage| stage.service == *service);
                reached.get(service).copied().or_else(begin)
            }
            (None, None) => None,
        };
        let Some((at, node)) = at.and_then(|at| Some((at, nodes.get_mut(at)?))) else { continue };
        if let Some(service) = entry.service {
            reached.insert(service, at);
        }
        let mark = mark(number + 1, entry, node.roles.len() > 1);
        node.waves.push(mark);
    }
    for node in &mut nodes {
        node.waves = shortened(std::mem::take(&mut node.waves));
    }
    Ok(Graph { cluster: desired.cluster.to_string(), nodes, needs: stages.needs })
}

/// The order of tiers that the plan has followed: another one for upgrades than for everything else.
fn order_of(desired: &Desired, plan: &Plan, service: &ServiceName) -> TierOrder {
    let Some(declared) = desired.services.get(service) else { return TierOrder::Start };
    let upgraded = plan.changes.iter().any(|change| match change {
        Change::Software { instance, module, from: Some(from), to, .. } => {
            from != to
                && module.as_str() == declared.module.name.as_str()
                && declared.instances.binary_search(instance).is_ok()
        }
        _ => false,
    });
    if upgraded { TierOrder::Upgrade } else { TierOrder::Start }
}

/// The first few and the last of many waves: a large fleet goes in hundreds of batches.
fn shortened(waves: Vec<Mark>) -> Vec<Mark> {
    if waves.len() <= MOST_WAVES {
        return waves;
    }
    let (first, last) = (MOST_WAVES - 3, waves.len() - 2);
    let Some((from, to)) = waves.get(first).zip(waves.get(last - 1)) else { return waves };
    let more = Mark {
        number: from.number,
        kind: from.kind,
        label: format!("{} more waves", last - first),
        gates: format!("steps {} to {}", from.number, to.number),
        no_return: waves.iter().skip(first).take(last - first).any(|wave| wave.no_return),
    };
    let begin = waves.iter().take(first).cloned();
    begin.chain([more]).chain(waves.iter().skip(last).cloned()).collect()
}

fn node(stage: &Stage, tiers: bool) -> Node {
    let mut roles: BTreeMap<&RoleId, Vec<&InstanceId>> = BTreeMap::new();
    for id in &stage.instances {
        roles.entry(&id.role).or_default().push(id);
    }
    let title = if tiers && !stage.tier.is_empty() {
        format!("{} · {}", stage.service, stage.tier)
    } else {
        stage.service.to_string()
    };
    let roles = roles.into_values().map(fold::instances).collect();
    Node { title, count: stage.instances.len(), roles, waves: Vec::new() }
}

fn mark(number: usize, entry: &Entry<'_>, several: bool) -> Mark {
    let (kind, label) = match entry.what {
        What::Roll(wave) => {
            let name = course::wave_name(wave);
            (kind(name), format!("{name} {}", who(entry, several)))
        }
        What::Gate(GateKind::Healthy) => ("gate", "gate: healthy".to_owned()),
        What::Gate(GateKind::Converged) => ("gate", "gate: final state".to_owned()),
        What::Before => ("gate", entry.head.clone()),
        What::Setting => ("setting", entry.head.clone()),
        What::Retire | What::Purge => ("rest", entry.head.clone()),
    };
    let gates = match entry.what {
        What::Roll(_) => entry.gates.join(", "),
        _ => entry.notes.join(", "),
    };
    Mark { number, kind, label: visible(&label), gates: visible(&gates), no_return: entry.no_return }
}

/// The name of a wave as one word.
fn kind(wave: &'static str) -> &'static str {
    if wave == "stop all" { "recreate" } else { wave }
}

/// Whom a wave is about: by host where there is one role, and how many of how many where that is only known then.
fn who(entry: &Entry<'_>, several: bool) -> String {
    let all = entry.instances.len();
    let names = if several {
        fold::instances(entry.instances.iter().copied())
    } else {
        fold::hosts(entry.instances.iter().map(|id| &id.host))
    };
    let pace = match entry.pace {
        _ if entry.take < 2 => String::new(),
        Pace::One => ", one by one".to_owned(),
        Pace::Some(count) => format!(", {count} at a time"),
        Pace::Together => ", together".to_owned(),
    };
    let first = entry.what == What::Roll(Some(Wave::Canary));
    match (entry.leader_last, entry.take < all) {
        (false, _) => format!("{names}{pace}"),
        (true, true) if first => format!("{} of {names}{pace}, not the leader", entry.take),
        (true, true) => format!("the other {}{pace}, leader last", entry.take),
        (true, false) => format!("{names}{pace}, leader last"),
    }
}
