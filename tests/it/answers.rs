//! The shipped modules' gates, rules and settings, asked about recorded answers of real services, and about some that are
//! composed as their vendors describe them: `fixtures/answers/`.

use crate::modules::{Golden, desired as expanded};
use crate::scenarios::converged;
use async_trait::async_trait;
use es_cluster::desired::Desired;
use es_cluster::host::{HookTime, Question, Services as _};
use es_cluster::inventory::Seen;
use es_cluster::model::{HostName, InstanceId, Name, ServiceName};
use es_cluster::plan::GateKind;
use es_cluster::probe::{Dial, DialError, ExecAnswer, ExecLimits, Prober};
use es_cluster::remote::Stream;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::string::FromUtf8Error;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[derive(Deserialize)]
struct Case {
    name: String,
    ask: BTreeMap<String, serde_json::Value>,
    /// What `cluster.kdl` says otherwise.
    #[serde(default)]
    instead: BTreeMap<String, String>,
    answers: BTreeMap<String, BTreeMap<String, String>>,
    holds: bool,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/answers")
}

/// The platform of `cluster.kdl` with the shipped modules, and with some of it written otherwise. Instances that are not declared
/// any more then are there still: they leave.
fn platform(instead: &BTreeMap<String, String>) -> Arc<Desired> {
    let written = fs::read_to_string(folder().join("cluster.kdl")).expect("the platform");
    let mut text = written.clone();
    for (old, new) in instead {
        assert!(text.contains(old), "cluster.kdl does not say `{old}`");
        text = text.replace(old, new);
    }
    let before = expanded(&Golden(&written), "golden.kdl");
    let mut desired = expanded(&Golden(&text), "golden.kdl");
    let mut inventory = converged(&before);
    for one in before.instances.values() {
        let Some(Seen::Seen(host)) = inventory.hosts.get_mut(&one.id.host) else { continue };
        host.instances.get_mut(one.id.role.as_str()).expect("it is there").about = Some(one.about());
    }
    desired.let_go(&inventory, &|_| None);
    Arc::new(desired)
}

/// Answers as they are in the files.
struct Replay {
    desired: Arc<Desired>,
    answers: BTreeMap<String, BTreeMap<String, String>>,
}

#[async_trait]
impl Dial for Replay {
    async fn tcp(&self, host: &HostName, _: &str, port: u16) -> Result<Box<dyn Stream>, DialError> {
        let mut all = self.desired.instances.values().chain(self.desired.leaving.values());
        let instance = all.find(|instance| instance.id.host == *host && instance.ports.values().any(|p| *p == port));
        let answers = instance.and_then(|instance| self.answers.get(&instance.id.to_string()));
        let answers = answers.or_else(|| self.answers.get("*")).ok_or(DialError::Refused)?.clone();
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        tokio::spawn(async move {
            let mut stream = theirs;
            let mut request = vec![0; 64 << 10];
            loop {
                let length = stream.read(&mut request).await.unwrap_or(0);
                let Some(request) = request.get(..length).filter(|request| !request.is_empty()) else { break };
                stream.write_all(&answer(request, &answers)).await.unwrap_or_default();
                // Only of a broker more is asked on the same connection.
                if !is_binary(request) {
                    break;
                }
            }
        });
        Ok(Box::new(ours))
    }

    async fn exec(&self, _: &HostName, _: Option<&str>, _: &[String], _: ExecLimits) -> Result<ExecAnswer, DialError> {
        Err(DialError::Failed("nothing is recorded of programs".to_owned()))
    }
}

/// Whether it is of the Kafka protocol: it begins with its length.
fn is_binary(request: &[u8]) -> bool {
    request.first() == Some(&0)
}

/// The answer to a request. One of the Kafka protocol takes over the number of the request, as brokers do.
fn answer(request: &[u8], answers: &BTreeMap<String, String>) -> Vec<u8> {
    let asked: Cow<'_, str> = match request {
        [0, _, _, _, 0, 18, ..] => "api-versions".into(),
        [0, _, _, _, 0, 32, ..] => "configs".into(),
        [0, ..] => "metadata".into(),
        _ => String::from_utf8_lossy(request),
    };
    let found =
        answers.iter().filter(|(start, _)| asked.starts_with(start.as_str())).max_by_key(|(start, _)| start.len());
    let (_, file) = found.unwrap_or_else(|| panic!("no answer for `{asked}`"));
    let mut bytes = fs::read(folder().join(file)).expect(file);
    if is_binary(request) {
        bytes[4..8].copy_from_slice(&request[8..12]);
        return bytes;
    }
    String::from_utf8(bytes).map_or_else(FromUtf8Error::into_bytes, |text| dated(text).into_bytes())
}

