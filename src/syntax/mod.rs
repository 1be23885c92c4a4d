//! Text → KDL: bounded, without recursion on hostile text, and with every mistake in our own words.
//!
//! The parser recovers from mistakes by recursion, and backtracks in what is commented out with `/-`, so a hostile
//! text could overflow its stack or take it hours. A scan reads the text once, without recursion, and reports what is
//! not KDL; only a text without a mistake goes to the parser.

mod chars;
mod strings;
#[cfg(test)]
mod tests;
mod tokens;
mod words;

pub use chars::is_forbidden;
pub use tokens::{Token, TokenKind, tokens};

use crate::diag::{Code, Diag, SourceId, Span};
use kdl::KdlDocument;

/// Blocks in blocks. A real file has four or five.
const DEEPEST_BLOCK: usize = 64;
/// Block comments in block comments.
const DEEPEST_COMMENT: usize = 16;
/// `/-` inside of what is commented out by `/-`; the parser's work doubles with each.
const DEEPEST_SLASHDASH: usize = 3;
/// Nodes, arguments and properties of one file: each takes the parser some hundred bytes.
const MOST_PARTS: usize = 200_000;
/// Bytes of a line; reports show whole lines.
const LONGEST_LINE: usize = 16 * 1024;
/// Mistakes in the syntax that are worth showing: the first is usually the cause of the rest.
const MOST_MISTAKES: usize = 10;

/// Parses a text. `name` is what reports call it. `code` is what a text that is not KDL is reported as; with
/// [`Code::Syntax`], what is beyond a limit is [`Code::Unreadable`].
///
/// # Errors
/// Everything that is wrong, by its place; the first is usually the cause of the rest.
pub fn parse(name: &str, text: &str, source: SourceId, code: Code) -> Result<KdlDocument, Vec<Diag>> {
    let found = check(name, text, source, code);
    if !found.is_empty() {
        return Err(found);
    }
    // The scan and the parser may not be of one mind: then the parser's own words are better than none.
    KdlDocument::parse_v2(text).map_err(|error| {
        let report = |bad: kdl::KdlDiagnostic| {
            let start = bad.span.offset().min(text.len());
            let span = Span { source, start, len: bad.span.len().min(text.len() - start) };
            let message = bad.message.unwrap_or_else(|| "this is not KDL".to_owned());
            let diag = Diag::at(code, span, message).label(bad.label.unwrap_or_default());
            match bad.help {
                Some(help) => diag.help(help),
                None => diag,
            }
        };
        error.diagnostics.into_iter().take(MOST_MISTAKES).map(report).collect()
    })
}

/// What is wrong with a text.
fn check(name: &str, text: &str, source: SourceId, code: Code) -> Vec<Diag> {
    if let Some(line) = text.split('\n').position(|line| line.len() > LONGEST_LINE) {
        let message = format!("line {} of `{name}` has more than {LONGEST_LINE} bytes", line + 1);
        let help = "break it into several lines, or into a file of its own";
        let code = if code == Code::Syntax { Code::Unreadable } else { code };
        return vec![Diag::nowhere(code, message).help(help)];
    }
    let mut scan = Scan::new(text);
    if scan.text.starts_with('\u{feff}') {
        scan.at = '\u{feff}'.len_utf8();
    }
    // An error ends the scan at once; mistakes that it can go on after are collected.
    if let Err(last) = scan.nodes() {
        scan.found.push(last);
    }
    scan.found.sort_by_key(|mistake| mistake.at);
    let report = |mistake: Mistake| {
        let span = Span { source, start: mistake.at, len: mistake.len };
        let code = if code == Code::Syntax { mistake.code } else { code };
        let diag = Diag::at(code, span, mistake.message).label(mistake.label);
        if mistake.help.is_empty() { diag } else { diag.help(mistake.help) }
    };
    scan.found.into_iter().take(MOST_MISTAKES).map(report).collect()
}

/// Something that is not KDL, or beyond a limit.
#[derive(Debug)]
struct Mistake {
    code: Code,
    at: usize,
    len: usize,
    message: String,
    label: String,
    help: String,
}

impl Mistake {
    fn new(at: usize, len: usize, message: impl Into<String>) -> Self {
        let label = "not expected here".to_owned();
        Self { code: Code::Syntax, at, len, message: message.into(), label, help: String::new() }
    }

    fn label(self, label: impl Into<String>) -> Self {
        Self { label: label.into(), ..self }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: help.into(), ..self }
    }

    fn limit(at: usize, len: usize, message: impl Into<String>) -> Self {
        Self { code: Code::Unreadable, ..Self::new(at, len, message) }
    }
}

