//! How one host is reached: what `cluster.kdl` says, then the operator's SSH configuration, then what is usual.

use super::config::{BadConfig, Config, Found, Query};
use crate::model::SshOptions;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A connection stands within this, unless somebody says otherwise.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Silence after which the other side is asked whether it is there, unless somebody says otherwise.
const ALIVE_EVERY: Duration = Duration::from_secs(10);
/// Unanswered questions after which it is gone.
const ALIVE_MAX: usize = 2;
/// Hosts to go through on the way to one.
const MOST_JUMPS: usize = 8;
/// Keys that are offered when none is named, in the order of OpenSSH.
const USUAL_KEYS: [&str; 3] = ["id_rsa", "id_ecdsa", "id_ed25519"];

/// Settings that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The operator's configuration can't be read.
    #[error(transparent)]
    BadConfig(#[from] BadConfig),
    /// A value in it can't be used.
    #[error("the SSH configuration of {host} says `{keyword} {value}`: {why}")]
    BadValue {
        /// Whose.
        host: String,
        /// Which keyword.
        keyword: &'static str,
        /// What it says.
        value: String,
        /// What it should be.
        why: &'static str,
    },
    /// A file of known hosts can't be read.
    #[error("the known hosts can't be read: {why}")]
    KnownHosts {
        /// Which file, and why not.
        why: String,
    },
    /// Jump hosts that need each other.
    #[error("{host} is reached through more than {MOST_JUMPS} hosts: does a ProxyJump lead back to itself?")]
    TooManyJumps {
        /// Which host.
        host: String,
    },
}

/// The operator's side: folders, files, the agent.
#[derive(Debug, Clone)]
pub(super) struct Operator {
    /// Home folder.
    pub(super) home: PathBuf,
    /// Login name here.
    pub(super) user: String,
    /// The agent's socket.
    pub(super) agent: Option<PathBuf>,
    /// Relative names in `cluster.kdl` are below it.
    pub(super) base: PathBuf,
}

/// How one host is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four questions that have nothing to do with each other")]
pub(super) struct Settings {
    /// Name or address to connect to.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    /// What the host is called in the files of known hosts.
    pub(super) known_as: String,
    /// New keys go to the first one.
    pub(super) known_hosts: Vec<PathBuf>,
    pub(super) accept_new: bool,
    pub(super) identities: Vec<PathBuf>,
    /// Somebody named the identities: it is a mistake when they are not there.
    pub(super) named: bool,
    /// Other keys of the agent are not offered.
    pub(super) only: bool,
    pub(super) agent: Option<PathBuf>,
    pub(super) connect_within: Duration,
    pub(super) alive_every: Option<Duration>,
    pub(super) alive_max: usize,
    pub(super) sudo: bool,
    /// Hosts to go through, the first one is reached directly.
    pub(super) jumps: Vec<Self>,
}

/// Who makes settings.
#[derive(Debug, Clone)]
pub(super) struct Resolver {
    pub(super) operator: Operator,
    pub(super) config: Config,
}

impl Resolver {
    /// The settings of a host of the cluster.
    pub(super) fn host(&self, name: &str, address: &str, options: &SshOptions) -> Result<Settings, SettingsError> {
        self.resolve(&[name, address], address, options, options, MOST_JUMPS)
    }

    /// `of_cluster` is what the cluster's file says, for hosts to go through.
    fn resolve(
        &self,
        names: &[&str],
        address: &str,
        options: &SshOptions,
        of_cluster: &SshOptions,
        jumps_left: usize,
    ) -> Result<Settings, SettingsError> {
        let operator = &self.operator;
        let query = Query { names, user: options.user.as_deref(), local_user: &operator.user };
        let found = self.config.find(query);
        let name = names.first().copied().unwrap_or(address);
        let bad = |keyword: &'static str, why: &'static str| {
            let value = found.one(keyword).unwrap_or_default().to_owned();
            SettingsError::BadValue { host: name.to_owned(), keyword, value, why }
        };
        let host = match found.one("hostname") {
            Some(pattern) => pattern.replace("%h", address).replace("%%", "%"),
            None => address.to_owned(),
        };
        let port = match (options.port, found.one("port").map(str::parse)) {
            (Some(port), _) | (None, Some(Ok(port))) => port,
            (None, Some(Err(_))) => return Err(bad("port", "a port is a number from 1 to 65535")),
            (None, None) => 22,
        };
        let user = options.user.as_deref().or(found.one("user")).unwrap_or(&operator.user).to_owned();
        let tokens = Tokens { operator, name, host: &host, port, user: &user };
        let seconds = |keyword| match found.one(keyword).map(str::parse::<u64>) {
            None => Ok(None),
            Some(Ok(seconds)) => Ok(Some(Duration::from_secs(seconds))),
            Some(Err(_)) => Err(bad(keyword, "a number of seconds is meant")),
        };
        if options.proxy_jump.is_none()
            && found.one("proxyjump").is_none()
            && found.one("proxycommand").is_some_and(|command| command != "none")
        {
            return Err(bad("proxycommand", "use ProxyJump, or proxy-jump= in cluster.kdl; commands are not run"));
        }
        let jumps = match options.proxy_jump.as_deref().or(found.one("proxyjump")) {
            None | Some("none") => Vec::new(),
            Some(list) => self.jumps(&tokens.expand(list), of_cluster, jumps_left)?,
        };
        let alive_every = seconds("serveraliveinterval")?.unwrap_or(ALIVE_EVERY);
        let alive_max = match found.one("serveralivecountmax").map(str::parse) {
            None => ALIVE_MAX,
            Some(Ok(count)) => count,
            Some(Err(_)) => return Err(bad("serveralivecountmax", "a number is meant")),
        };
        let agent = match found.one("identityagent") {
            None | Some("SSH_AUTH_SOCK") => operator.agent.clone(),
            Some("none") => None,
            Some(path) => Some(tokens.path(path)),
        };
        let named = options.identity.is_some() || !found.identities.is_empty();
        let usual = || USUAL_KEYS.iter().map(|key| operator.home.join(".ssh").join(key)).collect();
        let identities = match &options.identity {
            Some(file) => vec![tokens.own(file)],
            None if named => found.identities.iter().map(|file| tokens.path(file)).collect(),
            None => usual(),
        };
        Ok(Settings {
            port,
            known_as: found.one("hostkeyalias").unwrap_or(&host).to_owned(),
            known_hosts: known_hosts(&found, options, &tokens),
            accept_new: options.accept_new.unwrap_or_else(|| accepts_new(&found)),
            identities,
            named,
            only: options.identity.is_some() || found.one("identitiesonly") == Some("yes"),
            agent,
            connect_within: options.connect_timeout.or(seconds("connecttimeout")?).unwrap_or(CONNECT_WITHIN),
            alive_every: Some(alive_every).filter(|every| !every.is_zero()),
            alive_max,
            sudo: options.sudo.unwrap_or_default(),
            jumps,
            host,
            user,
        })
    }

