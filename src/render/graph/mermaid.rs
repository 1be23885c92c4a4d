//! The graph for Markdown that draws Mermaid.

use super::{Graph, Node};
use std::fmt::Write as _;

pub(super) fn mermaid(graph: &Graph) -> String {
    let mut text = "flowchart TD\n".to_owned();
    for (number, node) in graph.nodes.iter().enumerate() {
        _ = writeln!(text, "    n{number}[\"{}\"]", label(node));
    }
    for (number, needs) in graph.needs.iter().enumerate() {
        for first in needs {
            _ = writeln!(text, "    n{first} --> n{number}");
        }
    }
    text
}

fn label(node: &Node) -> String {
    let waves = node.waves.iter().map(|wave| {
        let no_return = if wave.no_return { " (point of no return)" } else { "" };
        escaped(&format!("{} · {}{no_return}", wave.number, wave.label))
    });
    let roles = node.roles.iter().map(|role| escaped(role));
    let title = format!("<b>{}</b>", escaped(&node.title));
    let lines: Vec<String> = [title].into_iter().chain(roles).chain(waves).collect();
    lines.join("<br/>")
}

/// Text inside quotes: what is not plain becomes an entity of Mermaid, a number between `#` and `;`.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | ',' | '@' | '[' | ']' | ':' | '·' | '(' | ')') {
            safe.push(c);
        } else {
            _ = write!(safe, "#{};", u32::from(c));
        }
    }
    safe
}
