//! A text as tokens, for the formatter: everything that stands in it, comments and blanks included.

use super::Scan;
use super::chars::{is_blank, is_newline};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A name, a value, or the name of a property.
    Word,
    /// `=`
    Equals,
    /// `/-`
    Slashdash,
    /// `{`
    Open,
    /// `}`
    Close,
    /// `;`
    Semicolon,
    /// The end of a line.
    Newline,
    /// `// …` without the end of its line.
    LineComment,
    /// `/* … */`
    BlockComment,
    /// `\`, what follows it on its line, and the end of the line.
    Continuation,
    /// Blanks, or the mark that a file may begin with.
    Blank,
}

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'t> {
    /// What it is.
    pub kind: TokenKind,
    /// Its first byte in the text.
    pub at: usize,
    /// The text itself.
    pub text: &'t str,
}

/// The tokens of a text in their order; together they are the text. `None` when it is no KDL: [`super::parse`] says why.
pub fn tokens(text: &str) -> Option<Vec<Token<'_>>> {
    let mut scan = Scan::new(text);
    let mut found = Vec::new();
    while let Some(first) = scan.peek() {
        let at = scan.at;
        let kind = scan.token(first)?;
        if scan.at == at {
            return None;
        }
        found.push(Token { kind, at, text: &text[at..scan.at] });
    }
    Some(found)
}

impl Scan<'_> {
    fn token(&mut self, first: char) -> Option<TokenKind> {
        let single = match first {
            '=' => Some(TokenKind::Equals),
            '{' => Some(TokenKind::Open),
            '}' => Some(TokenKind::Close),
            ';' => Some(TokenKind::Semicolon),
            _ => None,
        };
        if single.is_some() {
            self.at += 1;
            return single;
        }
        if is_blank(first) || first == '\u{feff}' {
            while self.peek().is_some_and(|c| is_blank(c) || c == '\u{feff}') {
                self.skip_char();
            }
            return Some(TokenKind::Blank);
        }
        if is_newline(first) {
            if !self.eat("\r\n") {
                self.skip_char();
            }
            return Some(TokenKind::Newline);
        }
        if self.eat("/-") {
            return Some(TokenKind::Slashdash);
        }
        if self.rest().starts_with("//") {
            self.line_comment().ok()?;
            return Some(TokenKind::LineComment);
        }
        if self.rest().starts_with("/*") {
            self.comment().ok()?;
            return Some(TokenKind::BlockComment);
        }
        if first == '\\' {
            self.continued().ok()?;
            return Some(TokenKind::Continuation);
        }
        self.value().ok()?;
        self.found.is_empty().then_some(TokenKind::Word)
    }
}
