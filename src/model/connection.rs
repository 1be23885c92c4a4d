//! How the instances of a secured service are spoken to.

use super::{Expr, Name, Template};

/// What every connection to an instance needs: of probes, of hooks, of safety rules. Expressions and templates see the
/// context of the instance that is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Who we are: HTTP and Kafka.
    pub auth: Option<Auth>,
    /// What is said first, in order: protocols of lines.
    pub logins: Vec<Login>,
    /// Encryption, and whom we take it for.
    pub tls: Option<Tls>,
}

/// A user with a secret, or a secret alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// Whether this instance asks for it; `None` is whenever the secret is given.
    pub when: Option<Expr>,
    /// The user's name; without one the secret is a token.
    pub user: Option<Template>,
    /// The parameter that names the secret.
    pub secret: Name,
    /// The word before a token: `Bearer`, `ApiKey`.
    pub scheme: String,
}

/// A line that is sent before the question, and what its answer must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Whether this instance asks for it.
    pub when: Option<Expr>,
    /// The line. Parameters of type `secret` are their values in it, as nowhere else.
    pub send: Template,
    /// What must hold of the line that is answered.
    pub until: Expr,
}

/// TLS over the connection. There is no way to leave out the verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Whether this instance speaks it; `None` is always.
    pub when: Option<Expr>,
    /// The parameter (`file`) with the certificates of the CAs that are trusted, and of no others.
    pub ca: Name,
    /// The name that its certificate must have; `None` is the host's address.
    pub name: Option<Template>,
    /// The parameters of our own certificate (`file`) and its key (`secret`).
    pub client: Option<(Name, Name)>,
}
