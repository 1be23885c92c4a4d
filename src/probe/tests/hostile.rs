//! Services that answer garbage, without end, slowly or never: a bounded and clear verdict.

use super::support::{closed, gate, get, http, id, line, module, probe, prober, read_some, response, says, serve};
use crate::host::{Question, Services as _};
use crate::inventory::Verdict;
use crate::model::{HttpMethod, Probe, ProbeKind, ProbeOn};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;

/// The verdict of `ready` with one probe; it must not take for ever, also on a busy machine.
async fn ready(probe: Probe, port: u16) -> Verdict {
    let begun = Instant::now();
    let limit = probe.timeout + Duration::from_secs(30);
    let mut module = module();
    module.ready = Some(gate([probe]));
    let verdict = prober(module, &[port]).ask(&Question::Ready(id(1))).await;
    assert!(begun.elapsed() < limit, "took {:?}", begun.elapsed());
    assert!(verdict.says.chars().count() < 800 && !verdict.says.contains(char::is_control), "{verdict:?}");
    verdict
}

#[track_caller]
fn refused_because(verdict: &Verdict, why: &str) {
    assert!(!verdict.holds && verdict.says.contains(why), "expected `{why}` in {verdict:?}");
}

/// A server that sends a start and then more of the same for ever.
async fn endless(start: &'static str, more: &'static str) -> u16 {
    serve(move |mut stream| async move {
        read_some(&mut stream).await?;
        stream.write_all(start.as_bytes()).await?;
        let more = more.repeat(4096);
        loop {
            stream.write_all(more.as_bytes()).await?;
        }
    })
    .await
}

/// A server that sends a start and then a byte now and then.
async fn drip(start: &'static str) -> u16 {
    serve(move |mut stream| async move {
        read_some(&mut stream).await?;
        stream.write_all(start.as_bytes()).await?;
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            stream.write_all(b"x").await?;
        }
    })
    .await
}

async fn silent() -> u16 {
    serve(|mut stream| async move {
        while !read_some(&mut stream).await?.is_empty() {}
        std::future::pending().await
    })
    .await
}

fn metadata() -> Probe {
    probe(ProbeKind::Kafka { apis: false, spare: false, broker: None, set: None }, "body.brokers | length > 0")
}

fn patient(probe: Probe) -> Probe {
    Probe { timeout: Duration::from_secs(20), ..probe }
}

