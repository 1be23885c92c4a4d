//! Tokens → lines, nodes and blocks, with every comment at its place.

use crate::syntax::{Token, TokenKind, tokens};

/// The lines of a file, or between two braces.
#[derive(Debug, Default)]
pub(super) struct Block<'t> {
    pub(super) lines: Vec<Line<'t>>,
    /// A comment behind the `{`.
    pub(super) opening: Option<Comment<'t>>,
    /// All of it stands on one line.
    pub(super) one_line: bool,
}

/// A node, a comment, or a node with a comment behind it.
#[derive(Debug)]
pub(super) struct Line<'t> {
    /// An empty line stands before it.
    pub(super) blank: bool,
    pub(super) node: Option<Vec<Piece<'t>>>,
    pub(super) comment: Option<Comment<'t>>,
}

/// What a node is made of.
#[derive(Debug)]
pub(super) enum Piece<'t> {
    /// The name, a value, or `name=value`; with its `/-`.
    Entry(String),
    /// `/* … */`
    Comment(&'t str),
    /// The line goes on, and the comment behind the `\`.
    Break(Option<Comment<'t>>),
    /// `{ … }`, and whether a `/-` stands before it.
    Block(Block<'t>, bool),
}

/// A comment with the place where it stood.
#[derive(Debug, Clone, Copy)]
pub(super) struct Comment<'t> {
    pub(super) text: &'t str,
    /// Characters before it on its line.
    pub(super) column: usize,
    /// It stands alone on its line and goes on with the one above, in the same column.
    pub(super) goes_on: bool,
}

/// Reads a text that is KDL.
pub(super) fn read<'t>(text: &'t str, tokens: &[Token<'t>]) -> Block<'t> {
    let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
    let starts = std::iter::once(0).chain(ends).collect();
    Reader { text, starts, tokens, at: 0, last_comment: None }.block(false)
}

/// The comments in `\ /* comment */ // comment`.
pub(super) fn comments_of(continuation: &str) -> Vec<Token<'_>> {
    let inside = continuation.strip_prefix('\\').and_then(tokens).unwrap_or_default();
    inside.into_iter().filter(|token| is_comment(token.kind)).map(|token| Token { at: token.at + 1, ..token }).collect()
}

fn is_comment(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::LineComment | TokenKind::BlockComment)
}

struct Reader<'t, 'a> {
    text: &'t str,
    /// Where its lines begin.
    starts: Vec<usize>,
    tokens: &'a [Token<'t>],
    at: usize,
    /// Line and column of the last comment that stood behind something, or went on with one.
    last_comment: Option<(usize, usize)>,
}

