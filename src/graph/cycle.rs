//! Services that come after each other in a circle.

use super::services::ServiceGraph;
use crate::model::ServiceName;
use petgraph::algo::tarjan_scc;

/// A circle. Its modules must not all say `after`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these services come after each other in a circle: {}", names(.services))]
pub struct Cycle {
    /// The services in it, by name.
    pub services: Vec<ServiceName>,
}

fn names(services: &[ServiceName]) -> String {
    let names: Vec<&str> = services.iter().map(ServiceName::as_str).collect();
    names.join(", ")
}

/// The first circle, by name.
pub(super) fn find(graph: &ServiceGraph) -> Cycle {
    let circles = tarjan_scc(graph).into_iter().filter(|nodes| nodes.len() > 1);
    let mut circles: Vec<Vec<ServiceName>> =
        circles.map(|nodes| nodes.into_iter().map(|node| graph[node].clone()).collect()).collect();
    for circle in &mut circles {
        circle.sort();
    }
    circles.sort();
    Cycle { services: circles.into_iter().next().unwrap_or_default() }
}
