//! The context of templates and expressions, as `docs/modules.md` documents it.

use super::draft::{Common, Draft};
use crate::expr::{self, Context, Shared};
use crate::model::{Cluster, Digest, FileContent, InstanceId, Live, Module, Name, Secret, ServiceName, Value, Version};
use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// A name as templates see it.
pub(super) fn snake(name: &str) -> String {
    name.replace(['-', '.'], "_")
}

/// What all instances of a role have in common that differ in their host alone.
pub(super) fn common(cluster: &Cluster, common: &Common) -> Context {
    let mut context = Map::new();
    let folders = &common.folders;
    context.insert("cluster".into(), json!({"name": cluster.name.as_str()}));
    context.insert("version".into(), common.own.version.as_str().into());
    context.insert("software".into(), common.own.home.as_str().into());
    let plugin = |(name, version): (&String, &Version)| json!({"name": name, "version": version.as_str()});
    context.insert("plugins".into(), common.own.plugins.iter().map(plugin).collect());
    context.insert("conf".into(), folders.current().into());
    context.insert(
        "dirs".into(),
        json!({
            "data": folders.data, "log": folders.log, "run": folders.run, "tmp": folders.tmp, "conf": folders.conf,
        }),
    );
    for (module, used) in &common.required {
        context.insert(snake(module.as_str()), json!({"home": used.home, "version": used.version.as_str()}));
    }
    context.extend(params(&common.params));
    Context::new(&context.into())
}

