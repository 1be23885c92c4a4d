//! The modules' own tables, rule by rule, each with the case that follows from it.

use super::cases::{Case, Platform, Says, at, leave, of, only, restart_pending, without};
use super::versions::{compat, plugins, requirement, versions};
use crate::modules::modules as modules_folder;
use es_cluster::cli::files::DiskFiles;
use es_cluster::config::{self, Files as _};
use es_cluster::desired::Place;
use es_cluster::diag::Sources;
use es_cluster::expr;
use es_cluster::inventory::{HostFacts, Verdict};
use es_cluster::model::{Module, NeedKind, ParamType, Per, SafetyRule, Strategy, Value};
use es_cluster::plan::Refusal;
use serde_json::json;
use std::sync::{Arc, LazyLock};

static MODULES: LazyLock<Vec<Arc<Module>>> = LazyLock::new(|| {
    let names = DiskFiles.list(&modules_folder()).expect("modules");
    let mut names: Vec<&str> = names.iter().filter_map(|name| name.strip_suffix(".kdl")).collect();
    names.sort_unstable();
    let load = |name: &&str| config::load_module(&DiskFiles, name, &modules_folder(), &mut Sources::new()).0;
    names.iter().map(|name| load(name).expect(name)).collect()
});

/// The supervisor of our own: on every host, and no role.
const SUPERVISOR: &str = "supervisord";

/// The shipped modules by name.
pub(super) fn modules() -> Vec<Arc<Module>> {
    MODULES.clone()
}

/// Every rule; `None` where no case could be made up.
pub(super) fn rules(modules: &[Arc<Module>]) -> Vec<(String, Option<Case>)> {
    let mut found = Vec::new();
    for module in modules {
        for need in &module.requires {
            requirement(module, need, &mut found);
        }
        compat(module, &mut found);
        keys(module, &mut found);
        plugins(module, &mut found);
        if module.process.is_some() && !matches!(module.name.as_str(), SUPERVISOR | "systemd") {
            running(module, &mut found);
        } else {
            unjudged(module, &mut found);
        }
        if module.name.as_str() == SUPERVISOR {
            needs(module, &mut found);
        }
    }
    found
}

pub(super) type Found = Vec<(String, Option<Case>)>;

pub(super) fn add(found: &mut Found, case: Case) {
    found.push((case.rule.clone(), Some(case)));
}

/// What a module says that is no instance anywhere, and that no plan asks of an instance alone: it would be a rule that nobody
/// keeps.
fn unjudged(module: &Module, found: &mut Found) {
    let name = module.name.as_str();
    let phases = module.phases.iter().flat_map(|phases| &phases.list);
    let asked = module.safe_to_stop.iter().chain(module.drain.iter().flat_map(|drain| &drain.rules));
    let asked = asked.chain(phases.flat_map(|phase| &phase.before)).map(|rule| format!("{name}.{}", rule.name));
    let steps = module.upgrade.steps.iter().map(|step| format!("{name}.{}", step.name));
    // Those of a supervisor are judged where it is to be started.
    let needs = module.host.needs.iter().filter(|_| module.process.is_none());
    let needs = needs.map(|need| format!("{name} needs {}", need.kind.name()));
    let others = [
        (module.host.free_disk.is_some(), "free-disk"),
        (module.quorum.is_some(), "quorum"),
        (module.singleton.is_some(), "singleton"),
        (module.rolling.no_return.is_some(), "no-return"),
        (module.files.iter().any(|file| file.identity), "identity"),
    ];
    let others = others.iter().filter(|(said, _)| *said).map(|(_, what)| format!("{name} {what}"));
    found.extend(asked.chain(steps).chain(needs).chain(others).map(|rule| (rule, None)));
}

/// What a service answers that forbids something.
fn forbidden() -> Verdict {
    Verdict { holds: false, unknown: false, says: "what the rule says of the answer".to_owned() }
}

/// What comes of a rule that a service is asked.
const fn says(rule: &SafetyRule) -> Says {
    if rule.passes { Says::Waits } else { Says::No }
}

