//! What only looks at a host, over a connection that ends in the middle.

use super::server::Server;
use crate::local_host::lab::Lab;
use es_cluster::desired::Part;
use es_cluster::host::{Host as _, Life};
use es_cluster::remote::{Machine, Ssh};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A server on which a program stands still the first time it is called.
fn stalling(folder: &Path, program: &str) -> Server {
    let (path, came) = (folder.join(program), folder.join("came"));
    let text = format!(
        "#!/bin/sh\nif mkdir '{}' 2>/dev/null; then sleep 60; fi\nPATH=${{PATH#*:}}\nexec {program} \"$@\"\n",
        came.display()
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let folder = folder.display();
    Server::with(&format!("ForceCommand PATH={folder}:$PATH exec /bin/sh -c \"$SSH_ORIGINAL_COMMAND\""))
}

fn machine(server: &Server, lab: &Lab) -> Arc<Machine<Ssh>> {
    let none = Arc::new(|_: &Part| Err::<std::path::PathBuf, _>("no bundle".to_owned()));
    Arc::new(Machine::new(lab.host.name.clone(), Arc::new(server.ssh()), none))
}

async fn until_there(path: &Path) {
    let until = Instant::now() + Duration::from_secs(20);
    while !path.exists() {
        assert!(Instant::now() < until, "{} never came", path.display());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_lines_of_a_log_come_although_the_connection_ends_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let (server, lab) = (stalling(folder.path(), "tail"), Lab::new("host"));
    let instance = lab.instance("thing", "sleep 1", Vec::new());
    std::fs::create_dir_all(lab.path("log/thing")).unwrap();
    std::fs::write(lab.path("log/thing/console.log"), "one\ntwo\n").unwrap();
    let tail = tokio::spawn({
        let (machine, instance) = (machine(&server, &lab), Arc::clone(&instance));
        async move { machine.tail(&instance, 1).await }
    });
    until_there(&folder.path().join("came")).await;
    server.cut();
    let lines = tail.await.unwrap().unwrap();
    assert_eq!(lines.last().map(String::as_str), Some("two"), "{lines:?}");
}

/// The record is a pipe that nobody writes to, until there is a real one.
#[tokio::test(flavor = "multi_thread")]
async fn how_a_process_is_doing_is_asked_again_after_a_cut() {
    let (server, lab) = (Server::start(), Lab::new("host"));
    let instance = lab.instance("thing", "sleep 1", Vec::new());
    let (record, text) = (lab.path("run/thing.proc"), record_of_this_test());
    std::fs::create_dir_all(lab.path("run")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&record).status().unwrap().success());
    let life = tokio::spawn({
        let (machine, instance) = (machine(&server, &lab), Arc::clone(&instance));
        async move { machine.life(&instance).await }
    });
    // A pipe can be opened for writing without waiting as soon as somebody reads it.
    let reader = || {
        let open = rustix::fs::open(
            &record,
            rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NONBLOCK,
            rustix::fs::Mode::empty(),
        );
        open.ok()
    };
    let until = Instant::now() + Duration::from_secs(20);
    let held = loop {
        if let Some(held) = reader() {
            break held;
        }
        assert!(Instant::now() < until, "it was never read");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    std::fs::rename(&record, lab.path("run/pipe")).unwrap();
    std::fs::write(&record, text).unwrap();
    server.cut();
    let life = life.await.unwrap();
    drop(held);
    assert!(matches!(&life, Ok(Life::Running { pid, .. }) if *pid == std::process::id()), "{life:?}");
}

/// A record as a launcher writes it, of a process that surely runs.
fn record_of_this_test() -> String {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let start = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().to_owned();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let generation = es_cluster::model::Digest::of(b"generation");
    let pid = std::process::id();
    format!("pid={pid}\nstart_time={start}\nboot_id={}\nrestart_generation={generation}\n", boot.trim())
}
