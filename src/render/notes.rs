//! What is left out and why, what is worth knowing, and what stands against the plan with the way out.

use super::fold;
use super::style::{Tone, wrapped};
use super::text::Pen;
use crate::inventory::printable;
use crate::plan::{Note, Plan, PlanReport, Refusal};
use std::fmt::Write as _;

/// Longest text of a host or service in a line.
const LONGEST: usize = 200;

/// Notes, then warnings, then refusals: the weightiest last, where people look.
pub(super) fn section(plan: &Plan, report: &PlanReport, pen: &Pen) -> String {
    let mut text = super::needs::missing(&report.needs, pen);
    for note in sentences(report) {
        text.push_str(&labelled("note:", Tone::Quiet, &note, pen));
    }
    for warning in &plan.warnings {
        let message = format!("{} ({})", message(&warning.message), warning.name);
        text.push_str(&labelled("warning:", Tone::Changed, &message, pen));
    }
    for refusal in &plan.refusals {
        text.push_str(&refused(refusal, pen));
    }
    text
}

/// A message with text of hosts and services in it, ready to print.
pub(super) fn message(text: &str) -> String {
    printable(text, LONGEST * 2)
}

/// The notes as sentences.
pub(super) fn sentences(report: &PlanReport) -> Vec<String> {
    let unasked = report.notes.iter().filter_map(|note| match note {
        Note::NotSelected { instance } => Some(instance),
        _ => None,
    });
    let unasked = fold::instances(unasked);
    let unasked = (!unasked.is_empty()).then(|| format!("{unasked} differ too, and were not asked for"));
    report.notes.iter().filter_map(told).chain(unasked).collect()
}

fn labelled(label: &str, tone: Tone, message: &str, pen: &Pen) -> String {
    format!("{} {}\n", pen.paint(tone, label), wrapped(message, label.len() + 1, 4, pen.width))
}

fn refused(refusal: &Refusal, pen: &Pen) -> String {
    let message = message(&refusal.told());
    if let Some(why) = &refusal.waived {
        let message = format!("{message} ({}), waived: {}", refusal.name, printable(why, LONGEST));
        return labelled("waived:", Tone::Changed, &message, pen);
    }
    let mut text = labelled("refused:", Tone::Bad, &format!("{message} ({})", refusal.name), pen);
    let (way_out, name) = (printable(&refusal.help, LONGEST * 2), &refusal.name);
    let help = format!("help: {way_out}; or take it on with --waive {name}=\"why\"");
    _ = writeln!(text, "    {}", wrapped(&help, 4, 10, pen.width));
    text
}

/// A note as a sentence; nothing for what the differences say already.
fn told(note: &Note) -> Option<String> {
    let text = match note {
        Note::LeavesLater { instance, service } => {
            format!("{instance} leaves in another run: {service} does not come to what is declared in this one")
        }
        Note::Held { .. } | Note::Unobserved { .. } | Note::Orphan { .. } | Note::NotSelected { .. } => return None,
        Note::Without { host, instances } => {
            let names = fold::instances(instances);
            format!(
                "planned without {host}: {names} counts as down; esapply when it, or its \
                     replacement at the same address, is there"
            )
        }
        Note::CanaryOnly { service, rest } => {
            format!(
                "only the canary of {service} was asked for; the others of {} keep what they have",
                fold::instances(rest)
            )
        }
        Note::PassesNothingOn { hosts, told: true } => {
            format!("pass-on=#false: what {} lacks is sent from here", fold::hosts(hosts))
        }
        Note::PassesNothingOn { hosts, told: false } => {
            format!(
                "{} passes no artifacts on, having no ssh client: others send them, or this controller",
                fold::hosts(hosts)
            )
        }
        Note::PhaseLeft { service, phase } => {
            format!(
                "the phase \"{phase}\" of {service} is left for another run: not all of it comes through the one before"
            )
        }
        Note::WaitsFor { service, on } => format!("{service} waits until {on} is complete"),
        Note::WaitedFor { instance, says } => {
            format!("{instance} runs what it should: it is waited for, not restarted ({})", printable(says, LONGEST))
        }
        Note::Blocked { by, rest } => {
            let rest = fold::instances(rest);
            format!(
                "what is declared failed on {by}: {rest} keeps what it has; declare something else, or release {by}"
            )
        }
    };
    Some(text)
}
