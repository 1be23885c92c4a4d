//! Services that ask who we are, and services behind TLS with a private CA.

use super::support::{desired, expr, gate, get, id, line, module, name, response, serve, template};
use crate::desired::Desired;
use crate::host::{Question, Services as _};
use crate::inventory::Verdict;
use crate::model::{
    Auth, Connection, Digest, Login, Module, Parse, Probe, ProbeKind, ProbeOn, Secret, SecretRef, Tls, Value,
};
use crate::probe::{Prober, Tunnels};
use crate::remote::Local;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto::ring};

const VALUE: &str = "open \"sesame\" & more";

type Ca = CertifiedIssuer<'static, KeyPair>;

fn ca(called: &str) -> Ca {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, called);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for a name, and its key, both as PEM.
fn certificate(ca: &Ca, called: &str, until: i32) -> (String, String) {
    let mut params = CertificateParams::new(vec![called.to_owned()]).unwrap();
    params.not_after = date_time_ymd(until, 1, 1);
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, ca).unwrap().pem(), key.serialize_pem())
}

/// What the server does with a stream.
async fn answers(mut stream: impl AsyncRead + AsyncWrite + Unpin, authorization: &str) -> std::io::Result<()> {
    let mut buffer = vec![0; 4096];
    let length = stream.read(&mut buffer).await?;
    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
    let known = authorization.is_empty() || text.contains(&format!("authorization: {authorization}\r\n"));
    let status = if known { "200 OK" } else { "401 Unauthorized" };
    stream.write_all(response(status, "{\"version\": \"1.2.3\"}").as_bytes()).await?;
    stream.shutdown().await
}

/// An HTTPS server; with a CA it wants a certificate of its clients.
async fn https((chain, key): (String, String), clients: Option<&Ca>) -> u16 {
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add(ca.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()));
    serve(move |stream| {
        let acceptor = acceptor.clone();
        async move { answers(acceptor.accept(stream).await?, "").await }
    })
    .await
}

fn secured(connection: Connection, ready: Probe) -> Module {
    let ready = Probe { timeout: Duration::from_secs(5), ..ready };
    Module { connection: Some(connection), ready: Some(gate([ready])), ..module() }
}

fn tls(called: &str) -> Connection {
    let client = Some((name("certificate"), name("key")));
    Connection {
        auth: None,
        logins: Vec::new(),
        tls: Some(Tls { when: None, ca: name("ca"), name: Some(template(called)), client }),
    }
}

/// What the first instance is asked, with these parameters and secrets.
async fn ready(module: Module, port: u16, params: &[(&str, Value)], secrets: &[(&str, Secret)]) -> Verdict {
    let mut desired: Desired = desired(module, &[port]);
    for (called, secret) in secrets {
        desired.secrets.insert((*called).to_owned(), secret.clone());
    }
    let instance = desired.instances.get_mut(&id(1)).unwrap();
    let mut seen = serde_json::Map::new();
    for (called, value) in params {
        Arc::make_mut(&mut instance.params).insert(name(called), value.clone());
        seen.insert((*called).to_owned(), serde_json::to_value(value).unwrap());
    }
    instance.context = instance.context.with(&seen.into());
    let local: Arc<dyn crate::remote::Transport> = Arc::new(Local);
    let transports = desired.hosts.keys().map(|host| (host.clone(), Arc::clone(&local))).collect();
    Prober::new(Arc::new(desired), Arc::new(Tunnels::new(transports))).ask(&Question::Ready(id(1))).await
}

async fn over_tls(port: u16, called: &str, trusted: &str) -> Verdict {
    let module = secured(tls(called), get("status == 200 and body.version == version"));
    ready(module, port, &[("ca", Value::Text(trusted.to_owned()))], &[]).await
}

#[track_caller]
fn unknown(verdict: &Verdict, what: &str) {
    assert!(!verdict.holds && verdict.unknown, "{verdict:?}");
    assert!(verdict.says.contains(what), "{what:?} is not in {:?}", verdict.says);
    assert!(!verdict.says.contains("sesame"), "{:?}", verdict.says);
}

