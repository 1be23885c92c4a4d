//! `import { … }`: what `esplan import` needs to know.

use super::super::reader::Node;
use super::super::report::suggest;
use crate::diag::{Code, Diag, Spanned};
use crate::model::{Import, ImportList, ImportSetting, Name, Param};
use indexmap::IndexMap;

pub(super) fn import(node: &Node<'_>, params: &IndexMap<Name, Param>) -> Import {
    let mut body = node.body();
    node.finish();
    let mut import = Import::default();
    for child in body.many("list") {
        let name = child.arg::<String>(0, "the name of a list, without .list");
        let label = child.prop::<String>("label").map(|label| label.value);
        let mut given = Vec::new();
        for param in child.children() {
            if let Some(name) = known(&param, &Spanned::new(param.name().to_owned(), param.name_span()), params) {
                given.push((name, param.text()));
            }
        }
        child.finish();
        import.lists.extend(name.map(|name| ImportList { name: name.value, label, params: given }));
    }
    for child in body.many("setting") {
        let name = child.arg::<String>(0, "the name of a setting in the service's own file");
        let param = child.prop::<String>("param").and_then(|name| known(&child, &name, params));
        let vendor = child.prop::<String>("vendor").map(|value| value.value);
        let text = |text: Option<Spanned<String>>| text.map(|text| text.value);
        let (word, after, from) = (text(child.prop("word")), text(child.prop("after")), text(child.prop("from")));
        let unit = child.prop::<String>("unit").map(|unit| unit.value).unwrap_or_default();
        child.finish();
        import.settings.extend(name.map(|name| (name.value, ImportSetting { param, vendor, word, after, from, unit })));
    }
    for child in body.many("ours") {
        import.ours.extend(child.args::<String>(0, "the name of a setting").into_iter().map(|name| name.value));
        child.finish();
    }
    for child in body.many("secret") {
        import.secrets.extend(child.args::<String>(0, "the name of a setting").into_iter().map(|name| name.value));
        child.finish();
    }
    for child in body.many("line") {
        let file = child.arg::<String>(0, "the name of a file");
        let starts = child.need_prop::<String>("starts");
        let param = child.need_prop::<String>("param").and_then(|name| known(&child, &name, params));
        child.finish();
        if let (Some(file), Some(starts), Some(param)) = (file, starts, param) {
            import.lines.push((file.value, starts.value, param));
        }
    }
    import
}

/// A parameter of the module by its name.
pub(super) fn known(node: &Node<'_>, name: &Spanned<String>, params: &IndexMap<Name, Param>) -> Option<Name> {
    let found = Name::new(name).ok().filter(|name| params.contains_key(name));
    if found.is_none() {
        let names: Vec<&str> = params.keys().map(Name::as_str).collect();
        let diag = Diag::at(Code::Unresolved, name.span, format!("the module has no parameter `{}`", name.value));
        node.cx.report(suggest(diag, name, &names, "not in `params`"));
    }
    found
}
