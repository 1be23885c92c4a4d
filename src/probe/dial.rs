//! How requests reach an instance: a byte stream to an address as seen from a host, or a program on a host.

use crate::model::HostName;
use crate::remote::Stream;
use async_trait::async_trait;
use std::time::Duration;

/// Opens connections and runs programs on hosts. Callers bound the time; dropping the future gives up.
#[async_trait]
pub trait Dial: Send + Sync {
    /// Connects to a port, as seen from the host.
    async fn tcp(&self, host: &HostName, address: &str, port: u16) -> Result<Box<dyn Stream>, DialError>;

    /// Runs a program on the host, without a shell, as `user` when we may change it (`None`: as ourselves).
    async fn exec(
        &self,
        host: &HostName,
        user: Option<&str>,
        words: &[String],
        limits: ExecLimits,
    ) -> Result<ExecAnswer, DialError>;
}

/// What a program may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecLimits {
    /// Time; the program is ended when it passes.
    pub within: Duration,
    /// Bytes of standard output; more is an error.
    pub output: usize,
}

/// What a program answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecAnswer {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

/// Why nothing could be reached. Fragments for people; text of the other side in them is not yet made safe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The host is there, the port is closed.
    #[error("nothing listens there")]
    Refused,
    /// The host can't be reached.
    #[error("the host can't be reached: {0}")]
    Unreachable(String),
    /// It took too long.
    #[error("no answer within {} ms", .0.as_millis())]
    TooLong(Duration),
    /// More came than is read.
    #[error("more than {0} bytes were printed")]
    TooMuch(usize),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}
