//! Parameters that a module declares.

use super::Value;
use crate::diag::Span;

/// A declared parameter.
#[derive(Debug, Clone)]
pub struct Param {
    /// Its type.
    pub kind: ParamType,
    /// The value when the role says nothing; `None` makes it required unless `optional`.
    pub default: Option<Value>,
    /// Whether it may be absent (templates see `none`).
    pub optional: bool,
    /// One sentence for people.
    pub doc: String,
    /// Place in the module's file.
    pub span: Span,
}

/// The types of parameters.
#[derive(Debug, Clone, PartialEq)]
pub enum ParamType {
    /// 1 to 65535; checked for conflicts on a host.
    Port,
    /// `"512m"`, `"1g"`: bytes.
    Size,
    /// `"30s"`, `"5m"`, `"200ms"`: milliseconds.
    Duration,
    /// An absolute path.
    Path,
    /// `#true` or `#false`.
    Bool,
    /// A whole number, within limits.
    Int {
        /// Smallest value.
        min: Option<i64>,
        /// Largest value.
        max: Option<i64>,
    },
    /// Any text without control characters.
    Text,
    /// One of some words.
    Enum(Vec<String>),
    /// Some of some words, or any words when the set is empty.
    List(Vec<String>),
    /// A version.
    Version,
    /// Properties become a map (`attr box_type="hot"`).
    Map,
    /// The name of a declared secret.
    Secret,
    /// The path of a file beside `cluster.kdl` that everybody may read, such as the certificate of a CA: its text.
    File,
    /// Paths of files beside `cluster.kdl`, or of folders; templates see their texts by their names.
    Files,
}
