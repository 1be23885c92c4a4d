//! What a plan is made from.

use super::Again;
use crate::desired::Desired;
use crate::inventory::Inventory;
use crate::model::{HostName, InstanceId, Name, RoleId, ServiceName};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that [`super::plan`] looks at.
#[derive(Debug, Clone, Copy)]
pub struct PlanInput<'a> {
    /// What should be.
    pub desired: &'a Desired,
    /// What is.
    pub inventory: &'a Inventory,
    /// What was asked for.
    pub options: &'a PlanOptions,
}

/// What was asked for on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanOptions {
    /// Only these; empty is everything.
    pub only: Vec<Target>,
    /// Dead hosts: planned as if they were not there.
    pub without: BTreeSet<HostName>,
    /// End after the first canary wave of each service.
    pub canary_only: bool,
    /// Refusals that somebody takes on, by name, with the reason.
    pub waivers: BTreeMap<Name, String>,
    /// Data of roles that are gone, to be deleted: each by its name.
    pub purge: BTreeSet<InstanceId>,
    /// What is asked for although nothing differs.
    pub asked: Option<Again>,
}

/// What `--only`, `start`, `stop` and the like can name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Everything.
    All,
    /// All instances of a service.
    Service(ServiceName),
    /// All instances of a role.
    Role(RoleId),
    /// Everything on a host.
    Host(HostName),
    /// One instance, `role@host`.
    Instance(InstanceId),
}

/// A target that names nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is neither a role, a service, a host, `role@host` nor `all`")]
pub struct UnknownTarget {
    /// What was given.
    pub text: String,
    /// The nearest thing that exists.
    pub nearest: Option<String>,
}

impl Target {
    /// Reads a target. A name that is several of them is, in this order, a role, a service or a host.
    ///
    /// # Errors
    /// When nothing in the cluster has that name.
    pub fn parse(text: &str, desired: &Desired) -> Result<Self, UnknownTarget> {
        let mut instances = desired.instances.values().chain(desired.leaving.values());
        if text == "all" {
            return Ok(Self::All);
        }
        if let Some(found) = desired.instances.keys().chain(desired.leaving.keys()).find(|id| id.to_string() == text) {
            return Ok(Self::Instance(found.clone()));
        }
        if let Some(found) = desired.instances.keys().chain(desired.leaving.keys()).find(|id| id.role.as_str() == text)
        {
            return Ok(Self::Role(found.role.clone()));
        }
        if let Some(found) = instances.find(|one| one.service.as_str() == text || one.module.name.as_str() == text) {
            return Ok(Self::Service(found.service.clone()));
        }
        if let Some(found) = desired.hosts.keys().find(|host| host.as_str() == text) {
            return Ok(Self::Host(found.clone()));
        }
        let names = desired.instances.keys().flat_map(|id| [id.to_string(), id.role.to_string(), id.host.to_string()]);
        let names: BTreeSet<String> = names.chain(desired.services.keys().map(ToString::to_string)).collect();
        let nearest = crate::diag::nearest(text, names.iter().map(String::as_str)).map(str::to_owned);
        Err(UnknownTarget { text: text.to_owned(), nearest })
    }

    /// Whether an instance belongs to it.
    pub fn covers(&self, instance: &InstanceId, service: &ServiceName) -> bool {
        match self {
            Self::All => true,
            Self::Service(name) => name == service,
            Self::Role(role) => *role == instance.role,
            Self::Host(host) => *host == instance.host,
            Self::Instance(id) => id == instance,
        }
    }
}

impl PlanOptions {
    /// Whether an instance was asked for.
    pub fn selects(&self, instance: &InstanceId, service: &ServiceName) -> bool {
        let asked = self.only.is_empty() || self.only.iter().any(|target| target.covers(instance, service));
        asked && !self.without.contains(&instance.host)
    }
}
