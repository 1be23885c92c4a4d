//! The stand-ins' own tests (`fixtures/stand-ins/tests`), which are in their language.

use es_cluster::diag::Sources;
use es_cluster::lock::Lock;
use es_cluster::model::Digest;
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn the_stand_ins_pass_their_own_tests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/stand-ins/tests");
    let ran = Command::new("/usr/bin/python3")
        .args(["-B", "-m", "unittest", "discover", "-s", "."])
        .current_dir(folder)
        .output();
    let ran = ran.expect("Python 3, which the prerequisites install");
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{told}");
    let none = told.lines().any(|line| line.starts_with("Ran 0 tests"));
    assert!(!none, "{told}");
}

/// `./converge` builds the stand-ins and is refused where the repo's lock has other bytes: who changes a stand-in locks it
/// anew (`esplan lock`) in the same commit.
#[test]
fn the_repos_lock_has_the_stand_ins_as_they_are_built() {
    let repo = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = tempfile::tempdir().expect("a folder");
    let ran = Command::new(repo.join("fixtures/stand-ins/build")).arg(built.path()).output().expect("a shell");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));

    let text = fs::read_to_string(repo.join("cluster.lock")).expect("the repo's lock");
    let (lock, found) = Lock::parse(&text, Sources::default().add("cluster.lock", text.clone()));
    let lock = lock.unwrap_or_else(|| panic!("{found:?}"));
    let mut compared = 0;
    for locked in lock.artifacts.values().filter(|locked| locked.source.starts_with("file ")) {
        for file in &locked.files {
            let bytes = fs::read(built.path().join(&file.name)).expect("what is locked from a folder is built here");
            assert_eq!(Digest::of(&bytes), file.sha256, "{}: lock it anew with `esplan lock`", file.name);
            compared += 1;
        }
    }
    assert!(compared > 0, "the repo's platform has a stand-in");
}
