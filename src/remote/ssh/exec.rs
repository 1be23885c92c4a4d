//! Scripts on a host, run to their end. The shell first tells its process ids, so that it can be ended with everything that
//! it started: closing a channel ends nothing.

use super::command::{alone, command_line, marker, shell};
use super::connection::{Live, Opened};
use crate::inventory::printable;
use crate::remote::{Output, STDERR_LIMIT, TransportError};
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

/// What a login shell may print before our shell speaks.
const NOISE: usize = 64 * 1024;
/// Ending something is two system calls.
const END_WITHIN: Duration = Duration::from_secs(10);

/// The processes of a script: what ends all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Processes {
    pid: u32,
    /// Their group, when it is theirs alone.
    group: Option<u32>,
    /// When the first of them was started, in ticks since boot: another process with its number has another.
    started: Option<u64>,
}

/// What is known of a script that was not seen to its end.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// Its processes.
    pub(super) processes: OnceLock<Processes>,
}

impl Processes {
    /// Reads what follows the marker: the shell's pid, then state, parent, group and session out of `/proc`.
    fn parse(line: &str, sudo: bool) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let pid: u32 = words.next()?.parse().ok()?;
        let rest: Vec<Option<u64>> = words.map(|word| word.parse().ok()).collect();
        let field = |index: usize| rest.get(index).copied().flatten();
        let number = |index| field(index).and_then(|number| u32::try_from(number).ok());
        let (parent, group) = (number(1), number(2));
        // A group that our shell does not lead may have others in it; `sudo` alone stands between.
        let ours = |group: &u32| *group > 1 && (*group == pid || sudo && Some(*group) == parent);
        Some(Self { pid, group: group.filter(ours), started: field(19) })
    }

    /// A script that ends them and waits until they are gone; nothing is done to others that have the same number now.
    pub(super) fn end(self) -> String {
        let pid = self.pid;
        let whom = self.group.map_or_else(|| pid.to_string(), |group| format!("-- -{group}"));
        let started =
            self.started.map_or_else(String::new, |started| format!("[ \"${{20}}\" = {started} ] || exit 0\n"));
        format!(
            "x=; read -r x 2>/dev/null </proc/{pid}/stat || exit 0\nset -- ${{x##*)}}\n{started}kill -s KILL {whom}\n\
             n=0; while kill -s 0 {whom} 2>/dev/null; do n=$((n + 1)); [ $n -lt 100 ] || exit 1; sleep 0.1; done\n"
        )
    }
}

/// How a script runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum As {
    /// As the user that logs in.
    User,
    /// With `sudo -n`.
    Root,
    /// As the user that logs in, with what our errand lets it have signed.
    Errand,
}

impl As {
    /// With `sudo -n`, or not.
    pub(super) const fn privileged(sudo: bool) -> Self {
        if sudo { Self::Root } else { Self::User }
    }
}

/// A program on a host. When it is dropped before it has ended, it is ended.
pub(super) struct Program {
    live: Arc<Live>,
    pub(super) read: ChannelReadHalf,
    pub(super) write: Arc<ChannelWriteHalf<Msg>>,
    processes: Option<Processes>,
    sudo: bool,
    /// It has ended.
    over: bool,
    /// Its channel has ended.
    closed: bool,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Program {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.closed {
            return;
        }
        let (live, write, sudo) = (Arc::clone(&self.live), Arc::clone(&self.write), self.sudo);
        let kill = self.processes.filter(|_| !self.over);
        runtime.spawn(async move {
            if let Some(processes) = kill {
                _ = timeout(END_WITHIN, end(&live, processes, sudo)).await;
            }
            _ = write.close().await;
        });
    }
}

/// Ends the processes of a script.
async fn end(live: &Live, processes: Processes, sudo: bool) -> Option<()> {
    let sh = processes.end();
    let channel = live.spare().await?;
    let (mut read, write) = channel.split();
    write.exec(true, command_line(sh.len(), sudo)).await.ok()?;
    write.data_bytes(sh.into_bytes()).await.ok()?;
    write.eof().await.ok()?;
    while read.wait().await.is_some() {}
    Some(())
}

impl Program {
    /// Starts a shell with this command line.
    pub(super) async fn start(live: &Arc<Live>, line: String, run_as: As) -> Result<Self, TransportError> {
        let Opened { channel, permit } = live.session().await?;
        let (read, write) = channel.split();
        let sudo = run_as == As::Root;
        let forwarded = if run_as == As::Errand { write.agent_forward(false).await } else { Ok(()) };
        let started = match forwarded {
            Ok(()) => write.exec(true, line).await,
            failed => failed,
        };
        let program = Self {
            live: Arc::clone(live),
            read,
            write: Arc::new(write),
            processes: None,
            sudo,
            over: false,
            closed: false,
            _permit: permit,
        };
        match started {
            Ok(()) => Ok(program),
            Err(_) => Err(TransportError::Unreachable { why: program.live.end() }),
        }
    }

    /// Takes down what the shell tells of itself.
    pub(super) fn note(&mut self, line: Option<&str>) {
        if let Some(line) = line {
            self.processes = Processes::parse(line, self.sudo);
        }
    }

    /// It has ended, and nothing is left to be ended.
    pub(super) fn note_end(&mut self) {
        self.over = true;
    }

    /// What the lost connection means for what was being done.
    fn lost(&self) -> TransportError {
        TransportError::Lost { why: self.live.end() }
    }
}

/// Collects what a script says.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Until the marker was seen, what came before it.
    noise: Vec<u8>,
    started: bool,
    pub(super) stdout: Vec<u8>,
    stderr: Vec<u8>,
    status: Option<u32>,
    signal: Option<String>,
    refused: bool,
}

