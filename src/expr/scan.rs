//! A look at a text before the engine parses it. The engine's parser bounds nesting, but not chains (`a.b.b.b…`,
//! `1+1+1…`, `elif` after `elif`): their trees are as deep as they are long, and walking them would end the program.

use super::{ExprError, ExprErrorKind};
use std::ops::Range;

/// Longest template or expression, in bytes.
const MAX_TEXT: usize = 1 << 20;

/// Longest line, in bytes, and most lines: the engine counts both with 16 bits.
const MAX_LINE: usize = 60_000;

/// Words and signs in one tag or expression. The longest gate of our modules has less than 200.
const MAX_TOKENS: usize = 600;

/// Branches of `if` in one template.
const MAX_BRANCHES: usize = 200;

/// Checks a template.
pub(super) fn template(text: &str) -> Result<(), ExprError> {
    size(text)?;
    let mut branches = 0;
    let mut at = 0;
    while let Some(start) = text[at..].find('{').map(|open| at + open) {
        let kind = text.as_bytes().get(start + 1).copied().unwrap_or_default();
        if !matches!(kind, b'{' | b'%' | b'#') {
            at = start + 1;
            continue;
        }
        let inside = start + 2;
        let tag = match kind {
            b'#' => {
                at = text[inside..].find("#}").map_or(text.len(), |end| inside + end + 2);
                continue;
            }
            b'{' => Tag::read(&text[inside..], b"}}"),
            _ => Tag::read(&text[inside..], b"%}"),
        };
        let range = start..(inside + tag.len).min(text.len());
        at = range.end;
        if tag.tokens > MAX_TOKENS {
            return Err(wrong(text, range, "it is too long: give parts of it names with `set`"));
        }
        let body = text[inside..range.end].trim_start_matches(['-', '+']).trim_start();
        branches += usize::from(body.starts_with("elif"));
        if branches > MAX_BRANCHES {
            return Err(wrong(text, range, "there are more than 200 branches"));
        }
        if kind == b'%' && grows(body) {
            let message =
                "an attribute may be set to a number or a text: lists, calls and filters go into `set name =`";
            return Err(wrong(text, range, message));
        }
    }
    Ok(())
}

/// Checks an expression.
pub(super) fn expression(text: &str) -> Result<(), ExprError> {
    size(text)?;
    if Tag::read(text, b"").tokens > MAX_TOKENS {
        return Err(wrong(text, 0..text.len(), "the expression is too long"));
    }
    Ok(())
}

fn size(text: &str) -> Result<(), ExprError> {
    if text.len() > MAX_TEXT {
        return Err(ExprError::limit("it is longer than 1 MiB"));
    }
    if text.lines().count() > MAX_LINE || text.lines().any(|line| line.len() > MAX_LINE) {
        return Err(ExprError::limit("it has more than 60000 lines, or a line of more than 60000 bytes"));
    }
    Ok(())
}

fn wrong(text: &str, range: Range<usize>, message: &str) -> ExprError {
    let line = Some(text[..range.start].matches('\n').count() + 1);
    ExprError { kind: ExprErrorKind::Syntax, message: message.to_owned(), line, range: Some(range) }
}

/// The inside of a tag: how long it is with its end, and how many words and signs it has.
struct Tag {
    len: usize,
    tokens: usize,
}

impl Tag {
    /// Reads to the end that is in no string and no braces; without an end (an expression), everything.
    fn read(text: &str, end: &[u8]) -> Self {
        let (mut tokens, mut depth, mut quote, mut word) = (0, 0usize, None, false);
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if let Some(open) = quote {
                at += usize::from(byte == b'\\');
                if byte == open {
                    quote = None;
                }
            } else if depth == 0 && !end.is_empty() && bytes[at..].starts_with(end) {
                return Self { len: at + end.len(), tokens };
            } else {
                match byte {
                    b'\'' | b'"' => quote = Some(byte),
                    b'{' => depth += 1,
                    b'}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                let part = byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii();
                tokens += usize::from(!(byte.is_ascii_whitespace() || part && word));
                word = part;
            }
            at += 1;
        }
        Self { len: text.len(), tokens }
    }
}

/// Whether a block statement could grow a structure by feeding it back to itself in a loop: fuel pays for each small
/// step, but nothing would pay for walking the result. Only `set name.attribute` outlives a round of a loop, so such a
/// statement may count and join text, and build nothing.
fn grows(body: &str) -> bool {
    let Some((target, value)) = body.strip_prefix("set").and_then(|statement| statement.split_once('=')) else {
        return false;
    };
    let calls = value.match_indices('(').any(|(at, _)| value[..at].trim_end().ends_with(char::is_alphanumeric));
    target.contains('.') && (calls || value.contains(['[', '{', '|']))
}
