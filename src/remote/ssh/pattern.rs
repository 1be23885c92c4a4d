//! Patterns of host names as OpenSSH has them: `*`, `?`, and `!` before one that must not match.

/// Whether a text matches a pattern, letters in any case.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut at, mut from) = (0, 0);
    // Where the last star was, and how much of the text it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(c) if *c == '?' || text.get(from) == Some(c) => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((place, taken)) = star else { return false };
                star = Some((place, taken + 1));
                (at, from) = (place + 1, taken + 1);
            }
        }
    }
    pattern.iter().skip(at).all(|c| *c == '*')
}

/// Whether one of several names matches a list of patterns: at least one does, and none that begins with `!`.
pub(super) fn matches_list<'a>(patterns: impl IntoIterator<Item = &'a str>, names: &[&str]) -> bool {
    let mut matched = false;
    for pattern in patterns {
        let (wanted, pattern) = pattern.strip_prefix('!').map_or((true, pattern), |rest| (false, rest));
        if names.iter().any(|name| matches(pattern, name)) {
            if !wanted {
                return false;
            }
            matched = true;
        }
    }
    matched
}

#[cfg(test)]
mod tests {
    use super::{matches, matches_list};

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text) in
            [("*", ""), ("*", "a"), ("10.0.0.*", "10.0.0.7"), ("n?de*7", "NODE-17"), ("*a*b", "xaab"), ("a", "a")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("?", ""), ("10.0.0.?", "10.0.0.77"), ("*a*b", "xaabc"), ("a", "ab")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_negated_pattern_excludes() {
        assert!(matches_list(["*.lab", "!db.lab"], &["web.lab"]));
        assert!(!matches_list(["*.lab", "!db.lab"], &["db.lab"]));
        assert!(!matches_list(["!db.lab"], &["web.lab"]));
    }

    #[test]
    fn many_stars_end_soon() {
        assert!(!matches(&"*a".repeat(40), &"a".repeat(30)));
    }
}
