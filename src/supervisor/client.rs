//! The calls that we make, each with the traps that it has.

use super::xml::{self, Answer, Argument, Value};
use async_trait::async_trait;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, timeout};

/// Longest answer in bytes; one program's is about 1 KiB.
const ANSWER_LIMIT: usize = 1 << 20;
/// One call takes milliseconds; the supervisor has a single thread, and a stuck one must not hold us.
const CALL_WITHIN: Duration = Duration::from_secs(10);
/// How often the state is looked up while a process stops. Each look also makes the supervisor notice an end at once.
const LOOK_EVERY: Duration = Duration::from_millis(40);

/// Bytes in both directions.
pub trait Call: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Call for T {}

/// Opens a connection to the supervisor's socket.
#[async_trait]
pub trait Dial: Send + Sync {
    /// A new connection, or why there is none.
    async fn dial(&self) -> Result<Box<dyn Call>, String>;
}

/// Why the supervisor did not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SupervisorError {
    /// Nothing answers at its socket.
    #[error("the supervisor does not answer: {why}; `esplan` shows whether it runs")]
    Silent {
        /// What was seen.
        why: String,
    },
    /// It answered something else than XML-RPC.
    #[error("the supervisor answered nonsense to {method}: {why}")]
    Nonsense {
        /// The call.
        method: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// It does not know the program.
    #[error("the supervisor does not know {program}: is its supervisor.conf in place?")]
    Unknown {
        /// The program.
        program: String,
    },
    /// Its configuration can't be read.
    #[error("the supervisor can't read its configuration: {why}")]
    Config {
        /// What it says.
        why: String,
    },
    /// The command of a program can't be started.
    #[error("{program} can't be started: {why}")]
    Spawn {
        /// The program.
        program: String,
        /// What it says.
        why: String,
    },
    /// The program runs with an older definition.
    #[error("{program} still runs with its old definition: it must be stopped first")]
    StillRunning {
        /// The program.
        program: String,
    },
    /// It did not end in time; nothing was forced.
    #[error("{program} has not ended after {} s: it was asked and goes on ending; nothing is forced", within.as_secs())]
    Stuck {
        /// The program.
        program: String,
        /// The limit.
        within: Duration,
    },
    /// Another fault.
    #[error("the supervisor refused {method}: {why}")]
    Refused {
        /// The call.
        method: &'static str,
        /// Its number.
        code: i64,
        /// What it says.
        why: String,
    },
}

/// Faults by number.
mod fault {
    pub(super) const BAD_NAME: i64 = 10;
    pub(super) const NO_FILE: i64 = 20;
    pub(super) const NOT_EXECUTABLE: i64 = 21;
    pub(super) const SPAWN_ERROR: i64 = 50;
    pub(super) const ALREADY_STARTED: i64 = 60;
    pub(super) const NOT_RUNNING: i64 = 70;
    pub(super) const ALREADY_ADDED: i64 = 90;
    pub(super) const STILL_RUNNING: i64 = 91;
    pub(super) const CANT_REREAD: i64 = 92;
}

/// The state of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not started, or stopped on request.
    Stopped,
    /// Started, for less than `startsecs`.
    Starting,
    /// Runs.
    Running,
    /// Ended too quickly; it will be started again.
    Backoff,
    /// Asked to end.
    Stopping,
    /// Ended by itself.
    Exited,
    /// Ended too quickly too often: it will not be started again.
    Fatal,
    /// A state that we do not know.
    Unknown,
}

impl State {
    fn of(number: i64) -> Self {
        match number {
            0 => Self::Stopped,
            10 => Self::Starting,
            20 => Self::Running,
            30 => Self::Backoff,
            40 => Self::Stopping,
            100 => Self::Exited,
            200 => Self::Fatal,
            _ => Self::Unknown,
        }
    }
}

/// What the supervisor says of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Its state.
    pub state: State,
    /// Its process id, when it has one.
    pub pid: Option<u32>,
    /// Why it could not be started, in the supervisor's words; untrusted.
    pub spawn_error: String,
    /// The exit status of its last end; -1 after a signal.
    pub exit_status: i64,
}

/// One supervisor.
pub struct Supervisor<'a> {
    dial: &'a dyn Dial,
}

impl<'a> Supervisor<'a> {
    /// The supervisor at the other end of a way to its socket.
    pub fn new(dial: &'a dyn Dial) -> Self {
        Self { dial }
    }

