//! Questions to a running service: probes, gates, and the expressions that judge the answers.

use super::Name;
use crate::diag::{Span, Spanned};
use serde::Serialize;
use std::time::Duration;

/// A minijinja template, compiled once when the module is read (so its syntax is known to be right).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(pub Spanned<String>);

/// A minijinja expression, compiled once when the module is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expr(pub Spanned<String>);

/// How often a request may be sent to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeOn {
    /// The instance in question.
    SelfInstance,
    /// The first instance of the service that answers.
    Any,
    /// Every instance of the service; each answer must satisfy the expression.
    Each,
    /// Every instance of the service; all answers are judged together, as the list `answers`.
    All,
    /// The instance that the module's `leader` expression holds for.
    Leader,
}

/// How the text of an answer becomes data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parse {
    /// `text` alone; for HTTP also `body` when it is JSON.
    Auto,
    /// Lines of `key: value`, `key=value` or `key<blank>value` become the map `kv`.
    KeyValue,
    /// JSON becomes `body`.
    Json,
}

/// The verb of an HTTP request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are HTTP's own")]
pub enum HttpMethod {
    Get,
    Put,
    Post,
    Delete,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeKind {
    /// An HTTP request to the instance's own address.
    Http {
        /// The verb.
        method: HttpMethod,
        /// Path and query, a template.
        path: Template,
        /// A JSON body, a template.
        body: Option<Template>,
    },
    /// A TCP connection: what to send, then everything until the end of the stream or 64 KiB.
    Tcp {
        /// Text to send, with a line end added; `None` only connects.
        send: Option<Template>,
    },
    /// A program on the host, as the role's user, without a shell.
    Exec {
        /// The words of the command, templates.
        command: Vec<Template>,
    },
    /// What only the Kafka protocol can tell: `body` is brokers, controller and partitions of the Metadata answer.
    Kafka {
        /// Whether it is also asked which requests it understands: `body.apis`.
        apis: bool,
        /// Whether each partition also says how many copies it has beyond its topic's `min.insync.replicas`: `spare`.
        spare: bool,
        /// The id of the broker that is asked, a template: its configuration is `body.configs`.
        broker: Option<Template>,
        /// What of that is changed first, while it runs: a template of a JSON object.
        set: Option<Template>,
    },
}

impl ProbeKind {
    /// What modules call the kinds, in the order of the variants.
    pub const WORDS: &[&str] = &["http", "tcp", "exec", "kafka"];
}

/// A request with its judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What is sent.
    pub kind: ProbeKind,
    /// To whom.
    pub on: ProbeOn,
    /// The parameter that holds the port; `None` is the module's first port parameter.
    pub port: Option<String>,
    /// How the answer is read.
    pub parse: Parse,
    /// The expression that must hold for the answer.
    pub until: Option<Expr>,
    /// The expression must hold for two answers in a row.
    pub twice: bool,
    /// What it means for people when the expression does not hold, a template.
    pub says: Option<Template>,
    /// The time one request may take.
    pub timeout: Duration,
}

/// Probes that must all hold, within a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// How long to wait at most.
    pub within: Duration,
    /// What must hold.
    pub probes: Vec<Probe>,
}

impl Gate {
    /// Whether the gate counts only when it holds twice in a row.
    pub fn wants_twice(&self) -> bool {
        self.probes.iter().any(|probe| probe.twice)
    }
}

/// A request whose answer is a value: reading a setting, looking for the leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The request.
    pub probe: Probe,
    /// The expression that gives the value from the answer.
    pub value: Expr,
}

/// A line of `esplan status` for the service as a whole.
#[derive(Debug, Clone)]
pub struct StatusLine {
    /// The request.
    pub probe: Probe,
    /// What to show, a template over the answer.
    pub show: Template,
}

/// Parameters that a service takes while it runs: set through its API, and kept in step with its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// The parameters. A process is not restarted for them.
    pub params: Vec<Name>,
    /// Which of [`super::Module::settings`].
    pub setting: Name,
    /// What the setting should be, over an instance's context; `none` leaves it as it is.
    pub value: Expr,
    /// Whether each instance has its own.
    pub each: bool,
    /// When the service can do so, over an instance's context; else a process restarts for them.
    pub when: Option<Expr>,
}

/// A cluster-level setting behind the service's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// How it is read.
    pub read: Ask,
    /// How it is written; templates see `value` (JSON `null` removes it).
    pub write: Probe,
    /// Place in the module's file.
    pub span: Span,
}
