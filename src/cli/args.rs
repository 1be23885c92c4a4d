//! What was typed. The doc comments are the help texts.

use super::examples;
use super::format::{Drawing, Findings, Plain, Report};
use crate::render::Format;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Shows what differs from cluster.kdl, and in which order it would be changed. Never changes anything on a host.
#[derive(Debug, Parser)]
#[command(name = "esplan", version)]
#[command(after_help = "\
Exit codes: 0 nothing to do (or shown), 1 error, 2 there are changes (with --detailed-exitcode), 3 a host could not be
observed, 4 unhealthy (status) or a gate does not hold (gates), 7 refused by a safety rule.

Examples:
  esplan                               what differs, and the plan
  esplan --detailed-exitcode           the same, as a gate in a pipeline
  esplan --report plan.md --report plan.xml --out plan.json
                                       the same, with what a pipeline keeps
  esplan --only node1 --diff full      one host, with whole diffs
  esplan status                        how everything is doing")]
pub struct Esplan {
    /// What was typed before the command.
    #[command(flatten)]
    pub common: Common,
    /// Flags of the plan.
    #[command(flatten)]
    pub plan: PlanFlags,
    /// Exit with 2 when there are changes.
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// How to print the plan.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Also write the plan to this file, in the format that its end says: .md, .html, .xml (JUnit), .json, .txt; can
    /// be given several times.
    #[arg(long, value_name = "FILE", value_parser = Report::parse)]
    pub report: Vec<Report>,
    /// Also write the plan as JSON to this file.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The saved plan may not be applied later than this: a duration from now or a time, e.g. 4h, 2026-01-31T18:00:00Z.
    #[arg(long, value_name = "WHEN", requires = "out", value_parser = super::saved::NotAfter::parse)]
    pub not_after: Option<super::saved::NotAfter>,
    /// Something else than the plan.
    #[command(subcommand)]
    pub command: Option<EsplanCommand>,
}

/// What esplan can do besides planning.
#[derive(Debug, Subcommand)]
pub enum EsplanCommand {
    /// Check the file and the modules alone; no host is contacted.
    #[command(after_help = examples::VALIDATE)]
    Validate {
        /// How to print what was found.
        #[arg(long, value_enum, default_value_t)]
        format: Findings,
    },
    /// Resolve and download artifacts, and write cluster.lock.
    #[command(after_help = examples::LOCK)]
    Lock {
        /// A folder of vendor downloads that is looked at first.
        #[arg(long, value_name = "DIR")]
        install: Option<PathBuf>,
    },
    /// Show every instance, and a verdict per service.
    #[command(after_help = examples::STATUS)]
    Status {
        /// How to print it.
        #[arg(long, value_enum, default_value_t)]
        format: Plain,
        /// What is looked at.
        #[command(flatten)]
        look: Look,
    },
    /// Ask today's gates and safety rules, and say which would hold a rollout now, and why.
    #[command(after_help = examples::GATES)]
    Gates {
        /// How to print it.
        #[arg(long, value_enum, default_value_t)]
        format: Plain,
        /// What is asked about.
        #[command(flatten)]
        part: Part,
        /// Take one refusal for waived, as a plan would; can be given several times.
        #[arg(long, value_name = "NAME=REASON")]
        waive: Vec<String>,
    },
    /// Show what was applied, when, by whom, and how it ended; or a report of one run.
    History(super::history::HistoryArgs),
    /// Print what a module offers: parameters, defaults, gates.
    #[command(after_help = examples::EXPLAIN)]
    Explain {
        /// The module.
        module: String,
    },
    /// Show what a change of the file means; no host is contacted.
    Diff(super::diff::DiffArgs),
    /// Print completions for a shell.
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: super::shell::For,
        /// Only for this program; by default for both.
        #[arg(long, value_enum)]
        program: Option<super::shell::Program>,
    },
    /// Write man pages of both programs.
    #[command(after_help = examples::MAN)]
    Man {
        /// The folder, e.g. ~/.local/share/man/man1
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Write a cluster.kdl from what runs on hosts, started by hand.
    Adopt(super::adopt::Adopt),
    /// Write a cluster.kdl from a folder of conf/*.list files of hand-made scripts.
    Import(super::import::Import),
    /// Lay out the file and what it includes canonically, with all comments.
    Fmt(super::fmt::Fmt),
    /// Show the order of roles and instances, with canaries and gates; no host is contacted.
    #[command(after_help = examples::GRAPH)]
    Graph {
        /// How to draw it.
        #[arg(long, value_enum, default_value_t)]
        format: Drawing,
    },
    /// Write what was observed to a file, to plan offline.
    #[command(after_help = examples::OBSERVE)]
    Observe {
        /// The snapshot.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Compare software by content, not by manifest.
        #[arg(long)]
        verify: bool,
    },
}

