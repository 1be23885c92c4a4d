//! Files to a host: aside, verified there, synced, renamed. A transfer that was cut off goes on where it stopped, in this
//! run or in the next one, after what is there has been compared with ours. Only the digest of the whole decides.

use super::exec::{self, Input, Trace};
use super::{Ssh, failed};
use crate::model::{Digest, sh_quote};
use crate::remote::{Bytes, Limits, Put, Rate, Script, Transport as _, TransportError};
use sha2::{Digest as _, Sha256};
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

/// Up to this size a file goes along with the request, without asking first what is there.
const SMALL: u64 = 256 * 1024;
/// Bytes that are read, hashed and sent at a time.
const CHUNK: usize = 256 * 1024;
/// Hashing what is there, on a slow disk.
const LOOK_WITHIN: Duration = Duration::from_mins(10);
/// After the last byte: hashing and syncing all of it, on a slow disk.
const FINISH_WITHIN: Duration = Duration::from_mins(15);
/// The host must take a chunk within this.
const STALLED: Duration = Duration::from_mins(2);
/// Attempts in a row that get no further.
const TRIES: usize = 4;
/// Exit status of the script when the bytes are not those that were meant.
const WRONG: i32 = 45;

/// Shell functions; `aside` and `path` are set.
const FUNCTIONS: &str = r#"
have() {
    # What nobody has added to for a week is not gone on with.
    if [ -f "$aside" ] && [ ! -L "$aside" ] && [ -O "$aside" ] && [ -z "$(find "$aside" -mtime +6)" ]; then
        echo "$(stat -c %s -- "$aside") $(sha256sum <"$aside")"
    else
        echo 0
    fi
}
anew() { rm -f -- "$aside" && (set -C; : >"$aside"); }
finish() {
    [ "$(sha256sum <"$aside")" = "$sha256  -" ] || exit 45
    chmod "$mode" "$aside"
    sync -- "$aside" 2>/dev/null || sync
    mv -f -- "$aside" "$path"
    sync -- "$folder" 2>/dev/null || sync
}
set -eu
umask 077
"#;

/// A file that is being written.
struct Upload<'a> {
    ssh: &'a Ssh,
    put: &'a Put,
    /// Variables and functions that every script begins with.
    start: String,
    size: u64,
}

/// What every script about a file begins with: variables and functions.
fn start(path: &str, mode: u32, sha256: &Digest) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
    let folder = if folder.is_empty() { "/" } else { folder };
    format!(
        "folder={} path={} aside={} mode={:o} sha256={sha256}\n{FUNCTIONS}",
        sh_quote(folder),
        sh_quote(path),
        sh_quote(&format!("{folder}/.tmp-{name}")),
        mode & 0o7777,
    )
}

/// What follows: bytes come by standard input, after those that are there.
fn rest(from: u64) -> &'static str {
    if from == 0 { "anew\ncat >>\"$aside\"\nfinish\n" } else { "cat >>\"$aside\"\nfinish\n" }
}

/// The script that writes a file from its standard input, from this byte on.
pub(super) fn script(path: &str, mode: u32, sha256: &Digest, from: u64) -> String {
    format!("{}{}", start(path, mode, sha256), rest(from))
}

/// How many bytes of a file are on a host already, and right.
pub(super) async fn begun(ssh: &Ssh, put: &Put) -> Result<u64, TransportError> {
    Upload::of(ssh, put).await?.there().await
}

/// Writes a file.
pub(super) async fn put(ssh: &Ssh, put: &Put) -> Result<(), TransportError> {
    let upload = Upload::of(ssh, put).await?;
    let (mut tries, mut best, mut spoiled) = (0, 0, false);
    loop {
        let error = match upload.once(&mut best, &mut tries).await {
            Ok(Ended::Whole) => return Ok(()),
            // What was there is gone now. It was not what the host said, or somebody was still writing to it.
            Ok(Ended::Wrong(_)) if !spoiled && best > 0 => {
                (spoiled, best) = (true, 0);
                continue;
            }
            Err(error @ TransportError::Lost { .. }) => error,
            Ok(Ended::Wrong(error)) | Err(error) => return Err(error),
        };
        tries += 1;
        if tries >= TRIES {
            return Err(error);
        }
        tracing::debug!(path = %put.path, "{error}; going on where it stopped");
    }
}

