//! All tests that need no real service, in one binary.
#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod accept;
mod adopt;
mod answers;
mod apply;
mod artifact;
mod authoring;
mod bad;
mod cli;
mod docs;
mod effects;
mod explain;
mod formats;
mod gate;
mod gates;
mod graph;
mod held;
mod history;
mod hostile;
mod import;
mod installs;
mod layout;
mod leaving;
mod local_host;
mod locked;
mod modules;
#[cfg(feature = "mutants")]
mod mutants;
mod platform;
mod progress;
mod props;
mod provide;
mod reference;
mod refusals;
mod regressions;
mod rollback;
mod saved;
mod scale;
mod scenarios;
mod schemas;
mod ssh_host;
mod stand_ins;
mod tidy;
mod usage;
