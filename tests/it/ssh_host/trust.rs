//! Who is trusted, and whom the host lets in (B6 of the issue).

use super::server::{Server, free_port, keygen, user};
use es_cluster::model::SshOptions;
use es_cluster::remote::{Limits, Script, Ssh, SshHosts, Transport as _, TransportError};
use std::process::{Command, Stdio};
use std::time::Duration;

const LIMITS: Limits = Limits { time: Duration::from_secs(20), stdout: 1 << 20 };

/// A program that ends with the test, however that ends.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

async fn answers(ssh: &Ssh) -> Result<(), String> {
    let output = ssh.exec(&Script::new("echo here"), LIMITS).await.map_err(|error| error.to_string())?;
    assert_eq!(output.stdout, b"here\n");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_is_refused_and_taken_down_only_when_asked_to() {
    let server = Server::start();
    std::fs::remove_file(server.known_hosts()).unwrap();
    let why = answers(&server.ssh()).await.unwrap_err();
    let scan = format!("ssh-keyscan -p {} 127.0.0.1 >>{}", server.port, server.known_hosts().display());
    assert!(why.contains("its key is not known: ssh-ed25519 SHA256:") && why.contains(&scan), "{why}");
    assert!(!server.known_hosts().exists());
    let asked = SshOptions { accept_new: Some(true), ..server.options() };
    answers(&server.ssh_with(&asked)).await.unwrap();
    let known = std::fs::read_to_string(server.known_hosts()).unwrap();
    assert!(known.starts_with(&format!("[127.0.0.1]:{} ssh-ed25519 ", server.port)), "{known}");
    answers(&server.ssh()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_key_is_refused_with_its_place_even_when_new_ones_are_accepted() {
    let server = Server::start();
    keygen(&server.at("other"), &["-t", "ed25519", "-N", ""]);
    let key = std::fs::read_to_string(server.at("other.pub")).unwrap();
    std::fs::write(server.known_hosts(), format!("# mine\n[127.0.0.1]:{} {key}", server.port)).unwrap();
    let asked = SshOptions { accept_new: Some(true), ..server.options() };
    for options in [server.options(), asked] {
        let why = answers(&server.ssh_with(&options)).await.unwrap_err();
        let place = format!("its key has CHANGED: {}:2 has SHA256:", server.known_hosts().display());
        assert!(why.contains(&place) && why.contains("ssh-keygen -R"), "{why}");
    }
    // The host has no key of the kind that it is known by.
    keygen(&server.at("ecdsa"), &["-t", "ecdsa", "-N", ""]);
    let key = std::fs::read_to_string(server.at("ecdsa.pub")).unwrap();
    std::fs::write(server.known_hosts(), format!("[127.0.0.1]:{} {key}", server.port)).unwrap();
    let why = answers(&server.ssh()).await.unwrap_err();
    assert!(why.contains("no key of a kind that it is known by") && why.contains("known_hosts:1"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_with_several_keys_is_verified_by_the_one_that_is_known() {
    let mut server = Server::start();
    for kind in ["ecdsa", "rsa"] {
        keygen(&server.at(kind), &["-t", kind, "-N", ""]);
        let config = server.at("config");
        let lines = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, format!("{lines}HostKey {}\n", server.at(kind).display())).unwrap();
        server.restart();
        let key = std::fs::read_to_string(server.at(&format!("{kind}.pub"))).unwrap();
        std::fs::write(server.known_hosts(), format!("[127.0.0.1]:{} {key}", server.port)).unwrap();
        answers(&server.ssh()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_or_absent_identity_says_what_was_tried() {
    let server = Server::start();
    keygen(&server.at("wrong"), &["-t", "ed25519", "-N", ""]);
    let identity =
        |name: &str| SshOptions { identity: Some(server.at(name).display().to_string()), ..server.options() };
    let why = answers(&server.ssh_with(&identity("wrong"))).await.unwrap_err();
    assert!(why.contains("refuses our keys") && why.contains("/wrong (ssh-ed25519 SHA256:"), "{why}");
    let why = answers(&server.ssh_with(&identity("absent"))).await.unwrap_err();
    assert!(why.contains("there is no key to show") && why.contains("/absent"), "{why}");
    let nobody = SshOptions { user: Some("nobody-there".to_owned()), ..server.options() };
    assert!(answers(&server.ssh_with(&nobody)).await.unwrap_err().contains("nobody-there@127.0.0.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_key_is_accepted() {
    for words in
        [&["-t", "rsa", "-b", "2048", "-N", ""][..], &["-t", "ecdsa", "-N", ""], &["-t", "rsa", "-m", "PEM", "-N", ""]]
    {
        answers(&Server::with_key(words, "").ssh()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_key_is_used_through_the_agent_and_names_it_when_there_is_none() {
    let server = Server::start();
    let plain = server.at("id");
    let socket = server.at("agent");
    let agent = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn();
    let agent = Ended(agent.expect("ssh-agent"));
    let add =
        || Command::new("ssh-add").arg("-q").arg(&plain).env("SSH_AUTH_SOCK", &socket).stderr(Stdio::null()).status();
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while !add().expect("ssh-add").success() {
        assert!(std::time::Instant::now() < until, "the agent takes no key");
        std::thread::sleep(Duration::from_millis(20));
    }
    let locked = Command::new("ssh-keygen").args(["-q", "-p", "-N", "secret", "-f"]).arg(&plain).status().unwrap();
    assert!(locked.success());
    let of = |agent| SshHosts::of(&server.home(), &user(), agent, &server.home()).unwrap();
    let ssh = of(Some(socket)).host("node1", "127.0.0.1", &server.options()).unwrap();
    answers(&ssh).await.unwrap();
    drop(agent);
    // Without a terminal nobody can be asked; with one the test would ask whoever runs it.
    if std::fs::File::open("/dev/tty").is_err() {
        let ssh = of(None).host("node1", "127.0.0.1", &server.options()).unwrap();
        let why = answers(&ssh).await.unwrap_err();
        assert!(why.contains("is encrypted") && why.contains("ssh-add"), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_configuration_leads_to_a_host_through_others() {
    let (edge, inner) = (Server::start(), Server::start());
    let identity = |server: &Server| server.at("id").display().to_string();
    let config = format!(
        "Host edge\nHostName 127.0.0.1\nPort {}\nIdentityFile {}\nIdentitiesOnly yes\n\
         Host node1\nHostName 127.0.0.1\nPort {}\nIdentityFile {}\nProxyJump edge\n\
         Host *\nUser {}\nUserKnownHostsFile {} {}\n",
        edge.port,
        identity(&edge),
        inner.port,
        identity(&inner),
        user(),
        edge.known_hosts().display(),
        inner.known_hosts().display()
    );
    std::fs::write(edge.at("home/.ssh/config"), config).unwrap();
    let ssh = edge.hosts().host("node1", "10.255.255.1", &SshOptions::default()).unwrap();
    answers(&ssh).await.unwrap();
    assert!(edge.log().contains("Accepted publickey") && inner.log().contains("Accepted publickey"));
    // The jump host is judged, too.
    keygen(&edge.at("other"), &["-t", "ed25519", "-N", ""]);
    let key = std::fs::read_to_string(edge.at("other.pub")).unwrap();
    std::fs::write(edge.known_hosts(), format!("[127.0.0.1]:{} {key}", edge.port)).unwrap();
    let ssh = edge.hosts().host("node1", "10.255.255.1", &SshOptions::default()).unwrap();
    let why = answers(&ssh).await.unwrap_err();
    assert!(why.contains("the jump host 127.0.0.1") && why.contains("CHANGED"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_do_not_answer_say_what_was_seen_and_what_to_do() {
    let server = Server::start();
    let limit = Some(Duration::from_secs(1));
    let at = |port| SshOptions { port: Some(port), connect_timeout: limit, ..server.options() };
    let why = |error: Result<(), String>| error.unwrap_err();
    let refused = why(answers(&server.ssh_with(&at(free_port()))).await);
    assert!(refused.contains("refuses connections: does sshd run there"), "{refused}");
    // The port is open, and nobody speaks.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let hung = why(answers(&server.ssh_with(&at(port))).await);
    assert!(hung.contains("took the connection and said nothing within 1 s"), "{hung}");
    // Somebody speaks something else, with escapes in it.
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in other.incoming().take(1).flatten() {
            _ = std::io::Write::write_all(&mut &stream, b"SSH-1.5-\x1b[2J\r\n");
            // Open until the other side has had enough of it.
            _ = std::io::Read::read_to_end(&mut &stream, &mut Vec::new());
        }
    });
    let odd = why(answers(&server.ssh_with(&at(port))).await);
    assert!(!odd.contains('\x1b') && odd.contains(&format!("127.0.0.1:{port}")), "{odd}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_says_is_shown_without_its_escapes() {
    let server = Server::with("Banner none");
    let banner = server.at("banner");
    std::fs::write(&banner, "go \x1b[2J away\n").unwrap();
    let mut server = server;
    let config = server.at("config");
    let lines = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, lines.replace("Banner none", &format!("Banner {}", banner.display()))).unwrap();
    server.restart();
    keygen(&server.at("wrong"), &["-t", "ed25519", "-N", ""]);
    let wrong = SshOptions { identity: Some(server.at("wrong").display().to_string()), ..server.options() };
    let why = answers(&server.ssh_with(&wrong)).await.unwrap_err();
    assert!(why.contains("go ") && why.contains("away") && !why.contains('\x1b'), "{why}");
    let refused = TransportError::Unreachable { why };
    assert!(refused.to_string().starts_with("it can't be reached: "));
}
