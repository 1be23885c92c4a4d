//! Instances that are there and nobody declares any more: what their own generations say of them, as instances that can be
//! spoken to, drained, and stopped. Nothing is rendered for them. And declared ones that run with other ports: they are spoken to
//! where they are until they have been switched.

use super::{InstanceObservation, Inventory, ProcessObservation, Seen};
use crate::desired::{About, Desired, DesiredHost, DesiredInstance, DesiredProcess, DesiredService};
use crate::expr::Context;
use crate::model::{Digest, InstanceId, Module, ModuleName, Name, RoleId, SecretRef, ServiceName, Value, Version};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a stop may take of what its module says nothing of any more.
const STOP_WITHIN: Duration = Duration::from_mins(5);

/// Finds a module that no role uses.
pub type FindModule<'a> = &'a dyn Fn(&ModuleName) -> Option<Arc<Module>>;

const fn is_secret(value: &Value) -> bool {
    matches!(value, Value::Secret(_))
}

impl Desired {
    /// An instance that is declared, or one that leaves.
    pub fn instance(&self, id: &InstanceId) -> Option<&DesiredInstance> {
        self.instances.get(id).or_else(|| self.leaving.get(id))
    }

    /// Instances of a service that are there and are not declared any more, by name.
    pub fn leaving_of<'a>(&'a self, service: &'a ServiceName) -> impl Iterator<Item = &'a DesiredInstance> + use<'a> {
        self.leaving.values().filter(move |one| one.service == *service)
    }

    /// Takes in what was observed and is not declared, or not yet as it is declared. `find` reads a module that no role uses any more.
    pub fn let_go(&mut self, inventory: &Inventory, find: FindModule<'_>) {
        let (mut leaving, mut elsewhere) = (BTreeMap::new(), BTreeMap::new());
        for host in self.hosts.values() {
            let Some(seen) = inventory.hosts.get(&host.name).and_then(Seen::seen) else { continue };
            for (role, found) in &seen.instances {
                let Ok(role) = RoleId::new(role) else { continue };
                let id = InstanceId::new(role, host.name.clone());
                let declared = self.instances.get(&id);
                let runs = matches!(found.process, ProcessObservation::Running(_));
                if declared.is_some_and(|one| !runs || found.current == Some(one.content_generation)) {
                    continue;
                }
                match (self.known(host, &id, found, find), declared) {
                    (Some(one), None) => _ = leaving.insert(id, one),
                    (Some(mut one), Some(declared))
                        if one.service == declared.service && one.ports != declared.ports =>
                    {
                        // Whose secrets it gets is ours to say, and not its host's.
                        let mut params = (*one.params).clone();
                        params.retain(|name, value| !is_secret(value) || declared.params.get(name) == Some(value));
                        one.params = Arc::new(params);
                        elsewhere.insert(id, one);
                    }
                    _ => {}
                }
            }
        }
        for one in leaving.values() {
            self.services.entry(one.service.clone()).or_insert_with(|| DesiredService {
                name: one.service.clone(),
                module: Arc::clone(&one.module),
                instances: Vec::new(),
            });
        }
        (self.leaving, self.elsewhere) = (leaving, elsewhere);
    }

    /// An instance from what its generation says. `None` when that says nothing that we can use.
    fn known(
        &self,
        host: &DesiredHost,
        id: &InstanceId,
        found: &InstanceObservation,
        find: FindModule<'_>,
    ) -> Option<DesiredInstance> {
        let about = About::parse(found.about.as_deref()?)?;
        let (name, service) = (ModuleName::new(&about.module).ok()?, ServiceName::new(&about.service).ok()?);
        let module = match self.services.get(&service) {
            // A name that now belongs to another module is another service's.
            Some(known) if known.module.name.value == name => Arc::clone(&known.module),
            Some(_) => return None,
            None => {
                let used = self.services.values().find(|known| known.module.name.value == name);
                used.map(|known| Arc::clone(&known.module)).or_else(|| find(&name))?
            }
        };
        let version = found.version_of(&name).or_else(|| Version::parse(&about.version).ok())?;
        let mut params: indexmap::IndexMap<Name, Value> = indexmap::IndexMap::new();
        params.extend(
            about.texts.iter().filter_map(|(name, text)| Some((Name::new(name).ok()?, Value::Text(text.clone())))),
        );
        // A host names no secret that it is not known to be asked with: one that a declared instance of the module is asked with.
        let secret = |(name, secret): (&String, &String)| {
            let (name, value) = (Name::new(name).ok()?, Value::Secret(SecretRef(secret.clone())));
            let mut same = self.instances.values().filter(|one| one.module.name.value == module.name.value);
            same.any(|one| one.params.get(&name) == Some(&value)).then_some((name, value))
        };
        params.extend(about.secrets.iter().filter_map(secret));
        let ports = about.ports.iter().filter_map(|(name, port)| Some((Name::new(name).ok()?, *port))).collect();
        let (prefix, role) = (&host.prefix, &id.role);
        let (conf, data, log) =
            (format!("{prefix}/conf/{role}"), format!("{prefix}/data/{role}"), format!("{prefix}/log/{role}"));
        let (nothing, process) = (Digest::of(b""), module.process.as_ref());
        Some(DesiredInstance {
            id: id.clone(),
            service: service.clone(),
            version: version.clone(),
            ordinal: about.ordinal,
            tier: about.tier.clone(),
            votes: about.votes,
            params: Arc::new(params),
            ports: Arc::new(ports),
            memory: 0,
            needs: Arc::from([]),
            free_disk: 0,
            context: self.names(host, id, &about, &service, &version),
            software: found.software.clone().into(),
            files: Arc::from([]),
            process: Arc::new(DesiredProcess {
                program: role.to_string(),
                stop_signal: process.map_or_else(|| "TERM".to_owned(), |process| process.stop_signal.clone()),
                stop_within: process.map_or(STOP_WITHIN, |process| process.stop_within),
                logs: vec![format!("{log}/console.log")],
                ..DesiredProcess::default()
            }),
            unit: host.unit_of(role.as_str()),
            data_dir: data,
            adopts: None,
            log_dir: log,
            conf_dir: conf,
            content_generation: found.current.unwrap_or(nothing),
            restart_generation: found.current_restart.unwrap_or(nothing),
            module,
        })
    }

    /// What templates and expressions see of it: `service.instances` are those that stay.
    fn names(
        &self,
        host: &DesiredHost,
        id: &InstanceId,
        about: &About,
        service: &ServiceName,
        version: &Version,
    ) -> Context {
        let (prefix, role) = (&host.prefix, &id.role);
        let mut names: Map<String, Json> = about.names.clone();
        let label = names.get("instance").and_then(|one| one.get("label")).cloned().unwrap_or(Json::Null);
        let told = |name: &str| names.get("host").and_then(|host| host.get(name)).cloned().unwrap_or(Json::Null);
        let (number, labels) = (told("number"), told("labels"));
        let stays =
            self.services.get(service).and_then(|of| of.instances.first()).and_then(|first| self.instances.get(first));
        let seen = |name: &str| stays.and_then(|one| one.context.get(name));
        let none = json!({ "name": service.as_str(), "expected": 0, "instances": [] });
        let of_service = seen("service").unwrap_or(none);
        let peers = of_service.get("instances").cloned().unwrap_or_else(|| json!([]));
        let run = format!("{prefix}/run/{role}");
        let ours = json!({
            "cluster": { "name": self.cluster.as_str() },
            "host": { "name": host.name.as_str(), "address": host.address, "number": number, "labels": labels, "prefix": prefix },
            "instance": {
                "name": id.to_string(), "role": role.as_str(), "label": label, "ordinal": about.ordinal, "tier": about.tier,
            },
            "version": version.as_str(),
            "conf": format!("{prefix}/conf/{role}/current"),
            "dirs": {
                "data": format!("{prefix}/data/{role}"), "log": format!("{prefix}/log/{role}"), "run": run,
                "tmp": format!("{run}/tmp"), "conf": format!("{prefix}/conf/{role}"),
            },
            "service": of_service, "services": seen("services").unwrap_or_else(|| json!({})), "peers": peers,
        });
        names.extend(ours.as_object().cloned().unwrap_or_default());
        Context::new(&names.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::world::*;
    use std::collections::BTreeSet;

    /// What becomes of an instance whose host says that it is asked with this secret; declared ones are asked with another.
    fn asked_with(said: &str, is_declared: bool) -> BTreeSet<String> {
        let word = |name: &str| Value::Secret(SecretRef(name.to_owned()));
        let mut before = desired(&platform());
        for one in before.instances.values_mut() {
            one.params = Arc::new([(name("password"), word("ours"))].into_iter().collect());
        }
        let gone = id("store-hot@node3");
        let mut about: Json = serde_json::from_str(&before.instances[&gone].about()).unwrap();
        about["secrets"]["password"] = said.into();
        about["ports"]["port"] = 4711.into();
        let mut inventory = converged(&before);
        let found = at(&mut inventory, "node3").instances.get_mut("store-hot").unwrap();
        (found.about, found.current) = (Some(about.to_string()), Some(Digest::of(b"before")));
        let mut now = before;
        if !is_declared {
            now.instances.remove(&gone);
        }
        now.let_go(&inventory, &|_| None);
        let one = now.elsewhere.get(&gone).or_else(|| now.leaving.get(&gone)).expect("it is there");
        assert_eq!(one.ports.values().collect::<Vec<_>>(), [&4711]);
        let secrets = one.params.values().filter_map(|value| match value {
            Value::Secret(secret) => Some(secret.0.clone()),
            _ => None,
        });
        secrets.collect()
    }

    #[test]
    fn a_host_gets_no_secret_by_naming_it() {
        for is_declared in [true, false] {
            assert_eq!(asked_with("ours", is_declared), ["ours".to_owned()].into());
            assert_eq!(asked_with("another", is_declared), BTreeSet::new());
        }
    }
}
