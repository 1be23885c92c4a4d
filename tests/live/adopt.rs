//! What somebody started by hand, real Redis servers and a real ZooKeeper ensemble, becomes ours: seen, written down, planned,
//! restarted once each, with its data.

use crate::canary::redis;
use crate::lab::{Lab, alive, signal, until};
use crate::look;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const VERSIONS: &str = r#"
cluster "{cluster}" { supervisor "supervisord"; }
versions { supervisord "4.3.0"; jdk "11.0.13"; zookeeper "3.4.13"; redis "6.2.14"; }
hosts { "node[1-3]" address="{network}.[1-3]" transport="local"; }
roles { redis on="node[1-3]"; zookeeper on="node[1-3]"; }
"#;

const HOSTS: &str = r#"// Where our servers are.
cluster "{cluster}" {
    supervisor "supervisord"
}

versions {
    supervisord "4.3.0"
}

rollout { canary 1 soak="1s"; }

hosts {
    "node[1-3]" address="{network}.[1-3]" transport="local"
}
"#;

/// Processes that were started by hand.
struct ByHand {
    folder: PathBuf,
    children: Vec<Child>,
}

impl Drop for ByHand {
    fn drop(&mut self) {
        for child in &mut self.children {
            _ = child.kill();
            _ = child.wait();
        }
    }
}

impl ByHand {
    /// Unpacks the software as somebody would.
    fn new(lab: &Lab) -> Self {
        let folder = lab.controller.parent().expect("a folder").join("by-hand");
        for name in ["jdk-11.0.13", "zookeeper-3.4.13", "redis-6.2.14"] {
            let bundles = fs::read_dir(Lab::cache().join("bundle")).expect("bundles");
            let mut paths = bundles.flatten().map(|entry| entry.path());
            let bundle = paths.find(|path| path.display().to_string().ends_with(&format!("-{name}.tar"))).expect(name);
            let to = folder.join(name);
            fs::create_dir_all(&to).expect("a folder");
            let tar = Command::new("tar").arg("-xf").arg(bundle).arg("-C").arg(&to).status();
            assert!(tar.expect("tar").success());
        }
        Self { folder, children: Vec::new() }
    }

    fn start(&mut self, command: &mut Command, at: &Path) -> u32 {
        let log = fs::File::create(at.join("console.log")).expect("a log");
        let errors = log.try_clone().expect("a log");
        let child = command.current_dir(at).stdin(Stdio::null()).stdout(log).stderr(errors).spawn().expect("it starts");
        let pid = child.id();
        self.children.push(child);
        pid
    }

    fn redis(&mut self, address: &str, port: u16, data: &Path, more: &str) -> u32 {
        fs::create_dir_all(data).expect("a folder");
        let conf = format!(
            "bind {address}\nport {port}\nprotected-mode no\ndir {}\ndatabases 4\nsave 900 1\n{more}",
            data.display()
        );
        fs::write(data.join("redis.conf"), conf).expect("a file");
        let program = self.folder.join("redis-6.2.14/bin/redis-server");
        self.start(Command::new(program).arg("redis.conf"), data)
    }

    fn java(&self) -> Command {
        let mut java = Command::new(self.folder.join("jdk-11.0.13/bin/java"));
        java.args(["-Xmx64m", "-cp"]).arg(format!("{}/*", self.folder.join("zookeeper-3.4.13/lib").display()));
        java
    }

    fn zookeeper(&mut self, lab: &Lab, number: u8) -> u32 {
        let data = self.folder.join(format!("zk{number}"));
        fs::create_dir_all(&data).expect("a folder");
        fs::write(data.join("myid"), format!("{number}")).expect("a file");
        let server = |number: u8| format!("server.{number}={}:2888:3888", lab.address(number));
        let servers = (1..=3).map(server).collect::<Vec<_>>().join("\n");
        let conf = format!(
            "tickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir={}\nclientPort=2181\nclientPortAddress={}\nglobalOutstandingLimit=500\n{servers}\n",
            data.display(),
            lab.address(number)
        );
        fs::write(data.join("zoo.cfg"), conf).expect("a file");
        let mut java = self.java();
        java.args(["org.apache.zookeeper.server.quorum.QuorumPeerMain", "zoo.cfg"]);
        self.start(&mut java, &data)
    }

