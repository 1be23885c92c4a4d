//! What a case is, and the platform that cases change.

use crate::effects::CLUSTER;
use es_cluster::desired::Desired;
use es_cluster::inventory::{HostObservation, InstanceObservation, Inventory, ProcessObservation, Seen};
use es_cluster::model::Digest;
use es_cluster::plan::{PlanOptions, Target};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What is otherwise than everything as declared.
type Change = Box<dyn Fn(&mut Desired, &mut Inventory)>;

/// What comes of a rule.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// The plan is refused.
    No,
    /// What passes by itself is a warning, and is waited for.
    Waits,
    /// What can be done without is a warning.
    Wish,
    /// What only the service can tell, before a later phase of a change: a step asks it.
    Asked,
}

/// One way to a refusal.
pub(super) struct Case {
    /// The rule, as the table of rules calls it.
    pub(super) rule: String,
    /// By which name the plan is refused.
    pub(super) name: String,
    /// Which of the messages of that name it is.
    pub(super) of: Box<dyn Fn(&str) -> bool>,
    /// What comes of it.
    pub(super) says: Says,
    /// Of a need: the role that has it, and what is wanted.
    pub(super) by: Option<(String, String)>,
    /// What stands nearest to it and is not refused: in words, and as it is declared.
    pub(super) beside: Option<(String, String)>,
    /// What is declared.
    pub(super) declared: String,
    /// What had been declared when everything was last as declared; the same when absent.
    pub(super) had: Option<String>,
    /// What is otherwise on the hosts than it was then.
    pub(super) change: Change,
    /// What is asked for.
    pub(super) options: Box<dyn Fn(&Desired) -> PlanOptions>,
}

impl Case {
    pub(super) fn new(rule: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            rule: rule.into(),
            name: name.into(),
            of: Box::new(|_| true),
            says: Says::No,
            by: None,
            beside: None,
            declared: Platform::default().text(),
            had: None,
            change: Box::new(|_, _| {}),
            options: Box::new(|_| PlanOptions::default()),
        }
    }

    pub(super) fn declaring(self, platform: &Platform) -> Self {
        Self { declared: platform.text(), ..self }
    }

    pub(super) fn having(self, platform: &Platform) -> Self {
        Self { had: Some(platform.text()), ..self }
    }

    pub(super) fn when(self, change: impl Fn(&mut Desired, &mut Inventory) + 'static) -> Self {
        Self { change: Box::new(change), ..self }
    }

    pub(super) fn asking(self, options: impl Fn(&Desired) -> PlanOptions + 'static) -> Self {
        Self { options: Box::new(options), ..self }
    }

    pub(super) fn about(self, of: impl Fn(&str) -> bool + 'static) -> Self {
        Self { of: Box::new(of), ..self }
    }

    pub(super) fn beside(self, what: String, platform: &Platform) -> Self {
        Self { beside: Some((what, platform.text())), ..self }
    }
}

/// The platform's file: what comes before its versions, its versions by module, in quotes, and what comes after them.
fn parts() -> (&'static str, BTreeMap<&'static str, &'static str>, &'static str) {
    let (head, rest) = CLUSTER.split_once("versions {").expect("versions");
    let (versions, rest) = rest.split_once('}').expect("the end of versions");
    let words = versions.split([';', '\n']).map(str::trim).filter(|line| !line.is_empty());
    (head, words.filter_map(|line| line.split_once(' ')).collect(), rest)
}

/// The version that the platform has of a module.
pub(super) fn usual(module: &str) -> String {
    let (_, versions, _) = parts();
    versions.get(module).unwrap_or_else(|| panic!("no version of {module}")).trim_matches('"').to_owned()
}

/// Every module on three hosts, with some of it otherwise.
#[derive(Default, Clone)]
pub(super) struct Platform {
    /// Versions, and what stands behind them, by module.
    pub(super) versions: BTreeMap<String, String>,
    /// Parameters by module.
    pub(super) roles: BTreeMap<String, String>,
    /// Hosts by module.
    pub(super) hosts: BTreeMap<String, String>,
    /// What is written otherwise, at last.
    pub(super) instead: Vec<(String, String)>,
}

