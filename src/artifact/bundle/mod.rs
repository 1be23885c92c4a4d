//! Makes bundles: whatever a source delivered becomes one uncompressed tar whose bytes depend on nothing but the
//! contents. Archives are untrusted: no entry escapes, and size, number and growth have limits. Contents stream through
//! a temporary file; only names are in memory.

mod deb;
mod path;
mod refusal;
mod spool;
mod stream;
mod tar;
#[cfg(test)]
mod tests;
mod zip;

pub(super) use path::inner_path;
pub use refusal::Refusal;

use path::{below, entry_path, join};
use spool::Spool;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use stream::Form;

/// Names at the top of an archive that an error lists.
const MAX_TOPS: usize = 12;

/// How much one bundle may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Entries, also those that are not kept.
    pub(super) entries: u64,
    /// Bytes of the names that are kept: they are in memory.
    pub(super) names: u64,
    /// Bytes that are kept.
    pub(super) unpacked: u64,
    /// Bytes of a decompressed stream.
    pub(super) stream: u64,
    /// How many times its own size an archive may unpack to, beyond [`Limits::always`].
    pub(super) ratio: u64,
    /// Bytes that any archive may unpack to.
    pub(super) always: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let gib = 1024 * 1024 * 1024;
        Self {
            entries: 100_000,
            names: 24 * 1024 * 1024,
            unpacked: 4 * gib,
            stream: 6 * gib,
            ratio: 100,
            always: 64 * 1024 * 1024,
        }
    }
}

impl Limits {
    const fn check_growth(&self, unpacked: u64, input: u64) -> Result<(), Refusal> {
        if unpacked > self.unpacked {
            return Err(Refusal::TooMuch { limit: self.unpacked, what: "unpacked bytes" });
        }
        if unpacked > self.always && unpacked > input.saturating_mul(self.ratio) {
            return Err(Refusal::Bomb { ratio: self.ratio });
        }
        Ok(())
    }
}

/// Where the content of what was fetched goes; both checked by [`inner_path`], empty when not given.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Layout {
    /// The folder of the archive whose content is kept.
    pub(super) root: String,
    /// The folder of the bundle that it goes into.
    pub(super) into: String,
    /// Files are placed as they are, archives too (jars with their dependencies).
    pub(super) as_it_is: bool,
}

/// A fetched file.
pub(super) struct Input<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// Its bytes, from the start.
    pub(super) file: &'a mut File,
}

/// An archive that was refused.
#[derive(Debug, thiserror::Error)]
#[error("{archive}: {why}")]
pub struct Refused {
    /// Its name.
    pub archive: String,
    /// Why.
    pub why: Refusal,
}

/// Writes the bundle of the fetched files to `out`. `scratch` takes their contents meanwhile.
pub(super) fn pack(
    inputs: &mut [Input<'_>],
    layout: &Layout,
    limits: Limits,
    scratch: File,
    out: impl Write,
) -> Result<(), Refused> {
    let mut spool = Spool::new(scratch, limits);
    for input in &mut *inputs {
        add(input, layout, &mut spool).map_err(|why| Refused { archive: input.name.to_owned(), why })?;
    }
    let names: Vec<&str> = inputs.iter().map(|input| input.name).collect();
    let refused = |why| Refused { archive: names.join(", "), why };
    if spool.is_empty() {
        return Err(refused(Refusal::Empty));
    }
    spool.write(out).map_err(refused)
}

fn add(input: &mut Input<'_>, layout: &Layout, spool: &mut Spool) -> Result<(), Refusal> {
    spool.add_input(input.file.metadata().map_err(Refusal::Disk)?.len());
    let mut start = Vec::with_capacity(stream::PEEK);
    input.file.seek(SeekFrom::Start(0)).map_err(Refusal::Disk)?;
    (&mut *input.file).take(stream::PEEK as u64).read_to_end(&mut start).map_err(Refusal::Disk)?;
    input.file.seek(SeekFrom::Start(0)).map_err(Refusal::Disk)?;
    let jar = std::path::Path::new(input.name).extension().is_some_and(|extension| extension == "jar");
    let form = Form::of(&start);
    if layout.as_it_is || form == Form::Unknown || (jar && layout.root.is_empty()) {
        spool.count()?;
        let program = start.starts_with(b"#!") || start.starts_with(b"\x7fELF");
        let path = join(&layout.into, &entry_path(input.name.as_bytes())?);
        return spool.file(&path, program, &mut *input.file);
    }
    let mut target = Target { spool, layout, tops: BTreeSet::new(), found: false };
    match form {
        Form::Zip => zip::read(input.file, &mut target)?,
        Form::Ar => deb::read(input.file, &mut target)?,
        _ => {
            let limit = target.limits().stream;
            tar::read(stream::tar_stream(&mut *input.file, limit)?, &mut target)?;
        }
    }
    target.finish()
}

/// Takes the entries of one archive: strips the root, adds `into`, checks places.
struct Target<'a> {
    spool: &'a mut Spool,
    layout: &'a Layout,
    tops: BTreeSet<String>,
    found: bool,
}

impl Target<'_> {
    const fn limits(&self) -> &Limits {
        self.spool.limits()
    }

    /// The place in the bundle; `None` for an entry outside of the root.
    fn place(&mut self, raw: &[u8]) -> Result<Option<String>, Refusal> {
        self.spool.count()?;
        let path = entry_path(raw)?;
        if self.tops.len() < MAX_TOPS
            && let Some(top) = path.split('/').next().filter(|top| !top.is_empty())
        {
            self.tops.insert(refusal::shown(top.as_bytes()));
        }
        let Some(rest) = below(&self.layout.root, &path) else { return Ok(None) };
        self.found = true;
        Ok(Some(if rest.is_empty() { String::new() } else { join(&self.layout.into, rest) }))
    }

    fn folder(&mut self, raw: &[u8]) -> Result<(), Refusal> {
        match self.place(raw)? {
            Some(path) if !path.is_empty() => self.spool.folder(&path),
            _ => Ok(()),
        }
    }

    fn file(&mut self, raw: &[u8], executable: bool, content: &mut impl Read) -> Result<(), Refusal> {
        match self.place(raw)? {
            Some(path) => self.spool.file(&path, executable, content),
            None => Ok(()),
        }
    }

    fn link(&mut self, raw: &[u8], target: &[u8]) -> Result<(), Refusal> {
        match self.place(raw)? {
            Some(path) => self.spool.link(&path, target),
            None => Ok(()),
        }
    }

    /// Something that is not taken; outside of the root it does not matter.
    fn other(&mut self, raw: &[u8], kind: &str) -> Result<(), Refusal> {
        match self.place(raw)? {
            Some(_) => Err(Refusal::kind(raw, kind)),
            None => Ok(()),
        }
    }

    fn finish(self) -> Result<(), Refusal> {
        if !self.layout.root.is_empty() && !self.found {
            let tops = self.tops.into_iter().collect();
            return Err(Refusal::NoRoot { root: self.layout.root.clone(), tops });
        }
        Ok(())
    }
}
