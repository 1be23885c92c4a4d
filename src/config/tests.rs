//! What a good file means.

use super::{Files, Loaded, load, params_of, version_of};
use crate::diag::Sources;
use crate::model::{HostName, ModuleName, OnFailure, Scope, SecretSource, Share, Transport, Value, Version};
use std::collections::BTreeMap;
use std::time::Duration;

/// Files in memory.
#[derive(Default)]
struct Texts(BTreeMap<&'static str, String>);

impl Files for Texts {
    fn read(&self, path: &str, _: u64) -> Result<Vec<u8>, String> {
        self.0.get(path).map(|text| text.clone().into_bytes()).ok_or_else(|| "no such file or folder".to_owned())
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        let names = self.0.keys().filter_map(|path| path.strip_prefix(folder)?.strip_prefix('/'));
        Ok(names.filter(|name| !name.contains('/')).map(str::to_owned).collect())
    }
}

const CLUSTER: &str = r#"
cluster "logs" {
    prefix "/opt/es_cluster/"
    user "svc"
    ssh user="ops" port=2222 identity="~/.ssh/id" known-hosts="~/.ssh/known_hosts"
    supervisor "keeper"
}
versions {
    keeper "1.0"
    runtime "11.0.13"
    store "6.7.0" { plugin "metrics" "6.7.0.0"; }
}
rollout { canary 2 soak="90s"; scope "host"; batch 3; on-failure "stop"; }
secret "c" "/etc/c" from="file"
secrets {
    secret "a" "VARIABLE" from="env"
    secret "b" "pass" "show" "b" from="command"
}
include "hosts.kdl"
roles {
    store "hot" on="label:disk=ssd, node4" service="logs" {
        heap "512m"
        node-roles "data" "ingest"
        attr box_type="hot" zone=1
        interval "5m"
        password "a"
        config { index.codec "best"; "max.clause" 4096; hosts "a" "b"; }
        on "node[3-4]" { heap "2g"; config { only.here #true; }; }
        version runtime="8.0.202"
    }
    store on="node1" { http-port 9201; password "b"; }
}
"#;

const HOSTS: &str = r#"
hosts {
    "node[1-3]" address="10.77.0.[11-13]" { label rack="a" disk="ssd"; }
    node4 address="10.77.0.14" prefix="/srv/es" number=40
    box address="127.0.77.5" transport="local"
}
"#;

const STORE: &str = r#"
module "store" {
    doc "A store."
    requires "runtime"
    params {
        http-port type="port" default=9200
        heap type="size" default="1g"
        node-roles type="list" of="master data ingest" default="master data ingest"
        attr type="map"
        interval type="duration" default="30s"
        level type="enum" of="info warn" default="info"
        extra type="text" optional=#true
        password type="secret"
    }
    artifact { file "store-{{ version }}.tgz"; }
    files { "store.yml" template="store.yml" on-change="restart"; }
    config file="store.yml" format="yaml"
    plugins into="plugins/{{ plugin.name }}" { file "{{ plugin.name }}.zip"; }
    process { command "{{ runtime.home }}/run" "{{ conf }}/store.yml"; }
    ready { http "GET" "/" port="http-port" until="status == 200"; }
}
"#;

fn texts() -> Texts {
    let mut texts = Texts::default();
    for (path, text) in [
        ("etc/cluster.kdl", CLUSTER),
        ("etc/hosts.kdl", HOSTS),
        ("modules/store.kdl", STORE),
        ("modules/store/store.yml", "heap: {{ heap }}\n"),
        ("modules/runtime.kdl", "module \"runtime\" { artifact { system \"java\"; }; }"),
        ("modules/keeper.kdl", "module \"keeper\" { process { command \"/bin/keeper\"; }; }"),
        ("modules/other.kdl", "module \"other\" { no-such-thing; }"),
    ] {
        texts.0.insert(path, text.to_owned());
    }
    texts
}

fn loaded(texts: &Texts) -> Loaded {
    let (loaded, found) = load(texts, "etc/cluster.kdl", "modules", &mut Sources::new());
    loaded.unwrap_or_else(|| panic!("{:#?}", found.iter().collect::<Vec<_>>()))
}

fn host(name: &str) -> HostName {
    HostName::new(name).expect(name)
}

#[test]
fn the_cluster_is_what_the_file_says() {
    let cluster = loaded(&texts()).cluster;
    assert_eq!(cluster.prefix, "/opt/es_cluster");
    assert_eq!(cluster.user.as_deref(), Some("svc"));
    assert_eq!((cluster.ssh.port, cluster.ssh.user.as_deref()), (Some(2222), Some("ops")));
    assert_eq!((cluster.rollout.canary, cluster.rollout.batch), (2, Share::Count(3)));
    assert_eq!(cluster.rollout.soak, Duration::from_secs(90));
    assert_eq!((cluster.rollout.scope, cluster.rollout.on_failure), (Scope::Host, OnFailure::Stop));
    let plugins = &cluster.versions[&ModuleName::new("store").expect("a name")].plugins;
    assert_eq!(plugins["metrics"].as_str(), "6.7.0.0");
    assert!(matches!(&cluster.secrets["a"].source, SecretSource::Env(name) if name == "VARIABLE"));
    assert!(matches!(&cluster.secrets["c"].source, SecretSource::File(path) if path == "/etc/c"));
    assert!(matches!(&cluster.secrets["b"].source, SecretSource::Command(words) if words.len() == 3));
}

#[test]
fn hosts_come_from_ranges_and_included_files() {
    let hosts = loaded(&texts()).cluster.hosts;
    let node3 = &hosts[&host("node3")];
    assert_eq!((node3.address.as_str(), node3.number), ("10.77.0.13", Some(3)));
    assert_eq!(node3.labels["disk"], "ssd");
    assert_eq!(node3.prefix, None);
    let node4 = &hosts[&host("node4")];
    assert_eq!((node4.number, node4.prefix.as_deref()), (Some(40), Some("/srv/es")));
    let sandbox = &hosts[&host("box")];
    assert_eq!(sandbox.transport, Transport::Local);
    assert_eq!(sandbox.prefix.as_deref(), Some("/var/tmp/es_cluster/logs/box"));
    assert_eq!(sandbox.number, None);
}

#[test]
fn roles_are_placed_and_named() {
    let cluster = loaded(&texts()).cluster;
    let [hot, plain] = cluster.roles.as_slice() else { panic!("two roles") };
    assert_eq!((hot.id.as_str(), hot.service.as_str()), ("store-hot", "store-logs"));
    assert_eq!((plain.id.as_str(), plain.service.as_str()), ("store", "store"));
    let hosts: Vec<&str> = hot.hosts.iter().map(|host| host.as_str()).collect();
    assert_eq!(hosts, ["node1", "node2", "node3", "node4"]);
    let runtime = ModuleName::new("runtime").expect("a name");
    assert_eq!(version_of(&cluster, hot, &runtime).map(Version::as_str), Some("8.0.202"));
    assert_eq!(version_of(&cluster, plain, &runtime).map(Version::as_str), Some("11.0.13"));
}

#[test]
fn a_hosts_value_wins_over_the_roles_and_that_over_the_default() {
    let loaded = loaded(&texts());
    let role = &loaded.cluster.roles[0];
    let module = &loaded.modules[&role.module.value];
    let on = |name: &str| {
        let params = params_of(role, &host(name), module);
        params.into_iter().map(|(name, value)| (name.as_str().to_owned(), value)).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(on("node1")["heap"], Value::Size(512 << 20));
    assert_eq!(on("node3")["heap"], Value::Size(2 << 30));
    assert_eq!(on("node1")["http-port"], Value::Int(9200));
    assert_eq!(on("node1")["interval"], Value::Duration(300_000));
    assert_eq!(on("node1")["extra"], Value::Null);
    let words = |words: &[&str]| Value::List(words.iter().map(|word| Value::Text((*word).to_owned())).collect());
    assert_eq!(on("node1")["node-roles"], words(&["data", "ingest"]));
    let Value::Map(attr) = &on("node1")["attr"] else { panic!("a map") };
    assert_eq!((&attr["box_type"], &attr["zone"]), (&Value::Text("hot".to_owned()), &Value::Int(1)));
    let order: Vec<String> = params_of(role, &host("node1"), module).keys().map(ToString::to_string).collect();
    assert_eq!(order[..3], ["http-port", "heap", "node-roles"], "the module's order");
}

#[test]
fn free_configuration_is_kept_as_it_is_written() {
    let loaded = loaded(&texts());
    let free: Vec<(String, Value, Option<String>)> = loaded.cluster.roles[0]
        .free
        .iter()
        .map(|entry| (entry.key.value.clone(), entry.value.clone(), entry.host.as_ref().map(ToString::to_string)))
        .collect();
    assert_eq!(free[0], ("index.codec".to_owned(), Value::Text("best".to_owned()), None));
    assert_eq!(free[1], ("max.clause".to_owned(), Value::Int(4096), None));
    assert!(matches!(&free[2].1, Value::List(items) if items.len() == 2));
    assert_eq!(free[3], ("only.here".to_owned(), Value::Bool(true), Some("node3".to_owned())));
    assert_eq!(free[4].2.as_deref(), Some("node4"));
}

#[test]
fn only_modules_in_use_are_read() {
    let loaded = loaded(&texts());
    let names: Vec<&str> = loaded.modules.keys().map(ModuleName::as_str).collect();
    assert_eq!(names, ["store", "runtime", "keeper"]);
    let (all, found) =
        super::load_reach(&texts(), "etc/cluster.kdl", "modules", &mut Sources::new(), super::Reach::All);
    assert!(all.is_none() && found.iter().any(|diag| diag.message.contains("no-such-thing")));
}

#[test]
fn digests_follow_what_is_read_and_nothing_else() {
    let before = loaded(&texts());
    let with = |path: &'static str, from: &str, to: &str| {
        let mut texts = texts();
        let text = texts.0[path].replace(from, to);
        texts.0.insert(path, text);
        loaded(&texts)
    };
    let unused = with("modules/other.kdl", "no-such", "not-any");
    assert_eq!((unused.file_digest, unused.modules_digest), (before.file_digest, before.modules_digest));
    let template = with("modules/store/store.yml", "heap:", "size:");
    assert_eq!(template.file_digest, before.file_digest);
    assert_ne!(template.modules_digest, before.modules_digest);
    let included = with("etc/hosts.kdl", "rack=\"a\"", "rack=\"b\"");
    assert_ne!(included.file_digest, before.file_digest);
    assert_eq!(included.modules_digest, before.modules_digest);
}