/// How an attempt ended.
enum Ended {
    /// All of it is there, and right.
    Whole,
    /// It is not what was meant, and was removed.
    Wrong(TransportError),
}

impl<'a> Upload<'a> {
    async fn of(ssh: &'a Ssh, put: &'a Put) -> Result<Self, TransportError> {
        let start = start(&put.path, put.mode, &put.sha256);
        let size = match &put.from {
            Bytes::Given(bytes) => bytes.len() as u64,
            Bytes::File(file) => tokio::fs::metadata(file).await.map_err(|source| reading(file, source))?.len(),
        };
        Ok(Self { ssh, put, start, size })
    }
}

impl Upload<'_> {
    /// One attempt. `best` is how far any has come; getting further makes up for failed ones.
    async fn once(&self, best: &mut u64, tries: &mut usize) -> Result<Ended, TransportError> {
        let from = self.there().await?;
        if from > *best {
            (*best, *tries) = (from, 0);
        }
        let sh = format!("{}{}", self.start, rest(from));
        let (mut sent, live) = (Sent::default(), self.ssh.settled().await?);
        let rate = &*self.ssh.connection.shared.rate;
        let input = Source { put: self.put, from, sent: &mut sent, rate };
        let trace = Trace::default();
        let output = exec::run(&live, &sh, input, 1024, self.ssh.sudo(), &trace).await;
        if output.is_err() {
            self.ssh.left_behind(&trace);
        }
        let ended = match (output, sent.problem) {
            (_, Some(problem)) => return Err(problem),
            (ended, None) => ended?,
        };
        match ended.status {
            Some(0) => Ok(Ended::Whole),
            Some(WRONG) => Ok(Ended::Wrong(self.wrong(sent.hasher, from).await)),
            _ => Err(failed(&format!("writing {}", self.put.path), &ended)),
        }
    }

    /// How many bytes are there already, and right.
    async fn there(&self) -> Result<u64, TransportError> {
        if self.size <= SMALL {
            return Ok(0);
        }
        let script = Script::new(format!("{}have\n", self.start)).repeatable();
        let output = self.ssh.exec(&script, Limits { time: LOOK_WITHIN, stdout: 1024 }).await?;
        if output.status != Some(0) {
            return Err(failed(&format!("looking at {}", self.put.path), &output));
        }
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut words = said.split_ascii_whitespace();
        let size = words.next().and_then(|size| size.parse::<u64>().ok()).filter(|size| *size <= self.size);
        let found = words.next().and_then(|digest| Digest::parse(digest).ok());
        match (size, found) {
            (Some(size), Some(found)) if size > 0 && self.ours(size).await? == found => Ok(size),
            _ => Ok(0),
        }
    }

    /// The digest of our first bytes.
    async fn ours(&self, size: u64) -> Result<Digest, TransportError> {
        let bytes = match &self.put.from {
            Bytes::Given(bytes) => {
                let size = usize::try_from(size).unwrap_or(usize::MAX).min(bytes.len());
                return Ok(Digest::of(bytes.get(..size).unwrap_or_default()));
            }
            Bytes::File(file) => file.clone(),
        };
        let hash = move || {
            let open = std::fs::File::open(&bytes).map_err(|source| reading(&bytes, source))?;
            let (mut hasher, mut buffer) = (Sha256::new(), vec![0; CHUNK]);
            let mut open = io::Read::take(open, size);
            loop {
                let count = io::Read::read(&mut open, &mut buffer).map_err(|source| reading(&bytes, source))?;
                let Some(chunk) = buffer.get(..count).filter(|chunk| !chunk.is_empty()) else { break };
                hasher.update(chunk);
            }
            Ok(Digest::from_bytes(hasher.finalize().into()))
        };
        let joined = tokio::task::spawn_blocking(hash).await;
        joined.unwrap_or_else(|error| Err(TransportError::Unreachable { why: error.to_string() }))
    }

    /// Whose fault it is that the bytes are not those that were meant. What is there is removed.
    async fn wrong(&self, hasher: Sha256, from: u64) -> TransportError {
        let script = Script::new(format!("{}rm -f -- \"$aside\"\n", self.start));
        // The next attempt begins anew in any case.
        _ = self.ssh.exec(&script, Limits { time: STALLED, stdout: 1024 }).await;
        let sent = Digest::from_bytes(hasher.finalize().into());
        let ours = match &self.put.from {
            Bytes::File(file) => file.display().to_string(),
            Bytes::Given(_) => self.put.path.clone(),
        };
        if from == 0 && sent != self.put.sha256 {
            return TransportError::WrongBytes { what: ours, expected: self.put.sha256, found: sent };
        }
        let source = io::Error::other("the bytes that arrived are not those that were sent: look at the host's disk");
        TransportError::Io { what: format!("writing {}", self.put.path), source }
    }
}

