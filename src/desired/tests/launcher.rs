//! The rendered `launch` script, run for real.

use super::super::paths::Folders;
use super::super::{launch, systemd};
use super::*;
use crate::model::{Limits, RoleId};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A folder as a host would have it, with one instance in it.
struct Sandbox {
    prefix: PathBuf,
    process: DesiredProcess,
    limits: Limits,
    locks: bool,
    /// What whoever starts it has done before.
    before: &'static str,
    user: Option<&'static str>,
}

impl Sandbox {
    /// `name` keeps tests apart; `command` is what is run.
    fn new(name: &str, command: &[&str]) -> Self {
        let prefix = std::env::temp_dir().join(format!("es_cluster-launch-{}-{name}", std::process::id()));
        fs::create_dir_all(prefix.join("conf/store/current")).expect("folder");
        fs::create_dir_all(prefix.join("log/store")).expect("folder");
        fs::create_dir_all(prefix.join("run/store/tmp")).expect("folder");
        fs::write(prefix.join("conf/store/current/restart-generation"), format!("{}\n", "ab".repeat(32)))
            .expect("file");
        let process = DesiredProcess {
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            first_start: vec!["--first".to_owned()],
            check: vec![],
            env: [("GREETING".to_owned(), "it's $HOME `x` \"y\"".to_owned())].into(),
            program: "store".to_owned(),
            stop_signal: "TERM".to_owned(),
            stop_within: Duration::from_secs(1),
            reload_signal: None,
            reload_command: Vec::new(),
            logs: Vec::new(),
        };
        Self { prefix, process, limits: Limits::default(), locks: false, before: "", user: None }
    }

    fn start(&self) -> Child {
        self.start_with(Stdio::null())
    }

    fn start_with(&self, stdin: Stdio) -> Child {
        let role = RoleId::new("store").expect("name");
        let folders = Folders::of(&self.prefix.display().to_string(), &role);
        let script = launch::script(&role, &folders, &self.process, &self.limits, self.locks, self.user);
        fs::write(self.prefix.join("conf/store/current/launch"), script).expect("file");
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(format!("{}exec /bin/sh \"$0\"", self.before));
        command.arg(self.prefix.join("conf/store/current/launch")).env("LEAKED", "from outside");
        command.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("sh")
    }

    /// Runs it to its end: its exit status and what the launcher said.
    fn run(&self) -> (i32, String) {
        let output = self.start().wait_with_output().expect("ends");
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn console(&self) -> String {
        fs::read_to_string(self.prefix.join("log/store/console.log")).unwrap_or_default()
    }

    fn record(&self) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.prefix.join("run/store.proc")).expect("record");
        text.lines()
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.prefix.join(name), text).expect("file");
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.prefix);
    }
}

const SHOW: &[&str] =
    &["/bin/sh", "-c", "printf '[%s]' \"$@\"; env | sort; pwd; umask", "show", "a b", "it's", "*", "$(id)", "%s"];

#[test]
fn words_and_environment_arrive_as_they_are() {
    let sandbox = Sandbox::new("words", SHOW);
    assert_eq!(sandbox.run(), (0, String::new()));
    let console = sandbox.console();
    assert!(console.starts_with("[a b][it's][*][$(id)][%s]"), "{console}");
    assert!(console.contains("GREETING=it's $HOME `x` \"y\"\n"), "{console}");
    assert!(!console.contains("LEAKED"), "{console}");
    assert!(!console.contains("--first"), "{console}");
    sandbox.put("run/store.first", "");
    sandbox.run();
    assert!(sandbox.console().contains("[%s][--first]"), "{}", sandbox.console());
}

#[test]
fn the_end_of_the_pipe_that_the_supervisor_polls_stays_open() {
    let sandbox = Sandbox::new("stdin", &["/bin/cat"]);
    let mut child = sandbox.start_with(Stdio::piped());
    child.stdin.take().expect("a pipe").write_all(b"still here").expect("somebody reads");
    assert!(child.wait().expect("ends").success());
    assert_eq!(sandbox.console(), "still here");
}

