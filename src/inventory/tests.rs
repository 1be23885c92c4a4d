//! Answers of hosts that are broken in every way that we could think of.

use super::*;
use crate::desired::{DesiredHost, Supervisor, Supervisord};
use crate::model::{SupervisorKind, Transport, Version};
use std::collections::BTreeMap;

const BOOT: &str = "01234567-89ab-cdef-0123-456789abcdef";

fn host() -> DesiredHost {
    DesiredHost {
        name: HostName::new("node1").expect("name"),
        address: "127.0.0.1".to_owned(),
        transport: Transport::Local,
        ssh: crate::model::SshOptions::default(),
        prefix: "/p".to_owned(),
        user: None,
        software: BTreeMap::new(),
        supervisor: Supervisor::Supervisord(Supervisord {
            command: Vec::new(),
            needs: Vec::new(),
            control: Vec::new(),
            version: Version::parse("4.3.0").expect("version"),
            env: BTreeMap::new(),
            config_path: "/p/conf/supervisord/supervisord.conf".to_owned(),
            config: String::new(),
            socket: "/p/run/supervisord.sock".to_owned(),
            pidfile: "/p/run/supervisord.pid".to_owned(),
        }),
        units: "es_cluster-logs:node1".to_owned(),
        boot: None,
        idle: false,
    }
}

