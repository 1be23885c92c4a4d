//! The two command lines: arguments → the stages → an exit code. The only place that knows the environment.

pub mod args;
pub mod error;
pub mod exit;
pub mod files;
