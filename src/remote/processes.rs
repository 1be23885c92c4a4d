//! Processes: starts, stops and reloads, and what can be said of one that runs or does not. Who runs an instance is what
//! its current generation says; who stops it is whoever watches it now. So one operation moves it from one supervisor to
//! the other, and a rollback moves it back.

use super::machine::{Calls, Machine, Socket, service_user};
use super::systemd::UnitState;
use super::{Script, Transport, supervisord};
use crate::desired::{DesiredHost, DesiredInstance};
use crate::host::{Failure, HostError, Life};
use crate::inventory::{ProcessObservation, Running, life_request, parse_life};
use crate::model::SupervisorKind;
use crate::supervisor::{Supervisor, SupervisorError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A look, a signal, a small file.
pub(super) const SHORT: Duration = Duration::from_secs(30);
/// A command that tells a service to read its files again.
const RELOAD_WITHIN: Duration = Duration::from_mins(2);
/// From the supervisor's word to the launcher's record: some milliseconds, longer under load.
const START_WITHIN: Duration = Duration::from_mins(1);
/// How often a process is looked up while it starts or ends.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The prefix that an instance is below: its configuration is in `{prefix}/conf/<role>`.
pub(super) fn prefix_of(instance: &DesiredInstance) -> &str {
    let folder = instance.conf_dir.trim_end_matches('/');
    let parent = folder.strip_suffix(instance.id.role.as_str()).unwrap_or(folder);
    parent.strip_suffix("/conf/").unwrap_or(parent)
}

impl<T: Transport> Machine<T> {
    /// Starts an instance; returns when its process record is there.
    pub(super) async fn start(
        &self,
        host: &DesiredHost,
        instance: &DesiredInstance,
        first: bool,
    ) -> Result<(), HostError> {
        let (role, program) = (instance.id.role.as_str(), instance.process.program.as_str());
        let (flag, drained) = (format!("run/{role}.first"), format!("run/{role}.drained"));
        let mut calls = Calls::default();
        calls.add(if first { "write" } else { "erase" }, [flag.as_str()]);
        // Once it runs again, something may come to it again.
        calls.add("erase", [drained.as_str()]).add("reloaded", [role]).add("entry", [role]);
        let what = format!("starting {role}");
        let said = self.units(&what, &host.prefix, &calls, Vec::new(), SHORT).await?;
        if said.starts_with(SupervisorKind::Systemd.word().as_bytes()) {
            let calls = Calls::one("start_unit", [instance.unit.as_str()]);
            self.units(&what, &host.prefix, &calls, Vec::new(), START_WITHIN).await?;
        } else {
            let socket = self.socket(host);
            let started = Supervisor::new(&socket).start(program, instance.process.stop_within).await;
            started.map_err(|error| self.supervisor_error(&error))?;
        }
        let until = Instant::now() + START_WITHIN;
        loop {
            match self.life_below(&host.prefix, &host.supervisord().socket, instance).await? {
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

    /// Asks for a clean stop through whoever watches it and waits; then the record is removed.
    pub(super) async fn stop(
        &self,
        host: &DesiredHost,
        instance: &DesiredInstance,
        within: Duration,
    ) -> Result<(), HostError> {
        let (role, until) = (instance.id.role.as_str(), Instant::now() + within);
        let unit = self.watched(host, instance).await?;
        if unit.may_start() {
            self.stop_unit(host, instance, within).await?;
        }
        let socket = self.socket(host);
        let left = until.saturating_duration_since(Instant::now());
        match Supervisor::new(&socket).stop(&instance.process.program, left).await {
            // Without a supervisor there is nothing to stop, unless the process outlived it: that is looked up below.
            Ok(()) | Err(SupervisorError::Silent { .. }) => {}
            Err(error) => return Err(self.supervisor_error(&error)),
        }
        if unit.holds_process {
            // What systemd has forgotten, or never knew, in a unit of ours is asked by its record.
            return self.stop_unsupervised(host, instance, until.saturating_duration_since(Instant::now())).await;
        }
        if let Some(running) = self.recorded(&host.prefix, instance).await? {
            let pid = running.pid;
            let message =
                format!("{role} (pid {pid}) runs without the supervisor: plan again, it is then stopped as such");
            return Err(self.error(Failure::Stop, message));
        }
        self.forget(&host.prefix, role).await
    }

    /// Waits until a unit that was asked to stop has.
    async fn stop_unit(
        &self,
        host: &DesiredHost,
        instance: &DesiredInstance,
        within: Duration,
    ) -> Result<(), HostError> {
        let (role, unit) = (instance.id.role.as_str(), instance.unit.as_str());
        let until = Instant::now() + within;
        let calls = Calls::one("stop_unit", [unit]);
        self.units(&format!("stopping {role}"), &host.prefix, &calls, Vec::new(), SHORT).await?;
        while self.watched(host, instance).await?.may_start() {
            if Instant::now() >= until {
                let within = within.as_secs();
                let message = format!(
                    "{role} has not ended after {within} s: it was asked and goes on ending; nothing is forced"
                );
                return Err(self.error(Failure::Stuck, message));
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Forgets the record of a process that is gone.
    async fn forget(&self, prefix: &str, role: &str) -> Result<(), HostError> {
        let calls = Calls::one("ended", [role]);
        self.change(&format!("forgetting {role}"), prefix, &calls, Vec::new(), SHORT).await.map(|_| ())
    }

    /// Records a process that somebody else has started as the instance's own, when it is still the one that was meant: from
    /// then on it is one without a supervisor, also for a run that continues this one.
    pub(super) async fn take_over(
        &self,
        host: &DesiredHost,
        instance: &DesiredInstance,
        (pid, started): (u32, u64),
    ) -> Result<(), HostError> {
        let role = instance.id.role.as_str();
        let Some(adopts) = &instance.adopts else {
            return Err(self.error(Failure::Stop, format!("{role} is not declared as one that may run already")));
        };
        let (pid, started) = (pid.to_string(), started.to_string());
        let words = [role, &pid, &started].into_iter().chain(adopts.words.iter().map(String::as_str));
        let calls = Calls::one("take_over", words);
        self.change(&format!("taking {role} over"), &host.prefix, &calls, Vec::new(), SHORT).await.map(|_| ())
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
        let process = &instance.process;
        if !process.reloads() {
            return Err(self.error(Failure::Stop, format!("the module of {role} knows no reload")));
        }
        if self.recorded(&host.prefix, instance).await?.is_none() {
            return Err(self.error(Failure::Stop, format!("{role} does not run, so it can't reload")));
        }
        let what = format!("reloading {role}");
        if let Some(signal) = process.reload_signal.as_deref() {
            // By its record: that works for one without a supervisor, too, and never hits another process.
            let calls = Calls::one("signal", [role, signal]);
            self.change(&what, &host.prefix, &calls, Vec::new(), SHORT).await?;
        } else {
            let words = [service_user(host)].into_iter().chain(process.reload_command.iter().map(String::as_str));
            self.change(&what, &host.prefix, &Calls::one("told", words), Vec::new(), RELOAD_WITHIN).await?;
        }
        let calls = Calls::one("reloaded", [role]);
        self.change(&what, &host.prefix, &calls, Vec::new(), SHORT).await.map(|_| ())
    }

    /// The recorded process, when it runs.
    async fn recorded(&self, prefix: &str, instance: &DesiredInstance) -> Result<Option<Running>, HostError> {
        let role = &instance.id.role;
        let script = Script::new(life_request(prefix, role)).repeatable();
        let answer = self.script("looking at a process", script, SHORT).await?;
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
        let role = instance.id.role.as_str();
        let mut calls = Calls::one("entry", [role]);
        calls.add("show", [instance.unit.as_str()]);
        let said = self.look_at_units("looking at a process", prefix, &calls).await?;
        let said = String::from_utf8_lossy(&said);
        if let Some(unit) = said.strip_prefix(SupervisorKind::Systemd.word()) {
            return Ok(UnitState::read(unit).down());
        }
        let socket = Socket { transport: self.transport.as_ref(), path: socket.to_owned() };
        match Supervisor::new(&socket).info(&instance.process.program).await {
            Ok(Some(info)) => Ok(supervisord::down(&info)),
            Ok(None) => Ok(Life::Down { gave_up: true, why: "the supervisor does not know it".to_owned() }),
            Err(SupervisorError::Silent { .. }) => {
                Ok(Life::Down { gave_up: true, why: "the supervisor does not run".to_owned() })
            }
            Err(error) => Err(self.supervisor_error(&error)),
        }
    }
}
