//! The lock of a host over a connection that comes and goes.

use super::server::{Server, thaw};
use es_cluster::desired::Part;
use es_cluster::host::{Claim, Failure, Host as _};
use es_cluster::model::HostName;
use es_cluster::remote::{Machine, Ssh};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn machine(server: &Server) -> Machine<Ssh> {
    let none = Arc::new(|_: &Part| Err::<std::path::PathBuf, _>("no bundle".to_owned()));
    Machine::new(HostName::new("node1").unwrap(), Arc::new(server.ssh()), none)
}

fn claim(who: &str) -> Claim {
    Claim { who: who.to_owned(), why: "esapply".to_owned(), since: "2026-01-01T00:00:00Z".to_owned() }
}

async fn until(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(50);
    while !look().await {
        assert!(Instant::now() < end, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_had_again_after_a_cut_unless_somebody_else_has_had_it() {
    let server = Server::start();
    let prefix = server.at("prefix 'x'").display().to_string();
    let (one, two) = (machine(&server), machine(&server));
    let guard = one.lock(&prefix, &claim("one@a pid 1")).await.unwrap();
    let error = two.lock(&prefix, &claim("two@b pid 2")).await.err().unwrap();
    assert_eq!(error.kind, Failure::Locked);
    assert!(error.message.contains("one@a pid 1 (esapply) since 2026"), "{error}");
    server.cut();
    until("the cut", async || !guard.is_held()).await;
    assert!(guard.settled().await && guard.is_held());
    assert_eq!(two.lock(&prefix, &claim("two@b pid 2")).await.err().unwrap().kind, Failure::Locked);
    // Somebody else comes in between.
    std::fs::write(format!("{prefix}/run/lock.last"), "{\"who\":\"two\"}\n").unwrap();
    server.cut();
    until("the loss", async || !guard.is_held()).await;
    assert!(!guard.settled().await);
    until("the free lock", async || two.lock(&prefix, &claim("two@b pid 2")).await.is_ok()).await;
}

/// A controller that dies without a word: its end of the connection is gone, or nothing comes from it any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_controller_frees_its_lock_within_thirty_seconds() {
    let server = Server::start();
    let prefix = server.at("prefix").display().to_string();
    let two = machine(&server);
    for frozen in [false, true] {
        let guard = machine(&server).lock(&prefix, &claim("one@a pid 1")).await.unwrap();
        let began = Instant::now();
        let stopped = if frozen { server.freeze() } else { Vec::new() };
        if frozen {
            std::mem::forget(guard);
        } else {
            drop(guard);
        }
        // The other one has a connection of its own, which a frozen server child does not hold up.
        until("the free lock", async || two.lock(&prefix, &claim("two@b pid 2")).await.is_ok()).await;
        assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
        thaw(&stopped);
    }
}
