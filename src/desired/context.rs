//! The context of templates and expressions, as `docs/modules.md` documents it.

use super::draft::Draft;
use crate::expr::{self, Context, Shared};
use crate::model::{Cluster, FileContent, InstanceId, Module, Name, Secret, ServiceName, Value};
use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// A name as templates see it.
pub(super) fn snake(name: &str) -> String {
    name.replace(['-', '.'], "_")
}

/// What is known of an instance alone: enough for its ordinal, tier and vote.
pub(super) fn alone(cluster: &Cluster, draft: &Draft<'_>) -> Map<String, Json> {
    let mut context = Map::new();
    let folders = &draft.folders;
    context.insert("cluster".into(), json!({"name": cluster.name.as_str()}));
    context.insert("host".into(), host(draft.host, &folders.prefix));
    context.insert(
        "instance".into(),
        json!({
            "name": draft.id.to_string(), "role": draft.id.role.as_str(), "label": draft.role.label,
            "ordinal": draft.ordinal, "tier": draft.tier,
        }),
    );
    context.insert("version".into(), draft.own.version.as_str().into());
    context.insert("software".into(), draft.own.home.as_str().into());
    context.insert("conf".into(), folders.current().into());
    context.insert(
        "dirs".into(),
        json!({
            "data": folders.data, "log": folders.log, "run": folders.run, "tmp": folders.tmp, "conf": folders.conf,
        }),
    );
    for (module, used) in &draft.required {
        context.insert(snake(module.as_str()), json!({"home": used.home, "version": used.version.as_str()}));
    }
    context.extend(params(&draft.params));
    context
}

/// A host.
pub(super) fn host(host: &crate::model::HostSpec, prefix: &str) -> Json {
    json!({
        "name": host.name.as_str(), "address": host.address.value, "number": host.number, "labels": host.labels,
        "prefix": prefix,
    })
}

/// Parameters by their names in templates. A secret is there by name only.
pub(super) fn params(params: &IndexMap<Name, Value>) -> Map<String, Json> {
    params
        .iter()
        .map(|(name, value)| (snake(name.as_str()), serde_json::to_value(value).unwrap_or(Json::Null)))
        .collect()
}

/// The values of the parameters that are secrets; `None` when there are none.
pub(super) fn secrets(params: &IndexMap<Name, Value>, secrets: &IndexMap<String, Secret>) -> Option<Json> {
    let value = |(name, value): (&Name, &Value)| match value {
        Value::Secret(secret) => Some((snake(name.as_str()), secrets.get(&secret.0)?.expose().into())),
        _ => None,
    };
    let found: Map<String, Json> = params.iter().filter_map(value).collect();
    (!found.is_empty()).then_some(Json::Object(found))
}

/// What others see of an instance: an entry of `service.instances` and of `services.NAME`. Its parameters are in
/// `params`, and beside it where no other name is in the way.
pub(super) fn entry(draft: &Draft<'_>) -> Json {
    let params = params(&draft.params);
    let mut entry = Map::new();
    entry.insert("name".into(), draft.id.to_string().into());
    entry.insert("host".into(), draft.id.host.as_str().into());
    entry.insert("address".into(), draft.host.address.as_str().into());
    entry.insert("ordinal".into(), draft.ordinal.into());
    entry.insert("role".into(), draft.id.role.as_str().into());
    entry.insert("label".into(), draft.role.label.clone().into());
    entry.insert("tier".into(), draft.tier.as_str().into());
    entry.insert("version".into(), draft.own.version.as_str().into());
    entry.insert("votes".into(), draft.votes.into());
    for (name, value) in &params {
        entry.entry(name.clone()).or_insert_with(|| value.clone());
    }
    entry.insert("params".into(), params.into());
    entry.into()
}

/// What instances see of each other; sorted by name. Everything is held once, however many see it.
pub(super) struct Neighbours {
    entries: BTreeMap<InstanceId, Shared>,
    /// By module, in snake case.
    modules: BTreeMap<String, Shared>,
    /// Members and the whole entry, by service.
    services: BTreeMap<ServiceName, (Vec<InstanceId>, Shared)>,
    none: Shared,
}

impl Neighbours {
    /// Of all instances, which come sorted.
    pub(super) fn of<'a>(drafts: impl Iterator<Item = &'a Draft<'a>>) -> Self {
        let mut entries = BTreeMap::new();
        let mut modules: BTreeMap<String, Vec<Shared>> = BTreeMap::new();
        let mut services: BTreeMap<ServiceName, Vec<InstanceId>> = BTreeMap::new();
        for draft in drafts {
            let entry = Shared::new(&entry(draft));
            modules.entry(snake(draft.module.name.as_str())).or_default().push(entry.clone());
            services.entry(draft.role.service.clone()).or_default().push(draft.id.clone());
            entries.insert(draft.id.clone(), entry);
        }
        let whole = |(name, members): (ServiceName, Vec<InstanceId>)| {
            let instances = Shared::list(members.iter().filter_map(|id| entries.get(id).cloned()));
            let service = Shared::map([
                ("name".to_owned(), Shared::new(&name.as_str().into())),
                ("expected".to_owned(), Shared::new(&members.len().into())),
                ("instances".to_owned(), instances),
            ]);
            (name, (members, service))
        };
        let services = services.into_iter().map(whole).collect();
        let modules = modules.into_iter().map(|(name, entries)| (name, Shared::list(entries))).collect();
        Self { entries, modules, services, none: Shared::list([]) }
    }

    /// The context of an instance with its neighbours in it. `named` are the modules that its own looks for.
    pub(super) fn around(&self, draft: &Draft<'_>, named: &BTreeSet<String>, alone: &Map<String, Json>) -> Context {
        let own = alone.iter().map(|(name, value)| (name.clone(), Shared::new(value)));
        let (members, service) = match self.services.get(&draft.role.service) {
            Some((members, service)) => (members.as_slice(), service),
            None => (&[][..], &self.none),
        };
        let peers = members.iter().filter(|id| **id != draft.id).filter_map(|id| self.entries.get(id).cloned());
        let known = self.modules.iter().map(|(name, instances)| (name.clone(), instances.clone()));
        let absent = named.iter().filter(|name| !self.modules.contains_key(*name));
        let services = known.chain(absent.map(|name| (name.clone(), self.none.clone())));
        let around = [
            ("peers".to_owned(), Shared::list(peers)),
            ("service".to_owned(), service.clone()),
            ("services".to_owned(), Shared::map(services)),
        ];
        Context::of(own.chain(around))
    }
}

/// The modules that a module's templates look at through `services.NAME`.
pub(super) fn named_modules(module: &Module) -> BTreeSet<String> {
    let mut named: BTreeSet<String> = module.after.iter().map(|name| snake(name.as_str())).collect();
    named.extend(module.compat.iter().map(|rule| snake(rule.with.as_str())));
    let inline = module.files.iter().filter_map(|file| match &file.content {
        FileContent::Inline(template) => Some(template),
        FileContent::TemplateFile(_) => None,
    });
    let process = module.process.iter().flat_map(|process| {
        process.command.iter().chain(&process.first_start).chain(process.env.values()).chain(&process.logs)
    });
    let paths = module.files.iter().map(|file| &file.path);
    let texts = module.templates.values().chain(inline).chain(process).chain(paths);
    named.extend(texts.flat_map(|template| expr::attributes(&template.0.value, "services")));
    named
}
