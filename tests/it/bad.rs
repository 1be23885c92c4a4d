//! One mistake a folder in `fixtures/bad/`, with exactly what the operator is shown.
//!
//! A case has `cluster.kdl` and `modules/`, both optional: what is absent is taken from `_base`. `UPDATE=1` rewrites
//! the expected texts; read them as the operator would.

use es_cluster::config::{self, Files, Loaded};
use es_cluster::desired;
use es_cluster::diag::{Code, Diag, Diagnostics, Sources};
use es_cluster::lock::Lock;
use es_cluster::model::Digest;
use es_cluster::render::findings;
use indexmap::IndexMap;
use miette::{GraphicalReportHandler, GraphicalTheme};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The day on which all of this is read.
const TODAY: &str = "2026-06-01";

/// Files in memory, by path.
#[derive(Debug, Default, Clone)]
pub(crate) struct Texts(pub(crate) BTreeMap<String, Vec<u8>>);

impl Files for Texts {
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, String> {
        let bytes = self.0.get(path).ok_or("no such file or folder")?;
        if bytes.len() as u64 > limit {
            return Err(format!("it has {} bytes, more than {limit}", bytes.len()));
        }
        Ok(bytes.clone())
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        let inside = |path: &String| path.strip_prefix(folder)?.strip_prefix('/').map(str::to_owned);
        Ok(self.0.keys().filter_map(inside).filter(|name| !name.contains('/')).collect())
    }
}

impl Texts {
    /// Everything below a folder, by path relative to it.
    pub(crate) fn below(folder: &Path) -> Self {
        let mut texts = Self::default();
        texts.add(folder, "");
        texts
    }

    fn add(&mut self, folder: &Path, prefix: &str) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = format!("{prefix}{}", path.file_name().expect("a name").to_string_lossy());
            if path.is_dir() {
                self.add(&path, &format!("{name}/"));
            } else {
                self.0.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/bad")
}

pub(crate) fn base() -> Texts {
    Texts::below(&folder().join("_base"))
}

pub(crate) fn load(texts: &Texts, sources: &mut Sources) -> (Option<Loaded>, Diagnostics) {
    config::load(texts, "cluster.kdl", "modules", sources)
}

/// All stages that know no host, as `esplan` runs them: the file and the modules, then the lock, then what should be.
pub(crate) fn stages(texts: &Texts, sources: &mut Sources) -> Diagnostics {
    let (loaded, found) = load(texts, sources);
    let Some(loaded) = loaded else { return found };
    let mut conflicts = Diagnostics::new();
    loaded.declared.diags().into_iter().for_each(|diag| conflicts.push(diag));
    if !conflicts.is_empty() {
        return conflicts;
    }
    let late = config::expired(&loaded.cluster, TODAY);
    if !late.is_empty() {
        return late;
    }
    let text = texts.0.get("cluster.lock").map_or("", |bytes| std::str::from_utf8(bytes).expect("UTF-8"));
    let id = sources.add("cluster.lock", text.to_owned());
    let (lock, found) = Lock::parse(text, id);
    let Some(lock) = lock else { return found };
    desired::expand(&loaded, &lock, Digest::of(text.as_bytes()), &IndexMap::new()).1
}

/// What the operator sees, without colours and as wide as the documentation.
pub(crate) fn shown(diagnostics: impl IntoIterator<Item = Diag>, sources: &Sources) -> String {
    let handler =
        GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100).with_links(false);
    let mut shown = String::new();
    for diag in diagnostics {
        handler.render_report(&mut shown, &diag.with_sources(sources)).expect("text");
        shown.push('\n');
    }
    let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
    format!("{}\n", lines.join("\n").trim_end())
}

#[test]
fn the_base_is_good() {
    let mut sources = Sources::new();
    let (loaded, diagnostics) = load(&base(), &mut sources);
    assert_eq!(shown(diagnostics.iter().cloned(), &sources), "\n");
    let loaded = loaded.expect("loaded");
    assert_eq!(loaded.warnings.len(), 1, "queue runs on a proven runtime");
}

/// The folders of the cases.
pub(crate) fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = fs::read_dir(folder()).expect("fixtures").map(|e| e.expect("entry").path()).collect();
    cases.retain(|case| !case.ends_with("_base"));
    cases.sort();
    cases
}

