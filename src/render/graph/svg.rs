//! The graph as a picture: light and dark by what the reader prefers, and readable without colour. Everything written
//! into it is escaped.

use super::layout::{self, Layout, Place};
use super::{Graph, Mark, Node};
use std::fmt::Write as _;

/// Colours, light and dark; the page has the same.
pub(in crate::render) const PALETTE_CSS: &str = include_str!("palette.css");

/// How the parts of a picture look.
pub(in crate::render) const GRAPH_CSS: &str = include_str!("graph.css");

/// Around the whole picture.
const MARGIN: i64 = 14;

/// Around what is in a box.
const PAD: i64 = 14;

/// A line of text.
const LINE: i64 = 18;

/// Height of a wave or gate.
const MARK: i64 = 42;

/// Between two waves beside each other.
const ARROW: i64 = 22;

/// Between two rows of waves.
const ROW: i64 = 8;

/// Narrowest and widest inside of a box.
const INNER: std::ops::RangeInclusive<i64> = 210..=700;

/// What a layer should not be wider than.
const WIDE: i64 = 960;

/// Longest names; the whole of a longer one is shown when it is pointed at.
const LONGEST_ROLE: usize = 64;
const LONGEST_LABEL: usize = 44;

/// A box with the places of what is in it, seen from its corner.
struct Sketch<'a> {
    node: &'a Node,
    width: i64,
    height: i64,
    marks: Vec<(i64, i64, i64, &'a Mark)>,
}

/// A file of its own.
pub(super) fn standing_alone(graph: &Graph) -> String {
    draw(graph, Some(&format!("{PALETTE_CSS}{GRAPH_CSS}")), false)
}

/// A part of the page, whose style sheet has the colours; waves lead to their steps.
pub(in crate::render) fn embedded(graph: &Graph) -> String {
    draw(graph, None, true)
}

fn draw(graph: &Graph, css: Option<&str>, links: bool) -> String {
    let room = layout::room(graph, WIDE);
    let sketches: Vec<Sketch<'_>> = graph.nodes.iter().zip(&room).map(|(node, room)| sketch(node, *room)).collect();
    let sizes: Vec<(i64, i64)> = sketches.iter().map(|sketch| (sketch.width, sketch.height)).collect();
    let Layout { width, height, places, lines } = layout::layout(graph, &sizes);
    let (width, height) = (width + 2 * MARGIN, height + 2 * MARGIN);
    let role = if links { "group" } else { "img" };
    let label = format!("{}: the order of its services", graph.cluster);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"graph\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"-{MARGIN} -{MARGIN} {width} {height}\" role=\"{role}\" aria-label=\"{}\">\n",
        escaped(&label)
    );
    if let Some(css) = css {
        _ = write!(
            svg,
            "<style>\n{css}</style>\n<rect class=\"g-paper\" x=\"-{MARGIN}\" y=\"-{MARGIN}\" width=\"{width}\" height=\"{height}\"/>\n"
        );
    }
    for line in &lines {
        svg.push_str(&edge(line));
    }
    for (sketch, place) in sketches.iter().zip(&places) {
        boxed(&mut svg, sketch, *place, links);
    }
    svg.push_str("</svg>\n");
    svg
}

/// Pixels that some text takes at most, by tenths of a pixel for a character.
fn wide(text: &str, tenths: i64) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX / 100).saturating_mul(tenths) / 10
}

/// A box of a layer in which each has so much room.
fn sketch(node: &Node, room: i64) -> Sketch<'_> {
    let widest = (room - 2 * PAD).clamp(*INNER.start(), *INNER.end());
    let count = counted(node);
    let mut inner = (*INNER.start()).max(wide(&node.title, 84) + 24 + wide(&count, 64));
    for role in &node.roles {
        inner = inner.max(wide(&shortened(role, LONGEST_ROLE), 74));
    }
    let mut y = PAD + LINE * i64::try_from(node.roles.len() + 1).unwrap_or(1) + 8;
    let (mut x, mut marks) = (0, Vec::new());
    for mark in &node.waves {
        let width = mark_width(mark);
        if x > 0 && x + ARROW + width > widest {
            (x, y) = (0, y + MARK + ROW);
        } else if x > 0 {
            x += ARROW;
        }
        marks.push((PAD + x, y, width, mark));
        x += width;
        inner = inner.max(x);
    }
    let height = if marks.is_empty() { y - 8 + PAD - 4 } else { y + MARK + PAD };
    Sketch { node, width: inner + 2 * PAD, height, marks }
}

fn mark_width(mark: &Mark) -> i64 {
    38 + wide(&shortened(&mark.label, LONGEST_LABEL), 72).max(wide(&below(mark), 62))
}

