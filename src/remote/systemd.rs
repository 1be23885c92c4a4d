//! What only systemd needs: units outside the prefix, and what it says of one.

use super::machine::{Calls, Machine};
use super::processes::SHORT;
use super::{Bytes, Put, Transport};
use crate::desired::{Boot, DesiredHost, DesiredInstance, Supervisor};
use crate::host::{HostError, Life};
use crate::inventory::printable;
use crate::model::Digest;
use std::time::Duration;

/// Functions that change units.
const UNITS: &str = include_str!("systemd.sh");
/// Reading all units of a loaded host again.
const RELOAD_WITHIN: Duration = Duration::from_mins(2);

/// What systemd says of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct UnitState {
    active: String,
    sub: String,
    result: String,
    status: String,
    code: String,
    /// Whether the recorded process is in it.
    pub(super) holds_process: bool,
}

impl UnitState {
    /// Reads `KEY=VALUE` lines; what is not known is ignored.
    pub(super) fn read(text: &str) -> Self {
        let mut state = Self::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            let value = printable(value, 60);
            match key {
                "ActiveState" => state.active = value,
                "SubState" => state.sub = value,
                "Result" => state.result = value,
                "ExecMainStatus" => state.status = value,
                "ExecMainCode" => state.code = value,
                "InUnit" => state.holds_process = value == "yes",
                _ => {}
            }
        }
        state
    }

    /// Whether something of it runs, or will be started again.
    pub(super) fn may_start(&self) -> bool {
        !matches!(self.active.as_str(), "" | "inactive" | "failed")
    }

    /// What it means for a process that does not run.
    pub(super) fn down(&self) -> Life {
        let ended = match self.code.as_str() {
            // As waitid(2) counts them: killed, with or without a core.
            "2" | "3" => format!("signal {} ended it", self.status),
            _ => format!("it ended with status {}", self.status),
        };
        let life = |gave_up, why: String| Life::Down { gave_up, why };
        match (self.active.as_str(), self.result.as_str()) {
            ("", _) => life(true, "systemd does not run, or does not answer".to_owned()),
            ("failed", "start-limit-hit") => life(true, format!("it ended too quickly too often; {ended}")),
            ("failed", result) => life(true, format!("systemd gave up ({result}); {ended}")),
            ("inactive", _) => life(true, "it was stopped, or has ended by itself".to_owned()),
            ("activating", _) if self.sub == "auto-restart" => life(false, format!("{ended}, and is tried again")),
            ("deactivating", _) => life(false, "it is stopping".to_owned()),
            (state, _) => life(false, format!("it has just been started ({state})")),
        }
    }
}

impl<T: Transport> Machine<T> {
    /// Runs functions of `systemd.sh` (and `change.sh`) below a prefix.
    pub(super) async fn units(
        &self,
        what: &str,
        prefix: &str,
        calls: &Calls,
        stdin: Vec<u8>,
        time: Duration,
    ) -> Result<Vec<u8>, HostError> {
        self.change_with(UNITS, what, prefix, calls, stdin, time).await
    }

    /// The same, of functions that only look.
    pub(super) async fn look_at_units(&self, what: &str, prefix: &str, calls: &Calls) -> Result<Vec<u8>, HostError> {
        self.look(UNITS, what, prefix, calls, SHORT).await
    }

    /// What systemd says of an instance's unit; nothing where there is none.
    pub(super) async fn watched(&self, host: &DesiredHost, instance: &DesiredInstance) -> Result<UnitState, HostError> {
        let words = [instance.id.role.as_str(), instance.unit.as_str()];
        let said = self.look_at_units("looking at a unit", &host.prefix, &Calls::one("watched", words)).await?;
        Ok(UnitState::read(&String::from_utf8_lossy(&said)))
    }

    /// The host's supervisor, as it should be, and what starts everything at boot.
    pub(super) async fn supervise(&self, host: &DesiredHost) -> Result<(), HostError> {
        if let Supervisor::Supervisord(own) = &host.supervisor {
            self.supervise_own(host, own).await?;
        }
        self.boots(host).await
    }

    /// What starts everything at boot, or nothing.
    pub(super) async fn boots(&self, host: &DesiredHost) -> Result<(), HostError> {
        let name = host.boot_unit();
        let Some(Boot { script, unit }) = &host.boot else {
            let mut calls = Calls::one("drop_boot", [name.as_str()]);
            calls.add("erase", ["bin/boot"]);
            let dropped = self.units("removing what starts at boot", &host.prefix, &calls, Vec::new(), RELOAD_WITHIN);
            return dropped.await.map(|_| ());
        };
        let bytes = script.clone().into_bytes();
        let (path, sha256) = (format!("{}/bin/boot", host.prefix), Digest::of(&bytes));
        let put = Put { from: Bytes::Given(bytes), path, mode: 0o755, sha256 };
        let written = self.transport.put(&put).await;
        written.map_err(|error| self.transport_error("writing what starts at boot", &error))?;
        // Without the right to write it the plan has said so, and how else it can be done.
        let start = if host.supervisor.supervisord().is_some() { "yes" } else { "no" };
        let mut calls = Calls::default();
        calls
            .raw("if [ -d /run/systemd/system ] && is_root; then\n")
            .add("take_boot", [name.as_str(), start])
            .raw("fi\n");
        let stdin = unit.clone().into_bytes();
        self.units("writing the unit that starts at boot", &host.prefix, &calls, stdin, RELOAD_WITHIN).await.map(|_| ())
    }
}
