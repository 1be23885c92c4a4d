//! What stands in the file and is refused by a plan, rather than being a mistake: what does not go together.

use super::{ModuleName, Name, RoleId};
use crate::diag::{Diag, Place};
use std::collections::BTreeMap;

/// What the file says that plans are refused for, with its places.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    /// What does not go together.
    pub conflicts: Vec<Conflict>,
    /// Where the version of a role's own software is said.
    pub places: BTreeMap<RoleId, Place>,
}

impl Declared {
    /// What does not go together, as mistakes of the file.
    pub fn diags(&self) -> Vec<Diag> {
        self.conflicts.iter().map(|conflict| conflict.diag.clone()).collect()
    }
}

/// Versions or ports that do not go together.
#[derive(Debug, Clone)]
pub struct Conflict {
    /// The rule, `MODULE.RULE` where a module says it: by this name it can be waived.
    pub name: Name,
    /// The modules that it is about.
    pub between: Vec<ModuleName>,
    /// What is wrong, with its place and its texts.
    pub diag: Diag,
}