    /// The settings of the hosts to go through. What the cluster's file says about keys holds for them, too, as far as
    /// the operator's configuration says nothing.
    fn jumps(&self, list: &str, options: &SshOptions, left: usize) -> Result<Vec<Settings>, SettingsError> {
        let mut jumps = Vec::new();
        for hop in list.split(',').map(str::trim) {
            let too_many = || SettingsError::TooManyJumps { host: hop.to_owned() };
            let left = left.checked_sub(1).ok_or_else(too_many)?;
            let (user, rest) = hop.rsplit_once('@').map_or((None, hop), |(user, rest)| (Some(user), rest));
            let (host, port) = host_and_port(rest);
            let said = self.config.find(Query { names: &[host], user, local_user: &self.operator.user });
            let silent = said.identities.is_empty();
            let own = SshOptions {
                pass_on: None,
                user: user.map(str::to_owned).or_else(|| said.one("user").is_none().then(|| options.user.clone())?),
                port,
                identity: options.identity.clone().filter(|_| silent),
                known_hosts: options.known_hosts.clone(),
                // Only the first one has a way of its own; the others are reached from the one before.
                proxy_jump: (!jumps.is_empty()).then(|| "none".to_owned()),
                accept_new: options.accept_new,
                sudo: None,
                connect_timeout: options.connect_timeout,
            };
            let mut settings = self.resolve(&[host], host, &own, options, left)?;
            jumps.append(&mut settings.jumps);
            jumps.push(settings);
            if jumps.len() > MOST_JUMPS {
                return Err(too_many());
            }
        }
        Ok(jumps)
    }
}

/// `host`, `host:port`, `[address]:port`.
fn host_and_port(text: &str) -> (&str, Option<u16>) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, port.parse().ok()),
        _ => (text, None),
    }
}

fn known_hosts(found: &Found, options: &SshOptions, tokens: &Tokens<'_>) -> Vec<PathBuf> {
    if let Some(file) = &options.known_hosts {
        return vec![tokens.own(file)];
    }
    let ssh = tokens.operator.home.join(".ssh");
    let list = |keyword, usual: [PathBuf; 2]| match found.all(keyword) {
        None => usual.to_vec(),
        Some(files) => files.iter().filter(|file| *file != "none").map(|file| tokens.path(file)).collect(),
    };
    let mut files = list("userknownhostsfile", [ssh.join("known_hosts"), ssh.join("known_hosts2")]);
    files.extend(list("globalknownhostsfile", ["/etc/ssh/ssh_known_hosts".into(), "/etc/ssh/ssh_known_hosts2".into()]));
    files
}

/// Whoever has switched the check off gets the keys of new hosts taken down. A changed key is refused all the same.
fn accepts_new(found: &Found) -> bool {
    matches!(found.one("stricthostkeychecking"), Some("accept-new" | "no" | "off"))
}

/// What `%h` and the like stand for.
struct Tokens<'a> {
    operator: &'a Operator,
    name: &'a str,
    host: &'a str,
    port: u16,
    user: &'a str,
}

impl Tokens<'_> {
    fn expand(&self, text: &str) -> String {
        let mut expanded = String::with_capacity(text.len());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match (c, if c == '%' { chars.next() } else { None }) {
                ('%', Some('h')) => expanded.push_str(self.host),
                ('%', Some('n' | 'k')) => expanded.push_str(self.name),
                ('%', Some('p')) => expanded.push_str(&self.port.to_string()),
                ('%', Some('r')) => expanded.push_str(self.user),
                ('%', Some('u')) => expanded.push_str(&self.operator.user),
                ('%', Some('d')) => expanded.push_str(&self.operator.home.to_string_lossy()),
                ('%', Some('%')) => expanded.push('%'),
                (_, after) => expanded.extend([c].into_iter().chain(after)),
            }
        }
        expanded
    }

    /// A path of the operator's configuration.
    fn path(&self, text: &str) -> PathBuf {
        let text = self.expand(text);
        match text.strip_prefix("~/") {
            Some(rest) => self.operator.home.join(rest),
            None => PathBuf::from(text),
        }
    }

    /// A path of `cluster.kdl`: relative ones are beside it.
    fn own(&self, text: &str) -> PathBuf {
        let path = match text.strip_prefix("~/") {
            Some(rest) => self.operator.home.join(rest),
            None => Path::new(text).to_owned(),
        };
        self.operator.base.join(path)
    }
}

#[cfg(test)]
mod tests;
