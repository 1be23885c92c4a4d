//! Scripts that go on until their standard input ends.

use super::command::command_line;
use super::connection::Live;
use super::exec::{As, Heard, Program};
use crate::remote::{Session, TransportError};
use russh::ChannelMsg;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex, split};

/// Bytes between us and a script that are on their way.
const BETWEEN: usize = 64 * 1024;

/// Starts a script; it goes on until its input is dropped, or its output ends.
pub(super) async fn start(live: &Arc<Live>, sh: &str, sudo: bool) -> Result<Session, TransportError> {
    let program = Program::start(live, command_line(sh.len(), sudo), As::privileged(sudo)).await?;
    let sent = program.write.data_bytes(sh.as_bytes().to_vec()).await;
    sent.map_err(|_| TransportError::Unreachable { why: live.end() })?;
    let (ours, theirs) = duplex(BETWEEN);
    tokio::spawn(pump(program, theirs));
    let (stdout, stdin) = split(ours);
    // The halves of one stream: its input ends when both are gone, so the input alone is given an end of its own.
    let (input, inner) = duplex(BETWEEN);
    tokio::spawn(feed(inner, stdin));
    Ok(Session { stdin: Box::new(input), stdout: Box::new(stdout) })
}

/// Passes the input on, and its end.
async fn feed(mut from: DuplexStream, mut to: tokio::io::WriteHalf<DuplexStream>) {
    _ = tokio::io::copy(&mut from, &mut to).await;
    _ = to.shutdown().await;
}

/// Carries bytes between a script and us, until either ends.
async fn pump(mut program: Program, stream: DuplexStream) {
    let (mut from, mut to) = split(stream);
    let write = Arc::clone(&program.write);
    let speak = async {
        let mut writer = write.make_writer();
        let mut buffer = vec![0; 4096];
        loop {
            match from.read(&mut buffer).await {
                Ok(count) if count > 0 => {
                    let chunk = buffer.get(..count).unwrap_or_default();
                    if writer.write_all(chunk).await.is_err() {
                        break;
                    }
                }
                _ => break,
            }
        }
        _ = write.eof().await;
    };
    let listen = async {
        let mut heard = Heard::default();
        while let Some(message) = program.read.wait().await {
            let data = match message {
                ChannelMsg::Data { data } => data,
                ChannelMsg::Close | ChannelMsg::Failure => break,
                _ => continue,
            };
            match heard.out(&data) {
                Ok(line) => program.note(line.as_deref()),
                Err(_) => break,
            }
            let said = std::mem::take(&mut heard.stdout);
            if to.write_all(&said).await.is_err() {
                break;
            }
        }
        _ = to.shutdown().await;
        program.note_end();
    };
    tokio::pin!(speak, listen);
    let mut spoken = false;
    loop {
        tokio::select! {
            () = &mut speak, if !spoken => spoken = true,
            () = &mut listen => break,
        }
    }
}