impl<'t> Reader<'t, '_> {
    fn peek(&self) -> Option<Token<'t>> {
        self.tokens.get(self.at).copied()
    }

    fn eat(&mut self, kind: TokenKind) -> Option<Token<'t>> {
        let token = self.peek().filter(|token| token.kind == kind)?;
        self.at += 1;
        Some(token)
    }

    fn skip(&mut self, kinds: &[TokenKind]) {
        while self.peek().is_some_and(|token| kinds.contains(&token.kind)) {
            self.at += 1;
        }
    }

    /// Up to the `}`, or the end of the text.
    fn block(&mut self, inside: bool) -> Block<'t> {
        let mut block = Block { one_line: inside && self.closes_on_this_line(), ..Block::default() };
        if inside {
            self.skip(&[TokenKind::Blank]);
            block.opening = self.eat(TokenKind::LineComment).map(|token| self.comment(token, true));
        }
        let mut newlines = 0;
        while let Some(token) = self.peek() {
            let blank = newlines > 1;
            match token.kind {
                TokenKind::Close if inside => break,
                TokenKind::Newline => newlines += 1,
                TokenKind::LineComment => {
                    let comment = Some(self.comment(token, false));
                    block.lines.push(Line { blank, node: None, comment });
                    newlines = 0;
                }
                TokenKind::BlockComment if self.stands_alone() => {
                    let texts = self.between(false);
                    block.lines.extend(alone(texts, blank));
                    newlines = 0;
                    continue;
                }
                TokenKind::Continuation => {
                    let texts: Vec<&str> = comments_of(token.text).into_iter().map(|inside| inside.text).collect();
                    newlines = if texts.is_empty() { newlines + 1 } else { 1 };
                    block.lines.extend(alone(texts, blank));
                }
                TokenKind::Slashdash | TokenKind::Word | TokenKind::BlockComment => {
                    self.node(blank, &mut block.lines);
                    newlines = 0;
                    continue;
                }
                TokenKind::Blank | TokenKind::Semicolon | TokenKind::Close | TokenKind::Open | TokenKind::Equals => {}
            }
            self.at += 1;
        }
        block
    }

    /// Whether the block that was just opened is closed before its line ends.
    fn closes_on_this_line(&self) -> bool {
        let mut deep = 1;
        for token in &self.tokens[self.at..] {
            match token.kind {
                TokenKind::Open => deep += 1,
                TokenKind::Close => deep -= 1,
                TokenKind::Newline | TokenKind::LineComment | TokenKind::Continuation => return false,
                _ if token.text.contains('\n') => return false,
                _ => {}
            }
            if deep == 0 {
                return true;
            }
        }
        false
    }

    /// Whether nothing but comments stands between this comment and the end of its line.
    fn stands_alone(&self) -> bool {
        let mut rest = self.tokens[self.at..].iter().map(|token| token.kind);
        let next = rest.find(|kind| !matches!(kind, TokenKind::BlockComment | TokenKind::Blank));
        matches!(next, None | Some(TokenKind::Newline | TokenKind::Close | TokenKind::LineComment))
    }

    /// A node with what stands behind it on its line. Comments that can't stay inside of it go before it.
    fn node(&mut self, mut blank: bool, lines: &mut Vec<Line<'t>>) {
        let mut pieces = Vec::new();
        while let Some(token) = self.peek() {
            match token.kind {
                TokenKind::Blank => self.at += 1,
                TokenKind::BlockComment => {
                    self.at += 1;
                    pieces.push(Piece::Comment(token.text));
                }
                TokenKind::Continuation => {
                    self.at += 1;
                    self.line_break(token, &mut pieces);
                }
                TokenKind::Slashdash => {
                    self.at += 1;
                    let texts = self.between(true);
                    let before = lines.len();
                    lines.extend(alone(texts, blank));
                    blank &= lines.len() == before;
                    if self.eat(TokenKind::Open).is_some() {
                        let block = self.closed();
                        pieces.push(Piece::Block(block, true));
                    } else {
                        self.entry("/-", &mut pieces);
                    }
                }
                TokenKind::Word => self.entry("", &mut pieces),
                TokenKind::Open => {
                    self.at += 1;
                    let block = self.closed();
                    pieces.push(Piece::Block(block, false));
                }
                _ => break,
            }
        }
        needed_breaks(&mut pieces);
        if self.eat(TokenKind::Semicolon).is_some() {
            self.skip(&[TokenKind::Blank]);
        }
        let comment = self.eat(TokenKind::LineComment).map(|token| self.comment(token, true));
        lines.push(Line { blank, node: Some(pieces), comment });
    }

    fn closed(&mut self) -> Block<'t> {
        let block = self.block(true);
        self.eat(TokenKind::Close);
        block
    }

    /// The comments up to something else; on this line alone, or also on those that follow.
    fn between(&mut self, lines: bool) -> Vec<&'t str> {
        let mut comments = Vec::new();
        while let Some(token) = self.peek() {
            match token.kind {
                TokenKind::Blank => {}
                TokenKind::Newline if lines => {}
                TokenKind::Continuation if lines => {
                    comments.extend(comments_of(token.text).into_iter().map(|inside| inside.text.trim_end()));
                }
                kind if is_comment(kind) => comments.push(token.text.trim_end()),
                _ => break,
            }
            self.at += 1;
        }
        comments
    }

    /// A name, a value, or both with their `=`.
    fn entry(&mut self, before: &str, pieces: &mut Vec<Piece<'t>>) {
        let Some(word) = self.eat(TokenKind::Word) else { return };
        let mut text = format!("{before}{}", unix(word.text));
        let (behind, mut comments) = (self.at, Vec::new());
        self.around_equals(&mut comments);
        if self.eat(TokenKind::Equals).is_some() {
            self.around_equals(&mut comments);
            let value = self.eat(TokenKind::Word).map_or("", |value| value.text);
            text = format!("{text}={}", unix(value));
        } else {
            self.at = behind;
            comments.clear();
        }
        pieces.push(Piece::Entry(text));
        pieces.append(&mut comments);
    }

    /// What stands beside a `=`; its comments go behind the value.
    fn around_equals(&mut self, comments: &mut Vec<Piece<'t>>) {
        while let Some(token) = self.peek() {
            match token.kind {
                TokenKind::Blank => {}
                TokenKind::BlockComment => comments.push(Piece::Comment(token.text)),
                TokenKind::Continuation if comments_of(token.text).is_empty() => {}
                TokenKind::Continuation => self.line_break(token, comments),
                _ => break,
            }
            self.at += 1;
        }
    }

    /// A continued line: its block comments stay before the `\`, the other one behind it.
    fn line_break(&self, token: Token<'t>, pieces: &mut Vec<Piece<'t>>) {
        let mut last = None;
        for inside in comments_of(token.text) {
            if inside.kind == TokenKind::BlockComment {
                pieces.push(Piece::Comment(inside.text));
            } else {
                let (_, column) = self.place(token.at + inside.at);
                last = Some(Comment { text: inside.text.trim_end(), column, goes_on: false });
            }
        }
        pieces.push(Piece::Break(last));
    }

    /// A comment, behind something or alone on its line.
    fn comment(&mut self, token: Token<'t>, behind: bool) -> Comment<'t> {
        let (line, column) = self.place(token.at);
        let above = self.last_comment == Some((line.wrapping_sub(1), column));
        let goes_on = !behind && above && token.kind == TokenKind::LineComment;
        if behind || goes_on {
            self.last_comment = Some((line, column));
        }
        Comment { text: token.text.trim_end(), column, goes_on }
    }

    /// The number of the line of a place, and the characters before it on that line.
    fn place(&self, at: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= at).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        (line, self.text[start..at].chars().count())
    }
}

/// Takes out the breaks that nothing follows on the next line, and those before a block, which has to follow at once.
fn needed_breaks(pieces: &mut Vec<Piece<'_>>) {
    let mut kept: Vec<Piece<'_>> = Vec::with_capacity(pieces.len());
    for piece in pieces.drain(..).rev() {
        let useless = matches!(kept.last(), None | Some(Piece::Block(..) | Piece::Break(_)));
        if !(useless && matches!(piece, Piece::Break(None))) {
            kept.push(piece);
        }
    }
    kept.reverse();
    *pieces = kept;
}

/// Comments that stand alone on their lines.
fn alone(texts: Vec<&str>, mut blank: bool) -> impl Iterator<Item = Line<'_>> {
    texts.into_iter().map(move |text| {
        let comment = Some(Comment { text, column: 0, goes_on: false });
        Line { blank: std::mem::take(&mut blank), node: None, comment }
    })
}

/// Line ends as we write them.
fn unix(text: &str) -> String {
    text.replace("\r\n", "\n")
}
