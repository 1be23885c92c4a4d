//! Whoever sends a host something may die in the middle of it: what comes then is an end like any other, and must be told from
//! the whole.

use super::lab::{Lab, rendered};
use es_cluster::host::{HostError, Op};
use es_cluster::inventory::{Held, HeldWhat, UndoRecord};
use es_cluster::model::{Name, ServiceName};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Where the input ends: in all kinds of places, of a record and of an archive, at the end of whole files too.
const CUTS: [usize; 10] = [0, 1, 40, 80, 511, 512, 1024, 1536, 2048, 4096];

/// What is left that was to become something.
fn asides(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(".tmp-") || name == ".sent" {
            found.push(path.clone());
        }
        if path.is_dir() && !path.is_symlink() {
            found.extend(asides(&path));
        }
    }
    found
}

/// Does it with the input cut; it must be refused, and the file stay as it is.
async fn refused(lab: &Lab, op: impl Fn() -> Op, size: usize, file: &Path) {
    let before = std::fs::read(file).ok();
    for cut in CUTS.into_iter().chain([size - 1]).filter(|cut| *cut < size) {
        lab.cut_at.store(cut, Ordering::Relaxed);
        let ended: Result<(), HostError> = lab.run(op()).await;
        let error = ended.expect_err("cut");
        assert!(error.to_string().contains("ended in the middle"), "{cut}: {error}");
        assert_eq!(std::fs::read(file).ok(), before, "{cut}: {}", file.display());
        let left = asides(Path::new(&lab.prefix));
        assert!(left.is_empty(), "{cut}: {left:?}");
    }
    lab.cut_at.store(usize::MAX, Ordering::Relaxed);
    lab.run(op()).await.expect("whole");
    assert_ne!(std::fs::read(file).ok(), before, "{}", file.display());
}

#[tokio::test]
async fn what_is_sent_whole_counts_and_nothing_less() {
    for shell in ["", "bash --posix"] {
        let lab = Lab::in_shell("cut", shell);
        let one = lab.instance("one", "exec sleep 600", vec![rendered("app.conf", "a=1\n", 0o644)]);
        lab.prepare(&[&one], &[]).await.expect("prepared");
        let host = || Arc::clone(&lab.host);

        let held = Held {
            by: "ops on controller".to_owned(),
            why: "it failed".to_owned(),
            what: HeldWhat::RolledBack,
            from: Some(one.content_generation),
            to: None,
        };
        let size = serde_json::to_vec(&held).expect("JSON").len();
        let hold = || Op::Hold { host: host(), instance: Arc::clone(&one), held: Some(held.clone()) };
        refused(&lab, hold, size, &lab.path("run/one.held")).await;

        let record = UndoRecord {
            service: ServiceName::new("thing").expect("name"),
            instance: one.id.clone(),
            setting: Name::new("allocation").expect("name"),
            value: serde_json::json!("all"),
        };
        let size = serde_json::to_vec(&record).expect("JSON").len();
        let undo = || Op::WriteUndo { host: host(), name: "allocation.json".to_owned(), record: record.clone() };
        refused(&lab, undo, size, &lab.path("run/undo/allocation.json")).await;

        // An archive that is cut at the end of a file looks whole to who unpacks it.
        let generation = one.content_generation;
        let render = || Op::Render { host: host(), instance: Arc::clone(&one) };
        refused(&lab, render, 4097, &lab.path(&format!("conf/one/{generation}/app.conf"))).await;
        let left = std::fs::read_dir(lab.path("conf/one")).expect("a folder").flatten();
        let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        assert_eq!(left, [generation.to_string().as_str()], "nothing else is left");
    }
}
