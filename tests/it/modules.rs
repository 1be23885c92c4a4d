//! Every module of this repository renders, and renders what it rendered before (`fixtures/rendered/`). After a change that
//! is meant: `INSTA_UPDATE=always cargo test --test it modules::`, and read the difference.

use es_cluster::cli::files::DiskFiles;
use es_cluster::config::{self, Files};
use es_cluster::desired::{Desired, DesiredInstance, Part, Place, expand};
use es_cluster::diag::{Diagnostics, Sources};
use es_cluster::expr;
use es_cluster::lock::{Key, Lock, Locked};
use es_cluster::model::{Digest, Secret};
use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// One role of each module, with other values than the defaults where a template decides something.
const CLUSTER: &str = r#"
cluster "golden" { prefix "/opt/golden"; user "golden"; supervisor "supervisord"; }
versions {
    supervisord "4.3.0"
    jdk "11.0.13"
    zookeeper "3.4.13"
    kafka "2.1.1"
    elasticsearch "6.7.0" { plugin "minhash" "6.7.0"; }
    kibana "6.7.0" { plugin "elastalert-kibana-plugin" "1.0.4-6.7.0"; }
    redis "6.2.14"
    nginx "1.22.1"
    libevent "2.1.12"
    memcached "1.6.18"
    curator "5.6.0"
    filebeat "6.7.0"
    metricbeat "6.7.0"
    heartbeat "6.7.0"
    packetbeat "6.7.0"
    elastalert "2.2.3"
    elastalert-server "3.0.0-beta.0"
    sdc "3.7.2"
}
hosts { "node[1-3]" address="10.0.0.[1-3]" { label disk="ssd"; }; }
roles {
    zookeeper on="node[1-3]" { heap "64m"; jvm-options "-Dx=1" "-Dy=2"; }
    kafka on="node[1-3]" { num-partitions 6; heap "160m"; inter-broker-protocol-version "1.1"; config { log.cleaner.threads 2; }; }
    elasticsearch "master" on="node[1-3]" { node-roles "master"; http-port 9210; transport-port 9310; heap "160m"; }
    elasticsearch "hot" on="label:disk=ssd" {
        node-roles "data" "ingest"; attr box_type="hot"; heap "256m"; jvm-options "-Dx=1"
        config { indices.query.bool.max_clause_count 4096; }
        on "node3" { heap "512m"; }
    }
    kibana on="node1"
    nginx on="node3" { worker-processes 4; }
    memcached on="node[2-3]" { memory "128m"; idle "1m"; }
    elastalert on="node2" { rules "fixtures/effects/rules/"; }
    elastalert-server on="node1" { rules "fixtures/effects/rules/"; index "alerts"; }
    sdc on="node3" { pipelines "fixtures/effects/pipelines/"; heap "512m"; }
    curator on="node1" { delete-after 30; warm-after 2; merge-after 3; }
    filebeat on="node[1-3]" {
        paths "/var/log/a.log" "/srv/*/log/*.log"; logs app="/var/log/it's \"app\".log"; multiline "^[0-9]{4}-"
        exclude-lines "^DBG"; fields env="test"; tags "a" "b"; modules "nginx"
        config { queue.mem.events 2048; }
    }
    metricbeat on="node1" { output "elasticsearch"; }
    heartbeat on="node2" { watch "elasticsearch" "kibana" "kafka" "zookeeper"; urls "http://10.0.0.9/x?a=b&c"; hosts "10.0.0.9:22"; }
    packetbeat on="node3" { protocols http="80 8080" dns=53; output "elasticsearch"; index "net"; template #false; }
    redis on="node2" { max-memory "64m"; config { tcp-backlog 128; }; }
}
"#;

/// The repository's modules with a cluster file of our own.
pub(crate) struct Golden<'a>(pub(crate) &'a str);

impl Files for Golden<'_> {
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, String> {
        match path {
            "golden.kdl" => Ok(self.0.as_bytes().to_vec()),
            "golden.pem" => Ok(b"a certificate\n".to_vec()),
            _ => DiskFiles.read(path, limit),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        DiskFiles.list(folder)
    }
}

pub(crate) fn modules() -> String {
    format!("{}/modules", env!("CARGO_MANIFEST_DIR"))
}

fn shown(found: Diagnostics, sources: &Sources) -> String {
    let mut text = String::new();
    for diag in found.into_reports(sources) {
        _ = writeln!(text, "{:?}", miette::Report::new(diag));
    }
    text
}

