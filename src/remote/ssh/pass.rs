//! A file from one host to another, without its bytes going through this program.
//!
//! The host that has it runs its own `ssh` client towards the other one, and there the same verified writing as for what
//! we send ourselves. It gets no key and no password: our [`Errand`] signs that one login, on that one connection.

use super::command::command_line;
use super::exec::{self, As};
use super::{Ssh, errand::Errand, failed, upload};
use crate::model::{Digest, sh_quote};
use crate::remote::{Put, TransportError};
use std::fmt::Write as _;
use std::time::Duration;
use tokio::time::timeout;

/// A large archive on a slow link between two hosts.
const PASS_WITHIN: Duration = Duration::from_hours(2);
/// What the hosts may say.
const ANSWER: usize = 4096;

/// What is passed on.
#[derive(Debug, Clone)]
pub struct Passed {
    /// The file on the host that has it.
    pub from: String,
    /// Where it goes on the other.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// sha256 that the bytes must have; the host that receives them looks.
    pub sha256: Digest,
    /// Bytes that are there already, from an earlier attempt: [`Ssh::begun`]. They are not sent again.
    pub begun: u64,
}

/// Runs the client; `known`, `script`, `from`, `next` (the first byte to send, from 1)
/// and the client's words are set before. The script goes first, then the
/// file: the shell on the other side takes as many bytes for its script as it was told.
const CLIENT: &str = r#"
set -u
umask 077
[ -S "${SSH_AUTH_SOCK:-}" ] || { echo 'this host does not forward agents (AllowAgentForwarding)' >&2; exit 71; }
command -v ssh >/dev/null || { echo 'there is no ssh client' >&2; exit 71; }
[ -r "$from" ] || { echo 'the file can not be read' >&2; exit 71; }
t=$(mktemp -d) || exit 71
trap 'rm -rf -- "$t"' EXIT
trap 'exit 71' HUP INT TERM PIPE
printf '%s\n' "$known" >"$t/known"
{ printf '%s' "$script"; exec tail -c "+$next" -- "$from"; } |
    ssh -F none -T -x -a -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile="$t/known" \
        -o GlobalKnownHostsFile=none -o HostKeyAlias="$alias" -o UpdateHostKeys=no -o CheckHostIP=no \
        -o PreferredAuthentications=publickey -o IdentityFile=none -o Compression=no -o ControlPath=none \
        -o ConnectTimeout=10 -o ServerAliveInterval=5 -o ServerAliveCountMax=3 -o LogLevel=ERROR \
        -o User="$user" -p "$port" -- "$host" "$line"
"#;

impl Ssh {
    /// How many bytes of a file are on this host already, from an attempt that was cut off, and are those of ours.
    ///
    /// # Errors
    /// When the host can't be asked, or our own file can't be read.
    pub async fn begun(&self, put: &Put) -> Result<u64, TransportError> {
        upload::begun(self, put).await
    }

    /// Sends a file that this host has to another one.
    ///
    /// # Errors
    /// When it did not arrive there, whole and verified; nothing but `.tmp-` files may be left there.
    pub async fn pass(&self, file: &Passed, to: &Self) -> Result<(), TransportError> {
        let (here, there) = (self.live().await?, to.live().await?);
        let refused = |why: &str| TransportError::Refused { why: why.to_owned() };
        let host_key = there.told.key.get().cloned().ok_or_else(|| refused("its host key is not known"))?;
        let key = there.signer.clone().ok_or_else(|| refused("nobody signs for us"))?;
        let settings = &to.connection.settings;
        let known = host_key.to_openssh().map_err(|error| refused(&error.to_string()))?;
        let errand = Errand { user: settings.user.clone(), host_key, key };
        let script = upload::script(&file.path, file.mode, &file.sha256, file.begun);
        let line = command_line(script.len(), to.sudo());
        let mut sh = String::new();
        for (name, value) in [
            ("from", file.from.as_str()),
            ("next", &(file.begun + 1).to_string()),
            ("known", &format!("{ALIAS} {known}")),
            ("alias", ALIAS),
            ("user", &settings.user),
            ("port", &settings.port.to_string()),
            ("host", &settings.host),
            ("script", &script),
            ("line", &line),
        ] {
            _ = writeln!(sh, "{name}={}", sh_quote(value));
        }
        sh.push_str(CLIENT);
        let _lent = here.told.lend(errand);
        let trace = exec::Trace::default();
        let run = exec::run_as(&here, &sh, &b""[..], ANSWER, As::Errand, &trace);
        let output = timeout(PASS_WITHIN, run).await.unwrap_or(Err(TransportError::TimedOut { limit: PASS_WITHIN }))?;
        if output.status == Some(0) {
            return Ok(());
        }
        Err(failed(&format!("passing {} on to {}", file.path, settings.host), &output))
    }
}

/// What the other host is called in the client's own list of known hosts.
const ALIAS: &str = "the-other-host";
