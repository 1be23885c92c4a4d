//! A host as the executor sees it: observations and operations, each one request.

use super::{Courier, Endpoint, Limits, Script, Transport, TransportError, processes};
use crate::desired::{DesiredHost, DesiredInstance, DesiredJob, Part};
use crate::history::JournalText;
use crate::host::{Claim, Failure, Host, HostError, JobEnd, Life, LockGuard, Op, Wanted, WantedJournals};
use crate::inventory::{ANSWER_LIMIT, Found, HostObservation, parse, parse_seek, printable, request};
use crate::model::{HostName, sh_quote};
use crate::supervisor::{Call, Dial, SupervisorError};
use async_trait::async_trait;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Observing takes well under a second; a host under load may need more.
const OBSERVE_WITHIN: Duration = Duration::from_secs(30);
/// Comparing software by content reads all of it.
const VERIFY_WITHIN: Duration = Duration::from_mins(10);
/// Longest line of an error.
const MESSAGE: usize = 400;
/// Functions that change a host.
const CHANGE: &str = include_str!("change.sh");

/// Where the controller keeps the bundles that hosts lack.
pub trait BundleSource: Send + Sync + 'static {
    /// The file that holds a bundle on the controller.
    ///
    /// # Errors
    /// When there is none; the text says what to do.
    fn path(&self, part: &Part) -> Result<PathBuf, String>;
}

impl<F> BundleSource for F
where
    F: Fn(&Part) -> Result<PathBuf, String> + Send + Sync + 'static,
{
    fn path(&self, part: &Part) -> Result<PathBuf, String> {
        self(part)
    }
}

/// A host behind a transport.
pub struct Machine<T> {
    /// Its name, for errors.
    pub(super) name: HostName,
    pub(super) transport: Arc<T>,
    pub(super) bundles: Arc<dyn BundleSource>,
    /// Hosts that pass on what they have.
    pub(super) courier: Arc<Courier>,
    /// The supervisor's socket, as the last request named it: a look at one process does not name its host.
    socket: Mutex<Option<String>>,
}

impl<T: Transport> Machine<T> {
    /// A host of this name at the other end of a transport. Other readers (probes) may share the transport.
    pub fn new(name: HostName, transport: Arc<T>, bundles: Arc<dyn BundleSource>) -> Self {
        Self { name, transport, bundles, courier: Arc::default(), socket: Mutex::new(None) }
    }

    /// The same, with artifacts passed on from host to host.
    #[must_use]
    pub fn supplied_by(mut self, courier: Arc<Courier>) -> Self {
        self.courier = courier;
        self
    }

    /// Notes where the supervisor of this host listens.
    fn note(&self, host: &DesiredHost) {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        *socket = Some(host.supervisord().socket);
    }

    /// An error about this host.
    pub(super) fn error(&self, kind: Failure, message: impl AsRef<str>) -> HostError {
        HostError { host: self.name.clone(), kind, message: printable(message.as_ref(), MESSAGE) }
    }

    /// What a failure of the transport means for the rollout.
    pub(super) fn transport_error(&self, what: &str, error: &TransportError) -> HostError {
        let kind = match error {
            TransportError::Unreachable { .. } | TransportError::Lost { .. } => Failure::Unreachable,
            TransportError::TimedOut { .. } => Failure::TryAgain,
            TransportError::Refused { .. }
            | TransportError::TooMuch { .. }
            | TransportError::WrongBytes { .. }
            | TransportError::Io { .. } => Failure::Stop,
        };
        self.error(kind, format!("{what}: {error}"))
    }

    /// What a failure of the supervisor means for the rollout.
    pub(super) fn supervisor_error(&self, error: &SupervisorError) -> HostError {
        let kind = match error {
            SupervisorError::Silent { .. } => Failure::TryAgain,
            SupervisorError::Stuck { .. } | SupervisorError::StillRunning { .. } => Failure::Stuck,
            SupervisorError::Nonsense { .. }
            | SupervisorError::Unknown { .. }
            | SupervisorError::Config { .. }
            | SupervisorError::Spawn { .. }
            | SupervisorError::Refused { .. } => Failure::Stop,
        };
        self.error(kind, error.to_string())
    }

