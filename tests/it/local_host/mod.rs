//! The real host on this machine: files, processes and locks as an operator would find them.

mod cut;
mod journals;
pub(crate) mod lab;
mod processes;
mod shells;
mod software;
mod strangers;

use es_cluster::desired::{DesiredFile, DesiredInstance, Place};
use es_cluster::host::{Failure, Host, Op};
use es_cluster::inventory::{Held, HeldWhat, SoftwareObservation, UndoRecord};
use es_cluster::model::{Digest, Name};
use lab::{Lab, hidden, rendered};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

/// A name that every careless script breaks on.
const NASTY: &str = "a b'c\"d$(touch pwned)`e`\\f\n*g;h";

/// Path, kind, size, times and inode of everything below a folder.
fn listing(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let meta = fs::symlink_metadata(&path).expect("there");
        let times = (meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec());
        found.insert(format!("{} {:o} {} {times:?} {}", path.display(), meta.mode(), meta.len(), meta.ino()));
        if meta.is_dir() {
            found.extend(listing(&path));
        }
    }
    found
}

fn placed(lab: &Lab, below: &str, text: &str, identity: bool) -> DesiredFile {
    DesiredFile { place: Place::Absolute(format!("{}/{below}", lab.prefix)), identity, ..rendered("x", text, 0o644) }
}

#[tokio::test]
async fn an_empty_host_is_seen_as_empty_and_left_so() {
    let lab = Lab::new("empty");
    let one = lab.instance("one", "exec sleep 600", Vec::new());
    let seen = lab.observe(&[&one]).await;
    assert!(!seen.prepared && seen.user_exists && seen.supervisor.pid.is_none());
    assert!(seen.memory > 1 << 20 && !seen.boot_id.is_empty());
    assert_eq!(seen.instances["one"].current, None);
    assert!(!Path::new(&lab.prefix).exists(), "observing made something");
    lab.prepare(&[&one], &[]).await.expect("prepared");
    let before = listing(Path::new(&lab.prefix));
    let seen = lab.observe(&[&one]).await;
    assert!(seen.prepared);
    lab.prepare(&[&one], &[]).await.expect("prepared again");
    assert_eq!(listing(Path::new(&lab.prefix)), before, "observing or preparing again changed something");
}

#[tokio::test]
async fn everything_on_disk_works_below_a_nasty_prefix() {
    let mut lab = Lab::new(NASTY);
    let software =
        lab.software("thing-1.0-0123456789ab", &[("bin/run", 0o755, "#!/bin/sh\n"), ("lib/a b'c", 0o644, "x")]);
    let host = || Arc::clone(&lab.host);
    let extra = vec![
        rendered("sub/app.conf", "a=1\n", 0o640),
        placed(&lab, "data/one/id", "7\n", true),
        placed(&lab, "data/one/plain.txt", "plain\n", false),
    ];
    let one = lab.instance("one", "exec sleep 600", extra);
    lab.prepare(&[&one], &[]).await.expect("prepared");
    let seen = lab.observe(&[&one]).await;
    assert!(seen.artifacts.is_empty() && seen.software.is_empty());
    for _ in 0..2 {
        lab.run(Op::Fetch { host: host(), software: Arc::clone(&software) }).await.expect("fetched");
        lab.run(Op::Assemble { host: host(), software: Arc::clone(&software) }).await.expect("assembled");
        lab.switch(&one).await;
    }
    let before = listing(Path::new(&lab.prefix));
    let seen = lab.observe(&[&one]).await;
    assert_eq!(listing(Path::new(&lab.prefix)), before, "observing changed something");
    assert_eq!(seen.artifacts, BTreeSet::from([software.parts[0].file_name()]));
    assert_eq!(seen.software[&software.folder], SoftwareObservation::Intact);
    assert!(seen.debris.is_empty(), "{:?}", seen.debris);
    let found = &seen.instances["one"];
    assert_eq!(found.current, Some(one.content_generation));
    assert_eq!(found.generations, [one.content_generation]);
    assert_eq!(found.current_restart, Some(one.restart_generation));
    assert_eq!(*found.software, *one.software);
    assert!(!found.has_data, "files that we placed are no data, apart from others");
    assert_eq!(found.files.len(), one.files.len());
    for file in one.files.iter() {
        let (Place::Generation(path) | Place::Absolute(path)) = &file.place;
        let seen = &found.files[path];
        assert_eq!((seen.sha256, seen.mode, &seen.content), (file.sha256, file.mode, &None), "{path}");
    }
    assert!(!lab.path("pwned").exists() && !Path::new("pwned").exists());
}

