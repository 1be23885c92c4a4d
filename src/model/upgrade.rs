//! Ways from one version to another: what must not be skipped, and what must be there before.

use super::{Expr, Name, Template, Version};

/// What a module knows of ways from one version to another.
#[derive(Debug, Clone, Default)]
pub struct Upgrade {
    /// What is looked for in the data folder of an instance.
    pub finds: Vec<Find>,
    /// Ways that are refused.
    pub steps: Vec<UpgradeStep>,
}

/// Files of the data folder that rules ask for.
#[derive(Debug, Clone)]
pub struct Find {
    /// Its name in the expressions, below `found`.
    pub name: Name,
    /// Relative to the data folder; `*` stands for any part of a name.
    pub pattern: String,
}

/// A way that is refused.
#[derive(Debug, Clone)]
pub struct UpgradeStep {
    /// The rule's name.
    pub name: Name,
    /// When it is refused: over an instance's context, `from`, `to`, `found` and `was`.
    pub when: Expr,
    /// Why, for people.
    pub says: Template,
    /// The version to go to first.
    pub through: Option<Version>,
    /// The way out, when it is another one.
    pub help: Option<String>,
}
