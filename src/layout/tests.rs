//! The canonical layout: examples, and properties over texts that nobody would write.

use super::canonical;
use crate::diag::{Code, SourceId};
use crate::syntax;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn laid(text: &str) -> String {
    let laid = canonical("t.kdl", text, SourceId(0)).unwrap_or_else(|found| panic!("{text}\n{found:?}"));
    let again = canonical("t.kdl", &laid, SourceId(0)).unwrap_or_else(|found| panic!("{laid}\n{found:?}"));
    assert_eq!(laid, again, "not a fixed point, from:\n{text}");
    laid
}

#[test]
fn blanks_are_laid_out_and_words_stay() {
    assert_eq!(laid(""), "");
    assert_eq!(laid("\u{feff}a   1\tx = \"y\"   {\r\n  b;c 0x1F\r\n}"), "a 1 x=\"y\" {\n    b\n    c 0x1F\n}\n");
    assert_eq!(laid("\n\n\na\n\n\n\nb {\n\n  c\n\n\n  d\n\n}\n\n"), "a\n\nb {\n    c\n\n    d\n}\n");
    assert_eq!(laid("a{}\nb {  }"), "a {}\nb {}\n");
    assert_eq!(laid("a {\n}"), "a {}\n");
    assert_eq!(laid("a \"\"\"\n  x\n   y\n  \"\"\" 1"), "a \"\"\"\n  x\n   y\n  \"\"\" 1\n");
}

#[test]
fn a_block_on_one_line_stays_there_while_it_fits() {
    assert_eq!(laid("a{b 1;c}"), "a { b 1; c; }\n");
    assert_eq!(laid("a { b 1; c { d } ; }"), "a { b 1; c { d; } }\n");
    assert_eq!(laid("a {\n b }"), "a {\n    b\n}\n");
    let long = format!("a {{ b \"{0}\"; c \"{0}\"; }}", "x".repeat(60));
    assert_eq!(laid(&long), format!("a {{\n    b \"{0}\"\n    c \"{0}\"\n}}\n", "x".repeat(60)));
    let single = format!("a {{ b \"{}\"; }}\n", "x".repeat(150));
    assert_eq!(laid(&single), single, "breaking it would not make it shorter");
    assert_eq!(laid("a { b 1; /-c { d } }"), "a { b 1; /-c { d; } }\n");
}

#[test]
fn comments_stay_with_what_they_are_about() {
    let text = "\
// of the file

/* of a */
a 1 /* inside */ { // of the block
  // alone
  b   // of b
      // and more of it

  long-name 2 // of it
  /- c 3   // taken out
} // of the end
/-  { gone }
";
    let text = text.replace("/-  { gone }\n", "");
    let wanted = "\
// of the file

/* of a */
a 1 /* inside */ { // of the block
    // alone
    b // of b
      // and more of it

    long-name 2 // of it
    /-c 3       // taken out
} // of the end
";
    assert_eq!(laid(&text), wanted);
    assert_eq!(laid("a /- // why\n 1 2"), "// why\na /-1 2\n");
    assert_eq!(laid("a k /* x */ = /* y */ 1"), "a k=1 /* x */ /* y */\n");
    assert_eq!(laid("a {} // one"), "a {} // one\n");
}

#[test]
fn comments_behind_neighbours_share_the_widest_column_that_one_had() {
    let text = "a 1       // one\nbcd 2 // two\n\ne // three\n";
    assert_eq!(laid(text), "a 1       // one\nbcd 2     // two\n\ne // three\n");
    let long = format!("a \"{}\"       // far\nb // near\n", "x".repeat(90));
    assert_eq!(laid(&long), format!("a \"{}\"   // far\nb // near\n", "x".repeat(90)));
}

#[test]
fn a_line_that_was_continued_stays_continued() {
    assert_eq!(laid("a \\\n b \\ // why\n c"), "a \\\n    b \\ // why\n    c\n");
    assert_eq!(laid("a 1 \\\n {\n b\n}"), "a 1 {\n    b\n}\n");
    assert_eq!(laid("a 1 \\\n\nb"), "a 1\nb\n");
}

#[test]
fn long_sections_stand_apart() {
    assert_eq!(laid("a 1\nb 2\n// of c\nc {\n d\n}\ne\n"), "a 1\nb 2\n\n// of c\nc {\n    d\n}\n\ne\n");
}

#[test]
fn what_is_not_kdl_is_reported_at_its_place() {
    let found = canonical("t.kdl", "a {\n  b 6.7.0\n}\n", SourceId(0)).expect_err("a version without quotes");
    assert_eq!(found[0].code, Code::Syntax);
    assert_eq!(found[0].span.map(|span| span.start), Some(8));
}

/// What may stand where a blank may.
fn blank() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => Just(" ".to_owned()),
        1 => Just("  \t".to_owned()),
        1 => Just(" /* in */ ".to_owned()),
        1 => Just(" /* two\n   lines */ ".to_owned()),
        1 => Just(" \\\n".to_owned()),
        1 => Just(" \\ // why\n   ".to_owned()),
        1 => Just(" \\ /* so */ // why\r\n".to_owned()),
    ]
}

