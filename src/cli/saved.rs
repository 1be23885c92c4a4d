//! Plans in files: written with who made them and until when they may be applied, and read back with distrust.

use super::error::CliError;
use super::exit::Exit;
use super::plan::Planned;
use crate::check::check;
use crate::inventory::printable;
use crate::plan::{BadPlan, Made, Plan, Saved, Stale};
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Largest saved plan, in bytes.
const PLAN_LIMIT: u64 = 1 << 30;

/// How many changes of one host are named.
const NAMED: usize = 5;

/// How many hosts are named.
const HOSTS: usize = 20;

/// What to do with a plan that is of no use.
const AGAIN: &str = "plan again: esplan --out FILE";

/// The end of a plan's life, as typed: a duration from now, or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAfter {
    /// So long after it was made.
    In(Duration),
    /// At this time.
    At(SystemTime),
}

impl NotAfter {
    /// Reads `4h` or `2026-01-31T18:00:00Z`.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(millis) = crate::config::duration(text) {
            return Ok(Self::In(Duration::from_millis(millis)));
        }
        let expected = "expected a duration or a time, e.g. 4h or 2026-01-31T18:00:00Z";
        humantime::parse_rfc3339(text).map(Self::At).map_err(|_| expected.to_owned())
    }
}

/// Writes a plan to a file.
pub(crate) fn write(path: &Path, plan: &Plan, not_after: Option<NotAfter>) -> Result<(), CliError> {
    let now = SystemTime::now();
    let until = not_after.map(|end| match end {
        NotAfter::In(time) => now.checked_add(time).unwrap_or(now),
        NotAfter::At(time) => time,
    });
    if until.is_some_and(|until| until <= now) {
        return Err(CliError::new("--not-after: that is over already"));
    }
    let made = Made { by: who(), at: rfc3339(now), not_after: until.map(rfc3339) };
    crate::artifact::write_whole(path, plan.to_json(Some(&made)).as_bytes())
        .map_err(|error| CliError::new(error.to_string()))
}

/// Reads a plan that was saved earlier. No host has to be asked to know that a plan is none, or too old.
pub(crate) fn read(path: &Path) -> Result<Saved, CliError> {
    let shown = path.display();
    let meta = std::fs::metadata(path).map_err(|cause| CliError::new(format!("{shown}: {cause}")))?;
    if meta.len() > PLAN_LIMIT {
        return Err(CliError::new(format!("{shown} is too large to be a plan")));
    }
    let text = std::fs::read_to_string(path).map_err(|cause| CliError::new(format!("{shown}: {cause}")))?;
    let saved = Saved::from_json(&text).map_err(|bad| unusable(&shown.to_string(), &bad))?;
    if let Some(made) = &saved.made {
        in_time(path, made)?;
    }
    Ok(saved)
}

/// Whether what a plan was made from still holds: it is applied exactly, or not at all.
pub(crate) fn holds(path: &Path, plan: &Plan, planned: &Planned) -> Result<(), CliError> {
    let shown = path.display();
    if plan.cluster != planned.plan.cluster || plan.inputs != planned.plan.inputs {
        let message = format!("{shown} was made from another file, other modules or another lock; nothing was changed");
        return Err(CliError::with_hint(message, AGAIN).exiting(Exit::Stale));
    }
    if let Some(stale) = plan.stale(&planned.inventory) {
        return Err(because(&shown.to_string(), &stale));
    }
    let violations = check(plan, &planned.desired, &planned.inventory);
    if let Some(first) = violations.first() {
        let hint = "a plan that was edited by hand is not applied; plan again: esplan --out FILE";
        let message = format!("{shown} is refused: {first}; nothing was changed");
        return Err(CliError::with_hint(message, hint).exiting(Exit::Refused));
    }
    Ok(())
}

fn unusable(shown: &str, bad: &BadPlan) -> CliError {
    if let BadPlan::Edited { .. } = bad {
        let hint = "a plan that was edited by hand is not applied; plan again: esplan --out FILE";
        let message = format!("{shown} is refused: {bad}; nothing was changed");
        return CliError::with_hint(message, hint).exiting(Exit::Refused);
    }
    CliError::with_hint(format!("{shown} is not a plan that can be applied: {bad}"), AGAIN)
}

/// Whether a plan may still be applied; asked again after somebody was asked. A time that can't be read is over.
pub(crate) fn in_time(path: &Path, made: &Made) -> Result<(), CliError> {
    let Some(until) = &made.not_after else { return Ok(()) };
    let now = SystemTime::now();
    let why = match humantime::parse_rfc3339(until) {
        Ok(end) if now <= end => return Ok(()),
        Ok(end) => {
            let late = now.duration_since(end).unwrap_or_default();
            format!("expired {} ago", humantime::format_duration(Duration::from_secs(late.as_secs())))
        }
        Err(_) => "says no time that can be read".to_owned(),
    };
    let (by, at, until) = (printable(&made.by, 80), printable(&made.at, 40), printable(until, 40));
    let message =
        format!("{} {why}: made by {by} at {at}, not to be applied after {until}; nothing was changed", path.display());
    Err(CliError::with_hint(message, AGAIN).exiting(Exit::Stale))
}

/// Who made a plan, when, and until when it may be applied.
pub(crate) fn about(made: &Made) -> String {
    let (by, at) = (printable(&made.by, 80), printable(&made.at, 40));
    let until = made.not_after.as_ref().map(|until| format!(", not to be applied after {}", printable(until, 40)));
    format!("made by {by} at {at}{}\n", until.unwrap_or_default())
}

/// What has changed since a plan was made, host by host.
fn because(shown: &str, stale: &Stale) -> CliError {
    if stale.changed.is_empty() {
        let list: Vec<String> = stale.unseen.iter().map(|(host, why)| format!("{host}: {why}")).collect();
        let message =
            format!("{shown} relies on hosts that can't be observed; nothing was changed\n  {}", list.join("\n  "));
        return CliError::with_hint(message, "make them reachable, or plan without them: --without HOST")
            .exiting(Exit::Unobserved);
    }
    let mut message = format!("{shown} is stale; nothing was changed. Since it was made:");
    for (host, changed) in stale.changed.iter().take(HOSTS) {
        for what in changed.iter().take(NAMED) {
            _ = write!(message, "\n  {host}: {what}");
        }
        if changed.len() > NAMED {
            _ = write!(message, "\n  {host}: {} more", changed.len() - NAMED);
        }
    }
    if stale.changed.len() > HOSTS {
        _ = write!(message, "\n  {} more hosts", stale.changed.len() - HOSTS);
    }
    CliError::with_hint(message, AGAIN).exiting(Exit::Stale)
}

/// `user@machine`.
pub(crate) fn who() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "somebody".to_owned());
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{user}@{machine}")
}

/// A time as RFC 3339, in UTC.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
