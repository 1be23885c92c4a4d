//! From an address to a connection that the host lets us use: TCP or a jump host, the host's key, our key. Every step has
//! a limit of its own, and says what was seen when it passes.

use super::client::{Client, Told};
use super::errand::Signer;
use super::identity::{BadKey, Held, Identities, KeyFile, Offer, agent, offers};
use super::known_hosts::KnownHosts;
use super::settings::Settings;
use crate::inventory::printable;
use crate::remote::Stream;
use russh::client::{AuthResult, Config, Handle};
use russh::keys::{HashAlg, PrivateKeyWithHashAlg};
use russh::{AlgorithmKind, MethodSet, Preferred, cipher, compression};
use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// One key is looked up and verified within this, also when an agent signs.
const KEY_WITHIN: Duration = Duration::from_mins(1);
/// A kernel looks for an address of its own network for seconds before it says that there is no way to it (Linux: three
/// requests, a second apart). One that says so earlier had begun to look before we asked: it may be there by now.
const LOOKED_FOR: Duration = Duration::from_secs(2);
/// The cheapest first: all of them are strong, and the hardware helps with the first two.
const CIPHERS: &[cipher::Name] = &[
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoConnection {
    /// For people: what was seen, and what to do.
    pub(super) why: String,
    /// When it may be different.
    pub(super) when: When,
}

/// When a failure may be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// In a moment: the host is only busy, or has just come back.
    Soon,
    /// When the host or the network comes back.
    Later,
    /// When somebody has done something about it.
    Never,
}

impl NoConnection {
    fn later(why: impl Into<String>) -> Self {
        Self { why: why.into(), when: When::Later }
    }

    fn never(why: impl Into<String>) -> Self {
        Self { why: why.into(), when: When::Never }
    }
}

/// A connection that the host lets us use.
pub(super) struct Connected {
    pub(super) handle: Handle<Client>,
    pub(super) told: Arc<Told>,
    /// The key that the host has accepted.
    pub(super) signer: Option<Signer>,
}

/// Opens a TCP connection.
pub(super) async fn tcp(settings: &Settings) -> Result<Box<dyn Stream>, NoConnection> {
    let (host, port, limit) = (&settings.host, settings.port, settings.connect_within);
    let asked = Instant::now();
    let connected = timeout(limit, TcpStream::connect((host.as_str(), port))).await;
    let stream = match connected {
        Err(_) => {
            return Err(NoConnection::later(format!(
                "no answer from {host}:{port} within {} s: is the host up, and does a firewall let port {port} through?",
                limit.as_secs()
            )));
        }
        Ok(Err(cause)) => {
            let why = not_connected(&cause, host, port);
            return Err(NoConnection { why, when: again_when(cause.kind(), asked.elapsed()) });
        }
        Ok(Ok(stream)) => stream,
    };
    // Small requests and answers: waiting for more of them only costs time.
    stream.set_nodelay(true).map_err(|cause| NoConnection::later(cause.to_string()))?;
    Ok(Box::new(stream))
}

/// When to ask again, by what the kernel said and after how long.
fn again_when(said: io::ErrorKind, after: Duration) -> When {
    match said {
        io::ErrorKind::HostUnreachable if after < LOOKED_FOR => When::Soon,
        _ => When::Later,
    }
}

fn not_connected(cause: &io::Error, host: &str, port: u16) -> String {
    match cause.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!("{host}:{port} refuses connections: does sshd run there, and is {port} its port?")
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            format!("there is no way to {host}:{port} ({cause}): is the host up, and is its address right?")
        }
        _ => format!("connecting to {host}:{port}: {cause}"),
    }
}

