//! Everything that a host is asked and told, in the shells that hosts have.

use super::lab::{Lab, rendered};
use super::strangers::taken_over;
use async_trait::async_trait;
use es_cluster::host::Op;
use es_cluster::inventory::ProcessObservation;
use es_cluster::model::sh_quote;
use es_cluster::remote::{Endpoint, Limits, Local, Output, Put, Script, Session, Stream, Transport, TransportError};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// This machine, with another shell than `/bin/sh`: the words that start it, or nothing for `/bin/sh`.
pub(super) struct In {
    pub(super) shell: String,
    /// How many bytes of its input a script gets before whoever sends it is gone; all of them usually.
    pub(super) cut_at: Arc<AtomicUsize>,
}

impl In {
    pub(super) fn shell(shell: &str) -> Self {
        Self { shell: shell.to_owned(), cut_at: Arc::new(AtomicUsize::new(usize::MAX)) }
    }

    fn wrapped(&self, sh: &str) -> String {
        if self.shell.is_empty() { sh.to_owned() } else { format!("exec {} -c {}", self.shell, sh_quote(sh)) }
    }
}

#[async_trait]
impl Transport for In {
    async fn exec(&self, script: &Script, limits: Limits) -> Result<Output, TransportError> {
        let mut script = Script { sh: self.wrapped(&script.sh), ..script.clone() };
        script.stdin.truncate(self.cut_at.load(Ordering::Relaxed));
        Local.exec(&script, limits).await
    }

    async fn session(&self, sh: &str) -> Result<Session, TransportError> {
        Local.session(&self.wrapped(sh)).await
    }

    async fn put(&self, put: &Put) -> Result<(), TransportError> {
        Local.put(put).await
    }

    async fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, TransportError> {
        Local.read(path, limit).await
    }

    async fn tunnel(&self, to: &Endpoint) -> Result<Box<dyn Stream>, TransportError> {
        Local.tunnel(to).await
    }
}

/// Prepares, assembles, renders, switches, starts, looks, stops.
async fn a_life(shell: &str) {
    let mut lab = Lab::in_shell("life", shell);
    let software = lab.software("thing-1.0-0123456789ab", &[("bin/run", 0o755, "#!/bin/sh\n"), ("a b'c", 0o644, "x")]);
    let service = "trap 'exit 0' TERM\nwhile :; do sleep 600 & wait $! || :; done";
    let one = lab.instance("one", service, vec![rendered("a file", "it's\n", 0o640)]);
    lab.prepare(&[&one], &[]).await.expect("prepared");
    let host = || Arc::clone(&lab.host);
    lab.run(Op::Fetch { host: host(), software: Arc::clone(&software) }).await.expect("fetched");
    lab.run(Op::Assemble { host: host(), software: Arc::clone(&software) }).await.expect("assembled");
    lab.switch(&one).await;
    lab.run(Op::Supervise { host: host() }).await.expect("supervised");
    lab.start(&one).await.expect("started");
    for verify in [false, true] {
        let seen = lab.look(&[&one], verify).await;
        assert!(seen.prepared && seen.memory > 0 && seen.debris.is_empty(), "{shell}: {seen:#?}");
        assert_eq!(format!("{:?}", seen.software.values().collect::<Vec<_>>()), "[Intact]", "{shell}");
        let seen = &seen.instances["one"];
        assert_eq!(seen.current, Some(one.content_generation), "{shell}");
        assert!(seen.files.len() >= 3 && matches!(seen.process, ProcessObservation::Running(_)), "{shell}: {seen:#?}");
    }
    std::fs::write(lab.path("software").join(&software.folder).join("a b'c"), "y").expect("damaged");
    let seen = lab.look(&[&one], false).await;
    assert!(format!("{:?}", seen.software).contains("Damaged"), "{shell}: {:?}", seen.software);
    lab.stop(&one).await.expect("stopped");
    lab.run(Op::Collect { host: host(), keep: std::collections::BTreeSet::new() }).await.expect("collected");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shells_of_hosts_all_do() {
    for shell in ["dash", "bash", "bash --posix"] {
        a_life(shell).await;
        taken_over(shell).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_has_only_busybox_does() {
    let programs = tempfile::tempdir().expect("folder");
    let installed = Command::new("busybox").args(["--install", "-s"]).arg(programs.path()).status();
    assert!(installed.expect("busybox: apt-get install busybox").success());
    // What a small system has besides, and what starts the supervisor of this test.
    for program in ["busybox", "flock", "python3", "setpriv"] {
        let path = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(program));
        let found = path.iter().find(|path| path.exists()).expect("a program");
        _ = std::fs::remove_file(programs.path().join(program));
        std::os::unix::fs::symlink(found, programs.path().join(program)).expect("a link");
    }
    let shell = format!("env PATH={} busybox ash", programs.path().display());
    a_life(&shell).await;
    taken_over(&shell).await;
}
