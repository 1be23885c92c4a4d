//! Whether an answer is what was waited for, and a line for people when it is not.

use super::clauses::{clauses, comparison};
use crate::expr::{Context, ExprError, ExprErrorKind};
use crate::inventory::{Verdict, printable};
use crate::model::{Expr, Probe};

/// Longest line of a verdict, in characters.
const LINE: usize = 700;

/// A verdict that does not hold.
pub(super) fn failed(says: &str) -> Verdict {
    Verdict { holds: false, unknown: false, says: printable(says, LINE) }
}

/// A verdict that holds.
pub(super) fn holds(says: &str) -> Verdict {
    Verdict { holds: true, unknown: false, says: printable(says, LINE) }
}

/// What was answered, in words.
pub(super) struct Told {
    /// For a verdict that holds.
    pub(super) short: String,
    /// For one that does not.
    pub(super) long: String,
    /// The instance that the module's own words are about, when the question does not say it.
    pub(super) whose: Option<String>,
}

/// Judges an answer: by the probe's expression, else by whether it is a success. `context` sees the answer.
pub(super) fn answer(probe: &Probe, success: bool, context: &Context, told: &Told) -> Verdict {
    let Some(until) = &probe.until else {
        return if success { holds(&told.short) } else { unmet(probe, context, told, &told.long) };
    };
    match context.eval_bool(&until.0) {
        Ok(true) => holds(&told.short),
        Ok(false) => {
            let ours = format!("{}; waiting for {}", told.long, waiting_for(until, context));
            unmet(probe, context, told, &ours)
        }
        Err(error) => {
            let (part, error) = broken(until, context, error);
            failed(&format!("{}; `{}` can't be evaluated on that: {error}", told.long, printable(part, 200)))
        }
    }
}

/// Does not hold: the module's own words, or ours.
fn unmet(probe: &Probe, context: &Context, told: &Told, ours: &str) -> Verdict {
    match probe.says.as_ref().map(|says| context.render(&says.0)) {
        Some(Ok(says)) if !says.trim().is_empty() => match &told.whose {
            Some(whose) => failed(&format!("{whose}: {}", says.trim())),
            None => failed(says.trim()),
        },
        Some(Err(error)) => failed(&format!("{ours} (its `says` can't be rendered: {error})")),
        _ => failed(ours),
    }
}

/// The part of the expression that does not hold, with what its sides are.
fn waiting_for(until: &Expr, context: &Context) -> String {
    let part = clauses(&until.0).into_iter().find(|part| context.eval_bool(part) == Ok(false));
    let part = part.unwrap_or_else(|| until.0.trim());
    let sides = comparison(part).and_then(|(left, right)| {
        let (left, right) = (context.eval(left).ok()?, context.eval(right).ok()?);
        Some(format!(" ({left} against {right})")).filter(|sides| sides.len() < 120)
    });
    format!("`{}`{}", printable(part, 200), sides.unwrap_or_default())
}

/// The part that can't be evaluated, and why. What works too long is not tried again in parts.
fn broken<'a>(until: &'a Expr, context: &Context, whole: ExprError) -> (&'a str, ExprError) {
    let parts = if whole.kind == ExprErrorKind::Limit { Vec::new() } else { clauses(&until.0) };
    let broken = parts.into_iter().find_map(|part| Some((part, context.eval_bool(part).err()?)));
    broken.unwrap_or_else(|| (until.0.trim(), whole))
}

/// All of some verdicts: holds when each does, otherwise says the first that does not.
pub(super) fn all(verdicts: Vec<Verdict>) -> Verdict {
    if let Some(first) = verdicts.iter().find(|verdict| !verdict.holds) {
        return first.clone();
    }
    let says: Vec<String> = verdicts.into_iter().map(|verdict| verdict.says).collect();
    holds(&says.join("; "))
}

/// The same of members, in fewer words: one of them, and how many more are like it.
pub(super) fn each(verdicts: &[Verdict]) -> Verdict {
    let missing = verdicts.iter().filter(|verdict| !verdict.holds).count();
    let (holds, alike) = if missing == 0 { (true, verdicts.len()) } else { (false, missing) };
    let first = verdicts.iter().find(|verdict| verdict.holds == holds);
    let unknown = first.is_some_and(|verdict| verdict.unknown);
    let first = first.map_or("", |verdict| verdict.says.as_str());
    Verdict { holds, unknown, says: printable(&and_more(first, alike), LINE) }
}

/// A text that stands for several.
pub(super) fn and_more(first: &str, alike: usize) -> String {
    if alike > 1 { format!("{first} (and {} more)", alike - 1) } else { first.to_owned() }
}