fn own(host: &mut DesiredHost) -> &mut Supervisord {
    let Supervisor::Supervisord(own) = &mut host.supervisor else { panic!("a supervisor of ours") };
    own
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// What a host with one orphaned instance answers.
fn answer(record: &str) -> String {
    let (generation, older, restart) = (digest("new"), digest("old"), digest("restart"));
    format!(
        "[observation 1]\n[machine]\nboot {BOOT}\nuid 0\nmemory 1024\nuptime 1000\n[software]\nthing-1.0-0123456789ab\nother-2\n[damaged other-2]\n 6f 74 68 65 72 2d 32 2f 61 20 34 31 0a\n\
         [instances]\nrole one\ncurrent one {generation}\nrestart one {restart}\nuses one thing-1.0-0123456789ab\n\
         data one\n{record}[files]\nstat 0 4096 2026-01-01 00:00:00.0 ./.\n\
         stat 0 7 2026-01-01 00:00:00.1 +0000 ./conf/one/{older}/manifest\n\
         stat 0 7 2026-01-01 00:00:00.2 +0000 ./conf/one/{generation}/manifest\n\
         stat 0 7 2026-01-01 00:00:00.3 +0000 ./conf/one/x/manifest\n\n[held one]\n 7b 22 62 79 22 3a 22 6d 65 22 2c 22 77 68 79 22 3a 22 22 2c 22 77 68 61 74 22 3a 22 73\n \
         74 6f 70 70 65 64 22 7d\n[debris]\nrun/.tmp-x\n[supervisor]\npid 7\nconfig -\nversion 4.3.0\n[end]\n"
    )
}

fn record(pid: &str, start: &str, boot: &str, kernel: &str) -> String {
    let restart = digest("restart");
    format!(
        "record one pid {pid}\nrecord one start_time {start}\nrecord one boot_id {boot}\n\
         record one restart_generation {restart}\nrecord one end\n{kernel}"
    )
}

/// The line of a process with this state, parent and start time.
fn kernel(state: &str, parent: u32, start: u64) -> String {
    format!("kernel one  {state} {parent} 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 {start} 1 1\n")
}

fn seen(text: &str) -> HostObservation {
    parse(text.as_bytes(), &host(), &[]).expect("a whole answer")
}

#[test]
fn a_whole_answer_is_read() {
    let seen = seen(&answer(&record("42", "5000", BOOT, &kernel("S", 7, 5000))));
    assert_eq!((seen.memory, seen.uid), (1 << 20, 0));
    assert_eq!(seen.software["thing-1.0-0123456789ab"], SoftwareObservation::Intact);
    assert_eq!(seen.software["other-2"], SoftwareObservation::Damaged(vec!["a".to_owned()]));
    let one = &seen.instances["one"];
    assert_eq!(one.current, Some(digest("new")));
    assert_eq!(one.generations, [digest("new"), digest("old")]);
    assert_eq!(one.held.as_ref().map(|held| &held.what), Some(&HeldWhat::Stopped));
    let ProcessObservation::Running(running) = &one.process else { panic!("{:?}", one.process) };
    assert_eq!((running.pid, running.uptime, running.supervised), (42, 950, Some(SupervisorKind::Supervisord)));
    assert_eq!(seen.supervisor.version.as_deref(), Some("4.3.0"));
    assert_eq!(seen.supervisor.running_config, None);
}

#[test]
fn a_folder_that_we_may_not_write_is_told_without_its_escapes() {
    let text = answer("").replacen("\nuid ", "\nclosed /a b\u{1b}[2J\nuid ", 1);
    assert_eq!(seen(&text).closed.as_deref().map(|folder| folder.contains('\u{1b}')), Some(false));
    assert_eq!(seen(&answer("")).closed, None);
}

#[test]
fn a_record_is_believed_only_when_everything_matches() {
    let process = |record: String| seen(&answer(&record)).instances["one"].process.clone();
    assert_eq!(process(String::new()), ProcessObservation::Absent);
    let dead = ProcessObservation::Dead { restart_generation: Some(digest("restart")) };
    assert_eq!(process(record("42", "5000", BOOT, "")), dead);
    assert_eq!(process(record("42", "5000", BOOT, &kernel("S", 7, 5001))), dead, "another start time");
    assert_eq!(process(record("42", "5000", "ffff", &kernel("S", 7, 5000))), dead, "another boot");
    assert_eq!(process(record("42", "5000", BOOT, &kernel("Z", 7, 5000))), dead, "a zombie");
    let orphan = process(record("42", "5000", BOOT, &kernel("S", 1, 5000)));
    assert!(matches!(orphan, ProcessObservation::Running(Running { supervised: None, .. })));
}

#[test]
fn an_answer_that_was_cut_off_anywhere_is_an_error() {
    let whole = answer(&record("42", "5000", BOOT, &kernel("S", 7, 5000)));
    for end in 0..whole.len() - 1 {
        assert!(parse(&whole.as_bytes()[..end], &host(), &[]).is_err(), "cut off after {end} bytes");
    }
}

#[test]
fn one_wrong_byte_is_never_a_crash() {
    let whole = answer(&record("42", "5000", BOOT, &kernel("S", 7, 5000)));
    for place in 0..whole.len() {
        for byte in [0, b'\n', b' ', b'[', b']', b'9', 0x1b, 0xff] {
            let mut bytes = whole.clone().into_bytes();
            bytes[place] = byte;
            _ = parse(&bytes, &host(), &[]);
        }
    }
}

#[test]
fn a_path_is_told_as_it_was_asked_for() {
    for (line, path) in [
        ("7 1 2026-01-01 00:00:00.0 ./.", "."),
        ("7 1 2026-01-01 00:00:00.0 +0000 ./conf/a b", "conf/a b"),
        ("7 1 2026-01-01 00:00:00.0 /./data/x ./y", "/data/x ./y"),
    ] {
        assert_eq!(parse::stat(line).map(|stat| (stat.path, stat.owner)), Some((path, 7)), "{line}");
    }
}

#[test]
fn nonsense_is_named_and_made_safe() {
    let whole = answer("");
    let with = |from: &str, to: &str| {
        assert!(whole.contains(from), "{from}");
        let error = parse(whole.replacen(from, to, 1).as_bytes(), &host(), &[]).expect_err(to);
        let text = error.to_string();
        assert!(!text.contains('\u{1b}') && text.len() < 400, "{text}");
        error
    };
    assert!(matches!(with("[observation 1]", "Welcome \u{1b}[2J!\n[observation 1]"), BadAnswer::NotOurs { .. }));
    assert!(matches!(with("uptime 1000\n", ""), BadAnswer::Garbage { .. }), "something is missing");
    for (from, to) in [
        ("uid 0", "uid -1"),
        ("uid 0", "uid 99999999999999999999"),
        ("memory 1024", "memory lots"),
        ("stat 0 4096", "stat root 755 ."),
        ("[files]\n", "[files]\nmode 9 1 a\n"),
        ("[files]\n", "[files]\nxyz  a\n"),
        ("role one", "role ../one"),
        ("role one", "roll one"),
        ("6f 74", "6f 7"),
        ("6f 74", "6f zz"),
        ("[debris]", "[\u{1b}]"),
        ("[held one]", "[held ../one]"),
        ("[held one]", "[undo ../x]"),
        ("thing-1.0-0123456789ab\nother", "a/b\nother"),
        ("[debris]\n", "[end]\n[debris]\n"),
    ] {
        with(from, to);
    }
    let long = format!("[debris]\n{}\n", "x".repeat(1 << 20));
    assert!(matches!(with("[debris]\n", &long), BadAnswer::Garbage { .. }));
    assert!(matches!(with(" 7b 22", " 7b 7b"), BadAnswer::BadRecord { .. }));
    let mut bytes = whole.clone().into_bytes();
    bytes[40] = 0xff;
    assert!(parse(&bytes, &host(), &[]).is_err(), "not UTF-8");
    for record in
        [record("x", "1", BOOT, ""), record("1", "", BOOT, ""), "record one pid 1\nrecord one end\n".to_owned()]
    {
        let error = parse(answer(&record).as_bytes(), &host(), &[]).expect_err("a damaged record");
        assert_eq!(error, BadAnswer::BadRecord { path: "run/one.proc".to_owned() });
    }
}

#[test]
fn a_host_that_can_not_be_asked_about_a_file_says_so() {
    let mut host = host();
    own(&mut host).config_path = "/p/conf/super\nvisord/x".to_owned();
    assert!(request(&host, &[], false).is_err());
    own(&mut host).config_path = "/p/conf/größe/x".to_owned();
    assert!(request(&host, &[], false).is_err());
}

#[test]
fn a_generation_that_is_another_one_says_what_it_was_written_for() {
    let about = |bytes: &str| {
        let text = answer("").replacen("[debris]\n", &format!("[about one]\n {bytes}\n[debris]\n"), 1);
        seen(&text).instances["one"].about.clone()
    };
    assert_eq!(about("7b 7d 0a").as_deref(), Some("{}"));
    assert_eq!(about("1b 5b 32 4a 0a"), None, "an escape");
    assert_eq!(about("ff fe 0a"), None, "no text");
}