/// Converges the platform to cluster.kdl: canary first, gated on health, with rollback.
#[derive(Debug, Parser)]
#[command(name = "esapply", version)]
#[command(after_help = "\
Exit codes: 0 done or nothing to do, 1 error or 'no', 3 a host could not be observed, 4 a gate failed (stopped or rolled
back), 5 stale plan, 6 locked by another run, 7 refused by a safety rule, 130 interrupted.

Examples:
  esapply                    show the plan, ask, converge
  esapply --canary-only      change the first instance of each role only
  esapply restart node1      restart what runs on one host, as it is
  esapply stop ROLE@node1    stop one, and keep it down
  esapply plan.json --yes    apply a saved plan exactly")]
pub struct Esapply {
    /// What both programs understand.
    #[command(flatten)]
    pub common: Common,
    /// Flags of the plan.
    #[command(flatten)]
    pub plan: PlanFlags,
    /// A plan saved by `esplan --out`; applied exactly, or not at all.
    #[arg(value_name = "PLAN")]
    pub saved: Option<PathBuf>,
    /// How it is applied.
    #[command(flatten)]
    pub run: RunFlags,
    /// Send no more than this a second to all hosts together, e.g. 500k, 10m (powers of 1024).
    #[arg(long, value_name = "SIZE", value_parser = rate)]
    pub limit_rate: Option<u64>,
    /// Delete the data of a role that has left a host, e.g. kafka@node4. There is no way back.
    #[arg(long, value_name = "ROLE@HOST")]
    pub purge: Vec<String>,
    /// Something else than converging.
    #[command(subcommand)]
    pub command: Option<EsapplyCommand>,
}

/// What esapply can do besides converging.
#[derive(Debug, Subcommand)]
pub enum EsapplyCommand {
    /// Restart what runs, as it is: in the order of the services, canary first, gated like any change.
    #[command(after_help = examples::RESTART)]
    Restart(Targets),
    /// Have what runs read its files again, where the module knows how; gated like any change.
    #[command(after_help = examples::RELOAD)]
    Reload(Targets),
    /// Stop what runs, and keep it down until it is started or released: the last one to start goes first.
    #[command(after_help = examples::STOP)]
    Stop(Stop),
    /// Start what was stopped, or does not run, as it was: in the order of the services.
    #[command(after_help = examples::START)]
    Start(Targets),
    /// Hold it no longer, and do nothing else: the next plan says what that means.
    #[command(after_help = examples::RELEASE)]
    Release(Targets),
    /// Go back to the generation before: canary first, gated like any change. It is held until the file says so too.
    #[command(after_help = examples::ROLLBACK)]
    Rollback(Rollback),
    /// Run a maintenance job of a module, once.
    #[command(after_help = examples::RUN)]
    Run(super::job::Job),
}

/// What is to be done again, and how.
#[derive(Debug, Clone, Args)]
pub struct Targets {
    /// A role, a service, a host, role@host, or `all`.
    #[arg(value_name = "TARGET", required = true)]
    pub targets: Vec<String>,
    /// As if this dead host were not there; can be given several times.
    #[arg(long, value_name = "HOST")]
    pub without: Vec<String>,
    /// Waive one refusal, with the reason that is recorded.
    #[arg(long, value_name = "NAME=REASON")]
    pub waive: Vec<String>,
    /// How it is applied.
    #[command(flatten)]
    pub run: RunFlags,
}

