//! How hosts are reached over SSH, as far as the operator's file says it.

use std::time::Duration;

/// What the file says about a connection: for the cluster, or for one host. What it leaves open comes from the
/// operator's own SSH configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SshOptions {
    /// Login name.
    pub user: Option<String>,
    /// Port; 22 when nobody says otherwise.
    pub port: Option<u16>,
    /// Private key file: this key and no other is offered.
    pub identity: Option<String>,
    /// File of known host keys.
    pub known_hosts: Option<String>,
    /// Hosts to go through, `[user@]host[:port]` with commas between; `none` goes directly.
    pub proxy_jump: Option<String>,
    /// Whether the key of a host that nobody knows yet is taken down and trusted from then on. A changed key never is.
    pub accept_new: Option<bool>,
    /// Whether everything on the host is done through `sudo -n`.
    pub sudo: Option<bool>,
    /// Whether artifacts go to the host, and on from it, from host to host; yes when nothing is said.
    pub pass_on: Option<bool>,
    /// How long a connection may take until the host has shown its key.
    pub connect_timeout: Option<Duration>,
}

impl SshOptions {
    /// These options, with the gaps filled from others.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        Self {
            user: self.user.or_else(|| other.user.clone()),
            port: self.port.or(other.port),
            identity: self.identity.or_else(|| other.identity.clone()),
            known_hosts: self.known_hosts.or_else(|| other.known_hosts.clone()),
            proxy_jump: self.proxy_jump.or_else(|| other.proxy_jump.clone()),
            accept_new: self.accept_new.or(other.accept_new),
            sudo: self.sudo.or(other.sudo),
            pass_on: self.pass_on.or(other.pass_on),
            connect_timeout: self.connect_timeout.or(other.connect_timeout),
        }
    }
}
