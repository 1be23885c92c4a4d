//! Strings: words, quoted, raw, and of several lines.

use super::chars::{is_blank, is_forbidden, is_newline};
use super::{Mistake, Scan};

impl Scan<'_> {
    /// A string of any kind. `what` says what was expected, for a report that there is none.
    pub(super) fn string(&mut self, what: &str) -> Result<(), Mistake> {
        match self.peek() {
            Some('"') if self.rest().starts_with("\"\"\"") => self.many_lines(""),
            Some('"') => self.quoted(),
            Some('#') => {
                let hashes = self.rest().len() - self.rest().trim_start_matches('#').len();
                let hashes = self.rest()[..hashes].to_owned();
                let quotes = &self.rest()[hashes.len()..];
                if quotes.starts_with("\"\"\"") && quotes[3..].starts_with(is_newline) {
                    self.many_lines(&hashes)
                } else if quotes.starts_with('"') {
                    self.raw(&hashes)
                } else {
                    let message = format!("expected {what}, found `{hashes}`");
                    let mistake = Mistake::new(self.at, hashes.len(), message).label(format!("expected {what}"));
                    Err(mistake.help("for a comment, write `//` instead"))
                }
            }
            _ => self.bare(what),
        }
    }

    fn quoted(&mut self) -> Result<(), Mistake> {
        let start = self.at;
        self.at += 1;
        while let Some(c) = self.peek() {
            match c {
                '"' => {
                    self.at += 1;
                    return Ok(());
                }
                '\\' => self.escape(),
                c if is_newline(c) => break,
                c => self.inside(c),
            }
        }
        Err(self.unclosed(start, "\""))
    }

    /// A character of a string. One that is forbidden is reported, and the string goes on.
    fn inside(&mut self, c: char) {
        if is_forbidden(c) {
            let mistake = self.forbidden(c);
            self.found.push(mistake);
        }
        self.at += c.len_utf8();
    }

    fn unclosed(&self, start: usize, quote: &str) -> Mistake {
        Mistake::new(start, self.at - start, "this string has no end on its line")
            .label("opened here")
            .help(format!("close it with `{quote}`; a string of several lines begins and ends with `\"\"\"`"))
    }

    fn escape(&mut self) {
        let start = self.at;
        self.at += 1;
        // The string goes on behind it, so the scan does too.
        let bad = |scan: &mut Self| {
            let word: String = scan.text[start..].chars().take(2).collect();
            let mistake = Mistake::new(start, word.len(), format!("`{word}` is not an escape"))
                .label("not an escape")
                .help("there are \\n \\t \\r \\s \\b \\f \\\" \\\\ and \\u{…}; write `\\\\` for a backslash, or a raw string #\"…\"#");
            scan.found.push(mistake);
        };
        match self.peek() {
            Some('\\' | '"' | 'b' | 'f' | 'n' | 'r' | 't' | 's') => self.at += 1,
            Some('u') => {
                let near: String = self.rest().chars().take(9).collect();
                let digits = near.strip_prefix("u{").and_then(|rest| rest.split_once('}')).map(|(hex, _)| hex);
                let good = |hex: &&str| {
                    (1..=6).contains(&hex.len())
                        && u32::from_str_radix(hex, 16).ok().and_then(char::from_u32).is_some()
                        && hex.bytes().all(|b| b.is_ascii_hexdigit())
                };
                match digits.filter(good) {
                    Some(hex) => self.at += hex.len() + 3,
                    None => bad(self),
                }
            }
            Some(c) if is_blank(c) || is_newline(c) => {
                while let Some(c) = self.peek().filter(|c| is_blank(*c) || is_newline(*c)) {
                    self.at += c.len_utf8();
                }
            }
            _ => bad(self),
        }
    }

    fn raw(&mut self, hashes: &str) -> Result<(), Mistake> {
        let start = self.at;
        self.at += hashes.len() + 1;
        let end = format!("\"{hashes}");
        while let Some(c) = self.peek().filter(|c| !is_newline(*c)) {
            if self.eat(&end) {
                return Ok(());
            }
            self.inside(c);
        }
        Err(self.unclosed(start, &end))
    }

    /// A string of several lines, raw when there are hashes: every line begins with the blanks of the last one.
    fn many_lines(&mut self, hashes: &str) -> Result<(), Mistake> {
        let start = self.at;
        let end = format!("\"\"\"{hashes}");
        self.at += end.len();
        if !self.peek().is_some_and(is_newline) {
            let mistake = Mistake::new(start, end.len(), "after `\"\"\"` the text begins on the next line");
            let mistake = mistake.label("expected the end of the line after it");
            return Err(mistake.help("break the line behind the quotes, or write \"…\" for a text of one line"));
        }
        let mut lines: Vec<(usize, usize)> = Vec::new();
        loop {
            let c = self.peek();
            match c {
                Some('\r') if self.rest().starts_with("\r\n") => self.at += 2,
                Some(c) if is_newline(c) => self.at += c.len_utf8(),
                _ => {
                    self.at = self.text.len();
                    let mistake = Mistake::new(start, end.len(), "this string of several lines is never closed");
                    return Err(mistake.label("opened here").help(format!("add `{end}` on a line of its own")));
                }
            }
            let line = self.at;
            while self.peek().is_some_and(is_blank) {
                self.skip_char();
            }
            let indent = self.at - line;
            if self.eat(&end) {
                let prefix = &self.text[line..line + indent];
                return self.indented(&lines, prefix);
            }
            self.one_line(hashes.is_empty(), &end)?;
            lines.push((line, self.at));
        }
    }

    /// A line inside of a string of several lines.
    fn one_line(&mut self, escapes: bool, end: &str) -> Result<(), Mistake> {
        while let Some(c) = self.peek().filter(|c| !is_newline(*c)) {
            if self.rest().starts_with(end) {
                let mistake = Mistake::new(self.at, end.len(), format!("`{end}` stands on a line of its own"));
                return Err(mistake.help("break the line before it"));
            }
            match c {
                '\\' if escapes => {
                    let before = self.at;
                    self.escape();
                    if self.text[before..self.at].contains(is_newline) {
                        let mistake = Mistake::new(before, 1, "a line of such a string can't be continued with `\\`");
                        return Err(mistake.help("write it as one line, or use several strings"));
                    }
                }
                c => self.inside(c),
            }
        }
        Ok(())
    }

    fn indented(&self, lines: &[(usize, usize)], prefix: &str) -> Result<(), Mistake> {
        for (start, end) in lines {
            let line = &self.text[*start..*end];
            if !line.starts_with(prefix) && !line.chars().all(is_blank) {
                let mistake = Mistake::new(*start, line.len(), "this line is indented less than the closing quotes");
                let mistake = mistake.label("expected more blanks before it");
                return Err(mistake.help("begin every line with the blanks that stand before the closing `\"\"\"`"));
            }
        }
        Ok(())
    }
}
