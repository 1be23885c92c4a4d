//! What only a supervisor of our own needs: its configuration, its start and its end, and what it says of a program.

use super::machine::{Calls, Machine, Socket};
use super::processes::{LOOK_EVERY, SHORT};
use super::{Bytes, Put, Transport};
use crate::desired::{DesiredHost, Supervisord};
use crate::host::{Failure, HostError, Life};
use crate::model::Digest;
use crate::supervisor::{ProcessInfo, State, Supervisor};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Half a second is usual; a machine that starts everything at once may need longer.
const SUPERVISOR_WITHIN: Duration = Duration::from_secs(30);
/// Its own end, when nothing is left under it.
const END_WITHIN: Duration = Duration::from_mins(5);

impl<T: Transport> Machine<T> {
    /// Where the supervisor of ours is, or was.
    pub(super) fn socket(&self, host: &DesiredHost) -> Socket<'_, T> {
        Socket { transport: &self.transport, path: host.supervisord().socket }
    }

    /// Writes the supervisor's configuration; starts it when nothing answers at its socket. One that runs only reads it
    /// again: to restart it would restart every service under it.
    pub(super) async fn supervise_own(&self, host: &DesiredHost, wanted: &Supervisord) -> Result<(), HostError> {
        let sha256 = Digest::of(wanted.config.as_bytes());
        let old = self.transport.read(&wanted.config_path, wanted.config.len()).await;
        if !matches!(&old, Ok(Some(old)) if Digest::of(old) == sha256) {
            let from = Bytes::Given(wanted.config.clone().into_bytes());
            let put = Put { from, path: wanted.config_path.clone(), mode: 0o644, sha256 };
            let written = self.transport.put(&put).await;
            written.map_err(|error| self.transport_error("writing the supervisor's configuration", &error))?;
        }
        let socket = self.socket(host);
        let supervisor = Supervisor::new(&socket);
        if supervisor.version().await.is_ok() {
            return supervisor.reread().await.map_err(|error| self.supervisor_error(&error));
        }
        self.remember_supervisor(host, &format!("{sha256}\n")).await?;
        let said = format!("{}/run/supervisord.out", host.prefix);
        let mut words = vec![said.clone()];
        words.extend(wanted.env.iter().map(|(name, value)| format!("{name}={value}")));
        words.extend(wanted.command.iter().cloned());
        let calls = Calls::one("launch", words.iter().map(String::as_str));
        self.change("starting the supervisor", &host.prefix, &calls, Vec::new(), SHORT).await?;
        let version = self.await_supervisor(wanted, &supervisor, &said).await?;
        self.remember_supervisor(host, &format!("{sha256}\n{version}\n")).await
    }

    /// What the supervisor was started with, for the next observation.
    async fn remember_supervisor(&self, host: &DesiredHost, text: &str) -> Result<(), HostError> {
        let calls = Calls::one("write", ["run/supervisord.config"]);
        let stdin = text.as_bytes().to_vec();
        self.change("recording the supervisor", &host.prefix, &calls, stdin, SHORT).await.map(|_| ())
    }

    async fn await_supervisor(
        &self,
        wanted: &Supervisord,
        supervisor: &Supervisor<'_>,
        said: &str,
    ) -> Result<String, HostError> {
        let until = Instant::now() + SUPERVISOR_WITHIN;
        loop {
            match supervisor.version().await {
                Ok(version) => return Ok(version),
                Err(error) if Instant::now() >= until => {
                    let said = self.transport.read(said, 64 * 1024).await.ok().flatten().unwrap_or_default();
                    let said = String::from_utf8_lossy(&said).into_owned();
                    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
                    let command = wanted.command.join(" ");
                    let message = format!("{error}; `{command}` said: {last}");
                    return Err(self.error(Failure::Stop, message));
                }
                Err(_) => sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Ends a supervisor that is not wanted any more, when nothing runs under it.
    pub(super) async fn retire(&self, host: &DesiredHost) -> Result<(), HostError> {
        let paths = host.supervisord();
        let calls = Calls::one("end_supervisor", [paths.pidfile.as_str(), paths.config.as_str()]);
        self.units("ending the old supervisor", &host.prefix, &calls, Vec::new(), END_WITHIN).await?;
        // Of a host that has no role any more nothing starts at boot either.
        if host.idle { self.boots(host).await } else { Ok(()) }
    }
}

/// What the supervisor's state means for a process that does not run.
pub(super) fn down(info: &ProcessInfo) -> Life {
    let ended = match info.exit_status {
        -1 => "a signal ended it".to_owned(),
        status => format!("it ended with status {status}"),
    };
    let why = |state: &str| match info.spawn_error.as_str() {
        "" => format!("{state}; {ended}"),
        error => format!("{state}: {}", crate::inventory::printable(error, 200)),
    };
    match info.state {
        State::Fatal => Life::Down { gave_up: true, why: why("it ended too quickly too often") },
        // An unexpected end is followed by another start at once; status 0 is the launcher or the service saying so.
        State::Exited => Life::Down { gave_up: info.exit_status == 0, why: why("it ended") },
        State::Stopped => Life::Down { gave_up: true, why: "it was stopped".to_owned() },
        State::Backoff => Life::Down { gave_up: false, why: why("it ends too quickly and is tried again") },
        State::Stopping => Life::Down { gave_up: false, why: "it is stopping".to_owned() },
        State::Starting | State::Running => Life::Down { gave_up: false, why: "it has just been started".to_owned() },
        State::Unknown => Life::Down { gave_up: false, why: "the supervisor does not know its state".to_owned() },
    }
}