#[test]
fn every_case_is_shown_as_expected() {
    let mut wrong = Vec::new();
    for case in cases() {
        let mut texts = base();
        texts.0.extend(Texts::below(&case).0);
        let mut sources = Sources::new();
        let found = stages(&texts, &mut sources);
        let name = case.file_name().expect("a name").to_string_lossy().into_owned();
        if found.is_empty() {
            wrong.push(format!("── {name} has no mistake ──\n"));
            continue;
        }
        let shown = shown(found.iter().cloned(), &sources);
        let expected = case.join("expected.txt");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&expected, &shown).expect("written");
        } else if fs::read_to_string(&expected).unwrap_or_default() != shown {
            wrong.push(format!("── {name} ──\n{shown}"));
        }
    }
    assert!(wrong.is_empty(), "other than expected (UPDATE=1 rewrites):\n{}", wrong.join("\n"));
}

/// Other programs are told of the same mistakes, at places that are in the files.
#[test]
fn every_case_can_be_told_to_other_programs() {
    for case in cases() {
        let mut texts = base();
        texts.0.extend(Texts::below(&case).0);
        let mut sources = Sources::new();
        let found = stages(&texts, &mut sources).into_reports(&sources);
        let sarif: serde_json::Value = serde_json::from_str(&findings::sarif(&found, &[], "1")).expect("SARIF");
        let results = sarif["runs"][0]["results"].as_array().expect("results");
        assert_eq!(results.len(), found.len(), "{}", case.display());
        for (result, diag) in results.iter().zip(&found) {
            assert_eq!(result["ruleId"], diag.code.name());
            let Some(place) = diag.place() else { continue };
            let text = texts.0.get(&place.file).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            let lines = text.unwrap_or_default().split('\n').count();
            let region = &result["locations"][0]["physicalLocation"]["region"];
            assert_eq!(region["startLine"], place.line);
            let ends = (place.line, place.column) <= (place.end_line, place.end_column) && place.end_line <= lines;
            assert!(ends, "{}: {place:?} of {lines} lines", case.display());
        }
        let annotations = findings::github(&found, &[]);
        assert!(annotations.lines().all(|line| line.starts_with("::error ")), "{annotations}");
        let json: serde_json::Value = serde_json::from_str(&findings::json(&found, &[])).expect("JSON");
        assert_eq!(json["findings"].as_array().map(Vec::len), Some(found.len()));
    }
}

/// Who made a mistake is told what was expected at exactly that place, or what to write instead; once, and in one manner.
#[test]
fn every_mistake_says_what_was_expected_or_what_to_do() {
    for case in cases() {
        let mut texts = base();
        texts.0.extend(Texts::below(&case).0);
        let found = stages(&texts, &mut Sources::new());
        for diag in found.iter() {
            let told = format!("{}: {diag:#?}", case.display());
            let help = diag.help.as_deref().unwrap_or_default();
            let says = |label: &str| label.starts_with("expected") || label.starts_with("did you mean");
            assert!(!help.is_empty() || says(&diag.label), "no next step in {told}");
            assert!(diag.span.is_none() || !diag.label.is_empty(), "nothing under the span in {told}");
            assert!(!diag.message.ends_with('.') && !diag.message.starts_with(char::is_uppercase), "{told}");
            assert!(diag.label != diag.message && diag.label != help && help != diag.message, "twice in {told}");
            let others = diag.related.iter().map(|other| other.label.as_str());
            for text in others.chain([diag.message.as_str(), &diag.label, help]) {
                assert!(text != "here" && text.matches('`').count() % 2 == 0, "`{text}` in {told}");
            }
        }
        let mut places: Vec<_> = found.iter().map(|diag| (diag.span, &diag.message)).collect();
        places.dedup();
        assert_eq!(places.len(), found.len(), "a mistake is told twice in {}", case.display());
    }
}

#[test]
fn every_code_has_a_case() {
    let shown: Vec<String> =
        cases().iter().map(|case| fs::read_to_string(case.join("expected.txt")).unwrap_or_default()).collect();
    let first = |text: &String| text.lines().next().unwrap_or_default().to_owned();
    let codes: Vec<String> = shown.iter().map(first).collect();
    let without: Vec<&str> =
        Code::ALL.iter().map(|code| code.name()).filter(|name| !codes.iter().any(|code| code == name)).collect();
    assert!(without.is_empty(), "no case in fixtures/bad shows these codes first: {without:?}");
}

#[test]
fn the_modules_of_this_repository_are_good() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Texts::default();
    texts.add(&root.join("modules"), "modules/");
    for name in texts.list("modules").expect("modules") {
        let Some(name) = name.strip_suffix(".kdl") else { continue };
        let mut sources = Sources::new();
        let (module, diagnostics) = config::load_module(&texts, name, "modules", &mut sources);
        assert!(module.is_some(), "{}", shown(diagnostics.iter().cloned(), &sources));
    }
}
