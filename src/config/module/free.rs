//! `config`: where what a role says beyond the parameters goes, and what it may not say there.

use super::super::cluster::one_of;
use super::super::reader::Node;
use super::super::report::{duplicate, suggest};
use super::scope::{Scope, names};
use crate::diag::{Code, Diag, Spanned};
use crate::model::{FileSpec, FreeFormat, FreeSyntax, Name, RefusedKeys};

pub(super) fn config(node: &Node<'_>, files: Option<&Vec<FileSpec>>, scope: &Scope<'_>) -> Option<FreeFormat> {
    let file = node.need_prop::<String>("file");
    if let (Some(file), Some(files)) = (&file, files)
        && !files.iter().any(|known| known.path.0.value == file.value)
    {
        let known: Vec<&str> = files.iter().map(|file| file.path.0.as_str()).collect();
        let diag = Diag::at(Code::Unresolved, file.span, format!("`{}` is no file of the module", file.value));
        node.cx.report(suggest(diag, &file.value, &known, "not in `files`"));
    }
    let syntaxes = [
        ("yaml", FreeSyntax::Yaml),
        ("properties", FreeSyntax::Properties),
        ("ini", FreeSyntax::Ini),
        ("key-value", FreeSyntax::KeyValue),
    ];
    if !node.has_prop("format") {
        node.need_prop::<String>("format");
    }
    let format = node.prop_with("format", |raw| one_of(raw, &syntaxes));
    let mut refused: Vec<(Spanned<Name>, RefusedKeys)> = Vec::new();
    for child in node.body().many("refuse") {
        let Some((name, keys)) = refuse(&child, scope) else { continue };
        if let Some((first, _)) = refused.iter().find(|(known, _)| *known == name) {
            let what = format!("the rule `{}`", name.value);
            node.cx.report(duplicate(&what, name.span, first.span, "rules are waived by name: give it another one"));
            continue;
        }
        refused.push((name, keys));
    }
    node.finish();
    let refused = refused.into_iter().map(|(_, keys)| keys).collect();
    Some(FreeFormat { file: file?.value, format: format?.value, refused })
}

fn refuse(node: &Node<'_>, scope: &Scope<'_>) -> Option<(Spanned<Name>, RefusedKeys)> {
    let name = node.arg::<Name>(0, "the rule's name");
    let keys: Vec<String> = node.args::<String>(1, "a key").into_iter().map(|key| key.value).collect();
    if node.arg_count() < 2 {
        node.arg::<String>(1, "a key");
    }
    let when = node.need_prop::<String>("when").map(|text| scope.only_expr(text, names::VERSION));
    let says = node.need_prop::<String>("says").map(|text| scope.only_template(text, &["version", "key"]));
    let help = node.need_prop::<String>("help");
    node.finish();
    let name = name?;
    let rule = RefusedKeys { name: name.value.clone(), keys, when: when?, says: says?, help: help?.value };
    Some((name, rule))
}
