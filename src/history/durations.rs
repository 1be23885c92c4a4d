//! What things took, from the journals of earlier runs.

use super::PastRun;
use crate::inventory::{Durations, Typical};
use std::collections::BTreeMap;
use std::time::Duration;

/// How many times of one kind count, the newest ones.
const COUNTED: usize = 10;

/// The medians of the newest times that each action took. What failed, or never ended, says nothing. `runs` are the newest
/// first.
pub fn durations(runs: &[PastRun]) -> Durations {
    let mut times: BTreeMap<(String, &str), Vec<Duration>> = BTreeMap::new();
    for step in runs.iter().flat_map(|run| &run.steps) {
        for entry in step.entries.iter().filter(|entry| entry.failed.is_none()) {
            let Some(took) = entry.took else { continue };
            let about = about(&step.step, &entry.subject, &entry.action).to_owned();
            let known = times.entry((about, entry.action.as_str())).or_default();
            if known.len() < COUNTED {
                known.push(took);
            }
        }
    }
    let mut durations = Durations::default();
    for ((about, action), times) in times {
        if let Some(typical) = typical(&times) {
            durations.note(about, action.to_owned(), typical);
        }
    }
    durations
}

/// The median of some times; of an even number the longer one of the two in the middle.
pub fn typical(times: &[Duration]) -> Option<Typical> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let median = sorted.get(sorted.len() / 2)?;
    let millis = u64::try_from(median.as_millis()).unwrap_or(u64::MAX);
    Some(Typical { millis, of: u32::try_from(times.len()).unwrap_or(u32::MAX) })
}

/// What a time is kept for: the role of an instance, the software that is fetched or assembled, a service; of what is done to
/// a host nothing, since hosts are alike.
pub fn about<'a>(step: &'a str, subject: &'a str, action: &str) -> &'a str {
    match action {
        "fetch" | "assemble" => software(step.split(' ').nth(1).unwrap_or_default()),
        "prepare" | "supervise" | "retire" | "collect" | "undo" => "",
        _ => subject.split_once('@').map_or(subject, |(role, _)| role),
    }
}

/// The name in that of a software folder, `NAME-VERSION-HASH`: another version takes about as long.
fn software(folder: &str) -> &str {
    let (rest, _) = folder.rsplit_once('-').unwrap_or((folder, ""));
    rest.rsplit_once('-').map_or(rest, |(name, _)| name)
}