#[tokio::test]
async fn a_certificate_of_the_ca_for_the_name_is_taken_and_each_other_one_is_told() {
    let (mine, other) = (ca("mine"), ca("other"));
    let port = https(certificate(&mine, "127.0.0.1", 4000), None).await;
    assert!(over_tls(port, "127.0.0.1", &mine.pem()).await.holds);
    // While one CA takes the place of another.
    assert!(over_tls(port, "127.0.0.1", &format!("{}{}", other.pem(), mine.pem())).await.holds);
    unknown(&over_tls(port, "127.0.0.1", &other.pem()).await, "is of no CA that `ca` has");
    unknown(&over_tls(port, "store.example", &mine.pem()).await, "is not for store.example but for");
    let port = https(certificate(&mine, "127.0.0.1", 2001), None).await;
    unknown(&over_tls(port, "127.0.0.1", &mine.pem()).await, "has expired: renew it");
    let plain = super::support::http("200 OK", "{}").await;
    unknown(&over_tls(plain, "127.0.0.1", &mine.pem()).await, "does not speak TLS on this port");
    let verdict = over_tls(port, "127.0.0.1", "no certificate").await;
    assert!(verdict.says.contains("`ca` holds no certificate in PEM"), "{verdict:?}");
    let closed = super::support::closed().await;
    let verdict = over_tls(closed, "127.0.0.1", &mine.pem()).await;
    assert!(!verdict.unknown && verdict.says.contains("nothing listens there"), "{verdict:?}");
}

#[tokio::test]
async fn a_certificate_of_our_own_is_shown_where_one_is_wanted() {
    let (mine, other) = (ca("mine"), ca("other"));
    let port = https(certificate(&mine, "127.0.0.1", 4000), Some(&mine)).await;
    let ask = async |own: Option<&Ca>| {
        let mut params = vec![("ca", Value::Text(mine.pem()))];
        let mut secrets = Vec::new();
        if let Some(ca) = own {
            let (chain, key) = certificate(ca, "client", 4000);
            params.extend([("certificate", Value::Text(chain)), ("key", Value::Secret(SecretRef("k".to_owned())))]);
            secrets.push(("k", Secret::new("lab", "k", &key)));
        }
        ready(secured(tls("127.0.0.1"), get("status == 200")), port, &params, &secrets).await
    };
    let good = ask(Some(&mine)).await;
    assert!(good.holds, "{good:?}");
    unknown(&ask(None).await, "does not take our own certificate, or asks for one");
    unknown(&ask(Some(&other)).await, "does not take our own certificate, or asks for one");
}

type Given = (Vec<(&'static str, Value)>, Vec<(&'static str, Secret)>);

fn word(value: Secret) -> Given {
    (
        vec![("password", Value::Secret(SecretRef("word".to_owned()))), ("user", Value::Text("me".to_owned()))],
        vec![("word", value)],
    )
}

#[tokio::test]
async fn a_user_is_told_by_http_and_a_wrong_or_unknown_password_is_told_as_such() {
    let auth =
        Auth { when: None, user: Some(template("{{ user }}")), secret: name("password"), scheme: "Bearer".to_owned() };
    let connection = Connection { auth: Some(auth), logins: Vec::new(), tls: None };
    let module = || secured(connection.clone(), get("status == 200"));
    let basic = "Basic bWU6b3BlbiAic2VzYW1lIiAmIG1vcmU=";
    let port = serve(move |stream| answers(stream, basic)).await;
    let ask = async |secret: Secret| {
        let (params, secrets) = word(secret);
        ready(module(), port, &params, &secrets).await
    };
    assert!(ask(Secret::new("lab", "word", VALUE)).await.holds);
    unknown(
        &ask(Secret::new("lab", "word", "another")).await,
        "does not take the value of secret `word` (it answered 401)",
    );
    // What still runs with the value before is asked with it.
    assert!(ask(Secret::new("lab", "word", "the next one").with_previous(VALUE)).await.holds);
    unknown(&ask(Secret::new("lab", "word", "a").with_previous("b")).await, "does not take");
    unknown(&ask(Secret::sealed(Digest::of(b"x"))).await, "the value of secret `word` is not known here");
    // Without the secret nobody is told who we are.
    let verdict = ready(module(), port, &[], &[]).await;
    assert!(!verdict.holds && !verdict.unknown && verdict.says.contains("401"), "{verdict:?}");
}