/// What may stand between two nodes.
fn between() -> impl Strategy<Value = String> {
    let one = prop_oneof![
        4 => Just("\n".to_owned()),
        2 => Just("\n\n\n".to_owned()),
        2 => Just(";".to_owned()),
        1 => Just("; // behind\n".to_owned()),
        2 => Just("   // behind\n".to_owned()),
        1 => Just(" // behind\n   // alone\n          // far\n".to_owned()),
        1 => Just("\n/* alone */ // too\n".to_owned()),
        1 => Just("\r\n  /* a\n b */ /* c */\n".to_owned()),
        1 => Just("\n \\ // odd\n".to_owned()),
    ];
    proptest::collection::vec(one, 1..3).prop_map(|parts| parts.concat())
}

fn entry() -> impl Strategy<Value = String> {
    let value = || {
        prop_oneof![
            Just("1"),
            Just("-2.50"),
            Just("0xFF"),
            Just("#true"),
            Just("#nan"),
            Just("word"),
            Just("\"a \\\" // {}; b\""),
            Just("#\"raw \" /* \"#"),
            Just("\"\"\"\n  many\n\n    lines\n  \"\"\""),
            Just("#\"\"\"\r\n raw\r\n \"\"\"#"),
            Just("\"next \\\n   one\""),
        ]
    };
    let key = prop_oneof![Just("key"), Just("\"a key\"")];
    let equals = prop_oneof![4 => Just("="), 1 => Just(" = "), 1 => Just(" /* k */ = \\\n "), 1 => Just("= \\ // e\n")];
    let slash = prop_oneof![8 => Just(""), 1 => Just("/-"), 1 => Just("/- // off\n ")];
    let one = prop_oneof![
        3 => value().prop_map(str::to_owned),
        2 => (key, equals, value()).prop_map(|(key, equals, value)| format!("{key}{equals}{value}")),
    ];
    (slash, one).prop_map(|(slash, one)| format!("{slash}{one}"))
}

fn document() -> impl Strategy<Value = String> {
    let head = || {
        let name = prop_oneof![4 => Just("a"), 4 => Just("long-name"), 1 => Just("\"q n\""), 1 => Just("/-gone"), 1 => Just("/-\n gone")];
        let entries = proptest::collection::vec((blank(), entry()), 0..4);
        let long = prop_oneof![9 => Just(String::new()), 1 => Just(format!(" \"{}\"", "x".repeat(70)))];
        (name, entries, long, blank()).prop_map(|(name, entries, long, last)| {
            let entries: String = entries.into_iter().map(|(blank, entry)| blank + &entry).collect();
            format!("{name}{entries}{long}{last}")
        })
    };
    let nodes = |node: BoxedStrategy<String>| {
        proptest::collection::vec((node, between()), 0..4)
            .prop_map(|nodes| nodes.into_iter().map(|(node, between)| node + &between).collect::<String>())
    };
    let leaf = head().boxed();
    let tree = leaf.prop_recursive(3, 24, 4, move |inner| {
        let open = prop_oneof![3 => Just("{"), 1 => Just("{\n"), 1 => Just("{ // open\n"), 1 => Just("/-{")];
        let close = prop_oneof![3 => Just("}"), 1 => Just("} /* end */"), 1 => Just("} /-{ x }")];
        prop_oneof![
            1 => head(),
            2 => (head(), open, nodes(inner.clone()), close).prop_map(|(head, open, inside, close)| format!("{head}{open}{inside}{close}")),
            // On one line, with or without a last `;`.
            1 => (head(), inner).prop_map(|(head, inside)| format!("{head}{{ {inside} }}")),
        ]
    });
    (between(), nodes(tree.boxed())).prop_map(|(first, nodes)| first.trim_start_matches(';').to_owned() + &nodes)
}

#[test]
fn comments_that_move_do_not_keep_others_from_coming_to_rest() {
    laid("\na { // open\na /- // off\n 1 \\ // why\n   1 { a  }\n}\n");
}

/// The same cases every time, so that a change is not stopped by somebody else's reason; `PROPTEST_RNG_SEED=N` looks further.
fn cases() -> ProptestConfig {
    let seed = std::env::var("PROPTEST_RNG_SEED").ok().and_then(|seed| seed.parse().ok());
    let rng_seed = RngSeed::Fixed(seed.unwrap_or(5));
    ProptestConfig { cases: 600, max_global_rejects: 60_000, rng_seed, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn laying_out_twice_is_laying_out_once_and_changes_no_meaning(text in document()) {
        prop_assume!(syntax::parse("t.kdl", &text, SourceId(0), Code::Syntax).is_ok());
        // `canonical` itself compares what the text means, and its words and comments, before and after.
        let once = canonical("t.kdl", &text, SourceId(0));
        prop_assert!(once.is_ok(), "{text}\n{once:?}");
        let once = once.unwrap_or_default();
        let twice = canonical("t.kdl", &once, SourceId(0)).unwrap_or_default();
        prop_assert_eq!(&once, &twice, "from:\n{}", text);
        prop_assert!(!once.contains('\r') && !once.contains(" \n") && !once.contains("\n\n\n") || once.contains('"') || once.contains("/*"));
    }
}
