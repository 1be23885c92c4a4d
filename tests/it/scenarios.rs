//! Folders of `fixtures/scenarios`: what was there, what is declared, and the plan between them. See its README.

use crate::bad::Texts;
use es_cluster::check::check;
use es_cluster::config;
use es_cluster::desired::{self, Desired, DesiredFile, Part, Place};
use es_cluster::diag::{self, Sources};
use es_cluster::inventory::{
    FileObservation, HostObservation, InstanceObservation, Inventory, ProcessObservation, Running, Seen,
    ServiceObservation, SoftwareObservation, SupervisorObservation, Verdict,
};
use es_cluster::lock::{Key, Lock, Locked};
use es_cluster::model::{Digest, HostName, Name};
use es_cluster::plan::{Again, Plan, PlanInput, PlanOptions, Target, plan};
use es_cluster::render::{self, Format, GraphFormat, Places, Shown};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/scenarios")
}

/// What a text of `cluster.kdl` means, with everything locked that it names.
pub(crate) fn desired(texts: &Texts, cluster: &str) -> Desired {
    let mut texts = texts.clone();
    texts.0.insert("cluster.kdl".to_owned(), cluster.as_bytes().to_vec());
    let mut sources = Sources::new();
    let (loaded, mut found) = config::load(&texts, "cluster.kdl", "modules", &mut sources);
    let expanded = loaded.and_then(|loaded| {
        let mut lock = Lock::default();
        let versions = loaded.cluster.versions.iter().map(|(module, spec)| (module, &spec.version.value));
        let own = loaded.cluster.roles.iter().flat_map(|role| &role.versions);
        for (module, version) in versions.chain(own.map(|(module, version)| (module, &version.value))) {
            let key = Key { module: module.clone(), plugin: None, version: version.clone() };
            let name = format!("{module}-{version}");
            let bundle = Digest::of(name.as_bytes());
            let part = Part { bundle, name: name.clone(), size: 40 << 20, into: String::new() };
            let locked = Locked { source: name, files: vec![], bundle: Some(part), system: None };
            lock.artifacts.insert(key, locked);
        }
        let (desired, more) = desired::expand(&loaded, &lock, Digest::of(b"lock"), &indexmap::IndexMap::new());
        found.extend(more);
        desired
    });
    let reports: Vec<String> = found.iter().map(|diag| format!("{} {}", diag.code, diag.message)).collect();
    assert!(reports.is_empty(), "the scenario's file is wrong: {reports:#?}");
    expanded.expect("a scenario expands")
}

/// Hosts with nothing on them.
pub(crate) fn nothing(desired: &Desired) -> Inventory {
    let empty = |name: &HostName| {
        let (boot_id, memory) = (format!("boot of {name}"), 16 << 30);
        let host =
            HostObservation { ssh_client: true, boot_id, memory, user_exists: true, ..HostObservation::default() };
        (name.clone(), Seen::Seen(host))
    };
    Inventory { hosts: desired.hosts.keys().map(empty).collect(), ..Inventory::default() }
}

