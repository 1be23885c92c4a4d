//! What a way to a machine must offer: run a script, copy a file, read a file, open a stream. Nothing of ours runs there.

use crate::model::Digest;
use async_trait::async_trait;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// Most that is kept of what a script says on its standard error.
pub const STDERR_LIMIT: usize = 64 * 1024;

/// A POSIX shell script with its standard input. Values are in it as words of [`crate::model::sh_quote`], or come by
/// standard input.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// The program, run by `sh`.
    pub sh: String,
    /// Standard input, then its end.
    pub stdin: Vec<u8>,
    /// It only looks: when the connection is lost in the middle it may be run again.
    pub repeatable: bool,
}

impl Script {
    /// A script without input.
    pub fn new(sh: impl Into<String>) -> Self {
        Self { sh: sh.into(), ..Self::default() }
    }

    /// A script with input.
    pub fn with_stdin(sh: impl Into<String>, stdin: Vec<u8>) -> Self {
        Self { sh: sh.into(), stdin, ..Self::default() }
    }

    /// The same script, known to change nothing.
    #[must_use]
    pub fn repeatable(self) -> Self {
        Self { repeatable: true, ..self }
    }
}

/// What a script may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Then it is killed, with everything that it started and that did not leave its process group.
    pub time: Duration,
    /// Bytes of standard output; more is an error.
    pub stdout: usize,
}

/// What came of a script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// Exit status; `None` when a signal ended it.
    pub status: Option<i32>,
    /// Standard output, whole.
    pub stdout: Vec<u8>,
    /// Standard error, at most [`STDERR_LIMIT`].
    pub stderr: Vec<u8>,
}

/// A script that goes on: dropping it ends its standard input, by which the script knows that it must end.
pub struct Session {
    /// Its standard input.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its standard output; ends when it ends, or when the way to the machine is lost.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session")
    }
}

/// Where bytes come from.
#[derive(Debug, Clone)]
pub enum Bytes {
    /// A file on the controller.
    File(PathBuf),
    /// These.
    Given(Vec<u8>),
}

/// A file to be written on a machine: aside first, verified while it is copied, synced, then renamed.
#[derive(Debug, Clone)]
pub struct Put {
    /// Its bytes.
    pub from: Bytes,
    /// Its absolute path there.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// sha256 that the bytes must have.
    pub sha256: Digest,
}

/// Where a stream ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Address and port, as seen from the machine.
    Tcp(String, u16),
    /// Path of a socket on the machine.
    Unix(String),
}

/// Bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Why a way to a machine failed. Texts may hold what a machine said: show them through [`crate::inventory::printable`].
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The machine can't be reached, or the connection was lost.
    #[error("it can't be reached: {why}")]
    Unreachable {
        /// What was seen.
        why: String,
    },
    /// The connection was lost while something ran there.
    #[error("the connection was lost in the middle, so whether it was done is not known: {why}")]
    Lost {
        /// What was seen.
        why: String,
    },
    /// The host does not allow what is needed.
    #[error("{why}")]
    Refused {
        /// What, and what to do about it.
        why: String,
    },
    /// It took too long; what was started was killed.
    #[error("no end after {} s: look at the load of the host, then run the same command again", limit.as_secs())]
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// It said too much.
    #[error("more than {limit} bytes of answer")]
    TooMuch {
        /// The limit in bytes.
        limit: usize,
    },
    /// The bytes that arrived are not those that were meant.
    #[error("{what} has sha256 {found}, expected {expected}: fetch it again with `esplan lock`")]
    WrongBytes {
        /// Which file.
        what: String,
        /// What it should have.
        expected: Digest,
        /// What it has.
        found: Digest,
    },
    /// Reading or writing failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// A way to one machine.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Runs a script to its end.
    async fn exec(&self, script: &Script, limits: Limits) -> Result<Output, TransportError>;
    /// Starts a script that lives until its standard input ends.
    async fn session(&self, sh: &str) -> Result<Session, TransportError>;
    /// Writes a file.
    async fn put(&self, put: &Put) -> Result<(), TransportError>;
    /// Reads a file; `None` when there is none. A longer one than `limit` bytes is an error.
    async fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, TransportError>;
    /// Whether a connection that was lost is opened again by the next request.
    fn reconnects(&self) -> bool {
        false
    }
    /// Opens a stream to something that listens on the machine.
    async fn tunnel(&self, to: &Endpoint) -> Result<Box<dyn Stream>, TransportError>;
}
