//! The tables of both languages: the page that is written from them, and that the decoders read all of them.

use crate::bad::{Texts, base, load, shown};
use es_cluster::config::{self, Called, Spec};
use es_cluster::diag::Sources;
use kdl::{KdlDocument, KdlNode};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The files of `fixtures/everything`, over those of the good base.
fn everything() -> Texts {
    let mut texts = base();
    texts.0.extend(Texts::below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/everything")).0);
    // Only what is recognised can be adopted.
    let queue = text(&texts, "modules/queue.kdl").replace("    process {", "    adopt \"queue.Main\"\n    process {");
    texts.0.insert("modules/queue.kdl".to_owned(), queue.into_bytes());
    texts
}

fn text(texts: &Texts, path: &str) -> String {
    String::from_utf8(texts.0[path].clone()).expect("text")
}

/// A node or a property of the tables.
type Said = usize;

fn address<T>(said: &'static T) -> Said {
    std::ptr::from_ref(said).addr()
}

/// Everything that the tables have, with its way for people.
fn all(spec: &'static Spec, way: &str, found: &mut BTreeMap<Said, String>) {
    for child in spec.block.iter().copied() {
        let (Called::Word(name) | Called::Any(name)) = child.name;
        let way = format!("{way} {name}");
        found.insert(address(child), way.clone());
        for field in child.fields() {
            let (Called::Word(name) | Called::Any(name)) = field.name;
            found.insert(address(field), format!("{way} {name}="));
        }
        all(child, &way, found);
    }
}

/// Takes away what a text says.
fn said(nodes: &[KdlNode], within: &'static Spec, left: &mut BTreeMap<Said, String>) {
    for node in nodes {
        let name = node.name().value();
        let spec = within.child(name).unwrap_or_else(|| panic!("`{name}` is not in the tables"));
        left.remove(&address(spec));
        for property in node.entries().iter().filter_map(|entry| entry.name()) {
            let of = |called: Called| matches!(called, Called::Word(word) if word == property.value());
            let field = spec.fields().find(|field| of(field.name));
            let field = field.or_else(|| spec.fields().find(|field| matches!(field.name, Called::Any(_))));
            let field = field.unwrap_or_else(|| panic!("`{name}` has no `{property}` in the tables"));
            left.remove(&address(field));
        }
        said(node.children().map_or(&[][..], KdlDocument::nodes), spec, left);
    }
}

/// What the tables have and none of the texts says.
fn left<'a>(spec: &'static Spec, texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut left = BTreeMap::new();
    all(spec, "", &mut left);
    for text in texts {
        let document = KdlDocument::parse_v2(text).expect("KDL");
        said(document.nodes(), spec, &mut left);
    }
    left.into_values().collect()
}

#[test]
fn all_of_both_languages_is_read() {
    let texts = everything();
    let mut sources = Sources::new();
    let (_, found) = load(&texts, &mut sources);
    assert_eq!(shown(found.iter().cloned(), &sources), "\n", "what the tables have is read without a mistake");
    let (_, found) = config::load_module(&texts, "all", "modules", &mut sources);
    assert_eq!(shown(found.iter().cloned(), &sources), "\n", "what the tables have is read without a mistake");
    let [(_, cluster), (_, module)] = config::languages();
    let [main, more, all] = ["cluster.kdl", "more.kdl", "modules/all.kdl"].map(|path| text(&texts, path));
    assert_eq!(left(cluster, [main.as_str(), &more]), Vec::<String>::new(), "say it in fixtures/everything");
    assert_eq!(left(module, [all.as_str()]), Vec::<String>::new(), "say it in fixtures/everything");
}

/// The block is no more than the tables; `docs::the_grammar_of_modules_is_taken` has it read.
#[test]
fn the_page_on_modules_shows_every_section() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/modules.md")).expect("the page");
    let block = crate::docs::blocks(&page).into_iter().find(|block| block.starts_with("module \"NAME\""));
    let [_, (_, module)] = config::languages();
    let mut left = left(module, [block.expect("the grammar").as_str()]);
    // Sections, and what stands in them.
    left.retain(|way| way.split_whitespace().count() <= 2 && !way.ends_with('='));
    assert_eq!(left, Vec::<String>::new(), "docs/modules.md does not show it");
}

#[test]
fn the_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference.md");
    let page = config::reference();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &page).expect("written");
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(there == page, "docs/reference.md is not what the tables say: UPDATE=1 writes it");
}

/// A mistake next to each node: its nearest name comes from the tables.
#[test]
fn what_is_not_in_the_tables_is_a_mistake() {
    let mut texts = everything();
    let cluster = text(&texts, "cluster.kdl").replace("soak=", "soka=").replace("scope ", "scoep ");
    let more = text(&texts, "more.kdl").replace("label ", "lable ");
    texts.0.insert("cluster.kdl".to_owned(), cluster.into_bytes());
    texts.0.insert("more.kdl".to_owned(), more.into_bytes());
    let mut sources = Sources::new();
    let (_, found) = load(&texts, &mut sources);
    let labels: Vec<&str> = found.iter().map(|diag| diag.label.as_str()).collect();
    for name in ["soak", "scope", "label"] {
        assert!(labels.contains(&format!("did you mean `{name}`?").as_str()), "{name}: {labels:?}");
    }
}
