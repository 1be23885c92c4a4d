//! Every KDL block in the documentation is KDL, and those that are a whole `cluster.kdl` are valid with our modules.

use crate::bad::{Texts, shown};
use clap::error::ErrorKind;
use es_cluster::cli::args::{Esapply, Esplan};
use es_cluster::cli::files::DiskFiles;
use es_cluster::cli::parse;
use es_cluster::config::{self, Called, Spec};
use es_cluster::diag::{SourceId, Sources};
use es_cluster::layout::canonical;
use kdl::{KdlDocument, KdlNode};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every page for users: the first one, and all below `docs` and `examples`.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md")];
    let mut folders = vec![root.join("docs"), root.join("examples")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            // Design notes also tell what comes next.
            if path.is_dir() && !path.ends_with("design") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
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
            let parsed = KdlDocument::parse_v2(&block);
            assert!(parsed.is_ok(), "{}: no KDL:\n{block}", page.display());
            let laid = canonical("block", &format!("{block}\n"), SourceId(0)).expect("KDL");
            if std::env::var_os("UPDATE").is_some() && laid != format!("{block}\n") {
                let text = fs::read_to_string(&page).expect("a page");
                fs::write(&page, text.replace(&format!("```kdl\n{block}\n"), &format!("```kdl\n{laid}")))
                    .expect("written");
            }
            let there = fs::read_to_string(&page).expect("a page");
            assert!(there.contains(&format!("```kdl\n{laid}```")), "{}: UPDATE=1 lays it out:\n{laid}", page.display());
            if !block.starts_with("cluster ") {
                // Of the rest of `cluster.kdl` or of a module: by the tables of the language.
                assert!(is_known(&block), "{}: neither language has this:\n{block}", page.display());
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

/// Whether all of a text's nodes and properties are of one of our languages.
fn is_known(text: &str) -> bool {
    fn nodes(list: &[KdlNode], within: &Spec) -> bool {
        list.iter().all(|node| {
            let Some(spec) = within.child(node.name().value()) else { return false };
            let property = |name: &str| {
                spec.fields().any(|field| match field.name {
                    Called::Word(word) => word == name,
                    Called::Any(_) => true,
                })
            };
            let mut names = node.entries().iter().filter_map(|entry| entry.name());
            names.all(|name| property(name.value())) && nodes(node.children().map_or(&[][..], KdlDocument::nodes), spec)
        })
    }
    let parsed = KdlDocument::parse_v2(text);
    parsed.is_ok_and(|document| config::languages().iter().any(|(_, top)| nodes(document.nodes(), top)))
}

/// Code within lines that begins like a node of `cluster.kdl` is one that the language has.
#[test]
fn every_node_within_a_line_is_right() {
    let [(_, cluster), _] = config::languages();
    let words: Vec<&str> = cluster
        .block
        .iter()
        .filter_map(|spec| match spec.name {
            Called::Word(word) => Some(word),
            Called::Any(_) => None,
        })
        .collect();
    let mut seen = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        let prose = text.split("```").step_by(2);
        for code in prose.flat_map(|part| part.split('`').skip(1).step_by(2)) {
            let code = code.replace('\n', " ");
            let first = code.split_whitespace().next().unwrap_or_default();
            let whole = code.contains(['"', '{']) && !code.contains('…') && !page.ends_with("reference.md");
            if whole && words.contains(&first) {
                seen += 1;
                assert!(is_known(&code), "{}: `{code}`", page.display());
            }
        }
    }
    assert!(seen >= 2, "{seen}");
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
    let mut seen = 0;
    for page in pages() {
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

/// What needs no host is run as it stands there, in a folder with a cluster; the live tests run the rest.
#[test]
fn every_command_that_needs_no_host_works() {
    const OFFLINE: &[&str] = &["validate", "fmt", "graph", "explain", "completions", "man"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut commands: BTreeSet<String> = BTreeSet::new();
    for page in pages() {
        commands.extend(self::commands(&fs::read_to_string(&page).expect("a page")));
    }
    let mut ran = BTreeSet::new();
    for command in commands {
        let words: Vec<&str> = command.split_whitespace().skip(1).collect();
        let Some(name) = words.first().copied().filter(|name| OFFLINE.contains(name)) else { continue };
        // A choice, or something that stands for a name, is no command to be typed.
        let stands_for = |word: &&str| {
            word.chars().any(|c| matches!(c, '|' | '[' | '…' | '<')) || word.chars().all(|c| c.is_ascii_uppercase())
        };
        let complete = words.iter().all(|word| !stands_for(word))
            && (words.len() > 1 || !matches!(name, "explain" | "completions" | "man"));
        if !complete || words.last().is_some_and(|word| *word == "-") {
            continue;
        }
        let folder = crate::cli::folder(crate::cli::CLUSTER);
        std::os::unix::fs::symlink(root.join("modules"), folder.path().join("modules")).expect("a link");
        if !command.contains("--check") {
            let laid = crate::cli::run(folder.path(), "esplan", &["fmt"]);
            assert_eq!(laid.code, 0, "{laid:?}");
        }
        let did = crate::cli::run(folder.path(), "esplan", &words);
        let right = if command.contains("--check") { [0, 2].contains(&did.code) } else { did.code == 0 };
        assert!(right || did.stderr.contains("esplan lock"), "`{command}`: {did:?}");
        ran.insert(name.to_owned());
    }
    assert!(ran.len() >= 3, "{ran:?}");
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
