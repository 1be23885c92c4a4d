//! What a host has before anything of a service: folders, the user, bundles, assembled software.

use super::machine::{Calls, Machine, service_user};
use super::{Bytes, Put, Transport};
use crate::desired::{DesiredHost, DesiredInstance, Software};
use crate::host::{Failure, HostError};
use crate::inventory::{OBSERVE_FUNCTIONS, Owner, asides, below, folders, is_debris};
use crate::model::sh_quote;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Making folders, and removing what was left half-unpacked.
const PREPARE_WITHIN: Duration = Duration::from_mins(5);
/// Reading and unpacking some hundred megabytes on a slow disk.
const ASSEMBLE_WITHIN: Duration = Duration::from_mins(30);
/// Removing old software.
const COLLECT_WITHIN: Duration = Duration::from_mins(10);
/// How unused things are found.
const COLLECT: &str = include_str!("collect.sh");

impl<T: Transport> Machine<T> {
    /// Makes the prefix with its folders and the user; removes these leftovers.
    pub(super) async fn prepare(
        &self,
        host: &DesiredHost,
        instances: &[Arc<DesiredInstance>],
        debris: &[String],
    ) -> Result<(), HostError> {
        let aside: Vec<String> = instances.iter().flat_map(|instance| asides(host, instance)).collect();
        if let Some(path) = debris.iter().find(|path| !is_debris(path, &aside)) {
            return Err(self.error(Failure::Stop, format!("{path} is not something that we leave behind; not removed")));
        }
        let user = service_user(host);
        let mut calls = Calls::default();
        if !user.is_empty() {
            calls.add("add_user", [user]);
        }
        for one in instances {
            if let Some(data) = one.adopts.as_ref().and_then(|adopts| adopts.data.as_deref()) {
                calls.add("link_data", [user, &below(host, &one.data_dir), data]);
            }
        }
        for (path, owner) in &folders(host, instances) {
            // An empty name is ourselves.
            calls.add("folder", [if *owner == Owner::Service { user } else { "" }, path]);
        }
        for path in debris {
            calls.add("rm -rf --", [path.as_str()]);
        }
        // The prefix comes first: everything else is done in it.
        let prefix = sh_quote(&host.prefix);
        let made = super::Script::new(format!("umask 022; mkdir -p -- {prefix}"));
        self.script("making the prefix", made, PREPARE_WITHIN).await?;
        self.change("preparing the host", &host.prefix, &calls, Vec::new(), PREPARE_WITHIN).await.map(|_| ())
    }

    /// Copies the bundles that are not there whole. Bytes that are wrong are never left on the host.
    pub(super) async fn fetch(&self, host: &DesiredHost, software: &Software) -> Result<(), HostError> {
        let mut calls = Calls::default();
        for part in &software.parts {
            let name = part.file_name();
            let digest = part.bundle.to_string();
            calls.add("if has_bytes", [digest.as_str(), &format!("install/{name}")]);
            calls.add("then echo", [name.as_str()]).raw("fi\n");
        }
        let there = self.look("", "looking at install/", &host.prefix, &calls, ASSEMBLE_WITHIN).await?;
        let there = String::from_utf8_lossy(&there);
        let there: BTreeSet<&str> = there.lines().collect();
        for part in software.parts.iter().filter(|part| !there.contains(part.file_name().as_str())) {
            let from = self.bundles.path(part).map_err(|why| self.error(Failure::Stop, why))?;
            let path = format!("{}/install/{}", host.prefix, part.file_name());
            let put = Put { from: Bytes::File(from), path, mode: 0o644, sha256: part.bundle };
            let copied = self.courier.bring(&self.name, &put, &*self.transport).await;
            copied.map_err(|error| self.transport_error(&format!("copying {}", part.name), &error))?;
        }
        Ok(())
    }

    /// Unpacks aside, writes the manifest, renames.
    pub(super) async fn assemble(&self, host: &DesiredHost, software: &Software) -> Result<(), HostError> {
        let folder = software.folder.as_str();
        let unsafe_place = |into: &str| into.starts_with('/') || into.split('/').any(|part| part == "..");
        if folder.is_empty() || folder.starts_with('.') || folder.contains('/') {
            return Err(self.error(Failure::Stop, format!("{folder} can't be a software folder")));
        }
        let mut calls = Calls::default();
        calls.raw(OBSERVE_FUNCTIONS).add("begin", [folder]);
        for part in &software.parts {
            if unsafe_place(&part.into) {
                return Err(self.error(Failure::Stop, format!("{} would be unpacked into {}", part.name, part.into)));
            }
            calls.add("unpack", [folder, &part.bundle.to_string(), &part.file_name(), &part.into]);
        }
        calls.add("finish", [folder]);
        let what = format!("assembling {folder}");
        self.change(&what, &host.prefix, &calls, Vec::new(), ASSEMBLE_WITHIN).await.map(|_| ())
    }

    /// Removes what nothing uses.
    pub(super) async fn collect(&self, host: &DesiredHost, keep: &BTreeSet<String>) -> Result<(), HostError> {
        let names: String = keep.iter().flat_map(|name| [name.as_str(), "\n"]).collect();
        let mut calls = Calls::default();
        calls.raw(COLLECT).add("set_keep", [names.as_str()]).raw("generations\nsoftware\nbundles\njournals\n");
        self.change("removing what is unused", &host.prefix, &calls, Vec::new(), COLLECT_WITHIN).await.map(|_| ())
    }
}
