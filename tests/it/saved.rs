//! Plans and snapshots in files, with both programs as a user types them, on sandbox hosts that nobody has ever prepared:
//! nothing is installed, so nothing could be started. What matters here is what is refused, and what is the same.

use assert_cmd::Command;
use es_cluster::plan::{Made, Plan};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Name of the generation that is current on node2, and the file in it.
const GENERATION: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// A controller's folder with three sandbox hosts beside it.
struct Sandbox {
    folder: TempDir,
}

/// What a program did.
#[derive(Debug)]
struct Did {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Sandbox {
    fn new() -> Self {
        let sandbox = Self { folder: tempfile::tempdir().expect("a folder") };
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/bad/_base");
        let mut hosts = Vec::new();
        for number in 1..=3 {
            let prefix = sandbox.prefix(number);
            fs::create_dir_all(&prefix).expect("a prefix");
            let (address, prefix) = (format!("127.0.72.{number}"), prefix.display());
            hosts.push(format!("node{number} address=\"{address}\" transport=\"local\" prefix=\"{prefix}\""));
        }
        let hosts = hosts.join("\n");
        let cluster = format!(
            "cluster \"sandbox\" {{ supervisor \"keeper\"; }}\n\
             versions {{ runtime \"11.0.13\"; queue \"2.1.1\"; keeper \"4.3.0\"; }}\n\
             hosts {{\n{hosts}\n}}\nroles {{ queue on=\"node[1-3]\"; }}\n"
        );
        fs::write(sandbox.path("cluster.kdl"), cluster).expect("cluster.kdl");
        fs::copy(base.join("cluster.lock"), sandbox.path("cluster.lock")).expect("cluster.lock");
        // As if it had been there for long.
        let conf = sandbox.prefix(2).join("conf/queue");
        fs::create_dir_all(conf.join(GENERATION)).expect("a generation");
        fs::write(sandbox.file(), "a=1\n").expect("a file");
        fs::write(conf.join(GENERATION).join("manifest"), "").expect("a file");
        std::os::unix::fs::symlink(GENERATION, conf.join("current")).expect("a link");
        sandbox
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn prefix(&self, host: u8) -> PathBuf {
        self.path("hosts").join(format!("node{host}"))
    }

    /// A file of the current generation on node2.
    fn file(&self) -> PathBuf {
        self.prefix(2).join("conf/queue").join(GENERATION).join("queue.conf")
    }

    fn run(&self, program: &str, args: &[&str]) -> Did {
        let path = match program {
            "esplan" => env!("CARGO_BIN_EXE_esplan"),
            _ => env!("CARGO_BIN_EXE_esapply"),
        };
        let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/bad/_base/modules");
        let output = Command::new(path)
            .args(args)
            .args(["--modules", &modules.display().to_string()])
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("USER", "ops")
            .output()
            .expect("it runs");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Did { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Every path below the hosts' prefixes, with the size of what is there.
    fn everything(&self) -> Vec<(PathBuf, u64)> {
        fn walk(folder: &Path, found: &mut Vec<(PathBuf, u64)>) {
            for path in fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()) {
                let about = fs::symlink_metadata(&path).expect("it is there");
                found.push((path.clone(), about.len()));
                if about.is_dir() {
                    walk(&path, found);
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.path("hosts"), &mut found);
        found.sort();
        found
    }

    fn plan(&self) -> Plan {
        Plan::from_json(&fs::read_to_string(self.path("plan.json")).expect("plan.json")).expect("a plan")
    }

    /// Writes the plan with another end of its life.
    fn made(&self, not_after: &str) {
        let made = Made { by: "ops@here".into(), at: "2020-01-01T00:00:00Z".into(), not_after: Some(not_after.into()) };
        fs::write(self.path("plan.json"), self.plan().to_json(Some(&made))).expect("plan.json");
    }
}

#[test]
fn a_file_that_was_changed_by_hand_makes_a_plan_stale_and_is_named() {
    let sandbox = Sandbox::new();
    let did = sandbox.run("esplan", &["--out", "plan.json", "--not-after", "4h"]);
    assert_eq!(did.code, 0, "{did:?}");
    fs::write(sandbox.file(), "a=2\n").expect("by hand");
    let before = sandbox.everything();
    let did = sandbox.run("esapply", &["plan.json", "--yes"]);
    assert_eq!(did.code, 5, "{did:?}");
    assert!(did.stderr.contains("\n  node2: conf/queue/current/queue.conf was changed\n"), "{}", did.stderr);
    assert!(!did.stderr.contains("node1") && !did.stderr.contains("node3"), "{}", did.stderr);
    assert_eq!(sandbox.everything(), before, "nothing was written");
}

#[test]
fn what_two_people_compare_is_the_same_wherever_it_is_shown() {
    let sandbox = Sandbox::new();
    let shown = sandbox.run("esplan", &["--out", "plan.json", "--not-after", "4h"]);
    let line = format!("\nplan sha256:{}\n", sandbox.plan().digest());
    assert!(shown.stdout.ends_with(&line), "{}", shown.stdout);
    assert!(fs::read_to_string(sandbox.path("plan.json")).expect("a plan").contains("\"by\": \"ops@"));
    assert_eq!(sandbox.run("esplan", &[]).stdout, shown.stdout, "who and when are no part of it");
    let did = sandbox.run("esapply", &["plan.json"]);
    assert_eq!(did.code, 1, "nobody was there to say yes: {did:?}");
    assert!(did.stdout.contains(&line) && did.stdout.contains("made by ops@"), "{}", did.stdout);
    fs::write(sandbox.file(), "a=2\n").expect("by hand");
    assert!(!sandbox.run("esplan", &[]).stdout.contains(&line), "another plan has another digest");
}

#[test]
fn a_plan_is_not_applied_after_its_time() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run("esplan", &["--not-after", "4h"]).code, 1, "it is said of a saved plan");
    assert_eq!(sandbox.run("esplan", &["--out", "plan.json", "--not-after", "soon"]).code, 1);
    assert_eq!(sandbox.run("esplan", &["--out", "plan.json", "--not-after", "2020-01-01T00:00:00Z"]).code, 1);
    assert_eq!(sandbox.run("esplan", &["--out", "plan.json", "--not-after", "2999-01-01T00:00:00Z"]).code, 0);
    let before = sandbox.everything();
    for (not_after, says) in [("2020-01-02T00:00:00Z", "expired"), ("tomorrow", "no time that can be read")] {
        sandbox.made(not_after);
        let did = sandbox.run("esapply", &["plan.json", "--yes"]);
        assert_eq!(did.code, 5, "{did:?}");
        assert!(did.stderr.contains(says) && did.stderr.contains("ops@here"), "{}", did.stderr);
    }
    assert_eq!(sandbox.everything(), before, "nothing was written");
}

#[test]
fn a_plan_that_was_edited_is_refused_with_and_without_its_digest_put_right() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run("esplan", &["--out", "plan.json"]).code, 0);
    let before = sandbox.everything();
    let text = fs::read_to_string(sandbox.path("plan.json")).expect("a plan");
    let edited = text.replacen("\"prepare node1\"", "\"prepare node9\"", 1);
    assert_ne!(edited, text);
    fs::write(sandbox.path("plan.json"), &edited).expect("a plan");
    let did = sandbox.run("esapply", &["plan.json", "--yes"]);
    assert_eq!(did.code, 7, "{did:?}");
    assert!(did.stderr.contains("changed after it was made"), "{}", did.stderr);
    // Somebody who knows how to put the digest right, and leaves out what waits for the first instance.
    fs::write(sandbox.path("plan.json"), text).expect("a plan");
    let mut plan = sandbox.plan();
    for step in &mut plan.steps {
        step.needs.clear();
    }
    fs::write(sandbox.path("plan.json"), plan.to_json(None)).expect("a plan");
    let did = sandbox.run("esapply", &["plan.json", "--yes"]);
    assert_eq!(did.code, 7, "{did:?}");
    assert!(did.stderr.contains("is refused"), "{}", did.stderr);
    assert_eq!(sandbox.everything(), before, "nothing was written");
}

#[test]
fn the_plan_from_a_snapshot_is_the_live_one_byte_for_byte() {
    let sandbox = Sandbox::new();
    let did = sandbox.run("esplan", &["observe", "--out", "snapshot.json"]);
    assert_eq!(did.code, 0, "{did:?}");
    for args in [&[][..], &["--format", "json"], &["--diff", "full", "--only", "queue@node2"]] {
        let live = sandbox.run("esplan", args);
        assert_eq!(live.code, 0, "{live:?}");
        let offline = sandbox.run("esplan", &[args, &["--observed", "snapshot.json"]].concat());
        assert_eq!((live.code, live.stdout), (offline.code, offline.stdout), "{args:?}");
    }
}
