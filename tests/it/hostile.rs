//! Files that mean harm: everything ends in a clear report, soon, and without much memory.

use crate::bad::{Texts, base, folder, load, shown, stages};
use es_cluster::cli::files::DiskFiles;
use es_cluster::config::{self, Files};
use es_cluster::diag::Sources;
use proptest::prelude::*;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Far more than a debug build needs on a loaded machine, and far less than "never".
const SOON: Duration = Duration::from_mins(1);

/// Loads the base with another `cluster.kdl`; what is shown, which must not be much either.
fn reported(text: impl Into<Vec<u8>>) -> String {
    let mut texts = base();
    texts.0.insert("cluster.kdl".to_owned(), text.into());
    loaded(&texts)
}

fn loaded(texts: &Texts) -> String {
    let mut sources = Sources::new();
    let start = Instant::now();
    let (_, found) = load(texts, &mut sources);
    assert!(start.elapsed() < SOON, "took {:?}", start.elapsed());
    assert!(found.len() <= 200, "{} reports", found.len());
    let shown = shown(found.iter().cloned(), &sources);
    assert!(shown.len() < 16 << 20, "{} bytes", shown.len());
    shown
}

fn cluster() -> String {
    let path = folder().join("_base/cluster.kdl");
    std::fs::read_to_string(path).expect("the base")
}

fn module() -> String {
    let path = folder().join("_base/modules/store.kdl");
    std::fs::read_to_string(path).expect("a module of the base")
}

#[test]
fn endless_nesting_is_refused() {
    assert!(reported("a {\n".repeat(500_000)).contains("nested deeper"));
    assert!(reported("/* \n".repeat(500_000)).contains("nested deeper"));
    assert!(reported("/-a {\n/-b {\n".repeat(200_000)).contains("deep"));
    assert!(reported("}\n".repeat(1_000_000)).contains("closes nothing"));
    assert!(reported("\"\"\"\n".repeat(500_000)).contains("kdl::"));
    assert!(reported("a{}{}\n".repeat(500_000)).contains("kdl::syntax"));
    let mut texts = base();
    texts.0.insert("cluster.lock".to_owned(), "}\n".repeat(200_000).into_bytes());
    let mut sources = Sources::new();
    assert!(shown(stages(&texts, &mut sources).iter().cloned(), &sources).contains("lock::bad-lock"));
}

#[test]
fn more_nodes_than_a_cluster_has_are_refused() {
    assert!(reported("a\n".repeat(1_000_000)).contains("more than 200000 nodes"));
    assert!(reported("a b c d e\n".repeat(400_000)).contains("more than 200000 nodes"));
}

#[test]
fn a_hundred_thousand_nodes_are_read() {
    let many = |lines: usize, line: fn(usize) -> String| {
        let mut text = String::new();
        for number in 0..lines {
            text.push_str(&line(number));
        }
        text
    };
    let hosts = many(90_000, |n| format!("    h{n} address=\"10.{}.{}.{}\"\n", n / 65_536, n / 256 % 256, n % 256));
    assert!(reported(format!("{}hosts {{\n{hosts}}}\n", cluster())).contains("more than 10000 hosts"));
    let roles = many(60_000, |n| format!("    store \"r{n}\" on=\"node[1-3]\"\n"));
    assert!(reported(format!("{}roles {{\n{roles}}}\n", cluster())).contains("more than 100000 instances"));
    let keys = many(90_000, |n| format!("k{n} {n}\n"));
    let text = cluster().replace("heap \"1g\"", &format!("config {{\n{keys}}}"));
    assert_eq!(reported(text), "\n", "many keys are odd, and no mistake");
    let unknown = many(90_000, |n| format!("zone{n} {n}\n"));
    assert!(reported(format!("{}{unknown}", cluster())).contains("is not known at the top"));
    let same = many(90_000, |_| "    runtime \"11.0.13\"\n".to_owned());
    assert!(reported(format!("{}versions {{\n{same}}}\n", cluster())).contains("twice"));
}

#[test]
fn huge_ranges_are_refused() {
    for range in ["1-4000000000", "0-999999999", "1-10001", "5-1"] {
        let text = cluster().replace("\"node[1-3]\" address", &format!("\"node[{range}]\" address"));
        assert!(reported(text).contains("config::bad-range"), "{range}");
    }
    for (range, why) in [("node[1-10000] ", "twice over"), ("node[1-3] ", "\n")] {
        let text = cluster()
            .replace("queue on=\"node[1-3]\"", &format!("queue on=\"{}\"", range.repeat(16_000 / range.len())));
        assert!(reported(text).contains(why));
    }
}

