//! One connection per host for a whole run: opened when it is first needed, shared by everybody, opened again when it is
//! lost.

use super::client::{Client, Told};
use super::connect::{Connected, NoConnection, When, connect, tcp};
use super::errand::Signer;
use super::identity::Identities;
use super::known_hosts::KnownHosts;
use super::settings::Settings;
use crate::remote::{Rate, Stream, TransportError};
use russh::client::{Handle, Msg};
use russh::{Channel, ChannelOpenFailure};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

/// Sessions at a time on one connection: `sshd` lets it have 10 (`MaxSessions`), and one is kept for ending others.
const SESSIONS: usize = 8;
/// A session is free again within this, or the host lets us have too few.
const SESSION_WITHIN: Duration = Duration::from_secs(30);
/// The host answers that a channel is open, or is not, within this.
const OPEN_WITHIN: Duration = Duration::from_secs(30);
/// What failed a moment ago is not tried again for each of those who wait.
const RECENT: Duration = Duration::from_secs(2);
/// Pauses between attempts to open a lost connection again.
const BACKOFF: [Duration; 6] = [
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];
/// Pauses between attempts when a host is only too busy to take a connection, or may have come back just now.
const BUSY: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(400), Duration::from_secs(1)];

/// What all connections of a run share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) keys: Identities,
    /// How fast files go out.
    pub(super) rate: Arc<Rate>,
}

/// The way to one host.
pub(super) struct Connection {
    pub(super) settings: Settings,
    known: Arc<KnownHosts>,
    pub(super) shared: Arc<Shared>,
    via: Option<Arc<Self>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    live: Option<Arc<Live>>,
    failed: Option<(Instant, NoConnection)>,
    /// It has been there, and was not given up since.
    lost: bool,
}

impl Connection {
    /// A way that is not opened yet.
    pub(super) fn new(settings: Settings, known: Arc<KnownHosts>, shared: Arc<Shared>, via: Option<Arc<Self>>) -> Self {
        Self { settings, known, shared, via, state: Mutex::default() }
    }

    /// The connection: the one that is there, or a new one.
    pub(super) async fn live(&self) -> Result<Arc<Live>, TransportError> {
        let asked = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(live) = state.live.as_ref().filter(|live| live.is_open()) {
            return Ok(Arc::clone(live));
        }
        if let Some((when, failure)) = &state.failed
            && (*when >= asked || when.elapsed() < RECENT)
        {
            return Err(TransportError::Unreachable { why: failure.why.clone() });
        }
        let lost = state.live.take().is_some() || state.lost;
        match self.open(lost).await {
            Ok(connected) => {
                let live = Arc::new(Live::new(connected));
                *state = State { live: Some(Arc::clone(&live)), failed: None, lost: true };
                Ok(live)
            }
            Err(failure) => {
                let why = failure.why.clone();
                *state = State { live: None, failed: Some((Instant::now(), failure)), lost: false };
                Err(TransportError::Unreachable { why })
            }
        }
    }

    /// A new connection. One that was lost is tried for again and again, within a limit.
    async fn open(&self, lost: bool) -> Result<Connected, NoConnection> {
        let mut pauses = if lost { BACKOFF.iter() } else { BUSY.iter() };
        loop {
            let failure = match Box::pin(self.open_once()).await {
                Ok(connected) => return Ok(connected),
                Err(failure) => failure,
            };
            let again = match failure.when {
                When::Never => false,
                When::Later => lost,
                When::Soon => true,
            };
            match pauses.next().filter(|_| again) {
                Some(pause) => {
                    tracing::debug!(host = %self.settings.host, "{}; trying again", failure.why);
                    sleep(*pause).await;
                }
                None => return Err(failure),
            }
        }
    }

    async fn open_once(&self) -> Result<Connected, NoConnection> {
        let settings = &self.settings;
        let stream = match &self.via {
            None => tcp(settings).await?,
            Some(via) => via.through(settings).await?,
        };
        connect(stream, settings, Arc::clone(&self.known), &self.shared.keys).await
    }