impl Heard {
    /// Takes standard output; gives the line after the marker once.
    pub(super) fn out(&mut self, data: &[u8]) -> Result<Option<String>, TransportError> {
        if self.started {
            self.stdout.extend_from_slice(data);
            return Ok(None);
        }
        self.noise.extend_from_slice(data);
        let marker = marker().as_bytes();
        let Some(at) = self.noise.windows(marker.len()).position(|window| window == marker) else {
            let limit = NOISE;
            return if self.noise.len() > limit { Err(TransportError::TooMuch { limit }) } else { Ok(None) };
        };
        let rest = self.noise.get(at + marker.len()..).unwrap_or_default();
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let line = String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned();
        self.stdout = rest.get(end + 1..).unwrap_or_default().to_vec();
        self.noise = Vec::new();
        self.started = true;
        Ok(Some(line))
    }

    fn err(&mut self, data: &[u8]) {
        let room = STDERR_LIMIT.saturating_sub(self.stderr.len());
        self.stderr.extend_from_slice(data.get(..room).unwrap_or(data));
    }

    /// Why the shell did not even start.
    fn not_started(&self, sudo: bool) -> TransportError {
        let said = if self.stderr.is_empty() { &self.noise } else { &self.stderr };
        let said = String::from_utf8_lossy(said);
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
        let last = printable(last.trim(), 200);
        let why = match (sudo, self.refused) {
            (true, _) => format!(
                "`sudo -n` does not work there, it says: {last}. Let this user run /bin/sh without a password \
                 (NOPASSWD in sudoers), or log in as root with `ssh user=\"root\"`"
            ),
            (false, true) => "the host does not run commands for this user (ForceCommand, or no shell)".to_owned(),
            (false, false) => format!("no shell starts there for this user; it says: {last}"),
        };
        TransportError::Refused { why }
    }
}

/// The standard input of a script.
pub(super) trait Input: Send {
    /// Writes all of it. A script that ends before it has read everything has its reasons: that is no error.
    async fn write(&mut self, to: &mut (impl tokio::io::AsyncWrite + Unpin + Send)) -> Result<(), TransportError>;

    /// How long the script may go on after the last byte.
    fn rest_within(&self) -> Duration;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        false
    }
}

impl Input for &[u8] {
    async fn write(&mut self, to: &mut (impl tokio::io::AsyncWrite + Unpin + Send)) -> Result<(), TransportError> {
        _ = to.write_all(self).await;
        Ok(())
    }

    /// Whoever runs the script limits the whole.
    fn rest_within(&self) -> Duration {
        Duration::MAX
    }

    fn is_empty(&self) -> bool {
        <[u8]>::is_empty(self)
    }
}

/// Runs a script to its end.
pub(super) async fn run(
    live: &Arc<Live>,
    sh: &str,
    input: impl Input,
    stdout_limit: usize,
    sudo: bool,
    trace: &Trace,
) -> Result<Output, TransportError> {
    run_as(live, sh, input, stdout_limit, As::privileged(sudo), trace).await
}

/// The same, as somebody.
pub(super) async fn run_as(
    live: &Arc<Live>,
    sh: &str,
    mut input: impl Input,
    stdout_limit: usize,
    run_as: As,
    trace: &Trace,
) -> Result<Output, TransportError> {
    let sudo = run_as == As::Root;
    let (line, sh) = if input.is_empty() {
        (shell(sudo), Cow::Owned(alone(sh)))
    } else {
        (command_line(sh.len(), sudo), Cow::Borrowed(sh))
    };
    let mut program = Program::start(live, line, run_as).await?;
    let half = Arc::clone(&program.write);
    let limit = input.rest_within();
    let write = async {
        let mut writer = half.make_writer();
        // An end of the channel is heard on its other side.
        _ = writer.write_all(sh.as_bytes()).await;
        input.write(&mut writer).await?;
        _ = half.eof().await;
        Ok(())
    };
    let mut heard = Heard::default();
    {
        let listen = listen(&mut program, &mut heard, stdout_limit, trace);
        tokio::pin!(write, listen);
        tokio::select! {
            biased;
            listened = &mut listen => listened,
            written = &mut write => match written {
                Ok(()) => timeout(limit, listen).await.unwrap_or(Err(TransportError::TimedOut { limit })),
                Err(error) => Err(error),
            },
        }
    }?;
    if !program.over {
        return Err(if heard.refused { heard.not_started(sudo) } else { program.lost() });
    }
    if !heard.started {
        return Err(heard.not_started(sudo));
    }
    let status = heard.status.filter(|_| heard.signal.is_none()).and_then(|status| i32::try_from(status).ok());
    Ok(Output { status, stdout: heard.stdout, stderr: heard.stderr })
}

/// Hears everything until the channel ends.
async fn listen(program: &mut Program, heard: &mut Heard, limit: usize, trace: &Trace) -> Result<(), TransportError> {
    while let Some(message) = program.read.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                let line = heard.out(&data)?;
                program.note(line.as_deref());
                if let Some(processes) = program.processes {
                    _ = trace.processes.set(processes);
                }
                if heard.stdout.len() > limit {
                    return Err(TransportError::TooMuch { limit });
                }
            }
            ChannelMsg::ExtendedData { data, .. } => heard.err(&data),
            ChannelMsg::ExitStatus { exit_status } => {
                heard.status = Some(exit_status);
                program.over = true;
            }
            ChannelMsg::ExitSignal { signal_name, .. } => {
                heard.signal = Some(match signal_name {
                    Sig::Custom(name) => name,
                    other => format!("{other:?}"),
                });
                program.over = true;
            }
            ChannelMsg::Failure => {
                heard.refused = true;
                break;
            }
            ChannelMsg::Close => program.closed = true,
            _ => {}
        }
    }
    Ok(())
}
