//! SARIF 2.1.0: what code scanning and editors read.

use super::{all, said};
use crate::diag::{Code, Diag, Place};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The schema that the document says it follows.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// A log with one run. Every code is a rule, so that readers know them by the same number in each run.
pub fn sarif(mistakes: &[Diag], warnings: &[Diag], version: &str) -> String {
    let rules: Vec<Value> = Code::ALL
        .iter()
        .map(|code| json!({ "id": code.name(), "shortDescription": { "text": code.about() } }))
        .collect();
    let results: Vec<Value> = all(mistakes, warnings).map(|(level, diag)| result(level, diag)).collect();
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "esplan", "version": version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    // Text and numbers: nothing of it can fail to be written.
    super::super::json::printable(&serde_json::to_string_pretty(&document).unwrap_or_default()) + "\n"
}

fn result(level: &str, diag: &Diag) -> Value {
    let mut text = diag.message.clone();
    if !diag.label.is_empty() {
        _ = write!(text, ": {}", diag.label);
    }
    if let Some(help) = &diag.help {
        _ = write!(text, "\nhelp: {help}");
    }
    let index = Code::ALL.iter().position(|code| *code == diag.code);
    let mut result = json!({ "ruleId": diag.code.name(), "level": level, "message": { "text": text } });
    let Value::Object(fields) = &mut result else { return result };
    if let Some(index) = index {
        fields.insert("ruleIndex".to_owned(), index.into());
    }
    if let Some(place) = diag.place() {
        fields.insert("locations".to_owned(), json!([location(&place)]));
    }
    let related: Vec<Value> = diag
        .related
        .iter()
        .enumerate()
        .filter_map(|(id, other)| {
            let mut location = location(&other.place()?);
            location["id"] = id.into();
            location["message"] = json!({ "text": said(other) });
            Some(location)
        })
        .collect();
    if !related.is_empty() {
        fields.insert("relatedLocations".to_owned(), related.into());
    }
    result
}

fn location(place: &Place) -> Value {
    json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(&place.file) },
            "region": {
                "startLine": place.line,
                "startColumn": place.column,
                "endLine": place.end_line,
                "endColumn": place.end_column,
            },
        },
    })
}

/// A path as a reference within a URI (RFC 3986); an absolute one as `file:`.
fn uri(path: &str) -> String {
    let mut uri = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    // The first part of a relative reference may not look like a scheme.
    for byte in path.trim_start_matches("./").bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            _ => _ = write!(uri, "%{byte:02X}"),
        }
    }
    uri
}
