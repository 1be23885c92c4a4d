//! What Kibana and Elasticsearch say of their versions while these change.

use crate::look;
use crate::running::Beside;
use serde_json::Value;
use std::time::Duration;

/// What was seen.
#[derive(Default)]
pub struct Seen {
    /// Looks at which a Kibana and a node have answered.
    pub looks: usize,
    /// At how many of these each node has.
    pub nodes: Vec<usize>,
    /// Versions of Kibana, as one came after the other.
    pub kibanas: Vec<String>,
    /// Where it was newer than a node.
    pub newer: Vec<String>,
    /// Where two versions of it answered.
    pub mixed: Vec<String>,
}

/// Asks all Kibanas, then all nodes, again and again: who is asked later can't be older by the order of questions alone. For the
/// same reason the first Kibana is asked once more before the nodes are: what it says twice held all the time between.
pub fn watch(kibanas: Vec<String>, nodes: Vec<(String, u16)>) -> Beside<Seen> {
    let state = Seen { nodes: vec![0; nodes.len()], ..Seen::default() };
    Beside::start(Duration::from_secs(1), state, move |seen| {
        let told: Vec<Option<String>> =
            kibanas.iter().chain(kibanas.first()).map(|kibana| version(kibana, 5601, "/api/status")).collect();
        let found: Vec<Option<String>> = nodes.iter().map(|(address, port)| version(address, *port, "/")).collect();
        seen.note(&told, &found);
    })
}

/// The version that an answer names.
fn version(address: &str, port: u16, path: &str) -> Option<String> {
    let (_, body) = look::http("GET", address, port, path, None)?;
    let body: Value = serde_json::from_str(&body).ok()?;
    body.pointer("/version/number")?.as_str().map(str::to_owned)
}

impl Seen {
    fn note(&mut self, told: &[Option<String>], found: &[Option<String>]) {
        if let [Some(first), others @ .., Some(again)] = told
            && first == again
        {
            let others = others.iter().flatten().filter(|other| *other != first);
            self.mixed.extend(others.map(|other| format!("{other} beside {first}")));
        }
        let answered = |all: &[Option<String>]| all.iter().any(Option::is_some);
        if !answered(told) || !answered(found) {
            return;
        }
        self.looks += 1;
        for (times, found) in self.nodes.iter_mut().zip(found) {
            *times += usize::from(found.is_some());
        }
        for kibana in told.iter().flatten() {
            if self.kibanas.last() != Some(kibana) {
                self.kibanas.push(kibana.clone());
            }
            // Of the two versions that there are the texts are in the order of the numbers.
            let older = found.iter().flatten().filter(|node| *node < kibana);
            self.newer.extend(older.map(|node| format!("{kibana} on {node}")));
        }
    }
}
