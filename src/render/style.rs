//! What a piece of text means, and how a terminal shows that.

/// What a piece of text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// A heading or a name to find again.
    Strong,
    /// Something new.
    Added,
    /// Something that goes away.
    Removed,
    /// Something that changes.
    Changed,
    /// Something that stands in the way.
    Bad,
    /// Beside the point.
    Quiet,
}

/// Whether there is colour.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) colour: bool,
}

impl Style {
    /// The text in its tone; without colour the text alone.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Strong => "1",
            Tone::Added => "32",
            Tone::Removed => "31",
            Tone::Changed => "33",
            Tone::Bad => "1;31",
            Tone::Quiet => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Text broken into lines of at most `width` columns at blanks, all but the first indented by `indent`; `first` columns
/// of the first line are taken already. A word that is longer than a line stays whole.
pub(super) fn wrapped(text: &str, first: usize, indent: usize, width: usize) -> String {
    let mut result = String::new();
    let mut column = first;
    for (index, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if index > 0 && column + 1 + length > width && column > indent {
            result.push('\n');
            result.push_str(&" ".repeat(indent));
            column = indent;
        } else if index > 0 {
            result.push(' ');
            column += 1;
        }
        result.push_str(word);
        column += length;
    }
    result
}
