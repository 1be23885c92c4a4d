//! A line over TCP, and everything that comes back.

use super::answer::{Answer, ProbeError};
use super::dial::DialError;
use crate::model::Parse;
use crate::remote::Stream;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};

/// Longest answer, in bytes; what comes after it is not read.
const MAX_ANSWER: usize = 64 << 10;

/// When the other side has answered and is quiet for this long, it is told that nothing more will be asked. One that
/// waits for the next request then ends the stream; one that ends it anyway has done so before. It is not told
/// earlier, because some take the end of the requests for a lost client and drop the answer.
const QUIET: Duration = Duration::from_millis(50);

/// Sends a line and reads until the end of the stream, 64 KiB, or the deadline if anything came by then. Without a
/// line, being connected is the answer.
pub(super) async fn exchange(
    mut stream: Box<dyn Stream>,
    line: Option<&str>,
    parse: Parse,
    deadline: Instant,
) -> Result<Answer, ProbeError> {
    let Some(line) = line else { return Ok(Answer::default()) };
    stream.write_all(format!("{line}\n").as_bytes()).await.map_err(ProbeError::lost)?;
    stream.flush().await.map_err(ProbeError::lost)?;
    let mut bytes = Vec::new();
    match timeout_at(deadline, read(&mut *stream, &mut bytes)).await {
        Ok(Err(error)) if bytes.is_empty() => Err(ProbeError::lost(error)),
        Err(_) if bytes.is_empty() => Err(ProbeError::Dial(DialError::Failed("it never answered".to_owned()))),
        // What came before a reset or the deadline is judged for what it is.
        _ => Ok(Answer::default().read(&bytes, parse, false)),
    }
}

async fn read(stream: &mut dyn Stream, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = vec![0; 8 << 10];
    let mut told = false;
    while bytes.len() < MAX_ANSWER {
        let part = if told || bytes.is_empty() {
            stream.read(&mut buffer).await?
        } else if let Ok(part) = timeout(QUIET, stream.read(&mut buffer)).await {
            part?
        } else {
            told = true;
            stream.shutdown().await?;
            continue;
        };
        if part == 0 {
            return Ok(());
        }
        bytes.extend(buffer.iter().take(part.min(MAX_ANSWER - bytes.len())));
    }
    Ok(())
}
