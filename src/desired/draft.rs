//! An instance before anything is rendered: which role on which host, with which software and parameters.

use super::context;
use super::paths::{self, Folders};
use super::render::Renderer;
use super::software::{self, Used};
use crate::config::params_of;
use crate::diag::{Code, Diag, Diagnostics};
use crate::expr::{Context, Memo, Shared, Watched};
use crate::lock::Lock;
use crate::model::{Cluster, HostName, HostSpec, InstanceId, Module, ModuleName, Name, Role, Value};
use indexmap::IndexMap;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

/// One role on one host.
pub(super) struct Draft<'a> {
    pub(super) id: InstanceId,
    pub(super) role: &'a Role,
    pub(super) host: &'a HostSpec,
    pub(super) module: &'a Arc<Module>,
    /// What it has in common with others of its role.
    pub(super) common: Rc<Common>,
    /// The host as templates see it.
    pub(super) about_host: Shared,
    pub(super) ordinal: Option<i64>,
    pub(super) tier: String,
    pub(super) votes: bool,
    /// Whether ordinal and tier could be evaluated: further mistakes would only follow from that one.
    pub(super) sound: bool,
}

/// What instances of one role have in common: all of them, unless the file says something of one host alone, or their
/// folders are elsewhere. Everything that is made of it and of nothing else is made once.
pub(super) struct Common {
    /// Tells them apart.
    pub(super) number: usize,
    pub(super) params: Arc<IndexMap<Name, Value>>,
    /// The parameters as other instances see them.
    pub(super) seen: Shared,
    pub(super) folders: Folders,
    /// Its own software.
    pub(super) own: Used,
    /// The software of required modules.
    pub(super) required: BTreeMap<ModuleName, Used>,
    /// Folder names of its software, its own first.
    pub(super) software: Arc<[String]>,
    known: RefCell<Known>,
}

/// What was evaluated for others.
#[derive(Default)]
struct Known {
    context: Option<Context>,
    ordinal: Memo<i64>,
    tier: Memo<String>,
    votes: Memo<bool>,
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
    let mut about: BTreeMap<&HostName, Shared> = BTreeMap::new();
    let mut number = 0;
    for role in cluster.roles.iter().filter(|role| role.module.as_str() != cluster.supervisor.as_str()) {
        let Some(module) = modules.get(&role.module.value) else { continue };
        // Hosts that something is said of alone: they have nothing in common with others.
        let mut alone: BTreeSet<&HostName> = role.overrides.keys().collect();
        alone.extend(role.free.iter().filter_map(|entry| entry.host.as_ref()));
        let mut together: BTreeMap<(String, Option<&HostName>), Option<Rc<Common>>> = BTreeMap::new();
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
            let about_host =
                about.entry(&host.name.value).or_insert_with(|| Shared::new(&context::host(host, &prefix))).clone();
            let alone = alone.get(&place.value).copied();
            let common = together.entry((prefix, alone)).or_insert_with_key(|(prefix, _)| {
                number += 1;
                common(cluster, modules, lock, found, (number, role, module), &place.value, prefix).map(Rc::new)
            });
            let Some(common) = common.clone() else { continue };
            let draft = Draft {
                id: InstanceId::new(role.id.clone(), place.value.clone()),
                role,
                host,
                module,
                common,
                about_host,
                ordinal: host.number.map(i64::from),
                tier: String::new(),
                votes: false,
                sound: true,
            };
            drafts.insert(draft.id.clone(), draft);
        }
    }
    for draft in drafts.values_mut() {
        draft.identify(cluster, found);
    }
    ordinals_differ(&drafts, found);
    drafts
}

fn common(
    cluster: &Cluster,
    modules: &Modules,
    lock: &Lock,
    found: &mut Diagnostics,
    (number, role, module): (usize, &Role, &Arc<Module>),
    host: &HostName,
    prefix: &str,
) -> Option<Common> {
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
    let (own, params) = (own?, params_of(role, host, module));
    let used = [&own].into_iter().chain(required.values()).filter_map(|used| used.software.as_ref());
    Some(Common {
        number,
        seen: context::seen(&params),
        params: Arc::new(params),
        folders: Folders::of(prefix, &role.id),
        software: used.map(|software| software.folder.clone()).collect(),
        own,
        required,
        known: RefCell::default(),
    })
}

impl Common {
    /// The names in templates and expressions.
    pub(super) fn context(&self, cluster: &Cluster) -> Context {
        self.known.borrow_mut().context.get_or_insert_with(|| context::common(cluster, self)).clone()
    }
}

impl Draft<'_> {
    /// Evaluates ordinal, tier and vote, each of which may look at those before it.
    fn identify(&mut self, cluster: &Cluster, found: &mut Diagnostics) {
        let (module, common) = (self.module, Rc::clone(&self.common));
        let context = common.context(cluster);
        let who = self.id.to_string();
        if let Some(expr) = &module.ordinal {
            let mut memo = std::mem::take(&mut common.known.borrow_mut().ordinal);
            self.ordinal = remembered(&mut memo, &Watched::new(context::own(self)), |watched| {
                Renderer::new(&watched.over(&context), None, who.clone(), found).number(expr)
            });
            common.known.borrow_mut().ordinal = memo;
            self.sound &= self.ordinal.is_some();
        }
        if let Some(template) = &module.tier {
            let mut memo = std::mem::take(&mut common.known.borrow_mut().tier);
            let tier = remembered(&mut memo, &Watched::new(context::own(self)), |watched| {
                Renderer::new(&watched.over(&context), None, who.clone(), found).text(template)
            });
            common.known.borrow_mut().tier = memo;
            self.sound &= tier.is_some();
            tier.unwrap_or_default().trim().clone_into(&mut self.tier);
        }
        if let Some(expr) = &module.quorum {
            let mut memo = std::mem::take(&mut common.known.borrow_mut().votes);
            let votes = remembered(&mut memo, &Watched::new(context::own(self)), |watched| {
                Renderer::new(&watched.over(&context), None, who.clone(), found).holds(Some(expr))
            });
            common.known.borrow_mut().votes = memo;
            self.votes = votes.unwrap_or(false);
        }
    }
}

/// What a memo knows, or else what is made now; a mistake is not remembered, so that it is made again.
pub(super) fn remembered<T: Clone>(
    memo: &mut Memo<T>,
    watched: &Watched,
    make: impl FnOnce(&Watched) -> Option<T>,
) -> Option<T> {
    memo.get(watched).or_else(|| {
        let mark = watched.mark();
        let made = make(watched)?;
        memo.learn(watched, mark, made.clone());
        Some(made)
    })
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
