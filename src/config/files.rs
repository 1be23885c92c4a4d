//! Reading texts: the file with its includes, and nothing larger than a limit.

use super::Files;
use super::grammar::FILE;
use super::reader::{Cx, Node};
use crate::diag::{Code, Diag, SourceId, Sources, Span};
use kdl::KdlDocument;

/// Bytes that one KDL file or template may have. A real one has some kilobytes; this bounds time and memory.
pub(super) const MOST_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes of the file with all its includes.
const MOST_TOGETHER: u64 = 8 * 1024 * 1024;
/// Files that one cluster may be spread over.
const MOST_FILES: usize = 100;
/// How deep includes may be nested.
const DEEPEST_INCLUDE: usize = 16;

/// A parsed file.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) source: SourceId,
    pub(super) document: KdlDocument,
    /// For each `include` of the document, by position of its node, the file that it brings in.
    includes: Vec<(usize, usize)>,
}

/// The file and everything that it includes.
#[derive(Debug, Default)]
pub(super) struct Tree {
    files: Vec<Parsed>,
    /// Where each file was included; the file itself was not.
    paths: Vec<(String, Option<Span>)>,
    /// Names and bytes of all files, for the digest.
    pub(super) texts: Vec<(String, Vec<u8>)>,
}

impl Tree {
    /// Reads the file and its includes. `None` when the file itself can't be used.
    pub(super) fn read(files: &dyn Files, path: &str, cx: &Cx, sources: &mut Sources) -> Option<Self> {
        let mut tree = Self::default();
        tree.add(files, path, None, &mut Vec::new(), cx, sources)?;
        Some(tree)
    }

    /// A path as it is written at a place: relative to the file that it is written in.
    pub(super) fn beside(&self, span: Span, target: &str) -> String {
        let file = self.files.iter().position(|file| file.source == span.source);
        let from = file.and_then(|index| self.paths.get(index)).map_or("", |(path, _)| path.as_str());
        relative(from, target)
    }

    /// The top-level nodes of all files, included ones in the place of their `include`.
    pub(super) fn nodes<'a>(&'a self, cx: &'a Cx) -> Vec<Node<'a>> {
        let mut nodes = Vec::new();
        if !self.files.is_empty() {
            self.collect(0, cx, &mut nodes);
        }
        nodes
    }

