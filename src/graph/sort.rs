//! Topological order with names as the tie-break, so that the order of the file does not matter.

use super::services::{ServiceGraph, direct};
use petgraph::graph::NodeIndex;
use std::collections::BTreeMap;

/// Each node after those before it, by name where nothing orders them; nothing when there is a circle.
pub(super) fn by_name(graph: &ServiceGraph) -> Option<Vec<NodeIndex>> {
    let mut waiting: BTreeMap<_, _> = graph.node_indices().map(|node| (&graph[node], node)).collect();
    let mut order: Vec<NodeIndex> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let free = waiting.values().copied().find(|node| direct(graph, *node).all(|first| order.contains(&first)))?;
        waiting.remove(&graph[free]);
        order.push(free);
    }
    Some(order)
}
