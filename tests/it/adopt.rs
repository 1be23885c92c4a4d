//! `esplan adopt`: what was found on hosts becomes a file that validates, whatever the hosts say.

use crate::bad::Texts;
use crate::cli::{folder, run};
use es_cluster::adopt::{Adopted, Looked, adopt};
use es_cluster::config::{self, Loaded};
use es_cluster::diag::Sources;
use es_cluster::inventory::{Found, parse_seek};
use es_cluster::model::{HostName, Module};
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

const HOSTS: &str = r#"// Written by somebody who knows the hosts.
cluster "logs" {
    user "svc"
    supervisor "systemd"
}

hosts {
    "node[1-4]" address="10.0.0.[1-4]"
}
"#;

fn texts(file: &str) -> Texts {
    let mut texts = Texts::default();
    for (path, text) in Texts::below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("modules")).0 {
        texts.0.insert(format!("modules/{path}"), text);
    }
    texts.0.insert("cluster.kdl".to_owned(), file.as_bytes().to_vec());
    texts
}

fn load(file: &str) -> Loaded {
    let mut sources = Sources::new();
    let (loaded, found) = config::load(&texts(file), "cluster.kdl", "modules", &mut sources);
    let found: Vec<String> = found.iter().map(|diag| format!("{} {}", diag.code, diag.message)).collect();
    loaded.unwrap_or_else(|| panic!("{found:#?}\n{file}"))
}

fn modules() -> Vec<Arc<Module>> {
    let texts = texts("");
    let names = texts.0.keys().filter_map(|path| path.strip_prefix("modules/")?.strip_suffix(".kdl"));
    let module = |name: &str| config::load_module(&texts, name, "modules", &mut Sources::new()).0.expect("a module");
    names.map(module).collect()
}

fn adopted(looked: &[(&str, Result<Vec<Found>, String>)]) -> Adopted {
    let loaded = load(&format!("{HOSTS}\nroles {{\n}}\n"));
    let looked: Looked =
        looked.iter().map(|(host, found)| (HostName::new(host).expect("a name"), found.clone())).collect();
    adopt(HOSTS, &loaded.cluster, &looked, &modules())
}

/// A process as it is usually found.
fn found(module: &str, port: u16, config: &str, data: &str) -> Found {
    let address: IpAddr = "0.0.0.0".parse().expect("an address");
    Found {
        module: module.to_owned(),
        pid: 4711,
        user: "svc".to_owned(),
        exe: "/usr/lib/jvm/jdk8/jre/bin/java".to_owned(),
        cwd: "/".to_owned(),
        words: vec!["java".to_owned(), "-Xmx1g".to_owned()],
        listens: vec![(address, port)],
        config: Some((format!("/etc/{module}.conf"), Some(config.to_owned()))),
        data: Some((data.to_owned(), true)),
        home: Some("JAVA_VERSION=\"1.8.0_202\"\nOS_NAME=\"Linux\"\n".to_owned()),
        ..Found::default()
    }
}

fn coordinator(number: u32, data: &str) -> Found {
    let config = format!(
        "# by hand\ntickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir={data}\nclientPort=2181\nserver.1=node1:2888:3888\n\
         autopurge.purgeInterval=24\n"
    );
    let mut found = found("zookeeper", 2181, &config, data);
    found.id = Some(format!("{number}\n"));
    found.opens = vec!["/opt/zk/zookeeper-3.4.13.jar".to_owned()];
    found
}

fn broker(id: u32, partitions: u32) -> Found {
    let config = format!(
        "broker.id={id}\nlisteners=PLAINTEXT://:9092\nlog.dirs=/data/kafka\nzookeeper.connect=node1:2181/logs\n\
         num.partitions={partitions}\nnum.io.threads=16\nssl.keystore.password=hunter2\n"
    );
    let mut found = found("kafka", 9092, &config, "/data/kafka");
    found.id = Some(format!("#Mon Jan 01\nversion=0\nbroker.id={id}\n"));
    found.opens = vec!["/opt/kafka/libs/kafka_2.11-2.1.1.jar".to_owned()];
    found
}

fn store(kind: &str, port: u16) -> Found {
    let config = format!(
        "cluster.name: logs\nnode.name: x-{kind}\nnode.master: true\nnode.attr.box_type: {kind}\npath.data: /data/es/{kind}\n\
         http.port: {port}\ntransport.tcp.port: {}\nindices.memory.index_buffer_size: 20%\n",
        port + 100
    );
    let mut found = found("elasticsearch", port, &config, &format!("/data/es/{kind}"));
    found.words = vec!["java".to_owned(), "-Xmx512m".to_owned(), "-Xmx2g".to_owned()];
    found.opens = vec!["/opt/es/lib/elasticsearch-6.7.0.jar".to_owned()];
    found
}

