//! The rules of ARCHITECTURE.md that a look at the sources can keep.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Longest file, in lines (ARCHITECTURE.md, invariant 4).
const LONGEST_FILE: usize = 400;

/// Stages from bottom to top; a stage imports only from those named with it.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("diag", &[]),
    ("syntax", &["diag"]),
    ("layout", &["diag", "syntax"]),
    ("model", &["diag"]),
    ("expr", &["diag", "model"]),
    ("config", &["diag", "syntax", "model", "expr"]),
    ("import", &["diag", "syntax", "layout", "model", "config"]),
    ("lock", &["diag", "syntax", "model", "desired"]),
    ("desired", &["diag", "model", "expr", "config", "lock"]),
    ("inventory", &["model", "expr", "desired"]),
    ("adopt", &["diag", "model", "layout", "import", "inventory"]),
    ("diff", &["model", "expr", "desired", "inventory"]),
    ("graph", &["model", "desired"]),
    ("plan", &["diag", "model", "desired", "inventory", "diff", "graph", "expr"]),
    ("check", &["model", "desired", "inventory", "diff", "graph", "plan"]),
    ("history", &["model", "inventory", "plan"]),
    ("render", &["diag", "model", "desired", "inventory", "diff", "graph", "plan", "check", "history"]),
];

/// Words that only the feature `io` may use.
const IMPURE: &[&str] = &[
    "std::net",
    "std::process",
    "std::env",
    "std::fs",
    "std::thread",
    "Instant::now",
    "SystemTime",
    "tokio",
    "async fn",
    "HashMap",
    "HashSet",
];

/// Modules whose names are words of the tool itself: its two supervisors, the beat of a lock, what a client needs.
const WORDS: &[&str] = &["supervisord", "systemd", "heartbeat", "jdk"];

/// Where the probe kind that speaks a protocol is read, told, and carried out: it has the name of who made the protocol.
const PROTOCOL: &[&str] = &[
    "src/config/grammar/connection.rs",
    "src/config/grammar/probe.rs",
    "src/config/module/probe.rs",
    "src/model/probe.rs",
    "src/probe/exchange.rs",
    "src/probe/kafka.rs",
    "src/probe/kafka/",
    "src/probe/mod.rs",
    "src/probe/request.rs",
    "src/render/explain/sentences.rs",
];

/// Names that belong into `modules/`, beside those of all modules that are there.
const SERVICES: &[&str] = &[
    "elasticsearch",
    "kibana",
    "zookeeper",
    "kafka",
    "redis",
    "nginx",
    "memcached",
    "openresty",
    "filebeat",
    "metricbeat",
    "packetbeat",
    "elastalert",
    "streamsets",
    "curator",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Files of a folder that are texts, by their names.
fn texts(folder: &str) -> BTreeMap<String, String> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    let name = |path: &Path| path.strip_prefix(root()).expect("below the root").display().to_string();
    found.iter().filter_map(|path| Some((name(path), fs::read_to_string(path).ok()?))).collect()
}

fn is(file: &str, extension: &str) -> bool {
    Path::new(file).extension().is_some_and(|own| own == extension)
}

fn rust_files(folder: &str) -> BTreeMap<String, String> {
    texts(folder).into_iter().filter(|(name, _)| is(name, "rs")).collect()
}

/// The stage of `src/STAGE/…` or `src/STAGE.rs`.
fn stage(file: &str) -> &str {
    let rest = file.strip_prefix("src/").unwrap_or(file);
    rest.split(['/', '.']).next().unwrap_or(rest)
}

/// Lines that are neither comments nor inside a `#[cfg(test)]` tail.
fn code_lines<'a>(file: &str, text: &'a str) -> Vec<(usize, &'a str)> {
    // A snapshot is what a test has seen.
    let tests_only = file.ends_with("tests.rs") || file.contains("/tests/") || file.contains("/snapshots/");
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = if tests_only { "" } else { &text[..end] };
    lines
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim_start()))
        .filter(|(_, line)| !(line.starts_with("//") || is(file, "sh") && line.starts_with('#')))
        .collect()
}

fn is_core(file: &str) -> bool {
    MAY_IMPORT.iter().any(|(name, _)| *name == stage(file))
}

