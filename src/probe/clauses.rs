//! The parts of an expression, for messages: which of `a and b and c` does not hold, and what its two sides are.
//!
//! Only messages are made of this: whether a gate holds is decided by the whole expression.

/// The parts that `and` joins at the top level; the whole when anything there binds weaker than `and`.
pub(super) fn clauses(expression: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, word) in top_level(expression).filter(|(_, token)| token.starts_with(|c: char| c.is_alphabetic())) {
        match word {
            "and" => {
                parts.push(expression[start..at].trim());
                start = at + word.len();
            }
            "or" | "if" | "else" => return vec![expression.trim()],
            _ => {}
        }
    }
    parts.push(expression[start..].trim());
    parts
}

/// The two sides of a comparison; `None` for anything else.
pub(super) fn comparison(clause: &str) -> Option<(&str, &str)> {
    let mut found = None;
    for (at, token) in top_level(clause) {
        match token {
            "==" | "!=" | "<=" | ">=" | "<" | ">" if found.is_none() => found = Some((at, token)),
            "==" | "!=" | "<=" | ">=" | "<" | ">" | "not" | "in" | "is" | "or" | "and" | "if" => return None,
            _ => {}
        }
    }
    let (at, sign) = found?;
    Some((clause[..at].trim(), clause[at + sign.len()..].trim()))
}

/// Words and signs outside of quotes and brackets, with their places.
fn top_level(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    let mut depth = 0_usize;
    std::iter::from_fn(move || {
        while let Some(c) = text[at..].chars().next() {
            let start = at;
            at += match c {
                '\'' | '"' => quoted(&text[at..], c),
                _ if is_word(c) => length(&text[at..], is_word),
                '=' | '!' | '<' | '>' => length(&text[at..], |c| matches!(c, '=' | '!' | '<' | '>')),
                _ => c.len_utf8(),
            };
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                _ if depth == 0 && !c.is_whitespace() => return Some((start, &text[start..at])),
                _ => {}
            }
        }
        None
    })
}

/// Part of a name or number. A dot is: `body.or` is one word.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.')
}

fn length(text: &str, part: impl Fn(char) -> bool) -> usize {
    text.find(|c| !part(c)).unwrap_or(text.len())
}

/// Bytes of a quoted text, its quotes included.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::{clauses, comparison};

    #[test]
    fn only_a_plain_chain_is_taken_apart() {
        assert_eq!(clauses("a == 1 and b.and and not c"), ["a == 1", "b.and", "not c"]);
        assert_eq!(clauses("(a and b) and x['c and d'] and f(e and g)"), ["(a and b)", "x['c and d']", "f(e and g)"]);
        assert_eq!(clauses(r"a == 'it\'s and' and b"), [r"a == 'it\'s and'", "b"]);
        for whole in ["a and b or c", "a and b if c else d", "single", "'unended and b", ""] {
            assert_eq!(clauses(whole), [whole]);
        }
    }

    #[test]
    fn the_sides_of_a_comparison_are_found() {
        assert_eq!(comparison("body.nodes >= f(a == b)"), Some(("body.nodes", "f(a == b)")));
        assert_eq!(comparison("a | length == 1"), Some(("a | length", "1")));
        for other in ["a in b", "not a == b", "a is defined", "a == b == c", "a"] {
            assert_eq!(comparison(other), None, "{other}");
        }
    }
}