    /// Its version.
    pub async fn version(&self) -> Result<String, SupervisorError> {
        let method = "supervisor.getSupervisorVersion";
        match self.value(method, &[]).await? {
            Value::Text(version) => Ok(version),
            _ => Err(odd(method)),
        }
    }

    /// What it says of a program; `None` when it does not know it.
    pub async fn info(&self, program: &str) -> Result<Option<ProcessInfo>, SupervisorError> {
        let method = "supervisor.getProcessInfo";
        let members = match self.call(method, &[Argument::Text(program)]).await? {
            Answer::Value(Value::Struct(members)) => members,
            Answer::Fault { code: fault::BAD_NAME, .. } => return Ok(None),
            Answer::Fault { code, text } => return Err(SupervisorError::Refused { method, code, why: text }),
            Answer::Value(_) => return Err(odd(method)),
        };
        info(&members).map(Some).ok_or_else(|| odd(method))
    }

    /// Reads the configuration again. Changes nothing that runs.
    pub async fn reread(&self) -> Result<(), SupervisorError> {
        self.changed().await.map(|_| ())
    }

    /// Reads the configuration again and gives the programs whose entry differs from the one in use.
    async fn changed(&self) -> Result<Vec<String>, SupervisorError> {
        let method = "supervisor.reloadConfig";
        let value = self.value(method, &[]).await?;
        let lists = match value {
            Value::List(outer) => match <[Value; 1]>::try_from(outer) {
                Ok([Value::List(lists)]) => lists,
                _ => return Err(odd(method)),
            },
            _ => return Err(odd(method)),
        };
        let [_, Value::List(changed), _] = lists.as_slice() else { return Err(odd(method)) };
        let text = |value: &Value| if let Value::Text(text) = value { Ok(text.clone()) } else { Err(odd(method)) };
        changed.iter().map(text).collect()
    }

    /// Starts a program with its entry as it is on disk now. One that runs already with that entry is left alone.
    pub async fn start(&self, program: &str, within: Duration) -> Result<(), SupervisorError> {
        let changed = self.changed().await?.iter().any(|name| name == program);
        // A start is accepted while the program is still stopping, and then nothing is started.
        let known = self.settled(program, within).await?;
        let add = match known {
            None => true,
            Some(_) if changed => {
                self.done("supervisor.removeProcessGroup", program, &[fault::BAD_NAME]).await?;
                true
            }
            Some(_) => false,
        };
        if add {
            self.done("supervisor.addProcessGroup", program, &[fault::ALREADY_ADDED]).await?;
        }
        let method = "supervisor.startProcess";
        let arguments = [Argument::Text(program), Argument::Bool(false)];
        self.accept(method, program, &arguments, &[fault::ALREADY_STARTED]).await
    }

