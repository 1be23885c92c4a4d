//! What goes on beside a change: something that is done again and again, and lines that a search must find.

use crate::lab::{Lab, until};
use crate::look;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// What goes on in this program until somebody says that it ends.
pub struct Beside<T> {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<T>,
}

impl<T: Send + 'static> Beside<T> {
    pub fn start(every: Duration, mut state: T, mut step: impl FnMut(&mut T) + Send + 'static) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                step(&mut state);
                std::thread::park_timeout(every);
            }
            state
        });
        Self { ended, thread }
    }

    /// Ends it, and gives what it has.
    pub fn end(self) -> T {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        self.thread.join().expect("it ends")
    }
}

/// Writes lines into a log, each with its number, until it is ended; gives how many.
pub fn write_lines(log: PathBuf, every: Duration) -> Beside<u64> {
    Beside::start(every, 0, move |written| {
        let mut log = fs::File::options().create(true).append(true).open(&log).expect("a log");
        writeln!(log, "quetzal {written}").expect("written");
        *written += 1;
    })
}

/// What a search finds; nothing where there is no index yet.
pub fn search(lab: &Lab, index: &str, body: &serde_json::Value) -> serde_json::Value {
    let path = |what: &str| format!("/{index}/{what}?ignore_unavailable=true");
    let _ = look::http("POST", &lab.address(1), 9200, &path("_refresh"), None);
    let found = look::http("POST", &lab.address(1), 9200, &path("_search"), Some(&body.to_string()));
    let found = found.filter(|(status, _)| *status == 200).map(|(_, body)| body).unwrap_or_default();
    serde_json::from_str(&found).unwrap_or_default()
}

/// How many documents a query finds.
pub fn count(lab: &Lab, index: &str, query: &str) -> u64 {
    let found = search(lab, index, &serde_json::json!({"size": 0, "query": {"query_string": {"query": query}}}));
    found["hits"]["total"].as_u64().unwrap_or(0)
}

/// Waits for the first document of an index.
#[track_caller]
pub fn until_some(lab: &Lab, index: &str) {
    until(&format!("something in {index}"), Duration::from_mins(2), || count(lab, index, "*") > 0);
}

/// Waits until each of the lines `quetzal NUMBER` is found; gives how many are there more than once.
#[track_caller]
pub fn all_lines(lab: &Lab, index: &str, written: u64) -> usize {
    let query = serde_json::json!({"size": 10000, "_source": ["message"], "query": {"query_string": {"query": "message:quetzal"}}});
    let found = || {
        let mut count: BTreeMap<u64, u64> = BTreeMap::new();
        for hit in search(lab, index, &query)["hits"]["hits"].as_array().into_iter().flatten() {
            let number =
                hit["_source"]["message"].as_str().and_then(|text| text.strip_prefix("quetzal ")?.parse().ok());
            *count.entry(number.expect("a line of ours")).or_default() += 1;
        }
        count
    };
    assert!(written < 9000, "{written} lines are more than one search finds");
    until("the last lines", Duration::from_mins(2), || found().len() as u64 == written);
    let twice = found().values().filter(|count| **count > 1).count();
    println!("{written} lines arrived, {twice} of them more than once");
    twice
}
