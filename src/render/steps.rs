//! What would be done, in order: staging in a few lines, then wave by wave with gates, reasons and limits.

use super::style::{Tone, wrapped};
use super::text::Pen;
use super::{fold, words};
use crate::inventory::printable;
use crate::model::{HostName, InstanceId, RoleId};
use crate::plan::{Action, GateKind, Plan, Reason, Roll, Step, StepKind, Wave};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Consecutive steps that read as one.
struct Entry<'a> {
    head: String,
    lines: Vec<String>,
    /// Instances of rolls, to be folded into one entry.
    rolls: Vec<&'a InstanceId>,
    key: Option<Key>,
}

/// What must be equal for rolls to be told together.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    role: RoleId,
    wave: Option<Wave>,
    lines: Vec<String>,
    together: bool,
}

/// All steps.
pub(super) fn section(plan: &Plan, pen: &Pen) -> String {
    if plan.steps.is_empty() {
        return String::new();
    }
    let mut text = staged(plan, pen);
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let mut before: Option<&Step> = None;
    for step in plan.steps.iter().filter(|step| !is_staging(&step.kind)) {
        let beside = before.is_some_and(|before| before.needs == step.needs);
        match &step.kind {
            StepKind::Roll(roll) => rolled(&mut entries, step, roll, beside, pen),
            StepKind::Retire { .. } => {
                if !before.is_some_and(|before| matches!(before.kind, StepKind::Retire { .. })) {
                    entries.push(retire(plan));
                }
            }
            kind => entries.extend(other(kind, step)),
        }
        before = Some(step);
    }
    for (number, entry) in entries.iter().enumerate() {
        let head = match &entry.key {
            Some(key) => {
                let together = if entry.rolls.len() < 2 {
                    ""
                } else if key.together {
                    ", together"
                } else {
                    ", one after the other"
                };
                let names = fold::instances(entry.rolls.iter().copied());
                format!("{} {names}{together}", entry.head)
            }
            None => entry.head.clone(),
        };
        let number = format!("{:>3}", number + 1);
        let head = wrapped(&head, 4, 6, pen.width);
        _ = writeln!(text, "{} {}", pen.paint(Tone::Quiet, &number), pen.paint(Tone::Strong, &head));
        for line in &entry.lines {
            _ = writeln!(text, "      {}", wrapped(line, 6, 8, pen.width));
        }
    }
    _ = writeln!(text, "{}", pen.paint(Tone::Quiet, "Durations are unknown: nothing was timed yet."));
    text
}

fn is_staging(kind: &StepKind) -> bool {
    match kind {
        StepKind::Prepare { .. }
        | StepKind::Fetch { .. }
        | StepKind::Assemble { .. }
        | StepKind::Render { .. }
        | StepKind::Supervise { .. }
        | StepKind::Barrier
        | StepKind::Collect { .. } => true,
        StepKind::Retire { .. }
        | StepKind::Undo { .. }
        | StepKind::Repair { .. }
        | StepKind::Roll(_)
        | StepKind::PickNext { .. }
        | StepKind::Gate { .. } => false,
    }
}

/// Everything that does not disturb, by kind.
fn staged(plan: &Plan, pen: &Pen) -> String {
    let (mut prepare, mut supervise, mut boot, mut render) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut unpack: BTreeMap<&str, Vec<&HostName>> = BTreeMap::new();
    for step in &plan.steps {
        match &step.kind {
            StepKind::Prepare { host, .. } => prepare.push(host),
            StepKind::Supervise { host } if starts(step) => supervise.push(host),
            StepKind::Supervise { host } => boot.push(host),
            StepKind::Assemble { host, folder } => unpack.entry(folder).or_default().push(host),
            StepKind::Render { instance, .. } => render.push(instance),
            _ => {}
        }
    }
    let mut lines = Vec::new();
    if !prepare.is_empty() {
        lines.push(format!("prepare {}", fold::hosts(prepare)));
    }
    lines.extend(unpack.into_iter().map(|(folder, hosts)| format!("unpack {folder} on {}", fold::hosts(hosts))));
    if !render.is_empty() {
        lines.push(format!("write {}", fold::instances(render)));
    }
    if !supervise.is_empty() {
        lines.push(format!("start the supervisor on {}", fold::hosts(supervise)));
    }
    if !boot.is_empty() {
        lines.push(format!("write what starts at boot on {}", fold::hosts(boot)));
    }
    if lines.is_empty() {
        return String::new();
    }
    let mut text = format!("    {}\n", pen.paint(Tone::Strong, "staged before anything is disturbed"));
    for line in lines {
        _ = writeln!(text, "      {}", wrapped(&line, 6, 8, pen.width));
    }
    text
}