    /// What the command-line client says.
    fn client(&self, address: &str, words: &[&str]) -> String {
        let mut java = self.java();
        java.args(["org.apache.zookeeper.ZooKeeperMain", "-server", &format!("{address}:2181")]).args(words);
        let said = java.stdin(Stdio::null()).output().expect("the client");
        format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr))
    }
}

#[test]
fn what_runs_by_hand_is_written_down_restarts_once_and_keeps_its_data() {
    let lab = Lab::new("adopt", VERSIONS);
    lab.esplan(&["lock"]).expect(0);
    let mut by_hand = ByHand::new(&lab);
    let mut pids = Vec::new();
    for number in 1..=3 {
        let data = by_hand.folder.join(format!("cache{number}"));
        let more = if number == 2 { "maxmemory 64mb\n" } else { "maxmemory 32mb\n" };
        pids.push(by_hand.redis(&lab.address(number), 6379, &data, more));
        pids.push(by_hand.zookeeper(&lab, number));
    }
    // Somebody else's, on another port of the same machine.
    let data = by_hand.folder.join("another");
    let bystander = by_hand.redis("127.0.0.1", 16399, &data, "");
    until("everything to run", Duration::from_mins(1), || {
        let redis = (1..=3).all(|host| redis(&lab, host, "PING").is_ok_and(|said| said.contains("+PONG")));
        redis && (1..=3).filter_map(|host| look::zookeeper_mode(&lab.address(host))).count() == 3
    });
    assert!(redis(&lab, 1, "SET kept by-redis").expect("an answer").contains("+OK"));
    by_hand.client(&lab.address(1), &["create", "/kept", "by-zookeeper"]);

    // The file, from what runs.
    fs::remove_file(lab.controller.join("cluster.kdl")).expect("removed");
    fs::remove_file(lab.controller.join("cluster.lock")).expect("removed");
    let hosts = HOSTS.replace("{network}", &lab.network).replace("{cluster}", &lab.cluster);
    fs::write(lab.controller.join("hosts.kdl"), hosts).expect("a file");
    let told = lab.esplan(&["adopt", "hosts.kdl", "--out", "cluster.kdl"]).expect(0).stderr;
    let written = fs::read_to_string(lab.controller.join("cluster.kdl")).expect("a file");
    println!("{written}");
    assert!(told.contains("6 instances found on 3 hosts") && !written.contains("// TODO"), "{told}\n{written}");
    for line in ["databases 4", "globalOutstandingLimit 500", "heap \"64m\"", "append-only #false", "save \"900 1\""] {
        assert!(written.contains(line), "{line}:\n{written}");
    }
    lab.esplan(&["validate"]).expect(0);
    lab.esplan(&["lock"]).expect(0);

    // The plan is the migration and nothing else.
    let plan = lab.esplan(&["--detailed-exitcode"]).expect(2).stdout;
    assert_eq!(plan.matches("restarts once: becomes managed by es_cluster").count(), 6, "{plan}");
    assert!(plan.contains("6 to restart") && !plan.contains("to start"), "{plan}");
    assert!(pids.iter().all(|pid| alive(*pid)), "looking changes nothing");

    lab.esapply(&[]).expect(0);
    assert!(pids.iter().all(|pid| !alive(*pid)), "each was asked to end");
    assert!(alive(bystander), "and nobody else was");
    assert!(redis(&lab, 1, "GET kept").expect("an answer").contains("by-redis"));
    let said = by_hand.client(&lab.address(2), &["get", "/kept"]);
    assert!(said.contains("by-zookeeper"), "{said}");
    let link = fs::read_link(lab.prefix("node1").join("data/zookeeper")).expect("a link");
    assert_eq!(link, by_hand.folder.join("zk1"));
    assert_eq!(fs::read_to_string(link.join("myid")).expect("myid"), "1", "what identifies it was not written");
    lab.esplan(&["--detailed-exitcode"]).expect(0);
    signal(bystander, "TERM");
}
