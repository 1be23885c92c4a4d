//! What a generation says of the instance that it was written for: enough to let that go when nobody declares it any more.
//!
//! It comes back from the host, so nothing in it is believed that we know ourselves: who the instance is, where it is, its
//! folders, its address.

use super::DesiredInstance;
use super::context::snake;
use crate::model::{Name, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Version of the form.
const FORMAT: u32 = 1;

/// One instance, as it was declared when its generation was written. Secrets are in it by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    format: u32,
    /// Its module.
    pub module: String,
    /// Its service.
    pub service: String,
    /// The version of its own software.
    pub version: String,
    /// Its number.
    pub ordinal: i64,
    /// Its tier.
    pub tier: String,
    /// Whether it counts for the quorum.
    pub votes: bool,
    /// Its ports by parameter.
    pub ports: BTreeMap<String, u16>,
    /// Parameters that are texts.
    pub texts: BTreeMap<String, String>,
    /// Parameters that are secrets, by the secret's name.
    pub secrets: BTreeMap<String, String>,
    /// Names in templates that follow from the file alone: parameters, software, what else is known of host and instance.
    pub names: Map<String, Json>,
}

impl About {
    /// Reads one; `None` when it is no such thing.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|about: &Self| about.format == FORMAT)
    }
}

impl DesiredInstance {
    /// What its generation says of it: one line of printable ASCII.
    pub fn about(&self) -> String {
        let text = |name: &Name, value: &Value| match value {
            Value::Text(text) => Some((name.to_string(), text.clone())),
            _ => None,
        };
        let secret = |name: &Name, value: &Value| match value {
            Value::Secret(secret) => Some((name.to_string(), secret.0.clone())),
            _ => None,
        };
        let required = self.module.requires.iter().map(|need| snake(need.module.as_str()));
        let params = self.params.keys().map(|name| snake(name.as_str()));
        let fixed = ["software", "version", "plugins", "host", "instance"].map(str::to_owned);
        let names =
            params.chain(required).chain(fixed).filter_map(|name| Some((name.clone(), self.context.get(&name)?)));
        let about = About {
            format: FORMAT,
            module: self.module.name.value.to_string(),
            service: self.service.to_string(),
            version: self.version.to_string(),
            ordinal: self.ordinal,
            tier: self.tier.clone(),
            votes: self.votes,
            ports: self.ports.iter().map(|(name, port)| (name.to_string(), *port)).collect(),
            texts: self.params.iter().filter_map(|(name, value)| text(name, value)).collect(),
            secrets: self.params.iter().filter_map(|(name, value)| secret(name, value)).collect(),
            names: names.collect(),
        };
        let mut line = String::new();
        for c in serde_json::to_string(&about).unwrap_or_default().chars() {
            if c.is_ascii() {
                line.push(c);
            } else {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    _ = write!(line, "\\u{unit:04x}");
                }
            }
        }
        line
    }
}
