//! The plan as JSON: the form that is saved, reviewed and applied later.

use crate::inventory::is_hidden;
use crate::plan::Plan;
use std::fmt::Write as _;

/// JSON that shows on a terminal as what it is: what could move a cursor or can't be seen is written as `\uXXXX`.
pub fn printable(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        // Between strings JSON has line ends alone; all others that are hidden stand within one.
        if is_hidden(c) && c != '\n' {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| _ = write!(text, "\\u{unit:04x}"));
        } else {
            text.push(c);
        }
    }
    text
}

/// The plan as indented JSON with its digest and a final line end. The same plan gives the same bytes.
pub fn json(plan: &Plan) -> String {
    plan.to_json(None)
}
