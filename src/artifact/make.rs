//! From fetched files to a bundle in the cache, and back to the files when a bundle has to be made again.

use super::bundle::{Input, Layout, Limits, pack};
use super::cache::{Made, StoredFile};
use super::{ArtifactError, Cache};
use crate::desired::Part;
use crate::lock::{Key, Locked, LockedFile};
use crate::model::Digest;
use sha2::{Digest as _, Sha256};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

/// The name of a bundle for people and for its file.
pub(super) fn part_name(key: &Key) -> String {
    match &key.plugin {
        None => format!("{}-{}", key.module, key.version),
        Some(plugin) => format!("{}-{plugin}-{}", key.module, key.version),
    }
}

/// Makes the bundle of these files of the store, and records how.
pub(super) fn make(
    cache: &Cache,
    files: &[LockedFile],
    layout: &Layout,
    name: String,
    into: String,
) -> Result<(Part, Made), ArtifactError> {
    let mut opened = Vec::new();
    for file in files {
        let Some(open) = cache.verified_file(file)? else {
            return Err(ArtifactError::NotCached { what: file.name.clone(), cache: cache.root().to_owned() });
        };
        opened.push((file.name.as_str(), open));
    }
    let mut inputs: Vec<_> = opened.iter_mut().map(|(name, file)| Input { name, file }).collect();
    let mut aside = cache.start_bundle()?;
    let (sha256, size) = {
        let mut out = Hashed { inner: BufWriter::new(aside.as_file_mut()), hasher: Sha256::new(), size: 0 };
        pack(&mut inputs, layout, Limits::default(), cache.scratch()?, &mut out)?;
        (Digest::from_bytes(out.hasher.finalize().into()), out.size)
    };
    let part = Part { bundle: sha256, name, size, into };
    let stored = |file: &LockedFile| StoredFile { name: file.name.clone(), sha256: file.sha256, size: file.size };
    let made = Made { files: files.iter().map(stored).collect(), layout: layout.clone(), bundle: sha256, size };
    cache.finish_bundle(aside, &part, &made)?;
    Ok((part, made))
}

/// Hashes and counts what goes through.
struct Hashed<W> {
    inner: W,
    hasher: Sha256,
    size: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Whether the bundle is in the cache, or can be made again from what is.
pub(super) fn is_at_hand(cache: &Cache, locked: &Locked) -> bool {
    let Some(part) = &locked.bundle else { return true };
    let again =
        || cache.made(part.bundle).is_some_and(|made| made.files.iter().all(|file| cache.has_file(&file.into())));
    cache.has_bundle(part) || again()
}

/// The path of a locked bundle in the cache, its bytes just verified; made again from the fetched files when the bundle
/// itself is gone. Downloads nothing.
///
/// # Errors
/// [`ArtifactError::NotLocked`] when nothing is locked for it, [`ArtifactError::NotCached`] when this machine has neither
/// the bundle nor its files, [`ArtifactError::Corrupt`] when bytes in the cache are wrong (they are moved aside).
pub fn ensure_bundle(cache: &Cache, key: &Key, locked: Option<&Locked>) -> Result<PathBuf, ArtifactError> {
    let what = super::needs::label(key);
    let Some(part) = locked.and_then(|locked| locked.bundle.as_ref()) else {
        return Err(ArtifactError::NotLocked { what });
    };
    ensure_part(cache, part)
}

/// As [`ensure_bundle`], for one part of a software.
pub fn ensure_part(cache: &Cache, part: &Part) -> Result<PathBuf, ArtifactError> {
    if let Some(path) = cache.verified_bundle(part)? {
        return Ok(path);
    }
    let absent = || ArtifactError::NotCached { what: part.name.clone(), cache: cache.root().to_owned() };
    let made = cache.made(part.bundle).ok_or_else(absent)?;
    let files: Vec<LockedFile> = made.files.iter().map(LockedFile::from).collect();
    if !files.iter().all(|file| cache.has_file(file)) {
        return Err(absent());
    }
    let (again, _) = make(cache, &files, &made.layout, part.name.clone(), part.into.clone())?;
    same_bundle(part, &again)?;
    Ok(cache.bundle_path(part))
}

/// Refuses a bundle that has other bytes than the locked one.
pub(super) fn same_bundle(locked: &Part, found: &Part) -> Result<(), ArtifactError> {
    if locked.bundle == found.bundle {
        return Ok(());
    }
    Err(ArtifactError::Mismatch {
        file: format!("{}.tar", locked.name),
        found: found.bundle.to_string(),
        locked: locked.bundle.to_string(),
    })
}
