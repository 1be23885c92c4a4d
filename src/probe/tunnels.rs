//! [`Dial`] over the transports of `remote`: streams through tunnels, programs as scripts of one line.

use super::dial::{Dial, DialError, ExecAnswer, ExecLimits};
use crate::model::{HostName, sh_quote};
use crate::remote::{Endpoint, Limits, Script, Stream, Transport, TransportError};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// The ways to all hosts.
#[derive(Clone)]
pub struct Tunnels {
    transports: BTreeMap<HostName, Arc<dyn Transport>>,
}

impl Tunnels {
    /// Over these transports.
    pub fn new(transports: BTreeMap<HostName, Arc<dyn Transport>>) -> Self {
        Self { transports }
    }

    fn to(&self, host: &HostName) -> Result<&dyn Transport, DialError> {
        let transport = self.transports.get(host).map(|transport| &**transport);
        transport.ok_or_else(|| DialError::Unreachable(format!("there is no way to host {host}")))
    }
}

#[async_trait]
impl Dial for Tunnels {
    async fn tcp(&self, host: &HostName, address: &str, port: u16) -> Result<Box<dyn Stream>, DialError> {
        let end = Endpoint::Tcp(address.to_owned(), port);
        self.to(host)?.tunnel(&end).await.map_err(failed)
    }

    async fn exec(
        &self,
        host: &HostName,
        user: Option<&str>,
        words: &[String],
        limits: ExecLimits,
    ) -> Result<ExecAnswer, DialError> {
        let script = Script::new(one_line(user, words));
        let limits = Limits { time: limits.within, stdout: limits.output };
        let output = self.to(host)?.exec(&script, limits).await.map_err(failed)?;
        Ok(ExecAnswer { code: output.status, stdout: output.stdout, stderr: output.stderr })
    }
}

/// The program in place of the shell; as the user when we are root there.
fn one_line(user: Option<&str>, words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| sh_quote(word)).collect();
    let words = quoted.join(" ");
    match user.map(sh_quote) {
        None => format!("exec {words}"),
        Some(user) => format!(
            "[ \"$(id -u)\" = 0 ] && exec setpriv --reuid {user} --regid {user} --init-groups -- {words}; exec {words}"
        ),
    }
}

fn failed(error: TransportError) -> DialError {
    match error {
        TransportError::Io { source, .. } if source.kind() == io::ErrorKind::ConnectionRefused => DialError::Refused,
        TransportError::Io { what, source } => DialError::Failed(format!("{what}: {source}")),
        TransportError::Unreachable { why } | TransportError::Lost { why } => DialError::Unreachable(why),
        TransportError::TimedOut { limit } => DialError::TooLong(limit),
        TransportError::TooMuch { limit } => DialError::TooMuch(limit),
        other @ (TransportError::WrongBytes { .. } | TransportError::Refused { .. }) => {
            DialError::Failed(other.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Dial as _, DialError, ExecAnswer, ExecLimits, Tunnels};
    use crate::model::HostName;
    use crate::remote::{Local, Transport};
    use std::sync::Arc;
    use std::time::Duration;

    const LIMITS: ExecLimits = ExecLimits { within: Duration::from_secs(5), output: 1000 };

    async fn exec(words: &[&str], limits: ExecLimits) -> Result<ExecAnswer, DialError> {
        let here = HostName::new("here").unwrap();
        let local: Arc<dyn Transport> = Arc::new(Local);
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Tunnels::new([(here.clone(), local)].into()).exec(&here, None, &words, limits).await
    }

    #[tokio::test]
    async fn a_program_gets_its_words_as_they_are_and_answers_with_code_and_output() {
        let words = ["sh", "-c", "printf '%s|' \"$@\"; echo err >&2; exit 3", "sh", "a b", "$HOME", "'", ""];
        let answer = exec(&words, LIMITS).await.unwrap();
        assert_eq!(answer.code, Some(3));
        assert_eq!((&answer.stdout[..], &answer.stderr[..]), (&b"a b|$HOME|'||"[..], &b"err\n"[..]));
    }

    #[tokio::test]
    async fn output_without_end_and_programs_without_end_are_errors() {
        assert_eq!(exec(&["yes"], LIMITS).await, Err(DialError::TooMuch(1000)));
        let limits = ExecLimits { within: Duration::from_millis(200), output: 1000 };
        assert_eq!(exec(&["sleep", "60"], limits).await, Err(DialError::TooLong(limits.within)));
    }

    #[tokio::test]
    async fn a_host_without_a_way_and_a_closed_port_say_so() {
        let [here, away] = ["here", "away"].map(|name| HostName::new(name).unwrap());
        let local: Arc<dyn Transport> = Arc::new(Local);
        let tunnels = Tunnels::new([(here.clone(), local)].into());
        let error = tunnels.tcp(&away, "127.0.0.1", 9).await.err().unwrap();
        assert_eq!(error.to_string(), "the host can't be reached: there is no way to host away");
        assert_eq!(tunnels.tcp(&here, "127.0.0.1", 9).await.err().unwrap(), DialError::Refused);
    }
}
