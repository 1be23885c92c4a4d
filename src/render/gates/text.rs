//! The gates for people: those that hold in a line, those that would hold a rollout with their answers.

use super::{GateState, Gates, ServiceGates};
use crate::inventory::printable;
use crate::model::InstanceId;
use crate::render::style::{Style, Tone, wrapped};
use crate::render::{fold, words};
use std::fmt::Write as _;

/// Longest text of a rule.
const RULE: usize = 600;

/// Gates that are told together: of one name and answer, about instances of one role.
struct Row<'a> {
    gate: &'a str,
    role: Option<&'a str>,
    holds: bool,
    says: &'a str,
    instances: Vec<&'a InstanceId>,
}

impl Gates {
    /// The gates for people.
    pub fn text(&self, colour: bool, width: usize) -> String {
        let (style, width) = (Style { colour }, width.max(40));
        let mut text = String::new();
        for service in &self.services {
            text.push_str(&section(service, style, width));
            text.push('\n');
        }
        for refusal in &self.refusals {
            let message = printable(&refusal.told(), RULE);
            let (tone, word, help) = match &refusal.waived {
                Some(reason) => (Tone::Quiet, "waived", format!("because: {}", printable(reason, RULE))),
                None => (Tone::Bad, "refused", format!("way out: {}", refusal.help)),
            };
            let head = format!("{word}: {}: {message}", refusal.name);
            _ = writeln!(text, "{}", style.paint(tone, &wrapped(&head, 0, 2, width)));
            _ = writeln!(text, "  {}\n", wrapped(&help, 2, 2, width));
        }
        let tone = if self.passes { Tone::Added } else { Tone::Bad };
        _ = writeln!(
            text,
            "{}: {}",
            self.cluster,
            style.paint(tone, &wrapped(&self.verdict(), self.cluster.len() + 2, 2, width))
        );
        text
    }

    /// `a rollout would pass now`, or what would hold it.
    fn verdict(&self) -> String {
        if self.passes {
            return "a rollout would pass now".to_owned();
        }
        let mut parts = Vec::new();
        for service in self.services.iter().filter(|service| !service.passes) {
            let mut gates: Vec<&str> = Vec::new();
            for gate in service.gates.iter().filter(|gate| !gate.holds) {
                if !gates.contains(&gate.gate.as_str()) {
                    gates.push(&gate.gate);
                }
            }
            parts.push(format!("{} ({})", service.service, gates.join(", ")));
        }
        let mut rules: Vec<&str> = Vec::new();
        for refusal in self.refusals.iter().filter(|refusal| refusal.waived.is_none()) {
            if !rules.contains(&refusal.name.as_str()) {
                rules.push(refusal.name.as_str());
            }
        }
        let by =
            if self.blocking().next().is_some() { format!("held by {}", words::and(&parts)) } else { String::new() };
        let refused = if rules.is_empty() { String::new() } else { format!("refused: {}", rules.join(", ")) };
        let both: Vec<String> = [refused, by].into_iter().filter(|part| !part.is_empty()).collect();
        format!("a rollout would not pass now: {}", both.join("; "))
    }
}

fn section(service: &ServiceGates, style: Style, width: usize) -> String {
    let (tone, verdict) = match (service.runs, service.passes) {
        (false, _) => (Tone::Quiet, "runs nowhere; a rollout starts it".to_owned()),
        (true, true) => (Tone::Added, "would let a rollout pass".to_owned()),
        (true, false) => (Tone::Bad, "would hold a rollout".to_owned()),
    };
    let name = style.paint(Tone::Strong, &service.service);
    let mut text = format!("{name}: {}\n", style.paint(tone, &verdict));
    for line in &service.first {
        _ = writeln!(text, "  first: {}", wrapped(line, 9, 9, width));
    }
    let rows = rows(&service.gates);
    let wide = rows.iter().map(|row| row.gate.chars().count()).max().unwrap_or(0).min(24);
    for row in &rows {
        let (tone, word) = if row.holds { (Tone::Added, "holds") } else { (Tone::Bad, "BLOCKS") };
        let word = style.paint(tone, &format!("{word:<6}"));
        let about = fold::instances(row.instances.iter().copied());
        let head = format!("  {:<wide$}  {word}  ", row.gate);
        let indent = 2 + wide.max(row.gate.chars().count()) + 2 + 6 + 2;
        _ = writeln!(text, "{}", format!("{head}{}", wrapped(&about, indent, indent, width)).trim_end());
        if !row.holds {
            _ = writeln!(text, "      {}", wrapped(row.says, 6, 6, width));
        }
    }
    text
}

/// Gates that say the same of instances of one role, together; in their order.
fn rows(gates: &[GateState]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for gate in gates {
        // What a gate says when it holds differs from instance to instance, and is not shown.
        let says = if gate.holds { "" } else { gate.says.as_str() };
        let alike = rows.iter_mut().find(|row| {
            row.gate == gate.gate && row.role == gate.role.as_deref() && row.holds == gate.holds && row.says == says
        });
        match alike {
            Some(row) => row.instances.extend(&gate.instance),
            None => rows.push(Row {
                gate: &gate.gate,
                role: gate.role.as_deref(),
                holds: gate.holds,
                says,
                instances: gate.instance.iter().collect(),
            }),
        }
    }
    rows
}
