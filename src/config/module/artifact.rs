//! Where software and plugins come from.

use super::super::reader::Node;
use super::super::report::suggest;
use super::scope::{Scope, names};
use crate::diag::{Code, Diag};
use crate::model::{Artifact, Plugins, Source, SourceKind};
use indexmap::IndexMap;

const KINDS: &[&str] = &["file", "url", "maven", "pypi", "deb", "system"];

pub(super) fn artifact(node: &Node<'_>, scope: &Scope<'_>) -> Artifact {
    let children = node.children();
    node.finish();
    if children.is_empty() {
        node.cx.report(no_source(node));
    }
    Artifact { sources: sources(&children, scope, names::VERSION), span: node.span() }
}

pub(super) fn plugins(node: &Node<'_>, scope: &Scope<'_>) -> Option<Plugins> {
    let into = node.need_prop::<String>("into").map(|text| scope.only_template(text, names::PLUGIN));
    let accepts = node.prop::<String>("accepts").map(|text| scope.only_expr(text, names::PLUGIN));
    let children = node.children();
    node.finish();
    if children.is_empty() {
        node.cx.report(no_source(node));
    }
    Some(Plugins { into: into?, accepts, sources: sources(&children, scope, names::PLUGIN) })
}

fn no_source(node: &Node<'_>) -> Diag {
    Diag::at(Code::Missing, node.span(), format!("`{}` has no source", node.name()))
        .label("nowhere to get it from")
        .help(format!("add one of {}", KINDS.join(", ")))
}

fn sources(nodes: &[Node<'_>], scope: &Scope<'_>, known: &'static [&'static str]) -> Vec<Source> {
    nodes.iter().filter_map(|node| source(node, scope, known)).collect()
}

fn source(node: &Node<'_>, scope: &Scope<'_>, known: &'static [&'static str]) -> Option<Source> {
    let template = |text| scope.only_template(text, known);
    let first = |what: &str| node.arg::<String>(0, what).map(template);
    let kind = match node.name() {
        "file" => first("the name of a file").map(|name| SourceKind::File { name }),
        "url" => {
            let sha512 = node.prop::<String>("sha512").map(|sum| sum.value);
            first("an address").map(|url| SourceKind::Url { url, sha512 })
        }
        "maven" => {
            if node.arg_count() == 0 {
                node.arg::<String>(0, "coordinates group:name:version");
            }
            let coordinates = node.args::<String>(0, "coordinates").into_iter().map(template).collect();
            let with_dependencies = node.flag("with-dependencies");
            Some(SourceKind::Maven { coordinates, with_dependencies })
        }
        "pypi" => {
            if node.arg_count() == 0 {
                node.arg::<String>(0, "name==version");
            }
            let requirements = node.args::<String>(0, "name==version").into_iter().map(template).collect();
            Some(SourceKind::Pypi { requirements })
        }
        "deb" => first("the name of a package").map(|package| SourceKind::Deb { package }),
        "system" => first("a program").map(|program| SourceKind::System { program }),
        other => {
            let diag = Diag::at(Code::UnknownName, node.name_span(), format!("`{other}` is not a kind of source"));
            node.cx.report(suggest(diag, other, KINDS, "expected a source"));
            return None;
        }
    };
    let root = node.prop::<String>("root").map(template);
    let into = node.prop::<String>("into").map(template);
    let when = node.prop::<String>("when").map(|text| scope.only_expr(text, known));
    let mut version_map = IndexMap::new();
    for child in node.body().rest() {
        for (ours, theirs) in child.props::<String>() {
            version_map.insert(ours.value, theirs.value);
        }
        child.finish();
    }
    node.finish();
    Some(Source { kind: kind?, root, into, when, version_map, span: node.span() })
}