/// The ends of supervisors that are not declared any more, which come together.
fn retire(plan: &Plan) -> Entry<'_> {
    let host = |step: &'_ Step| match &step.kind {
        StepKind::Retire { host } => Some(host.clone()),
        _ => None,
    };
    let hosts: Vec<HostName> = plan.steps.iter().filter_map(host).collect();
    let head = format!("end the supervisor on {} that was declared before", fold::hosts(hosts.iter()));
    Entry { head, lines: vec!["nothing runs under it any more".to_owned()], rolls: Vec::new(), key: None }
}

/// Whether the supervisor itself is missing, and not only what starts it at boot.
fn starts(step: &Step) -> bool {
    let missing =
        |reason: &Reason| matches!(reason, Reason::Missing(what) if what.iter().any(|one| one == "supervisor"));
    step.reason.iter().any(missing)
}

/// A roll: joins the entry before it when it differs in its host alone.
fn rolled<'a>(entries: &mut Vec<Entry<'a>>, step: &Step, roll: &'a Roll, beside: bool, _pen: &Pen) {
    let mut lines = vec![actions(roll)];
    lines.extend(why(step));
    lines.extend(way_back(step, std::slice::from_ref(roll)));
    let key = Key { role: roll.instance.role.clone(), wave: step.wave, lines: lines.clone(), together: beside };
    if let Some(last) = entries.last_mut()
        && let Some(known) = &mut last.key
    {
        let same = known.role == key.role && known.wave == key.wave && known.lines == key.lines;
        if same && (last.rolls.len() == 1 || known.together == beside) {
            known.together = beside;
            last.rolls.push(&roll.instance);
            return;
        }
    }
    entries.push(Entry { head: wave(step.wave).to_owned(), lines, rolls: vec![&roll.instance], key: Some(key) });
}

fn wave(wave: Option<Wave>) -> &'static str {
    match wave {
        Some(Wave::Bootstrap) => "bootstrap",
        Some(Wave::Repair) => "repair",
        Some(Wave::Canary) => "canary",
        Some(Wave::Rest) => "rest",
        Some(Wave::Recreate) => "stop all",
        None => "change",
    }
}

fn other<'a>(kind: &'a StepKind, step: &Step) -> Option<Entry<'a>> {
    let (head, lines) = match kind {
        StepKind::PickNext { candidates, budget, take, .. } => {
            let names = fold::instances(candidates.iter().map(|roll| &roll.instance));
            let all = usize::try_from(*take).is_ok_and(|take| take >= candidates.len());
            let how_many = match step.wave {
                _ if all => String::new(),
                Some(Wave::Rest) if *take == 1 => "the other one of ".to_owned(),
                Some(Wave::Rest) => format!("the other {take} of "),
                _ => format!("{take} of "),
            };
            let pace = if *budget > 1 { format!(", {budget} at a time") } else { ", one after the other".to_owned() };
            let pace = if *take > 1 { pace } else { String::new() };
            let mut lines: Vec<String> = candidates.first().map(actions).into_iter().collect();
            lines.push("the leader goes last; who leads is looked up each time".to_owned());
            lines.extend(why(step));
            lines.extend(way_back(step, candidates));
            (format!("{} {how_many}{names}{pace}", wave(step.wave)), lines)
        }
        StepKind::Gate { service, gate, members, within } => {
            let what = match gate {
                GateKind::Healthy => "healthy",
                GateKind::Converged => "in its final state",
            };
            let count = words::count(members.len(), "instance");
            (
                format!("wait until {service} is {what} with {count}"),
                vec![format!("at most {}", words::duration(*within))],
            )
        }
        StepKind::Undo { host, service, setting, .. } => (
            format!("put {setting} of {service} back as it was"),
            vec![format!("recorded on {host} by an interrupted run")],
        ),
        StepKind::Repair { service, setting, value } => {
            let value = printable(&value.to_string(), 200);
            (
                format!("set {setting} of {service} to {value}"),
                vec!["no finished rollout leaves it as it is".to_owned()],
            )
        }
        _ => return None,
    };
    Some(Entry { head, lines, rolls: Vec::new(), key: None })
}

