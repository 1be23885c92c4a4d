//! `esplan`: look, plan, check, show.

use super::args::{Common, Diff, Esplan, PlanFlags};
use super::commands;
use super::earlier;
use super::error::{CliError, picture};
use super::exit::Exit;
use super::format;
use super::load;
use super::observe;
use super::saved;
use super::terminal::Terminal;
use super::world::World;
use crate::check::check;
use crate::desired::Desired;
use crate::host::Platform as _;
use crate::inventory::Inventory;
use crate::model::{Conflict, HostName, InstanceId, ModuleName, Name, RoleId};
use crate::plan::{Again, Outcome, Plan, PlanInput, PlanOptions, PlanReport, Target, plan};
use crate::probe;
use crate::render::{self, Format, Places, Shown, TextOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A plan with everything that it was made from.
pub(crate) struct Planned {
    pub(crate) desired: Desired,
    pub(crate) inventory: Inventory,
    /// The way to the hosts; none when the plan was made from a snapshot.
    pub(crate) world: Option<World>,
    pub(crate) plan: Plan,
    pub(crate) report: PlanReport,
}

/// `esplan` without a command.
pub(crate) async fn show(args: &Esplan, terminal: &Terminal) -> Result<Exit, CliError> {
    let planned = make(&args.common, &args.plan, Shape::default(), terminal).await.inspect_err(|error| {
        // Mistakes in the file are annotations, too, and not only the text on standard error.
        if let (Format::Github, CliError::Diagnostics(mistakes)) = (args.format, error) {
            terminal.print(&render::findings::github(mistakes, &[]));
        }
    })?;
    let places = match args.format {
        Format::Github => load::places(&args.common)?,
        _ => Places::new(),
    };
    let shown = Shown { plan: &planned.plan, report: &planned.report, desired: &planned.desired, places: &places };
    let options = text_options(args.plan.diff, terminal);
    let text = render::plan(args.format, &shown, &options);
    terminal.print(&(text + &beside(args.format, &planned, &options)));
    for report in &args.report {
        let options = TextOptions::default();
        let text = render::plan(report.format, &shown, &options);
        format::write(&report.path, &(text + &beside(report.format, &planned, &options)))?;
    }
    if let Some(path) = &args.out {
        saved::write(path, &planned.plan, args.not_after)?;
    }
    Ok(match planned.plan.outcome() {
        Outcome::Refused => Exit::Refused,
        Outcome::Unobserved => Exit::Unobserved,
        Outcome::Changes if args.detailed_exitcode => Exit::Changes,
        Outcome::Changes | Outcome::Nothing => Exit::Done,
    })
}

/// The plan for people.
pub(crate) fn text(planned: &Planned, diff: Diff, terminal: &Terminal) -> String {
    let options = text_options(diff, terminal);
    render::text(&planned.plan, &planned.report, &options) + &beside(Format::Text, planned, &options)
}

/// What is no part of a plan and stands below it: how long it takes, and its digest.
fn beside(format: Format, planned: &Planned, options: &TextOptions) -> String {
    let (plan, durations) = (&planned.plan, &planned.inventory.durations);
    let takes = match format {
        Format::Text => render::takes_text(plan, durations, options),
        Format::Markdown => render::takes(plan, durations).map(|takes| format!("\n_{takes}_\n")).unwrap_or_default(),
        _ => String::new(),
    };
    takes + &digest(format, plan)
}

/// The last line: what two people compare before one of them applies what the other one has read. JSON has it inside.
fn digest(format: Format, plan: &Plan) -> String {
    match format {
        _ if plan.steps.is_empty() => String::new(),
        Format::Text => format!("plan sha256:{}\n", plan.digest()),
        Format::Markdown => format!("\nplan `sha256:{}`\n", plan.digest()),
        _ => String::new(),
    }
}

/// How the terminal takes text.
fn text_options(diff: Diff, terminal: &Terminal) -> TextOptions {
    let diff = match diff {
        Diff::Full => render::DiffStyle::Full,
        Diff::Short => render::DiffStyle::Short,
        Diff::None => render::DiffStyle::None,
    };
    TextOptions { diff, width: terminal.width(), colour: terminal.colour() }
}

/// Reads the files, looks at the platform, plans, and has the plan checked.
pub(crate) async fn make(
    common: &Common,
    flags: &PlanFlags,
    shape: Shape,
    terminal: &Terminal,
) -> Result<Planned, CliError> {
    let (mut desired, warnings) = load::desired(common, flags.observed.as_deref()).await?;
    for warning in &warnings {
        terminal.complain(&format!("warning: {warning}\n"));
    }
    let without = selected(&[], &flags.without, &desired)?.without;
    let from = flags.observed.as_deref();
    let (mut inventory, world) = look(common, from, flags.verify, &mut desired, &without).await?;
    // What leaves can be named too, and who that is has just been seen.
    let options = options(flags, shape, &desired)?;
    let (mut made, mut report) = plan(&PlanInput { desired: &desired, inventory: &inventory, options: &options });
    // Only what a plan would stop is asked what it keeps, and what would begin whether it may. A snapshot has been asked
    // about every stop.
    let stopped: BTreeSet<InstanceId> = made.stopped().into_iter().cloned().collect();
    let begun = made.asked_before();
    if let Some(world) = world.as_ref().filter(|_| !stopped.is_empty() || !begun.is_empty()) {
        let services = world.services();
        probe::before(&mut inventory, begun, &*services).await;
        probe::safe(&desired, &mut inventory, &stopped, &*services).await;
        (made, report) = plan(&PlanInput { desired: &desired, inventory: &inventory, options: &options });
    }
    let plan = made;
    // Where, as a picture; the plan says it in words.
    let refused = |conflict: &&Conflict| plan.standing_refusals().any(|refusal| refusal.name == conflict.name);
    for conflict in desired.declared.conflicts.iter().filter(refused) {
        terminal.complain(&picture(&conflict.diag, terminal.colour()));
    }
    let violations = check(&plan, &desired, &inventory);
    if !violations.is_empty() {
        let list: Vec<String> = violations.iter().map(ToString::to_string).collect();
        return Err(CliError::with_hint(
            format!("the plan breaks a rule that every plan must keep; nothing was changed\n  {}", list.join("\n  ")),
            "this is a mistake of esplan: please report it with the output of `esplan observe`",
        )
        .exiting(Exit::Refused));
    }
    if let Some(world) = world.as_ref().filter(|_| !plan.steps.is_empty()) {
        inventory.durations = earlier::took(&desired, &inventory, world).await;
    }
    Ok(Planned { desired, inventory, world, plan, report })
}

/// The platform, live or from a snapshot.
pub(crate) async fn look(
    common: &Common,
    observed: Option<&Path>,
    verify: bool,
    desired: &mut Desired,
    without: &BTreeSet<HostName>,
) -> Result<(Inventory, Option<World>), CliError> {
    let find = |name: &ModuleName| load::module(common, name);
    if let Some(path) = observed {
        let snapshot = observe::snapshot(path)?;
        if snapshot.cluster != desired.cluster {
            let (shown, of) = (path.display(), &snapshot.cluster);
            return Err(CliError::new(format!(
                "{shown} is a snapshot of cluster {of}, and not of {}",
                desired.cluster
            )));
        }
        desired.let_go(&snapshot.inventory, &find);
        return Ok((snapshot.inventory, None));
    }
    let mut world = world(common, desired)?;
    let inventory = observe::everything(desired, &mut world, (without, verify), &find).await;
    Ok((inventory, Some(world)))
}

/// A way to every host.
pub(crate) fn world(common: &Common, desired: &Desired) -> Result<World, CliError> {
    World::new(desired, commands::open_cache()?, &load::beside(&common.file, ""))
}

/// What only `esapply` can ask for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape {
    pub(crate) canary_only: bool,
    pub(crate) asked: Option<Again>,
    pub(crate) purge: BTreeSet<InstanceId>,
}

