//! This machine as a transport: a sandbox host with its own address and prefix, without root and without sshd.

use super::transport::{
    Bytes, Endpoint, Limits, Output, Put, STDERR_LIMIT, Script, Session, Stream, Transport, TransportError,
};
use crate::model::Digest;
use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process_group};
use sha2::{Digest as _, Sha256};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A kernel takes no longer single argument; longer scripts come by standard input.
const LONGEST_ARGUMENT: usize = 100 * 1024;
/// A connection on the same machine is there at once or not at all.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// This machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Local;

/// Kills the whole process group of a script, unless the script has ended and was waited for.
struct Group {
    pid: Option<Pid>,
}

impl Group {
    fn of(child: &Child) -> Self {
        Self { pid: child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            // It may have ended meanwhile; then there is nothing to kill.
            _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

fn command(sh: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(sh).env_clear().env("LANG", "C").env("LC_ALL", "C").current_dir("/");
    command.env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into()));
    // A group of its own: Ctrl-C on the terminal reaches us and not the script.
    command.process_group(0);
    command
}

fn failed(what: &str) -> impl FnOnce(io::Error) -> TransportError + use<> {
    let what = what.to_owned();
    move |source| TransportError::Io { what, source }
}

/// Reads everything; fails when it is more than `limit`.
async fn read_all(from: impl AsyncRead + Unpin, limit: usize) -> Result<Vec<u8>, TransportError> {
    let mut bytes = Vec::new();
    from.take(limit as u64 + 1).read_to_end(&mut bytes).await.map_err(failed("reading the answer of a script"))?;
    if bytes.len() > limit { Err(TransportError::TooMuch { limit }) } else { Ok(bytes) }
}

/// Reads everything, keeps the first `limit` bytes.
async fn read_some(mut from: impl AsyncRead + Unpin, limit: usize) -> Result<Vec<u8>, TransportError> {
    let mut bytes = Vec::new();
    (&mut from).take(limit as u64).read_to_end(&mut bytes).await.map_err(failed("reading the errors of a script"))?;
    tokio::io::copy(&mut from, &mut tokio::io::sink()).await.map_err(failed("reading the errors of a script"))?;
    Ok(bytes)
}

async fn run(script: &Script, limits: Limits) -> Result<Output, TransportError> {
    let long = script.sh.len() > LONGEST_ARGUMENT;
    if long && !script.stdin.is_empty() {
        return Err(TransportError::TooMuch { limit: LONGEST_ARGUMENT });
    }
    let (sh, input) = if long { (r#"eval "$(cat)""#, script.sh.as_bytes()) } else { (&*script.sh, &*script.stdin) };
    let mut child = command(sh)
        .stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed("starting sh"))?;
    let mut group = Group::of(&child);
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (stdin, Some(stdout), Some(stderr)) = pipes else {
        return Err(TransportError::Unreachable { why: "sh has no pipes".to_owned() });
    };
    let write = async {
        if let Some(mut stdin) = stdin {
            // A script that ends before it has read everything has its reasons, and says so by its status.
            _ = stdin.write_all(input).await;
        }
        Ok(())
    };
    let ((), stdout, stderr) =
        tokio::try_join!(write, read_all(stdout, limits.stdout), read_some(stderr, STDERR_LIMIT))?;
    let status = child.wait().await.map_err(failed("waiting for sh"))?;
    group.pid = None;
    Ok(Output { status: status.code(), stdout, stderr })
}

/// Copies aside, verifies, syncs, renames. What was written aside goes away when anything fails.
fn put_file(put: &Put) -> Result<(), TransportError> {
    let path = Path::new(&put.path);
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(failed(&put.path)(io::Error::from(io::ErrorKind::InvalidInput)));
    };
    let mut aside_name = std::ffi::OsString::from(".tmp-");
    aside_name.push(name);
    let aside = folder.join(aside_name);
    let written = copy_verified(put, &aside)
        .and_then(|()| std::fs::rename(&aside, path).map_err(failed(&format!("renaming to {}", put.path))))
        .and_then(|()| {
            let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(failed(&format!("syncing {}", folder.display())))
        });
    if written.is_err() {
        // The first error is the one that counts.
        _ = std::fs::remove_file(&aside);
    }
    written
}

fn copy_verified(put: &Put, aside: &Path) -> Result<(), TransportError> {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    let writing = || failed(&format!("writing {}", aside.display()));
    match std::fs::remove_file(aside) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(writing()(source)),
        _ => {}
    }
    let (mut from, what): (Box<dyn Read>, String) = match &put.from {
        Bytes::File(file) => {
            let open = std::fs::File::open(file).map_err(failed(&format!("reading {}", file.display())))?;
            (Box::new(open), file.display().to_string())
        }
        Bytes::Given(bytes) => (Box::new(io::Cursor::new(bytes)), put.path.clone()),
    };
    // `create_new`: a link that somebody put there is not followed.
    let mut to = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(aside).map_err(writing())?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 1 << 20];
    loop {
        let count = from.read(&mut buffer).map_err(failed(&format!("reading {what}")))?;
        let Some(chunk) = buffer.get(..count).filter(|chunk| !chunk.is_empty()) else { break };
        hasher.update(chunk);
        to.write_all(chunk).map_err(writing())?;
    }
    let found = Digest::from_bytes(hasher.finalize().into());
    if found != put.sha256 {
        return Err(TransportError::WrongBytes { what, expected: put.sha256, found });
    }
    to.set_permissions(std::fs::Permissions::from_mode(put.mode)).map_err(writing())?;
    to.sync_all().map_err(writing())
}

