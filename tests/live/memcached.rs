//! A real cache, whose module was written from the pages alone (`docs/modules.md`, "A first module").

use crate::lab::{Lab, until};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

const CLUSTER: &str = r#"
cluster "{cluster}" { user "es_cluster"; supervisor "supervisord"; }
versions { supervisord "4.3.0"; libevent "2.1.12"; memcached "1.6.18"; }
rollout { canary 1 soak="1s"; batch 1; on-failure "rollback"; }
hosts { "node[1-2]" address="{network}.[1-2]" transport="local"; }
roles { memcached on="node[1-2]" { memory "32m"; connections 100; }; }
"#;

/// Sends commands, and `quit`; gives all that is answered.
fn say(lab: &Lab, host: u8, commands: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((lab.address(host), 11211))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(format!("{commands}\r\nquit\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn pids(lab: &Lab) -> [u32; 2] {
    ["node1", "node2"].map(|host| lab.pid("memcached", host))
}

#[track_caller]
fn has(lab: &Lab, commands: &str, what: &str) {
    for host in [1, 2] {
        let answer = say(lab, host, commands).expect("an answer");
        assert!(answer.contains(what), "node{host}: {answer}");
    }
}

#[test]
fn a_cache_is_converged_changed_one_by_one_and_asked_in_its_own_words() {
    let lab = Lab::new("memcached", CLUSTER);
    lab.esplan(&["lock"]).expect(0);
    lab.esapply(&[]).expect(0);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
    has(&lab, "set a 0 0 5\r\nhello\r\nget a", "VALUE a 0 5\r\nhello");
    has(&lab, "stats settings", "STAT maxbytes 33554432\r\n");
    assert!(lab.esplan(&["status"]).expect(0).text().contains("2 items"), "of both, together");
    for (pid, host) in pids(&lab).into_iter().zip(["node1", "node2"]) {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("it runs");
        let own = lab.prefix(host).join("software/libevent-2.1.12").display().to_string();
        let loaded: Vec<&str> = maps.lines().filter(|line| line.contains("/libevent")).collect();
        assert!(
            !loaded.is_empty() && loaded.iter().all(|line| line.contains(&own)),
            "{host} lends nothing: {loaded:?}"
        );
    }
    changed(&lab);
    refused(&lab);
    full(&lab);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}

/// Each restarts once, and somebody answers all the time.
fn changed(lab: &Lab) {
    let before = pids(lab);
    lab.edit("connections 100;", "connections 64; idle \"2m\";");
    let mut apply = lab.command("esapply", &["--yes", "--quiet"]).spawn().expect("esapply");
    until("the run", Duration::from_mins(1), || {
        assert!([1, 2].into_iter().any(|host| say(lab, host, "version").is_ok()), "nobody serves");
        apply.try_wait().expect("a child").is_some()
    });
    assert!(apply.wait().expect("a child").success());
    has(lab, "stats settings", "STAT maxconns 64\r\n");
    has(lab, "stats settings", "STAT idle_timeout 120\r\n");
    let after = pids(lab);
    assert!(before.iter().zip(&after).all(|(old, new)| old != new), "{before:?} {after:?}");
    lab.esplan(&["--detailed-exitcode"]).expect(0);
    assert_eq!(pids(lab), after);
}

/// What the program would not start with is found before anything is stopped.
fn refused(lab: &Lab) {
    let before = pids(lab);
    let mistakes = [
        ("threads 100;", "1 to 64"),
        ("threads 5;", "connections >= threads * 8 + 32"),
        ("item-max \"17m\";", "item_max * 2 <= memory"),
    ];
    for (wrong, said) in mistakes {
        lab.edit("memory \"32m\";", &format!("memory \"32m\"; {wrong}"));
        let refused = lab.esapply(&[]).expect(1).text();
        assert!(refused.contains(said), "{refused}");
        lab.edit(&format!(" {wrong}"), "");
    }
    assert_eq!(pids(lab), before, "untouched");
}

/// One that lets nobody in any more runs, and is not healthy.
fn full(lab: &Lab) {
    let clients: Vec<TcpStream> =
        (0..80).map(|_| TcpStream::connect((lab.address(2), 11211)).expect("connects")).collect();
    until("the limit", Duration::from_secs(10), || {
        !say(lab, 2, "version").is_ok_and(|answer| answer.starts_with("VERSION"))
    });
    let told = lab.esplan(&["status"]).expect(4).text();
    assert!(told.contains("Too many open connections"), "the server's own words:\n{told}");
    assert!(!told.contains("memcached: healthy"), "a cache of which a part can't be reached is not whole:\n{told}");
    drop(clients);
    until("a place", Duration::from_secs(10), || {
        say(lab, 2, "version").is_ok_and(|answer| answer.starts_with("VERSION"))
    });
    lab.esplan(&["status"]).expect(0);
}