/// The rules of what runs.
fn running(module: &Arc<Module>, found: &mut Found) {
    let name = module.name.as_str().to_owned();
    ports(module, found);
    identities(module, found);
    upgrades(module, found);
    phases(module, found);
    needs(module, found);
    let own = format!("{name}@node1");
    for rule in &module.safe_to_stop {
        let called = format!("{name}.{}", rule.name);
        let (role, rule_name, starts) = (name.clone(), rule.name.clone(), own.clone());
        let case = Case::new(&called, &called).when(move |desired, inventory| {
            restart_pending(inventory, &role, "node1");
            let id = desired.instances.keys().find(|id| id.to_string() == format!("{role}@node1")).expect("declared");
            let service = inventory.services.get_mut(&desired.instances[id].service).expect("observed");
            service.safe.entry(id.clone()).or_default().insert(rule_name.clone(), forbidden());
        });
        let case = case.about(move |message| message.starts_with(&starts));
        add(found, Case { says: says(rule), ..case });
    }
    for rule in module.drain.iter().flat_map(|drain| &drain.rules) {
        let called = format!("{name}.{}", rule.name);
        let (id, rule_name, starts) = (own.clone(), rule.name.clone(), own.clone());
        let case = Case::new(&called, &called).when(move |desired, inventory| {
            leave(desired, inventory, &[&id]);
            let one = desired.leaving.values().find(|one| one.id.to_string() == id).expect("it leaves");
            let service = inventory.services.get_mut(&one.service).expect("observed");
            service.safe.entry(one.id.clone()).or_default().insert(rule_name.clone(), forbidden());
        });
        let case = case.about(move |message| message.starts_with(&starts));
        add(found, Case { says: says(rule), ..case });
    }
    // As many hosts are lost as may be, and one more would restart.
    let lost = ["node3", "node2"];
    let hosts = match module.rolling.per {
        Per::Instance | Per::Host => 3,
    };
    let lost: Vec<&str> = lost.into_iter().take(module.rolling.max_unavailable.of(hosts)).collect();
    let (role, starts) = (name.clone(), format!("{name}: "));
    let case = Case::new(format!("{name} max-unavailable"), Refusal::MAX_UNAVAILABLE)
        .when(move |_, inventory| restart_pending(inventory, &role, "node1"))
        .asking(move |_| without(&lost))
        .about(move |message| message.starts_with(&starts));
    // Of what only one may run of, none but the one that is lost would be stopped.
    if module.singleton.is_none() && !matches!(module.strategy, Strategy::Recreate { on_version_only: false }) {
        add(found, case);
    }
    limits(module, found);
    if module.quorum.is_some() {
        let (role, starts) = (name.clone(), format!("{name} has 2 of 3 voting up"));
        let case = Case::new(format!("{name} quorum"), Refusal::QUORUM)
            .when(move |_, inventory| restart_pending(inventory, &role, "node1"))
            .asking(|_| without(&["node3"]))
            .about(move |message| message.starts_with(&starts));
        add(found, case);
        let (role, starts) = (name.clone(), format!("{name} has 1 voting"));
        let case = Case::new(format!("{name} quorum of one"), Refusal::QUORUM_OUTAGE)
            .declaring(&Platform::default().on(&name, "node1"))
            .when(move |_, inventory| restart_pending(inventory, &role, "node1"))
            .about(move |message| message.starts_with(&starts));
        add(found, case);
    }
    if module.host.memory.is_some() {
        let role = name.clone();
        let case = Case::new(format!("{name} memory"), Refusal::MEMORY).when(move |desired, inventory| {
            let here = desired.instances.values().filter(|one| one.id.host.as_str() == "node1");
            let (own, others): (Vec<_>, Vec<_>) = here.partition(|one| one.id.role.as_str() == role);
            assert!(own.iter().any(|one| one.memory > 0), "{role} takes memory");
            at(inventory, "node1").memory = others.iter().map(|one| one.memory).sum();
        });
        add(found, case);
    }
    if module.rolling.no_return.is_some() {
        let starts = format!("{name}@");
        let case = Case::new(format!("{name} no-return"), Refusal::DOWNGRADE)
            .having(&Platform::default().version(&name, "99.0.0"))
            .about(move |message| message.starts_with(&starts));
        add(found, case);
    }
    if let Strategy::Recreate { .. } = module.strategy {
        let target = format!("{name}@node1");
        let case = Case::new(format!("{name} recreate"), Refusal::MIXED_VERSIONS)
            .having(&Platform::default().version(&name, "0.1.0"))
            .asking(move |desired| only(&target, desired));
        add(found, case);
    }
}