/// An open block.
#[derive(Debug)]
struct Block {
    at: usize,
    /// The indentation of its line.
    indent: usize,
    /// It, or the node that it belongs to, is commented out.
    slashed: bool,
    /// It alone is commented out, so the node's own block may follow.
    aside: bool,
}

#[derive(Debug)]
struct Scan<'t> {
    text: &'t str,
    at: usize,
    blocks: Vec<Block>,
    /// How many of the open blocks, and of the nodes that they belong to, are commented out.
    slashed: usize,
    parts: usize,
    found: Vec<Mistake>,
    /// The first block whose `}` stands at another indentation, and that `}`.
    suspect: Option<(usize, usize)>,
    /// Where the line began on which nothing stands so far.
    fresh: Option<usize>,
    /// The indentation of the line that the scan is on.
    indent: usize,
}

impl<'t> Scan<'t> {
    fn new(text: &'t str) -> Self {
        let (blocks, found) = (Vec::new(), Vec::new());
        Scan { text, at: 0, blocks, slashed: 0, parts: 0, found, suspect: None, fresh: Some(0), indent: 0 }
    }
}

impl Scan<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn eat(&mut self, wanted: &str) -> bool {
        let there = self.rest().starts_with(wanted);
        if there {
            self.at += wanted.len();
        }
        there
    }

    fn skip_char(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    /// Everything, from the top of the file. Only what can't be gone on after is an error.
    fn nodes(&mut self) -> Result<(), Mistake> {
        loop {
            self.lines()?;
            let Some(next) = self.peek() else { break };
            let first = self.fresh.is_some();
            if let Some(line) = self.fresh.take() {
                self.indent = self.at.saturating_sub(line);
            }
            if self.found.len() >= MOST_MISTAKES {
                return Ok(());
            }
            let result = match next {
                '}' => self.close(first),
                ';' => Err(Mistake::new(self.at, 1, "this `;` ends nothing").help("remove it")),
                '{' => {
                    self.found.push(self.nameless());
                    self.open(false, false)
                }
                _ => self.node(),
            };
            if let Err(mistake) = result {
                if mistake.code == Code::Unreadable || self.found.len() + 1 >= MOST_MISTAKES {
                    return Err(mistake);
                }
                self.found.push(mistake);
                self.recover();
            }
        }
        // Behind another mistake, such as a string without an end, it need not be a mistake of its own.
        let Some(block) = self.blocks.last().filter(|_| self.found.is_empty()) else { return Ok(()) };
        let mistake = |at: usize| Mistake::new(at, 1, "this block is never closed").label("opened here");
        Err(match self.suspect {
            // The `}` that was missed is where the indentation goes wrong first.
            Some((opened, closed)) => {
                let line = self.text[..closed].matches('\n').count() + 1;
                mistake(opened)
                    .help(format!("add the missing `}}`; the next one, on line {line}, is indented for another block"))
            }
            None => mistake(block.at).help("add the missing `}`"),
        })
    }

    /// A node up to its end or the `{` of its block.
    fn node(&mut self) -> Result<(), Mistake> {
        let slashed = self.eat("/-");
        if slashed {
            self.lines()?;
        }
        self.part()?;
        let start = self.at;
        if self.peek().is_some_and(|c| self.begins_number(c)) {
            let len = self.word_len();
            let word = &self.text[start..start + len];
            return Err(Mistake::new(start, len, format!("`{word}` can't be a node's name"))
                .label("a name does not begin with a digit")
                .help(format!("put it in quotes: \"{word}\"")));
        }
        self.string("a name")?;
        self.ends_well(start, false)?;
        self.entries(slashed)
    }

    /// Arguments and properties, then the end of the node or its block.
    fn entries(&mut self, slashed: bool) -> Result<(), Mistake> {
        loop {
            let spaced = self.blanks()?;
            if self.rest().starts_with("/-") {
                self.at += 2;
                self.lines()?;
                if self.peek() == Some('{') {
                    return self.open(true, true);
                }
                self.part()?;
                self.entry()?;
                continue;
            }
            match self.peek() {
                None | Some('}') => return Ok(()),
                Some(';') if slashed => return Err(self.behind_slashdash()),
                Some(';') => {
                    self.at += 1;
                    return Ok(());
                }
                Some('{') => return self.open(slashed, false),
                Some(c) if chars::is_newline(c) => return Ok(()),
                Some('/') if self.rest().starts_with("//") => return Ok(()),
                Some(_) if !spaced => {
                    return Err(Mistake::new(self.at, self.word_len().max(1), "a blank is missing before this"));
                }
                Some(_) => {
                    self.part()?;
                    self.entry()?;
                }
            }
        }
    }

    /// An argument or a property.
    fn entry(&mut self) -> Result<(), Mistake> {
        let start = self.at;
        if self.value()? {
            let key_end = self.at;
            let _ = self.blanks()?;
            if self.eat("=") {
                let _ = self.blanks()?;
                let value = self.at;
                if self.peek().is_none_or(|c| chars::is_newline(c) || matches!(c, ';' | '}' | '{')) {
                    let key = &self.text[start..key_end];
                    return Err(Mistake::new(start, self.at - start, format!("{key}= has no value"))
                        .help("write the value behind the `=`"));
                }
                self.value()?;
                return self.ends_well(value, false);
            }
            self.at = key_end;
        }
        self.ends_well(start, true)
    }

    /// The parser does not take it, though the language would.
    fn behind_slashdash(&self) -> Mistake {
        Mistake::new(self.at, 1, "a `;` can't follow what `/-` takes out").help("end it with a new line")
    }

    /// Opens a block.
    fn open(&mut self, slashed: bool, aside: bool) -> Result<(), Mistake> {
        if self.blocks.len() >= DEEPEST_BLOCK {
            return Err(Mistake::limit(self.at, 1, format!("blocks are nested deeper than {DEEPEST_BLOCK}"))
                .label("one too deep")
                .help("no file needs that: is a `}` missing further up?"));
        }
        self.slashed += usize::from(slashed);
        if self.slashed > DEEPEST_SLASHDASH {
            return Err(Mistake::limit(self.at, 1, format!("`/-` inside of `/-`, more than {DEEPEST_SLASHDASH} deep"))
                .help("the outermost `/-` is enough: remove the others"));
        }
        self.blocks.push(Block { at: self.at, indent: self.indent, slashed, aside });
        self.at += 1;
        Ok(())
    }

    /// Closes a block; what may follow on its line is little.
    fn close(&mut self, first: bool) -> Result<(), Mistake> {
        let Some(block) = self.blocks.pop() else {
            return Err(Mistake::new(self.at, 1, "this `}` closes nothing")
                .label("no block is open here")
                .help("remove it, or look further up for a block that was closed too early"));
        };
        self.slashed -= usize::from(block.slashed);
        if self.suspect.is_none() && first && block.indent != self.indent {
            self.suspect = Some((block.at, self.at));
        }
        self.at += 1;
        let _ = self.blanks()?;
        if self.rest().starts_with("/-") {
            let start = self.at;
            self.at += 2;
            self.lines()?;
            if self.peek() == Some('{') {
                return self.open(true, true);
            }
            self.at = start;
        }
        match self.peek() {
            None | Some('}') => Ok(()),
            Some('{') if block.aside => self.open(false, false),
            Some(';') if block.slashed && !block.aside => Err(self.behind_slashdash()),
            Some(';') => {
                self.at += 1;
                Ok(())
            }
            Some(c) if chars::is_newline(c) => Ok(()),
            Some('/') if self.rest().starts_with("//") => Ok(()),
            Some(_) => Err(Mistake::new(self.at, self.word_len().max(1), "a node ends with its block")
                .label("one too many")
                .help("begin a new line, or write a `;` after the `}`")),
        }
    }

    /// Counts a node, argument or property.
    fn part(&mut self) -> Result<(), Mistake> {
        self.parts += 1;
        if self.parts > MOST_PARTS {
            let help = "one file declares one cluster; no cluster needs that much";
            return Err(Mistake::limit(self.at, 0, format!("more than {MOST_PARTS} nodes and values")).help(help));
        }
        if self.peek() == Some('(') {
            let len = self.rest().find(')').map_or(1, |end| (end + 1).min(80));
            let len = (1..=len).rev().find(|len| self.rest().is_char_boundary(*len)).unwrap_or(1);
            return Err(Mistake::new(self.at, len, "type annotations mean nothing here")
                .label("not expected here")
                .help(format!("remove `{}`", &self.text[self.at..self.at + len])));
        }
        Ok(())
    }

    /// Goes on behind a mistake: at the next line, or at a brace.
    fn recover(&mut self) {
        self.skip_char();
        while let Some(c) = self.peek() {
            match c {
                '}' => return,
                '{' => {
                    // A mistake before a block: its inside is looked at all the same.
                    if self.open(false, false).is_err() {
                        self.at = self.text.len();
                    }
                    return;
                }
                ';' => {
                    self.at += 1;
                    return;
                }
                '"' | '#' => {
                    if self.value().is_err() {
                        self.skip_char();
                    }
                }
                c if chars::is_newline(c) => return,
                _ => self.skip_char(),
            }
        }
    }
}