fn read_file(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, TransportError> {
    let reading = || failed(&format!("reading {}", path.display()));
    let file = match std::fs::File::open(path) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(reading())?,
    };
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(reading())?;
    if bytes.len() > limit { Err(TransportError::TooMuch { limit }) } else { Ok(Some(bytes)) }
}

/// Does something that blocks on a thread for such things.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TransportError> + Send + 'static,
) -> Result<T, TransportError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|error| Err(TransportError::Unreachable { why: error.to_string() }))
}

#[async_trait]
impl Transport for Local {
    async fn exec(&self, script: &Script, limits: Limits) -> Result<Output, TransportError> {
        let ended = timeout(limits.time, run(script, limits)).await;
        ended.unwrap_or(Err(TransportError::TimedOut { limit: limits.time }))
    }

    async fn session(&self, sh: &str) -> Result<Session, TransportError> {
        let mut child = command(sh)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed("starting sh"))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(TransportError::Unreachable { why: "sh has no pipes".to_owned() });
        };
        // It ends by itself when its input ends; somebody must wait for it then.
        tokio::spawn(async move { child.wait().await });
        Ok(Session { stdin: Box::new(stdin), stdout: Box::new(stdout) })
    }

    async fn put(&self, put: &Put) -> Result<(), TransportError> {
        let put = put.clone();
        blocking(move || put_file(&put)).await
    }

    async fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, TransportError> {
        let path = PathBuf::from(path);
        blocking(move || read_file(&path, limit)).await
    }

    async fn tunnel(&self, to: &Endpoint) -> Result<Box<dyn Stream>, TransportError> {
        let connect = async {
            let stream: Box<dyn Stream> = match to {
                Endpoint::Tcp(address, port) => {
                    let stream = TcpStream::connect((address.as_str(), *port)).await?;
                    stream.set_nodelay(true)?;
                    Box::new(stream)
                }
                Endpoint::Unix(path) => Box::new(UnixStream::connect(path).await?),
            };
            Ok(stream)
        };
        let what = match to {
            Endpoint::Tcp(address, port) => format!("connecting to {address}:{port}"),
            Endpoint::Unix(path) => format!("connecting to {path}"),
        };
        let connected = timeout(CONNECT_WITHIN, connect).await;
        connected.map_err(|_| TransportError::TimedOut { limit: CONNECT_WITHIN })?.map_err(failed(&what))
    }
}

#[cfg(test)]
mod tests;
