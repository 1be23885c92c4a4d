//! A module: everything the tool knows about one piece of software, as decoded from `modules/NAME.kdl`.

use super::{
    Artifact, Connection, Drain, Expr, Gate, HostNeeds, Import, Job, Live, ModuleName, Name, Param, Phases, Plugins,
    Probe, Process, Recognition, Setting, Share, StatusLine, Template, Upgrade, Version,
};
use crate::diag::{Span, Spanned};
use indexmap::IndexMap;
use serde::Serialize;

/// What is known about one piece of software.
#[derive(Debug, Clone)]
pub struct Module {
    /// Its name, which is the file's.
    pub name: Spanned<ModuleName>,
    /// One sentence for people.
    pub doc: String,
    /// Modules whose software it uses (`requires "jdk"`), with the versions it accepts.
    pub requires: Vec<Requirement>,
    /// Parameters in the order of the file.
    pub params: IndexMap<Name, Param>,
    /// Where the software comes from; `None` for a module that only places files.
    pub artifact: Option<Artifact>,
    /// Plugins that are assembled with the software.
    pub plugins: Option<Plugins>,
    /// Rendered files.
    pub files: Vec<FileSpec>,
    /// The module's templates by file name (`modules/NAME/…`), already compiled once.
    pub templates: IndexMap<String, Template>,
    /// Which file free `config { … }` goes into, and how it is written.
    pub free_config: Option<FreeFormat>,
    /// Files in the configuration folder that the service itself writes: carried along, no drift.
    pub service_owned: Vec<String>,
    /// What `esplan import` needs to know.
    pub import: Option<Import>,
    /// How a process is recognised that somebody started by hand.
    pub adopt: Option<Recognition>,
    /// How its instances are spoken to, when not everybody may: by every probe, hook and rule.
    pub connection: Option<Connection>,
    /// The process; `None` for software that is only installed.
    pub process: Option<Process>,
    /// The integer that identifies an instance in its service (`broker.id`, `myid`); default the host's number.
    pub ordinal: Option<Expr>,
    /// The name of an instance's tier, for [`Order`].
    pub tier: Option<Template>,
    /// Order of the tiers of one service.
    pub order: Order,
    /// Services that start before this one.
    pub after: Vec<Spanned<ModuleName>>,
    /// Version rules with other modules of the cluster.
    pub compat: Vec<CompatRule>,
    /// What the host must offer.
    pub host: HostNeeds,
    /// What is known of ways from one version to another.
    pub upgrade: Upgrade,
    /// Cluster-level settings that can be read and written through the service.
    pub settings: IndexMap<Name, Setting>,
    /// This instance serves.
    pub ready: Option<Gate>,
    /// The service as a whole is well enough to go on.
    pub healthy: Option<Gate>,
    /// The service has reached its final state; waited for at the end of its rollout.
    pub converged: Option<Gate>,
    /// What must hold before an instance may be stopped.
    pub safe_to_stop: Vec<SafetyRule>,
    /// Which instances vote (an expression over an instance's context); more than half must stay up.
    pub quorum: Option<Expr>,
    /// Voters know each other from their files alone: only one may join or leave at a time, and others don't follow a leader
    /// that is not in their files.
    pub by_file: bool,
    /// How instances are replaced.
    pub strategy: Strategy,
    /// Rules for a rolling change.
    pub rolling: Rolling,
    /// Changes that need several passes.
    pub phases: Option<Phases>,
    /// How an instance leaves for good; without it it is only stopped.
    pub drain: Option<Drain>,
    /// Parameters that the service takes while it runs.
    pub live: Vec<Live>,
    /// Cluster-level state that a finished rollout leaves behind; anything else is drift.
    pub settled: Vec<Settled>,
    /// Lines of `esplan status`.
    pub status: Vec<StatusLine>,
    /// What two instances at a time would do, where only one may ever run.
    pub singleton: Option<String>,
    /// What people may ask for (`esapply run NAME`).
    pub jobs: IndexMap<Name, Job>,
}

impl Module {
    /// The name by which one of its rules is refused and waived: `MODULE.RULE`.
    pub fn rule(&self, rule: &str) -> Name {
        // Both are names; only together they may be too long for one.
        let whole = Name::new(&format!("{}.{rule}", self.name.value)).or_else(|_| Name::new(rule));
        whole.unwrap_or_else(|_| self.rule("rule"))
    }
}

/// A module that must be there too, and the versions of it that are accepted.
#[derive(Debug, Clone)]
pub struct Requirement {
    /// The other module.
    pub module: Spanned<ModuleName>,
    /// Rows of the table, first match wins; an empty table accepts any version silently.
    pub rows: Vec<RequirementRow>,
}

/// One row: for some versions of this module, which versions of the other one.
#[derive(Debug, Clone)]
pub struct RequirementRow {
    /// An expression over `version`; `None` is always.
    pub when: Option<Expr>,
    /// Prefixes of versions that the vendor supports: silent.
    pub supported: Vec<Version>,
    /// Prefixes of versions that our own tests prove: a warning.
    pub proven: Vec<Version>,
    /// Place in the module's file.
    pub span: Span,
}

/// What a change of a file asks of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OnChange {
    /// Stop and start.
    Restart,
    /// A signal (`process reload-signal=`).
    Reload,
    /// Nothing: the service reads it by itself, or only people do.
    Nothing,
}

/// A rendered file.
#[derive(Debug, Clone)]
pub struct FileSpec {
    /// Relative to the generation's folder, or absolute below the prefix; a template.
    pub path: Template,
    /// The content: a template of its own.
    pub content: FileContent,
    /// What a change asks of the process.
    pub on_change: OnChange,
    /// Permission bits, e.g. `0o640`.
    pub mode: u32,
    /// The file identifies the data beside it (`myid`): it is written once, and another content is refused.
    pub identity: bool,
    /// An expression: the file only exists when it holds.
    pub when: Option<Expr>,
    /// Place in the module's file.
    pub span: Span,
}

