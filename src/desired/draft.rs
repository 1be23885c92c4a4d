//! An instance before anything is rendered: which role on which host, with which software and parameters.

use super::context;
use super::paths::{self, Folders};
use super::render::Renderer;
use super::software::{self, Used};
use crate::config::params_of;
use crate::diag::{Code, Diag, Diagnostics};
use crate::expr::Context;
use crate::lock::Lock;
use crate::model::{Cluster, HostSpec, InstanceId, Module, ModuleName, Name, Role, Value};
use indexmap::IndexMap;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One role on one host.
pub(super) struct Draft<'a> {
    pub(super) id: InstanceId,
    pub(super) role: &'a Role,
    pub(super) host: &'a HostSpec,
    pub(super) module: &'a Arc<Module>,
    pub(super) params: IndexMap<Name, Value>,
    pub(super) folders: Folders,
    /// Its own software.
    pub(super) own: Used,
    /// The software of required modules.
    pub(super) required: BTreeMap<ModuleName, Used>,
    pub(super) ordinal: Option<i64>,
    pub(super) tier: String,
    pub(super) votes: bool,
    /// Whether ordinal and tier could be evaluated: further mistakes would only follow from that one.
    pub(super) sound: bool,
}

/// Modules by name.
pub(super) type Modules = IndexMap<ModuleName, Arc<Module>>;

/// The folder that everything on a host is below; checked by [`paths::prefix`].
pub(super) fn prefix(cluster: &Cluster, host: &HostSpec) -> String {
    host.prefix.as_ref().unwrap_or(&cluster.prefix).trim_end_matches('/').to_owned()
}

/// Every role on each of its hosts, sorted by name, except the supervisor's own.
pub(super) fn all<'a>(
    cluster: &'a Cluster,
    modules: &'a Modules,
    lock: &Lock,
    found: &mut Diagnostics,
) -> BTreeMap<InstanceId, Draft<'a>> {
    let mut drafts = BTreeMap::new();
    for role in cluster.roles.iter().filter(|role| role.module.as_str() != cluster.supervisor.as_str()) {
        let Some(module) = modules.get(&role.module.value) else { continue };
        for place in &role.hosts {
            let Some(host) = cluster.hosts.get(&place.value) else { continue };
            let prefix = prefix(cluster, host);
            if let Err(why) = paths::prefix(&prefix) {
                found.push(Diag::at(
                    Code::WrongType,
                    host.name.span,
                    format!("{why}, and `{prefix}` is not such a path"),
                ));
                continue;
            }
            let id = InstanceId::new(role.id.clone(), place.value.clone());
            if let Some(draft) = draft(cluster, modules, lock, found, (id, role, host, module), &prefix) {
                drafts.insert(draft.id.clone(), draft);
            }
        }
    }
    for draft in drafts.values_mut() {
        draft.identify(cluster, found);
    }
    ordinals_differ(&drafts, found);
    drafts
}

fn draft<'a>(
    cluster: &'a Cluster,
    modules: &'a Modules,
    lock: &Lock,
    found: &mut Diagnostics,
    (id, role, host, module): (InstanceId, &'a Role, &'a HostSpec, &'a Arc<Module>),
    prefix: &str,
) -> Option<Draft<'a>> {
    let mut used = |module: &Module| match software::used(cluster, Some(role), module, prefix, lock) {
        Ok(used) => Some(used),
        Err(diag) => {
            found.push(*diag);
            None
        }
    };
    let own = used(module);
    let mut required = BTreeMap::new();
    for name in module.requires.iter().map(|need| &need.module.value) {
        if let Some(used) = modules.get(name).and_then(|module| used(module)) {
            required.insert(name.clone(), used);
        }
    }
    if required.len() < module.requires.len() {
        return None;
    }
    Some(Draft {
        params: params_of(role, &id.host, module),
        folders: Folders::of(prefix, &id.role),
        own: own?,
        required,
        ordinal: host.number.map(i64::from),
        tier: String::new(),
        votes: false,
        sound: true,
        id,
        role,
        host,
        module,
    })
}

impl Draft<'_> {
    /// Folder names of its software, its own first.
    pub(super) fn software(&self) -> Vec<String> {
        let used = [&self.own].into_iter().chain(self.required.values());
        used.filter_map(|used| used.software.as_ref()).map(|software| software.folder.clone()).collect()
    }

    /// Evaluates ordinal, tier and vote, each of which may look at those before it.
    fn identify(&mut self, cluster: &Cluster, found: &mut Diagnostics) {
        let module = self.module;
        if let Some(expr) = &module.ordinal {
            self.ordinal = self.renderer(cluster, found).number(expr);
            self.sound &= self.ordinal.is_some();
        }
        if let Some(template) = &module.tier {
            let tier = self.renderer(cluster, found).text(template);
            self.sound &= tier.is_some();
            tier.unwrap_or_default().trim().clone_into(&mut self.tier);
        }
        if let Some(expr) = &module.quorum {
            self.votes = self.renderer(cluster, found).holds(Some(expr)).unwrap_or(false);
        }
    }

    fn renderer<'f>(&self, cluster: &Cluster, found: &'f mut Diagnostics) -> Renderer<'f> {
        let context = Context::new(&Json::Object(context::alone(cluster, self)));
        Renderer::new(&context, None, self.id.to_string(), found)
    }
}

/// Where a module computes ids, no two of a service are the same.
fn ordinals_differ(drafts: &BTreeMap<InstanceId, Draft<'_>>, found: &mut Diagnostics) {
    let mut taken = BTreeMap::new();
    for draft in drafts.values() {
        let (Some(expr), Some(ordinal)) = (&draft.module.ordinal, draft.ordinal) else { continue };
        if let Some(first) = taken.insert((&draft.role.service, ordinal), &draft.id) {
            let message = format!("the id {ordinal} is used twice in the service `{}`", draft.role.service);
            let other = Diag::at(Code::BadId, expr.0.span, "the module says so here").label("computed here");
            let diag = Diag::at(Code::BadId, draft.role.span, message)
                .label(format!("`{first}` and `{}` have it", draft.id))
                .help("an id belongs to one instance for ever: say another one for one of them");
            found.push(diag.also(other));
        }
    }
}
