//! What a connection to an instance of a secured service needs, with the values of its secrets: made for one exchange,
//! kept by nobody.

use super::answer::{Answer, ProbeError};
use super::request::Target;
use super::tls::{Layer, Pem};
use crate::desired::Desired;
use crate::expr::Context;
use crate::inventory::printable;
use crate::model::{Auth, Connection, Expr, Hidden, Name, Parse, Secret, Tls, Value};
use crate::remote::Stream;
use serde_json::{Map, Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Longest answer to a line of a login, in bytes.
const MAX_LINE: usize = 4 << 10;

/// How an instance is spoken to.
#[derive(Default)]
pub(super) struct Way {
    pub(super) tls: Option<Layer>,
    pub(super) auth: Option<Credentials>,
    logins: Vec<Line>,
    /// The secrets in it, for people.
    named: String,
}

/// Who we are.
pub(super) enum Credentials {
    /// A user with a password.
    User(String, Hidden),
    /// The word before it, and a token.
    Token(String, Hidden),
}

/// One line of a login.
struct Line {
    send: Hidden,
    until: Expr,
    context: Context,
}

/// Which values of secrets are said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Values {
    Current,
    /// The one before, of those secrets that have one.
    Previous,
}

/// The ways to speak to an instance, the best one first. The second one has the values that secrets had before: what still
/// runs with those takes no other.
pub(super) fn ways(desired: &Desired, target: Target<'_>) -> Result<Vec<Way>, ProbeError> {
    let Some(connection) = &target.instance.module.connection else { return Ok(vec![Way::default()]) };
    let maker = |values| Maker { desired, target, values };
    let mut ways = vec![maker(Values::Current).way(connection)?];
    if maker(Values::Previous).secrets().any(|(_, secret)| secret.previous().is_some()) {
        ways.push(maker(Values::Previous).way(connection)?);
    }
    Ok(ways)
}

struct Maker<'a> {
    desired: &'a Desired,
    target: Target<'a>,
    values: Values,
}

impl<'a> Maker<'a> {
    /// The instance's parameters that name a secret.
    fn secrets(&self) -> impl Iterator<Item = (&'a Name, &'a Secret)> {
        let desired = self.desired;
        self.target.instance.params.iter().filter_map(|(name, value)| match value {
            Value::Secret(secret) => Some((name, desired.secrets.get(&secret.0)?)),
            _ => None,
        })
    }

    fn value(&self, secret: &Secret) -> Option<Hidden> {
        let previous = secret.previous().filter(|_| self.values == Values::Previous);
        previous.or(secret.value()).cloned()
    }

    /// The value of the secret that a parameter names; none when the instance has none there.
    fn secret(&self, param: &Name) -> Result<Option<Hidden>, ProbeError> {
        let Some(Value::Secret(named)) = self.target.instance.params.get(param) else { return Ok(None) };
        let secret = self.desired.secrets.get(&named.0);
        match secret.and_then(|secret| self.value(secret)) {
            Some(value) => Ok(Some(value)),
            None => Err(unknown_value(&named.0)),
        }
    }

    fn text(&self, param: &Name) -> Option<&'a str> {
        match self.target.instance.params.get(param) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    fn holds(&self, expr: Option<&Expr>) -> Result<bool, ProbeError> {
        let Some(expr) = expr else { return Ok(true) };
        let held = self.target.instance.context.eval_bool(&expr.0);
        held.map_err(|error| ProbeError::Request(format!("`{}`: {error}", expr.0.value)))
    }

    fn way(&self, connection: &Connection) -> Result<Way, ProbeError> {
        let mut way = Way::default();
        if let Some(tls) = connection.tls.as_ref()
            && self.holds(tls.when.as_ref())?
        {
            way.tls = Some(self.tls(tls)?);
        }
        if let Some(auth) = &connection.auth
            && self.holds(auth.when.as_ref())?
        {
            way.auth = self.auth(auth)?;
        }
        for login in &connection.logins {
            if self.holds(login.when.as_ref())? {
                let send = self.open()?.render(&login.send.0);
                // What an error says of the line could have the value in it.
                let send = send.map_err(|_| ProbeError::Request("a line of `login` can't be rendered".to_owned()))?;
                if send.contains(['\n', '\r']) {
                    return Err(ProbeError::Request("a line of `login` has a line end in it".to_owned()));
                }
                let context = self.target.instance.context.clone();
                way.logins.push(Line { send: Hidden::new(&send), until: login.until.clone(), context });
            }
        }
        let named = self.target.instance.params.values().filter_map(|value| match value {
            Value::Secret(secret) => Some(format!("`{}`", secret.0)),
            _ => None,
        });
        way.named = named.collect::<Vec<_>>().join(", ");
        Ok(way)
    }

