//! Supervisors that answer as real ones do, and as none should.

use super::*;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// What comes back for a call: from its method and how often that was called before. Nothing is a silence without end.
type Script = fn(&str, usize) -> Vec<u8>;

/// A supervisor that follows a script, and the methods that it was called for.
struct Fake {
    script: Script,
    methods: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    fn new(script: Script) -> Self {
        Self { script, methods: Arc::default() }
    }

    fn methods(&self) -> Vec<String> {
        self.methods.lock().expect("lock").clone()
    }
}

#[async_trait]
impl Dial for Fake {
    async fn dial(&self) -> Result<Box<dyn Call>, String> {
        let (ours, mut theirs) = tokio::io::duplex(4 << 20);
        let (script, methods) = (self.script, Arc::clone(&self.methods));
        tokio::spawn(async move {
            let (mut request, mut buffer) = (Vec::new(), [0u8; 4096]);
            while !request.ends_with(b"</methodCall>") {
                match theirs.read(&mut buffer).await {
                    Ok(0) | Err(_) => return,
                    Ok(count) => request.extend_from_slice(&buffer[..count]),
                }
            }
            let text = String::from_utf8_lossy(&request).into_owned();
            let method = text.split("<methodName>supervisor.").nth(1).and_then(|rest| rest.split('<').next());
            let method = method.unwrap_or_default().to_owned();
            let bytes = {
                let mut methods = methods.lock().expect("lock");
                let before = methods.iter().filter(|known| **known == method).count();
                methods.push(method.clone());
                script(&method, before)
            };
            if bytes.is_empty() {
                std::future::pending::<()>().await;
            }
            _ = theirs.write_all(&bytes).await;
        });
        Ok(Box::new(ours))
    }
}

fn http(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn value(value: &str) -> Vec<u8> {
    http(&format!("<methodResponse><params><param><value>{value}</value></param></params></methodResponse>"))
}

fn fault(code: i64) -> Vec<u8> {
    http(&format!(
        "<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>{code}</int></value></member>\
         <member><name>faultString</name><value><string>WHY: \u{1b}x</string></value></member></struct></value></fault>\
         </methodResponse>"
    ))
}

fn state(state: u8) -> Vec<u8> {
    let member = |name: &str, text: &str| format!("<member><name>{name}</name><value>{text}</value></member>");
    let members = [
        member("state", &format!("<int>{state}</int>")),
        member("pid", "<int>0</int>"),
        member("spawnerr", "<string></string>"),
        member("exitstatus", "<int>0</int>"),
    ];
    value(&format!("<struct>{}</struct>", members.concat()))
}

fn changed(name: &str) -> Vec<u8> {
    let list = |text: &str| format!("<value><array><data>{text}</data></array></value>");
    let names = if name.is_empty() { String::new() } else { format!("<value><string>{name}</string></value>") };
    let lists = [list(""), list(&names), list("")].concat();
    value(&format!("<array><data>{}</data></array>", list(&lists)))
}

fn yes() -> Vec<u8> {
    value("<boolean>1</boolean>")
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_new_program_is_added_and_a_known_one_is_only_started() {
    let new = Fake::new(|method, _| match method {
        "reloadConfig" => changed("other"),
        "getProcessInfo" => fault(10),
        _ => yes(),
    });
    Supervisor::new(&new).start("one", SECOND).await.expect("started");
    assert_eq!(new.methods(), ["reloadConfig", "getProcessInfo", "addProcessGroup", "startProcess"]);
    let known = Fake::new(|method, _| match method {
        "reloadConfig" => changed("other"),
        "getProcessInfo" => state(0),
        "startProcess" => fault(60),
        _ => yes(),
    });
    Supervisor::new(&known).start("one", SECOND).await.expect("it runs already");
    assert_eq!(known.methods(), ["reloadConfig", "getProcessInfo", "startProcess"]);
}

#[tokio::test]
async fn a_changed_program_is_taken_out_and_put_in_again_once_it_has_stopped() {
    let fake = Fake::new(|method, before| match method {
        "reloadConfig" => changed("one"),
        "getProcessInfo" => state(if before < 3 { 40 } else { 0 }),
        _ => yes(),
    });
    Supervisor::new(&fake).start("one", SECOND).await.expect("started");
    let methods = fake.methods();
    assert_eq!(methods.iter().filter(|method| *method == "getProcessInfo").count(), 4, "it was still stopping");
    assert_eq!(methods[methods.len() - 3..], ["removeProcessGroup", "addProcessGroup", "startProcess"]);
    let running = Fake::new(|method, _| match method {
        "reloadConfig" => changed("one"),
        "getProcessInfo" => state(20),
        "removeProcessGroup" => fault(91),
        _ => yes(),
    });
    let error = Supervisor::new(&running).start("one", SECOND).await.expect_err("it runs");
    assert_eq!(error, SupervisorError::StillRunning { program: "one".to_owned() });
}

#[tokio::test]
async fn faults_are_told_apart() {
    for (code, wanted) in
        [(20, "can't be started"), (50, "can't be started"), (92, "its configuration"), (1, "refused")]
    {
        let script: Script = match code {
            20 => |_, _| fault(20),
            50 => |_, _| fault(50),
            92 => |_, _| fault(92),
            _ => |_, _| fault(1),
        };
        let fake = Fake::new(script);
        let error = Supervisor::new(&fake).signal("one", "HUP").await.expect_err("a fault");
        assert!(error.to_string().contains(wanted), "{code}: {error}");
    }
}

#[tokio::test]
async fn a_stop_waits_and_never_does_more_than_ask() {
    let slow = Fake::new(|method, before| match method {
        "getProcessInfo" => state([20, 40, 40].get(before).copied().unwrap_or(0)),
        _ => yes(),
    });
    Supervisor::new(&slow).stop("one", SECOND).await.expect("stopped");
    let stuck = Fake::new(|method, before| match method {
        "getProcessInfo" => state(if before == 0 { 20 } else { 40 }),
        _ => yes(),
    });
    let within = Duration::from_millis(100);
    let error = Supervisor::new(&stuck).stop("one", within).await.expect_err("stuck");
    assert_eq!(error, SupervisorError::Stuck { program: "one".to_owned(), within });
    let methods: std::collections::BTreeSet<String> = stuck.methods().into_iter().collect();
    assert_eq!(methods.into_iter().collect::<Vec<_>>(), ["getProcessInfo", "stopProcess"]);
    let unknown = Fake::new(|_, _| fault(10));
    Supervisor::new(&unknown).stop("one", SECOND).await.expect("nothing to stop");
}

#[tokio::test]
async fn garbage_and_megabytes_are_errors() {
    let scripts: [Script; 7] = [
        |_, _| b"hello\r\n\r\n".to_vec(),
        |_, _| http(""),
        |_, _| http("<html>no</html>"),
        |_, _| http(&"<methodResponse>".repeat(200_000)),
        |_, _| b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort".to_vec(),
        |_, _| b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_vec(),
        |_, _| value("<int>1</int>"),
    ];
    for (number, script) in scripts.into_iter().enumerate() {
        let fake = Fake::new(script);
        assert!(Supervisor::new(&fake).info("one").await.is_err(), "number {number}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_supervisor_does_not_hold_us() {
    let fake = Fake::new(|_, _| Vec::new());
    let error = Supervisor::new(&fake).version().await.expect_err("silence");
    assert!(matches!(error, SupervisorError::Silent { .. }), "{error}");
}
