//! Runs the clients of package registries: without a shell, with limits on time and output, and with an error that shows
//! the client's own last words and what to install when it is absent.

use crate::inventory::printable;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};

/// Lines of a client that are kept.
const KEPT_LINES: usize = 200;
/// Lines of a failed client that are shown.
const LAST_LINES: usize = 12;
/// Bytes of one line that are kept.
const MAX_LINE: u64 = 4096;

/// The programs that fetch, by name in `PATH` or by path.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Maven.
    pub mvn: PathBuf,
    /// Python with pip.
    pub python: PathBuf,
    /// APT.
    pub apt_get: PathBuf,
    /// curl.
    pub curl: PathBuf,
    /// How long one call may take.
    pub limit: Duration,
}

impl Default for Clients {
    fn default() -> Self {
        let named = PathBuf::from;
        let limit = Duration::from_mins(20);
        Self { mvn: named("mvn"), python: named("python3"), apt_get: named("apt-get"), curl: named("curl"), limit }
    }
}

/// Why a client did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It is not installed.
    #[error("{program} is not installed; install {install}")]
    Missing {
        /// The program.
        program: String,
        /// What offers it.
        install: &'static str,
    },
    /// It could not be started or watched.
    #[error("can't run {program}: {source}")]
    Broken {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It took too long and was ended.
    #[error("{program} did not end within {} s and was stopped", .within.as_secs())]
    Slow {
        /// The program.
        program: String,
        /// The limit.
        within: Duration,
    },
    /// It failed.
    #[error("{program} failed ({status}){}", said(.last))]
    Failed {
        /// The program.
        program: String,
        /// Its exit status.
        status: ExitStatus,
        /// Its last lines.
        last: Vec<String>,
    },
}

fn said(last: &[String]) -> String {
    let lines = last.iter().skip(last.len().saturating_sub(LAST_LINES));
    lines.fold(String::new(), |text, line| text + "\n    " + line)
}

/// A call of a client.
#[derive(Debug)]
pub(super) struct Call<'a> {
    program: &'a Path,
    install: &'static str,
    args: Vec<OsString>,
    folder: &'a Path,
    limit: Duration,
}

/// Ends a client with everything that it started, also when the waiting was given up.
struct Group(Option<rustix::process::Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0.take() {
            // It is gone already when this fails.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

impl<'a> Call<'a> {
    /// A call of `program` inside `folder`.
    pub(super) fn new(program: &'a Path, install: &'static str, folder: &'a Path, limit: Duration) -> Self {
        Self { program, install, args: Vec::new(), folder, limit }
    }

    /// Adds words.
    pub(super) fn args<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.args.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// Runs it to its end.
    pub(super) async fn run(self) -> Result<(), ClientError> {
        self.run_into(async |stdout| last_lines(stdout).await.map(|lines| ((), lines))).await
    }

    /// Runs it while `sink` takes what it prints. `sink` also gives the last lines that explain a failure.
    pub(super) async fn run_into<T>(
        self,
        sink: impl AsyncFnOnce(ChildStdout) -> io::Result<(T, VecDeque<String>)>,
    ) -> Result<T, ClientError> {
        let program = self.program.display().to_string();
        let broken = |source| ClientError::Broken { program: program.clone(), source };
        let mut child = self.spawn().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ClientError::Missing { program: program.clone(), install: self.install },
            _ => broken(source),
        })?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
        let mut group = Group(pid);
        let gone = || io::Error::other("its output is closed");
        let stdout = child.stdout.take().ok_or_else(gone).map_err(broken)?;
        let stderr = child.stderr.take().ok_or_else(gone).map_err(broken)?;
        let work = async { tokio::try_join!(sink(stdout), last_lines(stderr), child.wait()) };
        let Ok(ended) = tokio::time::timeout(self.limit, work).await else {
            return Err(ClientError::Slow { program, within: self.limit });
        };
        let ((value, mut last), errors, status) = ended.map_err(broken)?;
        group.0 = None;
        if status.success() {
            return Ok(value);
        }
        last.extend(errors);
        Err(ClientError::Failed { program, status, last: last.into() })
    }

    fn spawn(&self) -> io::Result<Child> {
        Command::new(self.program)
            .args(&self.args)
            .current_dir(self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }
}

/// The last lines of a stream, made safe for a terminal; the rest is read and forgotten.
pub(super) async fn last_lines(stream: impl AsyncRead + Unpin) -> io::Result<VecDeque<String>> {
    let mut stream = BufReader::new(stream);
    let mut lines = VecDeque::new();
    loop {
        let mut line = Vec::new();
        if (&mut stream).take(MAX_LINE).read_until(b'\n', &mut line).await? == 0 {
            return Ok(lines);
        }
        let line = plain(&String::from_utf8_lossy(&line));
        if !line.is_empty() {
            lines.push_back(line);
        }
        if lines.len() > KEPT_LINES {
            lines.pop_front();
        }
    }
}

/// A line without colour codes, made safe for a terminal.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            // `ESC [ … letter` is a colour.
            '\u{1b}' if chars.as_str().starts_with('[') => _ = chars.find(char::is_ascii_alphabetic),
            // A progress bar writes its line again and again: only the last one counts.
            '\r' if !chars.as_str().trim_end().is_empty() => text.clear(),
            c => text.push(c),
        }
    }
    printable(&text, 400)
}
