//! The lock of a host: a process there that lives from our heartbeats.

use super::machine::Machine;
use super::{Session, Transport, TransportError};
use crate::host::{Claim, Failure, HostError, LockGuard};
use crate::inventory::printable;
use crate::model::sh_quote;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::{oneshot, watch};
use tokio::time::{interval, sleep, timeout};

/// How often we say that we are still there.
const BEAT_EVERY: Duration = Duration::from_secs(5);
/// After this long without a word the other side is gone. The holder waits as long for us.
const SILENCE: Duration = Duration::from_secs(30);
/// Taking the lock is one look at a file.
const TAKE_WITHIN: Duration = Duration::from_secs(30);
/// After a lost connection the lock is ours again within this, or it counts as lost. Longer than a holder waits for us.
const REGAIN_WITHIN: Duration = Duration::from_secs(75);
/// Pause between two attempts to get it back.
const REGAIN_EVERY: Duration = Duration::from_secs(1);
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
last=$(head -c 4096 lock.last 2>/dev/null 9>&- | tr '\n' ' ')
# Not by the shell itself: not every shell says that a disk is full.
for name in lock.owner lock.last; do
    said=$( { printf '%s\n' "$claim" | cat >".tmp-$name" && mv -f ".tmp-$name" "$name"; } 2>&1 9>&-) || failed 'the claim can not be written'
done
trap '' HUP INT
echo "locked $last"
while [ "$(timeout 30 dd bs=1 count=1 2>/dev/null 9>&-)" = . ]; do
    echo . || break
done
rm -f lock.owner
"#;

/// How a lock is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    Held,
    /// The connection was lost; it is being taken again.
    Regaining,
    Lost,
}

/// Holds the lock until it is dropped.
#[derive(Debug)]
struct Guard {
    hold: watch::Receiver<Hold>,
    /// Dropping it ends the task that beats, and with it the holder's input.
    _beating: oneshot::Sender<()>,
}

#[async_trait]
impl LockGuard for Guard {
    fn is_held(&self) -> bool {
        *self.hold.borrow() == Hold::Held
    }

    async fn settled(&self) -> bool {
        let mut hold = self.hold.clone();
        let settled = hold.wait_for(|hold| *hold != Hold::Regaining).await;
        settled.is_ok_and(|hold| *hold == Hold::Held)
    }
}

/// A lock that was just taken.
struct Taken {
    stdin: Box<dyn AsyncWrite + Send + Unpin>,
    lines: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    /// The claim of whoever had it last.
    last: String,
}

/// Why it was not taken.
enum NotTaken {
    /// Who has it, as the host tells it.
    Held(String),
    Failed(Failure, String),
    NoWay(TransportError),
}

/// Asks for the lock once.
async fn take<T: Transport>(transport: &T, sh: &str) -> Result<Taken, NotTaken> {
    let Session { stdin, stdout } = transport.session(sh).await.map_err(NotTaken::NoWay)?;
    let mut lines = BufReader::new(stdout);
    let mut first = String::new();
    let read = timeout(TAKE_WITHIN, (&mut lines).take(LONGEST_LINE).read_line(&mut first)).await;
    if !matches!(read, Ok(Ok(count)) if count > 0) {
        return Err(NotTaken::Failed(Failure::TryAgain, "no answer".to_owned()));
    }
    let first = first.trim_end();
    match (first.strip_prefix("held"), first.strip_prefix("locked")) {
        (Some(owner), _) => Err(NotTaken::Held(owner.trim().to_owned())),
        (None, Some(last)) => Ok(Taken { stdin, lines, last: last.trim().to_owned() }),
        (None, None) => Err(NotTaken::Failed(Failure::Stop, printable(first, 400))),
    }
}

impl<T: Transport> Machine<T> {
    /// Takes the host's lock, or says who has it.
    pub(super) async fn take_lock(&self, prefix: &str, claim: &Claim) -> Result<Box<dyn LockGuard>, HostError> {
        let json = serde_json::to_string(claim).map_err(|error| self.error(Failure::Stop, error.to_string()))?;
        let sh = format!("prefix={}\nclaim={}\n{HOLDER}", sh_quote(prefix), sh_quote(&json));
        let taken = take(self.transport.as_ref(), &sh).await.map_err(|not| match not {
            NotTaken::Held(owner) => self.error(Failure::Locked, describe(&owner)),
            NotTaken::Failed(kind, why) => self.error(kind, format!("taking the lock: {why}")),
            NotTaken::NoWay(error) => self.transport_error("taking the lock", &error),
        })?;
        let (hold, seen) = watch::channel(Hold::Held);
        let (beating, dropped) = oneshot::channel();
        let transport = Arc::clone(&self.transport);
        tokio::spawn(async move {
            tokio::select! {
                () = keep(transport.as_ref(), taken, &sh, &json, &hold) => {}
                _ = dropped => {}
            }
            hold.send_replace(Hold::Lost);
        });
        Ok(Box::new(Guard { hold: seen, _beating: beating }))
    }
}

/// Keeps the lock: beats, and takes it again when the connection was lost, unless somebody else has had it since.
async fn keep<T: Transport>(transport: &T, mut taken: Taken, sh: &str, claim: &str, hold: &watch::Sender<Hold>) {
    loop {
        beat(taken).await;
        if !transport.reconnects() {
            return;
        }
        hold.send_replace(Hold::Regaining);
        let again = timeout(REGAIN_WITHIN, regain(transport, sh, claim)).await;
        let Ok(Some(regained)) = again else { return };
        taken = regained;
        hold.send_replace(Hold::Held);
    }
}

/// Asks for the lock until it is ours again; nothing when somebody else has or has had it.
async fn regain<T: Transport>(transport: &T, sh: &str, claim: &str) -> Option<Taken> {
    let ours = |said: &str| said == claim.trim();
    loop {
        match take(transport, sh).await {
            Ok(taken) => return ours(&taken.last).then_some(taken),
            // Our own holder has not noticed yet that we are gone.
            Err(NotTaken::Held(owner)) if ours(&owner) => {}
            Err(NotTaken::Failed(Failure::TryAgain, _) | NotTaken::NoWay(TransportError::Unreachable { .. })) => {}
            Err(_) => return None,
        }
        sleep(REGAIN_EVERY).await;
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

/// Beats until the holder is silent for too long, or its output ends.
async fn beat(taken: Taken) {
    let Taken { mut stdin, mut lines, .. } = taken;
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
    }
}
