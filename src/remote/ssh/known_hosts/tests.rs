use super::{KnownHosts, Verdict, fingerprint};
use russh::keys::{Algorithm, PublicKey};
use std::path::PathBuf;

const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILIG2T/B0l0gaqj3puu510tu9N1OkQ4znY3LYuEm5zCF";
const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBOcokkFfI8qh8a7Qyc0oXuB9EEDLL9JPoEP5OKQYa2yMmfCvsXPDVeVIo2hXPTBnwvrhRtBEL1+D55GMSiPFWtY=";

fn key(text: &str) -> PublicKey {
    PublicKey::from_openssh(text).unwrap()
}

fn known(text: &str) -> (tempfile::TempDir, PathBuf, KnownHosts) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known_hosts");
    std::fs::write(&file, text).unwrap();
    let known = KnownHosts::read(&[folder.path().join("absent"), file.clone()]).unwrap();
    (folder, file, known)
}

#[test]
fn names_addresses_ports_and_patterns() {
    let text = format!("# a comment\n\nnode1,10.0.0.1 {A}\n[node1]:2222 {B} a comment\n*.lab,!db.lab {A}\n");
    let (_folder, file, known) = known(&text);
    for (host, port) in [("node1", 22), ("NODE1", 22), ("10.0.0.1", 22), ("web.lab", 22)] {
        assert_eq!(known.check(host, port, &key(A)), Verdict::Known, "{host}");
    }
    assert_eq!(known.check("node1", 2222, &key(B)), Verdict::Known);
    assert_eq!(known.check("db.lab", 22, &key(A)), Verdict::Unknown);
    assert_eq!(known.check("node2", 22, &key(A)), Verdict::Unknown);
    // Known without a port, as OpenSSH has it; and the line with a port wins.
    assert_eq!(known.check("10.0.0.1", 2222, &key(A)), Verdict::Known);
    assert_eq!(known.check("10.0.0.1", 2222, &key(B)), Verdict::Unknown);
    let Verdict::Changed { place, fingerprint: old } = known.check("node1", 2222, &key(A)) else {
        panic!("the key has changed")
    };
    assert_eq!((place.to_string(), old), (format!("{}:4", file.display()), fingerprint(&key(B))));
}

#[test]
fn hashed_names() {
    let line = format!("|1|O33ESRMWPVkMYIwJ1Uw+n877jTo=|nuuC5vEqXlEZ/8BXQR7m619W6Ak= {B}\n");
    let (_folder, _, known) = known(&line);
    assert_eq!(known.check("example.com", 22, &key(B)), Verdict::Known);
    assert_eq!(known.check("example.org", 22, &key(B)), Verdict::Unknown);
    assert!(matches!(known.check("example.com", 22, &key(A)), Verdict::Changed { .. }));
}

#[test]
fn a_revoked_key_is_refused_even_when_it_is_known() {
    let (_folder, _, known) = known(&format!("node1 {A}\n@revoked * {A}\n@cert-authority * {B}\n"));
    assert!(matches!(known.check("node1", 22, &key(A)), Verdict::Revoked { .. }));
    assert_eq!(known.check("node2", 22, &key(B)), Verdict::Unknown);
}

#[test]
fn only_kinds_that_the_host_is_known_by_are_asked_for() {
    let (_folder, _, known) = known(&format!("node1 {ECDSA}\nnode2 {ECDSA}\nnode2 {A}\n"));
    assert!(matches!(known.kinds("node1", 22).as_slice(), [Algorithm::Ecdsa { .. }]));
    assert!(matches!(known.kinds("node2", 22).as_slice(), [Algorithm::Ed25519, Algorithm::Ecdsa { .. }]));
    assert_eq!(known.kinds("node3", 22).len(), 6);
    assert_eq!(known.check("node2", 22, &key(ECDSA)), Verdict::Known);
}

#[test]
fn a_new_key_is_taken_down_once_on_a_line_of_its_own() {
    let (_folder, file, known) = known(&format!("node1 {A}"));
    known.learn(&file, "Node2", 2222, &key(B)).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("node1 {A}\n[node2]:2222 {B}\n"));
    assert_eq!(known.check("node2", 2222, &key(B)), Verdict::Known);
    assert!(matches!(known.check("node2", 2222, &key(A)), Verdict::Changed { .. }));
    let again = KnownHosts::read(&[file]).unwrap();
    assert_eq!(again.check("node2", 2222, &key(B)), Verdict::Known);
}

#[test]
fn lines_that_are_no_lines_are_passed_over() {
    let (_folder, _, known) =
        known("node1\nnode1 ssh-ed25519\nnode1 ssh-ed25519 AAAA\n|1|x|y ssh-ed25519 AAAA\n@revoked\n");
    assert_eq!(known.check("node1", 22, &key(A)), Verdict::Unknown);
    assert_eq!(known.kinds("node1", 22).len(), 6);
}