#[tokio::test]
async fn what_somebody_did_by_hand_is_seen() {
    let mut lab = Lab::new("drift");
    let software = lab.software("thing-1.0-0123456789ab", &[("bin/run", 0o755, "#!/bin/sh\n"), ("lib/a", 0o644, "x")]);
    let secret = hidden("secret.conf", "password=1\n");
    let one = lab.instance("one", "exec sleep 600", vec![rendered("app.conf", "a=1\n", 0o644), secret]);
    lab.prepare(&[&one], &[]).await.expect("prepared");
    lab.run(Op::Fetch { host: Arc::clone(&lab.host), software: Arc::clone(&software) }).await.expect("fetched");
    lab.run(Op::Assemble { host: Arc::clone(&lab.host), software: Arc::clone(&software) }).await.expect("assembled");
    lab.switch(&one).await;
    let current = lab.path("conf/one/current");
    let keyed = hidden("secret.conf", "password=1\n").sha256;
    assert_eq!(lab.look(&[&one], false).await.instances["one"].files["secret.conf"].sha256, keyed);
    fs::write(current.join("app.conf"), "a=\u{1b}[2J2\n").expect("edited");
    fs::write(current.join("secret.conf"), "password=2\n").expect("edited");
    fs::write(current.join("extra"), "extra").expect("written");
    fs::write(current.join("own.store"), "the service's own").expect("written");
    fs::write(lab.path("data/one/segment"), "data").expect("written");
    fs::create_dir(lab.path("software/.tmp-thing")).expect("debris");
    fs::write(lab.path("install/.tmp-x"), "half").expect("debris");
    fs::write(lab.path("run/.tmp-one.proc"), "a launcher is writing it").expect("written");
    fs::write(lab.path("data/one/.tmp-of-the-service"), "not ours").expect("written");
    let path = lab.path("software/thing-1.0-0123456789ab/lib/a");
    let (mtime, text) = (fs::metadata(&path).expect("there").modified().expect("time"), "y");
    fs::write(&path, text).expect("edited");
    fs::File::options().write(true).open(&path).and_then(|file| file.set_modified(mtime)).expect("hidden");

    for verify in [false, true] {
        let seen = lab.look(&[&one], verify).await;
        let damaged = SoftwareObservation::Damaged(vec!["lib/a".to_owned()]);
        assert_eq!(seen.software[&software.folder], damaged, "verify={verify}");
        let found = &seen.instances["one"];
        assert_eq!(found.files["app.conf"].content.as_deref(), Some("a=\u{1b}[2J2\n"));
        let is = found.files["secret.conf"].sha256;
        assert!(is != keyed && is != Digest::of(b"password=2\n"), "changed, and not to be guessed");
        assert_eq!(found.files["secret.conf"].content, None, "a secret left the host");
        assert!(found.files.contains_key("extra") && !found.files.contains_key("own.store"));
        assert!(found.has_data);
        assert_eq!(seen.debris, ["install/.tmp-x", "software/.tmp-thing"]);
    }
    let error = lab.prepare(&[&one], &["data/one/segment"]).await.expect_err("not debris");
    assert_eq!(error.kind, Failure::Stop);
    lab.prepare(&[&one], &["install/.tmp-x", "software/.tmp-thing"]).await.expect("prepared");
    lab.run(Op::Assemble { host: Arc::clone(&lab.host), software: Arc::clone(&software) }).await.expect("repaired");
    lab.switch(&one).await;
    let seen = lab.observe(&[&one]).await;
    assert_eq!(seen.software[&software.folder], SoftwareObservation::Intact);
    assert!(seen.debris.is_empty() && !seen.instances["one"].files.contains_key("extra"));
    assert_eq!(fs::read_to_string(current.join("own.store")).expect("kept"), "the service's own");
    assert!(lab.path("data/one/.tmp-of-the-service").exists());
}

