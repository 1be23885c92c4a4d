//! Files to a host.

use super::server::Server;
use es_cluster::model::Digest;
use es_cluster::remote::{Bytes, Put, Transport as _, TransportError};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
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
    let before = inode(&aside);
    ssh.put(&put(&path, &bytes)).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    assert_eq!(inode(&path), before);
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

fn inode(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().ino()
}

/// Waits until a part of the file is there; gives its inode.
async fn in_the_middle(path: &Path, aside: &Path) -> u64 {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        match std::fs::metadata(aside) {
            Ok(meta) if meta.len() > 1 << 20 => return meta.ino(),
            _ => assert!(Instant::now() < until && !path.exists(), "it was not seen in the middle"),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
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
    let before = in_the_middle(&path, &aside).await;
    server.cut();
    running.await.unwrap().unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    assert_eq!(inode(&path), before, "sent anew");
}

/// The controller dies in the middle, and another one goes on.
#[tokio::test(flavor = "multi_thread")]
async fn another_run_goes_on_where_the_last_one_stopped() {
    let server = Server::start();
    let (path, aside) = (server.home().join("file"), server.home().join(".tmp-file"));
    let bytes: Vec<u8> = (0..16_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let running = tokio::spawn({
        let (first, put) = (server.ssh(), put(&path, &bytes));
        async move { first.put(&put).await }
    });
    let before = in_the_middle(&path, &aside).await;
    running.abort();
    _ = running.await;
    server.ssh().put(&put(&path, &bytes)).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    assert_eq!(inode(&path), before, "sent anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_has_gone_on_with_for_a_week_is_thrown_away() {
    let server = Server::start();
    let (path, aside) = (server.home().join("file"), server.home().join(".tmp-file"));
    let bytes = vec![7; 3 << 20];
    for (days, kept) in [(6, true), (8, false)] {
        std::fs::write(&aside, &bytes[..1 << 20]).unwrap();
        let then = std::time::SystemTime::now() - Duration::from_secs(days * 24 * 3600);
        std::fs::File::options().append(true).open(&aside).unwrap().set_modified(then).unwrap();
        // Kept open, so that its inode is not used again.
        let _open = std::fs::File::open(&aside).unwrap();
        let before = inode(&aside);
        server.ssh().put(&put(&path, &bytes)).await.unwrap();
        assert_eq!(inode(&path) == before, kept, "{days} days");
        assert!(std::fs::read(&path).unwrap() == bytes);
    }
}

/// A host that says that the beginning is right, and it is not: the digest of the whole decides.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_wrong_about_the_beginning_gets_the_file_anew() {
    let bytes = vec![7; 3 << 20];
    let lie = Digest::of(&bytes[..1 << 20]);
    let folder = tempfile::tempdir().unwrap();
    let (program, once) = (folder.path().join("sha256sum"), folder.path().join("once"));
    let text = format!(
        "#!/bin/sh\nif mkdir '{}' 2>/dev/null; then echo '{lie}  -'; else exec /usr/bin/sha256sum \"$@\"; fi\n",
        once.display()
    );
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().display();
    let server = Server::with(&format!("ForceCommand PATH={path}:$PATH exec /bin/sh -c \"$SSH_ORIGINAL_COMMAND\""));
    let (path, aside) = (server.home().join("file"), server.home().join(".tmp-file"));
    std::fs::write(&aside, vec![9; 1 << 20]).unwrap();
    server.ssh().put(&put(&path, &bytes)).await.unwrap();
    assert!(once.exists(), "it was asked");
    assert!(std::fs::read(&path).unwrap() == bytes);
}
