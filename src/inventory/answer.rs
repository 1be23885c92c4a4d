//! The form of a host's answer: sections `[NAME …]` with lines, whole or not at all.

use super::printable;

/// Most bytes of an answer.
pub const ANSWER_LIMIT: usize = 16 * 1024 * 1024;
/// Longest line; what is long in an answer comes as many lines of hexadecimal bytes.
const LONGEST_LINE: usize = 16 * 1024;

/// Why an answer is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// Something else speaks there.
    #[error("the answer does not begin like one: {says}; does a login script of that user print something?")]
    NotOurs {
        /// How it begins, made safe.
        says: String,
    },
    /// The end is missing.
    #[error("the answer has no end: it was cut off after {bytes} bytes; run the same command again")]
    Unfinished {
        /// How much came.
        bytes: usize,
    },
    /// A line that can't be.
    #[error("the answer makes no sense in its part {section}: {says}")]
    Garbage {
        /// Which section.
        section: String,
        /// The line, made safe.
        says: String,
    },
    /// A record of ours on the host that is not what we write.
    #[error("{path} is damaged: look at it, then remove it or put it right")]
    BadRecord {
        /// Its path below the prefix.
        path: String,
    },
    /// The prefix is there and can't be entered.
    #[error("{prefix} is there but may not be entered: is it the folder of another user?")]
    Blocked {
        /// The prefix.
        prefix: String,
    },
}

/// One part of an answer.
#[derive(Debug)]
pub(super) struct Section<'a> {
    /// The words in its brackets.
    pub(super) name: &'a str,
    /// Its lines.
    pub(super) lines: Vec<&'a str>,
}

impl<'a> Section<'a> {
    /// What follows `word` in the name.
    pub(super) fn about(&self, word: &str) -> Option<&'a str> {
        self.name.strip_prefix(word)?.strip_prefix(' ')
    }

    /// An error that shows a line.
    pub(super) fn garbage(&self, line: &str) -> BadAnswer {
        BadAnswer::Garbage { section: printable(self.name, 40), says: printable(line, 120) }
    }

    /// The bytes that lines of hexadecimal numbers stand for.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, BadAnswer> {
        let mut bytes = Vec::new();
        for line in &self.lines {
            for word in line.split_ascii_whitespace() {
                let byte = (word.len() == 2).then(|| u8::from_str_radix(word, 16).ok()).flatten();
                bytes.push(byte.ok_or_else(|| self.garbage(line))?);
            }
        }
        Ok(bytes)
    }
}

/// Takes an answer apart.
pub(super) fn sections(answer: &[u8]) -> Result<Vec<Section<'_>>, BadAnswer> {
    let begin = |bytes: &[u8]| printable(&String::from_utf8_lossy(bytes.get(..200).unwrap_or(bytes)), 120);
    if !answer.starts_with(b"[observation 1]\n") {
        return Err(BadAnswer::NotOurs { says: begin(answer) });
    }
    if !answer.ends_with(b"\n[end]\n") {
        return Err(BadAnswer::Unfinished { bytes: answer.len() });
    }
    let mut sections: Vec<Section<'_>> = Vec::new();
    for line in answer.split(|byte| *byte == b'\n') {
        let section = sections.last().map_or("", |section| section.name);
        let garbage = || BadAnswer::Garbage { section: printable(section, 40), says: begin(line) };
        if line.len() > LONGEST_LINE {
            return Err(garbage());
        }
        let line = std::str::from_utf8(line).map_err(|_| garbage())?;
        match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(name) => sections.push(Section { name, lines: Vec::new() }),
            None if line.is_empty() => {}
            None => match sections.last_mut() {
                Some(section) => section.lines.push(line),
                None => return Err(garbage()),
            },
        }
    }
    let ends = sections.iter().filter(|section| section.name == "end").count();
    if ends == 1 { Ok(sections) } else { Err(BadAnswer::NotOurs { says: "more than one end".to_owned() }) }
}
