//! Throwaway servers and a cluster of one service whose instances are those servers.

use crate::desired::{Desired, DesiredHost, DesiredInstance, DesiredProcess, DesiredService, Inputs, Supervisor};
use crate::diag::{Span, Spanned};
use crate::model::{
    Digest, Expr, Gate, HostName, HttpMethod, InstanceId, Module, ModuleName, Name, Order, Param, ParamType, Parse,
    Per, Probe, ProbeKind, ProbeOn, RoleId, Rolling, Rollout, ServiceName, Strategy, Template, Transport, Version,
};
use crate::probe::{Prober, Tunnels};
use crate::remote::Local;
use indexmap::IndexMap;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

fn at<T>(value: T) -> Spanned<T> {
    Spanned::new(value, Span::default())
}

pub(super) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(super) fn id(number: usize) -> InstanceId {
    InstanceId::new(RoleId::new("store").unwrap(), HostName::new(&format!("n{number}")).unwrap())
}

pub(super) fn service() -> ServiceName {
    ServiceName::new("store").unwrap()
}

pub(super) fn expr(text: &str) -> Expr {
    Expr(at(text.to_owned()))
}

pub(super) fn template(text: &str) -> Template {
    Template(at(text.to_owned()))
}

pub(super) fn probe(kind: ProbeKind, until: &str) -> Probe {
    let until = (!until.is_empty()).then(|| expr(until));
    let timeout = Duration::from_millis(400);
    Probe { kind, on: ProbeOn::SelfInstance, port: None, parse: Parse::Auto, until, twice: false, says: None, timeout }
}

pub(super) fn get(until: &str) -> Probe {
    probe(ProbeKind::Http { method: HttpMethod::Get, path: template("/"), body: None }, until)
}

pub(super) fn on(on: ProbeOn, probe: Probe) -> Probe {
    Probe { on, ..probe }
}

pub(super) fn line(send: &str, until: &str) -> Probe {
    Probe { parse: Parse::KeyValue, ..probe(ProbeKind::Tcp { send: Some(template(send)) }, until) }
}

pub(super) fn gate(probes: impl Into<Vec<Probe>>) -> Gate {
    Gate { within: Duration::from_secs(9), probes: probes.into() }
}

pub(super) fn module() -> Module {
    let port =
        Param { kind: ParamType::Port, default: None, optional: false, doc: String::new(), span: Span::default() };
    Module {
        name: at(ModuleName::new("store").unwrap()),
        doc: String::new(),
        requires: Vec::new(),
        params: IndexMap::from([(name("client-port"), port)]),
        artifact: None,
        plugins: None,
        files: Vec::new(),
        templates: IndexMap::new(),
        free_config: None,
        service_owned: Vec::new(),
        live: Vec::new(),
        connection: None,
        process: None,
        ordinal: None,
        tier: None,
        order: Order::default(),
        after: Vec::new(),
        compat: Vec::new(),
        host: crate::model::HostNeeds::default(),
        settings: IndexMap::new(),
        ready: None,
        healthy: None,
        converged: None,
        safe_to_stop: Vec::new(),
        quorum: None,
        by_file: false,
        strategy: Strategy::Rolling,
        import: None,
        adopt: None,
        rolling: Rolling {
            max_unavailable: 1.into(),
            per: Per::Instance,
            last: None,
            before_stop: Vec::new(),
            after_ready: Vec::new(),
            no_return: None,
        },
        phases: None,
        drain: None,
        settled: Vec::new(),
        status: Vec::new(),
        singleton: None,
        jobs: IndexMap::default(),
        upgrade: crate::model::Upgrade::default(),
    }
}

/// One instance for each port, on hosts n1, n2, ….
pub(super) fn desired(module: Module, ports: &[u16]) -> Desired {
    let module = Arc::new(module);
    let mut hosts = BTreeMap::new();
    let mut instances = BTreeMap::new();
    for (index, port) in ports.iter().enumerate() {
        let id = id(index + 1);
        hosts.insert(id.host.clone(), host(&id.host));
        instances.insert(id.clone(), instance(&id, &module, *port, ports.len()));
    }
    let members = instances.keys().cloned().collect();
    let service = DesiredService { name: service(), module, instances: members };
    let nothing = Digest::of(b"");
    Desired {
        cluster: name("lab"),
        rollout: Rollout::default(),
        inputs: Inputs { file: nothing, modules: nothing, lock: nothing },
        hosts,
        instances,
        services: [(service.name.clone(), service)].into(),
        secrets: BTreeMap::new(),
        jobs: Vec::new(),
        accepted: BTreeMap::new(),
        declared: crate::model::Declared::default(),
        anew: None,
        leaving: BTreeMap::new(),
        elsewhere: BTreeMap::new(),
    }
}

