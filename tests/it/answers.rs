//! The shipped modules' gates, rules and settings, asked about recorded answers of real services: `fixtures/answers/`.

use async_trait::async_trait;
use es_cluster::cli::files::DiskFiles;
use es_cluster::config;
use es_cluster::desired::{self, Desired};
use es_cluster::diag::Sources;
use es_cluster::host::{HookTime, Question, Services as _};
use es_cluster::lock::{Key, Lock, Locked};
use es_cluster::model::{Digest, HostName, InstanceId, Name, ServiceName};
use es_cluster::plan::GateKind;
use es_cluster::probe::{Dial, DialError, ExecAnswer, ExecLimits, Prober};
use es_cluster::remote::Stream;
use indexmap::IndexMap;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[derive(Deserialize)]
struct Case {
    name: String,
    ask: BTreeMap<String, serde_json::Value>,
    answers: BTreeMap<String, BTreeMap<String, String>>,
    holds: bool,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/answers")
}

/// The platform of `cluster.kdl` with the shipped modules. Software does not matter here: everything is there already.
fn platform() -> Arc<Desired> {
    let mut sources = Sources::new();
    let file = folder().join("cluster.kdl").display().to_string();
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("modules").display().to_string();
    let (loaded, mistakes) = config::load(&DiskFiles, &file, &modules, &mut sources);
    let loaded = loaded.unwrap_or_else(|| panic!("{:?}", mistakes.into_reports(&sources)));
    let system =
        Locked { source: String::new(), files: Vec::new(), bundle: None, system: Some("/bin/true".to_owned()) };
    let locked = loaded.cluster.versions.iter().flat_map(|(module, spec)| {
        let plugins = spec.plugins.iter().map(|(name, version)| (Some(name.clone()), version));
        let all = [(None, &spec.version)].into_iter().chain(plugins);
        all.map(|(plugin, version)| {
            let key = Key { module: module.clone(), plugin, version: version.value.clone() };
            (key, system.clone())
        })
    });
    let lock = Lock { artifacts: locked.collect() };
    let (desired, mistakes) = desired::expand(&loaded, &lock, Digest::of(b""), &IndexMap::new());
    Arc::new(desired.unwrap_or_else(|| panic!("{:?}", mistakes.into_reports(&sources))))
}

/// Answers as recorded.
struct Replay {
    desired: Arc<Desired>,
    answers: BTreeMap<String, BTreeMap<String, String>>,
}

#[async_trait]
impl Dial for Replay {
    async fn tcp(&self, host: &HostName, _: &str, port: u16) -> Result<Box<dyn Stream>, DialError> {
        let mut all = self.desired.instances.values();
        let instance = all.find(|instance| instance.id.host == *host && instance.ports.values().any(|p| *p == port));
        let answers = instance.and_then(|instance| self.answers.get(&instance.id.to_string()));
        let answers = answers.or_else(|| self.answers.get("*")).ok_or(DialError::Refused)?.clone();
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        tokio::spawn(async move {
            let mut stream = theirs;
            let mut request = vec![0; 64 << 10];
            let length = stream.read(&mut request).await.unwrap_or(0);
            let answer = answer(&request[..length], &answers);
            stream.write_all(&answer).await.unwrap_or_default();
        });
        Ok(Box::new(ours))
    }

    async fn exec(&self, _: &HostName, _: Option<&str>, _: &[String], _: ExecLimits) -> Result<ExecAnswer, DialError> {
        Err(DialError::Failed("nothing is recorded of programs".to_owned()))
    }
}

/// The recorded answer to a request. One of the Kafka protocol takes over the number of the request, as brokers do.
fn answer(request: &[u8], answers: &BTreeMap<String, String>) -> Vec<u8> {
    let binary = request.first() == Some(&0);
    let asked = if binary { "metadata".into() } else { String::from_utf8_lossy(request) };
    let found =
        answers.iter().filter(|(start, _)| asked.starts_with(start.as_str())).max_by_key(|(start, _)| start.len());
    let (_, file) = found.unwrap_or_else(|| panic!("no answer for `{asked}`"));
    let mut bytes = fs::read(folder().join(file)).expect(file);
    if binary {
        bytes[4..8].copy_from_slice(&request[8..12]);
    }
    bytes
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
    let kind = case.ask.keys().find(|key| !["members", "rule", "setting", "value", "hook"].contains(&key.as_str()));
    let question = match kind.map(String::as_str) {
        Some("ready") => Question::Ready(instance("ready")),
        Some("last") => Question::GoesLast(instance("last")),
        Some("safe") => Question::Safe { instance: instance("safe"), rule: name("rule") },
        Some(gate @ ("healthy" | "converged")) => {
            let service = service(gate);
            let all = &desired.services[&service].instances;
            let members = case.ask.get("members").map(|list| serde_json::from_value(list.clone()).expect("instances"));
            let members = members.unwrap_or_else(|| all.clone());
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
    let desired = platform();
    let mut wrong = String::new();
    let mut told = String::new();
    for case in &cases {
        let (holds, says) = outcome(case, &desired).await;
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