/// What is told of how long ago something was would be another thing each day: such times are written as words, each as long as
/// the seconds in its place.
fn dated(text: String) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    // Half a minute more, so that a slow machine tells the same number of minutes.
    let times: [(&str, u64); 2] = [("<HOUR-AGO>", 3600 + 30), ("<3DAYSAGO>", 3 * 86_400 + 30)];
    times.iter().fold(text, |text, (word, ago)| text.replace(word, &(now - ago).to_string()))
}

/// Asks; whether it holds, and what people are told.
async fn outcome(case: &Case, desired: &Arc<Desired>) -> (bool, String) {
    let prober = Prober::new(
        Arc::clone(desired),
        Arc::new(Replay { desired: Arc::clone(desired), answers: case.answers.clone() }),
    );
    let text = |key: &str| case.ask[key].as_str().expect("a text");
    let instance = |key: &str| InstanceId::try_from(text(key).to_owned()).expect("an instance");
    let service = |key: &str| ServiceName::new(text(key)).expect("a service");
    let name = |key: &str| Name::new(text(key)).expect("a name");
    let told = |result: Result<String, String>| (result.is_ok(), result.unwrap_or_else(|error| error));
    let beside = ["members", "phase", "rule", "setting", "value", "hook"];
    let kind = case.ask.keys().find(|key| !beside.contains(&key.as_str()));
    let members = |service: &ServiceName| {
        let given = case.ask.get("members").map(|list| serde_json::from_value(list.clone()).expect("instances"));
        given.unwrap_or_else(|| desired.services[service].instances.clone())
    };
    let question = match kind.map(String::as_str) {
        Some("ready") => Question::Ready(instance("ready")),
        Some("last") => Question::GoesLast(instance("last")),
        Some("safe") => Question::Safe { instance: instance("safe"), rule: name("rule") },
        Some("before") => {
            let service = service("before");
            let members = members(&service);
            Question::Before { service, phase: name("phase"), rule: name("rule"), members }
        }
        Some(gate @ ("healthy" | "converged")) => {
            let service = service(gate);
            let members = members(&service);
            let gate = if gate == "healthy" { GateKind::Healthy } else { GateKind::Converged };
            Question::Service { service, gate, members }
        }
        Some("read") => {
            let value = prober.read_setting(&service("read"), &name("setting")).await;
            return told(value.map(|value| value.to_string()));
        }
        Some("write") => {
            let written = prober.write_setting(&service("write"), &name("setting"), &case.ask["value"]).await;
            return told(written.map(|()| "written".to_owned()));
        }
        Some("call") => {
            let hook = usize::try_from(case.ask["hook"].as_u64().expect("a number")).expect("a small one");
            return told(prober.call(&instance("call"), HookTime::BeforeStop, hook).await.map(|()| "sent".to_owned()));
        }
        Some("status") => return (true, prober.status(&service("status")).await.join("\n    ")),
        other => panic!("{}: what is `{other:?}`?", case.name),
    };
    let verdict = prober.ask(&question).await;
    (verdict.holds, verdict.says)
}

#[tokio::test]
async fn shipped_modules_judge_recorded_answers_as_they_should() {
    let cases = fs::read_to_string(folder().join("cases.json")).expect("cases");
    let cases: Vec<Case> = serde_json::from_str(&cases).expect("cases");
    let mut platforms: BTreeMap<&BTreeMap<String, String>, Arc<Desired>> = BTreeMap::new();
    let mut wrong = String::new();
    let mut told = String::new();
    for case in &cases {
        let desired = platforms.entry(&case.instead).or_insert_with(|| platform(&case.instead));
        let (holds, says) = outcome(case, desired).await;
        if holds != case.holds {
            _ = writeln!(wrong, "{}: holds is {holds}: {says}", case.name);
        }
        _ = writeln!(told, "{}: {}\n    {says}", case.name, if holds { "holds" } else { "does not hold" });
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    let golden = folder().join("expected.txt");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&golden, &told).expect("golden text");
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    let diff = similar::TextDiff::from_lines(&expected, &told).unified_diff().to_string();
    assert!(expected == told, "what people are told has changed (UPDATE=1 takes it over):\n{diff}");
}
