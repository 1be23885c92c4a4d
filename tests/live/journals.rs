//! What the last run did, by the journals that it left on the hosts.

use crate::lab::Lab;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;

/// An action that has begun, or ended.
pub struct Record {
    /// Milliseconds since the run began.
    at: u64,
    begun: bool,
    action: String,
    instance: String,
}

/// All records of the last run on some hosts. Its journal has the same name on each of them, which begins with the time.
pub fn last_run(lab: &Lab, hosts: RangeInclusive<u8>) -> Vec<Record> {
    let folders = hosts.map(|host| lab.prefix(&format!("node{host}")).join("log/history"));
    let journals = folders.flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    let mut runs: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for journal in journals {
        runs.entry(journal.file_name()).or_default().push(journal.path());
    }
    let (_, last) = runs.pop_last().expect("a journal");
    let mut records = Vec::new();
    for path in last {
        for line in fs::read_to_string(path).expect("a journal").lines() {
            let line: Value = serde_json::from_str(line).expect("a JSON line");
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            let kind = text("record");
            if kind == "begin" || kind == "end" {
                let (action, instance) = (text("action"), text("subject"));
                let at = line["at"].as_u64().expect("a time");
                records.push(Record { at, begun: kind == "begin", action, instance });
            }
        }
    }
    records
}

/// How often each instance was stopped.
pub fn stops(records: &[Record]) -> BTreeMap<String, u64> {
    let mut stops = BTreeMap::new();
    for record in records.iter().filter(|record| record.begun && record.action == "stop") {
        *stops.entry(record.instance.clone()).or_default() += 1;
    }
    stops
}

/// The last of some instances is stopped before the first of them starts.
pub fn none_beside_another(records: &[Record], role: &str) {
    let own = |record: &&Record| record.instance.split('@').next() == Some(role);
    let stopped = records.iter().filter(own).filter(|record| record.action == "stop" && !record.begun);
    let started = records.iter().filter(own).filter(|record| record.action == "start" && record.begun);
    let (stopped, started) = (stopped.map(|record| record.at).max(), started.map(|record| record.at).min());
    assert!(
        stopped.is_some() && stopped <= started,
        "{role}: the last is down at {stopped:?}, one starts at {started:?}"
    );
}