#[tokio::test]
async fn an_http_answer_is_judged_by_the_expression() {
    let port = http("200 OK", r#"{"nodes": 3, "state": "green"}"#).await;
    let verdict = ready(get("status == 200 and body.nodes == 3 and headers['content-type'] is defined"), port).await;
    assert!(verdict.holds, "{verdict:?}");
    let verdict =
        ready(get("status == 200 and body.nodes == service.expected + 4 and body.state == 'red'"), port).await;
    refused_because(&verdict, "waiting for `body.nodes == service.expected + 4` (3 against 5)");
    refused_because(&verdict, r#"answered 200 {"nodes":3,"state":"green"}"#);
}

#[tokio::test]
async fn the_modules_own_words_are_used_and_made_safe() {
    let port = http("200 OK", r#"{"state": "\u001b[2Jred\n"}"#).await;
    let own = Probe { says: Some(super::support::template("it is {{ body.state }}!")), ..get("body.state == 'green'") };
    let verdict = ready(own, port).await;
    assert_eq!((verdict.holds, verdict.says.as_str()), (false, r"it is \u{1b}[2Jred\n!"));
}

#[tokio::test]
async fn what_cannot_be_evaluated_does_not_hold_and_says_what_was_answered() {
    let port = http("503 Service Unavailable", "no master").await;
    let verdict = ready(get("body.state == 'green' or true"), port).await;
    refused_because(&verdict, "503 no master");
    refused_because(&verdict, "can't be evaluated");
}

#[tokio::test]
async fn half_json_is_not_a_body() {
    let port = http("200 OK", r#"{"state": "gre"#).await;
    refused_because(&ready(get("body.state == 'green'"), port).await, r#"200 {"state": "gre"#);
    // The same, with a length that is never reached.
    let port = says("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"state\": \"green\"}").await;
    refused_because(&ready(get("body.state == 'green'"), port).await, "its end is missing");
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let port = says("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n").await;
    assert!(ready(get("status == 302 and headers.location == 'http://127.0.0.1:1/'"), port).await.holds);
    // Without an expression only a success is one.
    refused_because(&ready(get(""), port).await, "302 nothing");
}

#[tokio::test]
async fn garbage_is_said_to_be_garbage() {
    let port = says(*b"\x15\x03\x01\x00\x02\x02\x1b[2J garbage\r\n\r\n").await;
    refused_because(&ready(get("status == 200"), port).await, "not an answer of this protocol");
    refused_because(&ready(metadata(), port).await, "larger than 8388608 bytes");
    let port = says(response("200 OK", "{}")).await;
    refused_because(&ready(metadata(), port).await, "larger than 8388608 bytes");
    let port = says([0, 0, 0, 4, 0, 0, 0, 0]).await;
    refused_because(&ready(metadata(), port).await, "it answers another request");
    let port = says([255; 64]).await;
    refused_because(&ready(metadata(), port).await, "a negative length");
}

#[tokio::test]
async fn an_answer_without_end_is_cut() {
    let body = endless("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", "data ").await;
    refused_because(&ready(patient(get("status == 200")), body).await, "larger than 8388608 bytes");
    let chunks =
        endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "20\r\n0123456789abcdef0123456789abcdef\r\n")
            .await;
    refused_because(&ready(patient(get("status == 200")), chunks).await, "larger than 8388608 bytes");
    let headers = endless("HTTP/1.1 200 OK\r\n", "X-A: b\r\n").await;
    refused_because(&ready(patient(get("status == 200")), headers).await, "not an answer of this protocol");
    let text = endless("", "state: good\n").await;
    assert!(ready(patient(line("state", "kv.state == 'good' and text | length == 65536")), text).await.holds);
}

#[tokio::test]
async fn early_hints_without_end_are_bounded_in_time() {
    let hints = endless("", "HTTP/1.1 103 Early Hints\r\n\r\n").await;
    refused_because(&ready(get("status == 200"), hints).await, "no complete answer within 400 ms");
}

#[tokio::test]
async fn who_never_answers_is_given_up() {
    let port = silent().await;
    refused_because(&ready(get("status == 200"), port).await, "no complete answer within 400 ms");
    refused_because(&ready(metadata(), port).await, "no complete answer within 400 ms");
    refused_because(&ready(line("state", "true"), port).await, "it never answered");
}

#[tokio::test]
async fn who_answers_byte_by_byte_is_given_up() {
    let port = drip("HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n").await;
    refused_because(&ready(get("status == 200"), port).await, "no complete answer within 400 ms");
    let port = drip("HTTP/1.1 200 O").await;
    refused_because(&ready(get("status == 200"), port).await, "no complete answer within 400 ms");
    // A line protocol has no length: what came in time is what was answered.
    let port = drip("state: good\n").await;
    assert!(ready(line("state", "kv.state == 'good'"), port).await.holds);
}

#[tokio::test]
async fn a_closed_port_and_a_lost_connection_say_so() {
    let port = closed().await;
    refused_because(
        &ready(get("status == 200"), port).await,
        &format!("store@n1: GET :{port}/: nothing listens there"),
    );
    refused_because(&ready(line("x", "true"), port).await, "nothing listens there");
    let port = serve(|stream| async move {
        drop(stream);
        Ok(())
    })
    .await;
    for question in [get("status == 200"), metadata(), line("x", "kv.state is defined")] {
        let verdict = ready(question, port).await;
        refused_because(&verdict, "store@n1");
        assert!(!verdict.unknown, "who is not there does not refuse us: {verdict:?}");
    }
}

#[tokio::test]
async fn one_that_waits_for_the_next_line_is_told_that_none_comes() {
    let port = serve(|mut stream| async move {
        while !read_some(&mut stream).await?.is_empty() {
            stream.write_all(b"+PONG\r\n").await?;
        }
        Ok(())
    })
    .await;
    let begun = Instant::now();
    let probe = Probe { timeout: Duration::from_secs(30), ..line("PING", "text | trim == '+PONG'") };
    assert!(ready(probe, port).await.holds);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn without_a_line_being_connected_is_enough() {
    let only_connect = |until| probe(ProbeKind::Tcp { send: None }, until);
    assert!(ready(only_connect(""), silent().await).await.holds);
    refused_because(&ready(only_connect(""), closed().await).await, "nothing listens there");
}

#[tokio::test]
async fn a_request_cannot_be_smuggled_into_a_path() {
    let port = http("200 OK", "{}").await;
    for path in ["/a\r\nX-Evil: 1", "/a b", "http://elsewhere/", ""] {
        let path = super::support::template(path);
        let verdict = ready(probe(ProbeKind::Http { method: HttpMethod::Get, path, body: None }, "true"), port).await;
        refused_because(&verdict, "the request can't be made");
    }
}

#[tokio::test]
async fn a_program_is_judged_by_code_and_output() {
    let exec = |script: &str, until| {
        let command = ["sh", "-c", script].map(super::support::template).into();
        probe(ProbeKind::Exec { command }, until)
    };
    assert!(ready(exec("echo '{{ version }}'; exit 4", "status == 4 and text | trim == version"), 1).await.holds);
    refused_because(&ready(exec("echo it broke >&2; exit 1", ""), 1).await, "answered 1 it broke");
    refused_because(&ready(exec("sleep 60", ""), 1).await, "no answer within 400 ms");
    refused_because(&ready(exec("kill -9 $$", ""), 1).await, "answered -1 nothing");
    refused_because(&ready(patient(exec("yes", "")), 1).await, "more than 1048576 bytes");
}

#[tokio::test]
async fn an_expression_without_end_is_not_yet() {
    let port = http("200 OK", "{}").await;
    let until = "range(10000000) | list | length > 0";
    refused_because(&ready(super::support::on(ProbeOn::Any, get(until)), port).await, "can't be evaluated");
}
