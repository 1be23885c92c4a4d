//! The stand-ins' own tests (`fixtures/stand-ins/tests`), which are in their language.

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
