//! One HTTP/1.1 request over a stream. Redirects are answers, not instructions.
//!
//! A connection serves one request: on loopback, setting one up takes less than a tenth of a millisecond, against
//! polls every 250 ms, and a connection that is kept would answer for a process that is long gone.

use super::answer::{Answer, ProbeError};
use super::connection::Credentials;
use crate::model::{HttpMethod, Parse};
use crate::remote::Stream;
use data_encoding::BASE64;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value};
use std::error::Error as StdError;
use std::pin::pin;
use std::sync::Arc;

/// Largest body, in bytes. A table of all shards of a large cluster has a few MiB.
const MAX_BODY: usize = 8 << 20;

/// Largest status line with headers, in bytes.
const MAX_HEAD: usize = 64 << 10;

/// Most headers.
const MAX_HEADERS: usize = 100;

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HttpRequest {
    pub(super) method: HttpMethod,
    /// `address:port`.
    pub(super) authority: String,
    /// Path and query.
    pub(super) path: String,
    /// JSON.
    pub(super) body: Option<String>,
}

/// Sends the request and reads the answer. The caller bounds the time.
pub(super) async fn exchange(
    stream: Box<dyn Stream>,
    request: &HttpRequest,
    auth: Option<&Credentials>,
    parse: Parse,
) -> Result<Answer, ProbeError> {
    let message = message(request, auth)?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(garbage)?;
    let mut connection = pin!(connection);
    let mut answer = pin!(async {
        let response = sender.send_request(message).await.map_err(garbage)?;
        read(response, parse).await
    });
    // The connection moves the bytes. It may end before the answer is read to its end, never the other way round.
    let mut ended = false;
    loop {
        tokio::select! {
            answer = &mut answer => return answer,
            _ = &mut connection, if !ended => ended = true,
        }
    }
}

fn message(request: &HttpRequest, auth: Option<&Credentials>) -> Result<Request<Full<Bytes>>, ProbeError> {
    let method = match request.method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Post => Method::POST,
        HttpMethod::Delete => Method::DELETE,
    };
    if !request.path.starts_with('/') {
        return Err(ProbeError::Request(format!("the path `{}` does not start with /", request.path)));
    }
    let mut builder = Request::builder()
        .method(method)
        .uri(&request.path)
        .header("host", &request.authority)
        .header("accept", "application/json, */*;q=0.5")
        .header("user-agent", concat!("es_cluster/", env!("CARGO_PKG_VERSION")));
    if request.body.is_some() {
        builder = builder.header("content-type", "application/json");
    }
    if let Some(auth) = auth {
        builder = builder.header("authorization", authorization(auth)?);
    }
    let body = request.body.clone().unwrap_or_default();
    builder
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| ProbeError::Request(format!("{error} in `{}`; encode what is no plain text", request.path)))
}

/// The header, marked so that nobody prints it.
fn authorization(auth: &Credentials) -> Result<HeaderValue, ProbeError> {
    let text = match auth {
        Credentials::User(user, _) if user.contains(':') => {
            return Err(ProbeError::Request("a user's name has no colon in it (RFC 7617)".to_owned()));
        }
        Credentials::User(user, password) => {
            format!("Basic {}", BASE64.encode(format!("{user}:{}", password.expose()).as_bytes()))
        }
        Credentials::Token(scheme, token) => format!("{scheme} {}", token.expose()),
    };
    let value = HeaderValue::from_str(&text);
    let mut value = value.map_err(|_| ProbeError::Request("the token is no text of one line".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

async fn read(response: Response<Incoming>, parse: Parse) -> Result<Answer, ProbeError> {
    let (head, mut body) = response.into_parts();
    // Copied together part by part: a body of millions of tiny parts must not cost more than its bytes.
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ProbeError::Garbage(format!("its end is missing ({error})")))?;
        bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        if bytes.len() > MAX_BODY {
            return Err(ProbeError::TooLarge(MAX_BODY));
        }
    }
    let answer = Answer {
        status: Some(head.status.as_u16().into()),
        headers: Some(headers(&head.headers)),
        ..Answer::default()
    };
    Ok(answer.read(&bytes, parse, true))
}

fn headers(map: &HeaderMap) -> Map<String, Value> {
    let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes).into_owned());
    map.iter().map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes()))).collect()
}

/// Not HTTP; or lost, in which case whoever made the stream may know more.
fn garbage(error: hyper::Error) -> ProbeError {
    if error.source().is_some_and(<dyn StdError>::is::<std::io::Error>) {
        return ProbeError::Lost(Arc::new(error));
    }
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    ProbeError::Garbage(format!("{error}{cause}"))
}
