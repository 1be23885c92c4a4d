//! Which modules a run needs, reading each of them once, and the circles that they must not form.

use super::Files;
use super::files::{MOST_BYTES, utf8};
use super::grammar::MODULE_FILE;
use super::module::{self, Given};
use super::reader::{Cx, Node};
use crate::diag::{Code, Diag, Sources, Span, Spanned};
use crate::model::{Digest, Module, ModuleName, Template};
use indexmap::IndexMap;
use std::sync::Arc;

/// Bytes of one template file.
const MOST_TEMPLATE_BYTES: u64 = 1024 * 1024;
/// Template files that one module may have.
const MOST_TEMPLATES: usize = 200;

/// The modules' folder and what was read of it.
pub(super) struct Library<'f> {
    files: &'f dyn Files,
    folder: &'f str,
    /// All modules that exist, by name and sorted.
    pub(super) names: Vec<String>,
    /// What was read. `None` for a module that could not be used at all.
    pub(super) read: IndexMap<ModuleName, Option<Arc<Module>>>,
    /// Modules in which a mistake was found: what they do not know may still exist.
    pub(super) broken: Vec<ModuleName>,
    /// Everything that was read, with the module that it belongs to.
    texts: Vec<(ModuleName, String, Vec<u8>)>,
}

impl<'f> Library<'f> {
    pub(super) fn open(files: &'f dyn Files, folder: &'f str, cx: &Cx) -> Self {
        let mut names: Vec<String> = match files.list(folder) {
            Ok(names) => names,
            Err(why) => {
                let diag =
                    Diag::nowhere(Code::Unreadable, format!("the modules' folder `{folder}` can't be read: {why}"));
                cx.report(diag.help("modules are files NAME.kdl in it; name another folder with `--modules DIR`"));
                Vec::new()
            }
        };
        names = names.iter().filter_map(|name| name.strip_suffix(".kdl")).map(str::to_owned).collect();
        names.retain(|name| ModuleName::new(name).is_ok());
        names.sort_unstable();
        Self { files, folder, names, read: IndexMap::new(), broken: Vec::new(), texts: Vec::new() }
    }

    /// Reads a module and what it requires, unless they were read before.
    pub(super) fn need(&mut self, name: &ModuleName, cx: &Cx, sources: &mut Sources) {
        let mut wanted = vec![name.clone()];
        while let Some(name) = wanted.pop() {
            if self.read.contains_key(&name) || !self.names.iter().any(|known| known == name.as_str()) {
                continue;
            }
            let before = cx.count();
            let module = self.read_one(&name, cx, sources);
            if cx.count() > before {
                self.broken.push(name.clone());
            }
            wanted
                .extend(module.iter().flat_map(|module| module.requires.iter().map(|need| need.module.value.clone())));
            self.read.insert(name, module.map(Arc::new));
        }
    }

    fn read_one(&mut self, name: &ModuleName, cx: &Cx, sources: &mut Sources) -> Option<Module> {
        let path = format!("{}/{name}.kdl", self.folder);
        let bytes = match self.files.read(&path, MOST_BYTES) {
            Ok(bytes) => bytes,
            Err(why) => {
                cx.report(Diag::nowhere(Code::Unreadable, format!("`{path}` can't be read: {why}")));
                return None;
            }
        };
        let text = utf8(&path, &bytes, None, cx)?;
        let source = sources.add(&path, text.clone());
        let templates = self.templates(name, cx, sources);
        let document = cx.parse(&path, &text, source);
        self.texts.push((name.clone(), path, bytes));
        let document = document?;
        let nodes = document.nodes().iter().map(|kdl| Node::new(cx, source, kdl, &MODULE_FILE)).collect();
        let modules: Vec<&str> = self.names.iter().map(String::as_str).collect();
        module::read(nodes, Given { name: name.as_str(), templates, modules: &modules }, cx)
    }

