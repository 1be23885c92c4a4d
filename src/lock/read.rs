//! Reading `cluster.lock`. It is written by us, and merged by people: every mistake gets its place.

use super::{Key, Lock, Locked, LockedFile};
use crate::desired::Part;
use crate::diag::{Code, Diag, Diagnostics, SourceId, Span};
use crate::model::{Digest, ModuleName, Version};
use crate::syntax;
use kdl::{KdlDocument, KdlEntry, KdlNode, KdlValue};

/// Longest file, in bytes: some hundred thousand artifacts.
const MAX_BYTES: usize = 32 << 20;

/// Mistakes that are worth showing.
const MAX_MISTAKES: usize = 50;

/// What helps with any mistake in this file.
const HELP: &str = "restore the file from version control, or delete it and run `esplan lock`";

pub(super) fn lock(text: &str, source: SourceId) -> (Option<Lock>, Diagnostics) {
    let mut reader = Reader { source, found: Diagnostics::new() };
    let lock = reader.read(text);
    (lock.filter(|_| reader.found.is_empty()), reader.found)
}

struct Reader {
    source: SourceId,
    found: Diagnostics,
}

impl Reader {
    fn read(&mut self, text: &str) -> Option<Lock> {
        if text.len() > MAX_BYTES {
            self.bad(self.span(0, 0), "the lock file is larger than 32 MiB", "too large");
            return None;
        }
        let document = match syntax::parse("cluster.lock", text, self.source, Code::BadLock) {
            Ok(document) => document,
            Err(found) => {
                for diag in found {
                    self.found.push(diag.help(HELP));
                }
                return None;
            }
        };
        self.head(&document);
        let mut lock = Lock::default();
        for node in document.nodes().iter().filter(|node| node.name().value() != "lock") {
            if node.name().value() != "artifact" {
                self.stranger(node);
                continue;
            }
            let Some((key, locked)) = self.artifact(node) else { continue };
            if lock.artifacts.contains_key(&key) {
                self.bad(self.of(node), &format!("{key} is locked twice"), "again here");
            }
            lock.artifacts.insert(key, locked);
        }
        Some(lock)
    }

    fn head(&mut self, document: &KdlDocument) {
        let heads: Vec<_> = document.nodes().iter().filter(|node| node.name().value() == "lock").collect();
        let format = heads.first().and_then(|node| node.get("format")).and_then(KdlValue::as_integer);
        match (heads.as_slice(), format) {
            ([_], Some(1)) => {}
            ([node], _) => {
                let place = self.at(node, "format");
                self.bad(place, "the lock file has another format than this program reads", "expected format=1");
            }
            ([], _) => self.bad(self.span(0, 0), "the line `lock format=1` is missing", "expected lock format=1"),
            ([_, second, ..], _) => self.bad(self.of(second), "`lock` is given twice", "again here"),
        }
    }

    fn artifact(&mut self, node: &KdlNode) -> Option<(Key, Locked)> {
        self.known(node, &["plugin", "version", "source"], 1);
        let module = self.argument(node).and_then(|text| self.checked(self.of(node), ModuleName::new(&text)));
        let place = self.at(node, "version");
        let version = self.text(node, "version").and_then(|text| self.checked(place, Version::parse(&text)));
        let plugin = if node.get("plugin").is_some() { Some(self.text(node, "plugin")?) } else { None };
        let source = self.text(node, "source");
        let (mut files, mut bundle, mut system) = (Vec::new(), None, None);
        for child in node.children().map_or(&[][..], KdlDocument::nodes) {
            match child.name().value() {
                "file" => {
                    self.known(child, &["sha256", "size"], 1);
                    if let (Some(name), Some((sha256, size))) = (self.argument(child), self.content(child)) {
                        files.push(LockedFile { name, sha256, size });
                    }
                }
                "bundle" if bundle.is_none() => bundle = self.bundle(child),
                "system" if system.is_none() => {
                    self.known(child, &[], 1);
                    system = self.argument(child);
                }
                other => self.bad(self.of(child), &format!("`{other}` has no place here"), "not expected here"),
            }
        }
        let key = Key { module: module?, plugin, version: version? };
        if bundle.is_some() == system.is_some() {
            let message = format!("{key} has either a `bundle` or a `system` program");
            self.bad(self.of(node), &message, "expected one of them in its block");
        }
        Some((key, Locked { source: source?, files, bundle, system }))
    }

