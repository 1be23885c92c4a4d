//! Edges between services, as their modules say them: `after`, and what they require that runs.

use crate::desired::Desired;
use crate::model::{ModuleName, ServiceName};
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{Bfs, Reversed};
use std::collections::BTreeMap;

/// One node for each service; an edge from what comes first to what comes after it.
pub(super) type ServiceGraph = DiGraph<ServiceName, ()>;

/// The graph of services, in the order of their names.
pub(super) fn edges(desired: &Desired) -> ServiceGraph {
    let mut graph = ServiceGraph::new();
    let nodes: BTreeMap<&ServiceName, NodeIndex> =
        desired.services.keys().map(|name| (name, graph.add_node(name.clone()))).collect();
    for (name, service) in &desired.services {
        let module = &service.module;
        let wanted = module.after.iter().chain(module.requires.iter().map(|required| &required.module));
        for first in wanted.flat_map(|other| of_module(desired, &other.value)).filter(|first| *first != name) {
            if let (Some(from), Some(to)) = (nodes.get(first), nodes.get(name)) {
                graph.update_edge(*from, *to, ());
            }
        }
    }
    graph
}

fn of_module<'a>(desired: &'a Desired, module: &'a ModuleName) -> impl Iterator<Item = &'a ServiceName> {
    desired.services.iter().filter(move |(_, service)| service.module.name.value == *module).map(|(name, _)| name)
}

/// Everything that comes before a service, sorted by name.
pub(super) fn before(graph: &ServiceGraph, service: &ServiceName) -> Vec<ServiceName> {
    let Some(start) = graph.node_indices().find(|node| graph[*node] == *service) else { return Vec::new() };
    let mut search = Bfs::new(Reversed(graph), start);
    let mut found = Vec::new();
    while let Some(node) = search.next(Reversed(graph)) {
        if node != start {
            found.push(graph[node].clone());
        }
    }
    found.sort();
    found
}

/// Nodes that come directly before a node.
pub(super) fn direct(graph: &ServiceGraph, node: NodeIndex) -> impl Iterator<Item = NodeIndex> {
    graph.neighbors_directed(node, Direction::Incoming)
}
