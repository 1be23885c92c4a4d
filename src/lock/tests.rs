use super::*;

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn key(module: &str, plugin: Option<&str>, version: &str) -> Key {
    let module = ModuleName::new(module).expect("name");
    Key { module, plugin: plugin.map(str::to_owned), version: Version::parse(version).expect("version") }
}

fn locked(name: &str, into: &str) -> Locked {
    let file = |name: &str| LockedFile { name: name.to_owned(), sha256: digest(name), size: 7 };
    let bundle = Part { bundle: digest(name), name: name.to_owned(), size: u64::MAX, into: into.to_owned() };
    Locked {
        source: format!("file \"{name}\" \\ größe"),
        files: vec![file("a.jar"), file("b \"quoted\".jar")],
        bundle: Some(bundle),
        system: None,
    }
}

fn sample() -> Lock {
    let on_host = Locked {
        source: "system /usr/bin/x".to_owned(),
        files: Vec::new(),
        bundle: None,
        system: Some("/usr/bin/x".to_owned()),
    };
    let artifacts = [
        (key("store", None, "2.0.1"), locked("store-2.0.1", "")),
        (key("store", Some("geo"), "2.0.1.0"), locked("geo-2.0.1.0", "plugins/geo")),
        (key("store", Some("alt"), "1"), locked("alt-1", "plugins/alt")),
        (key("runtime", None, "11.0.13"), on_host),
    ];
    Lock { artifacts: artifacts.into() }
}

fn messages(text: &str) -> Vec<String> {
    let (lock, found) = Lock::parse(text, SourceId(0));
    assert!(lock.is_none(), "{text}");
    assert!(found.iter().all(|diag| diag.code == crate::diag::Code::BadLock));
    found.iter().map(|diag| diag.message.clone()).collect()
}

#[test]
fn what_is_written_is_read_back() {
    let text = sample().to_kdl();
    let (lock, found) = Lock::parse(&text, SourceId(0));
    assert!(found.is_empty(), "{found:?}\n{text}");
    assert_eq!(lock.as_ref(), Some(&sample()));
    assert_eq!(lock.map(|lock| lock.to_kdl()), Some(text));
}

#[test]
fn an_empty_lock_is_a_lock() {
    let (lock, found) = Lock::parse(&Lock::default().to_kdl(), SourceId(0));
    assert!(found.is_empty());
    assert_eq!(lock, Some(Lock::default()));
}

#[test]
fn parts_are_the_software_and_its_plugins_by_name() {
    let lock = sample();
    let (store, version) = (ModuleName::new("store").expect("name"), Version::parse("2.0.1").expect("version"));
    let mut plugins = IndexMap::new();
    plugins.insert("geo".to_owned(), Version::parse("2.0.1.0").expect("version"));
    plugins.insert("alt".to_owned(), Version::parse("1").expect("version"));
    let names = lock.parts(&store, &version, &plugins).map(|parts| parts.into_iter().map(|part| part.name).collect());
    assert_eq!(names, Ok(vec!["store-2.0.1".to_owned(), "alt-1".to_owned(), "geo-2.0.1.0".to_owned()]));
    plugins.insert("new".to_owned(), Version::parse("3").expect("version"));
    assert_eq!(lock.parts(&store, &version, &plugins), Err(key("store", Some("new"), "3")));
    let runtime = ModuleName::new("runtime").expect("name");
    let version = Version::parse("11.0.13").expect("version");
    assert_eq!(lock.parts(&runtime, &version, &IndexMap::new()), Ok(Vec::new()));
    assert_eq!(lock.system(&runtime, &version), Some("/usr/bin/x"));
}

#[test]
fn every_mistake_is_reported_in_one_run() {
    let text = "lock format=1\nartifact \"store\" version=\"x\" source=\"file\" { bundle \"b\" sha256=\"1\" size=-1; }\n\
                artefact \"y\"\nartifact \"z\" version=\"1\" source=\"s\" colour=\"red\" { system \"p\"; }\n";
    assert_eq!(messages(text).len(), 5, "{:?}", messages(text));
}

#[test]
fn what_would_leave_its_folder_is_refused() {
    let bundle = |name: &str, into: &str| {
        let sha256 = digest("x");
        format!(
            "lock format=1\nartifact \"a\" version=\"1\" source=\"s\" {{ bundle \"{name}\" sha256=\"{sha256}\" size=1 into=\"{into}\"; }}"
        )
    };
    assert!(Lock::parse(&bundle("a-1", "plugins/a"), SourceId(0)).0.is_some());
    for (name, into) in
        [("../a", "x"), ("a/b", "x"), ("", "x"), ("a", "../x"), ("a", "/x"), ("a", "x//y"), ("a", "x/./y")]
    {
        assert!(!messages(&bundle(name, into)).is_empty(), "{name} {into}");
    }
}

#[test]
fn other_formats_and_hostile_texts_are_refused() {
    assert_eq!(messages("lock format=2"), ["the lock file has another format than this program reads"]);
    assert_eq!(messages("").len(), 1);
    assert!(!messages("lock format=1\nartifact \"a").is_empty());
    assert_eq!(messages(&"a {".repeat(100_000)).len(), 1);
    assert_eq!(messages(&"/*".repeat(100_000)).len(), 1);
    let twice = sample().to_kdl().replace("\"geo\" version=\"2.0.1.0\"", "\"alt\" version=\"1\"");
    assert_eq!(messages(&twice), ["store plugin alt 1 is locked twice"]);
}
