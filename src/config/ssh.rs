//! The node `ssh`: of the cluster, or of one host.

use super::reader::Node;
use super::values::{Expected, FromKdl, Port, Raw};
use crate::diag::{Code, Diag};
use crate::model::SshOptions;
use std::time::Duration;

/// Login names of people and services, as `useradd` accepts them.
#[derive(Debug, Clone)]
pub(super) struct Login(pub(super) String);

impl FromKdl for Login {
    const WHAT: &'static str = "a login name";
    fn from_kdl(raw: &Raw<'_>) -> Result<Self, Expected> {
        let text = String::from_kdl(raw)?;
        let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if starts && text.len() <= 32 && text.chars().all(safe) {
            return Ok(Self(text));
        }
        Err(Expected::new(Self::WHAT).help("letters, digits, '-', '_' and '.', and a letter first"))
    }
}

/// Hosts to go through, in order.
pub(super) struct Jumps(String);

impl FromKdl for Jumps {
    const WHAT: &'static str = "a host to go through, such as \"ops@bastion:22\", or \"none\"";
    fn from_kdl(raw: &Raw<'_>) -> Result<Self, Expected> {
        let text = String::from_kdl(raw)?;
        let usable = |hop: &str| {
            let hop = hop.trim();
            let host = hop.rsplit_once('@').map_or(hop, |(_, host)| host);
            let odd = |c: char| c.is_whitespace() || matches!(c, '/' | '\'' | '"' | '\\' | '%');
            !host.is_empty() && !hop.starts_with('-') && !hop.contains(odd)
        };
        if text.split(',').all(usable) {
            return Ok(Self(text));
        }
        Err(Expected::new(Self::WHAT).help("several of them have commas between; the first is reached directly"))
    }
}

/// A file name that is not empty.
pub(super) struct FileName(String);

impl FromKdl for FileName {
    const WHAT: &'static str = "the path of a file";
    fn from_kdl(raw: &Raw<'_>) -> Result<Self, Expected> {
        let text = String::from_kdl(raw)?;
        if text.trim().is_empty() {
            Err(Expected::new(Self::WHAT).help("name a file, or leave it out"))
        } else {
            Ok(Self(text))
        }
    }
}

/// Reads the node.
pub(super) fn ssh(node: &Node<'_>) -> SshOptions {
    let connect = node.prop::<Duration>("connect-timeout");
    if let Some(zero) = connect.as_ref().filter(|limit| limit.value.is_zero()) {
        let diag = Diag::at(Code::WrongType, zero.span, "`connect-timeout` can't be nothing");
        node.cx.report(diag.label("expected a duration such as \"30s\"").help("leave it out: it is then 10 seconds"));
    }
    let options = SshOptions {
        user: node.prop::<Login>("user").map(|value| value.value.0),
        port: node.prop::<Port>("port").map(|value| value.value.0),
        identity: node.prop::<FileName>("identity").map(|value| value.value.0),
        known_hosts: node.prop::<FileName>("known-hosts").map(|value| value.value.0),
        proxy_jump: node.prop::<Jumps>("proxy-jump").map(|value| value.value.0),
        accept_new: node.prop::<bool>("accept-new").map(|value| value.value),
        sudo: node.prop::<bool>("sudo").map(|value| value.value),
        pass_on: node.prop::<bool>("pass-on").map(|value| value.value),
        connect_timeout: connect.map(|value| value.value).filter(|limit| !limit.is_zero()),
    };
    node.finish();
    options
}
