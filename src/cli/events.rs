//! The lines of `esapply --format json` that stand around those of the executor: what was planned, and how it ended when
//! nothing was begun.

use super::error::CliError;
use super::exit::Exit;
use crate::plan::Plan;
use crate::render::printable_json;
use serde_json::{Value, json};

/// `{"event":"planned",…}`: what the plan comes to, and what stands against it.
pub(crate) fn planned(plan: &Plan) -> String {
    line(&json!({
        "event": "planned",
        "cluster": plan.cluster,
        "digest": plan.digest(),
        "steps": plan.steps.len(),
        "summary": plan.summary,
        "refusals": plan.refusals,
        "warnings": plan.warnings,
    }))
}

/// `{"event":"ended",…}` as the executor says it, for a run that did not begin.
pub(crate) fn ended(result: &Result<Exit, CliError>) -> String {
    let (exit, why) = match result {
        Ok(exit) => (*exit, None),
        Err(CliError::Plain { message, exit, .. }) => (*exit, Some(message.clone())),
        Err(error @ CliError::Diagnostics(list)) => {
            let mistakes: Vec<&str> = list.iter().map(|diag| diag.message.as_str()).collect();
            (error.exit(), Some(mistakes.join("; ")))
        }
    };
    let how = match exit {
        Exit::Done | Exit::Changes => "done",
        Exit::Error => "wrong",
        Exit::Unobserved => "unreachable",
        Exit::Unhealthy => "failed",
        Exit::Stale => "stale",
        Exit::Locked => "locked",
        Exit::Refused => "refused",
        Exit::Interrupted => "interrupted",
    };
    let mut end = json!({ "end": how });
    if let (Some(why), Value::Object(fields)) = (why, &mut end) {
        // A run that was refused by the executor names each rule that it would break.
        let why = if exit == Exit::Refused { json!([why]) } else { Value::String(why) };
        fields.insert("why".to_owned(), why);
    }
    let outcome = json!({ "end": end, "done": 0, "steps": 0, "rolled_back": [] });
    line(&json!({ "event": "ended", "outcome": outcome, "exit_code": exit.code() }))
}

fn line(value: &Value) -> String {
    printable_json(&value.to_string()) + "\n"
}
