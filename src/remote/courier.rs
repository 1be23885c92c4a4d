//! Artifacts on their way to the hosts of a run: from host to host where that works, from here where it does not.

use super::spread::{Source, Spread};
use super::ssh::Passed;
use super::{Put, Ssh, Transport, TransportError};
use crate::inventory::HostObservation;
use crate::model::{Digest, HostName};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// A host that can pass on what it has.
#[derive(Debug)]
struct Peer {
    ssh: Arc<Ssh>,
    /// Its `install/`.
    folder: String,
}

/// Brings artifacts to hosts. Shared by all hosts of a run.
#[derive(Debug, Default)]
pub struct Courier {
    spread: Spread,
    peers: BTreeMap<HostName, Peer>,
    /// Hosts without an SSH client.
    silent: Mutex<BTreeSet<HostName>>,
}

impl Courier {
    /// A host that can pass on what is in its `install/`.
    pub fn add(&mut self, name: HostName, ssh: Arc<Ssh>, prefix: &str) {
        self.peers.insert(name, Peer { ssh, folder: format!("{prefix}/install") });
    }

    /// What a host says to have in `install/`: names that begin with the sha256 of what they should hold. Whoever receives
    /// it verifies it.
    pub fn seen(&self, host: &HostName, seen: &HostObservation) {
        if !self.peers.contains_key(host) {
            return;
        }
        if !seen.ssh_client {
            self.silent.lock().unwrap_or_else(PoisonError::into_inner).insert(host.clone());
        }
        for name in &seen.artifacts {
            let digest = name.split_once('-').and_then(|(digest, _)| Digest::parse(digest).ok());
            if let Some(digest) = digest {
                self.spread.has(host, digest);
            }
        }
    }

    fn sends(&self, host: &HostName) -> bool {
        self.peers.contains_key(host) && !self.silent.lock().unwrap_or_else(PoisonError::into_inner).contains(host)
    }

    /// Brings an artifact to a host: `put` says what and where to, `direct` is our own way there.
    pub(super) async fn bring(&self, to: &HostName, put: &Put, direct: &impl Transport) -> Result<(), TransportError> {
        let Some(receiver) = self.peers.get(to) else { return direct.put(put).await };
        let name = put.path.rsplit('/').next().unwrap_or_default();
        loop {
            let turn = self.spread.turn(put.sha256, to, |host| self.sends(host)).await;
            let sender = match turn.from() {
                Source::Controller => None,
                Source::Host(host) => self.peers.get(host).map(|peer| (host.clone(), peer)),
            };
            let Some((host, sender)) = sender else {
                let sent = direct.put(put).await;
                if sent.is_ok() {
                    turn.arrived();
                } else {
                    turn.failed();
                }
                return sent;
            };
            let from = format!("{}/{name}", sender.folder);
            // Who can't be asked can't be served either, which passing it on will tell.
            let begun = receiver.ssh.begun(put).await.unwrap_or(0);
            let passed = Passed { from, path: put.path.clone(), mode: put.mode, sha256: put.sha256, begun };
            match sender.ssh.pass(&passed, &receiver.ssh).await {
                Ok(()) => {
                    turn.arrived();
                    return Ok(());
                }
                Err(error) => {
                    tracing::info!(from = %host, to = %to, "{error}; it comes another way");
                    turn.failed();
                }
            }
        }
    }
}
