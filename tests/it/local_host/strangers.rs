//! Processes that somebody started by hand, on this machine: who is recognised, who is asked to end, and who never is.

use super::lab::Lab;
use super::placed;
use crate::bad::Texts;
use es_cluster::config;
use es_cluster::desired::{Adopts, DesiredInstance};
use es_cluster::diag::Sources;
use es_cluster::host::Op;
use es_cluster::inventory::{Adoption, InstanceObservation, ProcessObservation, Running, seek_request};
use es_cluster::model::Name;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Listens to a port until it is told to end.
const SERVICE: &str = "import socket,sys,time\ns=socket.socket()\ns.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)\n\
s.bind((sys.argv[1],int(sys.argv[2])))\ns.listen()\nopen(sys.argv[3],'w')\ntime.sleep(600)\n";

/// A process that ends with the test.
struct ByHand(Child);

impl ByHand {
    /// Starts one, with a word in its command line; it listens when this returns.
    fn start(folder: &Path, address: &str, port: u16, word: &str) -> Self {
        let flag = folder.join(format!("up-{address}-{port}"));
        let child = Command::new("python3")
            .args(["-c", SERVICE, address, &port.to_string()])
            .arg(&flag)
            .arg(word)
            .current_dir(folder)
            .stdin(Stdio::null())
            .spawn()
            .expect("python3");
        let by_hand = Self(child);
        let until = Instant::now() + Duration::from_secs(20);
        while !flag.exists() {
            assert!(Instant::now() < until, "it does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        by_hand
    }

    fn runs(&mut self) -> bool {
        self.0.try_wait().expect("a child").is_none()
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// A port that nobody has now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port()
}

fn adopting(lab: &Lab, port: u16, word: &str, data: &Path) -> Arc<DesiredInstance> {
    let id = placed(lab, "data/thing/id", "number=7\n", true);
    let mut one = Arc::unwrap_or_clone(lab.instance("thing", "exec sleep 600", vec![id]));
    one.ports = Arc::new(BTreeMap::from([(Name::new("port").expect("name"), port)]));
    one.adopts = Some(Adopts { words: vec![word.to_owned()], data: Some(data.display().to_string()) });
    Arc::new(one)
}

async fn look(lab: &Lab, one: &Arc<DesiredInstance>) -> InstanceObservation {
    lab.observe(&[one]).await.instances["thing"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_recognised_is_asked_to_end_and_its_data_stays_where_it_is() {
    taken_over("").await;
}

/// What `esplan adopt` finds of the process that was started by hand.
async fn sought(lab: &Lab, pid: u32, port: u16, data: &Path) {
    let text = "module \"thing\" {\n adopt \"the-thing\" {\n config at=\"thing.conf\"\n data setting=\"dir\"\n id file=\"id\"\n }\n \
                process { command \"/bin/true\"; stop signal=\"TERM\" within=\"5s\"; }\n}\n";
    let texts = Texts([("modules/thing.kdl".to_owned(), text.as_bytes().to_vec())].into());
    let (module, mistakes) = config::load_module(&texts, "thing", "modules", &mut Sources::new());
    assert!(mistakes.is_empty(), "{:?}", mistakes.iter().map(|one| &one.message).collect::<Vec<_>>());
    let module = module.expect("a module");
    let known = module.adopt.as_ref().expect("recognised");
    let all = lab.seek(&seek_request([(module.as_ref(), known, "")])).await;
    let found = all.iter().find(|found| found.pid == pid).unwrap_or_else(|| panic!("{all:#?}"));
    assert_eq!(found.listens, [("127.0.0.1".parse().expect("an address"), port)]);
    assert_eq!(found.data, Some((data.display().to_string(), true)));
    assert_eq!(found.id.as_deref(), Some("# written by itself\nnumber=7"));
    let (path, text) = found.config.as_ref().expect("its file");
    assert!(path.ends_with("/thing.conf"), "{path}");
    assert_eq!(text.as_deref(), Some("dir = ./kept\n"));
    assert!(found.words.iter().any(|word| word == "the-thing"), "{found:?}");
    assert!(found.exe.contains("python3"), "{found:?}");
}

/// Somebody's process is seen, sought, taken over and stopped, on a host with this shell.
pub(super) async fn taken_over(shell: &str) {
    let lab = Lab::in_shell("strangers", shell);
    let (port, other) = (free_port(), free_port());
    let data = Path::new(&lab.prefix).parent().expect("a folder").join("kept");
    std::fs::create_dir(&data).expect("a folder");
    std::fs::write(data.with_file_name("thing.conf"), "dir = ./kept\n").expect("a file");
    std::fs::write(data.join("id"), "# written by itself\nnumber=7").expect("a file");
    let mut ours = ByHand::start(Path::new(&lab.prefix).parent().expect("a folder"), "127.0.0.1", port, "the-thing");
    let mut same_word =
        ByHand::start(Path::new(&lab.prefix).parent().expect("a folder"), "127.0.0.1", other, "the-thing");
    let mut same_port =
        ByHand::start(Path::new(&lab.prefix).parent().expect("a folder"), "127.0.0.2", port, "the-thing");
    let one = adopting(&lab, port, "the-thing", &data);
    sought(&lab, ours.0.id(), port, &data).await;

    // Nothing of ours is there yet, and it is seen, with its data.
    let seen = look(&lab, &one).await;
    let ProcessObservation::Running(Running { pid, start_time, stranger: true, supervised: None, .. }) = seen.process
    else {
        panic!("{seen:?}");
    };
    assert_eq!(pid, ours.0.id());
    assert_eq!(seen.adoption, Some(Adoption { keeps: Some(true), ..Adoption::default() }));
    assert!(seen.has_data && seen.current.is_none(), "{seen:?}");
    let id = seen.files.values().find(|file| file.content.is_some()).expect("what identifies the data");
    let wanted = one.files.iter().find(|file| file.identity).expect("declared");
    assert!(wanted.is_met_by(id.sha256, id.content.as_deref()), "{id:?}");

    // Somebody else who listens there is told, and not taken.
    let unknown = look(&lab, &adopting(&lab, port, "another-thing", &data)).await;
    assert_eq!(unknown.process, ProcessObservation::Absent);
    assert_eq!(unknown.adoption.expect("asked").taken, [port].into());

    lab.prepare(&[&one], &[]).await.expect("prepared");
    let link = lab.path("data/thing");
    assert_eq!(std::fs::read_link(&link).expect("a link"), data);
    lab.prepare(&[&one], &[]).await.expect("again");
    assert_eq!(look(&lab, &one).await.adoption.expect("asked").linked, Some(data.display().to_string()));

    // Not the process that was meant: it started at another time, or is something else.
    let stop = |one: &Arc<DesiredInstance>, stranger| {
        let (host, instance) = (Arc::clone(&lab.host), Arc::clone(one));
        lab.run(Op::StopUnsupervised { host, instance, within: Duration::from_secs(10), stranger: Some(stranger) })
    };
    stop(&one, (pid, start_time + 1)).await.expect("nothing to stop");
    stop(&adopting(&lab, port, "another-thing", &data), (pid, start_time)).await.expect("nothing to stop");
    let nobody = Arc::new(DesiredInstance { adopts: None, ..(*one).clone() });
    stop(&nobody, (pid, start_time)).await.expect_err("it is not declared");
    assert!(ours.runs(), "it was not meant");

    stop(&one, (pid, start_time)).await.expect("stopped");
    assert!(!ours.runs());
    assert!(same_word.runs() && same_port.runs(), "nobody else was");
    assert!(!lab.path("run/thing.proc").exists());
    assert_eq!(look(&lab, &one).await.process, ProcessObservation::Absent);

    // What is there is never replaced by a link.
    std::fs::remove_file(&link).expect("the link");
    std::fs::create_dir(&link).expect("a folder");
    let refused = lab.prepare(&[&one], &[]).await.expect_err("a folder is there");
    assert!(refused.message.contains("is there"), "{refused}");
}
