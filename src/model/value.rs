//! Values of parameters: typed when they are read, never text that is parsed again later.

use indexmap::IndexMap;
use serde::{Serialize, Serializer};

/// A typed value. Serialises as templates see it: sizes in bytes, durations in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Not given and without a default.
    Null,
    /// `#true` or `#false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A fraction; only in free `config` blocks.
    Float(f64),
    /// A size in bytes.
    Size(u64),
    /// A duration in milliseconds.
    Duration(u64),
    /// Text, a path, a version or one of an enum.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A map, in the order of the file.
    Map(IndexMap<String, Value>),
    /// A reference to a declared secret, by name. The value itself is only known to [`super::Secret`].
    Secret(SecretRef),
}

/// The name of a declared secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretRef(pub String);

impl Serialize for SecretRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("<secret {}>", self.0))
    }
}
