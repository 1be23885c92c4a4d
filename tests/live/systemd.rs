//! Hosts that boot with a real systemd, reached over SSH as an ordinary user with `sudo`: moves between the two supervisors,
//! what systemd gives up on, and hosts that boot again.

use crate::lab::{Lab, Ran, until};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const CLUSTER: &str = r#"
cluster "{cluster}" {
    user "es_cluster"
    supervisor "supervisord" boot=#true
    ssh user="ops" sudo=#true identity="FOLDER/id_ed25519" known-hosts="FOLDER/known_hosts"
}
versions { supervisord "4.3.0"; redis "6.2.14"; }
rollout { canary 1 soak="1s"; batch 1; on-failure "rollback"; }
hosts { "node[1-3]" address="NETWORK.1.[1-3]"; }
roles { redis on="node[1-3]" { databases 16; }; }
"#;

/// A host is back within seconds; its instances start one after the other, on a machine that may be loaded.
const BOOT: Duration = Duration::from_mins(3);

/// Three hosts with systemd, and a cluster on them. Dropping it ends the hosts.
struct Booted {
    folder: PathBuf,
    lab: Lab,
}

fn labhosts(verb: &[&str], folder: &Path, arguments: &[&str]) -> (bool, String) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/lab/lab");
    let run = Command::new(program).args(verb).arg(folder).args(arguments).stdin(Stdio::null()).output();
    let output = run.expect("the lab's program runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

impl Booted {
    fn up(name: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("es-cluster-systemd.").tempdir().expect("a folder").keep();
        let arguments = ["--hosts", "0", "--systemd", "3", "--systemd-name", "node"];
        let (up, said) = labhosts(&["up"], &folder, &arguments);
        assert!(up, "{said}");
        let listed = fs::read_to_string(folder.join("hosts.json")).expect("hosts.json");
        let listed: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
        let network = listed["network"].as_str().and_then(|network| network.strip_suffix(".0.0/16")).expect("127.M");
        let text = CLUSTER.replace("FOLDER", &folder.display().to_string()).replace("NETWORK", network);
        Self { lab: Lab::new(name, &text), folder }
    }

    /// Runs a script on a host, as root and not over SSH; what it printed.
    fn inside(&self, host: u8, script: &str) -> String {
        labhosts(&["exec"], &self.folder, &[&format!("node{host}"), "--", "sh", "-c", script]).1
    }

    fn reboot(&self, host: u8) {
        let (done, said) = labhosts(&["reboot"], &self.folder, &[&format!("node{host}")]);
        assert!(done, "{said}");
    }

    fn unit(&self, host: u8) -> String {
        format!("es_cluster-{}:node{host}:redis.service", self.lab.cluster)
    }

    fn pid(&self, host: u8) -> String {
        self.inside(host, "sed -n s/^pid=//p /opt/es_cluster/run/redis.proc").trim().to_owned()
    }

    fn pids(&self) -> Vec<String> {
        (1..=3).map(|host| self.pid(host)).collect()
    }

    /// How many other processes there are than before.
    fn restarted(&self, before: &[String]) -> usize {
        self.pids().iter().zip(before).filter(|(now, then)| now != then).count()
    }

    /// Nothing is left to do.
    #[track_caller]
    fn is_clean(&self) -> Ran {
        self.lab.esplan(&["--detailed-exitcode"]).expect(0)
    }

    /// A host that has booted comes back by itself.
    #[track_caller]
    fn comes_back(&self, host: u8) {
        let before = self.pid(host);
        self.reboot(host);
        until("the host to come back by itself", BOOT, || {
            let ran = self.lab.esplan(&["--detailed-exitcode"]);
            assert!(matches!(ran.code, 0 | 2 | 3), "{}", ran.text());
            ran.code == 0
        });
        assert_ne!(self.pid(host), before, "another boot, another process");
    }

    #[track_caller]
    fn under_systemd(&self, wanted: bool) {
        for host in 1..=3 {
            let unit = self.inside(host, &format!("systemctl show -p MainPID '{}'", self.unit(host)));
            assert_eq!(unit.contains(&format!("MainPID={}\n", self.pid(host))), wanted, "node{host}: {unit}");
            let own = self.inside(host, "cat /opt/es_cluster/run/supervisord.pid 2>/dev/null || echo none");
            assert_eq!(own.trim() == "none", wanted, "the supervisor of node{host}: {own}");
        }
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("ES_CLUSTER_KEEP").is_some() {
            println!("left for inspection: {0}; end it with: fixtures/lab/lab down {0}", self.folder.display());
        } else {
            labhosts(&["down"], &self.folder, &[]);
        }
    }
}

#[test]
fn two_supervisors_and_hosts_that_boot() {
    let booted = Booted::up("systemd");
    booted.lab.esplan(&["lock"]).expect(0);
    booted.lab.esapply(&[]).expect(0);
    booted.is_clean();
    booted.under_systemd(false);
    booted.comes_back(1);
    moves_to_systemd(&booted);
    gives_up(&booted);
    starts_again(&booted);
    booted.comes_back(2);
    held_stays_held(&booted);
    edited_unit(&booted);
    moves_back(&booted);
    booted.comes_back(3);
    refused_without_root(&booted);
}

/// One rolling change: each instance restarts once, and the old supervisors end.
fn moves_to_systemd(booted: &Booted) {
    let before = booted.pids();
    booted.lab.edit("supervisor \"supervisord\" boot=#true", "supervisor \"systemd\"");
    let plan = booted.lab.esplan(&[]).expect(0);
    assert!(plan.stdout.contains("moves from supervisord to systemd"), "{}", plan.stdout);
    assert!(plan.stdout.contains("/etc/systemd/system/es_cluster-"), "what is written outside: {}", plan.stdout);
    assert!(plan.stdout.contains("canary"), "{}", plan.stdout);
    // The boot of node1 may not have let go of its lock yet.
    booted.lab.esapply(&["--lock-timeout", "1m"]).expect(0);
    assert_eq!(booted.restarted(&before), 3);
    booted.under_systemd(true);
    booted.is_clean();
}

/// What systemd gives up on is rolled back, with its words in the report, and nothing else is touched.
fn gives_up(booted: &Booted) {
    let before = booted.pids();
    booted.lab.edit("databases 16;", "databases 16; config { no-such-directive 1; };");
    let failed = booted.lab.esapply(&[]).expect(4);
    let text = failed.text();
    assert!(text.contains("no-such-directive") && text.contains("journal of"), "{text}");
    assert!(text.contains("gave up") && text.contains("repeated too quickly"), "{text}");
    assert_eq!(booted.restarted(&before), 1, "only the canary was touched");
    booted.lab.edit(" config { no-such-directive 1; };", "");
    booted.lab.esapply(&[]).expect(0);
    booted.is_clean();
    booted.under_systemd(true);
}

/// A process that somebody ends is started again by systemd, and nothing differs.
fn starts_again(booted: &Booted) {
    let before = booted.pid(1);
    booted.inside(1, &format!("kill -KILL {before}"));
    until("another process", Duration::from_mins(1), || booted.pid(1) != before);
    booted.is_clean();
}

/// What was stopped on purpose stays down when its host boots.
fn held_stays_held(booted: &Booted) {
    let held = r#"{"by":"ann","why":"a new disk","what":"stopped"}"#;
    let hold = format!("echo '{held}' >/opt/es_cluster/run/redis.held; systemctl stop '{}'", booted.unit(3));
    booted.inside(3, &hold);
    booted.reboot(3);
    let boot = format!("es_cluster-{}:node3.service", booted.lab.cluster);
    until("the end of the boot script", BOOT, || {
        booted
            .inside(3, &format!("systemctl is-active '{boot}'; systemctl show -p SubState '{boot}'"))
            .contains("exited")
    });
    let state = booted.inside(3, &format!("systemctl is-active '{}'", booted.unit(3)));
    assert_eq!(state.trim(), "inactive");
    let plan = booted.is_clean();
    assert!(plan.stdout.contains("a new disk"), "{}", plan.stdout);
    booted.inside(3, "rm /opt/es_cluster/run/redis.held");
    booted.lab.esapply(&[]).expect(0);
    booted.is_clean();
}

/// A unit that somebody has edited is put back without a restart.
fn edited_unit(booted: &Booted) {
    let before = booted.pids();
    booted.inside(2, &format!("echo '# by hand' >>'/etc/systemd/system/{}'", booted.unit(2)));
    let plan = booted.lab.esplan(&["--detailed-exitcode"]).expect(2);
    assert!(plan.stdout.contains(&booted.unit(2)), "{}", plan.stdout);
    booted.lab.esapply(&[]).expect(0);
    assert_eq!(booted.restarted(&before), 0);
    booted.is_clean();
}

/// A canary that fails under the supervisor that it moves to goes back to the one that it came from.
fn moves_back(booted: &Booted) {
    let before = booted.pids();
    booted.lab.edit("supervisor \"systemd\"", "supervisor \"supervisord\" boot=#true");
    booted.lab.edit("databases 16;", "databases 16; config { no-such-directive 1; };");
    booted.lab.esapply(&[]).expect(4);
    assert_eq!(booted.restarted(&before), 1, "only the canary was touched");
    for host in 1..=3 {
        let state = booted.inside(host, &format!("systemctl is-active '{}'", booted.unit(host)));
        assert_eq!(state.trim(), "active", "node{host} runs under systemd");
    }
    booted.lab.edit(" config { no-such-directive 1; };", "");
    booted.lab.esapply(&[]).expect(0);
    booted.is_clean();
    booted.under_systemd(false);
    for host in 1..=3 {
        let units = booted.inside(host, "ls /etc/systemd/system");
        assert!(!units.contains(&booted.unit(host)), "its unit is gone: {units}");
    }
}

/// Units need root: the plan says so before anything is done.
fn refused_without_root(booted: &Booted) {
    booted.lab.edit("supervisor \"supervisord\" boot=#true", "supervisor \"systemd\"");
    booted.lab.edit(" sudo=#true", "");
    let refused = booted.lab.esplan(&[]).expect(7);
    assert!(refused.text().contains("only root may write units"), "{}", refused.text());
}