#[test]
fn includes_end() {
    let mut texts = base();
    let mut main = cluster();
    for file in 0..300 {
        _ = writeln!(main, "include \"inc/{file}.kdl\"");
        let text = format!("include \"{}.kdl\"\ninclude \"{}.kdl\"\n", (file + 1) % 300, (file * 7 + 3) % 300);
        texts.0.insert(format!("inc/{file}.kdl"), text.into_bytes());
    }
    texts.0.insert("cluster.kdl".to_owned(), main.into_bytes());
    assert!(loaded(&texts).contains("config::bad-include"));
    let mut texts = base();
    texts.0.insert("cluster.kdl".to_owned(), b"include \"cluster.kdl\"\n".to_vec());
    assert!(loaded(&texts).contains("includes itself"));
}

#[test]
fn what_is_no_text_is_refused() {
    assert!(reported(vec![0xff; 100_000]).contains("not UTF-8"));
    assert!(reported(vec![0; 100_000]).contains("line 1 of"));
    assert!(reported(b"\xef\xbb\xbf".to_vec()).contains("has no node `cluster`"));
    assert!(reported("\u{202e}cluster \"logs\"\n").contains("U+202E"));
    assert!(reported("").contains("has no node `cluster`"));
}

#[test]
fn a_file_of_100_mb_is_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cluster.kdl");
    std::fs::File::create(&path).and_then(|file| file.set_len(100 << 20)).expect("a sparse file");
    let mut sources = Sources::new();
    let start = Instant::now();
    let (loaded, found) = config::load(&DiskFiles, &path.to_string_lossy(), "modules", &mut sources);
    assert!(loaded.is_none() && start.elapsed() < SOON);
    assert!(shown(found.iter().cloned(), &sources).contains("it has 104857600 bytes, more than 4194304"));
    assert!(DiskFiles.read("/dev/zero", 10).is_err(), "only plain files are read");
}

#[test]
fn hostile_modules_are_refused_too() {
    let mut texts = base();
    texts.0.insert("modules/queue.kdl".to_owned(), "module \"queue\" {\n".repeat(10_000).into_bytes());
    assert!(loaded(&texts).contains("nested deeper"));
    let mut texts = base();
    let mut params = String::new();
    for number in 0..50_000 {
        _ = writeln!(params, "p{number} type=\"int\" default={number}");
    }
    let text = format!("module \"queue\" {{\nparams {{\n{params}}}\n}}\n");
    texts.0.insert("modules/queue.kdl".to_owned(), text.into_bytes());
    loaded(&texts);
    let mut texts = base();
    texts.0.insert("modules/queue/queue.conf".to_owned(), "{% if x %}".repeat(100_000).into_bytes());
    assert!(loaded(&texts).contains("module::bad-template"));
    let mut texts = base();
    texts.0.insert("modules/queue/queue.conf".to_owned(), format!("{{{{ {}1 }}}}", "(".repeat(200_000)).into_bytes());
    assert!(loaded(&texts).contains("module::bad-template"));
}

/// A text with some of it cut, doubled, turned round or put in.
fn mangled(text: String) -> impl Strategy<Value = String> {
    let edit = (
        0..4u8,
        any::<prop::sample::Index>(),
        0..40usize,
        prop::sample::select(vec!["{", "}", "\"", "\n", "=", "/-", "[", "5m", ";"]),
    );
    prop::collection::vec(edit, 1..6).prop_map(move |edits| {
        let mut text: Vec<char> = text.chars().collect();
        for (kind, place, len, piece) in edits {
            let at = place.index(text.len().max(1));
            let end = (at + len).min(text.len());
            match kind {
                0 => drop(text.splice(at..end, [])),
                1 => drop(text.splice(at..at, piece.chars())),
                2 => {
                    let copy: Vec<char> = text[at..end].to_vec();
                    drop(text.splice(at..at, copy));
                }
                _ => text[at..end].reverse(),
            }
        }
        text.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever an editor does to a file, it is either good or reported with a place, and never a crash.
    #[test]
    fn a_mangled_file_is_good_or_reported(text in mangled(cluster())) {
        reported(text);
    }

    #[test]
    fn a_mangled_module_is_good_or_reported(text in mangled(module())) {
        let mut texts = base();
        texts.0.insert("modules/store.kdl".to_owned(), text.into_bytes());
        loaded(&texts);
    }
}
