//! The graph as text: boxes in order, each with what it comes after.

use super::{Graph, Node};
use std::fmt::Write as _;

pub(super) fn text(graph: &Graph) -> String {
    let mut text = format!("{}: {}\n", graph.cluster, counted(graph));
    for (number, node) in graph.nodes.iter().enumerate() {
        let first = graph.needs.get(number).into_iter().flatten().filter_map(|first| graph.nodes.get(*first));
        let first: Vec<&str> = first.map(|node| node.title.as_str()).collect();
        let after = if first.is_empty() { String::new() } else { format!(", after {}", first.join(", ")) };
        _ = write!(text, "\n{}{after}\n{}", node.title, inside(node));
    }
    text
}

/// Roles, then waves.
fn inside(node: &Node) -> String {
    let mut text = String::new();
    for role in &node.roles {
        _ = writeln!(text, "    {role}");
    }
    for wave in &node.waves {
        let gates = if wave.gates.is_empty() { String::new() } else { format!(": {}", wave.gates) };
        let no_return = if wave.no_return { " (point of no return)" } else { "" };
        _ = writeln!(text, "{:>3} {}{gates}{no_return}", wave.number, wave.label);
    }
    text
}

fn counted(graph: &Graph) -> String {
    use crate::render::words::count;
    let instances = graph.nodes.iter().map(|node| node.count).sum();
    let roles = graph.nodes.iter().map(|node| node.roles.len()).sum();
    format!("{}, {}, in this order", count(instances, "instance"), count(roles, "role"))
}