pub(crate) fn options(flags: &PlanFlags, shape: Shape, desired: &Desired) -> Result<PlanOptions, CliError> {
    let selected = selected(&flags.only, &flags.without, desired)?;
    if shape.purge.is_empty() {
        something(&selected, &flags.only, desired)?;
    }
    for id in &shape.purge {
        if desired.instances.contains_key(id) || !desired.hosts.contains_key(&id.host) {
            let message =
                format!("--purge {id}: only data of what the file declares nowhere is deleted, on hosts of the file");
            return Err(CliError::with_hint(message, "take the role off that host first, and apply"));
        }
    }
    let (asked, purge) = (shape.asked, shape.purge);
    Ok(PlanOptions { canary_only: shape.canary_only, asked, purge, waivers: waivers(&flags.waive)?, ..selected })
}

/// Whoever names what nothing is of has made a mistake: a declared host without roles, one that is left out at the same time.
pub(crate) fn something(options: &PlanOptions, only: &[String], desired: &Desired) -> Result<(), CliError> {
    let mut all = desired.instances.values().chain(desired.leaving.values());
    if only.is_empty() || all.any(|one| options.selects(&one.id, &one.service)) {
        return Ok(());
    }
    let message = format!("nothing is selected: no instance is on, or is of, {}", only.join(", "));
    Err(CliError::with_hint(message, "`esplan status` lists all instances"))
}

