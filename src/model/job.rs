//! Maintenance that people or their scheduler ask for: a command of a module, run once.

use super::{Expr, FileContent, ModuleName, Template};
use crate::diag::{Span, Spanned};
use indexmap::IndexMap;
use std::time::Duration;

/// A command of a module that runs on one host of a role when somebody asks for it (`esapply run NAME`), and ends.
#[derive(Debug, Clone)]
pub struct Job {
    /// One sentence for people.
    pub doc: String,
    /// The words of the command, templates; the first is an absolute path. It runs in a folder of its own that has `files`.
    pub command: Vec<Template>,
    /// The words of the command that only shows what it would do; none when empty.
    pub dry_run: Vec<Template>,
    /// Environment variables.
    pub env: IndexMap<String, Template>,
    /// Files in the folder that it runs in, by name.
    pub files: IndexMap<String, FileContent>,
    /// Modules whose services it works on: each must be healthy, and none may be under a rollout.
    pub needs: Vec<Spanned<ModuleName>>,
    /// How long it may take. Then it is ended.
    pub within: Duration,
    /// An expression over the instance's context: the role has the job when it holds.
    pub when: Option<Expr>,
    /// Place in the module's file.
    pub span: Span,
}