    /// Asks a program to end and waits for it. Never kills: the entry's `stopwaitsecs` is far beyond any limit of ours.
    pub async fn stop(&self, program: &str, within: Duration) -> Result<(), SupervisorError> {
        let method = "supervisor.stopProcess";
        let arguments = [Argument::Text(program), Argument::Bool(false)];
        let until = Instant::now() + within;
        while let Some(info) = self.info(program).await? {
            match info.state {
                State::Stopped | State::Fatal => break,
                // One that ended badly is about to be started again by the supervisor; one that ended well is not.
                State::Exited if info.exit_status == 0 => break,
                State::Starting | State::Running | State::Backoff => {
                    self.accept(method, program, &arguments, &[fault::NOT_RUNNING, fault::BAD_NAME]).await?;
                }
                State::Exited | State::Stopping | State::Unknown => {}
            }
            if Instant::now() >= until {
                return Err(SupervisorError::Stuck { program: program.to_owned(), within });
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Forgets a program whose entry is gone and that does not run.
    pub async fn forget(&self, program: &str) -> Result<(), SupervisorError> {
        self.reread().await?;
        self.done("supervisor.removeProcessGroup", program, &[fault::BAD_NAME]).await
    }

    /// Sends a signal, by its name.
    pub async fn signal(&self, program: &str, signal: &str) -> Result<(), SupervisorError> {
        let arguments = [Argument::Text(program), Argument::Text(signal)];
        self.accept("supervisor.signalProcess", program, &arguments, &[]).await
    }

    /// Waits until a program is not stopping; `None` when it is not known.
    async fn settled(&self, program: &str, within: Duration) -> Result<Option<ProcessInfo>, SupervisorError> {
        let until = Instant::now() + within;
        loop {
            let info = self.info(program).await?;
            if info.as_ref().is_none_or(|info| info.state != State::Stopping) {
                return Ok(info);
            }
            if Instant::now() >= until {
                return Err(SupervisorError::Stuck { program: program.to_owned(), within });
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn done(&self, method: &'static str, program: &str, fine: &[i64]) -> Result<(), SupervisorError> {
        self.accept(method, program, &[Argument::Text(program)], fine).await
    }

    /// A call whose value says nothing; faults in `fine` mean that it was done already.
    async fn accept(
        &self,
        method: &'static str,
        program: &str,
        arguments: &[Argument<'_>],
        fine: &[i64],
    ) -> Result<(), SupervisorError> {
        match self.call(method, arguments).await? {
            Answer::Value(_) => Ok(()),
            Answer::Fault { code, .. } if fine.contains(&code) => Ok(()),
            Answer::Fault { code, text } => Err(refusal(method, program, code, text)),
        }
    }

    async fn value(&self, method: &'static str, arguments: &[Argument<'_>]) -> Result<Value, SupervisorError> {
        match self.call(method, arguments).await? {
            Answer::Value(value) => Ok(value),
            Answer::Fault { code, text } => Err(refusal(method, "", code, text)),
        }
    }

    async fn call(&self, method: &'static str, arguments: &[Argument<'_>]) -> Result<Answer, SupervisorError> {
        let exchanged = timeout(CALL_WITHIN, self.exchange(xml::call(method, arguments))).await;
        let late = || Err(format!("nothing came for {} s", CALL_WITHIN.as_secs()));
        let text = exchanged.unwrap_or_else(|_| late()).map_err(|why| SupervisorError::Silent { why })?;
        xml::answer(&text).map_err(|error| SupervisorError::Nonsense { method, why: error.0 })
    }

    async fn exchange(&self, text: String) -> Result<String, String> {
        let stream = self.dial.dial().await?;
        let said = |error: hyper::Error| error.to_string();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(said)?;
        let request = Request::post("/RPC2")
            .header("Host", "localhost")
            .header("Content-Type", "text/xml")
            .header("Connection", "close")
            .body(Full::new(Bytes::from(text)))
            .map_err(|error| error.to_string())?;
        let mut connection = pin!(connection);
        let mut answer = pin!(async {
            let response = sender.send_request(request).await.map_err(said)?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_LIMIT).collect().await;
            let body = body.map_err(|error| error.to_string())?.to_bytes();
            if !status.is_success() {
                return Err(format!("HTTP status {status}"));
            }
            String::from_utf8(body.into()).map_err(|error| error.to_string())
        });
        let mut ended = false;
        loop {
            tokio::select! {
                answer = &mut answer => return answer,
                _ = &mut connection, if !ended => ended = true,
            }
        }
    }
}

fn odd(method: &'static str) -> SupervisorError {
    SupervisorError::Nonsense { method, why: "another type of value".to_owned() }
}

fn refusal(method: &'static str, program: &str, code: i64, why: String) -> SupervisorError {
    let program = program.to_owned();
    match code {
        fault::BAD_NAME => SupervisorError::Unknown { program },
        fault::CANT_REREAD => SupervisorError::Config { why },
        fault::STILL_RUNNING => SupervisorError::StillRunning { program },
        fault::NO_FILE | fault::NOT_EXECUTABLE | fault::SPAWN_ERROR => SupervisorError::Spawn { program, why },
        _ => SupervisorError::Refused { method, code, why },
    }
}

fn info(members: &BTreeMap<String, Value>) -> Option<ProcessInfo> {
    let number = |name: &str| if let Some(Value::Int(number)) = members.get(name) { Some(*number) } else { None };
    let text = |name: &str| if let Some(Value::Text(text)) = members.get(name) { Some(text.clone()) } else { None };
    Some(ProcessInfo {
        state: State::of(number("state")?),
        pid: u32::try_from(number("pid")?).ok().filter(|pid| *pid != 0),
        spawn_error: text("spawnerr")?,
        exit_status: number("exitstatus")?,
    })
}

#[cfg(test)]
mod tests;
