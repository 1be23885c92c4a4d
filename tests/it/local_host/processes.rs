//! Processes under a real supervisor, and locks.

use super::lab::{Lab, rendered};
use es_cluster::desired::DesiredInstance;
use es_cluster::host::{Claim, Failure, Host, Life, Op};
use es_cluster::inventory::{Held, HeldWhat, ProcessObservation, Running};
use es_cluster::model::OnChange;
use es_cluster::remote::{Local, Transport as _};
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;

/// A service that says what it gets, and ends cleanly when it is asked.
const SERVICE: &str = "trap 'echo reloaded' HUP\ntrap 'echo bye; exit 0' TERM\necho started\n\
                       while :; do sleep 600 & wait $! || :; done";

async fn running(lab: &Lab, one: &Arc<DesiredInstance>) -> Running {
    let seen = lab.observe(&[one]).await;
    match seen.instances[one.id.role.as_str()].process.clone() {
        ProcessObservation::Running(running) => running,
        other => panic!("{other:?}"),
    }
}

fn console(lab: &Lab, role: &str) -> String {
    fs::read_to_string(lab.path(&format!("log/{role}/console.log"))).unwrap_or_default()
}

/// Waits for something that must come soon.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < limit, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Prepares, starts the supervisor and the instance.
async fn bring_up(lab: &Lab, one: &Arc<DesiredInstance>) {
    lab.prepare(&[one], &[]).await.expect("prepared");
    lab.switch(one).await;
    lab.run(Op::Supervise { host: Arc::clone(&lab.host) }).await.expect("supervised");
    lab.start(one).await.expect("started");
}

/// From a start to a supervisor that dies, and back: what must hold for every service.
async fn lives_through_a_lost_supervisor(lab: &Lab, one: &Arc<DesiredInstance>, serves: &dyn Fn(usize) -> bool) {
    bring_up(lab, one).await;
    until("the start", async || serves(1)).await;
    let seen = lab.observe(&[one]).await;
    assert_eq!(seen.supervisor.version.as_deref(), Some("4.3.0"));
    assert_eq!(seen.supervisor.config, seen.supervisor.running_config);
    assert!(seen.supervisor.pid.is_some() && seen.supervisor.config.is_some());
    let first = running(lab, one).await;
    assert!(first.supervised.is_some() && !first.reload_owed);
    assert_eq!(first.restart_generation, one.restart_generation);
    lab.start(one).await.expect("starting again does nothing");
    assert_eq!(running(lab, one).await.pid, first.pid);
    let life = lab.machine.life(one).await.expect("life");
    assert_eq!(life, Life::Running { pid: first.pid, start_time: first.start_time });

    let supervisor = seen.supervisor.pid.expect("pid").to_string();
    assert!(std::process::Command::new("kill").args(["-9", &supervisor]).status().expect("kill").success());
    until("the end of the supervisor", async || lab.observe(&[one]).await.supervisor.pid.is_none()).await;
    let orphan = running(lab, one).await;
    assert_eq!((orphan.pid, orphan.supervised), (first.pid, None));
    lab.run(Op::Supervise { host: Arc::clone(&lab.host) }).await.expect("supervised again");
    assert_eq!(running(lab, one).await.supervised, None, "a new supervisor is not its parent");
    let error = lab.stop(one).await.expect_err("not the supervisor's");
    assert_eq!(error.kind, Failure::Stop, "{error}");
    let (host, instance, within) = (Arc::clone(&lab.host), Arc::clone(one), Duration::from_secs(20));
    lab.run(Op::StopUnsupervised { host, instance, within, stranger: None }).await.expect("stopped");
    assert_eq!(lab.observe(&[one]).await.instances[one.id.role.as_str()].process, ProcessObservation::Absent);
    let op = Op::Drained { host: Arc::clone(&lab.host), instance: Arc::clone(one) };
    lab.run(op).await.expect("recorded");
    assert!(lab.observe(&[one]).await.instances[one.id.role.as_str()].drained);
    lab.start(one).await.expect("started");
    assert!(!lab.observe(&[one]).await.instances[one.id.role.as_str()].drained, "something may have come to it since");
    until("the second start", async || serves(2)).await;
    let second = running(lab, one).await;
    assert!(second.supervised.is_some() && second.pid != first.pid);
    for _ in 0..2 {
        lab.stop(one).await.expect("stopped");
        assert_eq!(lab.observe(&[one]).await.instances[one.id.role.as_str()].process, ProcessObservation::Absent);
    }
    assert_eq!(
        lab.machine.life(one).await.expect("life"),
        Life::Down { gave_up: true, why: "it was stopped".to_owned() }
    );
}