#[test]
fn what_was_found_becomes_a_file_that_validates() {
    let mut cache = found("redis", 6380, "", "/var/lib/cache");
    (cache.config, cache.unit, cache.user) = (None, Some("cache-server.service".to_owned()), "cache".to_owned());
    cache.exe = "/opt/redis-6.2.14/bin/redis-server".to_owned();
    let looked = [
        (
            "node1",
            Ok(vec![coordinator(1, "/var/lib/zookeeper"), broker(1, 6), store("hot", 9200), store("warm", 9201)]),
        ),
        ("node2", Ok(vec![coordinator(2, "/var/lib/zookeeper"), broker(7, 12), store("hot", 9200)])),
        ("node3", Ok(vec![coordinator(3, "/srv/zookeeper"), cache])),
        ("node4", Err("no answer within 30 s\u{1b}[2J".to_owned())),
    ];
    let made = adopted(&looked);
    insta::assert_snapshot!("adopted", made.text);
    assert_eq!((made.instances, made.left), (9, made.text.matches("// TODO").count()));
    load(&made.text);
    assert!(!made.text.contains("hunter2"), "what a setting keeps secret is not written down");
    let folder = folder(&made.text);
    let did = run(folder.path(), "esplan", &["validate"]);
    assert_eq!(did.code, 0, "{did:?}");
}

/// What hosts say is text, and never a part of the file that somebody else writes.
#[test]
fn what_a_host_says_stays_in_its_place() {
    let evil = "x\"\n} evil {\u{1b}[2J\u{202e}";
    let mut one = coordinator(1, "/var/lib/zookeeper");
    one.user = evil.to_owned();
    one.unit = Some(evil.to_owned());
    one.words.push(format!("-Xmx{evil}"));
    one.config = Some((evil.to_owned(), Some(format!("clientPort=2181{evil}\n{evil}={evil}\ntickTime=$(reboot)\n"))));
    one.home = Some(format!("JAVA_VERSION=\"{evil}\"\n"));
    one.opens = vec![format!("/opt/zookeeper-{evil}"), "/opt/zookeeper-3.4.13.jar".to_owned()];
    let mut elsewhere = coordinator(2, "/var/lib/zookeeper");
    elsewhere.data = Some((format!("/data/{evil}"), true));
    let mut several = broker(3, 6);
    several.data = Some(("/data/a,/data/b".to_owned(), false));
    let unknown = Found { module: evil.to_owned(), ..coordinator(4, "/x") };
    let made =
        adopted(&[("node1", Ok(vec![one])), ("node2", Ok(vec![elsewhere])), ("node3", Ok(vec![several, unknown]))]);
    assert_eq!(made.instances, 1, "data that can't be named, or is in several folders, is left out:\n{}", made.text);
    for part in ["zookeeper on node2 is left out", "kafka on node3 is left out", "/data/a,/data/b"] {
        assert!(made.text.contains(part), "{part}:\n{}", made.text);
    }
    assert!(!made.text.contains(['\u{1b}', '\u{202e}']), "{}", made.text);
    assert!(made.text.lines().all(|line| !line.trim_start().starts_with("} evil")), "{}", made.text);
    // Only the version of Java is missing, which nothing readable said.
    load(&made.text.replace("zookeeper \"3.4.13\"", "zookeeper \"3.4.13\"\njdk \"11.0.13\""));
}

#[test]
fn an_answer_is_whole_or_none() {
    let begin = "[observation 1]\n";
    let one = "[process zookeeper 42]\nexe /bin/java\nlistens 0100007F:0885\nconfig /etc/zoo.cfg\n[config]\n 61 0a\n";
    let whole = parse_seek(format!("{begin}{one}[end]\n").as_bytes()).expect("whole");
    assert_eq!(whole[0].config, Some(("/etc/zoo.cfg".to_owned(), Some("a\n".to_owned()))));
    assert_eq!(whole[0].listens, [("127.0.0.1".parse().expect("an address"), 2181)]);
    for bad in [
        format!("{begin}{one}"),
        format!("{one}[end]\n"),
        format!("{begin}[config]\n 61\n[end]\n"),
        format!("{begin}[process zookeeper x]\n[end]\n"),
        format!("{begin}[process zookeeper 1]\nwhat ever\n[end]\n"),
        format!("{begin}[process zookeeper 1]\nlistens 0100007F\n[end]\n"),
        format!("{begin}{one} zz\n[end]\n"),
        format!("{begin}{}[end]\n", one.repeat(300)),
    ] {
        assert!(parse_seek(bad.as_bytes()).is_err(), "{bad:.200}");
    }
}

#[test]
fn nothing_is_overwritten_and_a_file_without_hosts_says_so() {
    let folder = folder("");
    fs::write(folder.path().join("hosts.kdl"), "cluster \"empty\" {\n    supervisor \"systemd\"\n}\n").expect("a file");
    let did = run(folder.path(), "esplan", &["adopt", "hosts.kdl", "--out", "cluster.kdl"]);
    assert!(did.code == 1 && did.stderr.contains("there already"), "{did:?}");
    let did = run(folder.path(), "esplan", &["adopt", "hosts.kdl"]);
    assert!(did.code == 1 && did.stderr.contains("declares no hosts"), "{did:?}");
    let did = run(folder.path(), "esplan", &["adopt", "nowhere.kdl"]);
    assert!(did.code == 1 && did.stderr.contains("nowhere.kdl"), "{did:?}");
}
