//! Collects the entries of an archive: contents go to a temporary file at once, only names stay in memory. Then the
//! canonical tar is written from it, sorted.

use super::Limits;
use super::path::{join, parent};
use super::refusal::{Refusal, shown};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

/// Links in a row that are followed before a target counts as leading out.
const MAX_HOPS: u32 = 40;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Folder,
    File { at: u64, len: u64, executable: bool },
    Link { target: String },
}

/// The entries of a bundle that is being made.
#[derive(Debug)]
pub(super) struct Spool {
    data: BufWriter<File>,
    at: u64,
    entries: BTreeMap<String, Kind>,
    /// Bytes of paths and targets: what is held in memory.
    names: u64,
    seen: u64,
    input: u64,
    limits: Limits,
}

impl Spool {
    /// An empty spool whose contents go to `data`.
    pub(super) fn new(data: File, limits: Limits) -> Self {
        Self { data: BufWriter::new(data), at: 0, entries: BTreeMap::new(), names: 0, seen: 0, input: 0, limits }
    }

    /// The limits.
    pub(super) const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Says how many bytes the next archive has: growth is measured against it.
    pub(super) const fn add_input(&mut self, bytes: u64) {
        self.input = self.input.saturating_add(bytes);
    }

    /// Counts an entry of the archive, also one that is not kept.
    pub(super) const fn count(&mut self) -> Result<(), Refusal> {
        self.seen += 1;
        if self.seen > self.limits.entries {
            return Err(Refusal::TooMuch { limit: self.limits.entries, what: "entries" });
        }
        Ok(())
    }

    /// Whether nothing was kept.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a folder; the same one may come twice.
    pub(super) fn folder(&mut self, path: &str) -> Result<(), Refusal> {
        self.parents(path)?;
        match self.entries.get(path) {
            None if path.is_empty() => Ok(()),
            None => self.keep(path, Kind::Folder),
            Some(Kind::Folder) => Ok(()),
            Some(_) => Err(Refusal::path(path.as_bytes(), "comes twice, as a file and as a folder")),
        }
    }

    /// Adds a symbolic link; where it leads is judged when all entries are known.
    pub(super) fn link(&mut self, path: &str, target: &[u8]) -> Result<(), Refusal> {
        let out = || Refusal::LinkOut { entry: shown(path.as_bytes()), target: shown(target) };
        let target = std::str::from_utf8(target).map_err(|_| out())?;
        let odd = target.is_empty() || target.len() > 1024 || target.contains('\\');
        if odd || target.starts_with('/') || target.chars().any(char::is_control) {
            return Err(out());
        }
        self.insert(path, Kind::Link { target: target.to_owned() })
    }

    /// Adds a file with everything that `content` gives.
    pub(super) fn file(&mut self, path: &str, executable: bool, content: impl Read) -> Result<(), Refusal> {
        let at = self.at;
        let len = self.copy(content)?;
        self.insert(path, Kind::File { at, len, executable })
    }

