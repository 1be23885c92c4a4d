//! Settings, hooks and lines of `status`.

use super::support::{
    closed, expr, get, http, http_in_turn, id, module, name, on, probe, prober, read_some, response, serve, service,
    template,
};
use crate::diag::Span;
use crate::host::{HookTime, Services as _};
use crate::model::{Ask, Hook, HttpMethod, Module, ProbeKind, ProbeOn, Setting, StatusLine};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use tokio::io::AsyncWriteExt as _;

fn with_setting() -> Module {
    let body = Some(template("{{ {'a.b': value} | tojson }}"));
    let put = ProbeKind::Http { method: HttpMethod::Put, path: template("/set?x=1"), body };
    let setting = Setting {
        read: Ask { probe: on(ProbeOn::Any, get("")), value: expr("body.now['a.b'] | default(none)") },
        write: on(ProbeOn::Any, probe(put, "status == 200")),
        span: Span::default(),
    };
    Module { settings: [(name("allocation"), setting)].into_iter().collect(), ..module() }
}

async fn read(status: &str, body: &str) -> Result<Value, String> {
    let port = http(status, body).await;
    prober(with_setting(), &[closed().await, port]).read_setting(&service(), &name("allocation")).await
}

#[tokio::test]
async fn a_setting_is_read_from_whichever_member_answers() {
    assert_eq!(read("200 OK", r#"{"now": {"a.b": "none"}}"#).await, Ok(json!("none")));
    assert_eq!(read("200 OK", r#"{"now": {}}"#).await, Ok(json!(null)));
}

#[tokio::test]
async fn a_setting_that_cannot_be_read_is_never_taken_for_unset() {
    for (status, body) in [("200 OK", "{}"), ("403 Forbidden", r#"{"now":{}}"#), ("200 OK", "<html>")] {
        let error = read(status, body).await.unwrap_err();
        assert!(error.contains(body) && error.contains("store@n2"), "{error}");
    }
    let prober = prober(with_setting(), &[closed().await]);
    assert!(prober.read_setting(&service(), &name("allocation")).await.unwrap_err().contains("nothing listens"));
    assert!(prober.read_setting(&service(), &name("other")).await.unwrap_err().contains("no setting `other`"));
}

#[tokio::test]
async fn a_setting_is_written_as_the_module_says() {
    let seen = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&seen);
    let port = serve(move |mut stream| {
        let sink = Arc::clone(&sink);
        async move {
            let request = read_some(&mut stream).await?;
            *sink.lock().unwrap() = String::from_utf8_lossy(&request).into_owned();
            stream.write_all(response("200 OK", "{}").as_bytes()).await
        }
    })
    .await;
    let prober = prober(with_setting(), &[port]);
    prober.write_setting(&service(), &name("allocation"), &json!("it's \"quoted\"")).await.unwrap();
    let request = seen.lock().unwrap().clone();
    assert!(request.starts_with("PUT /set?x=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: 127.0.0.1:{port}\r\n")), "{request}");
    assert!(request.contains("content-type: application/json\r\n"), "{request}");
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), json!({"a.b": "it's \"quoted\""}));
    let (port, _) = http_in_turn(&[("400 Bad Request", r#"{"error": "unknown"}"#)]).await;
    let refused = super::support::prober(with_setting(), &[port]);
    let error = refused.write_setting(&service(), &name("allocation"), &json!(null)).await.unwrap_err();
    assert!(error.contains(r#"400 {"error":"unknown"}"#), "{error}");
}

#[tokio::test]
async fn a_hook_sends_its_request_once_and_says_what_was_answered() {
    let kind = ProbeKind::Http { method: HttpMethod::Post, path: template("/flush"), body: None };
    let probe = on(ProbeOn::Any, probe(kind, "status == 200"));
    let mut module = module();
    module.rolling.before_stop = vec![Hook::Call { probe, best_effort: true, tries: 3, when: None }];
    let (port, asked) = http_in_turn(&[("409 Conflict", "busy"), ("200 OK", "{}")]).await;
    let prober = prober(module, &[port]);
    let error = prober.call(&id(1), HookTime::BeforeStop, 0).await.unwrap_err();
    assert!(error.contains("POST") && error.contains("409 busy"), "{error}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(prober.call(&id(1), HookTime::BeforeStop, 0).await, Ok(()));
    for (when, index) in [(HookTime::AfterReady, 0), (HookTime::BeforeStop, 1)] {
        assert!(prober.call(&id(1), when, index).await.is_err());
    }
}

#[tokio::test]
async fn status_shows_each_line_or_why_not() {
    let port = http("200 OK", r#"{"nodes": 3, "state": "gre\u001ben"}"#).await;
    let show = |show, probe| StatusLine { show: template(show), probe };
    let lines = vec![
        show("{{ body.state }}, {{ body.nodes }} of {{ service.expected }} nodes", on(ProbeOn::Any, get(""))),
        show(
            "{{ answers | selectattr('error', 'none') | list | length }} of {{ answers | length }}",
            on(ProbeOn::All, get("true")),
        ),
        show("{{ body.unknown.field }}", on(ProbeOn::Any, get(""))),
    ];
    let prober = prober(Module { status: lines, ..module() }, &[closed().await, port]);
    let lines = prober.status(&service()).await;
    assert_eq!(lines[0], r"gre\u{1b}en, 3 of 2 nodes");
    assert_eq!(lines[1], "1 of 2");
    assert!(lines[2].contains(r#"200 {"nodes":3"#), "{}", lines[2]);
}
