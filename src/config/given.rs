//! Files of the operator's that roles name: read beside the cluster's file, and part of what a plan is made from.

use super::Files;
use super::files::{Tree, utf8};
use super::reader::Cx;
use crate::diag::{Code, Diag, Spanned};
use crate::model::{Module, ModuleName, Name, ParamType, Role, Value};
use indexmap::IndexMap;
use std::sync::Arc;

/// Bytes of one such file.
const MOST_BYTES: u64 = 1024 * 1024;
/// Such files of one parameter.
const MOST_FILES: usize = 200;

/// Reads the files of every parameter of type `files`: paths become texts by their names. Gives what was read, for the digest.
pub(super) fn read(
    files: &dyn Files,
    tree: &Tree,
    roles: &mut [Role],
    modules: &IndexMap<ModuleName, Option<Arc<Module>>>,
    cx: &Cx,
) -> Vec<(String, Vec<u8>)> {
    let mut reader = Reader { files, tree, cx, texts: Vec::new() };
    for role in roles {
        let Some(Some(module)) = modules.get(&role.module.value) else { continue };
        let named = |name: &Name| module.params.get(name).is_some_and(|param| param.kind == ParamType::Files);
        let own = role.overrides.values_mut().flat_map(|params| params.iter_mut());
        for (_, value) in role.params.iter_mut().chain(own).filter(|(name, _)| named(name)) {
            value.value = reader.texts(value);
        }
    }
    reader.texts
}

struct Reader<'a> {
    files: &'a dyn Files,
    tree: &'a Tree,
    cx: &'a Cx,
    texts: Vec<(String, Vec<u8>)>,
}

impl Reader<'_> {
    /// The texts of these files, by their names.
    fn texts(&mut self, value: &Spanned<Value>) -> Value {
        let Value::List(paths) = &value.value else { return value.value.clone() };
        let mut texts: IndexMap<String, Value> = IndexMap::new();
        for named in paths {
            let Value::Text(named) = named else { continue };
            let path = self.tree.beside(value.span, named);
            let all = match named.strip_suffix('/') {
                None => Ok(vec![path.clone()]),
                Some(_) => self.files.list(&path).map(|mut names| {
                    names.sort_unstable();
                    names.retain(|name| !name.starts_with('.'));
                    names.into_iter().map(|name| format!("{path}/{name}")).collect()
                }),
            };
            match all {
                Ok(all) => all.into_iter().for_each(|path| self.one(value, &path, &mut texts)),
                Err(why) => self.wrong(value, format!("`{path}` can't be read: {why}"), "expected a folder"),
            }
        }
        texts.sort_unstable_keys();
        Value::Map(texts)
    }

    fn one(&mut self, value: &Spanned<Value>, path: &str, texts: &mut IndexMap<String, Value>) {
        let name = path.rsplit('/').next().unwrap_or(path);
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || name.starts_with('.') || name.len() > 100 || !name.chars().all(allowed) {
            let message = format!("`{path}` has a name that can't be used on hosts");
            return self.wrong(value, message, "letters, digits, '.', '_' and '-', and no '.' first");
        }
        if texts.contains_key(name) {
            return self.wrong(value, format!("two of these files are called `{name}`"), "one would hide the other");
        }
        if texts.len() >= MOST_FILES {
            return self.wrong(value, format!("more than {MOST_FILES} files"), "name fewer");
        }
        let bytes = match self.files.read(path, MOST_BYTES) {
            Ok(bytes) => bytes,
            Err(why) => return self.wrong(value, format!("`{path}` can't be read: {why}"), "expected a file"),
        };
        if let Some(text) = utf8(path, &bytes, Some(value.span), self.cx) {
            texts.insert(name.to_owned(), Value::Text(text));
        }
        self.texts.push((path.to_owned(), bytes));
    }

    fn wrong(&self, value: &Spanned<Value>, message: String, label: &str) {
        let diag = Diag::at(Code::Unresolved, value.span, message).label(label.to_owned());
        self.cx.report(diag.help("a path is taken relative to the file that names it; one of a folder ends with `/`"));
    }
}