#[test]
fn the_record_is_of_the_process_that_serves() {
    let sandbox = Sandbox::new("record", &["/bin/sh", "-c", "echo $$; read -r stat </proc/$$/stat; echo \"$stat\""]);
    let child = sandbox.start();
    let pid = child.id();
    assert!(child.wait_with_output().expect("ends").status.success());
    let (console, record) = (sandbox.console(), sandbox.record());
    assert_eq!(record["pid"], pid.to_string());
    assert_eq!(record["restart_generation"], "ab".repeat(32));
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("boot id");
    assert_eq!(record["boot_id"], boot.trim());
    let mut lines = console.lines();
    assert_eq!(lines.next(), Some(pid.to_string().as_str()));
    let stat = lines.next().expect("stat");
    assert_eq!(
        stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(19)),
        Some(record["start_time"].as_str())
    );
}

#[test]
fn what_is_held_stays_down_and_what_was_rolled_back_runs() {
    let sandbox = Sandbox::new("held", &["/bin/echo", "up"]);
    sandbox.put("run/store.held", r#"{"by":"a","why":"\"what\":\"rolled-back\"","what":"stopped"}"#);
    let (status, said) = sandbox.run();
    assert!(status == 0 && said.contains("held"), "{said}");
    sandbox.put("run/store.held", "");
    assert_eq!(sandbox.run().0, 0);
    assert_eq!(sandbox.console(), "");
    let held = crate::inventory::Held {
        by: "a".to_owned(),
        why: "b".to_owned(),
        what: crate::inventory::HeldWhat::RolledBack,
        from: None,
        to: None,
    };
    for text in [serde_json::to_string(&held), serde_json::to_string_pretty(&held)] {
        sandbox.put("run/store.held", &text.expect("json"));
        assert_eq!(sandbox.run(), (0, String::new()));
    }
    assert_eq!(sandbox.console(), "up\nup\n");
}

#[test]
fn a_second_one_is_not_started_beside_the_first() {
    let sandbox = Sandbox::new("twice", &["/bin/cat", "/proc/self/limits"]);
    let mut other = Command::new("/bin/sleep").arg("60").spawn().expect("sleep");
    let stat = fs::read_to_string(format!("/proc/{}/stat", other.id())).expect("stat");
    let started =
        stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(19)).expect("start time").to_owned();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("boot id");
    let record = |start: &str, boot: &str| {
        format!("pid={}\nstart_time={start}\nboot_id={}\nrestart_generation=x\n", other.id(), boot.trim())
    };
    let (living, older, before) = (record(&started, &boot), record("1", &boot), record(&started, "another boot"));
    sandbox.put("run/store.proc", &living);
    let (status, said) = sandbox.run();
    assert!(status == 0 && said.contains("runs already"), "{said}");
    assert_eq!(sandbox.console(), "");
    for stale in [&older, &before, "garbage", ""] {
        sandbox.put("run/store.proc", stale);
        assert_eq!(sandbox.run(), (0, String::new()), "{stale}");
        assert_ne!(sandbox.record()["pid"], other.id().to_string());
    }
    other.kill().expect("ours");
    other.wait().expect("ours");
    fs::remove_file(sandbox.prefix.join("log/store/console.log")).expect("log");
    sandbox.put("run/store.proc", &living);
    assert_eq!(sandbox.run(), (0, String::new()));
    assert!(sandbox.console().contains("Max open files"));
}

#[test]
fn limits_are_raised_as_far_as_allowed() {
    let mut sandbox = Sandbox::new("limits", &["/bin/sh", "-c", "ulimit -S -n; ulimit -H -n"]);
    sandbox.limits = Limits { nofile: Some(1 << 40), nproc: Some(1 << 40), ..Limits::default() };
    assert_eq!(sandbox.run().0, 0);
    let console = sandbox.console();
    let limits: Vec<&str> = console.lines().collect();
    assert_eq!(limits[0], limits[1], "soft is hard");
}

#[test]
fn memory_may_be_locked_as_far_as_allowed() {
    let mut sandbox = Sandbox::new("memlock", &["/bin/sh", "-c", "ulimit -S -l; ulimit -H -l"]);
    // The supervisor's own limit: nothing.
    sandbox.before = "ulimit -S -l 0; ";
    let limits = |sandbox: &Sandbox| {
        assert_eq!(sandbox.run(), (0, String::new()));
        let console = sandbox.console();
        let mut last = console.lines().rev().map(str::to_owned);
        [last.next(), last.next()].map(|limit| limit.expect("a limit"))
    };
    let [hard, soft] = limits(&sandbox);
    assert_eq!(soft, "0", "as it was");
    sandbox.locks = true;
    let [raised, soft] = limits(&sandbox);
    assert_eq!(soft, raised, "soft is hard");
    // Only who has the right to raises the hard one.
    assert!(raised == "unlimited" || raised == hard, "{raised} was {hard}");
}

