//! The outside of this run: a machine for every host, and the services on them.

use super::error::CliError;
use crate::artifact::{Cache, ensure_part};
use crate::desired::{Desired, Part};
use crate::host::{Host, MaskedHost, MaskedServices, Masker, Platform, Services};
use crate::model::{HostName, Transport as Reached};
use crate::probe::{Prober, Tunnels};
use crate::remote::{BundleSource, Courier, Local, Machine, Rate, SettingsError, SshHosts, Transport};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Everything outside, reached over the declared transports.
pub(crate) struct World {
    hosts: BTreeMap<HostName, Arc<dyn Host>>,
    dial: Arc<Tunnels>,
    services: Arc<dyn Services>,
    rate: Option<Arc<Rate>>,
}

impl World {
    /// Sends no more bytes a second than these, over all hosts together.
    pub(crate) fn limit(&self, per_second: u64) {
        if let Some(rate) = &self.rate {
            rate.limit(per_second);
        }
    }

    /// A way to every host of the cluster, with relative names of files below `base`. Contacts nobody yet.
    pub(crate) fn new(desired: &Desired, cache: Cache, base: &Path) -> Result<Self, CliError> {
        let bundles: Arc<dyn BundleSource> =
            Arc::new(move |part: &Part| ensure_part(&cache, part).map_err(|error| error.to_string()));
        let mut hosts: BTreeMap<HostName, Arc<dyn Host>> = BTreeMap::new();
        let mut transports: BTreeMap<HostName, Arc<dyn Transport>> = BTreeMap::new();
        let (mut operator, mut ways): (Option<SshHosts>, _) = (None, BTreeMap::new());
        let mut courier = Courier::default();
        for (name, host) in desired.hosts.iter().filter(|(_, host)| host.transport == Reached::Ssh) {
            let operator = match &mut operator {
                Some(operator) => operator,
                none => none.insert(SshHosts::of_operator(base).map_err(|error| unusable(&error))?),
            };
            let way = operator.host(name.as_str(), &host.address, &host.ssh).map_err(|error| unusable(&error))?;
            let way = Arc::new(way);
            if host.ssh.pass_on != Some(false) {
                courier.add(name.clone(), Arc::clone(&way), &host.prefix);
            }
            ways.insert(name, way);
        }
        let courier = Arc::new(courier);
        for name in desired.hosts.keys() {
            if let Some(way) = ways.remove(name) {
                let machine = Machine::new(name.clone(), Arc::clone(&way), bundles.clone());
                transports.insert(name.clone(), way);
                hosts.insert(name.clone(), Arc::new(machine.supplied_by(Arc::clone(&courier))));
            } else {
                let local = Arc::new(Local);
                transports.insert(name.clone(), local.clone());
                hosts.insert(name.clone(), Arc::new(Machine::new(name.clone(), local, bundles.clone())));
            }
        }
        let dial = Arc::new(Tunnels::new(transports));
        let services = services(desired, &dial);
        let masker = Masker::of(&desired.secrets);
        if !masker.is_empty() {
            let mask = |(name, host)| (name, Arc::new(MaskedHost::new(host, masker.clone())) as Arc<dyn Host>);
            hosts = hosts.into_iter().map(mask).collect();
        }
        Ok(Self { hosts, dial, services, rate: operator.map(|operator| operator.rate()) })
    }

    /// Speaks to these instances from now on, over the same ways.
    pub(crate) fn speak_to(&mut self, desired: &Desired) {
        self.services = services(desired, &self.dial);
    }
}

fn services(desired: &Desired, dial: &Arc<Tunnels>) -> Arc<dyn Services> {
    let services: Arc<dyn Services> = Arc::new(Prober::new(Arc::new(desired.clone()), dial.clone()));
    let masker = Masker::of(&desired.secrets);
    if masker.is_empty() { services } else { Arc::new(MaskedServices::new(services, masker)) }
}

fn unusable(error: &SettingsError) -> CliError {
    CliError::new(error.to_string())
}

impl Platform for World {
    fn host(&self, name: &HostName) -> Option<Arc<dyn Host>> {
        self.hosts.get(name).cloned()
    }

    fn services(&self) -> Arc<dyn Services> {
        self.services.clone()
    }
}
