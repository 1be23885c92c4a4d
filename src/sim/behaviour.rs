//! How long things take, and how services behave.

use std::time::Duration;

/// Times of the simulated services; the same for all of them.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// From a start to `ready`.
    pub start: Duration,
    /// From `ready` of the newest member to `healthy`.
    pub heal: Duration,
    /// From `ready` of all others until an instance may be stopped again, as far as safety rules are concerned.
    pub copies: Duration,
    /// A clean stop.
    pub stop: Duration,
    /// Without a leader after one is gone.
    pub election: Duration,
    /// Copying or unpacking something.
    pub transfer: Duration,
    /// Any other operation.
    pub operation: Duration,
    /// Leadership may move on its own whenever a member stops.
    pub leaders_move: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            start: Duration::from_secs(3),
            heal: Duration::from_secs(2),
            copies: Duration::from_secs(2),
            stop: Duration::from_secs(1),
            election: Duration::from_secs(1),
            transfer: Duration::from_millis(400),
            operation: Duration::from_millis(5),
            leaders_move: false,
        }
    }
}
