//! Our end of a connection: judges the host's key, and remembers why the connection ended.

use super::errand::Errand;
use super::known_hosts::{KnownHosts, Verdict, fingerprint, name_of};
use crate::inventory::printable;
use russh::Channel;
use russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session};
use russh::keys::{PublicKey, PublicKeyOrCertificate};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Longest text of the other side that is shown.
const SAID: usize = 300;

/// What is to be told about a connection, shared with whoever uses it.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Why the host's key was refused.
    pub(super) refused: OnceLock<String>,
    /// Why the connection ended.
    pub(super) ended: OnceLock<String>,
    /// What the server says before somebody is let in.
    banner: Mutex<String>,
    /// The key that the host has shown, and that was found to be good.
    pub(super) key: OnceLock<PublicKey>,
    /// What this host may have signed now.
    lent: Mutex<Option<Errand>>,
}

impl Told {
    /// What the server has said before somebody is let in, in one line.
    pub(super) fn banner(&self) -> String {
        self.banner.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the host have a login signed, until what is given back is dropped.
    pub(super) fn lend(self: &Arc<Self>, errand: Errand) -> Lent {
        *self.lent.lock().unwrap_or_else(PoisonError::into_inner) = Some(errand);
        Lent { told: Arc::clone(self) }
    }

    /// Why the connection ended, as far as it is known.
    pub(super) fn end(&self) -> String {
        self.ended.get().cloned().unwrap_or_else(|| "the connection was closed".to_owned())
    }
}

/// While this lives, the host may have one login signed.
#[derive(Debug)]
pub(super) struct Lent {
    told: Arc<Told>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        *self.told.lent.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Judges the host's key.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) known: Arc<KnownHosts>,
    pub(super) name: String,
    pub(super) port: u16,
    /// Where to connect to ask for the host's keys.
    pub(super) host: String,
    /// The files of known hosts; new keys go to the first one.
    pub(super) files: Vec<PathBuf>,
    pub(super) accept_new: bool,
    pub(super) told: Arc<Told>,
}

impl Client {
    /// Whether the key is good; otherwise why not and what to do.
    fn judge(&self, key: &PublicKey) -> Result<(), String> {
        let (name, kind, shown) = (name_of(&self.name, self.port), key.algorithm(), fingerprint(key));
        let file = self.files.first().cloned().unwrap_or_else(|| "~/.ssh/known_hosts".into());
        match self.known.check(&self.name, self.port, key) {
            Verdict::Known => Ok(()),
            Verdict::Revoked { place } => Err(format!(
                "its key {kind} {shown} is revoked ({place}): whoever shows it is not to be trusted; the host needs a new key"
            )),
            Verdict::Changed { place, fingerprint } => Err(format!(
                "its key has CHANGED: {place} has {fingerprint}, it shows {kind} {shown}. Somebody may be in between, or \
                 the host was installed anew: ask who runs it; if so, forget the old one: \
                 ssh-keygen -R '{name}' -f {}",
                place.file().display()
            )),
            Verdict::Unknown if self.accept_new => self
                .known
                .learn(&file, &self.name, self.port, key)
                .map_err(|cause| format!("its key can't be added to {}: {cause}", file.display())),
            Verdict::Unknown => Err(format!(
                "its key is not known: {kind} {shown}. Compare it with `ssh-keygen -lf` of the host's own \
                 /etc/ssh/ssh_host_*_key.pub, then add it: ssh-keyscan -p {} {} >>{} (or say accept-new=#true)",
                self.port,
                self.host,
                file.display()
            )),
        }
    }
}

impl Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let judged = match key {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.judge(key),
            PublicKeyOrCertificate::Certificate(_) => Err("it shows a certificate that nobody asked for".to_owned()),
        };
        match judged {
            Ok(()) => {
                if let PublicKeyOrCertificate::PublicKey { key, .. } = key {
                    _ = self.told.key.set(key.clone());
                }
                Ok(true)
            }
            Err(why) => {
                _ = self.told.refused.set(why);
                Ok(false)
            }
        }
    }

    async fn auth_banner(&mut self, banner: &str, _: &mut Session) -> Result<(), russh::Error> {
        *self.told.banner.lock().unwrap_or_else(PoisonError::into_inner) = printable(banner.trim(), SAID);
        Ok(())
    }

    /// A program on the host asks for signatures. Only while it was sent on an errand; otherwise the channel is refused.
    async fn server_channel_open_agent_forward(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        let errand = self.told.lent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(errand) = errand {
            reply.accept().await;
            tokio::spawn(async move { errand.serve(channel.into_stream()).await });
        }
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<russh::Error>) -> Result<(), russh::Error> {
        let (why, result) = match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                (format!("the host ended the connection: {}", printable(&info.message, SAID)), Ok(()))
            }
            DisconnectReason::Error(error) => (ended(&error), Err(error)),
        };
        _ = self.told.ended.set(why);
        result
    }
}

/// Why a connection ended, for people.
fn ended(error: &russh::Error) -> String {
    match error {
        russh::Error::KeepaliveTimeout => {
            "the host has not answered for a while: it hangs, or the network in between is cut".to_owned()
        }
        russh::Error::HUP | russh::Error::Disconnect => "the host closed the connection".to_owned(),
        russh::Error::IO(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the host closed the connection".to_owned()
        }
        russh::Error::IO(cause) => format!("the connection broke: {cause}"),
        other => format!("the connection broke: {}", printable(&other.to_string(), SAID)),
    }
}
