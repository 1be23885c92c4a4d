//! Packages that the plan lists, by the host's own package manager.

use super::Transport;
use super::machine::{Calls, Machine};
use crate::host::{Failure, HostError};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Functions that install them.
const PACKAGES: &str = include_str!("packages.sh");

/// Longest installation. The package manager is not ended by it: it goes on, and the next look sees what it has done.
const WITHIN: Duration = Duration::from_mins(10);

impl<T: Transport> Machine<T> {
    /// Installs packages, and sees that the programs are there that each is wanted for.
    pub(super) async fn install(&self, packages: &BTreeMap<String, BTreeSet<String>>) -> Result<(), HostError> {
        let mut calls = Calls::one("install_packages", packages.keys().map(String::as_str));
        for (package, programs) in packages {
            calls.add("has_programs", [package].into_iter().chain(programs).map(String::as_str));
        }
        // The prefix may not be there yet, and takes no part. What takes too long is not begun once more beside what goes on.
        let installed = self.change_with(PACKAGES, "installing packages", "/", &calls, Vec::new(), WITHIN).await;
        installed.map(|_| ()).map_err(|error| match error.kind {
            Failure::TryAgain => HostError { kind: Failure::Stop, ..error },
            _ => error,
        })
    }
}