#[tokio::test]
async fn a_line_is_said_first_and_its_answer_counts() {
    let port = serve(async |mut stream| {
        let mut lines = String::new();
        let mut buffer = vec![0; 4096];
        while !lines.contains("ASK\n") {
            match stream.read(&mut buffer).await? {
                0 => return Ok(()),
                length => lines.push_str(&String::from_utf8_lossy(&buffer[..length])),
            }
            let answer: &[u8] = match lines.strip_suffix("\n") {
                Some("LOGIN open \"sesame\" & more") => b"+OK\r\n",
                Some("LOGIN open \"sesame\" & more\nASK") => b"state: good\r\n",
                Some("ASK") => b"-WHO\r\n",
                _ => b"-WRONG\r\n",
            };
            stream.write_all(answer).await?;
        }
        Ok(())
    })
    .await;
    let login =
        Login { when: Some(expr("password")), send: template("LOGIN {{ password }}"), until: expr("'+OK' in text") };
    let connection = Connection { auth: None, logins: vec![login], tls: None };
    let ask = async |secret: Option<Secret>| {
        let module = secured(connection.clone(), line("ASK", "kv.state == 'good'"));
        let (params, secrets) = secret.map_or_else(|| (vec![("password", Value::Null)], Vec::new()), word);
        ready(module, port, &params, &secrets).await
    };
    let good = ask(Some(Secret::new("lab", "word", VALUE))).await;
    assert!(good.holds, "{good:?}");
    assert!(ask(Some(Secret::new("lab", "word", "next").with_previous(VALUE))).await.holds);
    unknown(&ask(Some(Secret::new("lab", "word", "sesame, wrong"))).await, "(it answered -WRONG");
    let injected = ask(Some(Secret::new("lab", "word", "a\nASK"))).await;
    assert!(injected.says.contains("has a line end in it") && !injected.holds, "{injected:?}");
    let nobody = ask(None).await;
    assert!(!nobody.holds && !nobody.unknown && nobody.says.contains("-WHO"), "{nobody:?}");
}

/// The client's side of SASL PLAIN, and the question behind it.
#[tokio::test]
async fn a_broker_is_told_who_we_are() {
    let port = serve(async |mut stream| {
        let mut known = false;
        loop {
            let mut length = [0; 4];
            stream.read_exact(&mut length).await?;
            let mut request = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap()];
            stream.read_exact(&mut request).await?;
            let key = i16::from_be_bytes([request[0], request[1]]);
            let mut answer = request[4..8].to_vec();
            match key {
                17 => answer.extend([0, 0, 0, 0, 0, 0]),
                36 => {
                    known = request.ends_with(format!("\0me\0{VALUE}").as_bytes());
                    answer.extend(if known { [0, 0] } else { [0, 58] });
                    answer.extend([0xff, 0xff, 0, 0, 0, 0]);
                }
                _ if known => answer.extend([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]),
                _ => return Ok(()),
            }
            stream.write_all(&i32::try_from(answer.len()).unwrap().to_be_bytes()).await?;
            stream.write_all(&answer).await?;
        }
    })
    .await;
    let auth = Auth { when: None, user: Some(template("{{ user }}")), secret: name("password"), scheme: String::new() };
    let connection = Connection { auth: Some(auth), logins: Vec::new(), tls: None };
    let ask = async |secret: Secret| {
        let probe = Probe { parse: Parse::Auto, on: ProbeOn::SelfInstance, ..get("body.controller == 1") };
        let module = secured(
            connection.clone(),
            Probe { kind: ProbeKind::Kafka { apis: false, spare: false, broker: None, set: None }, ..probe },
        );
        let (params, secrets) = word(secret);
        ready(module, port, &params, &secrets).await
    };
    let good = ask(Secret::new("lab", "word", VALUE)).await;
    assert!(good.holds, "{good:?}");
    unknown(&ask(Secret::new("lab", "word", "wrong")).await, "(it answered error 58)");
    assert!(ask(Secret::new("lab", "word", "next").with_previous(VALUE)).await.holds);
}