fn report(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn imports_go_downward() {
    let mut broken = Vec::new();
    for (file, text) in rust_files("src") {
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == stage(&file)) else { continue };
        for (number, line) in code_lines(&file, &text) {
            for part in line.split("crate::").skip(1) {
                let used: String = part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                if !used.is_empty() && used != stage(&file) && !allowed.contains(&used.as_str()) {
                    broken.push(format!("{file}:{number}: {} may not import {used}", stage(&file)));
                }
            }
        }
    }
    report(&broken);
}

#[test]
fn core_is_pure() {
    let mut broken = Vec::new();
    for (file, text) in rust_files("src").iter().filter(|(file, _)| is_core(file)) {
        for (number, line) in code_lines(file, text) {
            for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                broken.push(format!("{file}:{number}: `{word}` in the pure core"));
            }
        }
    }
    report(&broken);
}

#[test]
fn no_service_names() {
    let mut broken = Vec::new();
    let modules = fs::read_dir(root().join("modules")).expect("modules").flatten();
    let modules: Vec<String> = modules
        .filter_map(|entry| entry.file_name().into_string().ok()?.strip_suffix(".kdl").map(str::to_owned))
        .filter(|name| !WORDS.contains(&name.as_str()))
        .collect();
    let services: BTreeSet<&str> = SERVICES.iter().copied().chain(modules.iter().map(String::as_str)).collect();
    for (file, text) in &texts("src") {
        let protocol = PROTOCOL.iter().any(|place| file.starts_with(place));
        for (number, line) in code_lines(file, text) {
            let lower = line.to_ascii_lowercase();
            for word in services.iter().filter(|word| !(protocol && **word == "kafka")) {
                if lower.contains(word) {
                    broken.push(format!("{file}:{number}: names {word}; its module should say it"));
                }
            }
        }
    }
    report(&broken);
}

#[test]
fn files_are_short() {
    let mut broken = Vec::new();
    for (file, text) in rust_files("src").into_iter().chain(rust_files("tests")) {
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            broken.push(format!("{file}: {lines} lines, at most {LONGEST_FILE}"));
        }
    }
    report(&broken);
}

#[test]
fn one_quote() {
    let mut broken = Vec::new();
    for (file, text) in rust_files("src").iter().filter(|(file, _)| file.as_str() != "src/model/quote.rs") {
        for (number, line) in code_lines(file, text) {
            if line.contains(r"'\\''") || line.contains("shell_escape") || line.contains("shlex") {
                broken.push(format!("{file}:{number}: quotes for a shell by itself"));
            }
        }
    }
    report(&broken);
}

#[test]
fn invariants_are_kept_by_tests_that_exist() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let tests: String = rust_files("tests").into_values().collect();
    let (mut broken, mut count) = (Vec::new(), 0);
    for line in text.lines().filter(|line| line.ends_with(']') && line.starts_with(|c: char| c.is_ascii_digit())) {
        let name = line.rsplit('[').next().unwrap_or_default().trim_end_matches(']');
        let function = name.rsplit("::").next().unwrap_or_default();
        count += 1;
        if !tests.contains(&format!("fn {function}(")) {
            broken.push(format!("no test {name}, which ARCHITECTURE.md names"));
        }
    }
    assert!(count >= 10, "ARCHITECTURE.md lists its invariants");
    report(&broken);
}

#[test]
fn nothing_names_a_registry_or_a_machine() {
    // Spelt in parts, so that this file does not name them either.
    let hosts = ["repo1.", "repo.maven", "files.python", "pypi.", "crates.", "deb.debian"].map(str::to_owned);
    let tops = ["org", "io", "apache.org"];
    let mut broken = Vec::new();
    for folder in ["src", "tests", "modules", "docs", "fixtures"] {
        for (file, text) in texts(folder) {
            for (number, line) in text.lines().enumerate() {
                let named = hosts.iter().any(|host| tops.iter().any(|top| line.contains(&format!("{host}{top}"))));
                if named || line.contains(concat!("/work", "/")) {
                    broken.push(format!("{file}:{}: {line}", number + 1));
                }
            }
        }
    }
    report(&broken);
}
