//! The lock of a host: a process there that lives from our heartbeats.

use super::machine::Machine;
use super::{Session, Transport};
use crate::host::{Claim, Failure, HostError, LockGuard};
use crate::inventory::printable;
use crate::model::sh_quote;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::{interval, timeout};

/// How often we say that we are still there.
const BEAT_EVERY: Duration = Duration::from_secs(5);
/// After this long without a word the other side is gone. The holder waits as long for us.
const SILENCE: Duration = Duration::from_secs(30);
/// Taking the lock is one look at a file.
const TAKE_WITHIN: Duration = Duration::from_secs(30);
/// Longest first line: a claim.
const LONGEST_LINE: u64 = 16 * 1024;

/// Takes the lock, says so, and answers every beat with one until there is none. What it starts does not inherit the
/// lock: only this shell holds it. The claim is removed while the lock is still held.
const HOLDER: &str = r#"
set -u
umask 022
failed() { echo "failed: $1: $(printf %s "$said" | tr '\n' ' ')"; exit 1; }
said=$(mkdir -p -- "$prefix/run" 2>&1) && said=$(cd "$prefix/run" 2>&1) || failed 'the folder run/ can not be made'
cd "$prefix/run" || exit 1
said=$(command -v flock 2>&1) || failed 'there is no program flock'
said=$( { : >>lock; } 2>&1 ) || failed 'run/lock can not be opened'
exec 9>>lock
if ! flock -n 9; then
    printf 'held '
    head -c 4096 lock.owner 2>/dev/null | tr '\n' ' ' 9>&-
    echo
    exit 0
fi
# Not by the shell itself: not every shell says that a disk is full.
said=$( { printf '%s\n' "$claim" | cat >.tmp-lock.owner && mv -f .tmp-lock.owner lock.owner; } 2>&1 9>&-) || failed 'the claim can not be written'
trap '' HUP INT
echo locked
while [ "$(timeout 30 dd bs=1 count=1 2>/dev/null 9>&-)" = . ]; do
    echo . || break
done
rm -f lock.owner
"#;

/// Holds the lock until it is dropped.
#[derive(Debug)]
struct Guard {
    held: Arc<AtomicBool>,
    /// Dropping it ends the task that beats, and with it the holder's input.
    _beating: tokio::sync::oneshot::Sender<()>,
}

impl LockGuard for Guard {
    fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }
}

impl<T: Transport> Machine<T> {
    /// Takes the host's lock, or says who has it.
    pub(super) async fn take_lock(&self, prefix: &str, claim: &Claim) -> Result<Box<dyn LockGuard>, HostError> {
        let json = serde_json::to_string(claim).map_err(|error| self.error(Failure::Stop, error.to_string()))?;
        let sh = format!("prefix={}\nclaim={}\n{HOLDER}", sh_quote(prefix), sh_quote(&json));
        let session = self.transport.session(&sh).await;
        let Session { stdin, stdout } = session.map_err(|error| self.transport_error("taking the lock", &error))?;
        let mut lines = BufReader::new(stdout);
        let mut first = String::new();
        let read = timeout(TAKE_WITHIN, (&mut lines).take(LONGEST_LINE).read_line(&mut first)).await;
        if !matches!(read, Ok(Ok(_))) {
            return Err(self.error(Failure::TryAgain, "taking the lock: no answer"));
        }
        let first = first.trim_end();
        if let Some(owner) = first.strip_prefix("held") {
            return Err(self.error(Failure::Locked, format!("locked by {}", describe(owner))));
        }
        if first != "locked" {
            return Err(self.error(Failure::Stop, format!("taking the lock: {}", printable(first, 400))));
        }
        let held = Arc::new(AtomicBool::new(true));
        let (beating, dropped) = tokio::sync::oneshot::channel();
        tokio::spawn(beat(stdin, lines, dropped, Arc::clone(&held)));
        Ok(Box::new(Guard { held, _beating: beating }))
    }
}

/// Who holds it, in words; what is not a claim is shown as it is.
fn describe(owner: &str) -> String {
    match serde_json::from_str::<Claim>(owner.trim()) {
        Ok(claim) => format!("{} ({}) since {}", claim.who, claim.why, claim.since),
        Err(_) if owner.trim().is_empty() => "somebody who has not said who".to_owned(),
        Err(_) => printable(owner.trim(), 200),
    }
}

/// Beats until the guard is dropped or the holder is silent for too long.
async fn beat(
    mut stdin: Box<dyn tokio::io::AsyncWrite + Send + Unpin>,
    mut lines: BufReader<Box<dyn tokio::io::AsyncRead + Send + Unpin>>,
    mut dropped: tokio::sync::oneshot::Receiver<()>,
    held: Arc<AtomicBool>,
) {
    let listen = async {
        // An answer to every beat; none for long, or an end, means that the lock may be gone.
        let mut answer = [0u8; 64];
        while matches!(timeout(SILENCE, lines.read(&mut answer)).await, Ok(Ok(count)) if count > 0) {}
    };
    let speak = async {
        let mut beats = interval(BEAT_EVERY);
        loop {
            beats.tick().await;
            if stdin.write_all(b".").await.is_err() || stdin.flush().await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = listen => {}
        () = speak => {}
        _ = &mut dropped => {}
    }
    held.store(false, Ordering::Release);
}
