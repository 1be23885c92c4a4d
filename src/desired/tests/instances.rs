//! What is reached for whom.

use super::*;
use serde_json::json;

/// The names of the documentation, with what they stand for.
fn json_of(instance: &DesiredInstance) -> serde_json::Value {
    let names = ["cluster", "host", "instance", "service", "services", "peers", "version", "software", "conf", "dirs"];
    let params = ["runtime", "port", "roles", "heap", "key", "client_port", "note"];
    let known = |name: &&str| Some(((*name).to_owned(), instance.context.get(name)?));
    names.iter().chain(&params).filter_map(known).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn files_are_rendered_for_each_instance() {
    let desired = World::tiny().expand();
    assert_eq!(
        &*file(&desired, "coord@node2", "coord.cfg").content,
        "tick=2000\nserver.1=10.0.0.1:2181\nserver.2=10.0.0.2:2181\nserver.3=10.0.0.3:2181\n"
    );
    assert_eq!(
        &*file(&desired, "store-hot@node3", "store.yml").content,
        "name: \"store-hot@node3\"\nheap: 2048\nbind: \"10.0.0.3:9200\"\ncoord: \"10.0.0.1,10.0.0.2,10.0.0.3\"\n\
         absent: 0\npeers:\n  - \"10.0.0.1:9400\"\n  - \"10.0.0.2:9200\"\nvoters: 2\ncache.size: \"10%\"\n"
    );
    assert!(!file(&desired, "store-front@node1", "store.yml").content.contains("cache.size"));
    let id = file(&desired, "coord@node2", "/opt/tiny/data/coord/id");
    assert_eq!((&*id.content, id.identity), ("2\n", true));
    assert_eq!(file(&desired, "store-hot@node2", "store.yml").mode, 0o640);
    assert!(
        instance(&desired, "coord@node1").files.iter().all(|file| file.place != Place::Generation("note.txt".into()))
    );
}

#[test]
fn an_instance_says_what_it_is() {
    let desired = World::tiny().expand();
    let names: Vec<String> = desired.instances.keys().map(ToString::to_string).collect();
    assert_eq!(
        names,
        ["coord@node1", "coord@node2", "coord@node3", "store-front@node1", "store-hot@node2", "store-hot@node3"]
    );
    let front = instance(&desired, "store-front@node1");
    assert_eq!((front.tier.as_str(), front.votes, front.ordinal), ("front", false, 1));
    let hot = instance(&desired, "store-hot@node3");
    assert_eq!((hot.tier.as_str(), hot.votes, hot.ordinal), ("data", true, 3));
    assert_eq!(hot.ports.values().copied().collect::<Vec<_>>(), [9200]);
    assert_eq!(instance(&desired, "coord@node1").memory, 128 << 20);
    assert_eq!(hot.process.command[1..], ["-p", "9200"]);
    assert_eq!(hot.process.first_start, ["-initial=store-front@node1,store-hot@node2,store-hot@node3"]);
    let coord = &instance(&desired, "coord@node1").process;
    assert_eq!(coord.logs[..2], ["/opt/tiny/log/coord/console.log", "/opt/tiny/log/coord/coord.log"]);
    assert!(!coord.env.contains_key("LEFT_OUT"));
    let service = &desired.services[&ServiceName::new("store").expect("name")];
    assert_eq!(service.instances.len(), 3);
}

#[test]
fn the_context_is_what_the_documentation_says() {
    let desired = World::tiny().expand();
    let context = json_of(instance(&desired, "store-hot@node2"));
    let expected = json!({
        "cluster": {"name": "tiny"},
        "host": {"name": "node2", "address": "10.0.0.2", "number": 2, "labels": {"rack": "a"}, "prefix": "/opt/tiny"},
        "instance": {"name": "store-hot@node2", "role": "store-hot", "label": "hot", "ordinal": 2, "tier": "data"},
        "version": "6.7.0",
        "conf": "/opt/tiny/conf/store-hot/current",
        "dirs": {
            "data": "/opt/tiny/data/store-hot", "log": "/opt/tiny/log/store-hot", "run": "/opt/tiny/run/store-hot",
            "tmp": "/opt/tiny/run/store-hot/tmp", "conf": "/opt/tiny/conf/store-hot",
        },
        "port": 9200, "roles": ["data"], "heap": 1 << 30, "key": "<secret store-key>",
    });
    for (name, value) in expected.as_object().expect("map") {
        assert_eq!(&context[name], value, "{name}");
    }
    assert_eq!(context["service"]["expected"], 3);
    assert_eq!(context["service"]["name"], "store");
    assert_eq!(context["peers"].as_array().map(Vec::len), Some(2));
    assert_eq!(context["services"]["coord"].as_array().map(Vec::len), Some(3));
    assert_eq!(context["services"]["audit"], json!([]));
    let entry = &context["services"]["coord"][1];
    let said =
        ["name", "host", "address", "ordinal", "role", "tier", "version", "client_port"].map(|name| &entry[name]);
    assert_eq!(json!(said), json!(["coord@node2", "node2", "10.0.0.2", 2, "coord", "", "3.4.10", 2181]));
    assert_eq!(entry["params"]["client_port"], 2181);
    assert_eq!(context["runtime"]["version"], "11.0.13");
    assert!(
        context["runtime"]["home"].as_str().is_some_and(|home| home.starts_with("/opt/tiny/software/runtime-11.0.13-"))
    );
}

#[test]
fn software_is_named_by_what_it_is_made_of() {
    let desired = World::tiny().expand();
    let host = &desired.hosts[&HostName::new("node2").expect("name")];
    let modules: Vec<&str> = host.software.values().map(|software| software.module.as_str()).collect();
    assert_eq!(modules, ["coord", "runtime", "store", "supervisord"]);
    let store = instance(&desired, "store-hot@node2");
    assert_eq!(store.software.len(), 2);
    assert!(store.software[0].starts_with("store-6.7.0-") && store.software[1].starts_with("runtime-11.0.13-"));
    assert_eq!(host.software[&store.software[0]].parts[1].into, "plugins/geo");
    let without = World::tiny().with("cluster.kdl", " { plugin \"geo\" \"6.7.0.0\"; }", "").expand();
    assert_ne!(instance(&without, "store-hot@node2").software[0], store.software[0]);
}

#[test]
fn the_supervisor_is_on_every_host_and_no_instance() {
    let desired = World::tiny().expand();
    let host = &desired.hosts[&HostName::new("node1").expect("name")];
    let supervisor = host.supervisor.supervisord().expect("one of ours");
    assert_eq!(supervisor.config_path, "/opt/tiny/conf/supervisord/supervisord.conf");
    assert_eq!(supervisor.socket, "/opt/tiny/run/supervisord.sock");
    assert_eq!(supervisor.pidfile, "/opt/tiny/run/supervisord.pid");
    assert_eq!(supervisor.command[4], supervisor.config_path);
    assert!(supervisor.config.contains("files=/opt/tiny/conf/*/current/supervisor.conf\n"));
    assert!(supervisor.config.contains("logfile_maxbytes=1048576\n"));
    assert!(supervisor.env["PYTHONPATH"].starts_with("/opt/tiny/software/supervisord-4.3.0-"));
    let larger =
        World::tiny().with("cluster.kdl", "roles {", "roles {\n    supervisord on=\"node1\" { log-size \"2m\"; }");
    let desired = larger.expand();
    assert!(
        desired
            .hosts
            .values()
            .next()
            .and_then(|host| host.supervisor.supervisord())
            .is_some_and(|own| own.config.contains("2097152"))
    );
    assert_eq!(desired.instances.len(), 6);
}

#[test]
fn the_order_of_the_file_does_not_matter() {
    let turned = World::tiny()
        .with("cluster.kdl", "    coord on=\"node[1-3]\"\n", "")
        .with(
            "cluster.kdl",
            "    store \"front\" on=\"node1\"",
            "    coord on=\"node[2-3],node1\"\n    store \"front\" on=\"node1\"",
        )
        .with("cluster.kdl", "    runtime \"11.0.13\"\n", "")
        .with("cluster.kdl", "    coord \"3.4.10\"\n", "    coord \"3.4.10\"\n    runtime \"11.0.13\"\n");
    let (one, other) = (World::tiny().expand(), turned.expand());
    let shown = |desired: &Desired| {
        let files = |one: &DesiredInstance| format!("{} {:?} {:?} {}", one.id, one.files, one.software, json_of(one));
        desired.instances.values().map(files).collect::<Vec<_>>()
    };
    assert_eq!(shown(&one), shown(&other));
}

/// Content and restart generation of an instance.
fn generations(world: &World, name: &str) -> (Digest, Digest) {
    let desired = world.expand();
    let instance = instance(&desired, name);
    (instance.content_generation, instance.restart_generation)
}

#[test]
fn only_what_a_process_can_not_take_up_moves_the_restart_generation() {
    let noted = |note: &str| {
        World::tiny().with(
            "cluster.kdl",
            "coord on=\"node[1-3]\"",
            &format!("coord on=\"node[1-3]\" {{ note \"{note}\"; }}"),
        )
    };
    let (before, after) = (generations(&noted("one"), "coord@node1"), generations(&noted("two"), "coord@node1"));
    assert_ne!(before.0, after.0);
    assert_eq!(before.1, after.1);

    let before = generations(&World::tiny(), "coord@node1");
    for (path, from, to) in [
        ("modules/coord.kdl", "default=\"2s\"", "default=\"3s\""),
        (
            "modules/coord.kdl",
            "within=\"30s\"\n        reload signal=\"HUP\"\n        limits nofile=4096",
            "within=\"30s\"\n        reload signal=\"HUP\"\n        limits nofile=8192",
        ),
        ("modules/coord.kdl", "signal=\"TERM\"", "signal=\"INT\""),
        ("modules/coord.kdl", "{{ instance.ordinal }}\\n", "{{ instance.ordinal }}\\n\\n"),
        ("cluster.kdl", "runtime \"11.0.13\"", "runtime \"11.0.14\""),
    ] {
        let after = generations(&World::tiny().with(path, from, to), "coord@node1");
        assert!(before.0 != after.0 && before.1 != after.1, "{to}");
    }
    // Another module's change is none of its business; how long a stop may take is ours, not the process's.
    for (path, from, to) in [
        ("modules/store.kdl", "default=\"1g\"", "default=\"3g\""),
        ("modules/coord.kdl", "within=\"30s\"", "within=\"40s\""),
    ] {
        assert_eq!(before, generations(&World::tiny().with(path, from, to), "coord@node1"), "{to}");
    }
}

#[test]
fn secrets_are_only_where_they_belong() {
    let desired = World::tiny().expand();
    let key = file(&desired, "store-hot@node2", "key.txt");
    assert_eq!((&*key.content, key.secret, key.mode), ("<secret store-key>\n", true, 0o600));
    assert_eq!(key.bytes(), Some("open sesame\n"));
    assert!(!format!("{desired:?}").contains("open sesame"), "not even in what a developer prints");
    assert!(!file(&desired, "store-hot@node2", "store.yml").secret);
    for one in desired.instances.values() {
        let rest = format!("{} {:?} {:?}", json_of(one), one.process, one.params);
        assert!(!rest.contains("open sesame"), "{}", one.id);
        let open: Vec<_> = one.files.iter().filter(|file| !file.secret).map(|file| &file.content).collect();
        assert!(open.iter().all(|content| !content.contains("open sesame")), "{}", one.id);
    }
    let plain = Digest::of(b"open sesame\n");
    assert!(desired.instances.values().flat_map(|one| one.files.iter()).all(|file| file.sha256 != plain));
    let other = World::tiny().secret("other").expand();
    let generation = |desired: &Desired, name| instance(desired, name).restart_generation;
    assert_ne!(generation(&desired, "store-hot@node2"), generation(&other, "store-hot@node2"));
    assert_eq!(generation(&desired, "coord@node1"), generation(&other, "coord@node1"));
}

#[test]
fn without_the_values_of_secrets_everything_has_the_same_digests() {
    let (known, sealed) = (World::tiny().expand(), World::tiny().sealed().expand());
    let digests = |desired: &Desired| -> Vec<_> {
        let all = desired.instances.values();
        all.map(|one| {
            let files: Vec<_> = one.files.iter().map(|file| (file.sha256, file.secret, file.content.clone())).collect();
            (one.id.clone(), one.content_generation, one.restart_generation, files)
        })
        .collect()
    };
    assert_eq!(digests(&known), digests(&sealed));
    assert_eq!(file(&sealed, "store-hot@node2", "key.txt").bytes(), None, "and there is nothing to write");
}

#[test]
fn hundreds_of_instances_are_no_problem() {
    let tiny = World::tiny().texts["cluster.kdl"].clone();
    let large = tiny.replace("node[1-3]\" address=\"10.0.0.[1-3]\"", "node[1-200]\" address=\"10.0.0.[1-200]\"");
    let large = large.replace("node[1-3]", "node[1-200]").replace("node[2-3]", "node[2-200]");
    let mut world = World::tiny();
    world.texts.insert("cluster.kdl".to_owned(), large);
    let begin = std::time::Instant::now();
    let desired = world.expand();
    assert_eq!(desired.instances.len(), 400);
    assert_eq!(
        instance(&desired, "store-hot@node7").context.get("peers").and_then(|peers| Some(peers.as_array()?.len())),
        Some(199)
    );
    // Seconds in a debug build; when everything is in everything it is half a minute.
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
}