/// `stop (30s), switch, start, ready (1m), healthy (10m), soak 30s`.
fn actions(roll: &Roll) -> String {
    let within = |what: &str, limit: &std::time::Duration| Some(format!("{what} ({})", words::duration(*limit)));
    let word = |action: &Action| match action {
        Action::CheckSafe => Some("safe to stop?".to_owned()),
        Action::BeforeStop => Some("before-stop".to_owned()),
        Action::Stop { within: limit } => within("stop", limit),
        Action::StopUnsupervised { pid, within: limit } => within(&format!("stop process {pid}"), limit),
        Action::Switch { .. } => Some("switch".to_owned()),
        Action::Start { first: false } => Some("start".to_owned()),
        Action::Start { first: true } => Some("first start".to_owned()),
        Action::Reload => Some("reload".to_owned()),
        Action::AwaitReady { within: limit } => within("ready", limit),
        Action::AfterReady => Some("after-ready".to_owned()),
        Action::AwaitHealthy { within: limit } => within("healthy", limit),
        Action::Soak { for_ } if for_.is_zero() => None,
        Action::Soak { for_ } => Some(format!("stays healthy for {}", words::duration(*for_))),
    };
    roll.actions.iter().filter_map(word).collect::<Vec<_>>().join(", ")
}

fn why(step: &Step) -> Option<String> {
    let reasons: Vec<String> = step.reason.iter().filter_map(reason).collect();
    (!reasons.is_empty()).then(|| format!("because {}", words::and(&reasons)))
}

fn reason(reason: &Reason) -> Option<String> {
    let text = match reason {
        Reason::New => "it is new".to_owned(),
        Reason::Revived => "nothing of it runs, and it has data".to_owned(),
        Reason::Files(paths) if paths.len() == 1 => format!("{} changes", paths.join(", ")),
        Reason::Files(paths) => format!("{} change", words::and(paths)),
        Reason::Software(changes) => changes.join(", "),
        Reason::ByHand(paths) => format!("somebody edited {}", words::and(paths)),
        Reason::ProcessDefinition => "its process definition changes".to_owned(),
        Reason::Unproven => "it was changed by a run that was lost before it was seen to be healthy".to_owned(),
        Reason::ReloadOwed => "it was never told to read its files".to_owned(),
        Reason::RestartPending => "it runs on an older generation than the one on disk".to_owned(),
        Reason::NotRunning => "it does not run".to_owned(),
        Reason::NotReady(_) => "it does not serve".to_owned(),
        Reason::Unsupervised => "no supervisor watches it".to_owned(),
        Reason::OtherSupervisor { from, to } => format!("it moves from {} to {}", from.word(), to.word()),
        Reason::Unit => "its unit differs".to_owned(),
        Reason::SoftwareDamaged => "its software is damaged".to_owned(),
        Reason::Missing(what) => format!("{} is missing", words::and(what)),
        Reason::Leftover => "an interrupted run left it".to_owned(),
        Reason::NotSettled => "no finished rollout leaves it so".to_owned(),
        Reason::Recreate => "its versions can't be mixed".to_owned(),
        Reason::Follows => return None,
    };
    Some(text)
}

/// The mark of a point of no return.
fn way_back(step: &Step, rolls: &[Roll]) -> Option<String> {
    let none = rolls.iter().all(|roll| roll.rollback.is_none());
    (step.no_return && none).then(|| "POINT OF NO RETURN: it can't be rolled back to its old version".to_owned())
}
