//! Places as people and other programs count them: lines and columns.

use super::{Diag, Sources, Span};
use miette::NamedSource;

/// A range of characters in a named text. Lines and columns count from 1, columns in characters; the end is behind the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The text's name: a path, as it was given.
    pub file: String,
    /// The first character's line.
    pub line: usize,
    /// The first character's column.
    pub column: usize,
    /// The line behind the last character.
    pub end_line: usize,
    /// The column behind the last character.
    pub end_column: usize,
}

impl Place {
    fn of(text: &NamedSource<String>, span: Span) -> Self {
        let at = |offset: usize| {
            let before = text.inner().get(..offset).unwrap_or(text.inner());
            let start = before.rfind('\n').map_or(0, |end| end + 1);
            let column = before.get(start..).unwrap_or_default().chars().count();
            (1 + before.matches('\n').count(), 1 + column)
        };
        let ((line, column), (end_line, end_column)) = (at(span.start), at(span.start + span.len));
        Self { file: text.name().to_owned(), line, column, end_line, end_column }
    }
}

impl Sources {
    /// Lines and columns of a span of one of the texts.
    pub fn place(&self, span: Span) -> Option<Place> {
        self.named(span.source).map(|text| Place::of(&text, span))
    }
}

impl Diag {
    /// Where it is. `None` when it has no place, or its texts are not attached ([`Diag::with_sources`]).
    pub fn place(&self) -> Option<Place> {
        self.span.zip(self.text.as_ref()).map(|(span, text)| Place::of(text, span))
    }
}

#[cfg(test)]
mod tests {
    use crate::diag::{Code, Diag, Place, Sources, Span};

    #[test]
    fn columns_count_characters_and_lines_begin_with_1() {
        let mut sources = Sources::new();
        let source = sources.add("a.kdl", "größe 1\nß bad\n".to_owned());
        let start = "größe 1\nß ".len();
        let diag = Diag::at(Code::Syntax, Span { source, start, len: 3 }, "no").with_sources(&sources);
        let (line, end_line) = (2, 2);
        assert_eq!(diag.place(), Some(Place { file: "a.kdl".to_owned(), line, column: 3, end_line, end_column: 6 }));
        assert_eq!(Diag::nowhere(Code::Syntax, "no").with_sources(&sources).place(), None);
    }
}