/// Speaks SSH over a stream, until the host lets us in.
pub(super) async fn connect(
    stream: Box<dyn Stream>,
    settings: &Settings,
    known: Arc<KnownHosts>,
    keys: &Identities,
) -> Result<Connected, NoConnection> {
    let told = Arc::new(Told::default());
    let heard = Arc::new(AtomicU64::new(0));
    let stream = Counted { stream, heard: Arc::clone(&heard) };
    let client = Client {
        known: Arc::clone(&known),
        name: settings.known_as.clone(),
        port: settings.port,
        host: settings.host.clone(),
        files: settings.known_hosts.clone(),
        accept_new: settings.accept_new,
        told: Arc::clone(&told),
    };
    let config = Arc::new(config(settings, &known));
    let (at, limit) = (format!("{}:{}", settings.host, settings.port), settings.connect_within);
    let spoken = timeout(limit, russh::client::connect_stream(config, stream, client)).await;
    let handle = match spoken {
        Ok(Ok(handle)) => handle,
        Ok(Err(error)) => return Err(no_session(&error, &told, settings, &known, &at)),
        Err(_) if heard.load(Ordering::Relaxed) == 0 => {
            return Err(NoConnection::later(format!(
                "{at} took the connection and said nothing within {} s: the host hangs, or something else listens there",
                limit.as_secs()
            )));
        }
        Err(_) => {
            return Err(NoConnection::later(format!(
                "{at} began to speak SSH and fell silent for {} s: the host hangs or is overloaded",
                limit.as_secs()
            )));
        }
    };
    let mut connected = Connected { handle, told, signer: None };
    authenticate(&mut connected, settings, keys).await?;
    Ok(connected)
}

fn config(settings: &Settings, known: &KnownHosts) -> Config {
    let kinds = known.kinds(&settings.known_as, settings.port);
    Config {
        preferred: Preferred {
            key: Cow::Owned(kinds),
            cipher: Cow::Borrowed(CIPHERS),
            compression: Cow::Borrowed(&[compression::NONE]),
            ..Preferred::DEFAULT
        },
        keepalive_interval: settings.alive_every,
        keepalive_max: settings.alive_max,
        nodelay: true,
        ..Config::default()
    }
}

fn no_session(error: &russh::Error, told: &Told, settings: &Settings, known: &KnownHosts, at: &str) -> NoConnection {
    if let Some(why) = told.refused.get() {
        return NoConnection::never(format!("{at} is not trusted: {why}"));
    }
    match error {
        russh::Error::NoCommonAlgo { kind: AlgorithmKind::Key, theirs, .. } => {
            let theirs = printable(&theirs.join(", "), 200);
            let place = known.place(&settings.known_as, settings.port);
            let place = place.map_or_else(|| "no file".to_owned(), |place| place.to_string());
            NoConnection::never(format!(
                "{at} is not trusted: it has no key of a kind that it is known by ({place}); it has {theirs}. \
                 If the host was installed anew, forget the old key: ssh-keygen -R '{}'",
                super::known_hosts::name_of(&settings.known_as, settings.port)
            ))
        }
        russh::Error::NoCommonAlgo { kind, theirs, .. } => NoConnection::never(format!(
            "{at} and this program have no {kind:?} algorithm in common; it has {}",
            printable(&theirs.join(", "), 200)
        )),
        russh::Error::Version => NoConnection::never(format!("what listens at {at} does not speak SSH 2")),
        russh::Error::HUP | russh::Error::Disconnect | russh::Error::IO(_) => closed(at),
        other => NoConnection::later(format!("{at}: {}", printable(&other.to_string(), 200))),
    }
}

fn closed(at: &str) -> NoConnection {
    let why = format!(
        "{at} closed the connection before it showed its key: it refuses this address, has too many connections \
         (MaxStartups), or is just starting or stopping; its log says more"
    );
    NoConnection { why, when: When::Soon }
}

/// Shows our keys, one after the other, until one is accepted.
async fn authenticate(connected: &mut Connected, settings: &Settings, keys: &Identities) -> Result<(), NoConnection> {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for path in &settings.identities {
        match keys.file(path).await {
            Ok(file) => files.push((path.clone(), file)),
            Err(BadKey::Absent(_)) if !settings.named => {}
            Err(bad) => problems.push(bad.to_string()),
        }
    }
    // An agent is asked only if the files are not enough: every question costs on many hosts.
    let enough = settings.only && files.iter().all(|(_, file)| matches!(file, KeyFile::Plain(_))) && !files.is_empty();
    let (mut client, held) = match settings.agent.as_deref().filter(|_| !enough) {
        Some(socket) => agent(socket).await.map_or((None, Vec::new()), |(client, held)| (Some(client), held)),
        None => (None, Vec::new()),
    };
    let mut tried = Vec::new();
    for offer in offers(files, &held, settings.only) {
        let signing = one_key(connected, settings, keys, client.as_mut(), &offer);
        // Somebody may be typing a passphrase; that has no limit but the terminal's.
        match signing.await {
            Ok(Tried::Accepted) => return Ok(()),
            Ok(Tried::Refused(rest)) => {
                tried.push(offer.name);
                if connected.handle.is_closed() || rest.is_empty() {
                    break;
                }
            }
            Ok(Tried::More) => {
                return Err(NoConnection::never(format!(
                    "{} accepts the key and wants something more (AuthenticationMethods): a program can't give that",
                    settings.host
                )));
            }
            Err(why) => problems.push(why),
        }
    }
    Err(NoConnection::never(refused(settings, &connected.told, &tried, &problems)))
}