/// What only one may run of is declared on two hosts; what only root can give is asked of a plain user; and what must hold
/// before a phase of a change.
fn limits(module: &Arc<Module>, found: &mut Found) {
    let name = module.name.as_str();
    if module.singleton.is_some() {
        let starts = format!("{name} would run as");
        let case = Case::new(format!("{name} singleton"), Refusal::SINGLETON)
            .declaring(&Platform::default().on(name, "node[1-2]"))
            .about(move |message| message.starts_with(&starts));
        add(found, case);
    }
    if module.process.as_ref().is_some_and(|process| !process.limits.capabilities.is_empty()) {
        let starts = format!("{name}@node1 needs ");
        let role = name.to_owned();
        let case = Case::new(format!("{name} capabilities"), Refusal::PRIVILEGE)
            .when(move |_, inventory| {
                restart_pending(inventory, &role, "node1");
                at(inventory, "node1").uid = 1000;
            })
            .about(move |message| message.starts_with(&starts));
        add(found, case);
    }
    // What must hold before the first one is refused in the plan already.
    let phases = module.phases.iter().flat_map(|phases| phases.list.iter().skip(1));
    for rule in phases.flat_map(|phase| &phase.before) {
        let called = format!("{name}.{}", rule.name);
        let given = &given()[&called];
        let case = given["from"].as_str().zip(given["to"].as_str()).map(|(from, to)| {
            let platform = |version: &str| Platform::default().version(name, version);
            let case = Case::new(&called, &called).having(&platform(from)).declaring(&platform(to));
            Case { says: Says::Asked, ..case }
        });
        found.push((called, case));
    }
}

/// What can't be made up from the tables alone.
fn given() -> serde_json::Value {
    let cases = std::fs::read_to_string(super::folder().join("cases.json")).expect("cases");
    serde_json::from_str(&cases).expect("cases")
}

/// Ways between versions: which ones, `cases.json` says.
fn upgrades(module: &Arc<Module>, found: &mut Found) {
    let cases = given();
    for step in &module.upgrade.steps {
        let name = module.name.as_str().to_owned();
        let called = format!("{name}.{}", step.name);
        let given = &cases[&called];
        let (Some(from), Some(to)) = (given["from"].as_str(), given["to"].as_str()) else {
            found.push((called, None));
            continue;
        };
        let platform = |version: &str, key: &str| {
            Platform::default().version(&name, version).role(&name, given[key].as_str().unwrap_or_default())
        };
        let finds: Vec<String> =
            given["finds"].as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect();
        let with = given["with"].as_object().into_iter().flatten();
        let with = with.filter_map(|(module, version)| Some((module, version.as_str()?)));
        let declared = with.fold(platform(to, "role"), |platform, (module, version)| platform.version(module, version));
        let case = Case::new(&called, &called).having(&platform(from, "had")).declaring(&declared);
        let role = name.clone();
        let case = case.when(move |_, inventory| {
            let there = finds.iter().map(|one| es_cluster::model::Name::new(one).expect("a name"));
            of(inventory, &role, "node2").found = there.collect();
        });
        add(found, case);
    }
}

/// Keys that no role may set: the first of them, in the first version that does not take it.
fn keys(module: &Arc<Module>, found: &mut Found) {
    for rule in module.free_config.iter().flat_map(|free| &free.refused) {
        let name = module.name.as_str();
        let holds = |version: &String| expr::eval_bool(&rule.when.0.value, &json!({ "version": version })) == Ok(true);
        let called = format!("{name}.{}", rule.name);
        let case = versions().find(holds).map(|version| {
            let key = rule.keys.first().expect("a key").replace('*', "other");
            let platform = Platform::default().version(name, &version);
            let platform = platform.role(name, &format!("config {{ {key} \"1\"; }};"));
            let says = format!("`{key}`");
            Case::new(&called, &called).declaring(&platform).about(move |message| message.contains(&says))
        });
        found.push((called, case));
    }
}

/// What must hold before the phase that a change begins with: for which change, `cases.json` says.
fn phases(module: &Arc<Module>, found: &mut Found) {
    let cases = given();
    for rule in module.phases.iter().filter_map(|phases| phases.list.first()).flat_map(|phase| &phase.before) {
        let name = module.name.as_str().to_owned();
        let called = module.rule(rule.name.as_str()).to_string();
        let given = &cases[&called];
        let (Some(from), Some(to)) = (given["from"].as_str(), given["to"].as_str()) else {
            found.push((called, None));
            continue;
        };
        let declared = Platform::default().version(&name, to).role(&name, given["role"].as_str().unwrap_or_default());
        let case = Case::new(&called, &called).having(&Platform::default().version(&name, from)).declaring(&declared);
        let (rule_name, starts) = (rule.name.clone(), name.clone());
        let case = case.when(move |desired, inventory| {
            let of = desired.services.values().find(|service| service.module.name.as_str() == name).expect("declared");
            let service = inventory.services.get_mut(&of.name).expect("observed");
            service.before.insert(rule_name.clone(), forbidden());
        });
        let case = case.about(move |message| message.starts_with(&starts));
        add(found, Case { says: says(rule), ..case });
    }
}