    /// Runs a script to its end and gives what it wrote; another exit status than 0 is an error with its last words.
    pub(super) async fn script(&self, what: &str, script: Script, time: Duration) -> Result<Vec<u8>, HostError> {
        let limits = Limits { time, stdout: ANSWER_LIMIT };
        let output = self.transport.exec(&script, limits).await.map_err(|error| self.transport_error(what, &error))?;
        if output.status == Some(0) {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it did not say why");
        Err(self.error(Failure::Stop, format!("{what}: {last}")))
    }

    /// Runs functions of `change.sh` below a prefix.
    pub(super) async fn change(
        &self,
        what: &str,
        prefix: &str,
        calls: &Calls,
        stdin: Vec<u8>,
        time: Duration,
    ) -> Result<Vec<u8>, HostError> {
        self.change_with("", what, prefix, calls, stdin, time).await
    }

    /// The same with more functions.
    pub(super) async fn change_with(
        &self,
        functions: &str,
        what: &str,
        prefix: &str,
        calls: &Calls,
        stdin: Vec<u8>,
        time: Duration,
    ) -> Result<Vec<u8>, HostError> {
        let sh = below(prefix, functions, calls, stdin.len());
        self.script(what, Script::with_stdin(sh, stdin), time).await
    }

    /// Runs functions that only look: again, when the connection is lost in the middle.
    pub(super) async fn look(
        &self,
        functions: &str,
        what: &str,
        prefix: &str,
        calls: &Calls,
        time: Duration,
    ) -> Result<Vec<u8>, HostError> {
        self.script(what, Script::new(below(prefix, functions, calls, 0)).repeatable(), time).await
    }
}

/// Calls of functions of `change.sh`, and of others, in a prefix, with so many bytes of input.
fn below(prefix: &str, functions: &str, calls: &Calls, sent: usize) -> String {
    format!("{CHANGE}{functions}sent={sent}\ncd {}\n{}", sh_quote(prefix), calls.text)
}

/// Calls of shell functions, every word quoted.
#[derive(Debug, Default)]
pub(super) struct Calls {
    text: String,
}

impl Calls {
    /// Adds a call.
    pub(super) fn add<'a>(&mut self, function: &str, words: impl IntoIterator<Item = &'a str>) -> &mut Self {
        self.text.push_str(function);
        for word in words {
            self.text.push(' ');
            self.text.push_str(&sh_quote(word));
        }
        self.text.push('\n');
        self
    }

    /// Adds shell text that holds no value from outside.
    pub(super) fn raw(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// One call.
    pub(super) fn one<'a>(function: &str, words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut calls = Self::default();
        calls.add(function, words);
        calls
    }
}

/// The supervisor's socket, through the transport.
pub(super) struct Socket<'a, T> {
    pub(super) transport: &'a T,
    pub(super) path: String,
}

#[async_trait]
impl<T: Transport> Dial for Socket<'_, T> {
    async fn dial(&self) -> Result<Box<dyn Call>, String> {
        let stream = self.transport.tunnel(&Endpoint::Unix(self.path.clone())).await;
        stream.map(|stream| Box::new(stream) as Box<dyn Call>).map_err(|error| error.to_string())
    }
}

#[async_trait]
impl<T: Transport> Host for Machine<T> {
    async fn observe(&self, wanted: &Wanted) -> Result<HostObservation, HostError> {
        self.note(&wanted.host);
        let sh = request(&wanted.host, &wanted.instances, wanted.verify)
            .map_err(|error| self.error(Failure::Stop, error.to_string()))?;
        let time = if wanted.verify { VERIFY_WITHIN } else { OBSERVE_WITHIN };
        let limits = Limits { time, stdout: ANSWER_LIMIT };
        let output = self.transport.exec(&Script::new(sh).repeatable(), limits).await;
        let output = output.map_err(|error| self.transport_error("looking at the host", &error))?;
        let seen = parse(&output.stdout, &wanted.host, &wanted.instances)
            .map_err(|error| self.error(Failure::Stop, format!("looking at the host: {error}")))?;
        self.courier.seen(&self.name, &seen);
        Ok(seen)
    }