    fn collect<'a>(&'a self, index: usize, cx: &'a Cx, nodes: &mut Vec<Node<'a>>) {
        let Some(file) = self.files.get(index) else { return };
        for (at, kdl) in file.document.nodes().iter().enumerate() {
            if kdl.name().value() != "include" {
                nodes.push(Node::new(cx, file.source, kdl, &FILE));
            }
            for (_, included) in file.includes.iter().filter(|(position, _)| *position == at) {
                self.collect(*included, cx, nodes);
            }
        }
    }

    fn add(
        &mut self,
        files: &dyn Files,
        path: &str,
        from: Option<Span>,
        open: &mut Vec<String>,
        cx: &Cx,
        sources: &mut Sources,
    ) -> Option<usize> {
        let read: u64 = self.texts.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        let bytes = match files.read(path, MOST_BYTES.min(MOST_TOGETHER - read.min(MOST_TOGETHER))) {
            Ok(bytes) => bytes,
            Err(why) => {
                cx.report(unreadable(path, &why, from));
                return None;
            }
        };
        let text = utf8(path, &bytes, from, cx)?;
        let source = sources.add(path, text.clone());
        self.texts.push((path.to_owned(), bytes));
        let document = cx.parse(path, &text, source)?;
        let index = self.files.len();
        self.paths.push((path.to_owned(), from));
        self.files.push(Parsed { source, document: KdlDocument::new(), includes: Vec::new() });
        open.push(path.to_owned());
        let mut includes = Vec::new();
        for (at, kdl) in document.nodes().iter().enumerate().filter(|(_, kdl)| kdl.name().value() == "include") {
            let node = Node::new(cx, source, kdl, &FILE);
            let target = node.arg::<String>(0, "the path of a file");
            node.finish();
            let Some(target) = target else { continue };
            let next = relative(path, &target);
            if let Some(included) = self.include(files, &next, target.span, open, cx, sources) {
                includes.push((at, included));
            }
        }
        open.pop();
        if let Some(file) = self.files.get_mut(index) {
            file.document = document;
            file.includes = includes;
        }
        Some(index)
    }

    fn include(
        &mut self,
        files: &dyn Files,
        path: &str,
        span: Span,
        open: &mut Vec<String>,
        cx: &Cx,
        sources: &mut Sources,
    ) -> Option<usize> {
        let refuse = |message: String, help: String| {
            cx.report(Diag::at(Code::BadInclude, span, message).label("included here").help(help));
            None
        };
        if open.iter().any(|known| known == path) {
            let mut way: Vec<&str> = open.iter().map(String::as_str).skip_while(|known| *known != path).collect();
            way.push(path);
            return refuse(
                format!("`{path}` includes itself"),
                format!("the way round is {}: remove one of these includes", way.join(" → ")),
            );
        }
        if let Some((_, first)) = self.paths.iter().find(|(known, _)| known == path) {
            let diag = Diag::at(Code::BadInclude, span, format!("`{path}` is included twice"))
                .label("again here")
                .help("one include is enough: remove this one");
            let other = first.map(|first| Diag::at(Code::BadInclude, first, "the first include").label("first here"));
            cx.report(other.into_iter().fold(diag, Diag::also));
            return None;
        }
        if open.len() >= DEEPEST_INCLUDE {
            return refuse(
                format!("includes are nested deeper than {DEEPEST_INCLUDE}"),
                "include the file from one of the outer files".to_owned(),
            );
        }
        if self.files.len() >= MOST_FILES {
            return refuse(format!("more than {MOST_FILES} files"), "join some of them".to_owned());
        }
        self.add(files, path, Some(span), open, cx, sources)
    }
}

/// Bytes as text, with a report of the first bad place.
pub(super) fn utf8(path: &str, bytes: &[u8], from: Option<Span>, cx: &Cx) -> Option<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text.to_owned()),
        Err(bad) => {
            let good = &bytes[..bad.valid_up_to()];
            let line = good.split(|byte| *byte == b'\n').count();
            let message = format!("`{path}` is not UTF-8: line {line} holds bytes that are no text");
            let diag = from.map_or_else(
                || Diag::nowhere(Code::Unreadable, message.clone()),
                |span| Diag::at(Code::Unreadable, span, message.clone()).label("this file"),
            );
            cx.report(
                diag.help(format!("save the file as UTF-8; the first bad byte is byte {}", bad.valid_up_to() + 1)),
            );
            None
        }
    }
}

fn unreadable(path: &str, why: &str, from: Option<Span>) -> Diag {
    match from {
        Some(span) => Diag::at(Code::BadInclude, span, format!("`{path}` can't be read: {why}"))
            .label("expected the path of a file")
            .help("the path is taken relative to the file that includes it"),
        None => Diag::nowhere(Code::Unreadable, format!("`{path}` can't be read: {why}"))
            .help("name another file with `-f FILE`"),
    }
}

/// A path relative to the folder of another file, with `.` and `..` taken out.
fn relative(from: &str, target: &str) -> String {
    let folder = from.rfind('/').map_or("", |cut| &from[..=cut]);
    let joined = if target.starts_with('/') { target.to_owned() } else { format!("{folder}{target}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." && parts.last().is_some_and(|last| *last != "..") {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    let root = if joined.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::relative;

    #[test]
    fn an_include_is_relative_to_the_file_that_says_it() {
        assert_eq!(relative("cluster.kdl", "hosts.kdl"), "hosts.kdl");
        assert_eq!(relative("a/b/cluster.kdl", "../hosts.kdl"), "a/hosts.kdl");
        assert_eq!(relative("/etc/es/cluster.kdl", "./x/./y.kdl"), "/etc/es/x/y.kdl");
        assert_eq!(relative("a.kdl", "/etc/b.kdl"), "/etc/b.kdl");
        assert_eq!(relative("a.kdl", "../../b.kdl"), "../../b.kdl");
    }
}