    /// A stream to another host, through this one.
    async fn through(&self, to: &Settings) -> Result<Box<dyn Stream>, NoConnection> {
        let (here, there) = (&self.settings.host, format!("{}:{}", to.host, to.port));
        let unreachable = |why: String, when| NoConnection { why, when };
        let live = self.live().await.map_err(|error| match error {
            TransportError::Unreachable { why } => unreachable(format!("the jump host {here}: {why}"), When::Never),
            other => unreachable(format!("the jump host {here}: {other}"), When::Later),
        })?;
        let opened = timeout(to.connect_within, live.to_port(&to.host, to.port)).await;
        match opened {
            Ok(Ok(channel)) => Ok(Box::new(channel.into_stream())),
            Ok(Err(russh::Error::ChannelOpenFailure(ChannelOpenFailure::AdministrativelyProhibited))) => {
                let why = format!(
                    "the jump host {here} does not let us through to {there}: set `AllowTcpForwarding yes` in its \
                     sshd_config, or go another way with proxy-jump="
                );
                Err(unreachable(why, When::Never))
            }
            Ok(Err(russh::Error::ChannelOpenFailure(_))) => {
                let why = format!("the jump host {here} can't reach {there}: is the host up, and does sshd run there?");
                Err(unreachable(why, When::Later))
            }
            Ok(Err(_)) => Err(unreachable(format!("the jump host {here}: {}", live.told.end()), When::Later)),
            Err(_) => {
                let limit = to.connect_within.as_secs();
                Err(unreachable(format!("the jump host {here} did not reach {there} within {limit} s"), When::Later))
            }
        }
    }
}

/// A connection that is there.
pub(super) struct Live {
    handle: Handle<Client>,
    pub(super) told: Arc<Told>,
    /// The key that the host has accepted.
    pub(super) signer: Option<Signer>,
    sessions: Arc<Semaphore>,
    /// How many of them the host has turned out not to allow.
    too_many: AtomicUsize,
    /// Sockets on the host can be reached as such.
    pub(super) sockets: AtomicBool,
    /// Ports and sockets are reached through a program on the host.
    pub(super) relayed: AtomicBool,
}

/// A session on a connection, counted as long as it lives.
pub(super) struct Opened {
    pub(super) channel: Channel<Msg>,
    pub(super) permit: OwnedSemaphorePermit,
}

impl Live {
    fn new(connected: Connected) -> Self {
        Self {
            handle: connected.handle,
            told: connected.told,
            signer: connected.signer,
            sessions: Arc::new(Semaphore::new(SESSIONS)),
            too_many: AtomicUsize::new(0),
            sockets: AtomicBool::new(false),
            relayed: AtomicBool::new(false),
        }
    }

    /// Whether it is still there, as far as it is known.
    pub(super) fn is_open(&self) -> bool {
        !self.handle.is_closed()
    }

    /// Why it ended.
    pub(super) fn end(&self) -> String {
        self.told.end()
    }

    /// A channel for one program. Waits while there are as many as the host allows.
    pub(super) async fn session(&self) -> Result<Opened, TransportError> {
        loop {
            let waited = timeout(SESSION_WITHIN, Arc::clone(&self.sessions).acquire_owned()).await;
            let Ok(Ok(permit)) = waited else { return Err(self.too_few()) };
            match timeout(OPEN_WITHIN, self.handle.channel_open_session()).await {
                Ok(Ok(channel)) => return Ok(Opened { channel, permit }),
                // The host allows fewer than we thought: this one is not counted on any more, and another must end first.
                Ok(Err(russh::Error::ChannelOpenFailure(_)))
                    if self.too_many.fetch_add(1, Ordering::Relaxed) + 1 < SESSIONS =>
                {
                    permit.forget();
                }
                Ok(Err(russh::Error::ChannelOpenFailure(_))) => return Err(self.too_few()),
                Ok(Err(_)) => return Err(TransportError::Unreachable { why: self.told.end() }),
                Err(_) => {
                    let why = format!("the host has not answered for {} s: it hangs", OPEN_WITHIN.as_secs());
                    return Err(TransportError::Unreachable { why });
                }
            }
        }
    }

    /// A channel beyond the count, to end what hangs in the counted ones.
    pub(super) async fn spare(&self) -> Option<Channel<Msg>> {
        timeout(OPEN_WITHIN, self.handle.channel_open_session()).await.ok()?.ok()
    }

    fn too_few(&self) -> TransportError {
        let allowed = SESSIONS.saturating_sub(self.too_many.load(Ordering::Relaxed));
        TransportError::Refused {
            why: format!(
                "the host allows {allowed} sessions on a connection, and they are taken: set `MaxSessions 10` in its \
                 sshd_config (that is the default)"
            ),
        }
    }

    /// A channel to a port, as seen from the host.
    pub(super) async fn to_port(&self, address: &str, port: u16) -> Result<Channel<Msg>, russh::Error> {
        self.handle.channel_open_direct_tcpip(address, port.into(), "127.0.0.1", 0).await
    }

    /// A channel to a socket on the host.
    pub(super) async fn to_socket(&self, path: &str) -> Result<Channel<Msg>, russh::Error> {
        self.handle.channel_open_direct_streamlocal(path).await
    }
}
