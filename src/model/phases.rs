//! A change that needs several passes, one after the other in one plan.

use super::{Expr, Name, SafetyRule, Template};
use crate::diag::Span;
use indexmap::IndexMap;
use std::time::Duration;

/// What a change of versions needs beside new software: passes over the service, in order. The last one leaves what is
/// declared.
#[derive(Debug, Clone)]
pub struct Phases {
    /// Which changes need them: an expression over the versions `from`, the lowest that runs, and `to`.
    pub when: Expr,
    /// In order.
    pub list: Vec<Phase>,
}

impl Phases {
    /// A rule that must hold before a phase.
    pub fn rule(&self, phase: &Name, rule: &Name) -> Option<&SafetyRule> {
        self.list.iter().find(|known| known.name == *phase)?.before.iter().find(|known| known.name == *rule)
    }
}

/// One pass over a service.
#[derive(Debug, Clone)]
pub struct Phase {
    /// Its name.
    pub name: Name,
    /// Which changes need it, an expression like [`Phases::when`]; absent is all.
    pub when: Option<Expr>,
    /// Parameters that have another value until it is over: templates over `from` and `to`.
    pub set: IndexMap<Name, Template>,
    /// Once an instance has gone through it, there is no way back for the service.
    pub no_return: bool,
    /// What must hold of the service before it begins.
    pub before: Vec<SafetyRule>,
    /// How long that may take to hold.
    pub within: Duration,
    /// Place in the module's file.
    pub span: Span,
}