fn reading(file: &Path, source: io::Error) -> TransportError {
    TransportError::Io { what: format!("reading {}", file.display()), source }
}

/// What became of sending.
#[derive(Default)]
struct Sent {
    /// What was sent, when it was sent from the start.
    hasher: Sha256,
    /// Why it was given up.
    problem: Option<TransportError>,
}

/// The bytes from a place on.
struct Source<'a> {
    put: &'a Put,
    from: u64,
    sent: &'a mut Sent,
    rate: &'a Rate,
}

impl Input for Source<'_> {
    async fn write(&mut self, to: &mut (impl tokio::io::AsyncWrite + Unpin + Send)) -> Result<(), TransportError> {
        let copied = match &self.put.from {
            Bytes::Given(bytes) => {
                let rest = bytes.get(usize::try_from(self.from).unwrap_or(usize::MAX)..).unwrap_or_default();
                copy(rest, to, &mut self.sent.hasher, self.rate).await
            }
            Bytes::File(file) => {
                let open = async {
                    let mut open = tokio::fs::File::open(file).await?;
                    tokio::io::AsyncSeekExt::seek(&mut open, io::SeekFrom::Start(self.from)).await?;
                    Ok(open)
                };
                match open.await {
                    Ok(open) => copy(open, to, &mut self.sent.hasher, self.rate).await,
                    Err(source) => Err(reading(file, source)),
                }
            }
        };
        copied.map_err(|error| {
            let text = TransportError::TimedOut { limit: STALLED };
            self.sent.problem = Some(error);
            text
        })
    }

    fn rest_within(&self) -> Duration {
        FINISH_WITHIN
    }
}

/// Sends everything. A host that ends early says why by its status.
async fn copy(
    mut from: impl tokio::io::AsyncRead + Unpin,
    to: &mut (impl tokio::io::AsyncWrite + Unpin + Send),
    hasher: &mut Sha256,
    rate: &Rate,
) -> Result<(), TransportError> {
    use tokio::io::AsyncWriteExt as _;
    let mut buffer = vec![0; CHUNK];
    loop {
        let count =
            from.read(&mut buffer).await.map_err(|source| TransportError::Io { what: "reading".into(), source })?;
        let Some(chunk) = buffer.get(..count).filter(|chunk| !chunk.is_empty()) else { return Ok(()) };
        hasher.update(chunk);
        rate.take(chunk.len()).await;
        match timeout(STALLED, to.write_all(chunk)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Ok(()),
            Err(_) => return Err(TransportError::TimedOut { limit: STALLED }),
        }
    }
}
