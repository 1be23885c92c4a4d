//! Lines, nodes and blocks → text.

use super::tree::{Block, Comment, Line, Piece};

/// Blanks before what is inside of a block, or goes on with a line.
const INDENT: usize = 4;
/// Columns that a block on one line may end at. A block with one thing in it may go on: breaking it would save nothing.
const WIDEST: usize = 120;
/// Columns of code beyond which the comment behind it does not move those of its neighbours.
const WIDEST_BESIDE_COMMENTS: usize = 72;
/// Most blanks before a comment behind such code.
const MOST_BLANKS: usize = 3;

/// A line of the result.
#[derive(Debug)]
struct Out<'t> {
    blank: bool,
    code: String,
    comment: Option<Comment<'t>>,
}

/// The whole text.
pub(super) fn print(file: &Block<'_>) -> String {
    let mut out = Vec::new();
    let mut groups = Vec::new();
    for line in &file.lines {
        let start = out.len();
        print_line(line, 0, &mut out);
        groups.push((start, out.len() - start));
    }
    set_apart(file, &groups, &mut out);
    align(&mut out);
    let mut text = String::new();
    for (index, line) in out.iter().enumerate() {
        if line.blank && index > 0 {
            text.push('\n');
        }
        text.push_str(line.code.trim_end_matches(' '));
        if let Some(comment) = line.comment {
            let used = if line.code.trim_start_matches(' ').is_empty() { 0 } else { width(&line.code) };
            text.extend(std::iter::repeat_n(' ', comment.column.saturating_sub(used)));
            text.push_str(&comment.text.replace("\r\n", "\n"));
        }
        text.push('\n');
    }
    text
}

/// Sections that take several lines stand apart from what is before and after them, comments above included.
fn set_apart(file: &Block<'_>, groups: &[(usize, usize)], out: &mut [Out<'_>]) {
    let mut long_before = false;
    // Where the comments began that stand right above what comes next.
    let mut above = None;
    for (line, (start, len)) in file.lines.iter().zip(groups) {
        if line.comment.is_some_and(|comment| comment.goes_on) {
            continue;
        }
        if line.blank {
            above = None;
        }
        let first = *above.get_or_insert(*start);
        if line.node.is_some() {
            if let Some(out) = out.get_mut(first).filter(|_| long_before || *len > 1) {
                out.blank = true;
            }
            long_before = *len > 1;
            above = None;
        }
    }
}

fn print_line<'t>(line: &Line<'t>, indent: usize, out: &mut Vec<Out<'t>>) {
    let start = out.len();
    match &line.node {
        None => out.push(Out { blank: false, code: " ".repeat(indent), comment: line.comment }),
        Some(pieces) => print_node(pieces, line.comment, indent, out),
    }
    if let Some(first) = out.get_mut(start) {
        first.blank = line.blank;
    }
}

fn print_node<'t>(pieces: &[Piece<'t>], mut comment: Option<Comment<'t>>, indent: usize, out: &mut Vec<Out<'t>>) {
    let mut code = " ".repeat(indent);
    // Whether something stands on the line already.
    let mut begun = false;
    for (index, piece) in pieces.iter().enumerate() {
        let rest = &pieces[index + 1..];
        match piece {
            Piece::Entry(text) => push(&mut code, &mut begun, text),
            Piece::Comment(text) => push(&mut code, &mut begun, &text.replace("\r\n", "\n")),
            // At the end it is a comment like any other.
            Piece::Break(Some(behind)) if rest.is_empty() && comment.is_none() => comment = Some(*behind),
            Piece::Break(behind) => {
                push(&mut code, &mut begun, "\\");
                out.push(Out { blank: false, code, comment: *behind });
                code = " ".repeat(indent + INDENT);
                begun = false;
            }
            Piece::Block(block, slashed) => {
                let before = if *slashed { "/-{" } else { "{" };
                if block.lines.is_empty() && block.opening.is_none() {
                    push(&mut code, &mut begun, &format!("{before}}}"));
                    continue;
                }
                if block.one_line {
                    let flat = format!("{before} {} }}", flat(block));
                    let fits = width(&code) + 1 + width(&flat) <= WIDEST;
                    if fits || !breaks(block) {
                        push(&mut code, &mut begun, &flat);
                        continue;
                    }
                }
                push(&mut code, &mut begun, before);
                out.push(Out { blank: false, code, comment: block.opening });
                for (number, line) in block.lines.iter().enumerate() {
                    let first = out.len();
                    print_line(line, indent + INDENT, out);
                    if let Some(out) = out.get_mut(first).filter(|_| number == 0) {
                        out.blank = false;
                    }
                }
                code = format!("{}}}", " ".repeat(indent));
            }
        }
    }
    out.push(Out { blank: false, code, comment });
}

