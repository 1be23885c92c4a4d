//! Plans and snapshots in files, with both programs as a user types them, on sandbox hosts that nobody has ever prepared:
//! nothing is installed, so nothing could be started. What matters here is what is refused, and what is the same.

use assert_cmd::Command;
use es_cluster::plan::{Made, Plan};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Name of the generation that is current on node2, and the file in it.
const GENERATION: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// What nobody may see.
const VALUE: &str = "correct-horse-battery";

/// The digest of a text, as `sha256sum` says it.
fn sha256(text: &str) -> String {
    es_cluster::model::Digest::of(text.as_bytes()).to_string()
}

/// A controller's folder with three sandbox hosts beside it.
pub(crate) struct Sandbox {
    folder: TempDir,
}

/// What a program did.
#[derive(Debug)]
pub(crate) struct Did {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
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
        let manifest = format!("{}  queue.conf\n", sha256("a=1\n"));
        fs::write(conf.join(GENERATION).join("manifest"), manifest).expect("a file");
        std::os::unix::fs::symlink(GENERATION, conf.join("current")).expect("a link");
        sandbox
    }

    /// The same with a module that writes a secret into a file, which is on node2 as it was written.
    fn with_a_secret() -> Self {
        let sandbox = Self::new();
        let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/bad/_base/modules");
        let copied = std::process::Command::new("cp").arg("-r").arg(modules).arg(sandbox.path("modules")).status();
        assert!(copied.expect("cp").success());
        sandbox.edit(
            "modules/queue.kdl",
            "files {",
            "files {\n        \"key\" content=\"{{ password }}\\n\" on-change=\"restart\";",
        );
        sandbox.edit("cluster.kdl", "roles {", "secret \"key\" \"key.txt\" from=\"file\"\nroles {");
        sandbox.edit("cluster.kdl", "queue on=\"node[1-3]\"", "queue on=\"node[1-3]\" { password \"key\"; }");
        fs::write(sandbox.path("key.txt"), format!("{VALUE}\n")).expect("a secret");
        let generation = sandbox.prefix(2).join("conf/queue").join(GENERATION);
        fs::write(generation.join("key"), format!("{VALUE}\n")).expect("a file");
        let record = format!("{} {} conf/queue/current/key\n", sha256(&format!("{VALUE}\n")), "b".repeat(64));
        fs::write(generation.join("secrets"), record).expect("a file");
        sandbox
    }

    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(name)).expect(name);
        assert!(text.contains(from), "{from:?} is not in\n{text}");
        fs::write(self.path(name), text.replacen(from, to, 1)).expect(name);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn prefix(&self, host: u8) -> PathBuf {
        self.path("hosts").join(format!("node{host}"))
    }

    /// A file of the current generation on node2.
    fn file(&self) -> PathBuf {
        self.prefix(2).join("conf/queue").join(GENERATION).join("queue.conf")
    }

    pub(crate) fn run(&self, program: &str, args: &[&str]) -> Did {
        let path = match program {
            "esplan" => env!("CARGO_BIN_EXE_esplan"),
            _ => env!("CARGO_BIN_EXE_esapply"),
        };
        let own = self.path("modules");
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/bad/_base/modules");
        let modules = if own.exists() { own } else { base };
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
    pub(crate) fn everything(&self) -> Vec<(PathBuf, u64)> {
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

#[test]
fn a_plan_without_the_values_of_secrets_is_the_live_one_and_nothing_tells_them() {
    let sandbox = Sandbox::with_a_secret();
    let did = sandbox.run("esplan", &["observe", "--out", "snapshot.json"]);
    assert_eq!(did.code, 0, "{did:?}");
    let arguments = [&[][..], &["--format", "json"], &["--diff", "full", "--format", "markdown"], &["-vv"]];
    let live: Vec<Did> = arguments.iter().map(|args| sandbox.run("esplan", args)).collect();
    fs::rename(sandbox.path("key.txt"), sandbox.path("elsewhere.txt")).expect("moved");
    for (args, live) in arguments.iter().zip(&live) {
        let offline = sandbox.run("esplan", &[*args, &["--observed", "snapshot.json"]].concat());
        assert_eq!((live.code, &live.stdout), (offline.code, &offline.stdout), "{args:?} {}", offline.stderr);
    }
    let did = sandbox.run("esplan", &[]);
    assert_eq!(did.code, 1, "live, it is needed: {did:?}");
    assert!(did.stderr.contains("secret \"key\" has no value"), "{}", did.stderr);
    let snapshot = fs::read_to_string(sandbox.path("snapshot.json")).expect("a snapshot");
    assert!(snapshot.contains(&"b".repeat(64)), "the keyed digest stands for the file on node2");
    let line = format!("{VALUE}\n");
    for text in live.iter().flat_map(|did| [&did.stdout, &did.stderr]).chain([&snapshot]) {
        for told in [VALUE, &sha256(VALUE), &sha256(&line)] {
            assert!(!text.contains(told), "{told} is in {text}");
        }
    }
    assert!(live[1].stdout.contains("\"path\": \"key\""), "and the file is in the plan: {}", live[1].stdout);
}

#[test]
fn a_file_with_a_secret_that_was_changed_by_hand_is_seen_and_still_not_told() {
    let sandbox = Sandbox::with_a_secret();
    let plan = |sandbox: &Sandbox| sandbox.run("esplan", &["--format", "json"]).stdout;
    let before = plan(&sandbox);
    let changed = format!("{VALUE}\n# by hand\n");
    fs::write(sandbox.prefix(2).join("conf/queue").join(GENERATION).join("key"), &changed).expect("by hand");
    let after = plan(&sandbox);
    assert_ne!(before, after);
    assert!(!after.contains(VALUE) && !after.contains("by hand\\n") && !after.contains(&sha256(&changed)), "{after}");
}

#[test]
fn a_snapshot_that_somebody_has_edited_is_refused() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run("esplan", &["observe", "--out", "good.json"]).code, 0);
    let good = fs::read_to_string(sandbox.path("good.json")).expect("a snapshot");
    let cases = [
        (good[..good.len() / 2].to_owned(), "it is no snapshot"),
        (good.replacen("\"format\":1", "\"format\":9", 1), "it has format 9"),
        (good.replacen("\"debris\":[]", "\"debris\":[\"\\u001b[2J\"]", 1), "control character"),
        (good.replacen("\"cluster\":\"sandbox\"", "\"cluster\":\"other\"", 1), "of cluster other"),
        ("[".repeat(100_000), "it is no snapshot"),
    ];
    for (text, says) in cases {
        assert_ne!(text, good, "{says}");
        fs::write(sandbox.path("bad.json"), text).expect("a snapshot");
        let did = sandbox.run("esplan", &["--observed", "bad.json"]);
        assert_eq!(did.code, 1, "{did:?}");
        assert!(did.stderr.contains(says) && !did.stderr.contains('\u{1b}'), "{}", did.stderr);
    }
}

#[test]
fn what_changed_on_a_host_is_told_from_what_is_declared_anew() {
    let sandbox = Sandbox::new();
    let told = |sandbox: &Sandbox| {
        let plan = sandbox.run("esplan", &["--format", "json"]).stdout;
        let plan: serde_json::Value = serde_json::from_str(&plan).expect("JSON");
        let change = plan["changes"].as_array().expect("changes").iter().find(|change| change["path"] == "queue.conf");
        (change.expect("the file")["origin"].clone(), sandbox.run("esplan", &[]).stdout)
    };
    let (origin, text) = told(&sandbox);
    assert_eq!(origin, "declared");
    assert!(!text.contains("edited by hand"), "{text}");
    fs::write(sandbox.file(), "a=2\n").expect("by hand");
    let (origin, text) = told(&sandbox);
    assert_eq!(origin, "both");
    assert!(text.contains("queue.conf, edited by hand and declared anew"), "{text}");
}