/// Expands a cluster file as if everything it names were locked, and every secret known.
pub(crate) fn desired(files: &dyn Files, path: &str) -> Desired {
    let mut sources = Sources::new();
    let (loaded, found) = config::load(files, path, &modules(), &mut sources);
    let loaded = loaded.unwrap_or_else(|| panic!("{}", shown(found, &sources)));
    let mut lock = Lock::default();
    for (module, spec) in &loaded.cluster.versions {
        let plugins = spec.plugins.iter().map(|(plugin, version)| (Some(plugin.clone()), version));
        for (plugin, version) in [(None, &spec.version)].into_iter().chain(plugins) {
            let into = plugin.as_ref().map(|plugin| format!("plugins/{plugin}")).unwrap_or_default();
            let key = Key { module: module.clone(), plugin, version: version.value.clone() };
            let name = key.to_string().replace(' ', "-");
            let part = Part { bundle: Digest::of(name.as_bytes()), name, size: 1, into };
            let locked = Locked { source: String::new(), files: Vec::new(), bundle: Some(part), system: None };
            lock.artifacts.insert(key, locked);
        }
    }
    let known = |name: &String| (name.clone(), Secret::new("golden", name, "the value"));
    let secrets: IndexMap<String, Secret> = loaded.cluster.secrets.keys().map(known).collect();
    let (desired, found) = expand(&loaded, &lock, Digest::of(b""), &secrets);
    desired.unwrap_or_else(|| panic!("{}", shown(found, &sources)))
}

/// What the Data Collector was built for is older than what everything else runs on.
#[test]
fn a_role_may_have_a_java_of_its_own() {
    let said = |own: &str| {
        let file = tempfile::NamedTempFile::with_suffix(".kdl").expect("a file");
        let roles = format!("roles {{ sdc on=\"node1\" {{ {own} }}; zookeeper on=\"node1\"; }}");
        let versions = "versions { supervisord \"4.3.0\"; jdk \"11.0.13\"; sdc \"3.7.2\"; zookeeper \"3.4.13\"; }";
        let head = "cluster \"own\" { user \"somebody\"; supervisor \"supervisord\"; }";
        std::fs::write(file.path(), format!("{head}\n{versions}\nhosts {{ node1 address=\"10.0.0.1\"; }}\n{roles}\n"))
            .expect("written");
        let path = file.path().to_str().expect("a path");
        let ran = assert_cmd::Command::cargo_bin("esplan")
            .expect("esplan")
            .args(["validate", "-f", path, "--modules", &modules()])
            .output();
        let ran = ran.expect("it runs");
        (ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned())
    };
    let (code, warned) = said("");
    assert!(code == Some(0) && warned.contains("`sdc` 3.7.2 with `jdk` 11.0.13"), "{warned}");
    let (code, silent) = said("version jdk=\"8.0.202\"");
    assert!(code == Some(0) && !silent.contains("jdk"), "{silent}");
    let (code, refused) = said("version jdk=\"7.0.80\"");
    assert!(code == Some(1) && refused.contains("`sdc` 3.7.2 with `jdk` 7.0.80 does not work"), "{refused}");
}

fn text(instance: &DesiredInstance) -> String {
    let mut text = String::new();
    _ = writeln!(
        text,
        "tier {:?}, votes {}, memory {}, ports {:?}",
        instance.tier, instance.votes, instance.memory, instance.ports
    );
    for file in instance.files.iter() {
        let (Place::Generation(path) | Place::Absolute(path)) = &file.place;
        _ = write!(text, "\n=== {path} {:o} {:?}\n{}", file.mode, file.on_change, file.content);
        if !file.content.ends_with('\n') {
            text.push_str("\n(no line end)\n");
        }
    }
    text
}

/// Compares with a file below `fixtures/rendered/`.
fn golden(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../fixtures/rendered");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name.to_owned(), text));
}

#[test]
fn every_module_renders_what_it_did() {
    let desired = desired(&Golden(CLUSTER), "golden.kdl");
    for name in [
        "zookeeper@node1",
        "kafka@node2",
        "elasticsearch-master@node1",
        "elasticsearch-hot@node3",
        "kibana@node1",
        "nginx@node3",
        "memcached@node2",
        "filebeat@node1",
        "metricbeat@node1",
        "heartbeat@node2",
        "packetbeat@node3",
        "elastalert@node2",
        "elastalert-server@node1",
        "sdc@node3",
        "redis@node2",
    ] {
        let instance = desired.instances.values().find(|one| one.id.to_string() == name).expect(name);
        golden(name, &text(instance));
    }
    let mut jobs = String::new();
    for job in &desired.jobs {
        _ = writeln!(jobs, "=== {job} {:?} {:?}\n{:?}\n{:?}", job.within, job.needs, job.command, job.dry_run);
        for file in job.files.iter() {
            let (Place::Generation(path) | Place::Absolute(path)) = &file.place;
            _ = writeln!(jobs, "--- {path}\n{}", file.content);
        }
    }
    golden("jobs", &jobs);
    let host = desired.hosts.values().next().expect("a host");
    let supervisor = host.supervisor.supervisord().expect("one of ours");
    let how = format!("{:?}\n{:?}\n{}\n{}\n", supervisor.command, supervisor.env, supervisor.socket, supervisor.config);
    golden("supervisor@node1", &how);
    let used: BTreeSet<String> =
        desired.hosts.values().flat_map(|host| host.software.values()).map(|one| one.module.to_string()).collect();
    let known = DiskFiles.list(&modules()).expect("modules");
    let known: BTreeSet<String> =
        known.iter().filter_map(|name| name.strip_suffix(".kdl")).map(str::to_owned).collect();
    // It is the host's own, and no software of ours.
    let known: BTreeSet<String> = known.into_iter().filter(|name| name != "systemd").collect();
    assert_eq!(used, known, "a module without a role in this test");
}