fn push(code: &mut String, begun: &mut bool, text: &str) {
    if *begun {
        code.push(' ');
    }
    *begun = true;
    code.push_str(text);
}

/// The inside of a block that stands on one line.
fn flat(block: &Block<'_>) -> String {
    let last = block.lines.len().saturating_sub(1);
    let line = |(index, line): (usize, &Line<'_>)| match &line.node {
        None => line.comment.map_or("", |comment| comment.text).to_owned(),
        Some(pieces) => {
            let words: Vec<String> = pieces.iter().map(flat_piece).filter(|word| !word.is_empty()).collect();
            let words = words.join(" ");
            // What is taken out by a `/-` can't have a `;` behind it, and `} }` ends well without one.
            let ended = words.starts_with("/-") || index == last && matches!(pieces.last(), Some(Piece::Block(..)));
            if ended { words } else { words + ";" }
        }
    };
    block.lines.iter().enumerate().map(line).collect::<Vec<_>>().join(" ")
}

fn flat_piece(piece: &Piece<'_>) -> String {
    match piece {
        Piece::Entry(text) => text.clone(),
        Piece::Comment(text) => (*text).to_owned(),
        // There is none in a block on one line.
        Piece::Break(_) => String::new(),
        Piece::Block(block, slashed) => {
            let before = if *slashed { "/-{" } else { "{" };
            if block.lines.is_empty() { format!("{before}}}") } else { format!("{before} {} }}", flat(block)) }
        }
    }
}

/// Whether several lines would be shorter than one.
fn breaks(block: &Block<'_>) -> bool {
    let inner = |piece: &Piece<'_>| matches!(piece, Piece::Block(block, _) if breaks(block));
    block.lines.len() > 1 || block.lines.iter().any(|line| line.node.iter().flatten().any(inner))
}

/// Puts comments behind neighbouring lines into one column: the widest that somebody gave one of them.
fn align(out: &mut [Out<'_>]) {
    let mut start = 0;
    while start < out.len() {
        let end = (start + 1..out.len()).find(|at| !joins(&out[*at], &out[*at - 1])).unwrap_or(out.len());
        align_run(&mut out[start..end]);
        start = end;
    }
}

/// Whether the comment of a line belongs to the run of the line above: not across the border of a block.
fn joins(line: &Out<'_>, above: &Out<'_>) -> bool {
    let indent = |line: &Out<'_>| line.code.len() - line.code.trim_start_matches(' ').len();
    let alone = line.code.trim_start_matches(' ').is_empty();
    let goes_on = line.comment.is_some_and(|comment| comment.goes_on);
    !line.blank && (goes_on || line.comment.is_some() && !alone && indent(line) == indent(above))
}

fn align_run(run: &mut [Out<'_>]) {
    let alone = |line: &Out<'_>| line.code.trim_start_matches(' ').is_empty();
    let short = |line: &Out<'_>| width(&line.code) <= WIDEST_BESIDE_COMMENTS && !line.code.contains('\n');
    let wanted = |line: &Out<'_>| line.comment.map(|comment| comment.column.max(width(&line.code) + 1));
    let column = run.iter().filter(|line| !alone(line) && short(line)).filter_map(wanted).max();
    let mut above = None;
    for line in run {
        let used = width(&line.code);
        let place = match (line.comment, alone(line)) {
            (None, _) => continue,
            (Some(comment), true) if comment.goes_on => above.unwrap_or(used),
            (Some(_), true) => used,
            (Some(_), false) if short(line) => column.unwrap_or(used + 1),
            (Some(comment), false) => comment.column.clamp(used + 1, used + MOST_BLANKS),
        };
        above = Some(place);
        if let Some(comment) = &mut line.comment {
            comment.column = place;
        }
    }
}

/// Columns that the last line of a text takes.
fn width(text: &str) -> usize {
    text.rsplit('\n').next().unwrap_or(text).chars().count()
}