    fn bundle(&mut self, node: &KdlNode) -> Option<Part> {
        self.known(node, &["sha256", "size", "into"], 1);
        let name = self.argument(node)?;
        let into = if node.get("into").is_some() { self.text(node, "into")? } else { String::new() };
        // Both become part of a path on a host.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            let message = format!("`{name}` is not the name of a bundle");
            self.bad(self.of(node), &message, "expected letters, digits, '.', '-', '_' and '+'");
        }
        let step = |step: &str| !matches!(step, "" | "." | "..") && step.chars().all(plain);
        if !into.is_empty() && !into.split('/').all(step) {
            let place = self.at(node, "into");
            self.bad(place, &format!("`{into}` is not a folder below the software"), "expected a relative path");
        }
        let (bundle, size) = self.content(node)?;
        Some(Part { bundle, name, size, into })
    }

    fn content(&mut self, node: &KdlNode) -> Option<(Digest, u64)> {
        let place = self.at(node, "sha256");
        let sha256 = self.text(node, "sha256").and_then(|text| self.checked(place, Digest::parse(&text)));
        let size = node.get("size").and_then(KdlValue::as_integer).and_then(|size| u64::try_from(size).ok());
        if size.is_none() {
            self.bad(self.at(node, "size"), "`size` is missing, or no number of bytes", "expected a whole number");
        }
        Some((sha256?, size?))
    }

    fn argument(&mut self, node: &KdlNode) -> Option<String> {
        let value = node.entries().iter().find(|entry| entry.name().is_none()).map(KdlEntry::value);
        self.string(node, value, "its name")
    }

    fn text(&mut self, node: &KdlNode, property: &str) -> Option<String> {
        self.string(node, node.get(property), &format!("`{property}`"))
    }

    fn string(&mut self, node: &KdlNode, value: Option<&KdlValue>, what: &str) -> Option<String> {
        let text = value.and_then(KdlValue::as_string);
        if text.is_none() {
            self.bad(self.of(node), &format!("{what} is missing, or not a text"), "expected a text");
        }
        text.map(str::to_owned)
    }

    fn checked<T>(&mut self, place: Span, value: Result<T, impl std::error::Error>) -> Option<T> {
        value.map_err(|error| self.bad(place, &error.to_string(), "not as this program wrote it")).ok()
    }

    /// A node that no lock file has: often what a merge has left.
    fn stranger(&mut self, node: &KdlNode) {
        let name = node.name().value();
        if self.found.len() < MAX_MISTAKES && ["<<<<", "====", ">>>>"].iter().any(|mark| name.starts_with(mark)) {
            let diag = Diag::at(Code::BadLock, self.of(node), "`cluster.lock` has a merge conflict").label("its mark");
            self.found.push(diag.help("keep the artifacts of both sides, remove the marks, and run `esplan lock`"));
        } else {
            self.bad(self.of(node), &format!("`{name}` is not part of a lock file"), "expected `artifact`");
        }
    }

    /// Reports properties that nobody knows or that are said twice, and arguments beyond `arguments`.
    fn known(&mut self, node: &KdlNode, properties: &[&str], arguments: usize) {
        let mut seen = Vec::new();
        for entry in node.entries() {
            let name = entry.name().map(kdl::KdlIdentifier::value);
            let fine = match name {
                None => seen.iter().filter(|seen| **seen == name).count() < arguments,
                Some(property) => properties.contains(&property) && !seen.contains(&name),
            };
            if !fine {
                let span = self.span(entry.span().offset(), entry.span().len());
                let message = format!("`{}` is unknown here, or given twice", entry.to_string().trim());
                self.bad(span, &message, "not expected here");
            }
            seen.push(name);
        }
    }

    fn of(&self, node: &KdlNode) -> Span {
        self.span(node.name().span().offset(), node.name().span().len())
    }

    /// The place of a property's value, or of the node when it has none.
    fn at(&self, node: &KdlNode, property: &str) -> Span {
        let entry = node.entries().iter().find(|entry| entry.name().is_some_and(|name| name.value() == property));
        entry.map_or_else(|| self.of(node), |entry| self.span(entry.span().offset(), entry.span().len()))
    }

    const fn span(&self, start: usize, len: usize) -> Span {
        Span { source: self.source, start, len }
    }

    fn bad(&mut self, span: Span, message: &str, label: &str) {
        if self.found.len() < MAX_MISTAKES {
            self.found.push(Diag::at(Code::BadLock, span, message).label(label).help(HELP));
        }
    }
}