#[test]
fn systemd_supervises_the_same_processes() {
    let file = CLUSTER.replace(r#"supervisor "supervisord""#, r#"supervisor "systemd""#);
    let (before, after) = (desired(&Golden(CLUSTER), "golden.kdl"), desired(&Golden(&file), "golden.kdl"));
    for (id, instance) in &after.instances {
        let old = &before.instances[id];
        assert_ne!(old.restart_generation, instance.restart_generation, "{id} moves by a restart");
        let text = |one: &DesiredInstance, path: &str| {
            one.files
                .iter()
                .find(|file| file.place == Place::Generation(path.to_owned()))
                .map(|file| file.content.clone())
        };
        assert_eq!(text(old, "launch"), text(instance, "launch"), "{id} is launched by the same script");
        assert_eq!(text(instance, "supervisor.conf"), None);
        assert!(text(old, "systemd.service").is_none() && text(instance, "systemd.service").is_some());
    }
    let unit = |name: &str| {
        let one = after.instances.values().find(|one| one.id.to_string() == name).expect(name);
        let file = one.files.iter().find(|file| file.place == Place::Generation("systemd.service".to_owned()));
        format!("=== /etc/systemd/system/{}\n{}", one.unit, file.expect("a unit").content)
    };
    let host = after.hosts.values().next().expect("a host");
    let boot = host.boot.as_ref().expect("it boots by itself");
    let script = boot.script.lines().take(9).collect::<Vec<_>>().join("\n");
    let both =
        format!("=== bin/boot (its head)\n{script}\n=== /etc/systemd/system/{}\n{}", host.boot_unit(), boot.unit);
    golden("systemd", &[unit("elasticsearch-master@node1"), unit("redis@node2"), both].join("\n"));
    assert!(
        before.hosts.values().all(|host| host.boot.is_none()),
        "a supervisor of ours is started at boot when asked"
    );
    let file = CLUSTER.replace(r#"supervisor "supervisord""#, r#"supervisor "supervisord" boot=#true"#);
    let boot = desired(&Golden(&file), "golden.kdl").hosts.values().next().and_then(|host| host.boot.clone());
    let boot = boot.expect("it boots by itself");
    let script = boot.script.lines().take(14).collect::<Vec<_>>().join("\n");
    golden("boot", &format!("{script}\n…\n\n=== unit\n{}", boot.unit));
}

#[test]
fn the_own_cluster_file_expands() {
    let path = format!("{}/cluster.kdl", env!("CARGO_MANIFEST_DIR"));
    let desired = desired(&DiskFiles, &path);
    assert!(desired.instances.len() >= 10);
    for host in desired.hosts.values() {
        let own = host.supervisor.supervisord().expect("one of ours");
        assert!(own.config.contains(&format!("file={}\n", own.socket)), "{}", own.config);
        assert!(own.config.contains(&format!("pidfile={}\n", own.pidfile)));
        assert!(own.config.contains(&format!("files={}/conf/*/current/supervisor.conf\n", host.prefix)));
    }
}

#[test]
fn every_expression_of_a_gate_finds_its_context() {
    // On an answer that holds nothing a gate says `not yet`; a name that no context ever has would say so for ever.
    let answer = serde_json::json!({"status": 0, "text": "", "body": {}, "kv": {}, "answers": []});
    let desired = desired(&Golden(CLUSTER), "golden.kdl");
    for instance in desired.instances.values() {
        let module = &instance.module;
        let gates =
            [&module.ready, &module.healthy, &module.converged].into_iter().flatten().flat_map(|gate| &gate.probes);
        let probes = gates.chain(module.safe_to_stop.iter().map(|rule| &rule.probe)).chain(&module.rolling.last);
        let context = instance.context.with(&answer);
        for until in probes.filter_map(|probe| probe.until.as_ref()) {
            if let Err(error) = context.eval(&until.0.value) {
                assert_ne!(error.kind, expr::ExprErrorKind::Syntax, "{}: {error}: {}", instance.id, until.0.value);
            }
        }
    }
}
