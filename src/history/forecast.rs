//! How long a plan will take, by what earlier runs took. Beside the plan, never part of it.

use super::durations::about;
use crate::inventory::{Durations, Typical};
use crate::model::RoleId;
use crate::plan::{Action, GateKind, Plan, Roll, Step, StepId, StepKind};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What the steps of a plan will take. It is asked again and again while the plan is applied: a look at it is one pass.
#[derive(Debug, Clone)]
pub struct Forecast {
    steps: Vec<Expected>,
    /// What steps are alike in, by number: far fewer than steps.
    kinds: Vec<Kind>,
    /// Where each step is in the list.
    index: BTreeMap<StepId, usize>,
}

/// One step.
#[derive(Debug, Clone)]
struct Expected {
    needs: Vec<usize>,
    parts: Vec<Part<usize>>,
    /// How many times its parts come one after the other.
    times: u32,
}

/// A part of a step.
#[derive(Debug, Clone)]
enum Part<K> {
    /// As long as others of its kind took before.
    Like(K),
    /// As long as the file says.
    Fixed(Duration),
}

/// What a time is known for: what it is about, and the action.
type Kind = (String, &'static str);

/// How long some steps will take, one after another where they wait for each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Left {
    /// At least this, as far as it is known.
    pub known: Duration,
    /// Steps of which nobody knows.
    pub unknown: usize,
    /// All of these steps.
    pub of: usize,
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It has not begun.
    Waiting,
    /// It has gone on for so long.
    Running(Duration),
    /// It is done.
    Done,
}

impl Forecast {
    /// Of a plan.
    pub fn new(plan: &Plan) -> Self {
        let index: BTreeMap<StepId, usize> =
            plan.steps.iter().enumerate().map(|(index, step)| (step.id.clone(), index)).collect();
        let mut numbers: BTreeMap<Kind, usize> = BTreeMap::new();
        let mut steps = Vec::with_capacity(plan.steps.len());
        for step in &plan.steps {
            let needs = step.needs.iter().filter_map(|need| index.get(need).copied()).collect();
            let (parts, times) = parts(step);
            let numbered = parts.into_iter().map(|part| match part {
                Part::Fixed(time) => Part::Fixed(time),
                Part::Like(kind) => {
                    let next = numbers.len();
                    Part::Like(*numbers.entry(kind).or_insert(next))
                }
            });
            steps.push(Expected { needs, parts: numbered.collect(), times });
        }
        let mut kinds: Vec<(Kind, usize)> = numbers.into_iter().collect();
        kinds.sort_by_key(|(_, number)| *number);
        Self { steps, kinds: kinds.into_iter().map(|(kind, _)| kind).collect(), index }
    }

    /// The number of a step, for [`Forecast::left`].
    pub fn number(&self, step: &StepId) -> Option<usize> {
        self.index.get(step).copied()
    }

    /// How long what is left will take, when as many steps as may go side by side do.
    /// `progress` is told the number of a step.
    pub fn left(&self, durations: &Durations, progress: impl Fn(usize) -> Progress) -> Left {
        let known: Vec<Option<Duration>> =
            self.kinds.iter().map(|(about, action)| durations.of(about, action).map(Typical::took)).collect();
        let mut ends: Vec<Duration> = Vec::with_capacity(self.steps.len());
        let mut left = Left::default();
        // Each comes after those that it needs.
        for (number, step) in self.steps.iter().enumerate() {
            let state = progress(number);
            let begins = step.needs.iter().filter_map(|need| ends.get(*need)).max().copied().unwrap_or_default();
            let whole = step.takes(&known);
            let rest = match state {
                Progress::Done => Duration::ZERO,
                Progress::Waiting => whole.unwrap_or_default(),
                Progress::Running(since) => whole.unwrap_or_default().saturating_sub(since),
            };
            if state != Progress::Done && !step.parts.is_empty() {
                left.of += 1;
                left.unknown += usize::from(whole.is_none());
            }
            let end = begins.saturating_add(rest);
            left.known = left.known.max(end);
            ends.push(end);
        }
        left
    }
}

