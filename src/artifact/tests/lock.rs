//! Resolving: order of sources, what is kept, what is refused.

use super::{Machine, archive, file, key, need, pypi, recipe, unpacked};
use crate::artifact::lock::{Event, LockError};
use crate::artifact::recipe::Kind;
use crate::artifact::{ArtifactError, ensure_bundle};

#[tokio::test]
async fn a_vendor_file_is_locked_and_locking_again_changes_nothing() {
    let machine = Machine::new();
    machine.vendor_file("tool-1.0.tar", &archive("bin/tool", b"one"));
    let needs = || vec![need("tool", "1.0", vec![file("tool-1.0.tar")])];
    let lock = machine.lock(needs(), None).await.expect("locked");
    let locked = &lock.artifacts[&key("tool", "1.0")];
    assert_eq!(locked.source, "file tool-1.0.tar");
    assert_eq!(locked.files[0].name, "tool-1.0.tar");
    let path = ensure_bundle(&machine.cache, &key("tool", "1.0"), Some(locked)).expect("a bundle");
    assert_eq!(unpacked(&path, "bin/tool"), b"one");
    assert_eq!(path.file_name().unwrap().to_str().unwrap(), locked.bundle.as_ref().unwrap().file_name());
    machine.events();

    std::fs::remove_file(machine.vendor[0].join("tool-1.0.tar")).expect("removed");
    let again = machine.lock(needs(), Some(&lock)).await.expect("locked again, without the file");
    assert_eq!(again, lock);
    assert_eq!(machine.events(), [Event::Kept { what: "tool 1.0".to_owned() }]);
}

#[tokio::test]
async fn two_machines_lock_the_same_bytes() {
    let mut locks = Vec::new();
    for _ in 0..2 {
        let machine = Machine::new();
        machine.vendor_file("tool-1.0.tar", &archive("bin/tool", b"one"));
        let needs = vec![need("tool", "1.0", vec![file("tool-1.0.tar")])];
        locks.push(machine.lock(needs, None).await.expect("locked"));
    }
    assert_eq!(locks[0], locks[1]);
}

#[tokio::test]
async fn the_install_folder_comes_first_and_then_the_sources_in_order() {
    let machine = Machine::new();
    std::fs::write(machine.vendor[1].join("b.tar"), archive("x", b"second folder")).expect("written");
    let sources = || vec![file("a.tar"), file("b.tar"), pypi("tool==1.0")];
    let lock = machine.lock(vec![need("tool", "1.0", sources())], None).await.expect("locked");
    assert_eq!(lock.artifacts[&key("tool", "1.0")].source, "file b.tar");
    machine.vendor_file("b.tar", &archive("x", b"first folder"));
    let lock = machine.lock(vec![need("tool", "1.0", sources())], None).await.expect("locked");
    let path = ensure_bundle(&machine.cache, &key("tool", "1.0"), lock.artifacts.get(&key("tool", "1.0")));
    assert_eq!(unpacked(&path.expect("a bundle"), "x"), b"first folder");
}

#[tokio::test]
async fn every_source_that_was_tried_is_reported_for_every_artifact() {
    let machine = Machine::new();
    machine.vendor_file("odd.tar", b"PK\x03\x04 no archive");
    let needs = vec![
        need("one", "1.0", vec![file("one.tar"), pypi("one==1.0")]),
        need("two", "2.0", vec![file("odd.tar")]),
        need("here", "3.0", vec![recipe(Kind::System { program: "/bin/sh".to_owned() })]),
    ];
    let error = machine.lock(needs, None).await.expect_err("not to be had").to_string();
    for part in [
        "one 1.0 can't be had. tried:\n  file one.tar\n    no one.tar in ",
        "/vendor, ",
        "\n  pypi one==1.0\n    ",
        "python3 is not installed; install python3 with pip",
        "two 2.0 can't be had. tried:\n  file odd.tar\n    odd.tar: it is damaged or cut short",
    ] {
        assert!(error.contains(part), "{part}\nis not in\n{error}");
    }
    assert!(!error.contains("here"), "{error}");
}

