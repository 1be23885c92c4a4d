//! The plan as JSON: the form that is saved, reviewed and applied later.

use crate::plan::Plan;

/// The plan as indented JSON with a final line end. The same plan gives the same bytes.
pub fn json(plan: &Plan) -> String {
    // Names are text and values are plain data: nothing of a plan can fail to be written.
    let mut text = serde_json::to_string_pretty(plan).unwrap_or_default();
    text.push('\n');
    text
}
