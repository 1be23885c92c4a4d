//! A probe's templates rendered into what is sent, and where to.

use super::answer::ProbeError;
use super::http::HttpRequest;
use super::kafka;
use crate::desired::{DesiredHost, DesiredInstance};
use crate::expr::Context;
use crate::inventory::printable;
use crate::model::{HttpMethod, Param, ParamType, Probe, ProbeKind, Template};
use serde_json::Value;
use std::fmt;

/// An instance that is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) instance: &'a DesiredInstance,
    pub(super) host: &'a DesiredHost,
}

/// What is sent to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    Http { port: u16, http: HttpRequest },
    Tcp { port: u16, line: Option<String> },
    Exec { words: Vec<String> },
    Kafka { port: u16, more: kafka::More },
}

impl Request {
    /// Renders the probe's templates.
    pub(super) fn render(probe: &Probe, target: Target<'_>, context: &Context) -> Result<Self, ProbeError> {
        let render = |template: &Template| {
            let text = context.render(&template.0);
            text.map_err(|error| ProbeError::Request(format!("`{}`: {error}", template.0.value)))
        };
        Ok(match &probe.kind {
            ProbeKind::Http { method, path, body } => {
                let port = port(probe, target)?;
                let authority = authority(&target.host.address, port);
                let body = body.as_ref().map(render).transpose()?;
                Self::Http { port, http: HttpRequest { method: *method, authority, path: render(path)?, body } }
            }
            ProbeKind::Tcp { send } => {
                Self::Tcp { port: port(probe, target)?, line: send.as_ref().map(render).transpose()? }
            }
            ProbeKind::Exec { command } => Self::Exec { words: command.iter().map(render).collect::<Result<_, _>>()? },
            ProbeKind::Kafka { apis, spare, broker, set } => {
                let set =
                    set.as_ref().map(render).transpose()?.map_or(Ok(kafka::Changes::new()), |text| changes(&text))?;
                let broker = broker.as_ref().map(render).transpose()?;
                Self::Kafka {
                    port: port(probe, target)?,
                    more: kafka::More { apis: *apis, spare: *spare, broker, set },
                }
            }
        })
    }

    /// The port that it goes to; a program has none.
    pub(super) const fn port(&self) -> Option<u16> {
        match self {
            Self::Http { port, .. } | Self::Tcp { port, .. } | Self::Kafka { port, .. } => Some(*port),
            Self::Exec { .. } => None,
        }
    }

    /// Whether sending it to a second instance, while the first one has not answered yet, changes nothing.
    pub(super) fn only_reads(probe: &Probe) -> bool {
        match &probe.kind {
            ProbeKind::Http { method, .. } => *method == HttpMethod::Get,
            ProbeKind::Tcp { .. } => true,
            ProbeKind::Kafka { set, .. } => set.is_none(),
            ProbeKind::Exec { .. } => false,
        }
    }
}

/// In a few words, for people.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { port, http } => {
                let method = match http.method {
                    HttpMethod::Get => "GET",
                    HttpMethod::Put => "PUT",
                    HttpMethod::Post => "POST",
                    HttpMethod::Delete => "DELETE",
                };
                write!(f, "{method} :{port}{}", printable(&http.path, 120))
            }
            Self::Tcp { port, line: Some(line) } => write!(f, "`{}` on port {port}", printable(line, 60)),
            Self::Tcp { port, line: None } => write!(f, "port {port}"),
            Self::Exec { words } => write!(f, "`{}`", printable(&words.join(" "), 120)),
            Self::Kafka { port, more } if !more.set.is_empty() => {
                write!(f, "changing its configuration on port {port}")
            }
            Self::Kafka { port, more } if more.broker.is_some() => write!(f, "configuration on port {port}"),
            Self::Kafka { port, .. } => write!(f, "metadata on port {port}"),
        }
    }
}

/// A JSON object of values; `null` is none.
fn changes(text: &str) -> Result<kafka::Changes, ProbeError> {
    let wrong = || ProbeError::Request(format!("`set` is no JSON object of texts, numbers and such: {text}"));
    let Ok(Value::Object(all)) = serde_json::from_str(text) else { return Err(wrong()) };
    let change = |(name, value)| match value {
        Value::Null => Ok((name, None)),
        Value::String(text) => Ok((name, Some(text))),
        Value::Bool(_) | Value::Number(_) => Ok((name, Some(value.to_string()))),
        Value::Array(_) | Value::Object(_) => Err(wrong()),
    };
    all.into_iter().map(change).collect()
}

/// The instance's port: the parameter that the probe names, or the module's first port.
fn port(probe: &Probe, target: Target<'_>) -> Result<u16, ProbeError> {
    let instance = target.instance;
    let is_port = |param: &Param| param.kind == ParamType::Port;
    let first = || instance.module.params.iter().find(|(_, param)| is_port(param)).map(|(name, _)| name.as_str());
    let name = probe.port.as_deref().or_else(first);
    let name = name.ok_or_else(|| ProbeError::Request(format!("module {} has no port", instance.module.name.value)))?;
    let found = instance.ports.iter().find(|(port, _)| port.as_str() == name).map(|(_, port)| *port);
    found.ok_or_else(|| ProbeError::Request(format!("{} has no port `{name}`", instance.id)))
}

fn authority(address: &str, port: u16) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}