    /// The files in the module's folder. A module without a folder has none.
    fn templates(&mut self, name: &ModuleName, cx: &Cx, sources: &mut Sources) -> IndexMap<String, Template> {
        let folder = format!("{}/{name}", self.folder);
        let mut names = self.files.list(&folder).unwrap_or_default();
        names.sort_unstable();
        if names.len() > MOST_TEMPLATES {
            let message = format!("`{folder}` has more than {MOST_TEMPLATES} files");
            cx.report(
                Diag::nowhere(Code::Unreadable, message).help("it holds the module's templates and nothing else"),
            );
            names.truncate(MOST_TEMPLATES);
        }
        let mut texts = Vec::new();
        for file in names {
            let path = format!("{folder}/{file}");
            let bytes = match self.files.read(&path, MOST_TEMPLATE_BYTES) {
                Ok(bytes) => bytes,
                Err(why) => {
                    cx.report(Diag::nowhere(Code::Unreadable, format!("`{path}` can't be read: {why}")));
                    continue;
                }
            };
            let Some(text) = utf8(&path, &bytes, None, cx) else { continue };
            let source = sources.add(&path, text.clone());
            let span = Span { source, start: 0, len: text.len() };
            self.texts.push((name.clone(), path, bytes));
            texts.push((file, Spanned::new(text, span)));
        }
        module::templates(texts)
    }

    /// Reads every module that exists.
    pub(super) fn need_all(&mut self, cx: &Cx, sources: &mut Sources) {
        for name in self.names.clone() {
            if let Ok(name) = ModuleName::new(&name) {
                self.need(&name, cx, sources);
            }
        }
    }

    /// A digest over some modules with their templates, in an order that does not depend on who asked first.
    pub(super) fn digest(&self, modules: &[ModuleName]) -> Digest {
        let used = self.texts.iter().filter(|(name, _, _)| modules.contains(name));
        let mut texts: Vec<(&[u8], &[u8])> =
            used.map(|(_, path, bytes)| (self.inside(path).as_bytes(), bytes.as_slice())).collect();
        texts.sort_unstable();
        Digest::of_parts(texts.into_iter().flat_map(|(path, bytes)| [path, bytes]))
    }

    /// A path below the folder: where the folder is does not matter to the digest.
    fn inside<'p>(&self, path: &'p str) -> &'p str {
        path.strip_prefix(self.folder).unwrap_or(path)
    }

    /// Modules that need each other in a circle, through `requires` and `after`: reported once, as the way round.
    pub(super) fn cycles(&self, cx: &Cx) {
        let mut done: Vec<&ModuleName> = Vec::new();
        for name in self.read.keys() {
            let mut way: Vec<Spanned<ModuleName>> = Vec::new();
            self.walk(name, &mut way, &mut done, cx);
        }
    }

    fn walk<'m>(
        &'m self,
        name: &'m ModuleName,
        way: &mut Vec<Spanned<ModuleName>>,
        done: &mut Vec<&'m ModuleName>,
        cx: &Cx,
    ) {
        if done.contains(&name) {
            return;
        }
        let Some(Some(module)) = self.read.get(name) else { return };
        let edges = module.requires.iter().map(|need| &need.module).chain(&module.after);
        for edge in edges {
            way.push(Spanned::new(name.clone(), edge.span));
            if let Some(first) = way.iter().position(|step| step.value == edge.value) {
                cx.report(circle(&way[first..]));
            } else {
                self.walk(&edge.value, way, done, cx);
            }
            way.pop();
        }
        done.push(name);
    }
}

/// The way round, with the place of each step.
fn circle(way: &[Spanned<ModuleName>]) -> Diag {
    let mut names: Vec<&str> = way.iter().map(|step| step.as_str()).collect();
    names.extend(names.first().copied());
    let span = way.first().map_or_else(Span::default, |step| step.span);
    let mut diag = Diag::at(Code::Cycle, span, format!("modules need each other in a circle: {}", names.join(" → ")))
        .label(format!("`{}` needs `{}`", names.first().unwrap_or(&""), names.get(1).unwrap_or(&"")))
        .help("none of them could start first: remove one of these lines");
    for (step, next) in way.iter().zip(names.iter().skip(1)).skip(1) {
        let needs = format!("`{}` needs `{next}`", step.value);
        diag = diag.also(Diag::at(Code::Cycle, step.span, "further round the circle").label(needs));
    }
    diag
}