#[tokio::test]
async fn a_service_outlives_its_supervisor_and_is_found_again() {
    let lab = Lab::new("host");
    let one = lab.instance("one", SERVICE, Vec::new());
    lives_through_a_lost_supervisor(&lab, &one, &|times| console(&lab, "one").matches("started").count() == times)
        .await;
    assert_eq!(console(&lab, "one"), "started\nbye\nstarted\nbye\n");
    let tail = lab.machine.tail(&one, 2).await.expect("tail");
    assert_eq!(tail[1..], ["started", "bye"]);
}

#[tokio::test]
async fn a_service_that_overwrites_its_environment_is_found_too() {
    let redis = "/usr/bin/redis-server";
    if !std::path::Path::new(redis).exists() {
        println!("skipped: no {redis} (apt-get install redis-server)");
        return;
    }
    let lab = Lab::new("redis");
    let command = format!(
        "exec {redis} --port 0 --unixsocket {0}/run/r.sock --save '' --daemonize no --dir {0}/data/one",
        lab.prefix
    );
    let one = lab.instance("one", &command, Vec::new());
    let socket = lab.path("run/r.sock");
    lives_through_a_lost_supervisor(&lab, &one, &|_| std::os::unix::net::UnixStream::connect(&socket).is_ok()).await;
}

#[tokio::test]
async fn a_start_takes_the_definition_that_is_on_disk() {
    let lab = Lab::new("define");
    let old = lab.instance("one", SERVICE, Vec::new());
    let other = lab.instance("two", SERVICE, Vec::new());
    bring_up(&lab, &old).await;
    lab.prepare(&[&old, &other], &[]).await.expect("prepared");
    lab.switch(&other).await;
    lab.start(&other).await.expect("started");
    let untouched = running(&lab, &other).await.pid;
    let new = lab.instance("one", &format!("echo new\n{SERVICE}"), Vec::new());
    let mut new = (*new).clone();
    let mut files = new.files.to_vec();
    let entry = files.iter_mut().find(|file| file.place == rendered("supervisor.conf", "", 0).place).expect("entry");
    *entry = rendered("supervisor.conf", &entry.content.replace("startretries=2", "startretries=1"), 0o644);
    new.files = files.into();
    let new = Arc::new(new);
    lab.run(Op::Render { host: Arc::clone(&lab.host), instance: Arc::clone(&new) }).await.expect("rendered");
    lab.stop(&old).await.expect("stopped");
    lab.switch(&new).await;
    lab.start(&new).await.expect("started");
    assert_eq!(running(&lab, &new).await.restart_generation, new.restart_generation);
    until("the new one", async || console(&lab, "one").contains("new\n")).await;
    assert_eq!(running(&lab, &other).await.pid, untouched, "another program was disturbed");
}

#[tokio::test]
async fn a_reload_that_is_owed_is_seen_until_it_is_sent() {
    let lab = Lab::new("reload");
    let file = |text: &str| {
        vec![es_cluster::desired::DesiredFile { on_change: OnChange::Reload, ..rendered("live.conf", text, 0o644) }]
    };
    let (old, new) = (lab.instance("one", SERVICE, file("1")), lab.instance("one", SERVICE, file("2")));
    bring_up(&lab, &old).await;
    until("the start", async || console(&lab, "one").contains("started")).await;
    assert!(!running(&lab, &old).await.reload_owed);
    lab.switch(&new).await;
    assert!(running(&lab, &new).await.reload_owed, "the controller died between the two");
    let (host, instance) = (Arc::clone(&lab.host), Arc::clone(&new));
    lab.run(Op::Reload { host, instance }).await.expect("reloaded");
    assert!(!running(&lab, &new).await.reload_owed);
    until("the signal", async || console(&lab, "one").contains("reloaded")).await;
}