/// Everything as declared, running, ready and healthy.
pub(crate) fn converged(desired: &Desired) -> Inventory {
    let mut inventory = nothing(desired);
    for (name, seen) in &mut inventory.hosts {
        let (Seen::Seen(host), wanted) = (seen, &desired.hosts[name]) else { continue };
        host.prepared = true;
        let config = wanted.supervisor.supervisord().map(|own| Digest::of(own.config.as_bytes()));
        let own = wanted.supervisor.supervisord();
        let version = own.map(|own| own.version.to_string());
        let pid = own.map(|_| 100);
        host.supervisor = SupervisorObservation { pid, config, running_config: config, version };
        host.software = wanted.software.keys().map(|folder| (folder.clone(), SoftwareObservation::Intact)).collect();
        host.artifacts = wanted.software.values().flat_map(|one| &one.parts).map(Part::file_name).collect();
        let here = desired.instances.values().filter(|one| one.id.host == *name);
        for (number, one) in here.enumerate() {
            let file = |file: &DesiredFile| {
                let (Place::Generation(path) | Place::Absolute(path)) = &file.place;
                let content = Some(file.content.to_string()).filter(|_| !file.secret);
                (path.clone(), FileObservation { sha256: file.sha256, mode: file.mode, content })
            };
            let process = ProcessObservation::Running(Running {
                pid: 200 + u32::try_from(number).expect("small"),
                start_time: 1000,
                uptime: 93_784,
                restart_generation: one.restart_generation,
                supervised: Some(wanted.supervisor.kind()),
                reload_owed: false,
                stranger: false,
            });
            let written = |file: &DesiredFile| match &file.place {
                Place::Generation(path) => Some((path.clone(), file.sha256)),
                Place::Absolute(_) => None,
            };
            let observed = InstanceObservation {
                on_trial: false,
                applied: one.files.iter().filter_map(written).collect(),
                current: Some(one.content_generation),
                generations: vec![one.content_generation],
                current_restart: Some(one.restart_generation),
                files: one.files.iter().map(file).collect(),
                process,
                adoption: None,
                about: None,
                drained: false,
                held: None,
                previous: None,
                has_data: true,
                found: BTreeSet::new(),
                software: one.software.to_vec(),
            };
            host.instances.insert(one.id.role.to_string(), observed);
        }
    }
    for service in desired.services.values() {
        let holds = Verdict { holds: true, unknown: false, says: "yes".to_owned() };
        let ready = service.instances.iter().map(|id| (id.clone(), holds.clone())).collect();
        let settings = service.module.settled.iter().map(|rule| (rule.setting.clone(), Ok(Value::Null))).collect();
        let observed = ServiceObservation { ready, healthy: Some(holds), settings, ..ServiceObservation::default() };
        inventory.services.insert(service.name.clone(), observed);
    }
    inventory
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(map) = target else { return };
    for (key, value) in fields {
        if value.is_null() {
            map.remove(key);
        } else {
            merge(map.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

fn options(given: &Value, desired: &Desired) -> PlanOptions {
    let words = |key: &str| -> Vec<String> {
        let list = given[key].as_array().into_iter().flatten();
        list.map(|word| word.as_str().expect("text").to_owned()).collect()
    };
    let waivers = given["waive"].as_object().into_iter().flatten();
    PlanOptions {
        only: words("only").iter().map(|word| Target::parse(word, desired).expect("a target")).collect(),
        without: words("without").iter().map(|word| HostName::new(word).expect("a host")).collect(),
        canary_only: given["canary_only"].as_bool().unwrap_or(false),
        waivers: waivers
            .map(|(name, why)| (Name::new(name).expect("a name"), why.as_str().expect("text").to_owned()))
            .collect(),
        purge: BTreeSet::new(),
        asked: given["asked"].as_str().map(|word| match word {
            "restart" => Again::Restart { since: 0 },
            "reload" => Again::Reload,
            "start" => Again::Start,
            "stop" => Again::Stop,
            "release" => Again::Release,
            "rollback" => Again::Rollback,
            other => panic!("{other}: not known"),
        }),
    }
}

/// Each digest, of so many digits, replaced by the number of its first appearance: what a scenario is about stays the same
/// when something that every generation has, such as the launcher, changes.
pub(crate) fn numbered(json: &str, digits: usize) -> String {
    let (mut result, mut known): (String, Vec<String>) = (String::new(), Vec::new());
    let mut run = String::new();
    for c in json.chars().chain(['\n']) {
        if c.is_ascii_digit() || ('a'..='f').contains(&c) {
            run.push(c);
            continue;
        }
        if run.len() == digits {
            let number = known.iter().position(|digest| *digest == run).unwrap_or_else(|| {
                known.push(run.clone());
                known.len() - 1
            });
            let number = format!("<{}>", number + 1);
            // A short one stands in a column.
            _ = write!(result, "{number:<0$}", if digits == 12 { digits } else { 0 });
        } else {
            result.push_str(&run);
        }
        run.clear();
        result.push(c);
    }
    result.pop();
    result
}

/// A line for each role, in the order of their names.
fn places(desired: &Desired) -> Places {
    let roles: BTreeSet<_> = desired.instances.keys().map(|id| id.role.clone()).collect();
    let place =
        |line: usize| diag::Place { file: "cluster.kdl".to_owned(), line, column: 5, end_line: line, end_column: 9 };
    roles.into_iter().enumerate().map(|(number, role)| (role, place(number + 1))).collect()
}

/// A page without its style sheet and its script, which are files of their own, and their hashes.
fn without_looks(page: &str) -> String {
    let mut text = page.to_owned();
    for (begin, end) in [("<style>", "</style>"), ("<script>", "</script>"), ("'sha256-", "'"), ("'sha256-", "'")] {
        // Found from behind: what was replaced is not found again.
        let Some(at) = text.rfind(begin).map(|at| at + begin.len()) else { continue };
        let Some(length) = text[at..].find(end) else { continue };
        text.replace_range(at..at + length, "…");
        text = text.replacen("'sha256-…'", "'…'", 1);
    }
    text
}

/// Compares with the expected file, or writes it.
fn expect(path: &Path, text: &str, broken: &mut Vec<String>) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, text).expect("a writable fixture");
        return;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    if expected != text {
        let diff = similar::TextDiff::from_lines(expected.as_str(), text);
        broken.push(format!("{}\n{}", path.display(), diff.unified_diff().context_radius(2)));
    }
}

/// An instance has come through the first phase of a change.
fn come_through(declared: &Desired, inventory: &mut Inventory, id: &str) {
    let rounds = es_cluster::plan::rounds(declared, inventory);
    let (role, host) = id.split_once('@').expect("role@host");
    let host = HostName::new(host).expect("a host");
    let mut there = converged(&rounds.list()[0].desired);
    let (Some(Seen::Seen(from)), Some(Seen::Seen(to))) = (there.hosts.get_mut(&host), inventory.hosts.get_mut(&host))
    else {
        panic!("no host {host}");
    };
    to.instances.insert(role.to_owned(), from.instances.remove(role).expect("an instance"));
    to.software.append(&mut from.software);
    to.artifacts.append(&mut from.artifacts);
}

fn run(case: &Path, base: &Texts, broken: &mut Vec<String>) {
    let own = |name: &str| fs::read_to_string(case.join(name)).ok();
    let common = String::from_utf8(base.0["cluster.kdl"].clone()).expect("text");
    let before = desired(base, own("before.kdl").as_ref().unwrap_or(&common));
    let declared = desired(base, own("cluster.kdl").as_ref().unwrap_or(&common));
    let given: Value =
        own("options.json").map_or(Value::Null, |text| serde_json::from_str(&text).expect("options.json"));
    let mut inventory = if given["before"] == "nothing" { nothing(&declared) } else { converged(&before) };
    for id in given["come_through"].as_array().into_iter().flatten() {
        come_through(&declared, &mut inventory, id.as_str().expect("an instance"));
    }
    let mut observed = serde_json::to_value(&inventory).expect("data");
    if let Some(patch) = own("observed.json") {
        merge(&mut observed, &serde_json::from_str(&patch).expect("observed.json"));
    }
    let inventory: Inventory = serde_json::from_value(observed).expect("observed.json makes an inventory");
    let options = options(&given, &declared);
    let input = PlanInput { desired: &declared, inventory: &inventory, options: &options };
    let (made, report) = plan(&input);
    let json = render::json(&made);
    assert_eq!(json, render::json(&plan(&input).0), "planning twice gives the same bytes");
    assert_eq!(made, Plan::from_json(&json).expect("a plan reads back"));
    if made.applyable() {
        assert_eq!(check(&made, &declared, &inventory), vec![], "{}", case.display());
    }
    let places = places(&declared);
    let shown = Shown { plan: &made, report: &report, desired: &declared, places: &places };
    for format in Format::ALL {
        let text = render::plan(*format, &shown, &render::TextOptions::default());
        let text = if *format == Format::Html { numbered(&without_looks(&text), 12) } else { text };
        expect(&case.join(format!("plan.{}", format.extension())), &numbered(&numbered(&text, 64), 16), broken);
    }
    for (format, extension) in [
        (GraphFormat::Text, "txt"),
        (GraphFormat::Dot, "dot"),
        (GraphFormat::Mermaid, "mmd"),
        (GraphFormat::Svg, "svg"),
    ] {
        let text = render::graph(&declared, &made, format).expect("services in an order");
        expect(&case.join(format!("graph.{extension}")), &without_looks(&text), broken);
    }
    let status = render::status(&declared, &inventory).text(false);
    expect(&case.join("status.txt"), &numbered(&status, 12), broken);
}

#[test]
fn plans_are_as_expected() {
    let base = Texts::below(&folder().join("_base"));
    let mut cases: Vec<PathBuf> =
        fs::read_dir(folder()).expect("scenarios").flatten().map(|entry| entry.path()).collect();
    cases.retain(|path| path.is_dir() && !path.ends_with("_base"));
    cases.sort();
    assert!(cases.len() >= 12, "there are scenarios");
    let mut broken = Vec::new();
    for case in &cases {
        run(case, &base, &mut broken);
    }
    assert!(broken.is_empty(), "\n{}\nUPDATE=1 writes them as they are", broken.join("\n"));
}
