//! `esapply`: plan, ask, converge.

use super::args::{Esapply, EsapplyCommand, Rollback, Targets};
use super::error::CliError;
use super::events;
use super::exit::Exit;
use super::format::{self, Plain};
use super::plan::{self, Planned, Shape};
use super::saved;
use super::switched;
use super::terminal::Terminal;
use super::world::World;
use crate::apply::{Cancel, End, Options, Outcome, apply};
use crate::host::Claim;
use crate::plan::{Again, Plan};
use crate::progress;
use crate::render::{self, Format, Places, Shown, TextOptions};
use std::io::Write;
use std::ops::Deref;
use std::time::{Instant, SystemTime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Steps at a time where the plan allows it.
const AT_ONCE: usize = 50;

/// Events that may wait for their reader.
const EVENTS: usize = 1024;

/// How often a plan is made anew when a host changed between the look and its first step (a process that was still
/// ending when a lost controller's successor looked). A platform that never stands still is for people to look at.
const PLANS: usize = 3;

/// Plans, shows, asks, applies. With `--format json` the last line is how it ended, also when nothing was begun.
pub(crate) async fn converge(mut args: Esapply, terminal: &Terminal) -> Result<Exit, CliError> {
    let why = match &args.command {
        Some(EsapplyCommand::Stop(stop)) => stop.why.clone(),
        _ => None,
    };
    let asked = args.command.take().and_then(|command| again(command, &mut args));
    let format = args.run.format;
    let wish = Wish { args, asked, why, began: Instant::now() };
    let result = match wish.named(terminal).await {
        Ok(wish) => converge_once_or_again(&wish, terminal).await,
        Err(error) => Err(error),
    };
    let told = matches!(&result, Ok((_, true)));
    let result = result.map(|(exit, _)| exit);
    if format != Plain::Text && !told {
        terminal.print(&events::ended(&result));
    }
    result
}

/// What was asked for.
struct Wish {
    args: Esapply,
    asked: Option<Again>,
    /// Why, where somebody has said it.
    why: Option<String>,
    began: Instant,
}

impl Deref for Wish {
    type Target = Esapply;

    fn deref(&self) -> &Esapply {
        &self.args
    }
}

impl Wish {
    /// With what a rollback is about when nobody has said it.
    async fn named(mut self, terminal: &Terminal) -> Result<Self, CliError> {
        if self.run.canary_only && matches!(self.asked, Some(Again::Start | Again::Stop | Again::Release)) {
            return Err(CliError::with_hint(
                "that has no canary",
                "leave --canary-only away, or name fewer: ROLE@HOST",
            ));
        }
        if self.asked == Some(Again::Rollback) && self.plan.only.is_empty() {
            self.args.plan.only = switched::newest(&self.common, &self.plan.without, terminal).await?;
        }
        Ok(self)
    }

    /// What a plan of now is to have besides what differs: what has restarted in this run is not restarted again.
    fn shape(&self) -> Result<Shape, CliError> {
        let asked = self.asked.map(|asked| match asked {
            Again::Restart { .. } => Again::Restart { since: self.began.elapsed().as_secs() },
            Again::Reload | Again::Start | Again::Stop | Again::Release | Again::Rollback => asked,
        });
        Ok(Shape { canary_only: self.run.canary_only, asked, purge: plan::purged(&self.purge)? })
    }
}

/// A command in the words of a run for these targets.
fn again(command: EsapplyCommand, args: &mut Esapply) -> Option<Again> {
    let (asked, again) = match command {
        EsapplyCommand::Restart(again) => (Again::Restart { since: 0 }, again),
        EsapplyCommand::Reload(again) => (Again::Reload, again),
        EsapplyCommand::Stop(stop) => (Again::Stop, stop.of),
        EsapplyCommand::Start(again) => (Again::Start, again),
        EsapplyCommand::Release(again) => (Again::Release, again),
        EsapplyCommand::Rollback(Rollback { roles: targets, without, waive, run }) => {
            (Again::Rollback, Targets { targets, without, waive, run })
        }
        EsapplyCommand::Run(_) => return None,
    };
    (args.plan.only, args.plan.without, args.plan.waive) = (again.targets, again.without, again.waive);
    args.run = again.run;
    Some(asked)
}

/// The exit code, and whether events have told of it.
async fn converge_once_or_again(args: &Wish, terminal: &Terminal) -> Result<(Exit, bool), CliError> {
    if args.plan.observed.is_some() {
        return Err(CliError::with_hint(
            "esapply does not apply what was planned from a snapshot",
            "leave --observed away; it looks at the hosts itself",
        ));
    }
    let shaped =
        args.run.canary_only || !args.purge.is_empty() || !args.plan.only.is_empty() || !args.plan.without.is_empty();
    if args.saved.is_some() && (shaped || !args.plan.waive.is_empty()) {
        return Err(CliError::with_hint(
            "a saved plan is applied exactly: --only, --without, --waive, --purge and --canary-only do not change it",
            "plan anew with them: esplan --out FILE",
        ));
    }
    for again in 1.. {
        let outcome = match once(args, terminal).await? {
            Step::Ended(exit) => return Ok((exit, false)),
            Step::Applied(outcome) => outcome,
        };
        // A saved plan is applied exactly or not at all; what we planned ourselves may be planned anew.
        let End::Stale { why } = &outcome.end else { return Ok((finish(&outcome), true)) };
        if args.saved.is_some() || args.run.canary_only || again == PLANS {
            return Ok((Exit::Stale, true));
        }
        terminal.complain(&format!("{why}: planning again\n"));
    }
    Ok((Exit::Stale, true))
}

/// What came of one plan.
enum Step {
    /// There was nothing to apply.
    Ended(Exit),
    /// It was applied, as far as it went.
    Applied(Outcome),
}

/// One plan: made, shown, agreed to, applied.
async fn once(args: &Wish, terminal: &Terminal) -> Result<Step, CliError> {
    let read = args.saved.as_ref().map(|path| saved::read(path).map(|saved| (path, saved))).transpose()?;
    let mut planned = plan::make(&args.common, &args.plan, args.shape()?, terminal).await?;
    let mut made = None;
    if let Some((path, saved)) = read {
        saved::holds(path, &saved.plan, &planned)?;
        planned.plan = saved.plan;
        made = saved.made.map(|made| (path, made));
    }
    let shown = plan::text(&planned, args.plan.diff, terminal)
        + &made.as_ref().map(|(_, made)| saved::about(made)).unwrap_or_default();
    match args.run.format {
        // Who is asked is shown what about.
        Plain::Text if args.run.quiet && args.run.yes => {}
        Plain::Text => terminal.print(&shown),
        Plain::Json => {
            terminal.print(&events::planned(&planned.plan));
            if !(args.run.quiet && args.run.yes) {
                terminal.complain(&shown);
            }
        }
    }
    if let Some(path) = &args.run.junit {
        // Until there is a run to report: what stands against the plan, or that there is nothing to do.
        let places = Places::new();
        let shown = Shown { plan: &planned.plan, report: &planned.report, desired: &planned.desired, places: &places };
        format::write(path, &render::plan(Format::Junit, &shown, &TextOptions::default()))?;
    }
    match planned.plan.outcome() {
        crate::plan::Outcome::Nothing => return Ok(Step::Ended(Exit::Done)),
        crate::plan::Outcome::Refused => {
            return Err(refused(&planned.plan));
        }
        crate::plan::Outcome::Unobserved => {
            return Err(CliError::with_hint(
                "a host could not be observed; nothing was changed",
                "make it reachable, or plan without it: --without HOST",
            )
            .exiting(Exit::Unobserved));
        }
        crate::plan::Outcome::Changes => {}
    }
    if planned.plan.steps.is_empty() {
        return Ok(Step::Ended(Exit::Done));
    }
    if !args.run.yes {
        // What can't be taken back is asked for by name.
        let question = if planned.plan.steps.iter().any(|step| step.no_return && step.phase.is_some()) {
            "\nThere is no way back from this plan: it has a point of no return. Apply it? Only 'yes' does: "
        } else {
            "\nApply this plan? Only 'yes' does: "
        };
        match terminal.ask(question) {
            Some(true) => {}
            Some(false) => return Err(CliError::new("nothing was changed")),
            None => {
                return Err(CliError::with_hint(
                    "nobody is there to be asked; nothing was changed",
                    "say --yes to apply without being asked",
                ));
            }
        }
    }
    // Whoever was asked may have taken a while.
    if let Some((path, made)) = &made {
        saved::in_time(path, made)?;
    }
    let world = match planned.world.take() {
        Some(world) => world,
        None => plan::world(&args.common, &planned.desired)?,
    };
    if let Some(per_second) = args.limit_rate {
        world.limit(per_second);
    }
    Ok(Step::Applied(run(&planned, &world, args, terminal).await))
}

fn refused(plan: &Plan) -> CliError {
    let names: Vec<&str> = plan.standing_refusals().map(|refusal| refusal.name.as_str()).collect();
    CliError::with_hint(
        format!("refused: {}; nothing was changed", names.join(", ")),
        "each refusal above says the way out; one can be waived with --waive NAME=\"reason\"",
    )
    .exiting(Exit::Refused)
}

/// Applies, with progress on standard error and signals heard.
async fn run(planned: &Planned, world: &World, args: &Wish, terminal: &Terminal) -> Outcome {
    let cancel = Cancel::new();
    let listener = tokio::spawn(listen(cancel.clone()));
    let (sender, receiver) = mpsc::channel(EVENTS);
    let style = match (args.run.quiet, terminal.is_live()) {
        (true, _) => progress::Style::Quiet,
        (false, true) => progress::Style::Terminal,
        (false, false) => progress::Style::Plain,
    };
    let json = args.run.format == Plain::Json;
    let eta = progress::Eta::new(&planned.plan, &planned.inventory.durations);
    let shown: JoinHandle<progress::Report> = tokio::spawn(async move {
        let (mut out, mut data) = (std::io::stderr(), std::io::stdout());
        let data: Option<&mut (dyn Write + Send)> = if json { Some(&mut data) } else { None };
        progress::run(receiver, style, &mut out, data, Some(eta)).await
    });
    let now = saved::rfc3339(SystemTime::now());
    let claim =
        Claim { who: format!("{} pid {}", saved::who(), std::process::id()), why: command_line(), since: now.clone() };
    let run = format!("{}-{}", now.replace(['-', ':'], ""), std::process::id());
    let options = Options {
        parallel: AT_ONCE,
        lock_within: args.run.lock_timeout,
        why: args.why.clone(),
        ..Options::new(claim, run, args.plan.verify)
    };
    let outcome = apply(&planned.plan, &planned.desired, &planned.inventory, world, options, sender, cancel).await;
    // Its events have ended, so it ends; a panic in it must not hide the outcome.
    let seen = tokio::time::timeout(std::time::Duration::from_secs(10), shown).await;
    listener.abort();
    let report = seen.ok().and_then(Result::ok).and_then(|report| report.junit(planned.plan.cluster.as_str()));
    if let (Some(path), Some(report)) = (&args.run.junit, report)
        && let Err(error) = format::write(path, &report)
    {
        // What was done was done: the outcome is the run's, whoever may read the report.
        terminal.complain(&error.render(terminal.colour_of_stderr()));
    }
    outcome
}

/// Every interrupt, termination or hang-up asks once more.
pub(super) async fn listen(cancel: Cancel) {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let tasks = kinds.into_iter().filter_map(|kind| signal(kind).ok()).map(|mut stream| {
        let cancel = cancel.clone();
        async move {
            while stream.recv().await.is_some() {
                cancel.request();
            }
        }
    });
    futures::future::join_all(tasks).await;
}

fn finish(outcome: &Outcome) -> Exit {
    match outcome.exit_code() {
        0 => Exit::Done,
        3 => Exit::Unobserved,
        4 => Exit::Unhealthy,
        5 => Exit::Stale,
        6 => Exit::Locked,
        7 => Exit::Refused,
        130 => Exit::Interrupted,
        _ => Exit::Error,
    }
}

/// The words of the command, as typed.
pub(super) fn command_line() -> String {
    let words: Vec<String> = std::env::args().skip(1).collect();
    format!("esapply {}", words.join(" ")).trim_end().to_owned()
}