    /// The context with the values of the secrets.
    fn open(&self) -> Result<Context, ProbeError> {
        let mut values = Map::new();
        for (param, value) in self.target.instance.params.iter() {
            let Value::Secret(named) = value else { continue };
            let secret = self.desired.secrets.get(&named.0).and_then(|secret| self.value(secret));
            let secret = secret.ok_or_else(|| unknown_value(&named.0))?;
            values.insert(param.as_str().replace(['-', '.'], "_"), secret.expose().into());
        }
        Ok(self.target.instance.context.with(&Json::Object(values)))
    }

    fn auth(&self, auth: &Auth) -> Result<Option<Credentials>, ProbeError> {
        let Some(secret) = self.secret(&auth.secret)? else { return Ok(None) };
        let Some(user) = &auth.user else { return Ok(Some(Credentials::Token(auth.scheme.clone(), secret))) };
        let user = self.target.instance.context.render(&user.0);
        let user = user.map_err(|error| ProbeError::Request(format!("the user's name: {error}")))?;
        Ok(Some(if user.is_empty() {
            Credentials::Token(auth.scheme.clone(), secret)
        } else {
            Credentials::User(user, secret)
        }))
    }

    fn tls(&self, tls: &Tls) -> Result<Layer, ProbeError> {
        let name = match &tls.name {
            None => self.target.host.address.clone(),
            Some(name) => self
                .target
                .instance
                .context
                .render(&name.0)
                .map_err(|error| ProbeError::Request(format!("the name of the certificate: {error}")))?,
        };
        let ca = self.text(&tls.ca).ok_or_else(|| {
            ProbeError::Request(format!(
                "`{}` is not set, so there is nothing to check its certificate against",
                tls.ca
            ))
        })?;
        let client = match &tls.client {
            None => None,
            Some((certificate, key)) => {
                let key = self.secret(key)?;
                self.text(certificate).map(str::to_owned).zip(key)
            }
        };
        let client = client.as_ref().map(|(certificate, key)| (certificate.as_str(), key));
        Layer::new(&name, &Pem { ca: (ca, tls.ca.as_str()), client })
    }
}

fn unknown_value(secret: &str) -> ProbeError {
    ProbeError::Unknown(format!("the value of secret `{secret}` is not known here, and nothing is answered without it"))
}

impl Way {
    /// TLS and the lines of the login over a stream.
    pub(super) async fn open(&self, stream: Box<dyn Stream>) -> Result<Box<dyn Stream>, ProbeError> {
        let mut stream = match &self.tls {
            Some(tls) => tls.over(stream).await?,
            None => stream,
        };
        for line in &self.logins {
            let answered = line.say(&mut *stream).await.map_err(|error| self.explained(error))?;
            if let Some(answer) = answered {
                return Err(self.refused(&printable(answer.trim(), 120)));
            }
        }
        Ok(stream)
    }

    /// It does not take what we say of ourselves.
    pub(super) fn refused(&self, answered: &str) -> ProbeError {
        ProbeError::Unknown(format!(
            "it does not take the value of secret {} (it answered {answered}): if it still runs with the one before, say \
             where that is with `previous` in the secret's block",
            self.named
        ))
    }

    /// An error in the words of TLS, when that is where it comes from.
    pub(super) fn explained(&self, error: ProbeError) -> ProbeError {
        match &error {
            ProbeError::Lost(cause) => {
                let tls = self.tls.as_ref().and_then(|tls| tls.refused(&**cause));
                tls.unwrap_or(error)
            }
            _ => error,
        }
    }
}

impl Line {
    /// Sends it and reads one line. What was answered, when that is not what it should be.
    async fn say(&self, stream: &mut dyn Stream) -> Result<Option<String>, ProbeError> {
        stream.write_all(format!("{}\n", self.send.expose()).as_bytes()).await.map_err(ProbeError::lost)?;
        stream.flush().await.map_err(ProbeError::lost)?;
        let mut bytes = Vec::new();
        while bytes.len() < MAX_LINE {
            let mut byte = [0];
            if stream.read(&mut byte).await.map_err(ProbeError::lost)? == 0 || byte[0] == b'\n' {
                break;
            }
            bytes.push(byte[0]);
        }
        let answer = Answer::default().read(&bytes, Parse::Auto, false);
        let context = self.context.with(&json!({ "text": answer.text }));
        let held = context.eval_bool(&self.until.0);
        let held = held.map_err(|error| ProbeError::Request(format!("`{}`: {error}", self.until.0.value)))?;
        Ok((!held).then(|| if answer.text.trim().is_empty() { "nothing".to_owned() } else { answer.text }))
    }
}
