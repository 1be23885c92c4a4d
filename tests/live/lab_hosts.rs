//! The lab of SSH hosts (`fixtures/lab/`) is what the other tests take it for.

use std::path::Path;
use std::process::Command;

#[test]
fn the_lab_does_what_it_says() {
    let selftest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/lab/selftest");
    let done = Command::new(selftest).arg("--systemd").output().expect("selftest runs");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    assert!(said.lines().filter(|line| line.starts_with("ok ")).count() > 70, "{said}");
}
