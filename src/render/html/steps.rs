//! The order as a list.

use super::place::Places;
use crate::inventory::visible;
use crate::plan::GateKind;
use crate::render::course::{self, Entry, What};
use serde::Serialize;

/// One entry of the order.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Listed {
    pub(super) number: usize,
    /// A word for the style sheet.
    kind: &'static str,
    /// The word in front.
    wave: &'static str,
    /// The headline without that word.
    pub(super) head: String,
    actions: Vec<String>,
    notes: Vec<String>,
    pub(super) no_return: Option<&'static str>,
    hosts: String,
    roles: String,
}

impl Listed {
    pub(super) fn new(number: usize, entry: &Entry<'_>, places: &Places<'_>) -> Self {
        let (kind, wave) = match entry.what {
            What::Roll(wave) => match course::wave_name(wave) {
                "stop all" => ("recreate", "stop all"),
                name => (name, name),
            },
            What::Gate(GateKind::Healthy | GateKind::Converged) | What::Before => ("gate", "gate"),
            What::Setting => ("setting", "setting"),
            What::Retire => ("retire", "retire"),
            What::Purge => ("retire", "purge"),
        };
        let (hosts, roles) = match entry.service.filter(|_| entry.instances.is_empty()) {
            Some(service) => places.of_service(service),
            None => places.of_instances(&entry.instances),
        };
        let head = visible(entry.head.strip_prefix(wave).unwrap_or(&entry.head).trim_start());
        let notes = entry.notes.iter().chain(&entry.why).map(|note| visible(note)).collect();
        let no_return = entry.no_return();
        Self { number, kind, wave, head, actions: entry.actions.clone(), notes, no_return, hosts, roles }
    }
}
