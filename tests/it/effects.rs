//! What a change of each parameter of each shipped module asks for: `fixtures/effects/`.

use crate::modules::{Golden, desired, modules};
use es_cluster::cli::files::DiskFiles;
use es_cluster::config::{self, Files as _};
use es_cluster::desired::{Desired, DesiredFile, DesiredInstance, DesiredJob, Place};
use es_cluster::diag::Sources;
use es_cluster::model::OnChange;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) const CLUSTER: &str = r#"
cluster "effects" { supervisor "supervisord"; }
versions {
    supervisord "4.3.0"; jdk "11.0.13"; zookeeper "3.4.13"; kafka "2.1.1"; elasticsearch "6.7.0"; kibana "6.7.0"
    redis "6.2.14"; nginx "1.22.1"; libevent "2.1.12"; memcached "1.6.18"; curator "5.6.0"
    filebeat "6.7.0"; metricbeat "6.7.0"; heartbeat "6.7.0"; packetbeat "6.7.0"; elastalert "2.2.3"; sdc "3.7.2"
    elastalert-server "3.0.0-beta.0"
}
secret "word" from="env" "WORD"
secret "other" from="env" "OTHER"
hosts { "node[1-3]" address="10.0.0.[1-3]"; }
roles {
"#;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/effects")
}

/// The platform with every module; this parameter of this module has this value.
fn platform(known: &BTreeSet<String>, changed: Option<(&str, &str, &str)>) -> Desired {
    let mut text = CLUSTER.to_owned();
    for module in known {
        let said = changed.filter(|(one, ..)| one == module);
        let said = said.map(|(_, param, value)| format!(" {{ {param} {value}; }}")).unwrap_or_default();
        match module.as_str() {
            "jdk" | "libevent" | "systemd" => {}
            "supervisord" if said.is_empty() => {}
            // Only one of it may run.
            "elastalert" | "elastalert-server" => _ = writeln!(text, "    {module} on=\"node1\"{said}"),
            _ => _ = writeln!(text, "    {module} on=\"node[1-3]\"{said}"),
        }
    }
    text.push_str("}\n");
    desired(&Golden(&text), "golden.kdl")
}

fn place(file: &DesiredFile) -> &str {
    match &file.place {
        Place::Generation(path) | Place::Absolute(path) => path,
    }
}

/// What an instance has to do to become another one, and for which files.
fn effect(before: &DesiredInstance, after: &DesiredInstance) -> Option<String> {
    let files = |one: &DesiredInstance| -> BTreeMap<String, (String, OnChange)> {
        one.files.iter().map(|file| (place(file).to_owned(), (file.content.to_string(), file.on_change))).collect()
    };
    let (old, new) = (files(before), files(after));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differ: Vec<&&String> = names.iter().filter(|name| old.get(**name) != new.get(**name)).collect();
    let reload = |name: &&&String| {
        [&old, &new]
            .iter()
            .filter_map(|files| files.get(**name as &String))
            .any(|(_, change)| *change == OnChange::Reload)
    };
    let live = after.module.live.iter().any(|live| {
        let value = |one: &DesiredInstance| one.context.eval(&live.value.0).expect("a value");
        value(before) != value(after)
    });
    let what = if before.restart_generation != after.restart_generation {
        "restart"
    } else if live {
        "live"
    } else if differ.iter().any(reload) {
        "reload"
    } else if differ.is_empty() {
        return (before.memory != after.memory).then(|| "memory".to_owned());
    } else {
        "nothing"
    };
    let names: Vec<&str> = differ.iter().map(|name| name.as_str()).collect();
    Some(format!("{what} ({})", names.join(", ")))
}

/// Whether what would run is the same.
fn same_job(old: &DesiredJob, new: &DesiredJob) -> bool {
    let contents = |job: &DesiredJob| job.files.iter().map(|file| file.content.to_string()).collect::<Vec<_>>();
    let words = |job: &DesiredJob| (job.command.clone(), job.dry_run.clone(), job.env.clone());
    (old.to_string(), words(old), contents(old)) == (new.to_string(), words(new), contents(new))
}

/// Whether a part of a module has a parameter's name in it, as a word: as it is declared, or as expressions have it.
fn names(part: &str, param: &str) -> bool {
    let snake = param.replace('-', "_");
    part.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
        .any(|word| word == param || word == snake)
}

#[test]
fn what_a_change_of_each_parameter_asks_for() {
    let known = DiskFiles.list(&modules()).expect("modules");
    let known: BTreeSet<String> =
        known.iter().filter_map(|name| name.strip_suffix(".kdl")).map(str::to_owned).collect();
    let cases = fs::read_to_string(folder().join("cases.json")).expect("the cases");
    let cases: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_str(&cases).expect("the cases");
    let before = platform(&known, None);
    let mut told = String::new();
    for name in &known {
        let mut sources = Sources::new();
        let (module, _) = config::load_module(&DiskFiles, name, &modules(), &mut sources);
        let loaded = module.expect("a module that loads");
        let params: BTreeSet<String> = loaded.params.keys().map(ToString::to_string).collect();
        let here = cases.get(name).cloned().unwrap_or_default();
        assert_eq!(params, here.keys().cloned().collect(), "parameters of {name}, and those with a case");
        for (param, value) in &here {
            let after = platform(&known, Some((name, param, value)));
            let mut effects: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for (id, one) in &after.instances {
                if let Some(effect) = effect(&before.instances[id], one) {
                    effects.entry(effect).or_default().insert(id.role.to_string());
                }
            }
            for job in &after.jobs {
                if !before.jobs.iter().any(|old| same_job(old, job)) {
                    effects.entry(format!("job {}", job.name)).or_default().insert(job.role.to_string());
                }
            }
            for (host, one) in &after.hosts {
                let (old, new) = (before.hosts[host].supervisor.supervisord(), one.supervisor.supervisord());
                let same =
                    old.zip(new).is_some_and(|(old, new)| (&old.config, &old.command) == (&new.config, &new.command));
                if !same {
                    effects.entry("the supervisor of each host".to_owned()).or_default();
                }
            }
            // What it is asked with, and no file of it: the names in its `connection`.
            if effects.is_empty() && names(&format!("{:?}", loaded.connection), param) {
                effects.entry("nothing (it is asked in another way)".to_owned()).or_default().insert(name.clone());
            }
            if effects.is_empty() && names(&format!("{:?}", loaded.phases), param) {
                effects.entry("nothing (what is asked before a phase)".to_owned()).or_default().insert(name.clone());
            }
            if effects.is_empty() && loaded.drain.is_some() && names(&format!("{:?}", loaded.settings), param) {
                effects.entry("nothing (how one is drained)".to_owned()).or_default().insert(name.clone());
            }
            assert!(!effects.is_empty(), "{param} of {name} changes nothing: what is it for?");
            _ = writeln!(told, "{name} {param} {value}");
            for (effect, roles) in effects {
                let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
                _ = writeln!(told, "    {}", format!("{} {effect}", roles.join(", ")).trim());
            }
        }
    }
    let expected = folder().join("expected.txt");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&expected, &told).expect("written");
    }
    let expected = fs::read_to_string(&expected).unwrap_or_default();
    assert_eq!(told, expected, "what a change asks for is another thing than it was");
}
