//! Processes: the supervisor, starts, stops and reloads, and what can be said of one that runs or does not.

use super::machine::{Calls, Machine, Socket};
use super::{Bytes, Put, Script, Transport};
use crate::desired::{DesiredHost, DesiredInstance};
use crate::host::{Failure, HostError, Life};
use crate::inventory::{ProcessObservation, Running, life_request, parse_life};
use crate::model::Digest;
use crate::supervisor::{ProcessInfo, State, Supervisor, SupervisorError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A look, a signal, a small file.
const SHORT: Duration = Duration::from_secs(30);
/// Half a second is usual; a machine that starts everything at once may need longer.
const SUPERVISOR_WITHIN: Duration = Duration::from_secs(30);
/// From the supervisor's word to the launcher's record: some milliseconds, longer under load.
const START_WITHIN: Duration = Duration::from_mins(1);
/// How often a process is looked up while it starts or ends.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The prefix that an instance is below: its configuration is in `{prefix}/conf/<role>`.
pub(super) fn prefix_of(instance: &DesiredInstance) -> &str {
    let folder = instance.conf_dir.trim_end_matches('/');
    let parent = folder.strip_suffix(instance.id.role.as_str()).unwrap_or(folder);
    parent.strip_suffix("/conf/").unwrap_or(parent)
}

impl<T: Transport> Machine<T> {
    fn socket(&self, host: &DesiredHost) -> Socket<'_, T> {
        Socket { transport: &self.transport, path: host.supervisor.socket.clone() }
    }

    /// Writes the supervisor's configuration; starts it when nothing answers at its socket. One that runs only reads it
    /// again: to restart it would restart every service under it.
    pub(super) async fn supervise(&self, host: &DesiredHost) -> Result<(), HostError> {
        let wanted = &host.supervisor;
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
        let version = self.await_supervisor(host, &supervisor, &said).await?;
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
        host: &DesiredHost,
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
                    let command = host.supervisor.command.join(" ");
                    let message = format!("{error}; `{command}` said: {last}");
                    return Err(self.error(Failure::Stop, message));
                }
                Err(_) => sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Starts an instance; returns when its process record is there.
    pub(super) async fn start(
        &self,
        host: &DesiredHost,
        instance: &DesiredInstance,
        first: bool,
    ) -> Result<(), HostError> {
        let (role, program) = (instance.id.role.as_str(), instance.process.program.as_str());
        let flag = format!("run/{role}.first");
        let mut calls = Calls::default();
        calls.add(if first { "write" } else { "erase" }, [flag.as_str()]).add("reloaded", [role]);
        self.change(&format!("preparing the start of {role}"), &host.prefix, &calls, Vec::new(), SHORT).await?;
        let socket = self.socket(host);
        let supervisor = Supervisor::new(&socket);
        let started = supervisor.start(program, instance.process.stop_within).await;
        started.map_err(|error| self.supervisor_error(&error))?;
        let until = Instant::now() + START_WITHIN;
        loop {
            match self.life_below(&host.prefix, &host.supervisor.socket, instance).await? {
                Life::Running { .. } => return Ok(()),
                Life::Down { gave_up: true, why } => {
                    return Err(self.error(Failure::Stop, format!("{role} does not start: {why}")));
                }
                Life::Down { why, .. } if Instant::now() >= until => {
                    let waited = START_WITHIN.as_secs();
                    return Err(self.error(Failure::Stop, format!("{role} has not started after {waited} s: {why}")));
                }
                Life::Down { .. } => sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Asks for a clean stop through the supervisor and waits; then the record is removed.
    pub(super) async fn stop(
        &self,
        host: &DesiredHost,
        instance: &DesiredInstance,
        within: Duration,
    ) -> Result<(), HostError> {
        let (role, socket) = (instance.id.role.as_str(), self.socket(host));
        let stopped = Supervisor::new(&socket).stop(&instance.process.program, within).await;
        match stopped {
            // Without a supervisor there is nothing to stop, unless the process outlived it: that is looked up below.
            Ok(()) | Err(SupervisorError::Silent { .. }) => {}
            Err(error) => return Err(self.supervisor_error(&error)),
        }
        if let Some(running) = self.recorded(&host.prefix, instance).await? {
            let pid = running.pid;
            let message =
                format!("{role} (pid {pid}) runs without the supervisor: plan again, it is then stopped as such");
            return Err(self.error(Failure::Stop, message));
        }
        self.forget(&host.prefix, role).await
    }

    /// Forgets the record of a process that is gone.
    async fn forget(&self, prefix: &str, role: &str) -> Result<(), HostError> {
        let calls = Calls::one("ended", [role]);
        self.change(&format!("forgetting {role}"), prefix, &calls, Vec::new(), SHORT).await.map(|_| ())
    }

    /// Signals the recorded process and waits; never anything but its own stop signal.
    pub(super) async fn stop_unsupervised(
        &self,
        host: &DesiredHost,
        instance: &DesiredInstance,
        within: Duration,
    ) -> Result<(), HostError> {
        let until = Instant::now() + within;
        let role = instance.id.role.as_str();
        let calls = Calls::one("signal", [role, instance.process.stop_signal.as_str()]);
        self.change(&format!("stopping {role}"), &host.prefix, &calls, Vec::new(), SHORT).await?;
        while let Some(running) = self.recorded(&host.prefix, instance).await? {
            if Instant::now() >= until {
                let (pid, within) = (running.pid, within.as_secs());
                let message = format!(
                    "{role} (pid {pid}) has not ended after {within} s: it was asked and goes on ending; nothing is forced"
                );
                return Err(self.error(Failure::Stuck, message));
            }
            sleep(LOOK_EVERY).await;
        }
        self.forget(&host.prefix, role).await
    }

    /// Sends the reload signal and records that it was sent.
    pub(super) async fn reload(&self, host: &DesiredHost, instance: &DesiredInstance) -> Result<(), HostError> {
        let role = instance.id.role.as_str();
        let Some(signal) = instance.process.reload_signal.as_deref() else {
            return Err(self.error(Failure::Stop, format!("the module of {role} has no reload signal")));
        };
        if self.recorded(&host.prefix, instance).await?.is_none() {
            return Err(self.error(Failure::Stop, format!("{role} does not run, so it can't reload")));
        }
        let what = format!("reloading {role}");
        // By its record: that works for one without a supervisor, too, and never hits another process.
        let calls = Calls::one("signal", [role, signal]);
        self.change(&what, &host.prefix, &calls, Vec::new(), SHORT).await?;
        let calls = Calls::one("reloaded", [role]);
        self.change(&what, &host.prefix, &calls, Vec::new(), SHORT).await.map(|_| ())
    }

    /// The recorded process, when it runs.
    async fn recorded(&self, prefix: &str, instance: &DesiredInstance) -> Result<Option<Running>, HostError> {
        let role = &instance.id.role;
        let answer = self.script("looking at a process", Script::new(life_request(prefix, role)), SHORT).await?;
        match parse_life(&answer, role).map_err(|error| self.error(Failure::Stop, error.to_string()))? {
            ProcessObservation::Running(running) => Ok(Some(running)),
            ProcessObservation::Dead { .. } | ProcessObservation::Absent => Ok(None),
        }
    }

    /// How the process of an instance is doing.
    pub(super) async fn life_below(
        &self,
        prefix: &str,
        socket: &str,
        instance: &DesiredInstance,
    ) -> Result<Life, HostError> {
        if let Some(running) = self.recorded(prefix, instance).await? {
            return Ok(Life::Running { pid: running.pid, start_time: running.start_time });
        }
        let socket = Socket { transport: self.transport.as_ref(), path: socket.to_owned() };
        match Supervisor::new(&socket).info(&instance.process.program).await {
            Ok(Some(info)) => Ok(down(&info)),
            Ok(None) => Ok(Life::Down { gave_up: true, why: "the supervisor does not know it".to_owned() }),
            Err(SupervisorError::Silent { .. }) => {
                Ok(Life::Down { gave_up: true, why: "the supervisor does not run".to_owned() })
            }
            Err(error) => Err(self.supervisor_error(&error)),
        }
    }
}

/// What the supervisor's state means for a process that does not run.
fn down(info: &ProcessInfo) -> Life {
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
