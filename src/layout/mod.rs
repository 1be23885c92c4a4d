//! The canonical layout of a KDL text: `esplan fmt`.
//!
//! Words stay as they were written, in their order, and so do comments; only what stands between them is laid out
//! anew. What somebody meant by the layout is kept: an empty line between groups, a block on one line while it fits, a
//! line that was continued, comments in one column. A canonical text stays as it is.

mod print;
#[cfg(test)]
mod tests;
mod tree;

use crate::diag::{Code, Diag, SourceId};
use crate::syntax::{self, Token, TokenKind};
use kdl::{KdlDocument, KdlEntry, KdlNode};

/// How often a text is laid out at most until it is at rest; twice is enough for what people write.
const PASSES: u32 = 8;

/// Lays a text out. `name` is what reports call it.
///
/// # Errors
/// What is wrong with a text that is not KDL. A text whose meaning would change is refused too: that is a mistake of
/// ours, and nobody's file should pay for it.
pub fn canonical(name: &str, text: &str, source: SourceId) -> Result<String, Vec<Diag>> {
    let before = syntax::parse(name, text, source, Code::Syntax)?;
    let ours = |what: &str| {
        let diag = Diag::nowhere(Code::Unreadable, format!("`{name}` can't be laid out: {what}"));
        vec![diag.help("this is a mistake of esplan, and the file is untouched: please report it")]
    };
    let tokens = syntax::tokens(text).ok_or_else(|| ours("it has something that is not known"))?;
    let laid = settled(print::print(&tree::read(text, &tokens))).ok_or_else(|| ours("it never comes to rest"))?;
    let after = syntax::parse(name, &laid, source, Code::Syntax).map_err(|_| ours("the result would not be KDL"))?;
    let kept = syntax::tokens(&laid).is_some_and(|after| essence(&tokens) == essence(&after));
    if kept && same(&before, &after) { Ok(laid) } else { Err(ours("it would come to mean something else")) }
}

/// Lays it out until nothing moves any more: a comment that moved may have been what its neighbours were aligned with.
fn settled(mut laid: String) -> Option<String> {
    for _ in 0..PASSES {
        let again = print::print(&tree::read(&laid, &syntax::tokens(&laid)?));
        if again == laid {
            return Some(laid);
        }
        laid = again;
    }
    None
}

/// What must stay: the words in their order, and every comment. Comments are compared without regard to where they
/// stand: one inside of a node may have to move to its end.
fn essence(tokens: &[Token<'_>]) -> (Vec<String>, Vec<String>) {
    let of = |token: &Token<'_>| token.text.replace("\r\n", "\n").trim_end().to_owned();
    let (mut words, mut comments) = (Vec::new(), Vec::new());
    for token in tokens {
        match token.kind {
            TokenKind::Newline | TokenKind::Blank | TokenKind::Semicolon => {}
            TokenKind::LineComment | TokenKind::BlockComment => comments.push(of(token)),
            TokenKind::Continuation => comments.extend(tree::comments_of(token.text).iter().map(of)),
            _ => words.push(of(token)),
        }
    }
    comments.sort();
    (words, comments)
}

/// Whether two documents mean the same: names, values as they are written, and blocks.
fn same(one: &KdlDocument, other: &KdlDocument) -> bool {
    let nodes = |one: &KdlNode, other: &KdlNode| {
        let blocks = match (one.children(), other.children()) {
            (Some(one), Some(other)) => same(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        let entries = one.entries().len() == other.entries().len()
            && one.entries().iter().zip(other.entries()).all(|(one, other)| same_entry(one, other));
        one.name().value() == other.name().value() && entries && blocks
    };
    one.nodes().len() == other.nodes().len()
        && one.nodes().iter().zip(other.nodes()).all(|(one, other)| nodes(one, other))
}

fn same_entry(one: &KdlEntry, other: &KdlEntry) -> bool {
    let name = |entry: &KdlEntry| entry.name().map(|name| name.value().to_owned());
    let repr = |entry: &KdlEntry| entry.format().map(|format| format.value_repr.clone());
    // A number that is none is not equal to itself.
    name(one) == name(other) && (one.value() == other.value() || repr(one) == repr(other))
}
