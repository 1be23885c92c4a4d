//! What is known about a failure, collected while it is fresh: so that nobody has to log in to see the reason.

use super::events::Subject;
use super::run::Run;
use super::trouble::{Cause, Trouble};
use crate::desired::DesiredInstance;
use crate::host::{Failure, Life};
use crate::inventory::printable;
use crate::plan::StepId;
use serde::Serialize;
use std::time::Duration;

/// How many of the last lines of each log.
const LINES: usize = 20;

/// The longest line that is shown.
const WIDTH: usize = 500;

/// Everything about one failed step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bundle {
    /// The step.
    pub step: StepId,
    /// What it is about.
    pub subject: Subject,
    /// The action that failed, when the step has several.
    pub action: Option<String>,
    /// Why, in one line.
    pub why: String,
    /// What the gate answered last.
    pub answer: Option<String>,
    /// How the process is doing.
    pub life: Option<String>,
    /// The last lines of its logs, made safe for a terminal.
    pub log: Vec<String>,
    /// What was done about it (rolled back, left as it is, …).
    pub then: String,
    /// The next command to type.
    pub next: String,
}

impl Run<'_> {
    /// Collects what is known now. Nothing here can fail or take long: what can't be had is left out.
    pub(crate) async fn bundle(
        &self,
        step: &StepId,
        subject: &Subject,
        action: Option<&str>,
        instance: Option<&DesiredInstance>,
        trouble: &Trouble,
    ) -> Bundle {
        let limit = Duration::from_secs(10);
        let (mut life, mut log) = (None, Vec::new());
        if let Some((instance, host)) = instance.and_then(|one| Some((one, self.platform.host(&one.id.host)?))) {
            let look = async { tokio::join!(host.life(instance), host.tail(instance, LINES)) };
            if let Ok((state, lines)) = tokio::time::timeout(limit, look).await {
                life = state.ok().map(|life| says(&life));
                log = lines.unwrap_or_default();
            }
        }
        Bundle {
            step: step.clone(),
            subject: subject.clone(),
            action: action.map(str::to_owned),
            why: printable(&trouble.why, WIDTH),
            answer: trouble.answer.as_ref().map(|answer| printable(answer, WIDTH)),
            life,
            log: log.into_iter().take(LINES * 4).map(|line| printable(&line, WIDTH)).collect(),
            then: "nothing further was touched".to_owned(),
            next: next(&trouble.cause).to_owned(),
        }
    }
}

/// A process state in words.
fn says(life: &Life) -> String {
    match life {
        Life::Running { pid, .. } => format!("runs, pid {pid}"),
        Life::Down { gave_up: true, why } => format!("down, the supervisor gave up: {}", printable(why, WIDTH)),
        Life::Down { gave_up: false, why } => format!("down: {}", printable(why, WIDTH)),
    }
}

/// The next command to type.
const fn next(cause: &Cause) -> &'static str {
    match cause {
        Cause::Gate => "esplan status    # then correct cluster.kdl, and esapply again",
        Cause::Unsafe | Cause::Leader => "esplan status    # wait until the service is well, then esapply again",
        Cause::Host(Failure::Stuck) => "esplan status    # the process ends in its own time; then esapply again",
        Cause::Host(Failure::Unreachable) | Cause::LockLost => {
            "esplan           # when the host is back, or with --without HOST"
        }
        Cause::Host(_) | Cause::Setting => "esplan           # shows what is left to do; esapply does it",
        Cause::Stale(_) | Cause::Plan | Cause::Halted => "esplan           # makes a new plan",
    }
}

/// A duration for people: `90s`, `0.5s`.
pub(crate) fn seconds(duration: Duration) -> String {
    if duration.subsec_millis() == 0 {
        format!("{}s", duration.as_secs())
    } else {
        format!("{:.1}s", duration.as_secs_f64())
    }
}