fn host(name: &HostName) -> DesiredHost {
    DesiredHost {
        name: name.clone(),
        address: "127.0.0.1".to_owned(),
        transport: Transport::Local,
        ssh: crate::model::SshOptions::default(),
        prefix: "/nowhere".to_owned(),
        user: None,
        software: BTreeMap::new(),
        supervisor: Supervisor::Systemd,
        units: String::new(),
        boot: None,
        idle: false,
    }
}

fn instance(id: &InstanceId, module: &Arc<Module>, port: u16, expected: usize) -> DesiredInstance {
    let nothing = Digest::of(b"");
    let [data_dir, log_dir, conf_dir] = [const { String::new() }; 3];
    DesiredInstance {
        id: id.clone(),
        service: service(),
        module: Arc::clone(module),
        version: Version::parse("1.2.3").unwrap(),
        ordinal: 1,
        tier: String::new(),
        votes: false,
        params: Arc::default(),
        ports: Arc::new([(name("client-port"), port)].into()),
        memory: 0,
        needs: Arc::new([]),
        free_disk: 0,
        context: crate::expr::Context::new(&serde_json::json!({
            "instance": {"name": id.to_string()}, "version": "1.2.3",
            "service": {"name": "store", "expected": expected},
        })),
        software: Arc::default(),
        files: Arc::default(),
        process: Arc::new(DesiredProcess {
            command: Vec::new(),
            first_start: Vec::new(),
            check: Vec::new(),
            env: BTreeMap::new(),
            program: String::new(),
            stop_signal: "TERM".to_owned(),
            stop_within: Duration::ZERO,
            reload_signal: None,
            reload_command: Vec::new(),
            logs: Vec::new(),
        }),
        unit: String::new(),
        data_dir,
        adopts: None,
        log_dir,
        conf_dir,
        content_generation: nothing,
        restart_generation: nothing,
    }
}

/// Asks over real connections to this machine.
pub(super) fn prober(module: Module, ports: &[u16]) -> Prober {
    asking(desired(module, ports))
}

/// The same about these instances.
pub(super) fn asking(desired: Desired) -> Prober {
    let local: Arc<dyn crate::remote::Transport> = Arc::new(Local);
    let transports = desired.hosts.keys().map(|host| (host.clone(), Arc::clone(&local))).collect();
    Prober::new(Arc::new(desired), Arc::new(Tunnels::new(transports)))
}

/// A server that treats each connection in this way; its port.
pub(super) async fn serve<F>(treat: impl Fn(TcpStream) -> F + Send + 'static) -> u16
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(treat(stream));
        }
    });
    port
}

/// A server that reads a request and sends these bytes, then ends the stream.
pub(super) async fn says(bytes: impl Into<Vec<u8>>) -> u16 {
    let bytes: Arc<[u8]> = bytes.into().into();
    serve(move |mut stream| {
        let bytes = Arc::clone(&bytes);
        async move {
            read_some(&mut stream).await?;
            stream.write_all(&bytes).await
        }
    })
    .await
}

/// An HTTP server with one answer.
pub(super) async fn http(status: &str, body: &str) -> u16 {
    says(response(status, body)).await
}

/// An HTTP server that gives these answers in turn, the last one for ever; and how often it was asked.
pub(super) async fn http_in_turn(answers: &[(&str, &str)]) -> (u16, Arc<AtomicUsize>) {
    let answers: Arc<[String]> = answers.iter().map(|(status, body)| response(status, body)).collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let port = serve(move |mut stream| {
        let turn = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let answer = answers[turn].clone();
        async move {
            read_some(&mut stream).await?;
            stream.write_all(answer.as_bytes()).await
        }
    })
    .await;
    (port, asked)
}

pub(super) fn response(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

pub(super) async fn read_some(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut buffer = vec![0; 4096];
    let length = stream.read(&mut buffer).await?;
    buffer.truncate(length);
    Ok(buffer)
}

/// A port at which nothing listens.
pub(super) async fn closed() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}
