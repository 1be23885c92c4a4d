//! Text from hosts and services, made safe to show.

use std::fmt::Write as _;

/// Text of unknown origin as one line that can't do anything to a terminal: control characters, line ends and
/// characters that change the direction or are invisible are escaped, and after `limit` characters it ends in `…`.
pub fn printable(text: &str, limit: usize) -> String {
    let mut line = String::with_capacity(text.len().min(limit));
    let mut length = 0;
    for c in text.trim_end().chars() {
        let before = line.len();
        match c {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if is_hidden(c) => _ = write!(line, "\\u{{{:x}}}", u32::from(c)),
            c => line.push(c),
        }
        length += line[before..].chars().count();
        if length > limit {
            line.truncate(before);
            line.push('…');
            break;
        }
    }
    line
}

/// Text of unknown origin as it is, but for what could do something to a terminal or can't be seen: each such character
/// is replaced by `\u{fffd}`. Line ends and tabs stay.
pub fn visible(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect()
}

/// Whether a terminal would not show the character as itself.
pub fn is_hidden(c: char) -> bool {
    let invisible = matches!(u32::from(c),
        0x00ad | 0x061c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfe00..=0xfe0f | 0xfeff
        | 0xfff9..=0xfffb | 0xe0000..=0xe0fff);
    c.is_control() || invisible
}

#[cfg(test)]
mod tests {
    use super::{printable, visible};

    #[test]
    fn what_could_move_a_cursor_or_hide_is_escaped() {
        assert_eq!(printable("a\u{1b}[2Jb\r\n\tc\u{202e}d\u{9b}e\0\n", 80), r"a\u{1b}[2Jb\r\n\tc\u{202e}d\u{9b}e\u{0}");
        assert_eq!(printable("größe 水 ok", 80), "größe 水 ok");
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(visible("a\tb\u{1b}[2J\r\nc\u{202e}d"), "a\tb\u{fffd}[2J\u{fffd}\nc\u{fffd}d");
    }

    #[test]
    fn it_is_never_longer_than_asked() {
        assert_eq!(printable("abcdef", 6), "abcdef");
        assert_eq!(printable("abcdefg", 6), "abcdef…");
        assert_eq!(printable(&"\u{1b}".repeat(1_000_000), 12), r"\u{1b}\u{1b}…");
        assert_eq!(printable("", 0), "");
    }
}
