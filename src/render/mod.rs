//! Plans and states in every format, for people and for programs. Pure, and the same bytes every time.
//!
//! Everything makes sense without colour; text of hosts and services arrives here safe to print already.

mod actions;
pub mod cases;
mod changes;
mod compare;
mod course;
mod explain;
pub mod findings;
mod fold;
mod format;
mod gates;
mod github;
mod graph;
mod groups;
mod history;
mod html;
mod json;
mod junit;
mod markdown;
mod needs;
mod notes;
mod status;
mod steps;
mod style;
mod takes;
#[cfg(test)]
mod tests;
mod text;
mod told;
mod why;
mod words;

pub use compare::{Changed, Comparison, Difference, FileDifference, HostDifference, compare};
pub use explain::explain;
pub use fold::{hosts, instances};
pub use format::{Format, Places, Shown, plan};
pub use gates::{GateState, Gates, ServiceGates, gates};
pub use graph::{GraphFormat, graph};
pub use history::History;
pub use json::{json, printable as printable_json};
pub use needs::needs;
pub use status::{InstanceStatus, ServiceStatus, Status, status};
pub use takes::{takes, takes_text};
pub use text::{DiffStyle, TextOptions, text};
pub use words::{bytes, duration};
