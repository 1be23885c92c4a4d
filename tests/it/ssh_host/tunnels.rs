//! Streams to what listens on a host, and what happens where the server forbids them.

use super::server::Server;
use es_cluster::remote::{Endpoint, Limits, Script, Ssh, Transport as _, TransportError};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const LIMITS: Limits = Limits { time: Duration::from_secs(20), stdout: 1 << 20 };

/// Answers everything that it is told with `echo: ` before it, once the other side has ended.
fn echo(mut stream: impl std::io::Read + std::io::Write) {
    let mut said = Vec::new();
    _ = stream.read_to_end(&mut said);
    _ = stream.write_all(&[b"echo: ", &said[..]].concat());
}

/// A port and a socket that echo, as long as the test runs.
fn services(folder: &std::path::Path) -> (Endpoint, Endpoint) {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    let path = folder.join("a socket's \"name\"");
    let unix = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || tcp.incoming().flatten().for_each(echo));
    std::thread::spawn(move || unix.incoming().flatten().for_each(echo));
    (Endpoint::Tcp("127.0.0.1".to_owned(), port), Endpoint::Unix(path.display().to_string()))
}

async fn ask(ssh: &Ssh, to: &Endpoint) -> Result<Vec<u8>, TransportError> {
    let mut stream = ssh.tunnel(to).await?;
    stream.write_all(b"hello").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_and_sockets_are_reached_and_absent_ones_say_so() {
    let server = Server::start();
    let ssh = server.ssh();
    let (tcp, unix) = services(&server.home());
    let gone = Endpoint::Unix(server.at("gone").display().to_string());
    // Before and after it is known that sockets can be reached at all.
    for _ in 0..2 {
        let kind =
            |error| if let TransportError::Io { source, .. } = error { source.kind() } else { panic!("{error}") };
        let absent = kind(ssh.tunnel(&gone).await.err().unwrap());
        assert!(matches!(absent, std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused));
        assert_eq!(ask(&ssh, &tcp).await.unwrap(), b"echo: hello");
        assert_eq!(ask(&ssh, &unix).await.unwrap(), b"echo: hello");
        let closed = Endpoint::Tcp("127.0.0.1".to_owned(), super::server::free_port());
        assert_eq!(kind(ssh.tunnel(&closed).await.err().unwrap()), std::io::ErrorKind::ConnectionRefused);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_forwarding_is_forbidden_a_program_on_the_host_passes_bytes_on() {
    for lines in ["AllowTcpForwarding no\nAllowStreamLocalForwarding no", "DisableForwarding yes"] {
        let server = Server::with(lines);
        let ssh = server.ssh();
        let (tcp, unix) = services(&server.home());
        assert_eq!(ask(&ssh, &tcp).await.unwrap(), b"echo: hello");
        assert_eq!(ask(&ssh, &unix).await.unwrap(), b"echo: hello");
        let closed = Endpoint::Tcp("127.0.0.1".to_owned(), super::server::free_port());
        assert!(matches!(ssh.tunnel(&closed).await, Err(TransportError::Io { .. })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_allows_few_sessions_is_not_asked_for_more() {
    let server = Server::with("MaxSessions 2");
    let ssh = std::sync::Arc::new(server.ssh());
    let all = (0..12).map(|number| {
        let ssh = std::sync::Arc::clone(&ssh);
        async move { ssh.exec(&Script::new(format!("sleep 0.1; echo {number}")), LIMITS).await.unwrap().stdout }
    });
    let said = futures::future::join_all(all).await;
    let wanted: Vec<Vec<u8>> = (0..12).map(|number| format!("{number}\n").into_bytes()).collect();
    assert_eq!(said, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_lives_until_its_input_ends() {
    let server = Server::start();
    let ssh = server.ssh();
    let ended = server.at("ended");
    let sh = format!("while read -r line; do echo \"got $line\"; done; echo end >'{}'", ended.display());
    let mut session = ssh.session(&sh).await.unwrap();
    session.stdin.write_all(b"one\n").await.unwrap();
    let mut line = [0; 8];
    session.stdout.read_exact(&mut line).await.unwrap();
    assert_eq!(&line, b"got one\n");
    drop(session);
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while !ended.exists() {
        assert!(std::time::Instant::now() < until, "it goes on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