#[tokio::test]
async fn what_does_not_start_says_why_and_what_is_held_stays_down() {
    let lab = Lab::new("fails");
    let one = lab.instance("one", "echo 'bad setting \u{1b}[2J'; exit 3", Vec::new());
    lab.prepare(&[&one], &[]).await.expect("prepared");
    lab.switch(&one).await;
    lab.run(Op::Supervise { host: Arc::clone(&lab.host) }).await.expect("supervised");
    // Its record may be seen in the moment that it lives; it gives up soon after.
    _ = lab.start(&one).await;
    until("giving up", async || matches!(lab.machine.life(&one).await, Ok(Life::Down { gave_up: true, .. }))).await;
    let tail = lab.machine.tail(&one, 1).await.expect("tail");
    assert_eq!(tail.last().map(String::as_str), Some(r"bad setting \u{1b}[2J"));
    assert!(matches!(lab.observe(&[&one]).await.instances["one"].process, ProcessObservation::Dead { .. }));
    let held = Held { by: "me".to_owned(), why: "test".to_owned(), what: HeldWhat::Stopped, from: None, to: None };
    let (host, instance) = (Arc::clone(&lab.host), Arc::clone(&one));
    lab.run(Op::Hold { host, instance, held: Some(held) }).await.expect("held");
    let error = lab.start(&one).await.expect_err("held");
    assert_eq!(error.kind, Failure::Stop, "{error}");
}

#[tokio::test]
async fn a_stop_that_takes_too_long_is_never_forced() {
    let lab = Lab::new("stuck");
    let one = lab.instance("one", "trap '' TERM\necho deaf\nwhile :; do sleep 600 & wait $! || :; done", Vec::new());
    bring_up(&lab, &one).await;
    until("the start", async || console(&lab, "one").contains("deaf")).await;
    let pid = running(&lab, &one).await.pid;
    let (host, instance) = (Arc::clone(&lab.host), Arc::clone(&one));
    let error = lab.run(Op::Stop { host, instance, within: Duration::from_millis(300) }).await.expect_err("stuck");
    assert_eq!(error.kind, Failure::Stuck, "{error}");
    assert_eq!(running(&lab, &one).await.pid, pid);
    _ = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
}

#[tokio::test]
async fn a_recycled_process_id_is_not_believed_and_not_signalled() {
    let lab = Lab::new("recycled");
    let one = lab.instance("one", SERVICE, Vec::new());
    lab.prepare(&[&one], &[]).await.expect("prepared");
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("boot id");
    let mut sleeper = std::process::Command::new("sleep").arg("600").spawn().expect("sleep");
    let record = format!(
        "pid={}\nstart_time=1\nboot_id={}\nrestart_generation={}\n",
        sleeper.id(),
        boot.trim(),
        one.restart_generation
    );
    fs::write(lab.path("run/one.proc"), &record).expect("record");
    let seen = lab.observe(&[&one]).await;
    assert!(matches!(seen.instances["one"].process, ProcessObservation::Dead { .. }));
    let (host, instance, within) = (Arc::clone(&lab.host), Arc::clone(&one), Duration::from_secs(5));
    lab.run(Op::StopUnsupervised { host, instance, within, stranger: None }).await.expect("nothing to stop");
    assert!(sleeper.try_wait().expect("asked").is_none(), "another process was signalled");
    sleeper.kill().expect("ended");
    sleeper.wait().expect("ended");
}

fn claim(who: &str) -> Claim {
    Claim { who: who.to_owned(), why: "esapply \u{1b}[2J'x'".to_owned(), since: "2026-01-01T00:00:00Z".to_owned() }
}

#[tokio::test]
async fn one_lock_one_holder() {
    let lab = Lab::new("lock 'x'");
    let first = lab.machine.lock(&lab.prefix, &claim("one@a pid 1")).await.expect("locked");
    let error = lab.machine.lock(&lab.prefix, &claim("two@b pid 2")).await.err().expect("held");
    assert_eq!(error.kind, Failure::Locked);
    assert!(error.message.contains("one@a pid 1") && error.message.contains("2026-01-01"), "{error}");
    assert!(!error.message.contains('\u{1b}'), "{error:?}");
    assert!(first.is_held());
    drop(first);
    until("the free lock", async || lab.machine.lock(&lab.prefix, &claim("two@b pid 2")).await.is_ok()).await;
}