#[tokio::test]
async fn a_switch_back_brings_back_everything_but_identity() {
    let lab = Lab::new("back");
    let make = |text: &str| {
        let extra = vec![
            rendered("app.conf", text, 0o644),
            placed(&lab, "data/one/placed", text, false),
            placed(&lab, "data/one/id", text, true),
        ];
        lab.instance("one", "exec sleep 600", extra)
    };
    let (old, new) = (make("old"), make("new"));
    lab.prepare(&[&old], &[]).await.expect("prepared");
    lab.switch(&old).await;
    fs::write(lab.path("conf/one/current/own.store"), "key").expect("written");
    lab.switch(&new).await;
    let text = |path: &str| fs::read_to_string(lab.path(path)).expect("text");
    assert_eq!(text("conf/one/current/app.conf"), "new");
    assert_eq!(text("data/one/placed"), "new");
    assert_eq!(text("data/one/id"), "old", "an identity is written once");
    assert_eq!(text("conf/one/current/own.store"), "key");
    fs::write(lab.path("conf/one/current/own.store"), "newer key").expect("written");
    let to = old.content_generation;
    let op = Op::Switch { host: Arc::clone(&lab.host), instance: Arc::clone(&new), to };
    lab.run(op).await.expect("switched");
    assert_eq!(text("conf/one/current/app.conf"), "old");
    assert_eq!(text("data/one/placed"), "old");
    assert_eq!(text("conf/one/current/own.store"), "newer key");
    let seen = lab.observe(&[&new]).await;
    assert_eq!(seen.instances["one"].current, Some(old.content_generation));
    assert_eq!(seen.instances["one"].generations, [new.content_generation, old.content_generation]);
    assert_eq!(seen.instances["one"].files["app.conf"].content.as_deref(), Some("old"));
}

/// What has not been seen healthy is known as such, and is nothing to go back to.
#[tokio::test]
async fn what_is_on_trial_is_remembered_until_it_is_accepted_or_left() {
    let lab = Lab::new("trial");
    let make = |text: &str| lab.instance("one", "exec sleep 600", vec![rendered("app.conf", text, 0o644)]);
    let [old, bad, good] = ["old", "bad", "good"].map(make);
    lab.prepare(&[&old], &[]).await.expect("prepared");
    lab.switch(&old).await;
    let seen = async |one: &Arc<DesiredInstance>| {
        let seen = lab.observe(&[one]).await.instances["one"].clone();
        (seen.on_trial, seen.previous.map(|previous| previous.generation))
    };
    assert_eq!(seen(&old).await, (false, None), "the first one replaces nothing");
    lab.switch(&bad).await;
    assert_eq!(seen(&bad).await, (true, Some(old.content_generation)));
    lab.switch(&good).await;
    assert_eq!(seen(&good).await, (true, Some(old.content_generation)), "the bad one was never accepted");
    lab.switch(&old).await;
    assert_eq!(seen(&old).await, (false, None), "it went back");
    lab.switch(&good).await;
    lab.accept(&good).await;
    assert_eq!(seen(&good).await, (false, Some(old.content_generation)));
}

#[tokio::test]
async fn wrong_bytes_never_reach_a_host() {
    let mut lab = Lab::new("corrupt");
    let software = lab.software("thing-1.0-0123456789ab", &[("a", 0o644, "x")]);
    let file = lab.bundle_file(&software);
    let mut bytes = fs::read(&file).expect("bundle");
    bytes[600] ^= 1;
    fs::write(&file, &bytes).expect("bundle");
    lab.prepare(&[], &[]).await.expect("prepared");
    let fetch = || Op::Fetch { host: Arc::clone(&lab.host), software: Arc::clone(&software) };
    let error = lab.run(fetch()).await.expect_err("wrong bytes");
    assert_eq!(error.kind, Failure::Stop);
    assert!(error.message.contains("sha256") && error.message.contains("esplan lock"), "{error}");
    assert_eq!(fs::read_dir(lab.path("install")).expect("folder").count(), 0);
    bytes[600] ^= 1;
    fs::write(&file, &bytes).expect("bundle");
    lab.run(fetch()).await.expect("fetched");
    // Damaged on the host after the copy: found before it is unpacked, and copied anew.
    let there = lab.path("install").join(software.parts[0].file_name());
    bytes[600] ^= 1;
    fs::write(&there, &bytes).expect("damaged");
    let assemble = || Op::Assemble { host: Arc::clone(&lab.host), software: Arc::clone(&software) };
    lab.run(assemble()).await.expect_err("damaged");
    assert!(!lab.path("software").join(&software.folder).exists());
    lab.run(fetch()).await.expect("fetched");
    lab.run(assemble()).await.expect("assembled");
}