#[test]
fn a_unit_says_whether_memory_may_be_locked() {
    let sandbox = Sandbox::new("unit", &["/bin/true"]);
    let role = RoleId::new("store").expect("name");
    let folders = Folders::of(&sandbox.prefix.display().to_string(), &role);
    let unit = |locks: bool| systemd::unit(&role, &folders, &sandbox.process, &sandbox.limits, locks);
    assert!(unit(true).contains("\nLimitMEMLOCK=infinity\n"), "{}", unit(true));
    assert!(!unit(false).contains("LimitMEMLOCK"), "{}", unit(false));
}

#[test]
fn a_large_console_log_is_put_aside() {
    let sandbox = Sandbox::new("console", &["/bin/echo", "up"]);
    fs::File::create(sandbox.prefix.join("log/store/console.log"))
        .and_then(|file| file.set_len(33 << 20))
        .expect("log");
    sandbox.run();
    assert_eq!(sandbox.console(), "up\n");
}

#[test]
fn the_supervisor_never_kills_or_starts_by_itself() {
    let desired = World::tiny().expand();
    let entry = &file(&desired, "coord@node1", "supervisor.conf").content;
    for line in [
        "[program:coord]",
        "autostart=false",
        "autorestart=unexpected",
        "stopwaitsecs=31536000",
        "stopsignal=TERM",
        "command=/bin/sh '/opt/tiny/conf/coord/current/launch'",
    ] {
        assert!(entry.lines().any(|own| own == line), "{line}\n{entry}");
    }
    assert_eq!(file(&desired, "coord@node1", "launch").mode, 0o755);
}

#[test]
fn the_service_is_the_declared_user_when_we_are_root() {
    use std::os::unix::fs::{MetadataExt, chown};
    let mut sandbox = Sandbox::new("user", &["/bin/sh", "-c", "id -un; echo $$; echo $TMPDIR"]);
    if fs::metadata(&sandbox.prefix).expect("folder").uid() != 0 {
        return; // Only root can become somebody else; for others the declared user is not looked at.
    }
    sandbox.user = Some("nobody");
    let nobody = Command::new("id").args(["-u", "nobody"]).output().expect("id").stdout;
    let nobody: u32 = String::from_utf8_lossy(&nobody).trim().parse().expect("a number");
    chown(sandbox.prefix.join("log/store"), Some(nobody), None).expect("root");
    // What the user put there must not be followed with the rights of root.
    let secret = sandbox.prefix.join("run/secret");
    fs::write(&secret, "").expect("file");
    std::os::unix::fs::symlink(&secret, sandbox.prefix.join("log/store/console.log")).expect("link");
    assert_ne!(sandbox.run().0, 0);
    assert_eq!(fs::read_to_string(&secret).expect("file"), "");
    fs::remove_file(sandbox.prefix.join("log/store/console.log")).expect("link");
    assert_eq!(sandbox.run(), (0, String::new()));
    let (console, record) = (sandbox.console(), sandbox.record());
    let tmp = sandbox.prefix.join("run/store/tmp").display().to_string();
    assert_eq!(console, format!("nobody\n{}\n{tmp}\n", record["pid"]));
    assert_eq!(fs::metadata(sandbox.prefix.join("run/store.proc")).expect("record").uid(), 0);
}

#[test]
fn rights_of_root_are_kept_by_whoever_it_runs_as() {
    let mut sandbox = Sandbox::new("rights", &["/bin/sh", "-c", "grep CapEff /proc/self/status"]);
    if std::os::unix::fs::MetadataExt::uid(&fs::metadata(&sandbox.prefix).expect("folder")) != 0 {
        return; // Only root can give them; a plan is refused where we are not.
    }
    sandbox.limits.capabilities = vec!["net_raw".to_owned(), "net_admin".to_owned()];
    sandbox.user = Some("nobody");
    let nobody = Command::new("id").args(["-u", "nobody"]).output().expect("id").stdout;
    let nobody: u32 = String::from_utf8_lossy(&nobody).trim().parse().expect("a number");
    std::os::unix::fs::chown(sandbox.prefix.join("log/store"), Some(nobody), None).expect("root");
    let (code, said) = sandbox.run();
    let console = fs::read_to_string(sandbox.prefix.join("log/store/console.log")).unwrap_or_default();
    assert!(code == 0 && console.contains("0000000000003000"), "{code} {said} {console}");
}