/// What is to go back, and how.
#[derive(Debug, Clone, Args)]
pub struct Rollback {
    /// A role, or role@host; by default what the newest run has switched.
    #[arg(value_name = "ROLE")]
    pub roles: Vec<String>,
    /// As if this dead host were not there; can be given several times.
    #[arg(long, value_name = "HOST")]
    pub without: Vec<String>,
    /// Waive one refusal, with the reason that is recorded.
    #[arg(long, value_name = "NAME=REASON")]
    pub waive: Vec<String>,
    /// How it is applied.
    #[command(flatten)]
    pub run: RunFlags,
}

/// What is to be stopped, why, and how.
#[derive(Debug, Clone, Args)]
pub struct Stop {
    /// Why: whoever sees that it is held is told. By default the command.
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
    /// What is stopped.
    #[command(flatten)]
    pub of: Targets,
}

/// How a plan is applied.
#[derive(Debug, Clone, Args)]
pub struct RunFlags {
    /// Do not ask.
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Change only the canary of each role.
    #[arg(long)]
    pub canary_only: bool,
    /// Wait this long for a host that another run has locked, e.g. 10m.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0s")]
    pub lock_timeout: std::time::Duration,
    /// Write a test report (JUnit XML) of the run to this file: each host and each gate is a case.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Print only problems and the outcome, and the plan when it is asked about.
    #[arg(long, short)]
    pub quiet: bool,
    /// How to print what happens: `json` is one object a line on standard output, and text for people stays on standard
    /// error.
    #[arg(long, value_enum, default_value_t)]
    pub format: Plain,
}

/// Flags of both programs.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// The cluster's file.
    #[arg(short, long, value_name = "FILE", default_value = "cluster.kdl", global = true)]
    pub file: PathBuf,
    /// The folder of modules; by default `modules` beside the file.
    #[arg(long, value_name = "DIR", global = true)]
    pub modules: Option<PathBuf>,
    /// No colours, even on a terminal. `NO_COLOR` does the same.
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Say more about what happens; twice for everything.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
}

/// What a command looks at when it is not the hosts as they are.
#[derive(Debug, Clone, Args)]
pub struct Look {
    /// Look at a snapshot of `esplan observe`; no host is contacted.
    #[arg(long, value_name = "FILE")]
    pub observed: Option<PathBuf>,
}

/// Which part of the platform a command is about.
#[derive(Debug, Clone, Args)]
pub struct Part {
    /// Only this role, host or role@host; can be given several times.
    #[arg(long, value_name = "TARGET")]
    pub only: Vec<String>,
    /// As if this dead host were not there; can be given several times.
    #[arg(long, value_name = "HOST")]
    pub without: Vec<String>,
}

/// Flags that shape a plan.
#[derive(Debug, Clone, Args)]
pub struct PlanFlags {
    /// Only this role, host or role@host; can be given several times.
    #[arg(long, value_name = "TARGET")]
    pub only: Vec<String>,
    /// Plan as if this dead host were not there; can be given several times.
    #[arg(long, value_name = "HOST")]
    pub without: Vec<String>,
    /// Waive one refusal, with the reason that is recorded.
    #[arg(long, value_name = "NAME=REASON")]
    pub waive: Vec<String>,
    /// How much of each file's difference to show.
    #[arg(long, value_enum, default_value_t = Diff::Short)]
    pub diff: Diff,
    /// Compare software by content, not by manifest.
    #[arg(long)]
    pub verify: bool,
    /// Plan from a snapshot of `esplan observe`; no host is contacted.
    #[arg(long, value_name = "FILE")]
    pub observed: Option<PathBuf>,
}

/// How much of each file's difference to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Diff {
    /// Whole unified diffs.
    Full,
    /// The first lines of each.
    Short,
    /// Names only.
    None,
}

/// A size as in `cluster.kdl`, and not nothing.
fn rate(text: &str) -> Result<u64, String> {
    let text = text.strip_suffix("/s").unwrap_or(text);
    crate::config::size(text).filter(|size| *size > 0).ok_or_else(|| "expected a size, e.g. 500k or 10m".to_owned())
}

/// A duration as in `cluster.kdl`.
pub(super) fn duration(text: &str) -> Result<std::time::Duration, String> {
    let millis = crate::config::duration(text).ok_or_else(|| "expected a duration, e.g. 30s or 10m".to_owned())?;
    Ok(std::time::Duration::from_millis(millis))
}
