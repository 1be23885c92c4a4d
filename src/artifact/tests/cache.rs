//! The cache: wrong bytes are found and moved away, bundles are made again, two programs at once do not disturb each other.

use super::{Machine, archive, corrupt, file, key, need, unpacked};
use crate::artifact::{ArtifactError, Cache, ensure_bundle, ensure_part, write_whole};
use std::fs;

#[tokio::test]
async fn a_corrupt_bundle_is_found_moved_aside_and_made_again() {
    let machine = Machine::new();
    machine.vendor_file("tool.tar", &archive("x", b"one"));
    let lock = machine.lock(vec![need("tool", "1.0", vec![file("tool.tar")])], None).await.expect("locked");
    let locked = lock.artifacts.get(&key("tool", "1.0"));
    let part = locked.and_then(|locked| locked.bundle.clone()).expect("a bundle");
    let path = machine.cache.bundle_path(&part);
    corrupt(&path);
    let error = ensure_part(&machine.cache, &part).expect_err("wrong bytes");
    let ArtifactError::Corrupt { aside, .. } = &error else { panic!("{error}") };
    assert!(aside.is_file() && !path.exists());
    assert!(error.to_string().contains("run `esplan lock`"), "{error}");

    let again = ensure_bundle(&machine.cache, &key("tool", "1.0"), locked).expect("made again");
    assert_eq!(unpacked(&again, "x"), b"one");
}

#[tokio::test]
async fn a_bundle_is_not_made_from_a_corrupt_download() {
    let machine = Machine::new();
    machine.vendor_file("tool.tar", &archive("x", b"one"));
    let lock = machine.lock(vec![need("tool", "1.0", vec![file("tool.tar")])], None).await.expect("locked");
    let locked = &lock.artifacts[&key("tool", "1.0")];
    fs::remove_file(machine.cache.bundle_path(locked.bundle.as_ref().expect("a bundle"))).expect("removed");
    let stored = machine.cache.file_path(&locked.files[0]);
    let bytes = fs::read(&stored).expect("read");
    let mut other = bytes.clone();
    other[600] ^= 1;
    fs::write(&stored, other).expect("written");
    let error = ensure_bundle(&machine.cache, &key("tool", "1.0"), Some(locked)).expect_err("wrong bytes");
    assert!(matches!(error, ArtifactError::Corrupt { .. }), "{error}");
    fs::write(&stored, bytes).expect("written");
    ensure_bundle(&machine.cache, &key("tool", "1.0"), Some(locked)).expect("made again");
}

#[test]
fn many_at_once_leave_one_whole_bundle() {
    let machine = Machine::new();
    machine.vendor_file("tool.tar", &archive("x", &vec![7; 200_000]));
    let lock_once = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(machine.lock(vec![need("tool", "1.0", vec![file("tool.tar")])], None)).expect("locked")
    };
    let locks: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(lock_once)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread")).collect()
    });
    assert!(locks.iter().all(|lock| *lock == locks[0]));
    assert_eq!((machine.names("bundle").len(), machine.names("store").len()), (1, 1));
    let locked = locks[0].artifacts.get(&key("tool", "1.0"));
    ensure_bundle(&machine.cache, &key("tool", "1.0"), locked).expect("whole");
}

#[test]
fn left_overs_are_removed_when_they_are_old() {
    let machine = Machine::new();
    let old = machine.cache.root().join("store/.tmp-old");
    let young = machine.cache.root().join("store/.tmp-young");
    for path in [&old, &young] {
        fs::write(path, b"half").expect("written");
    }
    let days = std::time::SystemTime::now() - std::time::Duration::from_hours(72);
    fs::File::options().write(true).open(&old).expect("opened").set_modified(days).expect("set");
    Cache::open(machine.cache.root()).expect("opened");
    assert!(!old.exists() && young.exists(), "the young one may belong to a run of now");
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cluster.lock");
    write_whole(&path, b"one").expect("written");
    write_whole(&path, b"two").expect("written");
    assert_eq!(fs::read(&path).expect("read"), b"two");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing is left beside it");
    assert!(write_whole(&folder.path().join("absent/cluster.lock"), b"x").is_err());
}
