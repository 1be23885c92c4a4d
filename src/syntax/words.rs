//! Values: words, numbers, keywords.

use super::chars::{is_blank, is_newline, is_word};
use super::{Mistake, Scan};

/// Digits of a number: more would not fit the parser's integers.
const MOST_DIGITS: usize = 30;

impl Scan<'_> {
    /// A value. The result is whether it is a string, so that it could be a property's name.
    pub(super) fn value(&mut self) -> Result<bool, Mistake> {
        let start = self.at;
        match self.peek() {
            Some('#') if !self.is_raw_string() => self.keyword().map(|()| false),
            Some('"' | '#') => self.string("a value").map(|()| true),
            Some(c) if self.begins_number(c) => self.number(start).map(|()| false),
            _ => self.string("a value").map(|()| true),
        }
    }

    pub(super) fn begins_number(&self, c: char) -> bool {
        let second = self.rest().chars().nth(1);
        c.is_ascii_digit() || (matches!(c, '+' | '-') && second.is_some_and(|c| c.is_ascii_digit()))
    }

    fn is_raw_string(&self) -> bool {
        self.rest().trim_start_matches('#').starts_with('"')
    }

    fn keyword(&mut self) -> Result<(), Mistake> {
        let start = self.at;
        self.at += 1;
        let len = self.word_len();
        let word = &self.text[self.at..self.at + len];
        if ["true", "false", "null", "inf", "-inf", "nan"].contains(&word) {
            self.at += len;
            return Ok(());
        }
        let message = format!("`#{word}` is not a keyword");
        let help = "there are #true, #false, #null; a comment begins with `//`";
        Err(Mistake::new(start, len + 1, message).label("not a keyword").help(help))
    }

    fn number(&mut self, start: usize) -> Result<(), Mistake> {
        let word = &self.text[start..start + self.word_len()];
        if is_number(word) {
            self.at += word.len();
            return Ok(());
        }
        let quote = format!("put versions, addresses, times and sizes in quotes: \"{word}\"");
        let (message, help) = if word.len() > MOST_DIGITS && word.bytes().all(|b| b.is_ascii_digit() || b == b'_') {
            ("this number is too large".to_owned(), format!("a number has at most {MOST_DIGITS} digits"))
        } else {
            (format!("`{word}` needs quotes"), quote)
        };
        Err(Mistake::new(start, word.len(), message).label("neither a number nor in quotes").help(help))
    }

    /// A word without quotes.
    pub(super) fn bare(&mut self, what: &str) -> Result<(), Mistake> {
        let start = self.at;
        let len = self.rest().find(|c| !is_word(c)).unwrap_or(self.rest().len());
        let word = &self.text[start..start + len];
        if word.is_empty() {
            return Err(self.no_word(what));
        }
        if matches!(word, "true" | "false" | "null" | "inf" | "nan" | "-inf") {
            let help = "keywords have a `#`: #true, #false, #null; a text stands in quotes";
            return Err(Mistake::new(start, len, format!("`{word}` needs a `#` before it"))
                .label(format!("expected #{word}"))
                .help(help));
        }
        let digits = word.trim_start_matches(['+', '-']).trim_start_matches('.');
        if digits.len() < word.len() && word.contains('.') && digits.starts_with(|c: char| c.is_ascii_digit()) {
            let message = format!("`{word}` is neither a number nor a name");
            let label = "expected a digit before the point, or quotes";
            return Err(Mistake::new(start, len, message).label(label).help("write a number as 0.5"));
        }
        self.at += len;
        Ok(())
    }

    fn no_word(&self, what: &str) -> Mistake {
        let whole = self.word_len().max(self.peek().map_or(0, char::len_utf8));
        let word = &self.text[self.at..self.at + whole];
        let mistake = Mistake::new(self.at, whole, format!("expected {what}, found `{word}`"));
        let mistake = mistake.label(format!("expected {what}"));
        match self.peek() {
            Some(c @ ('[' | ']' | '/' | '\\' | '(' | ')')) => {
                mistake.help(format!("a `{c}` stands only in quotes or comments: \"{word}\""))
            }
            Some('=') => mistake.label("a `=` stands only within a property").help(self.without_equals()),
            Some(c) if super::chars::is_forbidden(c) => self.forbidden(c),
            _ => mistake,
        }
    }

    /// What was most likely meant by `heap = "1g"`.
    fn without_equals(&self) -> String {
        let ends = |c: char| is_blank(c) || is_newline(c) || matches!(c, ';' | '{' | '}');
        let before = self.text[..self.at].trim_end_matches(is_blank);
        let name = &before[before.rfind(ends).map_or(0, |at| at + 1)..];
        let after = self.rest()[1..].trim_start_matches(is_blank);
        let value = &after[..after.find(ends).unwrap_or(after.len())];
        let usable = |text: &str| !text.is_empty() && text.len() < 60 && !text.contains('=');
        let (name, value) = if usable(name) && usable(value) { (name, value) } else { ("heap", "\"1g\"") };
        format!("a value follows the name of its node without a `=`: {name} {value}")
    }

    /// A block that begins without a name before it: most often it stands a line too low.
    pub(super) fn nameless(&self) -> Mistake {
        let above = self.text[..self.at].trim_end();
        let line = above.rsplit(is_newline).next().unwrap_or_default().trim();
        let name = !line.is_empty() && line.len() < 60 && !line.ends_with(['{', '}', ';']) && !line.contains("//");
        let mistake = Mistake::new(self.at, 1, "this block has no name before it").label("expected a name before it");
        mistake.help(if name {
            format!("the `{{` stands on the line of its node: {line} {{")
        } else {
            "a block belongs to a node: name { … }".to_owned()
        })
    }

    /// What follows a value or a name must end it.
    pub(super) fn ends_well(&self, start: usize, may_be_name: bool) -> Result<(), Mistake> {
        let ends = match self.peek() {
            None => true,
            Some('=') => may_be_name,
            Some(c) => {
                is_blank(c)
                    || is_newline(c)
                    || matches!(c, ';' | '{' | '}' | '\\')
                    || self.rest().starts_with("//")
                    || self.rest().starts_with("/*")
            }
        };
        // A URL without quotes: its `//` is a comment, and what is left still looks like a word.
        let word = &self.text[start..self.at];
        if self.rest().starts_with("//") && word.ends_with(':') && !word.starts_with('"') {
            let len = self.at - start + self.rest().find(|c| is_newline(c) || is_blank(c)).unwrap_or(self.rest().len());
            let url = &self.text[start..start + len];
            return Err(Mistake::new(
                start,
                len,
                format!("`{word}` is all that is left of this URL: `//` begins a comment"),
            )
            .label("not in quotes")
            .help(format!("put it in quotes: \"{}\"", url.trim_end_matches([';', '}']))));
        }
        if ends {
            return Ok(());
        }
        let len = self.at - start + self.word_len().max(self.peek().map_or(0, char::len_utf8));
        let whole = &self.text[start..start + len];
        let mistake = Mistake::new(start, len, format!("`{whole}` needs quotes"));
        let line = self.text[start..].find(is_newline).map_or(self.text.len(), |end| start + end);
        let from = self.text[..start].rfind(is_newline).map_or(0, |end| end + 1);
        let quotes = self.text[from..line].replace("\\\"", "").matches('"').count();
        Err(if whole.contains('"') && quotes % 2 == 1 {
            Mistake::new(start, self.at - start, "a quote is missing on this line")
                .label("is this meant to be one text?")
                .help("every `\"` needs another one on its line; write `\\\"` for a quote inside of quotes")
        } else if whole.contains('"') {
            Mistake::new(self.at, 1, "a value ends here, and something follows at once")
                .label("a blank is missing")
                .help("write a blank between two values, and `\\\"` for a quote inside of quotes")
        } else if self.peek() == Some('=') {
            Mistake::new(start, len, "only a name can stand before a `=`")
                .label("expected a name")
                .help("put the name in quotes")
        } else {
            mistake.label("neither a plain word nor in quotes").help(format!("put it in quotes: \"{whole}\""))
        })
    }
}

/// Whether a word is a number as KDL writes it.
fn is_number(word: &str) -> bool {
    let bare = word.trim_start_matches(['+', '-']);
    if word.len() - bare.len() > 1 || bare.len() > MOST_DIGITS {
        return false;
    }
    let digits = |text: &str, base: u32| {
        text.starts_with(|c: char| c.is_digit(base)) && text.chars().all(|c| c.is_digit(base) || c == '_')
    };
    for (prefix, base) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(rest) = bare.strip_prefix(prefix) {
            return digits(rest, base);
        }
    }
    let (mantissa, exponent) = match bare.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (bare, None),
    };
    let fraction = match mantissa.split_once('.') {
        Some((whole, fraction)) => digits(whole, 10) && digits(fraction, 10),
        None => digits(mantissa, 10),
    };
    fraction && exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text), 10))
}
