//! Connections that end in the middle.

use super::server::Server;
use es_cluster::remote::{Limits, Script, Transport as _, TransportError};
use std::time::{Duration, Instant};

const LIMITS: Limits = Limits { time: Duration::from_secs(20), stdout: 1 << 20 };

async fn until_there(path: &std::path::Path) {
    let until = Instant::now() + Duration::from_secs(10);
    while !path.exists() {
        assert!(Instant::now() < until, "{} never came", path.display());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cut_off_is_not_repeated_unless_it_only_looks_and_the_next_request_reconnects() {
    let server = Server::start();
    let ssh = std::sync::Arc::new(server.ssh());
    for repeatable in [false, true] {
        let began = server.at(&format!("began-{repeatable}"));
        let sh = format!(
            "echo once >>'{0}'; while [ $(wc -l <'{0}') -lt 2 ]; do sleep 0.05; done; echo twice",
            began.display()
        );
        let script = Script { repeatable, ..Script::new(sh) };
        let running = tokio::spawn({
            let ssh = std::sync::Arc::clone(&ssh);
            async move { ssh.exec(&script, LIMITS).await }
        });
        until_there(&began).await;
        server.cut();
        let ended = running.await.unwrap();
        if repeatable {
            assert_eq!(ended.unwrap().stdout, b"twice\n");
        } else {
            assert!(matches!(ended, Err(TransportError::Lost { .. })), "{ended:?}");
            assert_eq!(std::fs::read_to_string(&began).unwrap(), "once\n");
            // Lets the one that was left behind end.
            std::fs::write(&began, "once\ntwice\n").unwrap();
        }
    }
    assert_eq!(ssh.exec(&Script::new("echo again"), LIMITS).await.unwrap().stdout, b"again\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_is_waited_for() {
    let mut server = Server::start();
    let ssh = server.ssh();
    assert_eq!(ssh.exec(&Script::new("echo one"), LIMITS).await.unwrap().stdout, b"one\n");
    server.restart();
    assert_eq!(ssh.exec(&Script::new("echo two"), LIMITS).await.unwrap().stdout, b"two\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_behind_is_ended_before_anything_else_is_done() {
    let server = Server::start();
    let ssh = std::sync::Arc::new(server.ssh());
    let (began, ended) = (server.at("began"), server.at("ended"));
    let sh = format!("echo $$ >'{}'; sleep 30; echo >'{}'", began.display(), ended.display());
    let running = tokio::spawn({
        let ssh = std::sync::Arc::clone(&ssh);
        async move { ssh.exec(&Script::new(sh), LIMITS).await }
    });
    until_there(&began).await;
    server.cut();
    assert!(matches!(running.await.unwrap(), Err(TransportError::Lost { .. })));
    let pid = std::fs::read_to_string(&began).unwrap();
    let lives = || std::path::Path::new("/proc").join(pid.trim()).exists();
    assert!(lives(), "a cut connection ends nothing by itself");
    let sh = Script::new(format!("kill -s 0 {} 2>/dev/null || echo gone", pid.trim()));
    assert_eq!(ssh.exec(&sh, LIMITS).await.unwrap().stdout, b"gone\n");
    assert!(!lives() && !ended.exists());
}

/// A cable that is cut: nothing is refused, and nothing arrives.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_falls_silent_is_given_up_within_the_limit_and_had_again_when_it_comes_back() {
    let server = Server::start();
    std::fs::write(server.at("home/.ssh/config"), "ServerAliveInterval 1\nServerAliveCountMax 1\n").unwrap();
    let ssh = server.ssh();
    assert_eq!(ssh.exec(&Script::new("echo one"), LIMITS).await.unwrap().stdout, b"one\n");
    let frozen = server.freeze();
    let began = Instant::now();
    let error = ssh.exec(&Script::new("echo two"), LIMITS).await.unwrap_err();
    super::server::thaw(&frozen);
    assert!(error.to_string().contains("has not answered for a while"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(ssh.exec(&Script::new("echo three"), LIMITS).await.unwrap().stdout, b"three\n");
}
