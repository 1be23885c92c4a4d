//! Host ranges (`node[1-3]`) and the selectors of `on=`.

use crate::diag::{Code, Diag, Span};

/// Hosts that one file may declare.
pub(super) const MOST_HOSTS: usize = 10_000;

/// The texts that a pattern stands for: itself, or one for each number of its one range.
pub(super) fn expand(pattern: &str, span: Span) -> Result<Vec<String>, Box<Diag>> {
    let bad = |part: &str, message: String, label: &str, help: &str| {
        let place = part_of(pattern, part, span);
        Err(Box::new(Diag::at(Code::BadRange, place, message).label(label.to_owned()).help(help.to_owned())))
    };
    let example = "write a range as \"node[1-3]\"";
    let Some((before, rest)) = pattern.split_once('[') else {
        if pattern.contains(']') {
            return bad("]", format!("`{pattern}` has a `]` without a `[`"), "expected a `[` before it", example);
        }
        return Ok(vec![pattern.to_owned()]);
    };
    let Some((range, after)) = rest.split_once(']') else {
        return bad("[", format!("`{pattern}` has a `[` without a `]`"), "expected a `]` after it", example);
    };
    if after.contains(['[', ']']) {
        let label = "expected one range at most";
        return bad(
            pattern,
            format!("`{pattern}` has two ranges"),
            label,
            "write one name or range for each of the first",
        );
    }
    let whole = &pattern[before.len()..before.len() + range.len() + 2];
    let numbers = range.split_once('-').and_then(|(first, last)| Some((number(first)?, number(last)?, first)));
    let Some((first, last, text)) = numbers else {
        let label = "expected two whole numbers with a `-` between them";
        let help = format!("{example}; single names have commas between them: \"node1,node3\"");
        return bad(whole, format!("`[{range}]` is not a range"), label, &help);
    };
    if first > last {
        let label = "expected the smaller number first";
        return bad(whole, format!("the range `[{range}]` is empty"), label, &format!("write [{last}-{first}]"));
    }
    if last - first >= MOST_HOSTS as u64 {
        let count = (last - first).saturating_add(1);
        let label = format!("expected {MOST_HOSTS} at most");
        let help = "one file declares one cluster; split it into several clusters";
        return bad(whole, format!("the range `[{range}]` stands for {count} names"), &label, help);
    }
    let width = if text.starts_with('0') { text.len() } else { 0 };
    Ok((first..=last).map(|n| format!("{before}{n:0width$}{after}")).collect())
}

/// The place of a part of a pattern that stands at `span`, with or without quotes; written otherwise, the whole.
fn part_of(pattern: &str, part: &str, span: Span) -> Span {
    let quote = match span.len.checked_sub(pattern.len()) {
        Some(0) => 0,
        Some(2) => 1,
        _ => return span,
    };
    pattern.find(part).map_or(span, |at| Span { start: span.start + quote + at, len: part.len(), ..span })
}

/// How many names a pattern stands for, without making them; 1 for what is no range.
pub(super) fn count(pattern: &str) -> usize {
    let inside = pattern.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    let ends = inside.and_then(|(range, _)| range.split_once('-')).and_then(|(a, b)| Some((number(a)?, number(b)?)));
    ends.map_or(1, |(first, last)| usize::try_from(last.saturating_sub(first)).unwrap_or(usize::MAX).saturating_add(1))
}

fn number(text: &str) -> Option<u64> {
    let digits = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// The number at the end of a host's name (`node7` → 7).
pub(super) fn number_in(name: &str) -> Option<u32> {
    let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count();
    name[name.len() - digits..].parse().ok()
}

/// The parts of `on="node1, node[2-4] label:disk=ssd"`, with their offsets. What is in brackets stays together.
pub(super) fn parts(selector: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let (mut start, mut inside) = (0, false);
    for (at, c) in selector.char_indices().chain([(selector.len(), ',')]) {
        inside = (inside || c == '[') && c != ']' && at < selector.len();
        if !inside && (c == ',' || c.is_whitespace()) {
            if start < at {
                parts.push((start, &selector[start..at]));
            }
            start = at + c.len_utf8();
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::{expand, number_in, parts};
    use crate::diag::Span;

    fn names(pattern: &str) -> Vec<String> {
        expand(pattern, Span::default()).expect(pattern)
    }

    fn message(pattern: &str) -> String {
        expand(pattern, Span::default()).expect_err(pattern).message
    }

    #[test]
    fn a_range_stands_for_its_numbers_and_keeps_leading_zeros() {
        assert_eq!(names("node[2-4]"), ["node2", "node3", "node4"]);
        assert_eq!(names("10.0.0.[9-10]"), ["10.0.0.9", "10.0.0.10"]);
        assert_eq!(names("es[08-10]-a"), ["es08-a", "es09-a", "es10-a"]);
        assert_eq!(names("web"), ["web"]);
    }

    #[test]
    fn a_range_that_is_none_says_why() {
        assert!(message("node[3-1]").contains("empty"));
        assert!(message("node[1-99999999]").contains("99999999 names"));
        for bad in ["node[1-3", "node1]", "node[a-b]", "n[1-2][3-4]", "n[]", "n[1-99999999999999999999]", "n[1-2-3]"] {
            message(bad);
        }
    }

    #[test]
    fn the_number_of_a_host_is_at_the_end_of_its_name() {
        assert_eq!(number_in("node7"), Some(7));
        assert_eq!(number_in("rack2-node07"), Some(7));
        assert_eq!(number_in("web"), None);
        assert_eq!(number_in("n99999999999"), None);
    }

    #[test]
    fn selectors_are_separated_by_blanks_or_commas() {
        let of = |text| parts(text).into_iter().map(|(_, part)| part).collect::<Vec<_>>();
        assert_eq!(of(" a, node[1-3]  label:disk=ssd,"), ["a", "node[1-3]", "label:disk=ssd"]);
        assert_eq!(of("node[1,3] b"), ["node[1,3]", "b"]);
        assert_eq!(of("a[1 b"), ["a[1 b"]);
        assert_eq!(parts(" ä, b"), [(1, "ä"), (5, "b")]);
    }
}