/// What is an instance's own, as far as it is known by now.
pub(super) fn own(draft: &Draft<'_>) -> [(String, Shared); 2] {
    let instance = json!({
        "name": draft.id.to_string(), "role": draft.id.role.as_str(), "label": draft.role.label,
        "ordinal": draft.ordinal, "tier": draft.tier,
    });
    [("host".to_owned(), draft.about_host.clone()), ("instance".to_owned(), Shared::new(&instance))]
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

/// Whether an instance takes these parameters while it runs. What can't be told is a restart.
pub(super) fn taken_live(live: &Live, context: &Context) -> bool {
    live.when.as_ref().is_none_or(|when| context.eval_bool(&when.0).unwrap_or(false))
}

/// The parameters that the service takes while it runs, as they are when nobody says anything.
pub(super) fn by_default(module: &Module, context: &Context) -> Json {
    let value = |name: &Name| {
        let default = module.params.get(name).and_then(|param| param.default.as_ref());
        (snake(name.as_str()), serde_json::to_value(default).unwrap_or(Json::Null))
    };
    let live = module.live.iter().filter(|live| taken_live(live, context));
    Json::Object(live.flat_map(|live| &live.params).map(value).collect())
}

/// The secrets that parameters name.
pub(super) struct Secrets {
    /// Their values by parameter; `None` when not all of them are known.
    pub(super) open: Option<Json>,
    /// Each with another text in its place, and its mark: a text that it changes holds it.
    pub(super) each: Vec<(Json, Digest)>,
}

/// The parameters that are secrets.
pub(super) fn secrets(params: &IndexMap<Name, Value>, secrets: &IndexMap<String, Secret>) -> Secrets {
    let secret = |(name, value): (&Name, &Value)| match value {
        Value::Secret(secret) => Some((snake(name.as_str()), secrets.get(&secret.0)?)),
        _ => None,
    };
    let found: Vec<(String, &Secret)> = params.iter().filter_map(secret).collect();
    let other = |(name, secret): &(String, &Secret)| (json!({ name: format!("another {name}") }), secret.mark());
    let open = |(name, secret): &(String, &Secret)| Some((name.clone(), secret.value()?.expose().into()));
    let each = found.iter().map(other).collect();
    Secrets { open: found.iter().map(open).collect::<Option<Map<String, Json>>>().map(Json::Object), each }
}

/// What others see of an instance: an entry of `service.instances` and of `services.NAME`. Its parameters are in
/// `params`, and beside it where no other name is in the way.
fn entry(draft: &Draft<'_>) -> Shared {
    let own = json!({
        "name": draft.id.to_string(), "host": draft.id.host.as_str(), "address": draft.host.address.as_str(),
        "ordinal": draft.ordinal, "role": draft.id.role.as_str(), "label": draft.role.label, "tier": draft.tier,
        "version": draft.common.own.version.as_str(), "votes": draft.votes,
    });
    Shared::merged([draft.common.seen.clone(), Shared::new(&own)])
}

/// Parameters as others see them: each beside the entry, and all of them in it.
pub(super) fn seen(values: &IndexMap<Name, Value>) -> Shared {
    let params = params(values);
    let mut seen = params.clone();
    seen.insert("params".into(), params.into());
    Shared::new(&seen.into())
}

/// What instances see of each other; sorted by name. Everything is held once, however many see it.
pub(super) struct Neighbours {
    /// Where an instance is in its service.
    places: BTreeMap<InstanceId, usize>,
    /// By module, in snake case.
    modules: BTreeMap<String, Shared>,
    /// The instances and the whole entry, by service.
    services: BTreeMap<ServiceName, (Shared, Shared)>,
    none: Shared,
}

impl Neighbours {
    /// Of all instances, which come sorted.
    pub(super) fn of<'a>(drafts: impl Iterator<Item = &'a Draft<'a>>) -> Self {
        let mut places = BTreeMap::new();
        let mut modules: BTreeMap<String, Vec<Shared>> = BTreeMap::new();
        let mut services: BTreeMap<ServiceName, Vec<Shared>> = BTreeMap::new();
        for draft in drafts {
            let entry = entry(draft);
            modules.entry(snake(draft.module.name.as_str())).or_default().push(entry.clone());
            let members = services.entry(draft.role.service.clone()).or_default();
            places.insert(draft.id.clone(), members.len());
            members.push(entry);
        }
        let whole = |(name, members): (ServiceName, Vec<Shared>)| {
            let expected = Shared::new(&members.len().into());
            let instances = Shared::list(members);
            let service = Shared::map([
                ("name".to_owned(), Shared::new(&name.as_str().into())),
                ("expected".to_owned(), expected),
                ("instances".to_owned(), instances.clone()),
            ]);
            (name, (instances, service))
        };
        let services = services.into_iter().map(whole).collect();
        let modules = modules.into_iter().map(|(name, entries)| (name, Shared::list(entries))).collect();
        Self { places, modules, services, none: Shared::list([]) }
    }

    /// What all instances of a service see of the others. `named` are the modules that its own looks for.
    pub(super) fn around(&self, service: &ServiceName, named: &BTreeSet<String>) -> Context {
        let known = self.modules.iter().map(|(name, instances)| (name.clone(), instances.clone()));
        let absent = named.iter().filter(|name| !self.modules.contains_key(*name));
        let services = known.chain(absent.map(|name| (name.clone(), self.none.clone())));
        let service = self.services.get(service).map_or(&self.none, |(_, service)| service);
        Context::of([("service".to_owned(), service.clone()), ("services".to_owned(), Shared::map(services))])
    }

    /// The other instances of its service.
    pub(super) fn peers(&self, draft: &Draft<'_>) -> (String, Shared) {
        let instances = self.services.get(&draft.role.service).map(|(instances, _)| instances);
        let peers = instances.zip(self.places.get(&draft.id)).map(|(instances, place)| instances.without(*place));
        ("peers".to_owned(), peers.unwrap_or_else(|| self.none.clone()))
    }
}

/// The modules that a module's templates look at through `services.NAME`.
pub(super) fn named_modules(module: &Module) -> BTreeSet<String> {
    let mut named: BTreeSet<String> = module.after.iter().map(|name| snake(name.as_str())).collect();
    named.extend(module.compat.iter().map(|rule| snake(rule.with.as_str())));
    named.extend(module.jobs.values().flat_map(|job| &job.needs).map(|name| snake(name.as_str())));
    let contents = module.files.iter().map(|file| &file.content);
    let contents = contents.chain(module.jobs.values().flat_map(|job| job.files.values()));
    let inline = contents.filter_map(|content| match content {
        FileContent::Inline(template) => Some(template),
        FileContent::TemplateFile(_) | FileContent::Given(_) => None,
    });
    let process = module.process.iter().flat_map(|process| {
        process
            .command
            .iter()
            .chain(&process.first_start)
            .chain(&process.check)
            .chain(process.env.values())
            .chain(&process.logs)
    });
    let jobs = module.jobs.values().flat_map(|job| job.command.iter().chain(&job.dry_run).chain(job.env.values()));
    let paths = module.files.iter().map(|file| &file.path);
    let texts = module.templates.values().chain(inline).chain(process).chain(paths).chain(jobs);
    named.extend(texts.flat_map(|template| expr::attributes(&template.0.value, "services")));
    named
}
