//! Whether an answer is what was waited for, and a line for people when it is not.

use super::answer::{Answer, ProbeError};
use super::clauses::{clauses, comparison};
use crate::expr::{Context, ExprErrorKind};
use crate::inventory::{Verdict, printable};
use crate::model::{Expr, Probe};

/// Longest line of a verdict, in characters.
const LINE: usize = 700;

/// A verdict that does not hold.
pub(super) fn failed(says: &str) -> Verdict {
    Verdict { holds: false, says: printable(says, LINE) }
}

/// A verdict that holds.
pub(super) fn holds(says: &str) -> Verdict {
    Verdict { holds: true, says: printable(says, LINE) }
}

/// Judges what one instance answered. `who` names the instance and the request; `context` sees the answer.
pub(super) fn one(probe: &Probe, who: &str, outcome: &Result<Answer, ProbeError>, context: &Context) -> Verdict {
    match outcome {
        Err(error) => failed(&format!("{who}: {error}")),
        Ok(answer) if probe.until.is_none() => {
            let plain = answer.is_plain_success();
            if plain {
                holds(&answered(who, &answer.excerpt()))
            } else {
                unmet(probe, context, &answered(who, &answer.excerpt()))
            }
        }
        Ok(answer) => expression(probe, context, &answered(who, &answer.excerpt())),
    }
}

/// Judges by the probe's expression alone. `said` is what was answered, in words.
pub(super) fn expression(probe: &Probe, context: &Context, said: &str) -> Verdict {
    let Some(until) = &probe.until else { return holds(said) };
    match context.eval_bool(&until.0) {
        Ok(true) => holds(said),
        Ok(false) => unmet(probe, context, &format!("{said}; waiting for {}", waiting_for(until, context))),
        Err(error) => {
            // What works too long is not tried again in parts.
            let part = if error.kind == ExprErrorKind::Limit { until.0.trim() } else { broken(until, context) };
            failed(&format!("{said}; `{}` can't be evaluated on that: {error}", printable(part, 200)))
        }
    }
}

/// Does not hold: the module's own words, or ours.
fn unmet(probe: &Probe, context: &Context, ours: &str) -> Verdict {
    match probe.says.as_ref().map(|says| context.render(&says.0)) {
        Some(Ok(says)) if !says.trim().is_empty() => failed(says.trim()),
        Some(Err(error)) => failed(&format!("{ours} (its `says` can't be rendered: {error})")),
        _ => failed(ours),
    }
}

fn answered(who: &str, excerpt: &str) -> String {
    format!("{who} answered {excerpt}")
}

/// The part of the expression that does not hold, with what its sides are.
fn waiting_for(until: &Expr, context: &Context) -> String {
    let part = clauses(&until.0).into_iter().find(|part| context.eval_bool(part) == Ok(false));
    let part = part.unwrap_or_else(|| until.0.trim());
    let sides = comparison(part).and_then(|(left, sign, right)| {
        let (left, right) = (context.eval(left).ok()?, context.eval(right).ok()?);
        Some(format!(" ({left} {sign} {right})")).filter(|sides| sides.len() < 120)
    });
    format!("`{}`{}", printable(part, 200), sides.unwrap_or_default())
}

/// The part that can't be evaluated.
fn broken<'a>(until: &'a Expr, context: &Context) -> &'a str {
    let part = clauses(&until.0).into_iter().find(|part| context.eval_bool(part).is_err());
    part.unwrap_or_else(|| until.0.trim())
}

/// All of some verdicts: holds when each does, otherwise says the first that does not and how many more.
pub(super) fn all(verdicts: Vec<Verdict>) -> Verdict {
    let missing = verdicts.iter().filter(|verdict| !verdict.holds).count();
    match verdicts.iter().find(|verdict| !verdict.holds) {
        Some(first) if missing > 1 => failed(&format!("{} (and {} more)", first.says, missing - 1)),
        Some(first) => first.clone(),
        None => {
            let says: Vec<String> = verdicts.into_iter().map(|verdict| verdict.says).collect();
            holds(&says.join("; "))
        }
    }
}
