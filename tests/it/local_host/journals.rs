//! Journals on a host: what happens to old ones.

use super::lab::Lab;
use es_cluster::host::Op;
use std::collections::BTreeSet;
use std::sync::Arc;

#[tokio::test]
async fn of_journals_the_newest_thousand_stay() {
    let lab = Lab::new("journals");
    lab.prepare(&[], &[]).await.expect("prepared");
    let folder = lab.path("log/history");
    for number in 0..1003 {
        std::fs::write(folder.join(format!("2026-01-01T00-00-00Z-{number:04}.jsonl")), "{}\n").expect("a journal");
    }
    std::fs::write(folder.join("notes.txt"), "an operator's own").expect("a file");
    lab.run(Op::Collect { host: Arc::clone(&lab.host), keep: BTreeSet::new() }).await.expect("collected");
    let mut left: Vec<_> =
        std::fs::read_dir(&folder).expect("the folder").flatten().map(|entry| entry.file_name()).collect();
    left.sort();
    assert_eq!(left.len(), 1001, "a thousand journals and the operator's file");
    assert_eq!(left[0], "2026-01-01T00-00-00Z-0003.jsonl");
    assert_eq!(left[1000], "notes.txt");
}