/// What the host must offer: it has a little less, and an instance would restart. The open files of its process are such a
/// need, too.
fn needs(module: &Arc<Module>, found: &mut Found) {
    let limit = module.process.as_ref().and_then(|process| process.limits.nofile);
    let limit = limit.map(|least| ("limits", NeedKind::OpenFiles(least), true));
    let host = module.host.needs.iter().map(|need| ("needs", need.kind.clone(), need.wish));
    for (word, kind, wish) in host.chain(limit) {
        let role = module.name.as_str().to_owned();
        let by = (role.clone(), kind.wants());
        let case = Case::new(format!("{role} {word} {}", kind.name()), kind.name());
        let case = match kind {
            NeedKind::LockedMemory => case.declaring(&Platform::default().role(&role, "memory-lock #true;")),
            _ => case,
        };
        let supervises = role == SUPERVISOR;
        let case = case.when(move |_, inventory| {
            if !supervises {
                restart_pending(inventory, &role, "node1");
            }
            let host = at(inventory, "node1");
            (host.uid, host.facts) = (1000, less(&kind));
            if supervises {
                host.supervisor.pid = None;
            }
        });
        add(found, Case { says: if wish { Says::Wish } else { Says::No }, by: Some(by), ..case });
    }
    if module.host.free_disk.is_some() {
        let role = module.name.as_str().to_owned();
        let case = Case::new(format!("{role} free-disk"), Refusal::DISK).when(move |desired, inventory| {
            restart_pending(inventory, &role, "node1");
            let here = desired.instances.values().filter(|one| one.id.host.as_str() == "node1");
            // 64 MiB are left in any case.
            at(inventory, "node1").facts.free = Some((64 << 20) + here.map(|one| one.free_disk).sum::<u64>() - 1);
        });
        add(found, case);
    }
}

/// A host that has too little of it.
fn less(kind: &NeedKind) -> HostFacts {
    let mut facts = HostFacts::default();
    match kind {
        NeedKind::Sysctl { name, at_least, at_most } => {
            let less = at_least.map(|least| least.saturating_sub(1));
            let is = less.or_else(|| at_most.map(|most| most.saturating_add(1))).unwrap_or_default();
            facts.sysctl = [(name.clone(), is)].into();
        }
        NeedKind::OpenFiles(least) => facts.open_files = Some(least.saturating_sub(1)),
        NeedKind::NoSwap => facts.swap = Some(true),
        NeedKind::NoHugePages => facts.huge_pages = Some(true),
        NeedKind::Command { name, .. } => facts.commands = [(name.clone(), false)].into(),
        NeedKind::LockedMemory => facts.locked_memory = Some(false),
        NeedKind::RawSockets => facts.raw_sockets = Some(false),
    }
    facts
}

/// A port that another one has already.
fn ports(module: &Arc<Module>, found: &mut Found) {
    let name = module.name.as_str();
    let neighbour = if name == "redis" { "zookeeper" } else { "redis" };
    let other = |one: &&Arc<Module>| one.name.as_str() == neighbour;
    let taken = MODULES.iter().filter(other).flat_map(|one| one.params.values()).find_map(|param| match param {
        param if param.kind == ParamType::Port => param.default.clone(),
        _ => None,
    });
    let Some(Value::Int(taken)) = taken else { panic!("{neighbour} has a port") };
    for (param, _) in module.params.iter().filter(|(_, param)| param.kind == ParamType::Port) {
        let (says, starts) = (format!("port {taken} "), format!("{name} {param} port"));
        let case = Case::new(starts, Refusal::PORT_CONFLICT)
            .declaring(&Platform::default().role(name, &format!("{param} {taken};")))
            .about(move |message| message.starts_with(&says));
        add(found, case);
    }
}

/// A file that says which member the data belongs to, and says another one.
fn identities(module: &Arc<Module>, found: &mut Found) {
    for file in module.files.iter().filter(|file| file.identity) {
        let role = module.name.as_str().to_owned();
        let case = Case::new(format!("{role} {}", file.path.0.value), Refusal::ID_MISMATCH);
        add(
            found,
            case.when(move |desired, inventory| {
                let mut instances = desired.instances.values();
                let one = instances.find(|one| one.id.to_string() == format!("{role}@node2")).expect("declared");
                let file = one.files.iter().find(|file| file.identity).expect("it is rendered");
                let (Place::Generation(path) | Place::Absolute(path)) = &file.place;
                let there = of(inventory, &role, "node2").files.get_mut(path).expect("observed");
                there.content = Some("broker.id=77\n".to_owned());
                there.sha256 = es_cluster::model::Digest::of(b"another");
            }),
        );
    }
}
