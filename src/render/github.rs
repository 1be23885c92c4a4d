//! A plan as annotations of a workflow's log: workflow commands, one a line. At most ten of a level are shown for a step of
//! a job, so the last one of more says how many there are.

use super::course;
use super::fold;
use super::format::Shown;
use super::groups::{Whom, groups};
use super::text::headline;
use super::told::Told;
use super::words::count;
use crate::diag::Place;
use crate::inventory::printable;
use crate::model::RoleId;
use crate::plan::{Plan, Refusal};
use std::fmt::Write as _;

/// Annotations of one level that a forge shows.
const SHOWN: usize = 10;

/// Longest message of one, in characters.
const LONGEST: usize = 1_000;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Error,
    Warning,
    Notice,
}

/// One annotation.
#[derive(Debug, Clone)]
pub(super) struct Annotation {
    pub(super) level: Level,
    pub(super) title: String,
    pub(super) message: String,
    /// What stands after `file=`, `line=`, …; empty when there is no place.
    pub(super) place: Vec<(&'static str, String)>,
}

/// The plan: refusals as errors; warnings, waivers and points of no return as warnings; changes, by role, as notices.
pub(super) fn github(shown: &Shown<'_>) -> String {
    let plan = shown.plan;
    let at = |place: Option<&Place>| {
        place.map_or_else(Vec::new, |place| vec![("file", place.file.clone()), ("line", place.line.to_string())])
    };
    let mut list = vec![Annotation {
        level: Level::Notice,
        title: format!("esplan {}", plan.cluster),
        message: headline(plan),
        place: Vec::new(),
    }];
    list.extend(plan.refusals.iter().map(refusal));
    for warning in &plan.warnings {
        let (title, message) = (warning.name.to_string(), warning.message.clone());
        list.push(Annotation { level: Level::Warning, title, message, place: Vec::new() });
    }
    let lost = course::all_no_return(plan);
    if !lost.is_empty() {
        let message = format!(
            "{} can't be rolled back to the old version: {}",
            count(lost.len(), "instance"),
            fold::instances(lost)
        );
        let title = "Point of no return".to_owned();
        list.push(Annotation { level: Level::Warning, title, message, place: Vec::new() });
    }
    for (role, title, message) in by_role(plan) {
        let place = at(role.and_then(|role| shown.places.get(role)));
        list.push(Annotation { level: Level::Notice, title, message, place });
    }
    commands(&list)
}

fn refusal(refusal: &Refusal) -> Annotation {
    let message = format!("{}; help: {}", refusal.told(), refusal.help);
    let (level, title, message) = match &refusal.waived {
        None => (Level::Error, format!("refused: {}", refusal.name), message),
        Some(why) => {
            (Level::Warning, format!("waived: {}", refusal.name), format!("{}; waived: {why}", refusal.message))
        }
    };
    Annotation { level, title, message, place: Vec::new() }
}

/// What differs, in few words: of hosts and services, and role by role.
fn by_role<'a>(plan: &'a Plan) -> Vec<(Option<&'a RoleId>, String, String)> {
    let line = |told: Told<'_>| vec![format!("{} {}", told.sign, printable(&told.what, usize::MAX))];
    let named = |(whom, lines): (Whom<'a>, Vec<String>)| {
        let role = match &whom {
            Whom::Instances(ids, _) => ids.first().copied().map(|id| &id.role),
            Whom::Hosts(_) | Whom::Service(_) => None,
        };
        (role, whom.name(), lines.join("; "))
    };
    groups(plan, line).into_iter().map(named).collect()
}

/// The lines, at most ten of a level.
pub(super) fn commands(list: &[Annotation]) -> String {
    let mut text = String::new();
    for level in [Level::Error, Level::Warning, Level::Notice] {
        let of_level: Vec<&Annotation> = list.iter().filter(|one| one.level == level).collect();
        let shown = if of_level.len() > SHOWN { SHOWN - 1 } else { SHOWN };
        for one in of_level.iter().take(shown) {
            text.push_str(&command(one));
        }
        if let Some(rest) = of_level.len().checked_sub(shown).filter(|rest| *rest > 0) {
            let message = format!("{} of this kind, which a forge would not show here", count(rest, "more annotation"));
            let title = "More".to_owned();
            text.push_str(&command(&Annotation { level, title, message, place: Vec::new() }));
        }
    }
    text
}

/// `::error file=cluster.kdl,line=3,title=…::message`.
fn command(one: &Annotation) -> String {
    let level = match one.level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Notice => "notice",
    };
    let mut text = format!("::{level} ");
    for (key, value) in &one.place {
        _ = write!(text, "{key}={},", property(value));
    }
    _ = writeln!(text, "title={}::{}", property(&one.title), data(&printable(&one.message, LONGEST)));
    text
}

/// The message of a workflow command: no line end, and no `%` that would be taken for an escape.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The same where `:` and `,` would end it.
fn property(text: &str) -> String {
    data(&printable(text, 200)).replace(':', "%3A").replace(',', "%2C")
}
