//! Events in words.

use crate::apply::{Bundle, End, Event, Happening, Outcome, Subject};
use crate::inventory::printable;
use std::time::Duration;

/// The longest answer that a line shows.
const ANSWER: usize = 160;

/// The longest text of a problem.
const TEXT: usize = 600;

/// An event as lines; none for what only a live line shows.
pub(super) fn lines(event: &Event) -> Vec<String> {
    let about =
        |subject: &dyn std::fmt::Display, text: String| vec![format!("{:>8}  {subject:<28} {text}", short(event.at))];
    match &event.what {
        Happening::Began { steps, hosts, run } => {
            let hosts = crate::render::hosts(hosts);
            let steps = if *steps == 1 { "1 step".to_owned() } else { format!("{steps} steps") };
            vec![format!("{:>8}  {steps} on {hosts} (run {run})", short(event.at))]
        }
        Happening::ActionEnded { subject: subject @ Subject::Instance(_), action, took, .. } => {
            about(subject, format!("{action}: done in {}", short(*took)))
        }
        Happening::StepEnded { step, subject: subject @ (Subject::Host(_) | Subject::Service(_)), took } => {
            about(subject, format!("{}: done in {}", step.0, short(*took)))
        }
        Happening::Waiting { subject, what, says, waited, limit, .. } => about(
            subject,
            format!("waits until {what}, {} of {}: {}", short(*waited), short(*limit), printable(says, ANSWER)),
        ),
        Happening::Retrying { subject, why, attempt, of } => {
            about(subject, format!("try {attempt} of {of} failed: {}", printable(why, ANSWER)))
        }
        Happening::Picked { instance, why, .. } => about(instance, format!("is next ({why})")),
        Happening::Warned { subject, text } => about(subject, format!("warning: {}", printable(text, TEXT))),
        Happening::Failed { bundle, .. } => about(&bundle.subject, format!("FAILED: {}", printable(&bundle.why, TEXT))),
        Happening::RollingBack { instance } => about(instance, "goes back to its previous generation".to_owned()),
        Happening::RolledBack { instance } => {
            about(instance, "is back at its previous generation, and healthy".to_owned())
        }
        Happening::Interrupting { forced: false } => {
            vec!["interrupted: what is running is finished, nothing new begins (again: stop now)".to_owned()]
        }
        Happening::Interrupting { forced: true } => {
            vec!["interrupted: stopped now; esplan shows what is left to do".to_owned()]
        }
        Happening::Ended { outcome: ended } => outcome(ended),
        Happening::StepBegan { .. }
        | Happening::ActionBegan { .. }
        | Happening::ActionEnded { .. }
        | Happening::StepEnded { .. } => Vec::new(),
    }
}

/// How an apply ended, for the last lines.
pub fn outcome(outcome: &Outcome) -> Vec<String> {
    let of = format!("{} of {} steps done", outcome.done, outcome.steps);
    match &outcome.end {
        End::Done if outcome.steps == 0 => vec!["nothing to do".to_owned()],
        End::Done => vec![format!("done: {of}")],
        End::Refused { why } => {
            let mut lines = vec!["refused, nothing was done:".to_owned()];
            lines.extend(why.iter().map(|why| format!("  {}", printable(why, TEXT))));
            lines
        }
        End::Locked { host, holder } => {
            vec![
                format!("locked, nothing was done: {host} is locked by {}", printable(holder, TEXT)),
                "next: the same again when it has ended, or wait for it: --lock-timeout 10m".to_owned(),
            ]
        }
        End::Unreachable { host, why } => {
            vec![format!("nothing was done: {host} can't be reached: {}", printable(why, TEXT))]
        }
        End::Stale { why } => vec![
            format!("the plan is stale: {} ({of})", printable(why, TEXT)),
            "next: esplan           # makes a new plan".to_owned(),
        ],
        End::Failed { bundle } => failure(bundle, &of),
        End::Interrupted => {
            vec![format!("interrupted: {of}"), "next: esplan           # shows what is left to do".to_owned()]
        }
        End::Wrong { why } => vec![format!("error: {}", printable(why, TEXT))],
    }
}

/// A failure with everything that is known about it.
pub fn failure(bundle: &Bundle, of: &str) -> Vec<String> {
    let action = bundle.action.as_ref().map_or_else(String::new, |action| format!(", {action}"));
    let mut lines = vec![String::new(), format!("failed: {} ({}{action}), {of}", bundle.subject, bundle.step.0)];
    lines.push(format!("  why: {}", printable(&bundle.why, TEXT)));
    if let Some(answer) = bundle.answer.as_ref().filter(|answer| !answer.is_empty() && !bundle.why.contains(*answer)) {
        lines.push(format!("  last answer: {}", printable(answer, TEXT)));
    }
    if let Some(life) = &bundle.life {
        lines.push(format!("  process: {}", printable(life, TEXT)));
    }
    if !bundle.log.is_empty() {
        lines.push("  its log ends with:".to_owned());
        lines.extend(bundle.log.iter().map(|line| format!("    {}", printable(line, TEXT))));
    }
    lines.push(format!("  then: {}", printable(&bundle.then, TEXT)));
    lines.push(format!("next: {}", printable(&bundle.next, TEXT)));
    lines
}

/// A duration as people read it: `0.3s`, `42s`, `12m05s`.
pub(super) fn short(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 if duration.subsec_millis() > 0 => format!("{:.1}s", duration.as_secs_f64()),
        0..=119 => format!("{seconds}s"),
        120..=7199 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::{Bundle, Duration, End, Outcome, Subject, outcome, short};
    use crate::model::{HostName, InstanceId, RoleId};
    use crate::plan::StepId;

    #[test]
    fn durations_are_short() {
        let words = [300, 42_000, 725_000, 7_500_000].map(|millis| short(Duration::from_millis(millis)));
        assert_eq!(words, ["0.3s", "42s", "12m05s", "2h05m"]);
    }

    #[test]
    fn the_beginning_of_a_run_on_a_fleet_is_one_short_line() {
        let hosts = (1..=1000).map(|number| HostName::new(&format!("node{number}")).expect("name")).collect();
        let what = super::Happening::Began { run: "r1".into(), steps: 3000, hosts };
        let lines = super::lines(&super::Event { at: Duration::ZERO, what });
        assert_eq!(lines, ["      0s  3000 steps on node[1-1000] (run r1)"]);
    }

    #[test]
    fn a_failure_says_why_what_the_log_says_and_what_to_type() {
        let instance = InstanceId::new(RoleId::new("db").expect("name"), HostName::new("node1").expect("name"));
        let bundle = Bundle {
            step: StepId("canary db".into()),
            subject: Subject::Instance(instance),
            action: Some("await ready".into()),
            why: "db@node1 is not ready: the process does not run".into(),
            answer: Some("connection refused".into()),
            life: Some("down, the supervisor gave up: exit 1".into()),
            log: vec!["unknown setting [speed]\u{7}".into()],
            then: "db@node1 was rolled back".into(),
            next: "esplan --diff full".into(),
        };
        let end = End::Failed { bundle: Box::new(bundle) };
        let text = outcome(&Outcome { end, done: 3, steps: 9, rolled_back: Vec::new() }).join("\n");
        let parts = [
            "canary db, await ready",
            "3 of 9",
            "does not run",
            "connection refused",
            "unknown setting [speed]",
            "next: esplan",
        ];
        for part in parts {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
        assert!(!text.contains('\u{7}'));
    }
}