/// What `--only` and `--without` name.
pub(crate) fn selected(only: &[String], without: &[String], desired: &Desired) -> Result<PlanOptions, CliError> {
    let mut options = PlanOptions::default();
    for text in only {
        let target = Target::parse(text, desired).map_err(|unknown| {
            let message = format!("--only: {unknown}");
            match &unknown.nearest {
                Some(nearest) => CliError::with_hint(message, format!("did you mean `{nearest}`?")),
                None => CliError::new(message),
            }
        })?;
        options.only.push(target);
    }
    for text in without {
        let host = HostName::new(text).ok().filter(|host| desired.hosts.contains_key(host));
        let host = host.ok_or_else(|| CliError::new(format!("--without: no host `{text}` in the file")))?;
        options.without.insert(host);
    }
    Ok(options)
}

/// `ROLE@HOST`, each the data of a role that is gone.
pub(crate) fn purged(texts: &[String]) -> Result<BTreeSet<InstanceId>, CliError> {
    let read = |text: &String| {
        let parts = text.split_once('@').map(|(role, host)| (RoleId::new(role), HostName::new(host)));
        match parts {
            Some((Ok(role), Ok(host))) => Ok(InstanceId::new(role, host)),
            _ => {
                Err(CliError::with_hint(format!("--purge `{text}` names no data"), "write ROLE@HOST, as the plan does"))
            }
        }
    };
    texts.iter().map(read).collect()
}

/// `NAME=reason`, each with a reason.
pub(crate) fn waivers(texts: &[String]) -> Result<BTreeMap<Name, String>, CliError> {
    let mut waivers = BTreeMap::new();
    for text in texts {
        let parts = text.split_once('=').map(|(name, reason)| (name, reason.trim().trim_matches('"')));
        let parsed = parts
            .filter(|(_, reason)| !reason.is_empty())
            .and_then(|(name, reason)| Name::new(name).ok().map(|name| (name, reason.to_owned())));
        let (name, reason) = parsed.ok_or_else(|| {
            CliError::with_hint(
                format!("--waive `{text}`: a waiver names one refusal and says why"),
                "e.g. --waive quorum-outage=\"maintenance window of Sunday\"",
            )
        })?;
        waivers.insert(name, reason);
    }
    Ok(waivers)
}