#[tokio::test]
async fn a_killed_controller_frees_its_lock_and_a_daemon_does_not_keep_it() {
    let lab = Lab::new("lost");
    let one = lab.instance("one", SERVICE, Vec::new());
    let guard = lab.machine.lock(&lab.prefix, &claim("one@a pid 1")).await.expect("locked");
    bring_up(&lab, &one).await;
    drop(guard);
    until("the free lock", async || lab.machine.lock(&lab.prefix, &claim("two@b pid 2")).await.is_ok()).await;
    let guard = loop {
        if let Ok(guard) = lab.machine.lock(&lab.prefix, &claim("three@c pid 3")).await {
            break guard;
        }
    };
    let mut session =
        Local.session(&format!("cd {}/run && flock -n lock true || echo taken", lab.prefix)).await.expect("sh");
    let mut said = String::new();
    session.stdout.read_to_string(&mut said).await.expect("said");
    assert_eq!(said, "taken\n");
    assert!(guard.is_held());
}

#[tokio::test]
async fn a_lost_holder_is_noticed() {
    let lab = Lab::new("holder");
    let guard = lab.machine.lock(&lab.prefix, &claim("one@a pid 1")).await.expect("locked");
    let words = |pid: &str| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let pids = fs::read_dir("/proc").expect("proc").flatten().map(|entry| entry.file_name().display().to_string());
    let holders = pids.filter(|pid| pid.parse::<u32>().is_ok()).filter(|pid| {
        let words = String::from_utf8_lossy(&words(pid)).into_owned();
        words.starts_with("/bin/sh") && words.contains(&lab.prefix) && words.contains("flock")
    });
    for pid in holders.collect::<Vec<_>>() {
        _ = std::process::Command::new("kill").args(["-9", &pid]).output();
    }
    until("the loss", async || !guard.is_held()).await;
    // Nothing of it goes on holding the lock.
    until("the free lock", async || lab.machine.lock(&lab.prefix, &claim("two@b pid 2")).await.is_ok()).await;
}

#[tokio::test]
async fn five_instances_are_observed_quickly() {
    let mut lab = Lab::new("speed");
    for number in 0..3 {
        let files: Vec<(String, String)> =
            (0..120).map(|file| (format!("lib/{file}.jar"), format!("{number} {file}"))).collect();
        let files: Vec<(&str, u32, &str)> =
            files.iter().map(|(path, text)| (path.as_str(), 0o644, text.as_str())).collect();
        let software = lab.software(&format!("thing-{number}.0-0123456789ab"), &files);
        lab.prepare(&[], &[]).await.expect("prepared");
        lab.run(Op::Fetch { host: Arc::clone(&lab.host), software: Arc::clone(&software) }).await.expect("fetched");
        lab.run(Op::Assemble { host: Arc::clone(&lab.host), software: Arc::clone(&software) })
            .await
            .expect("assembled");
    }
    let names = ["a", "b", "c", "d", "e"];
    let all: Vec<_> =
        names.iter().map(|role| lab.instance(role, SERVICE, vec![rendered("app.conf", "x", 0o644)])).collect();
    let all: Vec<&Arc<DesiredInstance>> = all.iter().collect();
    lab.prepare(&all, &[]).await.expect("prepared");
    lab.run(Op::Supervise { host: Arc::clone(&lab.host) }).await.expect("supervised");
    for one in &all {
        lab.switch(one).await;
        lab.start(one).await.expect("started");
    }
    let mut times = Vec::new();
    for _ in 0..20 {
        let begin = Instant::now();
        let seen = lab.observe(&all).await;
        times.push(begin.elapsed());
        assert_eq!(seen.instances.len(), 5);
    }
    times.sort();
    println!("observing five instances and three software folders: best {:?}, median {:?}", times[0], times[10]);
    // Generous: other tests run at the same time.
    assert!(times[0] < Duration::from_millis(250), "{times:?}");
}