/// Where a file's content comes from.
#[derive(Debug, Clone)]
pub enum FileContent {
    /// A file in `modules/NAME/`, by name.
    TemplateFile(String),
    /// Written in the module itself.
    Inline(Template),
    /// The operator's own files, as they are, of a parameter of type `files`; the path is a folder.
    Given(Name),
}

/// How free `config { … }` is written.
#[derive(Debug, Clone)]
pub struct FreeFormat {
    /// The file it is appended to, as in [`FileSpec::path`] (literal text).
    pub file: String,
    /// The serialiser.
    pub format: FreeSyntax,
    /// Keys that nobody may set in some versions.
    pub refused: Vec<RefusedKeys>,
}

/// Keys of free configuration that a plan is refused for.
#[derive(Debug, Clone)]
pub struct RefusedKeys {
    /// The rule's name.
    pub name: Name,
    /// The keys; a `*` at the end stands for anything.
    pub keys: Vec<String>,
    /// In which versions: an expression over `version`.
    pub when: Expr,
    /// Why, for people: a template over `version` and `key`.
    pub says: Template,
    /// The way out.
    pub help: String,
}

impl RefusedKeys {
    /// Whether it is about a key.
    pub fn names(&self, key: &str) -> bool {
        self.keys.iter().any(|known| known.strip_suffix('*').map_or(known == key, |begin| key.starts_with(begin)))
    }
}

/// Serialisers for free configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreeSyntax {
    /// `a.b: value`, flat YAML.
    Yaml,
    /// `a.b=value`.
    Properties,
    /// `[section]` and `key = value`.
    Ini,
    /// `key value`.
    KeyValue,
}

/// Order of tiers inside one service; unnamed tiers come last.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// For starts, and for restarts that change no version.
    pub start: Vec<String>,
    /// For version upgrades.
    pub upgrade: Vec<String>,
}

/// A version rule between two modules of one cluster.
#[derive(Debug, Clone)]
pub struct CompatRule {
    /// The rule's name, by which it can be waived.
    pub name: Name,
    /// The other module.
    pub with: Spanned<ModuleName>,
    /// An expression over `version` and `other` (both compare as versions through `version_at_least` and the like).
    pub must: Expr,
    /// Why, for people.
    pub says: Template,
}

/// Something done around the restart of an instance.
#[derive(Debug, Clone)]
pub enum Hook {
    /// Saves the setting as an undo record, then writes the value.
    Set {
        /// Which of [`Module::settings`].
        setting: Name,
        /// The value, a JSON literal.
        to: serde_json::Value,
        /// An expression over the instance's context.
        when: Option<Expr>,
    },
    /// Puts a saved setting back as it was and removes the undo record.
    Restore {
        /// Which of [`Module::settings`].
        setting: Name,
    },
    /// A request.
    Call {
        /// The request; `until` judges its success.
        probe: Probe,
        /// Failure is noted and does not stop the rollout.
        best_effort: bool,
        /// How many tries.
        tries: u32,
        /// An expression over the instance's context.
        when: Option<Expr>,
    },
}

/// A rule that must hold before an instance may be stopped. Missing data counts as unsafe.
#[derive(Debug, Clone)]
pub struct SafetyRule {
    /// The rule's name.
    pub name: Name,
    /// Whether it is asked at all: an expression over an instance's context and the versions of the change. Only a rule
    /// before a phase has one.
    pub when: Option<Expr>,
    /// The way out of a refusal, where the module knows one.
    pub help: Option<String>,
    /// Whether what it says may pass by itself: then a plan warns and the stop waits; else the plan is refused.
    pub passes: bool,
    /// The request; its `until` must hold and its `says` explains when it does not.
    pub probe: Probe,
}

/// How instances are replaced.
#[derive(Debug, Clone)]
pub enum Strategy {
    /// One after the other.
    Rolling,
    /// All are stopped before the first one starts; `when` limits it to version changes.
    Recreate {
        /// Only when the version changes.
        on_version_only: bool,
    },
}

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    /// Instances of the service.
    Instance,
    /// Hosts: all instances of the service on one host count once.
    Host,
}

/// Rules for a rolling change.
#[derive(Debug, Clone)]
pub struct Rolling {
    /// How many may be down at once, of all of the service: of its instances or of its hosts, as `per` says.
    pub max_unavailable: Share,
    /// What the budget counts.
    pub per: Per,
    /// The instance for which this holds goes last (the leader); looked up before each batch.
    pub last: Option<Probe>,
    /// Done before the stop.
    pub before_stop: Vec<Hook>,
    /// Done after `ready`, before `healthy`.
    pub after_ready: Vec<Hook>,
    /// No way back once an instance runs the new version (an expression over `from` and `to`); such a canary is not rolled back.
    pub no_return: Option<Expr>,
}

/// Cluster-level state that must hold when nothing is under way.
#[derive(Debug, Clone)]
pub struct Settled {
    /// Which of [`Module::settings`].
    pub setting: Name,
    /// An expression over `value` and the context of an instance.
    pub expect: Expr,
    /// What repairs it.
    pub repair: Repair,
    /// Whether it is the majority of those that vote: it is raised before some join, and lowered as they leave.
    pub majority: bool,
}

/// The value that repairs a setting.
#[derive(Debug, Clone)]
pub enum Repair {
    /// Always this one, a JSON literal.
    To(serde_json::Value),
    /// What an expression over the same says.
    Worked(Expr),
}