#[tokio::test]
async fn software_that_is_already_there_is_recorded() {
    let machine = Machine::new();
    let sources = vec![file("tool.tar"), recipe(Kind::System { program: "/usr/bin/tool".to_owned() })];
    let lock = machine.lock(vec![need("tool", "1.0", sources)], None).await.expect("locked");
    let locked = &lock.artifacts[&key("tool", "1.0")];
    assert_eq!((locked.system.as_deref(), &locked.bundle, locked.files.len()), (Some("/usr/bin/tool"), &None, 0));
}

#[tokio::test]
async fn another_machine_fetches_exactly_the_locked_bytes_or_nothing() {
    let first = Machine::new();
    first.vendor_file("tool.tar", &archive("x", b"locked"));
    let needs = || vec![need("tool", "1.0", vec![file("tool.tar")])];
    let lock = first.lock(needs(), None).await.expect("locked");
    let locked = lock.artifacts.get(&key("tool", "1.0"));

    let second = Machine::new();
    let error = ensure_bundle(&second.cache, &key("tool", "1.0"), locked).expect_err("not there yet");
    assert!(matches!(&error, ArtifactError::NotCached { .. }), "{error}");
    assert!(error.to_string().contains("run `esplan lock`"), "{error}");
    second.vendor_file("tool.tar", &archive("x", b"changed"));
    let Err(LockError::Unobtainable(missed)) = second.lock(needs(), Some(&lock)).await else {
        panic!("other bytes were taken");
    };
    let (_, error) = &missed[0].tries[0];
    assert!(matches!(error, ArtifactError::Mismatch { file, .. } if file == "tool.tar"), "{error}");
    second.vendor_file("tool.tar", &archive("x", b"locked"));
    assert_eq!(second.lock(needs(), Some(&lock)).await.expect("locked"), lock);
    ensure_bundle(&second.cache, &key("tool", "1.0"), locked).expect("there now");
}

#[tokio::test]
async fn the_locked_source_is_asked_first_and_a_source_that_is_gone_is_forgotten() {
    let first = Machine::new();
    first.vendor_file("b.tar", &archive("x", b"b"));
    let needs = || vec![need("tool", "1.0", vec![file("a.tar"), file("b.tar")])];
    let lock = first.lock(needs(), None).await.expect("locked");

    let second = Machine::new();
    second.vendor_file("a.tar", &archive("x", b"a"));
    second.vendor_file("b.tar", &archive("x", b"b"));
    assert_eq!(second.lock(needs(), Some(&lock)).await.expect("locked"), lock, "not a.tar, which comes first");
    let changed = vec![need("tool", "1.0", vec![file("a.tar")])];
    let relocked = second.lock(changed, Some(&lock)).await.expect("locked from the new source");
    assert_eq!(relocked.artifacts[&key("tool", "1.0")].source, "file a.tar");
}

#[tokio::test]
async fn what_is_not_used_any_more_leaves_the_lock() {
    let machine = Machine::new();
    machine.vendor_file("t.tar", &archive("x", b"t"));
    let both = vec![need("a", "1", vec![file("t.tar")]), need("b", "1", vec![file("t.tar")])];
    let lock = machine.lock(both, None).await.expect("locked");
    let lock = machine.lock(vec![need("a", "1", vec![file("t.tar")])], Some(&lock)).await.expect("locked");
    assert_eq!(lock.artifacts.keys().collect::<Vec<_>>(), [&key("a", "1")]);
}

#[test]
fn what_is_not_locked_says_so() {
    let machine = Machine::new();
    let error = ensure_bundle(&machine.cache, &key("tool", "1.0"), None).expect_err("not locked");
    assert_eq!(error.to_string(), "tool 1.0 is not in cluster.lock; run `esplan lock`");
}