impl Platform {
    pub(super) fn version(mut self, module: &str, version: &str) -> Self {
        self.versions.insert(module.to_owned(), format!("\"{version}\""));
        self
    }

    pub(super) fn role(mut self, module: &str, params: &str) -> Self {
        self.roles.insert(module.to_owned(), params.to_owned());
        self
    }

    pub(super) fn on(mut self, module: &str, hosts: &str) -> Self {
        self.hosts.insert(module.to_owned(), hosts.to_owned());
        self
    }

    pub(super) fn text(&self) -> String {
        let (head, mut said, rest): (_, BTreeMap<&str, &str>, _) = parts();
        let mut text = format!("{head}versions {{");
        said.extend(self.versions.iter().map(|(module, version)| (module.as_str(), version.as_str())));
        for (module, version) in said {
            _ = writeln!(text, "    {module} {version}");
        }
        _ = writeln!(text, "}}{rest}");
        for module in super::table::modules().iter().filter(|one| one.process.is_some() || !one.jobs.is_empty()) {
            let name = module.name.as_str();
            let params = self.roles.get(name).map(|params| format!(" {{ {params} }}")).unwrap_or_default();
            if name == "supervisord" && params.is_empty() {
                continue;
            }
            let usual = if module.singleton.is_some() { "node1" } else { "node[1-3]" };
            let hosts = self.hosts.get(name).map_or(usual, String::as_str);
            _ = writeln!(text, "    {name} on=\"{hosts}\"{params}");
        }
        text.push_str("}\n");
        self.instead.iter().fold(text, |text, (old, new)| text.replace(old, new))
    }
}

/// The observation of a host, to be changed.
pub(super) fn at<'a>(inventory: &'a mut Inventory, host: &str) -> &'a mut HostObservation {
    match inventory.hosts.iter_mut().find(|(name, _)| name.as_str() == host) {
        Some((_, Seen::Seen(seen))) => seen,
        _ => panic!("{host} is observed"),
    }
}

/// The observation of an instance, to be changed.
pub(super) fn of<'a>(inventory: &'a mut Inventory, role: &str, host: &str) -> &'a mut InstanceObservation {
    at(inventory, host).instances.get_mut(role).unwrap_or_else(|| panic!("{role}@{host}"))
}

/// Makes an instance run on something older than what is on the disk: it restarts.
pub(super) fn restart_pending(inventory: &mut Inventory, role: &str, host: &str) {
    if let ProcessObservation::Running(running) = &mut of(inventory, role, host).process {
        running.restart_generation = Digest::of(b"older");
    }
}

/// Instances that run and are not declared any more.
pub(super) fn leave(desired: &mut Desired, inventory: &mut Inventory, ids: &[&str]) {
    for id in ids {
        let id = desired.instances.keys().find(|known| known.to_string() == *id).expect("declared").clone();
        let one = desired.instances.remove(&id).expect("declared");
        desired.services.get_mut(&one.service).expect("its service").instances.retain(|other| *other != id);
        of(inventory, id.role.as_str(), id.host.as_str()).about = Some(one.about());
    }
    let modules = super::table::modules();
    desired.let_go(inventory, &|name| modules.iter().find(|module| module.name.value == *name).cloned());
}

/// Without these hosts.
pub(super) fn without(hosts: &[&str]) -> PlanOptions {
    let names = hosts.iter().map(|host| es_cluster::model::HostName::new(host).expect("a host"));
    PlanOptions { without: names.collect(), ..PlanOptions::default() }
}

/// Only this.
pub(super) fn only(target: &str, desired: &Desired) -> PlanOptions {
    PlanOptions { only: vec![Target::parse(target, desired).expect("a target")], ..PlanOptions::default() }
}