    fn copy(&mut self, mut content: impl Read) -> Result<u64, Refusal> {
        let mut buffer = vec![0u8; 64 * 1024];
        let mut len = 0u64;
        loop {
            let count = match content.read(&mut buffer) {
                Ok(0) => return Ok(len),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Refusal::read(error)),
            };
            len += count as u64;
            self.at += count as u64;
            self.limits.check_growth(self.at, self.input)?;
            self.data.write_all(&buffer[..count]).map_err(Refusal::Disk)?;
        }
    }

    fn insert(&mut self, path: &str, kind: Kind) -> Result<(), Refusal> {
        if path.is_empty() {
            return Err(Refusal::path(path.as_bytes(), "is the top folder, but not a folder"));
        }
        self.parents(path)?;
        if self.entries.contains_key(path) {
            return Err(Refusal::path(path.as_bytes(), "comes twice"));
        }
        self.keep(path, kind)
    }

    fn keep(&mut self, path: &str, kind: Kind) -> Result<(), Refusal> {
        let target = if let Kind::Link { target } = &kind { target.len() } else { 0 };
        self.names += (path.len() + target) as u64;
        if self.names > self.limits.names {
            return Err(Refusal::TooMuch { limit: self.limits.names, what: "bytes of names" });
        }
        self.entries.insert(path.to_owned(), kind);
        if self.entries.len() as u64 > self.limits.entries {
            return Err(Refusal::TooMuch { limit: self.limits.entries, what: "entries" });
        }
        Ok(())
    }

    /// Every folder above an entry becomes an entry of its own; a file or link above it is refused.
    fn parents(&mut self, path: &str) -> Result<(), Refusal> {
        let mut above = parent(path);
        while !above.is_empty() {
            match self.entries.get(above) {
                None => self.keep(above, Kind::Folder)?,
                Some(Kind::Folder) => return Ok(()),
                Some(Kind::File { .. } | Kind::Link { .. }) => {
                    return Err(Refusal::path(path.as_bytes(), "is below something that is not a folder"));
                }
            }
            above = parent(above);
        }
        Ok(())
    }

    /// Judges what can only be judged when all entries are known.
    fn check(&self) -> Result<(), Refusal> {
        let mut folded = BTreeSet::new();
        for (path, kind) in &self.entries {
            let lower = path.to_lowercase();
            let twin = lower != *path && (self.entries.contains_key(&lower) || !folded.insert(lower));
            if twin {
                return Err(Refusal::path(path.as_bytes(), "differs from another one by upper and lower case only"));
            }
            if let Kind::Link { target } = kind {
                self.resolve(parent(path), target, &mut 0).ok_or_else(|| Refusal::LinkOut {
                    entry: shown(path.as_bytes()),
                    target: shown(target.as_bytes()),
                })?;
            }
        }
        Ok(())
    }

    /// Where `target`, seen from the folder `from`, leads inside the bundle; `None` when it leads out. Links on the way
    /// are followed as the system would. What does not exist is taken as a folder.
    fn resolve(&self, from: &str, target: &str, hops: &mut u32) -> Option<String> {
        *hops += 1;
        if *hops > MAX_HOPS {
            return None;
        }
        let mut place = from.to_owned();
        for segment in target.split('/') {
            match segment {
                "" | "." => {}
                ".." if place.is_empty() => return None,
                ".." => place = parent(&place).to_owned(),
                segment => {
                    let next = join(&place, segment);
                    place = match self.entries.get(&next) {
                        Some(Kind::Link { target }) => self.resolve(&place, target, hops)?,
                        _ => next,
                    };
                }
            }
        }
        Some(place)
    }

    /// Writes the canonical tar: sorted, without times and owners, two permission modes.
    pub(super) fn write(self, out: impl Write) -> Result<(), Refusal> {
        self.check()?;
        let mut data = BufReader::new(self.data.into_inner().map_err(|e| Refusal::Disk(e.into_error()))?);
        let mut tar = tar::Builder::new(out);
        for (path, kind) in &self.entries {
            let mut header = tar::Header::new_gnu();
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_size(0);
            let written = match kind {
                Kind::Folder => {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_mode(0o755);
                    tar.append_data(&mut header, format!("{path}/"), io::empty())
                }
                Kind::Link { target } => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_mode(0o777);
                    tar.append_link(&mut header, path, target)
                }
                Kind::File { at, len, executable } => {
                    header.set_entry_type(tar::EntryType::Regular);
                    header.set_mode(if *executable { 0o755 } else { 0o644 });
                    header.set_size(*len);
                    data.seek(SeekFrom::Start(*at)).map_err(Refusal::Disk)?;
                    tar.append_data(&mut header, path, data.by_ref().take(*len))
                }
            };
            written.map_err(Refusal::Disk)?;
        }
        tar.into_inner().and_then(|mut out| out.flush()).map_err(Refusal::Disk)
    }
}
