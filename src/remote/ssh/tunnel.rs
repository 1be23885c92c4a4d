//! Streams to what listens on a host: through the SSH server, or through a program on the host where the server forbids it.

use super::connection::Live;
use super::exec::Trace;
use super::session;
use crate::model::sh_quote;
use crate::remote::{Endpoint, Stream, TransportError};
use russh::ChannelOpenFailure;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

/// What listens on the same host answers at once or not at all.
const OPEN_WITHIN: Duration = Duration::from_secs(10);

/// Opens a stream.
pub(super) async fn open(live: &Arc<Live>, to: &Endpoint, sudo: bool) -> Result<Box<dyn Stream>, TransportError> {
    let relayed = live.relayed.load(Ordering::Relaxed);
    let opened = match to {
        _ if relayed => return relay(live, to, sudo).await,
        // The server opens sockets as the user who logged in; what belongs to root is reached as root.
        Endpoint::Unix(_) if sudo => return relay(live, to, sudo).await,
        Endpoint::Tcp(address, port) => timeout(OPEN_WITHIN, live.to_port(address, *port)).await,
        Endpoint::Unix(path) => timeout(OPEN_WITHIN, live.to_socket(path)).await,
    };
    let what = what(to);
    match opened {
        Err(_) => Err(TransportError::TimedOut { limit: OPEN_WITHIN }),
        Ok(Ok(channel)) => {
            if matches!(to, Endpoint::Unix(_)) {
                live.sockets.store(true, Ordering::Relaxed);
            }
            Ok(Box::new(channel.into_stream()))
        }
        Ok(Err(russh::Error::ChannelOpenFailure(ChannelOpenFailure::ConnectFailed))) => match to {
            // Of a socket the server says the same when it forbids it: whether it does is asked once.
            Endpoint::Unix(path) if !live.sockets.load(Ordering::Relaxed) => socket(live, path, sudo).await,
            _ => Err(TransportError::Io { what, source: io::ErrorKind::ConnectionRefused.into() }),
        },
        Ok(Err(russh::Error::ChannelOpenFailure(_))) => {
            let stream = relay(live, to, sudo).await?;
            live.relayed.store(true, Ordering::Relaxed);
            Ok(stream)
        }
        Ok(Err(_)) => Err(TransportError::Unreachable { why: live.end() }),
    }
}

fn what(to: &Endpoint) -> String {
    match to {
        Endpoint::Tcp(address, port) => format!("connecting to {address}:{port}"),
        Endpoint::Unix(path) => format!("connecting to {path}"),
    }
}

/// A socket that the server does not open: there is none, or the server forbids it.
async fn socket(live: &Arc<Live>, path: &str, sudo: bool) -> Result<Box<dyn Stream>, TransportError> {
    let sh = format!("[ -S {} ]\n", sh_quote(path));
    let there = timeout(OPEN_WITHIN, super::exec::run(live, &sh, &b""[..], 64, sudo, &Trace::default())).await;
    let there = there.unwrap_or(Err(TransportError::TimedOut { limit: OPEN_WITHIN }))?;
    let to = Endpoint::Unix(path.to_owned());
    if there.status != Some(0) {
        return Err(TransportError::Io { what: what(&to), source: io::ErrorKind::NotFound.into() });
    }
    relay(live, &to, sudo).await
}

/// Says that it is connected, then passes bytes on. Python comes first: it says why it can't connect.
const RELAY: &str = r#"
if command -v python3 >/dev/null; then
exec python3 -c '
import os, socket, sys, threading
path, address, port = sys.argv[1:4]
try:
    if path:
        s = socket.socket(socket.AF_UNIX)
        s.connect(path)
    else:
        s = socket.create_connection((address, int(port)), 10)
        s.settimeout(None)
except OSError as e:
    print("refused", e.strerror or e, flush=True)
    sys.exit(0)
print("connected", flush=True)
def up():
    while True:
        b = os.read(0, 65536)
        if not b:
            break
        s.sendall(b)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while True:
    b = s.recv(65536)
    if not b:
        break
    while b:
        b = b[os.write(1, b):]
os._exit(0)
' "$path" "$address" "$port"
elif command -v socat >/dev/null; then
    echo connected
    if [ -n "$path" ]; then exec socat - "UNIX-CONNECT:$path"; else exec socat - "TCP:$address:$port"; fi
elif command -v nc >/dev/null; then
    echo connected
    if [ -n "$path" ]; then exec nc -U "$path"; else exec nc "$address" "$port"; fi
else
    echo nothing
fi
"#;

/// A stream through a program on the host.
async fn relay(live: &Arc<Live>, to: &Endpoint, sudo: bool) -> Result<Box<dyn Stream>, TransportError> {
    let (path, address, port) = match to {
        Endpoint::Tcp(address, port) => (String::new(), address.clone(), port.to_string()),
        Endpoint::Unix(path) => (path.clone(), String::new(), String::new()),
    };
    let words = format!("path={} address={} port={}\n", sh_quote(&path), sh_quote(&address), sh_quote(&port));
    let started = session::start(live, &format!("{words}{RELAY}"), sudo).await?;
    let mut stream = Relayed { stdin: started.stdin, stdout: started.stdout };
    let first = timeout(OPEN_WITHIN, first_line(&mut stream)).await;
    let first = first.map_err(|_| TransportError::TimedOut { limit: OPEN_WITHIN })?;
    let option = match to {
        Endpoint::Tcp(..) => "AllowTcpForwarding yes",
        Endpoint::Unix(_) => "AllowStreamLocalForwarding yes",
    };
    match first.as_str() {
        "connected" => Ok(Box::new(stream)),
        refused if refused.starts_with("refused") => {
            let kind = if refused.contains("No such file") {
                io::ErrorKind::NotFound
            } else if refused.contains("ermission") {
                io::ErrorKind::PermissionDenied
            } else {
                io::ErrorKind::ConnectionRefused
            };
            Err(TransportError::Io { what: what(to), source: kind.into() })
        }
        _ => Err(TransportError::Refused {
            why: format!(
                "{}: the SSH server forbids it, and the host has no python3, socat or nc to do it with: set `{option}` in \
                 its sshd_config",
                what(to)
            ),
        }),
    }
}

/// The first line, without its end; short.
async fn first_line(stream: &mut Relayed) -> String {
    use tokio::io::AsyncReadExt as _;
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < 200 && matches!(stream.stdout.read(&mut byte).await, Ok(1)) && byte != *b"\n" {
        line.extend(byte);
    }
    String::from_utf8_lossy(&line).into_owned()
}

/// The two ends of a program as one stream.
struct Relayed {
    stdin: Box<dyn AsyncWrite + Send + Unpin>,
    stdout: Box<dyn AsyncRead + Send + Unpin>,
}

impl AsyncRead for Relayed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdout).poll_read(cx, buf)
    }
}

impl AsyncWrite for Relayed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stdin).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_shutdown(cx)
    }
}
