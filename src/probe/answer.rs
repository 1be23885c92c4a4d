//! What a service answered, as data for expressions and as a few words for people.

use super::dial::DialError;
use crate::inventory::printable;
use crate::model::Parse;
use serde_json::{Map, Value, json};
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Longest excerpt of an answer in a message, in characters.
const EXCERPT: usize = 240;

/// Longest explanation of why something can't be asked, in characters.
const EXPLAINED: usize = 400;

/// Most of `text` that is kept beside a JSON `body`, in bytes: expressions then use the body.
const TEXT_BESIDE_BODY: usize = 64 << 10;

/// One answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Answer {
    /// HTTP status or exit code.
    pub(super) status: Option<i64>,
    /// HTTP headers, names in lower case.
    pub(super) headers: Option<Map<String, Value>>,
    /// The text.
    pub(super) text: String,
    /// The JSON in it.
    pub(super) body: Option<Value>,
    /// The pairs in it.
    pub(super) kv: Option<Map<String, Value>>,
    /// What was printed beside the answer, for people.
    pub(super) aside: String,
}

impl Answer {
    /// Reads the text of an answer in the way that the probe asks for; `json` says whether it may be JSON unasked.
    pub(super) fn read(self, bytes: &[u8], parse: Parse, json: bool) -> Self {
        let body = match parse {
            Parse::Json => serde_json::from_slice(bytes).ok(),
            Parse::Auto if json => serde_json::from_slice(bytes).ok(),
            _ => None,
        };
        let kept = if body.is_some() { &bytes[..bytes.len().min(TEXT_BESIDE_BODY)] } else { bytes };
        let text = String::from_utf8_lossy(kept).into_owned();
        let kv = (parse == Parse::KeyValue).then(|| pairs(&text));
        Self { text, body, kv, ..self }
    }

    /// Whether the service says of itself that it can't serve now.
    pub(super) fn is_server_error(&self) -> bool {
        self.headers.is_some() && self.status.is_some_and(|status| status >= 500)
    }

    /// Whether it is a success when no expression says what is.
    pub(super) fn is_plain_success(&self) -> bool {
        match (self.status, &self.headers) {
            (Some(status), Some(_)) => (200..300).contains(&status),
            (Some(code), None) => code == 0,
            (None, _) => true,
        }
    }

    /// The names that expressions see; only those that this answer has.
    pub(super) fn names(&self) -> Map<String, Value> {
        let mut names = Map::new();
        let parts = [
            ("status", self.status.map(Value::from)),
            ("headers", self.headers.clone().map(Value::Object)),
            ("body", self.body.clone()),
            ("kv", self.kv.clone().map(Value::Object)),
        ];
        names.extend(parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        names.insert("text".to_owned(), self.text.clone().into());
        names
    }

    /// What it is, without what it says: ` 200`, or nothing.
    pub(super) fn code(&self) -> String {
        self.status.map(|status| format!(" {status}")).unwrap_or_default()
    }

    /// A short, safe account: `200 {"status":"yellow"…`.
    pub(super) fn excerpt(&self) -> String {
        let status = self.status.map(|status| format!("{status} ")).unwrap_or_default();
        let text = if self.text.is_empty() { &self.aside } else { &self.text };
        let said = match (text.trim(), &self.body) {
            ("", Some(body)) => body.to_string(),
            ("", None) => "nothing".to_owned(),
            (_, Some(body)) if text.len() < TEXT_BESIDE_BODY => body.to_string(), // without its own line breaks
            (text, _) => text.to_owned(),
        };
        format!("{status}{}", printable(&said, EXCERPT))
    }
}

/// An entry of `answers`: every name is there, so that a list with members that did not answer can be filtered.
pub(super) fn entry(instance: &str, outcome: &Result<Answer, ProbeError>) -> Value {
    let mut entry = json!({
        "instance": instance, "error": null, "status": null, "headers": {}, "text": "", "body": null, "kv": {},
    });
    if let Some(entry) = entry.as_object_mut() {
        match outcome {
            Ok(answer) => entry.extend(answer.names()),
            Err(error) => drop(entry.insert("error".to_owned(), error.to_string().into())),
        }
    }
    entry
}

/// Lines of `key: value`, `key=value`, `key<tab>value` or `key value`, by whichever separator comes first. Comments
/// and lines without a separator are left out; of a key that comes twice the last value counts.
fn pairs(text: &str) -> Map<String, Value> {
    let split = |line: &str| {
        let at = line.find([':', '=', '\t']).or_else(|| line.find(' '))?;
        let (key, value) = (line[..at].trim(), line[at + 1..].trim());
        (!key.is_empty()).then(|| (key.to_owned(), Value::from(value)))
    };
    text.lines().map(str::trim).filter(|line| !line.starts_with('#')).filter_map(split).collect()
}

/// Why there is no answer. Every message is one safe line.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum ProbeError {
    /// Something is there, and can't be asked: it does not take what we say of ourselves, or is not who it should be.
    #[error("{}", printable(.0, EXPLAINED))]
    Unknown(String),
    /// The connection was lost.
    #[error("the connection was lost: {}", printable(&.0.to_string(), EXCERPT))]
    Lost(Arc<dyn Error + Send + Sync>),
    /// Not reached.
    #[error("{}", printable(&.0.to_string(), EXCERPT))]
    Dial(#[from] DialError),
    /// Not in time.
    #[error("no complete answer within {} ms", .0.as_millis())]
    TooLong(Duration),
    /// Too large.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// Not what the protocol allows.
    #[error("not an answer of this protocol: {}", printable(.0, EXCERPT))]
    Garbage(String),
    /// What answers does not do what it is asked.
    #[error("it refuses that: {}", printable(.0, EXCERPT))]
    Refused(String),
    /// The request can't be made.
    #[error("the request can't be made: {}", printable(.0, EXCERPT))]
    Request(String),
}

impl ProbeError {
    pub(super) fn lost(cause: io::Error) -> Self {
        Self::Lost(Arc::new(cause))
    }

    /// Whether something is there that can't be asked.
    pub(super) const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, pairs};
    use crate::model::Parse;
    use serde_json::json;

    #[test]
    fn pairs_are_read_in_every_common_form() {
        let text =
            "version: 3.4, built on 03/23 10:13\nstate\tleader\na=b:c\nrole:master\r\n# note: no\nfree 12\n:x\nalone\n";
        let expected = json!({
            "version": "3.4, built on 03/23 10:13", "state": "leader", "a": "b:c", "role": "master", "free": "12",
        });
        assert_eq!(serde_json::Value::Object(pairs(text)), expected);
    }

    #[test]
    fn an_excerpt_is_short_and_safe() {
        let answer = Answer { status: Some(200), ..Answer::default() };
        assert_eq!(answer.clone().read(b"{\n \"a\" : 1 }", Parse::Auto, true).excerpt(), r#"200 {"a":1}"#);
        assert_eq!(answer.clone().read(b"\x1b[2J\n", Parse::Auto, true).excerpt(), r"200 \u{1b}[2J");
        assert_eq!(answer.clone().read(b"", Parse::Auto, true).excerpt(), "200 nothing");
        assert!(answer.read(&[b'x'; 9000], Parse::Auto, true).excerpt().chars().count() < 260);
    }

    #[test]
    fn deep_json_is_text() {
        let deep = "[".repeat(100_000);
        assert_eq!(Answer::default().read(deep.as_bytes(), Parse::Json, false).body, None);
    }
}
