//! The graph for Graphviz.

use super::{Graph, Node};
use std::fmt::Write as _;

pub(super) fn dot(graph: &Graph) -> String {
    let mut text = format!("digraph {} {{\n", quoted(&graph.cluster));
    text.push_str("  rankdir=TB;\n  node [shape=box, style=rounded, fontname=\"sans-serif\", fontsize=11];\n");
    for (number, node) in graph.nodes.iter().enumerate() {
        _ = writeln!(text, "  n{number} [label={}];", quoted(&label(node)));
    }
    for (number, needs) in graph.needs.iter().enumerate() {
        for first in needs {
            _ = writeln!(text, "  n{first} -> n{number};");
        }
    }
    text.push_str("}\n");
    text
}

fn label(node: &Node) -> String {
    let waves = node.waves.iter().map(|wave| {
        let no_return = if wave.no_return { " (point of no return)" } else { "" };
        format!("{} · {}{no_return}", wave.number, wave.label)
    });
    let lines: Vec<String> = [node.title.clone()].into_iter().chain(node.roles.iter().cloned()).chain(waves).collect();
    lines.join("\n")
}

/// A quoted string; a backslash would begin an escape.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{text}\"")
}
