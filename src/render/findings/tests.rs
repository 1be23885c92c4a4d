//! What other programs read.

use super::*;
use crate::diag::{Code, Sources, Span};
use serde_json::Value;

/// A mistake with another place, in a file whose name and text are full of what formats mean something by.
fn mistake() -> Diag {
    let mut sources = Sources::new();
    let source = sources.add("conf/a,b:100%.kdl", "roles {\n  größe on=\"x\"\n}\n".to_owned());
    let span = |start, len| Span { source, start, len };
    Diag::at(Code::UnknownName, span(10, 7), "no module `größe`\u{1b}[2J::set-env%")
        .label("unknown")
        .help("did you mean\n`store`?")
        .also(Diag::at(Code::UnknownName, span(0, 5), "in these roles"))
        .with_sources(&sources)
}

#[test]
fn annotations_have_a_place_and_can_not_be_ended() {
    let text = github(&[mistake()], &[Diag::nowhere(Code::Incompatible, "proven alone")]);
    assert_eq!(
        text,
        "::error file=conf/a%2Cb%3A100%25.kdl,line=2,col=3,endLine=2,endColumn=8,title=config%3A%3Aunknown-name::no \
         module `größe`\\u{1b}[2J::set-env%25; unknown; did you mean\\n`store`?\n\
         ::warning title=config%3A%3Aincompatible::proven alone\n"
    );
}

#[test]
fn at_most_ten_of_a_level_and_the_last_says_how_many_more() {
    let many: Vec<Diag> = (0..25).map(|number| Diag::nowhere(Code::Missing, format!("mistake {number}"))).collect();
    let text = github(&many, &[]);
    assert_eq!(text.lines().count(), 10);
    assert!(
        text.ends_with("::error title=More::16 more annotations of this kind, which a forge would not show here\n")
    );
}

#[test]
fn json_says_whether_it_is_valid_and_where_it_is_not() {
    let found: Value = serde_json::from_str(&json(&[mistake()], &[])).expect("JSON");
    assert_eq!(found["valid"], false);
    let one = &found["findings"][0];
    assert_eq!((&one["code"], &one["line"], &one["column"]), (&"config::unknown-name".into(), &2.into(), &3.into()));
    assert_eq!((&one["related"][0]["line"], &one["related"][0]["message"]), (&1.into(), &"in these roles".into()));
    let none: Value = serde_json::from_str(&json(&[], &[Diag::nowhere(Code::Incompatible, "x")])).expect("JSON");
    assert_eq!((&none["valid"], &none["findings"][0]["level"]), (&true.into(), &"warning".into()));
}

#[test]
fn sarif_names_the_rule_the_place_and_what_to_do() {
    let text = sarif(&[mistake()], &[], "1.0");
    assert!(!text.contains('\u{1b}'), "{text}");
    let log: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let result = &run["results"][0];
    let index = usize::try_from(result["ruleIndex"].as_u64().expect("a number")).expect("small");
    assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "conf/a%2Cb%3A100%25.kdl");
    assert_eq!((&place["region"]["startLine"], &place["region"]["startColumn"]), (&2.into(), &3.into()));
    assert!(result["message"]["text"].as_str().expect("text").contains("did you mean"));
    assert_eq!(result["relatedLocations"][0]["physicalLocation"]["region"]["startLine"], 1);
}
