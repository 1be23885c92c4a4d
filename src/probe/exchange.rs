//! One request to one instance, bounded.

use super::answer::{Answer, ProbeError};
use super::connection::{Way, ways};
use super::dial::{Dial, ExecLimits};
use super::request::{Request, Target};
use super::{http, kafka, tcp};
use crate::desired::Desired;
use crate::model::Parse;
use crate::remote::Stream;
use std::time::Duration;
use tokio::time::Instant;

/// Most that a program may print, in bytes.
const MAX_PRINTED: usize = 1 << 20;

/// How much later than the protocol's own limit the whole exchange is given up.
const MARGIN: Duration = Duration::from_millis(100);

/// What HTTP answers when it does not take who we say we are.
const UNAUTHORIZED: i64 = 401;

/// Sends a request and reads its answer, connection included, within `within`.
pub(super) async fn exchange(
    desired: &Desired,
    dial: &dyn Dial,
    target: Target<'_>,
    request: &Request,
    parse: Parse,
    within: Duration,
) -> Result<Answer, ProbeError> {
    let deadline = Instant::now() + within;
    let work = async {
        let Some(port) = request.port() else { return exec(dial, target, request, parse, within).await };
        let mut first = None;
        for way in ways(desired, target)? {
            let stream = dial.tcp(&target.host.name, &target.host.address, port).await?;
            let answer = over(&way, stream, request, parse, deadline).await.map_err(|error| way.explained(error));
            match answer {
                // Perhaps it takes what the secret was before.
                Err(error) if error.is_unknown() => drop(first.get_or_insert(error)),
                answer => return answer,
            }
        }
        Err(first.unwrap_or_else(|| ProbeError::Request("there is no way to speak to it".to_owned())))
    };
    tokio::time::timeout_at(deadline + MARGIN, work).await.unwrap_or(Err(ProbeError::TooLong(within)))
}

async fn over(
    way: &Way,
    stream: Box<dyn Stream>,
    request: &Request,
    parse: Parse,
    deadline: Instant,
) -> Result<Answer, ProbeError> {
    let stream = way.open(stream).await?;
    match request {
        Request::Http { http, .. } => {
            let answer = http::exchange(stream, http, way.auth.as_ref(), parse).await?;
            if way.auth.is_some() && answer.status == Some(UNAUTHORIZED) {
                return Err(way.refused("401"));
            }
            Ok(answer)
        }
        Request::Tcp { line, .. } => tcp::exchange(stream, line.as_deref(), parse, deadline).await,
        Request::Kafka { more, .. } => kafka::exchange(stream, way, more).await,
        Request::Exec { .. } => Err(ProbeError::Request("a program has no port".to_owned())),
    }
}

/// A program gets no secrets: its words are seen by everybody on its host.
async fn exec(
    dial: &dyn Dial,
    target: Target<'_>,
    request: &Request,
    parse: Parse,
    within: Duration,
) -> Result<Answer, ProbeError> {
    let Request::Exec { words } = request else {
        return Err(ProbeError::Request("there is no port to ask".to_owned()));
    };
    let limits = ExecLimits { within, output: MAX_PRINTED };
    let printed = dial.exec(&target.host.name, target.host.user.as_deref(), words, limits).await?;
    let aside = String::from_utf8_lossy(&printed.stderr).into_owned();
    let answer = Answer { status: Some(printed.code.map_or(-1, i64::from)), aside, ..Answer::default() };
    Ok(answer.read(&printed.stdout, parse, false))
}