#[tokio::test]
async fn records_are_kept_seen_and_removed() {
    let lab = Lab::new("records");
    let one = lab.instance("one", "exec sleep 600", Vec::new());
    lab.prepare(&[&one], &[]).await.expect("prepared");
    lab.switch(&one).await;
    let host = || Arc::clone(&lab.host);
    let record = UndoRecord {
        service: one.service.clone(),
        instance: one.id.clone(),
        setting: Name::new("allocation").expect("name"),
        value: serde_json::json!({"a": "it's \"x\"\n"}),
    };
    let held =
        Held { by: "me".to_owned(), why: "it's\n\u{1b}".to_owned(), what: HeldWhat::Stopped, from: None, to: None };
    let name = "one.allocation.json".to_owned();
    lab.run(Op::WriteUndo { host: host(), name: name.clone(), record: record.clone() }).await.expect("written");
    lab.run(Op::Hold { host: host(), instance: Arc::clone(&one), held: Some(held.clone()) }).await.expect("held");
    let seen = lab.observe(&[&one]).await;
    assert_eq!(seen.undo.get(&name), Some(&record));
    assert_eq!(seen.instances["one"].held, Some(held));
    for _ in 0..2 {
        lab.run(Op::RemoveUndo { host: host(), name: name.clone() }).await.expect("removed");
        lab.run(Op::Hold { host: host(), instance: Arc::clone(&one), held: None }).await.expect("released");
    }
    let seen = lab.observe(&[&one]).await;
    assert!(seen.undo.is_empty() && seen.instances["one"].held.is_none());
    for name in ["../x", ".hidden", "a/b", ""] {
        lab.run(Op::RemoveUndo { host: host(), name: name.to_owned() }).await.expect_err(name);
    }
    let line = |line: &str| Op::Record { host: host(), run: "run1".to_owned(), line: line.to_owned() };
    lab.run(line("{\"a\":1}")).await.expect("recorded");
    let file = lab.path("log/history/run1.jsonl");
    fs::write(&file, "{\"a\":1}\n{\"cut o").expect("torn");
    lab.run(line("{\"b\":'2'}")).await.expect("recorded");
    assert_eq!(fs::read_to_string(&file).expect("text"), "{\"a\":1}\n{\"cut o\n{\"b\":'2'}\n");
    // A damaged record is an error that names it, not a guess.
    fs::write(lab.path("run/undo/one.x.json"), "{").expect("written");
    let wanted = es_cluster::host::Wanted { host: host(), instances: vec![Arc::clone(&one)], verify: false };
    let error = lab.machine.observe(&wanted).await.expect_err("damaged");
    assert!(error.message.contains("run/undo/one.x.json"), "{error}");
}

#[tokio::test]
async fn only_what_nothing_uses_is_collected() {
    let mut lab = Lab::new("collect");
    let names = ["thing-1.0-0123456789aa", "thing-1.1-0123456789bb", "thing-1.2-0123456789cc"];
    let all: Vec<_> = names.iter().map(|name| lab.software(name, &[("a", 0o644, *name)])).collect();
    let generation = |software: &str, text: &str| {
        let one = lab.instance("one", "exec sleep 600", vec![rendered("app.conf", text, 0o644)]);
        Arc::new(DesiredInstance { software: [software.to_owned()].into(), ..(*one).clone() })
    };
    let first = generation(names[0], "1");
    lab.prepare(&[&first], &[]).await.expect("prepared");
    for software in &all {
        lab.run(Op::Fetch { host: Arc::clone(&lab.host), software: Arc::clone(software) }).await.expect("fetched");
        lab.run(Op::Assemble { host: Arc::clone(&lab.host), software: Arc::clone(software) }).await.expect("assembled");
    }
    let later: Vec<_> = ["2", "3", "4", "5"].iter().map(|text| generation(names[1], text)).collect();
    for one in [&first].into_iter().chain(&later) {
        lab.switch(one).await;
        lab.accept(one).await;
    }
    let collect = |keep: &[&str]| {
        let keep = keep.iter().map(|name| (*name).to_owned()).collect();
        lab.run(Op::Collect { host: Arc::clone(&lab.host), keep })
    };
    // A rollback to the oldest: it is current, and so it stays, with its software.
    let op = Op::Switch { host: Arc::clone(&lab.host), instance: Arc::clone(&first), to: first.content_generation };
    lab.run(op).await.expect("switched");
    lab.accept(&first).await;
    collect(&[names[2]]).await.expect("collected");
    let seen = lab.observe(&[&first]).await;
    let mut kept: Vec<Digest> = later.iter().rev().take(3).map(|one| one.content_generation).collect();
    kept.push(first.content_generation);
    assert_eq!(seen.instances["one"].generations, kept);
    assert_eq!(seen.software.keys().collect::<Vec<_>>(), names);
    let op = Op::Switch { host: Arc::clone(&lab.host), instance: Arc::clone(&first), to: later[3].content_generation };
    lab.run(op).await.expect("switched");
    collect(&[]).await.expect("collected");
    let seen = lab.observe(&[&first]).await;
    assert_eq!(seen.instances["one"].generations, kept[..3]);
    assert_eq!(seen.software.keys().collect::<Vec<_>>(), [names[1]]);
    assert_eq!(seen.artifacts, BTreeSet::from([all[1].parts[0].file_name()]));
    assert!(seen.debris.is_empty() && !lab.path(&format!("software/{}.manifest", names[0])).exists());
}

