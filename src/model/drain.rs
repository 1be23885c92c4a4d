//! How an instance leaves its service for good.

use super::{Ask, Expr, Name, Probe, SafetyRule};
use std::time::Duration;

/// What is moved away from an instance before it is stopped for the last time.
#[derive(Debug, Clone)]
pub struct Drain {
    /// How long that may take.
    pub within: Duration,
    /// Which instances keep anything: an expression over an instance's context; absent is all.
    pub when: Option<Expr>,
    /// What must hold before it begins: whether there is anywhere to move to.
    pub rules: Vec<SafetyRule>,
    /// What makes the service move what is there.
    pub sets: Vec<Moved>,
    /// What is left there, a list.
    pub left: Ask,
    /// Asked when it does not get less: why. Sees `left`.
    pub stuck: Option<Probe>,
    /// Set when nothing is left there.
    pub finish: Vec<Moved>,
}

/// A setting that is set to something that follows from what it is.
#[derive(Debug, Clone)]
pub struct Moved {
    /// Which of [`super::Module::settings`].
    pub setting: Name,
    /// An expression over `value`, what it is now, and `leaving`, whom it is about; `none` leaves it as it is.
    pub to: Expr,
    /// Whether what it was is put back when the instance is gone.
    pub put_back: bool,
}
