//! The operator's side of all connections of a run: files read once, jump hosts shared.

use super::Ssh;
use super::config::Config;
use super::connection::{Connection, Shared};
use super::known_hosts::KnownHosts;
use super::settings::{Operator, Resolver, Settings, SettingsError};
use crate::model::SshOptions;
use crate::remote::Rate;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Makes the ways to hosts. Contacts nobody.
pub struct SshHosts {
    resolver: Resolver,
    shared: Arc<Shared>,
    /// By files, so that each is read once.
    known: HashMap<Vec<PathBuf>, Arc<KnownHosts>>,
    /// Hosts that others are reached through, by what leads to them.
    jumps: Vec<(Vec<Settings>, Arc<Connection>)>,
}

impl std::fmt::Debug for SshHosts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SshHosts")
    }
}

impl SshHosts {
    /// With the configuration, keys and agent of whoever runs this program. Relative names of files in `cluster.kdl` are
    /// below `base`.
    ///
    /// # Errors
    /// When the operator's SSH configuration can't be read.
    pub fn of_operator(base: &Path) -> Result<Self, SettingsError> {
        let home = std::env::home_dir().unwrap_or_else(|| "/".into());
        let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "root".to_owned());
        let agent = std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()).map(PathBuf::from);
        let base = std::path::absolute(base).unwrap_or_else(|_| base.to_owned());
        Self::of(&home, &user, agent, &base)
    }

    /// With what is in a home folder. `agent` is the socket of a running agent.
    ///
    /// # Errors
    /// When the SSH configuration there can't be read.
    pub fn of(home: &Path, user: &str, agent: Option<PathBuf>, base: &Path) -> Result<Self, SettingsError> {
        let config = Config::read(&[home.join(".ssh/config"), "/etc/ssh/ssh_config".into()], home)?;
        let operator = Operator { home: home.to_owned(), user: user.to_owned(), agent, base: base.to_owned() };
        let resolver = Resolver { operator, config };
        Ok(Self { resolver, shared: Arc::default(), known: HashMap::new(), jumps: Vec::new() })
    }

    /// How fast files go out to all of these hosts together.
    pub fn rate(&self) -> Arc<Rate> {
        Arc::clone(&self.shared.rate)
    }

    /// The way to a host of the cluster.
    ///
    /// # Errors
    /// When the settings for it can't be used, or a file of known hosts can't be read.
    pub fn host(&mut self, name: &str, address: &str, options: &SshOptions) -> Result<Ssh, SettingsError> {
        let mut settings = self.resolver.host(name, address, options)?;
        let jumps = std::mem::take(&mut settings.jumps);
        let via = self.through(&jumps)?;
        self.connection(settings, via).map(Ssh::new)
    }

    fn connection(
        &mut self,
        settings: Settings,
        via: Option<Arc<Connection>>,
    ) -> Result<Arc<Connection>, SettingsError> {
        let known = if let Some(known) = self.known.get(&settings.known_hosts) {
            Arc::clone(known)
        } else {
            let known = KnownHosts::read(&settings.known_hosts).map_err(|why| SettingsError::KnownHosts { why })?;
            let known = Arc::new(known);
            self.known.insert(settings.known_hosts.clone(), Arc::clone(&known));
            known
        };
        Ok(Arc::new(Connection::new(settings, known, Arc::clone(&self.shared), via)))
    }

    /// The last of the hosts to go through, if there are any.
    fn through(&mut self, jumps: &[Settings]) -> Result<Option<Arc<Connection>>, SettingsError> {
        let Some((last, before)) = jumps.split_last() else { return Ok(None) };
        if let Some((_, there)) = self.jumps.iter().find(|(way, _)| way == jumps) {
            return Ok(Some(Arc::clone(there)));
        }
        let via = self.through(before)?;
        let connection = self.connection(last.clone(), via)?;
        self.jumps.push((jumps.to_vec(), Arc::clone(&connection)));
        Ok(Some(connection))
    }
}
