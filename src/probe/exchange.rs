//! One request to one instance, bounded.

use super::answer::{Answer, ProbeError};
use super::dial::{Dial, ExecLimits};
use super::request::{Request, Target};
use super::{http, kafka, tcp};
use crate::model::Parse;
use std::time::Duration;
use tokio::time::Instant;

/// Most that a program may print, in bytes.
const MAX_PRINTED: usize = 1 << 20;

/// How much later than the protocol's own limit the whole exchange is given up.
const MARGIN: Duration = Duration::from_millis(100);

/// Sends a request and reads its answer, connection included, within `within`.
pub(super) async fn exchange(
    dial: &dyn Dial,
    target: Target<'_>,
    request: &Request,
    parse: Parse,
    within: Duration,
) -> Result<Answer, ProbeError> {
    let deadline = Instant::now() + within;
    let (host, address) = (&target.host.name, target.host.address.as_str());
    let work = async {
        match request {
            Request::Http { port, http } => http::exchange(dial.tcp(host, address, *port).await?, http, parse).await,
            Request::Tcp { port, line } => {
                tcp::exchange(dial.tcp(host, address, *port).await?, line.as_deref(), parse, deadline).await
            }
            Request::Kafka { port } => kafka::exchange(dial.tcp(host, address, *port).await?).await,
            Request::Exec { words } => {
                let limits = ExecLimits { within, output: MAX_PRINTED };
                let printed = dial.exec(host, target.host.user.as_deref(), words, limits).await?;
                let aside = String::from_utf8_lossy(&printed.stderr).into_owned();
                let answer = Answer { status: Some(printed.code.map_or(-1, i64::from)), aside, ..Answer::default() };
                Ok(answer.read(&printed.stdout, parse, false))
            }
        }
    };
    tokio::time::timeout_at(deadline + MARGIN, work).await.unwrap_or(Err(ProbeError::TooLong(within)))
}