    async fn seek(&self, request: &str) -> Result<Vec<Found>, HostError> {
        let limits = Limits { time: OBSERVE_WITHIN, stdout: ANSWER_LIMIT };
        let output = self.transport.exec(&Script::new(request.to_owned()).repeatable(), limits).await;
        let output = output.map_err(|error| self.transport_error("looking for processes", &error))?;
        parse_seek(&output.stdout).map_err(|error| self.error(Failure::Stop, format!("looking for processes: {error}")))
    }

    async fn run(&self, op: &Op) -> Result<(), HostError> {
        self.note(op.host());
        match op {
            Op::Prepare { host, instances, debris } => self.prepare(host, instances, debris).await,
            Op::Fetch { host, software } => self.fetch(host, software).await,
            Op::Assemble { host, software } => self.assemble(host, software).await,
            Op::Render { host, instance } => self.render(host, instance).await,
            Op::Supervise { host } => self.supervise(host).await,
            Op::Provide { host, keep, set } => self.provide(host, keep, set).await,
            Op::Install { packages, .. } => self.install(packages).await,
            Op::Retire { host } => self.retire(host).await,
            Op::Switch { host, instance, to } => self.switch(host, instance, *to).await,
            Op::Stop { host, instance, within } => self.stop(host, instance, *within).await,
            Op::StopUnsupervised { host, instance, within, stranger } => {
                if let Some(stranger) = stranger {
                    self.take_over(host, instance, *stranger).await?;
                }
                self.stop_unsupervised(host, instance, *within).await
            }
            Op::Start { host, instance, first } => self.start(host, instance, *first).await,
            Op::Accept { host, instance } => self.accept(host, instance).await,
            Op::Reload { host, instance } => self.reload(host, instance).await,
            Op::WriteUndo { host, name, record } => self.write_undo(host, name, record).await,
            Op::RemoveUndo { host, name } => self.remove_undo(host, name).await,
            Op::Hold { host, instance, held } => self.hold(host, instance, held.as_ref()).await,
            Op::Collect { host, keep } => self.collect(host, keep).await,
            Op::Drained { host, instance } => self.drained(host, instance).await,
            Op::Withdraw { host, instance } => self.withdraw(host, instance).await,
            Op::Purge { host, role } => self.purge(host, role).await,
            Op::Record { host, run, line } => self.record(host, run, line).await,
        }
    }

    async fn life(&self, instance: &DesiredInstance) -> Result<Life, HostError> {
        let prefix = processes::prefix_of(instance);
        let known = self.socket.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let socket = known.unwrap_or_else(|| format!("{prefix}/run/supervisord.sock"));
        self.life_below(prefix, &socket, instance).await
    }

    async fn tail(&self, instance: &DesiredInstance, lines: usize) -> Result<Vec<String>, HostError> {
        self.last_lines(instance, lines).await
    }

    async fn journals(&self, prefix: &str, wanted: &WantedJournals) -> Result<Vec<JournalText>, HostError> {
        self.read_journals(prefix, wanted).await
    }

    async fn job(&self, host: &DesiredHost, job: &DesiredJob, dry_run: bool) -> Result<JobEnd, HostError> {
        self.run_job(host, job, dry_run).await
    }

    async fn lock(&self, prefix: &str, claim: &Claim) -> Result<Box<dyn LockGuard>, HostError> {
        self.take_lock(prefix, claim).await
    }
}

/// The user that services run as, or an empty text.
pub(super) fn service_user(host: &DesiredHost) -> &str {
    host.user.as_deref().unwrap_or_default()
}
