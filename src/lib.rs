//! One file says what the platform should be; `esplan` says what differs; `esapply` makes it so, safely.
//!
//! Data flows one way, and the folders are the stages:
//!
//! ```text
//! cluster.kdl ─┐
//!              ├─ config ─► model ──► desired ──┐
//! modules/*.kdl┘                                ├─► diff ──► graph ──► plan ──► check ──┬─► render
//! hosts ── host ──► inventory (observed) ───────┘                                       └─► apply ──► journal ──► history
//! ```
//!
//! Everything from `config` to `render` is pure: no clock, no network, no async. The feature `io` holds the rest.

pub mod adopt;
pub mod check;
pub mod config;
pub mod desired;
pub mod diag;
pub mod diff;
pub mod expr;
pub mod graph;
pub mod history;
pub mod import;
pub mod inventory;
pub mod layout;
pub mod lock;
pub mod model;
pub mod plan;
pub mod render;
pub mod syntax;

#[cfg(feature = "io")]
pub mod apply;
#[cfg(feature = "io")]
pub mod artifact;
#[cfg(feature = "io")]
pub mod cli;
#[cfg(feature = "io")]
pub mod host;
#[cfg(feature = "io")]
pub mod probe;
#[cfg(feature = "io")]
pub mod progress;
#[cfg(feature = "io")]
pub mod remote;
#[cfg(feature = "io")]
pub mod sim;
#[cfg(feature = "io")]
pub mod supervisor;
