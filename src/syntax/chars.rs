//! KDL's tables of characters, and what may stand between the parts of a node.

use super::{DEEPEST_COMMENT, Mistake, Scan};

pub(super) fn is_newline(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{b}' | '\u{c}' | '\u{2028}' | '\u{2029}')
}

pub(super) fn is_blank(c: char) -> bool {
    matches!(c, '\t' | ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

/// Characters that KDL forbids everywhere: controls, and those that turn the direction of writing.
pub fn is_forbidden(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Characters of a word without quotes.
pub(super) fn is_word(c: char) -> bool {
    let taken = matches!(c, '\\' | '/' | '(' | ')' | '{' | '}' | '[' | ']' | ';' | '"' | '#' | '=');
    !taken && !is_newline(c) && !is_blank(c) && !is_forbidden(c)
}

impl Scan<'_> {
    /// Bytes up to the next blank, line end, brace or `;`: what somebody would call the word here.
    pub(super) fn word_len(&self) -> usize {
        let ends = |c: char| is_blank(c) || is_newline(c) || matches!(c, ';' | '{' | '}' | '"' | '=');
        self.rest().find(ends).unwrap_or(self.rest().len())
    }

    /// Blanks, block comments and continued lines. The result is whether there was anything.
    pub(super) fn blanks(&mut self) -> Result<bool, Mistake> {
        let start = self.at;
        loop {
            let rest = self.rest();
            match self.peek() {
                Some(c) if is_blank(c) => self.at += c.len_utf8(),
                Some('/') if rest.starts_with("/*") => self.comment()?,
                Some('\\') => self.continued()?,
                _ => return Ok(self.at > start),
            }
        }
    }

    /// Everything that may stand between nodes: lines, blanks and comments.
    pub(super) fn lines(&mut self) -> Result<(), Mistake> {
        loop {
            self.blanks()?;
            match self.peek() {
                Some(c) if is_newline(c) => {
                    self.at += c.len_utf8();
                    self.fresh = Some(self.at);
                }
                Some('/') if self.rest().starts_with("//") => self.line_comment()?,
                _ => return Ok(()),
            }
        }
    }

    pub(super) fn line_comment(&mut self) -> Result<(), Mistake> {
        while let Some(c) = self.peek().filter(|c| !is_newline(*c)) {
            if is_forbidden(c) {
                return Err(self.forbidden(c));
            }
            self.at += c.len_utf8();
        }
        Ok(())
    }

    pub(super) fn forbidden(&self, c: char) -> Mistake {
        let message = format!("the character U+{:04X} may not stand in a KDL file", u32::from(c));
        Mistake::new(self.at, c.len_utf8(), message).help("remove it; in a string it can be written as \\u{…}")
    }

    pub(super) fn comment(&mut self) -> Result<(), Mistake> {
        let start = self.at;
        let mut deep = 0;
        loop {
            if self.eat("/*") {
                deep += 1;
                if deep > DEEPEST_COMMENT {
                    let message = format!("comments are nested deeper than {DEEPEST_COMMENT}");
                    return Err(Mistake::limit(start, 2, message).help("remove the inner ones"));
                }
            } else if self.eat("*/") {
                deep -= 1;
                if deep == 0 {
                    return Ok(());
                }
            } else {
                match self.peek() {
                    Some(c) if is_forbidden(c) => return Err(self.forbidden(c)),
                    Some(c) => self.at += c.len_utf8(),
                    None => {
                        self.at = self.text.len();
                        let mistake = Mistake::new(start, 2, "this comment is never closed").label("opened here");
                        return Err(mistake.help("add `*/`; comments nest, so each `/*` needs its own"));
                    }
                }
            }
        }
    }

    /// A `\` at the end of a line, with a comment behind it at most.
    pub(super) fn continued(&mut self) -> Result<(), Mistake> {
        let start = self.at;
        self.at += 1;
        while let Some(c) = self.peek() {
            if is_blank(c) {
                self.at += c.len_utf8();
            } else if self.rest().starts_with("/*") {
                self.comment()?;
            } else {
                break;
            }
        }
        if self.rest().starts_with("//") {
            self.line_comment()?;
        }
        match self.peek() {
            Some('\r') if self.rest().starts_with("\r\n") => self.at += 2,
            Some(c) if is_newline(c) => self.at += c.len_utf8(),
            None => {}
            Some(_) => {
                let mistake = Mistake::new(start, 1, "a `\\` outside of quotes continues a line, and this one goes on");
                return Err(mistake.help("put what it belongs to in quotes, or break the line behind it"));
            }
        }
        Ok(())
    }
}