/// The small line of a wave.
fn below(mark: &Mark) -> String {
    match (mark.no_return, mark.gates.as_str()) {
        (true, "") => "no way back".to_owned(),
        (true, gates) => format!("no way back · {gates}"),
        (false, gates) => gates.to_owned(),
    }
}

fn counted(node: &Node) -> String {
    crate::render::words::count(node.count, "instance")
}

fn boxed(svg: &mut String, sketch: &Sketch<'_>, place: Place, links: bool) {
    let node = sketch.node;
    let idle = if node.waves.is_empty() { " g-idle" } else { "" };
    _ = writeln!(svg, "<g class=\"g-node{idle}\" transform=\"translate({} {})\">", place.x, place.y);
    let Sketch { width, height, .. } = *sketch;
    _ = writeln!(svg, "<rect class=\"g-box\" width=\"{width}\" height=\"{height}\" rx=\"10\"/>");
    let (baseline, right) = (PAD + 12, width - PAD);
    _ = writeln!(svg, "<text class=\"g-title\" x=\"{PAD}\" y=\"{baseline}\">{}</text>", escaped(&node.title));
    _ = writeln!(svg, "<text class=\"g-count\" x=\"{right}\" y=\"{baseline}\">{}</text>", counted(node));
    let mut y = baseline;
    for role in &node.roles {
        y += LINE;
        let shown = shortened(role, LONGEST_ROLE);
        _ = writeln!(
            svg,
            "<text class=\"g-role\" x=\"{PAD}\" y=\"{y}\">{}{}</text>",
            whole(role, &shown),
            escaped(&shown)
        );
    }
    let mut before: Option<(i64, i64)> = None;
    for (x, y, width, mark) in &sketch.marks {
        if let Some((end, _)) = before.filter(|(_, row)| row == y) {
            let (middle, from, to) = (y + MARK / 2, end + 5, x - 5);
            _ = writeln!(svg, "<path class=\"g-next\" d=\"M{from} {middle}H{to}m-4 -4l4 4l-4 4\"/>");
        }
        marked(svg, *x, *y, *width, mark, links);
        before = Some((x + width, *y));
    }
    svg.push_str("</g>\n");
}

fn marked(svg: &mut String, x: i64, y: i64, width: i64, mark: &Mark, links: bool) {
    let no_return = if mark.no_return { " g-no-return" } else { "" };
    if links {
        _ = write!(svg, "<a href=\"#step-{}\">", mark.number);
    }
    let label = shortened(&mark.label, LONGEST_LABEL);
    _ = write!(svg, "<g class=\"g-mark g-{}{no_return}\" transform=\"translate({x} {y})\">", mark.kind);
    svg.push_str(&whole(&mark.label, &label));
    let radius = if mark.kind == "gate" { MARK / 2 } else { 8 };
    _ = write!(svg, "<rect width=\"{width}\" height=\"{MARK}\" rx=\"{radius}\"/>");
    _ = write!(svg, "<text class=\"g-number\" x=\"17\" y=\"{}\">{}</text>", MARK / 2 + 4, mark.number);
    let small = below(mark);
    let first = if small.is_empty() { MARK / 2 + 4 } else { 18 };
    _ = write!(svg, "<text class=\"g-label\" x=\"31\" y=\"{first}\">{}</text>", escaped(&label));
    if !small.is_empty() {
        _ = write!(svg, "<text class=\"g-small\" x=\"31\" y=\"33\">{}</text>", escaped(&small));
    }
    svg.push_str("</g>");
    svg.push_str(if links { "</a>\n" } else { "\n" });
}

/// A line with its head, from the lower edge of its first place to the upper edge of its last.
fn edge(route: &[Place]) -> String {
    let [first, passages @ .., last] = route else { return String::new() };
    let (mut x, mut y) = (first.x + first.width / 2, first.y + first.height);
    let mut path = format!("M{x} {y}");
    for place in passages.iter().chain([last]) {
        let (to_x, to_y) = (place.x + place.width / 2, place.y);
        let middle = i64::midpoint(y, to_y);
        _ = write!(path, "C{x} {middle} {to_x} {middle} {to_x} {to_y}");
        (x, y) = (to_x, to_y);
        if place != last {
            y += place.height;
            _ = write!(path, "V{y}");
        }
    }
    format!("<path class=\"g-edge\" d=\"{path}\"/><path class=\"g-head\" d=\"M{x} {y}l-5 -8h10z\"/>\n")
}

/// What was shortened, whole, for who points at it.
fn whole(text: &str, shown: &str) -> String {
    if text == shown { String::new() } else { format!("<title>{}</title>", escaped(text)) }
}

fn shortened(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest.saturating_sub(1)).chain(['…']).collect()
}

/// Text inside XML, attributes included; what XML can't hold is replaced.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}
