//! A file goes from one host to another, and none of our keys goes with it.

use super::server::Server;
use es_cluster::model::Digest;
use es_cluster::remote::{Bytes, Passed, Put, TransportError};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use tempfile::TempDir;

const BYTES: usize = 3 << 20;

/// A file on the sender, and where it goes.
fn artifact(folder: &TempDir) -> (Passed, Vec<u8>) {
    let bytes: Vec<u8> = (0..BYTES).map(|at| u8::try_from(at * 31 % 251).expect("small")).collect();
    let (from, path) = (folder.path().join("a file"), folder.path().join("it's there"));
    fs::write(&from, &bytes).expect("a file");
    let shown = |path: std::path::PathBuf| path.display().to_string();
    (Passed { from: shown(from), path: shown(path), mode: 0o640, sha256: Digest::of(&bytes), begun: 0 }, bytes)
}

fn refusal(passed: Result<(), TransportError>) -> String {
    passed.expect_err("it can't work").to_string()
}

#[tokio::test]
async fn a_file_goes_from_host_to_host_whole() {
    let (sender, receiver, folder) = (Server::start(), Server::start(), tempfile::tempdir().expect("a folder"));
    let (file, bytes) = artifact(&folder);
    for key in ["ed25519", "rsa", "ecdsa"] {
        let receiver = Server::with_key(&["-t", key, "-N", ""], "");
        let path = format!("{}-{key}", file.path);
        let file = Passed { path: path.clone(), ..file.clone() };
        sender.ssh().pass(&file, &receiver.ssh()).await.unwrap_or_else(|error| panic!("{key}: {error}"));
        assert!(fs::read(&path).expect("a file") == bytes);
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o640);
    }
    // Again and again over the same connections.
    let (from, to) = (sender.ssh(), receiver.ssh());
    for _ in 0..3 {
        from.pass(&file, &to).await.expect("passed on");
    }
    let left: Vec<_> =
        fs::read_dir(folder.path()).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left.len(), 5, "nothing is left aside: {left:?}");
}

/// What a sender that died has brought is not sent again by the next one.
#[tokio::test]
async fn the_next_sender_goes_on_where_the_last_one_stopped() {
    let (sender, receiver, folder) = (Server::start(), Server::start(), tempfile::tempdir().expect("a folder"));
    let (file, bytes) = artifact(&folder);
    let (from, to) = (sender.ssh(), receiver.ssh());
    let ours = Put { from: Bytes::Given(bytes.clone()), path: file.path.clone(), mode: 0o640, sha256: file.sha256 };
    let aside = folder.path().join(".tmp-it's there");
    assert_eq!(to.begun(&ours).await.expect("asked"), 0);
    fs::write(&aside, &bytes[..BYTES / 2]).expect("a file");
    let inode = fs::metadata(&aside).expect("a file").ino();
    let begun = to.begun(&ours).await.expect("asked");
    assert_eq!(begun, BYTES as u64 / 2);
    from.pass(&Passed { begun, ..file.clone() }, &to).await.expect("passed on");
    assert!(fs::read(&file.path).expect("a file") == bytes);
    assert_eq!(fs::metadata(&file.path).expect("a file").ino(), inode, "sent anew");
    // Wrong ones are not gone on with; and if they were, they would not become the file.
    fs::remove_file(&file.path).expect("removed");
    fs::write(&aside, vec![9; BYTES / 2]).expect("a file");
    assert_eq!(to.begun(&ours).await.expect("asked"), 0);
    refusal(from.pass(&Passed { begun, ..file.clone() }, &to).await);
    assert!(!std::path::Path::new(&file.path).exists());
}

#[tokio::test]
async fn wrong_bytes_do_not_arrive() {
    let (sender, receiver, folder) = (Server::start(), Server::start(), tempfile::tempdir().expect("a folder"));
    let (file, mut bytes) = artifact(&folder);
    bytes[BYTES / 2] ^= 1;
    fs::write(&file.from, &bytes).expect("a file");
    let said = refusal(sender.ssh().pass(&file, &receiver.ssh()).await);
    assert!(said.contains("passing"), "{said}");
    assert!(!std::path::Path::new(&file.path).exists());
}

#[tokio::test]
async fn a_host_that_may_not_or_can_not_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, _) = artifact(&folder);
    let (forbids, receiver) = (Server::with("AllowAgentForwarding no"), Server::start());
    let said = refusal(forbids.ssh().pass(&file, &receiver.ssh()).await);
    assert!(said.contains("AllowAgentForwarding"), "{said}");
    let sender = Server::start();
    let gone = Passed { from: format!("{}-not", file.from), ..file.clone() };
    let said = refusal(sender.ssh().pass(&gone, &receiver.ssh()).await);
    assert!(said.contains("can not be read"), "{said}");
    assert!(!std::path::Path::new(&file.path).exists());
}

/// The key that the receiver shows to the sender must be the one that it has shown to us.
#[tokio::test]
async fn another_host_in_its_place_gets_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, _) = artifact(&folder);
    let (sender, mut receiver) = (Server::start(), Server::start());
    let to = receiver.ssh();
    sender.ssh().pass(&file, &to).await.expect("passed on");
    fs::remove_file(&file.path).expect("removed");
    receiver.replace_key();
    let said = refusal(sender.ssh().pass(&file, &to).await);
    assert!(!std::path::Path::new(&file.path).exists(), "{said}");
}
