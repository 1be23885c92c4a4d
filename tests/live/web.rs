//! A real web server: a change of its configuration is a reload that drops nothing, and what it refuses is never switched to.

use crate::lab::{Lab, until};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

const CLUSTER: &str = r#"
cluster "{cluster}" { user "es_cluster"; supervisor "supervisord"; }
versions { supervisord "4.3.0"; nginx "1.22.1"; redis "6.2.14"; }
rollout { canary 1 soak="1s"; batch 1; on-failure "rollback"; }
hosts { "node[1-3]" address="{network}.[1-3]" transport="local"; }
roles {
    redis on="node3" { port 8099; }
    nginx on="node[1-2]" { upstream "redis"; }
}
"#;

/// The workers of a master, as the kernel knows them; what is no master has none.
pub fn workers(master: u32) -> BTreeSet<u32> {
    let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children")).expect("the master runs");
    children.split_whitespace().map(|pid| pid.parse().expect("a pid")).collect()
}

/// One request; gives the first line of the answer and the rest.
fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect((address, 8080)).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
    write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").expect("sent");
    let (mut first, mut rest) = (String::new(), String::new());
    let mut reader = BufReader::new(stream);
    reader.read_line(&mut first).expect("an answer");
    reader.read_to_string(&mut rest).expect("the rest");
    (first, rest)
}

#[test]
fn a_reload_drops_nothing_and_what_is_refused_is_never_switched_to() {
    let lab = Lab::new("web", CLUSTER);
    let path = lab.controller.join("modules/nginx.kdl");
    let module = fs::read_to_string(&path).expect("the module");
    fs::write(&path, module.replace("ready within=\"60s\"", "ready within=\"6s\"")).expect("the module");
    lab.esplan(&["lock"]).expect(0);
    lab.esapply(&[]).expect(0);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
    assert!(get(&lab.address(1), "/-/es_cluster").1.contains("8080-redis-2-1024"));
    asked_for(&lab);
    reload(&lab);
    refused(&lab);
    took_no_effect(&lab);
    lab.esapply(&[]).expect(0);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}

/// A restart and a reload that somebody asks for, and nothing else.
fn asked_for(lab: &Lab) {
    let masters = || ["node1", "node2"].map(|host| lab.pid("nginx", host));
    let before = masters();
    let done = lab.run("esapply", &["restart", "nginx@node1", "--yes"]).expect(0).text();
    assert!(done.contains("it was asked for"), "{done}");
    let after = masters();
    assert!(after[0] != before[0] && after[1] == before[1], "one restarted, the other did not");
    let old = after.map(workers);
    lab.run("esapply", &["reload", "nginx", "--yes"]).expect(0);
    assert_eq!(masters(), after, "a reload restarts nothing");
    for (master, old) in after.iter().zip(&old) {
        until("new workers", Duration::from_secs(20), || workers(*master).is_disjoint(old));
    }
    assert!(lab.run("esapply", &["reload", "redis", "--yes"]).expect(7).text().contains("no-reload"));
    lab.edit("upstream \"redis\"", "upstream \"redis\"; worker-processes 3");
    assert!(lab.run("esapply", &["restart", "nginx", "--yes"]).expect(7).text().contains("differs"));
    lab.edit("; worker-processes 3", "");
    assert_eq!(masters(), after);
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}

fn reload(lab: &Lab) {
    let master = || ["node1", "node2"].map(|host| lab.pid("nginx", host));
    let (before, old) = (master(), workers(lab.pid("nginx", "node1")));
    // A request whose answer takes as long as somebody behind the server likes.
    let backend = TcpListener::bind((lab.address(3), 8098)).expect("a free port");
    let path = lab.controller.join("modules/nginx/upstream.conf");
    let template = fs::read_to_string(&path).expect("the template");
    fs::write(&path, template.replace("{{ backend.params[upstream_port] }}", "8098")).expect("the template");
    lab.esapply(&[]).expect(0);
    let address = lab.address(1);
    let request = std::thread::spawn(move || get(&address, "/slow"));
    let (mut slow, _) = backend.accept().expect("the request comes through");
    lab.edit("upstream \"redis\"", "upstream \"redis\"; worker-connections 512");
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2).text();
    assert!(plan.contains("reload") && !plan.contains("restart nginx"), "{plan}");
    lab.esapply(&[]).expect(0);
    assert!(get(&lab.address(1), "/-/es_cluster").1.contains("8080-redis-2-512"), "the new workers answer");
    assert_eq!(master(), before, "nothing was restarted");
    slow.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nslow").expect("answered");
    let (first, rest) = request.join().expect("the request ends");
    assert!(first.contains("200") && rest.ends_with("slow"), "what was under way ends as it should: {first}{rest}");
    until("the old workers' end", Duration::from_secs(20), || workers(before[0]).is_disjoint(&old));
}

fn refused(lab: &Lab) {
    let path = lab.controller.join("modules/nginx/upstream.conf");
    let template = fs::read_to_string(&path).expect("the template");
    fs::write(&path, template.replace("stub_status;", "stub_status; no_such_directive on;")).expect("the template");
    let current = fs::read_link(lab.prefix("node1").join("conf/nginx/current")).expect("a link");
    let failed = lab.esapply(&[]);
    assert_ne!(failed.code, 0, "{}", failed.text());
    assert!(failed.text().contains("no_such_directive"), "the server's own words:\n{}", failed.text());
    assert_eq!(fs::read_link(lab.prefix("node1").join("conf/nginx/current")).expect("a link"), current);
    // It is refused again: nothing of it was left that the next run would take for tested.
    let failed = lab.esapply(&[]);
    assert!(failed.code != 0 && failed.text().contains("no_such_directive"), "{}", failed.text());
    assert!(get(&lab.address(1), "/-/es_cluster").0.contains("200"));
    fs::write(&path, template).expect("the template");
    lab.esplan(&["--detailed-exitcode"]).expect(0);
}

/// The test passes and the master can't take it up: somebody else has the port. The gate sees it, and it is taken back.
fn took_no_effect(lab: &Lab) {
    let taken =
        TcpListener::bind((lab.address(1), 8081)).and_then(|one| Ok((one, TcpListener::bind((lab.address(2), 8081))?)));
    let taken = taken.expect("free ports");
    lab.edit("upstream \"redis\";", "upstream \"redis\"; port 8081;");
    let failed = lab.esapply(&[]);
    assert!(failed.code == 4 || failed.code == 7, "{}", failed.text());
    assert!(get(&lab.address(1), "/-/es_cluster").0.contains("200"), "it serves as before");
    lab.edit(" port 8081;", "");
    drop(taken);
}