/// What came of showing one key.
enum Tried {
    Accepted,
    Refused(MethodSet),
    More,
}

async fn one_key(
    connected: &mut Connected,
    settings: &Settings,
    keys: &Identities,
    agent: Option<&mut russh::keys::agent::client::AgentClient<tokio::net::UnixStream>>,
    offer: &Offer,
) -> Result<Tried, String> {
    let handle = &mut connected.handle;
    let private = match &offer.held {
        Held::Agent => None,
        Held::File { key: KeyFile::Plain(key), .. } => Some(Arc::clone(key)),
        Held::File { path, key: KeyFile::Encrypted { text, .. } } => {
            Some(keys.open(path, text).await.map_err(|bad| bad.to_string())?)
        }
    };
    let mut signer = None;
    let shown = async {
        let public = private.as_ref().map(|key| key.public_key()).or(offer.public.as_ref());
        let rsa = public.is_some_and(|key| key.algorithm().is_rsa());
        // SHA-1 is not offered: a server that wants it is too old to be trusted with anything.
        let hash = if rsa { handle.best_supported_rsa_hash().await.ok().flatten().flatten() } else { None };
        let hash = rsa.then(|| hash.unwrap_or(HashAlg::Sha512));
        let answer = match (private, agent) {
            (Some(key), _) => {
                signer = Some(Signer::Key(Arc::clone(&key)));
                let key = PrivateKeyWithHashAlg::new(key, hash);
                handle.authenticate_publickey(&settings.user, key).await.map_err(|error| error.to_string())
            }
            (None, Some(agent)) => {
                let public = offer.public.clone().ok_or("the agent's key is gone")?;
                let socket = settings.agent.clone().unwrap_or_default();
                signer = Some(Signer::Agent { socket, public: public.clone() });
                let signed = handle.authenticate_publickey_with(&settings.user, public, hash, agent).await;
                signed.map_err(|error| format!("{}: {error}", offer.name))
            }
            (None, None) => Err("the agent is gone".to_owned()),
        }?;
        Ok(match answer {
            AuthResult::Success => Tried::Accepted,
            AuthResult::Failure { partial_success: true, .. } => Tried::More,
            AuthResult::Failure { remaining_methods, .. } => Tried::Refused(remaining_methods),
        })
    };
    let limit = || format!("{}: no answer within {} s", offer.name, KEY_WITHIN.as_secs());
    let tried = timeout(KEY_WITHIN, shown).await.unwrap_or_else(|_| Err(limit()));
    if matches!(tried, Ok(Tried::Accepted)) {
        connected.signer = signer;
    }
    tried
}

fn refused(settings: &Settings, told: &Told, tried: &[String], problems: &[String]) -> String {
    let at = format!("{}@{}:{}", settings.user, settings.host, settings.port);
    let mut text = match tried {
        [] => format!("there is no key to show to {at}"),
        tried => format!("{at} refuses our keys: {}", tried.join(", ")),
    };
    for problem in problems {
        text.push_str("; ");
        text.push_str(problem);
    }
    let banner = told.banner();
    if !banner.is_empty() {
        text.push_str("; it says: ");
        text.push_str(&banner);
    }
    if problems.is_empty() {
        text.push_str(match tried {
            [] => ": name one with `ssh identity=…`, or start an agent",
            _ => ": add the key to ~/.ssh/authorized_keys there (ssh-copy-id), or name the right `user` and `identity`",
        });
    }
    text
}

/// A stream that counts what was heard.
struct Counted {
    stream: Box<dyn Stream>,
    heard: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let heard = (buf.filled().len() - before) as u64;
        self.heard.fetch_add(heard, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_the_kernel_gave_up_before_we_asked_is_asked_once_more() {
        let at_once = Duration::from_millis(160);
        assert_eq!(again_when(io::ErrorKind::HostUnreachable, at_once), When::Soon);
        assert_eq!(again_when(io::ErrorKind::HostUnreachable, Duration::from_secs(3)), When::Later);
        assert_eq!(again_when(io::ErrorKind::ConnectionRefused, at_once), When::Later);
    }
}
