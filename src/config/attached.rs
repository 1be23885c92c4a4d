//! Files that parameters name (`type="file"`): read once all modules are known, their text in the place of their path.

use super::Files;
use super::files::{Tree, utf8};
use super::modules::Library;
use super::reader::Cx;
use crate::diag::{Code, Diag, Span};
use crate::model::{ParamType, Role, Value};
use std::collections::BTreeMap;

/// Bytes of one file. A bundle of certificates of all public CAs has some 200 KiB.
const MOST_BYTES: u64 = 512 * 1024;
/// Files of one cluster.
const MOST_FILES: usize = 1_000;

/// Puts the texts into the roles. Gives them by path, for the digest.
pub(super) fn read(
    roles: &mut [Role],
    library: &Library<'_>,
    tree: &Tree,
    files: &dyn Files,
    cx: &Cx,
) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for role in roles {
        let Some(Some(module)) = library.read.get(&role.module.value) else { continue };
        let is_file =
            |name: &crate::model::Name| module.params.get(name).is_some_and(|param| param.kind == ParamType::File);
        let values = role.params.iter_mut().chain(role.overrides.values_mut().flat_map(|own| own.iter_mut()));
        for (_, value) in values.filter(|(name, _)| is_file(name)) {
            let Value::Text(target) = &value.value else { continue };
            let path = tree.beside(value.span, target);
            if !texts.contains_key(&path) {
                let Some(text) = text(&path, value.span, texts.len(), files, cx) else { continue };
                texts.insert(path.clone(), text);
            }
            value.value = Value::Text(texts.get(&path).cloned().unwrap_or_default());
        }
    }
    texts
}

fn text(path: &str, span: Span, known: usize, files: &dyn Files, cx: &Cx) -> Option<String> {
    if known >= MOST_FILES {
        let message = format!("more than {MOST_FILES} files are named by parameters");
        cx.report(Diag::at(Code::Unreadable, span, message).label("one too many").help("join some of them"));
        return None;
    }
    match files.read(path, MOST_BYTES) {
        Ok(bytes) => utf8(path, &bytes, Some(span), cx),
        Err(why) => {
            let diag = Diag::at(Code::Unreadable, span, format!("`{path}` can't be read: {why}")).label("this file");
            cx.report(diag.help("the path is taken relative to the file that names it"));
            None
        }
    }
}
