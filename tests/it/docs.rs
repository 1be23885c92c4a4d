//! Every KDL block in the documentation is KDL, and those that are a whole `cluster.kdl` are valid with our modules.

use crate::bad::{Texts, shown};
use clap::error::ErrorKind;
use es_cluster::cli::args::{Esapply, Esplan};
use es_cluster::cli::files::DiskFiles;
use es_cluster::cli::parse;
use es_cluster::config;
use es_cluster::diag::Sources;
use std::fs;
use std::path::{Path, PathBuf};

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).expect("docs").flatten().map(|entry| entry.path());
    let markdown = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    [root.join("README.md")].into_iter().chain(docs.filter(markdown)).collect()
}

pub(crate) fn blocks(text: &str) -> Vec<String> {
    text.split("```kdl\n").skip(1).filter_map(|rest| rest.split("\n```").next()).map(str::to_owned).collect()
}

#[test]
fn every_kdl_block_is_right() {
    let (mut blocks_seen, mut clusters_seen) = (0, 0);
    for page in pages() {
        for block in blocks(&fs::read_to_string(&page).expect("a page")) {
            blocks_seen += 1;
            let parsed = kdl::KdlDocument::parse_v2(&block);
            assert!(parsed.is_ok(), "{}: {parsed:?}\n{block}", page.display());
            if !block.starts_with("cluster ") {
                continue;
            }
            clusters_seen += 1;
            let folder = tempfile::tempdir().expect("a folder");
            let file = folder.path().join("cluster.kdl");
            fs::write(&file, &block).expect("cluster.kdl");
            let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("modules");
            let (loaded, mistakes) =
                config::load(&DiskFiles, &file.to_string_lossy(), &modules.to_string_lossy(), &mut Sources::new());
            let list: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            assert!(loaded.is_some() && list.is_empty(), "{}: {list:?}\n{block}", page.display());
        }
    }
    assert!(blocks_seen >= 3 && clusters_seen >= 2, "{blocks_seen} blocks, {clusters_seen} clusters");
}

/// Commands of ours in a page: lines of shell blocks, and code within lines.
fn commands(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for (number, part) in text.split("```").enumerate() {
        if number % 2 == 1 {
            let lines = part.strip_prefix("sh\n").unwrap_or_default().lines();
            let bare = |line: &str| line.split(" #").next().unwrap_or_default().to_owned();
            commands.extend(lines.flat_map(|line| bare(line).split("&&").map(str::to_owned).collect::<Vec<_>>()));
        } else {
            commands.extend(part.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    let ours = |command: &String| command.starts_with("esplan ") || command.starts_with("esapply ");
    let bare = |command: String| command.trim().split(" > ").next().unwrap_or_default().replace('\n', " ");
    commands.into_iter().map(bare).filter(ours).collect()
}

/// Nothing is documented that the programs do not understand.
#[test]
fn every_command_is_understood() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for page in pages().into_iter().chain([root.join("docs/ci/README.md")]) {
        for command in commands(&fs::read_to_string(&page).expect("a page")) {
            seen += 1;
            // A choice is shown as `a|b|c`: the first of it; what may be left out stands in brackets, `…` for the rest.
            let first =
                |word: &str| word.split('|').next().unwrap_or_default().trim_matches(['[', ']', '"']).to_owned();
            let words: Vec<String> = command.split_whitespace().filter(|word| *word != "…").map(first).collect();
            let wrong = if command.starts_with("esplan ") {
                parse::<Esplan>(&words).err()
            } else {
                parse::<Esapply>(&words).err()
            };
            // Text may name a command or a flag without what belongs to it.
            let named_alone = |wrong: &clap::Error| {
                wrong.kind() == ErrorKind::MissingRequiredArgument || wrong.to_string().contains("none was supplied")
            };
            if let Some(wrong) = wrong.filter(|wrong| !named_alone(wrong)) {
                panic!("{}: `{command}`: {wrong}", page.display());
            }
        }
    }
    assert!(seen > 20, "{seen} commands");
}

/// The walk-through of the page on modules shows modules that are there, as they are.
#[test]
fn the_first_module_is_a_real_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/modules.md")).expect("the page");
    let shown: Vec<String> = blocks(&page).into_iter().filter(|block| block.starts_with("module ")).collect();
    for name in ["memcached", "libevent"] {
        let module = fs::read_to_string(root.join(format!("modules/{name}.kdl"))).expect("the module");
        assert!(module.lines().count() < 60, "{name} is short enough to be a first one");
        assert!(shown.iter().any(|block| block == module.trim_end()), "docs/modules.md shows {name} as it was");
    }
}

/// The page on modules shows every node that a module may have, so all of it must be taken.
#[test]
fn the_grammar_of_modules_is_taken() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/modules.md")).expect("the page");
    let block = blocks(&page).into_iter().find(|block| block.starts_with("module \"NAME\"")).expect("the grammar");
    let mut texts = Texts::below(&root.join("modules"));
    texts.0 = texts.0.into_iter().map(|(path, bytes)| (format!("modules/{path}"), bytes)).collect();
    texts.0.insert("modules/name.kdl".to_owned(), block.replace("module \"NAME\"", "module \"name\"").into_bytes());
    for template in ["conf.yml", "jvm.options"] {
        texts.0.insert(format!("modules/name/{template}"), b"x: 1\n".to_vec());
    }
    let mut sources = Sources::new();
    let (_, found) = config::load_module(&texts, "name", "modules", &mut sources);
    // The page shows two ways to say the same, and leaves expressions out with dots.
    let left_out = |message: &str| message.contains("has a syntax error") || message.contains("is given twice");
    let wrong: Vec<_> = found.iter().filter(|diag| !left_out(&diag.message)).cloned().collect();
    assert!(wrong.is_empty(), "{}", shown(wrong, &sources));
}

/// What a page shows of a plan is what the renderer prints.
#[test]
fn the_plan_of_the_first_page_is_a_real_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("README.md")).expect("a page");
    let shown: Vec<&str> = page.split("```text\n").skip(1).filter_map(|rest| rest.split("\n```").next()).collect();
    let real = fs::read_to_string(root.join("fixtures/scenarios/one-setting/plan.txt")).expect("a golden file");
    assert!(!shown.is_empty() && shown.iter().all(|part| real.contains(part)), "{shown:#?}\nis no part of\n{real}");
}
