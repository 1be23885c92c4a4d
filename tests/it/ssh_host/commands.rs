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

/// What a host's users have as login shells, as the server starts them; one greets everybody who comes.
#[tokio::test(flavor = "multi_thread")]
async fn every_login_shell_understands_how_a_script_is_started() {
    let shells = ["dash", "bash", "busybox ash", "fish", "zsh", "ksh", "tcsh"];
    let needed = &shells[..3];
    for shell in shells {
        let program = shell.split(' ').next().unwrap();
        let found = std::process::Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
        if !found.status.success() {
            assert!(!needed.contains(&shell), "apt-get install {program}");
            continue;
        }
        let server = Server::with(&format!("ForceCommand exec {shell} -c \"$SSH_ORIGINAL_COMMAND\""));
        let script = Script::with_stdin("cat; printf ' %s' \"$0\" \"$LC_ALL\"; pwd", b"in".to_vec());
        let output = server.ssh().exec(&script, LIMITS).await.unwrap_or_else(|error| panic!("{shell}: {error}"));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "in /bin/sh C/\n", "{shell}");
    }
    let noisy = Server::with("ForceCommand echo; echo \"welcome @es- back\"; sh -c \"$SSH_ORIGINAL_COMMAND\"");
    assert_eq!(noisy.ssh().exec(&Script::new("echo here"), LIMITS).await.unwrap().stdout, b"here\n");
    let closed = Server::with("ForceCommand echo 'go \u{1b}[2J away'; exit 1");
    let why = closed.ssh().exec(&Script::new("echo here"), LIMITS).await.unwrap_err().to_string();
    assert!(why.contains("no shell starts there") && why.contains("away") && !why.contains('\u{1b}'), "{why}");
}

/// Nobody on the host reads a script, or what goes into it, in its list of processes.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_script_stands_in_a_command_line() {
    let server = Server::start();
    let sh = "x='a secret''-word'; cat >/dev/null; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -c '[s]ecret-word\\|a.[s]ecret'";
    let output = server.ssh().exec(&Script::with_stdin(sh, b"a secret-word".to_vec()), LIMITS).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n");
}
