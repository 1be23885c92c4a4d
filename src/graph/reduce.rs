//! Transitive reduction: of several ways to say that one thing comes after another, the shortest list of edges.

use petgraph::algo::tred::{dag_to_toposorted_adjacency_list, dag_transitive_reduction_closure};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::IntoNeighbors;

/// For each node, the nodes that it directly needs, reduced and sorted. `needs[n]` may only name nodes below `n`:
/// nodes are numbered in an order in which they can be done. Others are left out.
pub fn reduced(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut graph = DiGraph::<(), ()>::new();
    let order: Vec<NodeIndex> = needs.iter().map(|_| graph.add_node(())).collect();
    for (node, first) in needs.iter().enumerate().flat_map(|(node, all)| all.iter().map(move |first| (node, *first))) {
        if first < node {
            graph.update_edge(NodeIndex::new(first), NodeIndex::new(node), ());
        }
    }
    let (list, _) = dag_to_toposorted_adjacency_list::<_, u32>(&graph, &order);
    let (reduced, _) = dag_transitive_reduction_closure(&list);
    let mut result = vec![Vec::new(); needs.len()];
    for first in 0..needs.len() {
        let Ok(index) = u32::try_from(first) else { break };
        for node in reduced.neighbors(index) {
            if let Some(list) = result.get_mut(node as usize) {
                list.push(first);
            }
        }
    }
    result
}
