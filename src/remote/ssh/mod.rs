//! Hosts over SSH: one connection for each, for a whole run.
//!
//! [`SshHosts`] knows the operator's side (configuration, keys, known hosts) and gives an [`Ssh`] for each host.

mod client;
mod command;
mod config;
mod connect;
mod connection;
mod errand;
mod exec;
mod hosts;
mod identity;
mod known_hosts;
mod pass;
mod passphrase;
mod pattern;
mod session;
mod settings;
mod tunnel;
mod upload;

pub use hosts::SshHosts;
pub use pass::Passed;
pub use settings::SettingsError;

use super::transport::{Endpoint, Limits, Output, Put, Script, Session, Stream, Transport, TransportError};
use crate::model::sh_quote;
use async_trait::async_trait;
use connection::{Connection, Live};
use exec::{Processes, Trace};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// Reading a file that is not large.
const READ_WITHIN: Duration = Duration::from_mins(1);
/// What is killed is gone at once, unless its disk hangs.
const END_WITHIN: Duration = Duration::from_secs(20);
/// Exit status of a script that says that there is no such file.
const NO_SUCH_FILE: i32 = 44;

/// A host over SSH. The connection is opened when it is first needed.
pub struct Ssh {
    connection: Arc<Connection>,
    /// What was not seen to its end and may still be running there.
    orphans: Mutex<Vec<Processes>>,
}

impl std::fmt::Debug for Ssh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let settings = &self.connection.settings;
        write!(f, "Ssh({}@{}:{})", settings.user, settings.host, settings.port)
    }
}

impl Ssh {
    fn new(connection: Arc<Connection>) -> Self {
        Self { connection, orphans: Mutex::default() }
    }

    fn sudo(&self) -> bool {
        self.connection.settings.sudo
    }

    async fn live(&self) -> Result<Arc<Live>, TransportError> {
        self.connection.live().await
    }

    /// Takes down what was not seen to its end.
    fn left_behind(&self, trace: &Trace) {
        let mut orphans = self.orphans.lock().unwrap_or_else(PoisonError::into_inner);
        orphans.extend(trace.processes.get().copied());
    }

    /// The connection, once nothing that was cut off before runs there any more: two at the same thing would both be wrong.
    async fn settled(&self) -> Result<Arc<Live>, TransportError> {
        let live = self.live().await?;
        loop {
            let orphan = self.orphans.lock().unwrap_or_else(PoisonError::into_inner).last().copied();
            let Some(orphan) = orphan else { return Ok(live) };
            let trace = Trace::default();
            let end = orphan.end();
            let run = exec::run(&live, &end, &b""[..], 1024, self.sudo(), &trace);
            let ended =
                timeout(END_WITHIN, run).await.unwrap_or(Err(TransportError::TimedOut { limit: END_WITHIN }))?;
            if ended.status != Some(0) {
                let why =
                    "what was running when the connection was lost does not end: look at the host's disk and load";
                return Err(TransportError::Refused { why: why.to_owned() });
            }
            self.orphans.lock().unwrap_or_else(PoisonError::into_inner).retain(|one| *one != orphan);
        }
    }

    /// Runs a script once, on whatever connection there is.
    async fn once(&self, script: &Script, limits: Limits) -> Result<Output, TransportError> {
        let live = if script.repeatable { self.live().await? } else { self.settled().await? };
        let trace = Trace::default();
        let run = exec::run(&live, &script.sh, script.stdin.as_slice(), limits.stdout, self.sudo(), &trace);
        let ended = timeout(limits.time, run).await.unwrap_or(Err(TransportError::TimedOut { limit: limits.time }));
        if ended.is_err() && !script.repeatable {
            self.left_behind(&trace);
        }
        ended
    }
}

#[async_trait]
impl Transport for Ssh {
    async fn exec(&self, script: &Script, limits: Limits) -> Result<Output, TransportError> {
        match self.once(script, limits).await {
            // What only looks may look again; of everything else it is not known whether it was done.
            Err(TransportError::Lost { .. }) if script.repeatable => self.once(script, limits).await,
            ended => ended,
        }
    }

    async fn session(&self, sh: &str) -> Result<Session, TransportError> {
        session::start(&self.live().await?, sh, self.sudo()).await
    }

    async fn put(&self, put: &Put) -> Result<(), TransportError> {
        upload::put(self, put).await
    }

    async fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, TransportError> {
        let word = sh_quote(path);
        let sh = format!(
            "[ -e {word} ] || [ -L {word} ] || exit {NO_SUCH_FILE}\nexec head -c {} <{word}\n",
            limit.saturating_add(1)
        );
        let limits = Limits { time: READ_WITHIN, stdout: limit };
        let output = self.exec(&Script::new(sh).repeatable(), limits).await?;
        match output.status {
            Some(0) => Ok(Some(output.stdout)),
            Some(NO_SUCH_FILE) => Ok(None),
            _ => Err(failed(&format!("reading {path}"), &output)),
        }
    }

    fn reconnects(&self) -> bool {
        true
    }

    async fn tunnel(&self, to: &Endpoint) -> Result<Box<dyn Stream>, TransportError> {
        tunnel::open(&self.live().await?, to, self.sudo()).await
    }
}

/// A script that did not end well, with its last words.
fn failed(what: &str, output: &Output) -> TransportError {
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it did not say why");
    TransportError::Io { what: what.to_owned(), source: io::Error::other(crate::inventory::printable(last, 300)) }
}
