//! What things took in earlier runs. It is shown beside a plan, and no plan is made from it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What actions took, by what they were about (a role, a service, a software; nothing for a host) and their names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Durations(BTreeMap<String, BTreeMap<String, Typical>>);

/// What one action took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typical {
    /// The median, in milliseconds.
    pub millis: u64,
    /// Of how many times.
    pub of: u32,
}

impl Durations {
    /// Notes what an action took.
    pub fn note(&mut self, about: String, action: String, typical: Typical) {
        self.0.entry(about).or_default().insert(action, typical);
    }

    /// What an action took, as far as somebody knows.
    pub fn of(&self, about: &str, action: &str) -> Option<Typical> {
        self.0.get(about)?.get(action).copied()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Typical {
    /// The median.
    pub const fn took(self) -> Duration {
        Duration::from_millis(self.millis)
    }
}
