//! Scripts over SSH: what goes in, what comes out, how they end.

use super::server::Server;
use es_cluster::remote::{Limits, Script, Transport as _, TransportError};
use std::time::{Duration, Instant};

const LIMITS: Limits = Limits { time: Duration::from_secs(20), stdout: 1 << 20 };

#[tokio::test(flavor = "multi_thread")]
async fn a_script_gets_its_input_and_answers_with_status_and_output() {
    let server = Server::start();
    let ssh = server.ssh();
    let script = Script::with_stdin("cat; echo err >&2; exit 7", b"in\0put".to_vec());
    let output = ssh.exec(&script, LIMITS).await.unwrap();
    assert_eq!((output.status, &output.stdout[..], &output.stderr[..]), (Some(7), &b"in\0put"[..], &b"err\n"[..]));
    let long = format!("# {}\nprintf %s \"$#\"", "x".repeat(300_000));
    let output = ssh.exec(&Script::with_stdin(long, vec![b'x'; 300_000]), LIMITS).await.unwrap();
    assert_eq!((output.status, &output.stdout[..]), (Some(0), &b"0"[..]));
    let output = ssh.exec(&Script::new("kill -TERM $$"), LIMITS).await.unwrap();
    assert_eq!(output.status, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn output_without_end_is_an_error_and_time_ends_everything_that_was_started() {
    let server = Server::start();
    let ssh = server.ssh();
    let error = ssh.exec(&Script::new("yes"), LIMITS).await.unwrap_err();
    assert!(matches!(error, TransportError::TooMuch { .. }), "{error}");
    let beside = server.at("pids");
    let script = format!("(sleep 600 & echo $! >{0}; echo $$ >>{0}; wait)", beside.display());
    let limits = Limits { time: Duration::from_secs(4), ..LIMITS };
    let error = ssh.exec(&Script::new(script), limits).await.unwrap_err();
    assert!(matches!(error, TransportError::TimedOut { .. }), "{error}");
    let pids = std::fs::read_to_string(beside).unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    let lives = |pid: &str| std::path::Path::new("/proc").join(pid).exists();
    while pids.lines().any(lives) {
        assert!(Instant::now() < until, "still there: {pids}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
