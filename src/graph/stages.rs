//! Stages: the tiers of a service in their order, and the edges between the stages of different services.

use super::reduced;
use super::services::{ServiceGraph, direct};
use crate::desired::{Desired, DesiredService};
use crate::model::{InstanceId, ServiceName};
use std::collections::BTreeMap;

/// Which of a module's two orders of tiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TierOrder {
    /// For starts, and for restarts that change no version.
    Start,
    /// For version upgrades.
    Upgrade,
}

/// One tier of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The service.
    pub service: ServiceName,
    /// The tier's name; empty when the module has none.
    pub tier: String,
    /// Its instances, by name.
    pub instances: Vec<InstanceId>,
}

impl Stage {
    /// Whether an instance belongs to it.
    pub fn has(&self, instance: &InstanceId) -> bool {
        self.instances.binary_search(instance).is_ok()
    }
}

/// All stages, each after those that it needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stages {
    /// The stages.
    pub stages: Vec<Stage>,
    /// For each stage the stages, by number, that it directly comes after.
    pub needs: Vec<Vec<usize>>,
}

impl Stages {
    /// The stages of one service, in order.
    pub fn of<'a>(&'a self, service: &'a ServiceName) -> impl Iterator<Item = &'a Stage> {
        self.stages.iter().filter(move |stage| stage.service == *service)
    }
}

/// Tiers of each service one after the other; the first of a service after the last of those before it.
pub(super) fn build(
    desired: &Desired,
    order: &[ServiceName],
    graph: &ServiceGraph,
    which: impl Fn(&ServiceName) -> TierOrder,
) -> Stages {
    let mut all = Stages::default();
    let mut last: BTreeMap<ServiceName, usize> = BTreeMap::new();
    for service in order.iter().filter_map(|name| desired.services.get(name)) {
        let node = graph.node_indices().find(|node| graph[*node] == service.name);
        let first = node.into_iter().flat_map(|node| direct(graph, node));
        let mut needs: Vec<usize> = first.filter_map(|first| last.get(&graph[first]).copied()).collect();
        for stage in tiers(desired, service, which(&service.name)) {
            last.insert(service.name.clone(), all.stages.len());
            all.needs.push(std::mem::replace(&mut needs, vec![all.stages.len()]));
            all.stages.push(stage);
        }
    }
    all.needs = reduced(&all.needs);
    all
}

/// The tiers of a service: those that the module orders, then the others by name.
fn tiers(desired: &Desired, service: &DesiredService, which: TierOrder) -> Vec<Stage> {
    let order = &service.module.order;
    let order = match which {
        TierOrder::Upgrade if !order.upgrade.is_empty() => &order.upgrade,
        TierOrder::Upgrade | TierOrder::Start => &order.start,
    };
    let place = |tier: &str| order.iter().position(|name| name == tier).unwrap_or(order.len());
    let mut stages: BTreeMap<(usize, &str), Vec<InstanceId>> = BTreeMap::new();
    for instance in service.instances.iter().filter_map(|id| desired.instances.get(id)) {
        stages.entry((place(&instance.tier), &instance.tier)).or_default().push(instance.id.clone());
    }
    let stage = |((_, tier), mut instances): ((usize, &str), Vec<InstanceId>)| {
        instances.sort();
        Stage { service: service.name.clone(), tier: tier.to_owned(), instances }
    };
    stages.into_iter().map(stage).collect()
}