impl Expected {
    /// How long it takes; `None` when that is not known of a part.
    fn takes(&self, known: &[Option<Duration>]) -> Option<Duration> {
        let once = sum(&self.parts, |kind| known.get(*kind).copied().flatten())?;
        Some(once.saturating_mul(self.times))
    }
}

fn sum<K>(parts: &[Part<K>], took: impl Fn(&K) -> Option<Duration>) -> Option<Duration> {
    let took = |part: &Part<K>| match part {
        Part::Like(kind) => took(kind),
        Part::Fixed(time) => Some(*time),
    };
    parts.iter().map(took).try_fold(Duration::ZERO, |sum, part| Some(sum.saturating_add(part?)))
}

/// The parts of a step, and how many times they come one after the other.
fn parts(step: &Step) -> (Vec<Part<Kind>>, u32) {
    let like =
        |subject: &str, action: &'static str| vec![Part::Like((about(&step.id.0, subject, action).to_owned(), action))];
    let parts = match &step.kind {
        StepKind::Prepare { host, .. } => like(host.as_str(), "prepare"),
        StepKind::Fetch { host, .. } => like(host.as_str(), "fetch"),
        StepKind::Assemble { host, .. } => like(host.as_str(), "assemble"),
        StepKind::Render { instance, .. } => like(&instance.to_string(), "render"),
        StepKind::Supervise { host } => like(host.as_str(), "supervise"),
        StepKind::Install { host, .. } => like(host.as_str(), "install"),
        StepKind::Provide { host, .. } => like(host.as_str(), "provide"),
        StepKind::Retire { host } => like(host.as_str(), "retire"),
        StepKind::Collect { host } => like(host.as_str(), "collect"),
        StepKind::Purge { host, .. } => like(host.as_str(), "purge"),
        StepKind::Undo { host, .. } => like(host.as_str(), "undo"),
        StepKind::Barrier => Vec::new(),
        StepKind::Repair { service, .. } => like(service.as_str(), "repair"),
        StepKind::Gate { service, gate, .. } => like(service.as_str(), gate_name(*gate)),
        StepKind::Before { service, .. } => like(service.as_str(), "before"),
        StepKind::Roll(roll) => rolled(roll),
        StepKind::PickNext { candidates, budget, take, .. } => {
            let batches = take.div_ceil((*budget).max(1));
            return (candidates.first().map(rolled).unwrap_or_default(), batches);
        }
    };
    (parts, 1)
}

/// The name of a gate in journals.
const fn gate_name(gate: GateKind) -> &'static str {
    match gate {
        GateKind::Healthy => "healthy",
        GateKind::Converged => "converged",
    }
}

fn rolled(roll: &Roll) -> Vec<Part<Kind>> {
    let part = |action: &Action| match action {
        Action::Soak { for_ } => Part::Fixed(*for_),
        other => Part::Like((roll.instance.role.to_string(), other.name())),
    };
    roll.actions.iter().map(part).collect()
}

/// What one instance of a role takes, by the longest of its rolls, and of how many times that is known; `None` when it is not.
pub fn instances(plan: &Plan, durations: &Durations) -> BTreeMap<RoleId, Option<(Duration, u32)>> {
    let mut roles: BTreeMap<RoleId, Option<(Duration, u32)>> = BTreeMap::new();
    let mut seen: BTreeSet<(RoleId, String)> = BTreeSet::new();
    for roll in plan.steps.iter().flat_map(|step| step.kind.rolls()) {
        let role = &roll.instance.role;
        let parts = rolled(roll);
        // Most rolls of a role are alike.
        if !seen.insert((role.clone(), format!("{parts:?}"))) {
            continue;
        }
        let times = parts.iter().filter_map(|part| match part {
            Part::Like((about, action)) => Some(durations.of(about, action).map_or(0, |typical| typical.of)),
            Part::Fixed(_) => None,
        });
        let took = |(about, action): &Kind| durations.of(about, action).map(Typical::took);
        let one = sum(&parts, took).map(|took| (took, times.min().unwrap_or_default()));
        let known = roles.entry(role.clone()).or_insert(one);
        *known = known.zip(one).map(|(known, one)| known.max(one));
    }
    roles
}