#[tokio::test]
async fn an_unreadable_prefix_is_not_taken_for_an_empty_one() {
    let lab = Lab::new("blocked");
    fs::write(&lab.prefix, "a file").expect("written");
    fs::set_permissions(&lab.prefix, fs::Permissions::from_mode(0o600)).expect("mode");
    let wanted = es_cluster::host::Wanted { host: Arc::clone(&lab.host), instances: Vec::new(), verify: false };
    let error = lab.machine.observe(&wanted).await.expect_err("blocked");
    assert!(error.message.contains("may not be entered"), "{error}");
}

#[tokio::test]
async fn a_service_user_owns_its_data_and_can_not_change_what_root_runs() {
    let mut lab = Lab::new("user");
    if fs::metadata("/proc/self").expect("proc").uid() != 0 {
        println!("skipped: only root runs services as another user");
        return;
    }
    Arc::make_mut(&mut lab.host).user = Some("nobody".to_owned());
    let secret = hidden("secret.conf", "password=1\n");
    let extra = vec![secret, rendered("app.conf", "a=1\n", 0o640), placed(&lab, "data/one/sub/id", "7\n", true)];
    let one = lab.instance("one", "exec sleep 600", extra);
    assert!(!lab.observe(&[&one]).await.prepared);
    lab.prepare(&[&one], &[]).await.expect("prepared");
    lab.switch(&one).await;
    lab.switch(&one).await;
    let seen = lab.observe(&[&one]).await;
    assert!(seen.prepared && seen.user_exists && !seen.instances["one"].has_data);
    assert!(one.files.iter().all(|file| match &file.place {
        Place::Generation(path) | Place::Absolute(path) => seen.instances["one"].files[path].mode == file.mode,
    }));
    let as_user = |script: &str| {
        let words = ["--reuid=nobody", "--regid=nogroup", "--clear-groups", "sh", "-c", script];
        let output = std::process::Command::new("setpriv").args(words).current_dir(&lab.prefix).output();
        output.expect("setpriv").status.success()
    };
    for may in [
        "cat conf/one/current/secret.conf conf/one/current/app.conf conf/one/current/launch data/one/sub/id",
        "echo key >conf/one/current/own.store.tmp && mv conf/one/current/own.store.tmp conf/one/current/own.store",
        "echo >data/one/segment && echo >data/one/sub/id && echo >>log/one/console.log",
    ] {
        assert!(as_user(may), "{may}");
    }
    for may_not in [
        "echo >>conf/one/current/launch",
        "mv conf/one/current/own.store conf/one/current/launch",
        "rm -f conf/one/current/supervisor.conf",
        "cat conf/one/current/.placed/index",
        "ln -sfn /tmp conf/one/current",
        "echo >run/one.proc",
        "echo >software/x",
    ] {
        assert!(!as_user(may_not), "{may_not}");
    }
    assert!(lab.observe(&[&one]).await.instances["one"].has_data);
}
