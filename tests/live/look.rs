//! Looking at the services from outside, with requests of our own: never through the tool that is tested.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);

fn connect(address: &str, port: u16) -> Option<TcpStream> {
    let target = (address, port).to_socket_addrs().ok()?.next()?;
    let stream = TcpStream::connect_timeout(&target, LIMIT).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    Some(stream)
}

/// The answer of a service that closes the connection after it (`srvr`).
pub fn tcp(address: &str, port: u16, send: &str) -> Option<String> {
    let mut stream = connect(address, port)?;
    stream.write_all(send.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

/// Status and body of a request with an optional JSON body.
pub fn http(method: &str, address: &str, port: u16, path: &str, body: Option<&str>) -> Option<(u16, String)> {
    let mut stream = connect(address, port)?;
    let body = body.unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}:{port}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Some((status, if chunked { unchunk(body) } else { body.to_owned() }))
}

fn unchunk(mut body: &str) -> String {
    let mut text = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        text.push_str(rest.get(..size).unwrap_or(rest));
        body = rest.get(size + 2..).unwrap_or("");
    }
    text
}

/// A JSON answer of a GET.
#[track_caller]
pub fn json(address: &str, port: u16, path: &str) -> serde_json::Value {
    let (_, body) = http("GET", address, port, path, None).unwrap_or_else(|| panic!("no answer from {address}:{port}"));
    serde_json::from_str(&body).unwrap_or_else(|_| panic!("not JSON: {body}"))
}

/// What a ZooKeeper server says of its mode.
pub fn zookeeper_mode(address: &str) -> Option<String> {
    let text = tcp(address, 2181, "srvr\n")?;
    text.lines().find_map(|line| line.strip_prefix("Mode: ")).map(str::to_owned)
}
