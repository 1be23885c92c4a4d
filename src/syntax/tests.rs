//! What the scan accepts, the parser accepts too; what it refuses, it refuses quickly.

use super::check;
use crate::diag::{Code, SourceId};
use kdl::KdlDocument;
use proptest::prelude::*;

fn mistakes(text: &str) -> Vec<String> {
    check("t.kdl", text, SourceId(0), Code::Syntax).into_iter().map(|diag| diag.message).collect()
}

#[test]
fn the_language_is_accepted() {
    for good in [
        "a 1 2.5 -3 1e10 0xff 1_000 #true #null \"x\" y=\"z\" \"k\"=1 { b; c {}; }",
        "a \\\n  b \\ // why\n  c",
        "/- a { b }\n/- c\nd /- 1 2 /- { e } { f }",
        "a /* x /* y */ z */ b // c\n",
        "\"node[1-3]\" address=\"10.0.0.[1-3]\" { label disk=\"ssd\"; }",
        "a #\"raw \\ \" text\"# ##\"x\"# y\"##",
        "a \"\"\"\n    line\n      two \\n\n\n    \"\"\" b",
        "a #\"\"\"\n  raw \\x\n  \"\"\"#",
        "\u{feff}a ä=\"ö\" -b +c .d -.e",
        "a x = 1\nb{c;}",
        "a \"\\u{1F600} \\s\\\"\"",
        "a{}\r\nb{ }\u{2028}c",
        "a key = value { }",
        "",
        "// only a comment",
    ] {
        assert_eq!(mistakes(good), Vec::<String>::new(), "{good}");
        KdlDocument::parse_v2(good).unwrap_or_else(|error| panic!("{good}: {error:?}"));
    }
}

#[test]
fn what_is_refused_is_refused_in_one_pass() {
    for (bad, why) in [
        ("a {", "never closed"),
        ("a }", "closes nothing"),
        ("a \"b", "no end on its line"),
        ("a 6.7.0", "needs quotes"),
        ("a 10.0.0.1", "needs quotes"),
        ("a 5m", "needs quotes"),
        ("a true", "needs a `#`"),
        ("a node[1-3]", "needs quotes"),
        ("a b=", "has no value"),
        ("a http://x:1 b=2", "URL"),
        ("a /* x", "never closed"),
        ("a \"x\"\"y\"", "something follows at once"),
        ("a \"\\q\"", "not an escape"),
        ("a (int)5", "type annotations"),
        ("7 x", "node's name"),
        ("{ a }", "no name before"),
        ("a {} b", "ends with its block"),
        ("a \"\"\"\nx\n  \"\"\"", "indented less"),
        ("a \u{202e}b", "may not stand"),
        ("a #yes", "not a keyword"),
        ("a;;b", "ends nothing"),
        ("a b c)", "needs quotes"),
        ("a = = 1", "expected a value"),
    ] {
        let found = mistakes(bad);
        assert!(found.iter().any(|message| message.contains(why)), "{bad}: {found:?}");
    }
}

#[test]
fn one_mistake_does_not_hide_the_next_one() {
    let found = mistakes("a 6.7.0\nb true { c 5m; d \"x\" }\ne http://x\n");
    assert_eq!(found.len(), 4, "{found:?}");
}

#[test]
fn hostile_texts_are_refused_without_depth_or_delay() {
    let long = |unit: &str, bytes: usize| format!("{unit}\n").repeat(bytes / unit.len());
    for text in [
        "a{".repeat(100_000),
        long("}", 1_000_000),
        long("a{}{}{}", 1_000_000),
        long("a)b", 1_000_000),
        long("a = = =", 1_000_000),
        "/* ".repeat(5_000),
        long("/-a { /-b { /-c { /-d { /-e {", 10_000),
        long("a \"", 1_000_000),
        long("a \"\"\"", 1_000_000),
        long("a", 4_000_000),
        "a ".repeat(8_000),
        "\"".repeat(10_000),
        "#".repeat(10_000),
        format!("a {}", "9".repeat(10_000)),
    ] {
        let found = mistakes(&text);
        assert!(found.len() <= super::MOST_MISTAKES);
        if found.is_empty() {
            KdlDocument::parse_v2(&text).expect("what the scan accepts");
        }
    }
}

/// Pieces of KDL and of what is not, to be put together at random.
fn piece() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "a", "b", " ", " ", " ", "\n", ";", "{", "}", "=", "\"", "\"x\"", "\"\"\"", "#", "#\"", "\"#", "#true", "1",
        "-", "+", ".", "/-", "//", "/*", "*/", "\\", "\\\n", "(", ")", "[", "true", "0x", "1.5", "e", "_", "ä", "\t",
        "\r\n", "\u{feff}", "\\n", "\\u{41}", " {", " }", "x=1", " y", "\n\"\"\"", "\"\"\"\n", "\u{202e}", "null",
        "http://x",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn the_parser_takes_what_the_scan_takes(pieces in prop::collection::vec(piece(), 0..14)) {
        let text: String = pieces.concat();
        if mistakes(&text).is_empty() {
            let parsed = KdlDocument::parse_v2(&text);
            prop_assert!(parsed.is_ok(), "{text:?}: {parsed:?}");
        }
    }
}
