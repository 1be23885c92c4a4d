//! Files to a host.

use super::server::Server;
use es_cluster::model::Digest;
use es_cluster::remote::{Bytes, Put, Transport as _, TransportError};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

fn put(path: &Path, bytes: &[u8]) -> Put {
    let from = Bytes::Given(bytes.to_vec());
    Put { from, path: path.display().to_string(), mode: 0o640, sha256: Digest::of(bytes) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_arrives_whole_with_its_mode_under_any_name() {
    let server = Server::start();
    let ssh = server.ssh();
    let folder = server.at("a 'folder' with\na \"line\" $(touch x)");
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("-a file; rm *");
    for bytes in [&b""[..], b"small\0bytes", &vec![7; 3 << 20]] {
        ssh.put(&put(&path, bytes)).await.unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(ssh.read(path.to_str().unwrap(), 4 << 20).await.unwrap().unwrap(), bytes);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    }
    assert!(matches!(ssh.read(path.to_str().unwrap(), 100).await, Err(TransportError::TooMuch { .. })));
    assert_eq!(ssh.read(server.at("gone").to_str().unwrap(), 100).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bytes_and_absent_folders_leave_nothing_behind() {
    let server = Server::start();
    let ssh = server.ssh();
    let path = server.home().join("file");
    for bytes in [vec![1; 100], vec![1; 1 << 20]] {
        let wrong = Put { sha256: Digest::of(b"other"), ..put(&path, &bytes) };
        let error = ssh.put(&wrong).await.unwrap_err();
        assert!(matches!(error, TransportError::WrongBytes { .. }), "{error}");
        assert!(!path.exists() && !server.home().join(".tmp-file").exists());
    }
    let error = ssh.put(&put(&server.at("no/folder/file"), b"x")).await.unwrap_err();
    assert!(error.to_string().starts_with("writing ") && !error.to_string().contains("did not say why"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_already_is_verified_and_not_sent_again() {
    let server = Server::start();
    let ssh = server.ssh();
    let path = server.home().join("file");
    let aside = server.home().join(".tmp-file");
    let bytes: Vec<u8> = (0..2_000_000_u32).flat_map(u32::to_le_bytes).collect();
    // A right beginning is kept: the file that it is in stays the same.
    std::fs::write(&aside, &bytes[..5_000_001]).unwrap();
    let inode = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&aside).unwrap());
    ssh.put(&put(&path, &bytes)).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    assert_eq!(std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&path).unwrap()), inode);
    // A wrong one, one that is too long, and a link to somewhere else are not.
    let elsewhere = server.home().join("elsewhere");
    std::fs::write(&elsewhere, "mine").unwrap();
    std::fs::write(&aside, vec![9; 5_000_000]).unwrap();
    ssh.put(&put(&path, &bytes)).await.unwrap();
    std::fs::write(&aside, vec![9; 9_000_000]).unwrap();
    ssh.put(&put(&path, &bytes)).await.unwrap();
    std::os::unix::fs::symlink(&elsewhere, &aside).unwrap();
    ssh.put(&put(&path, &bytes)).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_is_cut_off_goes_on_where_it_stopped() {
    let server = Server::start();
    let ssh = std::sync::Arc::new(server.ssh());
    let path = server.home().join("file");
    let aside = server.home().join(".tmp-file");
    let bytes: Vec<u8> = (0..16_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let put = put(&path, &bytes);
    let running = tokio::spawn({
        let ssh = std::sync::Arc::clone(&ssh);
        async move { ssh.put(&put).await }
    });
    let there = || std::fs::metadata(&aside).ok().map(|meta| (std::os::unix::fs::MetadataExt::ino(&meta), meta.len()));
    let until = Instant::now() + Duration::from_secs(20);
    let inode = loop {
        match there() {
            Some((inode, length)) if length > 1 << 20 => break inode,
            _ => assert!(Instant::now() < until && !path.exists(), "it was not seen in the middle"),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    server.cut();
    running.await.unwrap().unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    assert_eq!(std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&path).unwrap()), inode, "sent anew");
}
