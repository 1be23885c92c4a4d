//! The controller's cache: `store/<sha256>-name` holds what was fetched, `bundle/<sha256>-NAME.tar` what was made of it.
//!
//! A file is written beside its place and renamed when it is whole and synced, so a name always stands for complete
//! bytes, also with two programs at once. Bytes are compared with the name whenever they are used.

use super::ArtifactError;
use super::bundle::Layout;
use crate::desired::Part;
use crate::lock::LockedFile;
use crate::model::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::{NamedTempFile, TempDir};

/// Left-over temporary files are removed when they are older.
const STALE: Duration = Duration::from_hours(24);
/// Names begin with this until they are whole.
const ASIDE: &str = ".tmp-";

/// The controller's cache of artifacts.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// How a bundle was made: enough to make it again without the modules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Made {
    pub(super) files: Vec<StoredFile>,
    pub(super) layout: Layout,
    pub(super) bundle: Digest,
    pub(super) size: u64,
}

/// A file of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredFile {
    pub(super) name: String,
    pub(super) sha256: Digest,
    pub(super) size: u64,
}

impl From<&StoredFile> for LockedFile {
    fn from(file: &StoredFile) -> Self {
        Self { name: file.name.clone(), sha256: file.sha256, size: file.size }
    }
}

impl Cache {
    /// `$XDG_CACHE_HOME/es_cluster`, or `~/.cache/es_cluster`.
    pub fn default_dir() -> Result<PathBuf, ArtifactError> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
        base.map(|base| base.join("es_cluster")).ok_or(ArtifactError::NoHome)
    }

    /// Opens a cache, making its folders and removing what crashed runs left long ago.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, ArtifactError> {
        let cache = Self { root: root.into() };
        for folder in [cache.store(), cache.bundles(), cache.records()] {
            fs::create_dir_all(&folder).map_err(ArtifactError::disk("make the folder", &folder))?;
            sweep(&folder);
        }
        sweep(&cache.root);
        Ok(cache)
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a bundle is, when it is there.
    pub fn bundle_path(&self, part: &Part) -> PathBuf {
        self.bundles().join(part.file_name())
    }

    /// Where a fetched file is, when it is there.
    pub fn file_path(&self, file: &LockedFile) -> PathBuf {
        self.store().join(format!("{}-{}", file.sha256, file.name))
    }

    fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    fn bundles(&self) -> PathBuf {
        self.root.join("bundle")
    }

    fn records(&self) -> PathBuf {
        self.root.join("made")
    }

    /// Whether a bundle is there with its right length; its bytes are compared when it is used.
    pub(super) fn has_bundle(&self, part: &Part) -> bool {
        fs::metadata(self.bundle_path(part)).is_ok_and(|meta| meta.is_file() && meta.len() == part.size)
    }

    /// Whether a fetched file is there with its right length.
    pub(super) fn has_file(&self, file: &LockedFile) -> bool {
        fs::metadata(self.file_path(file)).is_ok_and(|meta| meta.is_file() && meta.len() == file.size)
    }

    /// The path of a bundle whose bytes were just compared with its digest; `None` when it is not there.
    pub(super) fn verified_bundle(&self, part: &Part) -> Result<Option<PathBuf>, ArtifactError> {
        let path = self.bundle_path(part);
        Ok(verified(&path, part.bundle)?.map(|_| path))
    }

    /// A fetched file, open at its start, whose bytes were just compared with its digest; `None` when it is not there.
    pub(super) fn verified_file(&self, file: &LockedFile) -> Result<Option<File>, ArtifactError> {
        verified(&self.file_path(file), file.sha256)
    }

    /// A folder for a client to download into; removed when dropped.
    pub(super) fn workplace(&self) -> Result<TempDir, ArtifactError> {
        tempfile::Builder::new()
            .prefix(ASIDE)
            .tempdir_in(&self.root)
            .map_err(ArtifactError::disk("make a folder in", &self.root))
    }

    /// A nameless temporary file.
    pub(super) fn scratch(&self) -> Result<File, ArtifactError> {
        tempfile::tempfile_in(&self.root).map_err(ArtifactError::disk("make a file in", &self.root))
    }

    /// Takes a file of at most `limit` bytes into the store.
    pub(super) fn admit(&self, path: &Path, name: &str, limit: u64) -> Result<LockedFile, ArtifactError> {
        let file = File::open(path).map_err(ArtifactError::disk("read", path))?;
        let aside = aside(&self.store())?;
        let (sha256, size) = copy_hashed(file.take(limit.saturating_add(1)), aside.as_file())
            .map_err(ArtifactError::disk("copy", path))?;
        if size > limit {
            return Err(ArtifactError::TooLarge { file: path.display().to_string(), limit });
        }
        let locked = LockedFile { name: safe_name(name), sha256, size };
        place(aside, &self.file_path(&locked))?;
        Ok(locked)
    }

    /// Starts a bundle; [`Cache::finish_bundle`] gives it its name.
    pub(super) fn start_bundle(&self) -> Result<NamedTempFile, ArtifactError> {
        aside(&self.bundles())
    }

    /// Names a finished bundle by its digest and records how it was made.
    pub(super) fn finish_bundle(&self, aside: NamedTempFile, part: &Part, made: &Made) -> Result<(), ArtifactError> {
        place(aside, &self.bundle_path(part))?;
        self.record(&part.bundle.to_string(), made)
    }

    /// How the bundle with this digest was made on this machine.
    pub(super) fn made(&self, bundle: Digest) -> Option<Made> {
        self.recorded(&bundle.to_string()).filter(|made| made.bundle == bundle)
    }

    /// What a source with a fixed meaning (`source` is its whole text) led to before.
    pub(super) fn led_to(&self, source: &str) -> Option<Made> {
        self.recorded(&format!("source-{}", Digest::of(source.as_bytes())))
    }

    /// Remembers what a source led to.
    pub(super) fn remember(&self, source: &str, made: &Made) -> Result<(), ArtifactError> {
        self.record(&format!("source-{}", Digest::of(source.as_bytes())), made)
    }

    fn record(&self, name: &str, made: &Made) -> Result<(), ArtifactError> {
        let path = self.records().join(format!("{name}.json"));
        let text = serde_json::to_vec(made).map_err(|error| ArtifactError::disk("write", &path)(error.into()))?;
        write_whole(&path, &text)
    }

    /// A record that can't be read is as good as none: it is written again.
    fn recorded(&self, name: &str) -> Option<Made> {
        let path = self.records().join(format!("{name}.json"));
        let mut text = Vec::new();
        File::open(path).ok()?.take(4 * 1024 * 1024).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }
}

/// Writes a file beside its place, syncs it and renames it: it is either as before or whole.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ArtifactError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut aside = aside(folder)?;
    aside.write_all(bytes).map_err(ArtifactError::disk("write", path))?;
    place(aside, path)
}

/// Copies and hashes at once.
pub(super) fn copy_hashed(mut from: impl Read, mut to: impl Write) -> io::Result<(Digest, u64)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 256 * 1024];
    let mut size = 0u64;
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..count]);
        to.write_all(&buffer[..count])?;
        size += count as u64;
    }
    to.flush()?;
    Ok((Digest::from_bytes(hasher.finalize().into()), size))
}

/// A name that is safe as a file name everywhere: other characters become `_`.
pub(super) fn safe_name(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "._+-%~".contains(c) { c } else { '_' };
    let name: String = name.chars().take(150).map(safe).collect();
    if name.is_empty() || name.starts_with('.') { format!("_{name}") } else { name }
}

fn aside(folder: &Path) -> Result<NamedTempFile, ArtifactError> {
    // Readable by everybody who may read the folder, like any file that is written in place.
    use std::os::unix::fs::PermissionsExt as _;
    tempfile::Builder::new()
        .prefix(ASIDE)
        .permissions(fs::Permissions::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(ArtifactError::disk("make a file in", folder))
}

fn place(aside: NamedTempFile, path: &Path) -> Result<(), ArtifactError> {
    aside.as_file().sync_all().map_err(ArtifactError::disk("sync", path))?;
    aside.persist(path).map_err(|error| ArtifactError::disk("rename to", path)(error.error))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(ArtifactError::disk("sync", folder))
}

fn verified(path: &Path, expected: Digest) -> Result<Option<File>, ArtifactError> {
    use std::io::Seek as _;
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ArtifactError::disk("read", path)(error)),
    };
    let (found, _) = copy_hashed(&mut file, io::sink()).map_err(ArtifactError::disk("read", path))?;
    if found == expected {
        file.rewind().map_err(ArtifactError::disk("read", path))?;
        return Ok(Some(file));
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".corrupt");
    let aside = PathBuf::from(name);
    fs::rename(path, &aside).map_err(ArtifactError::disk("move away", path))?;
    Err(ArtifactError::Corrupt { path: path.to_owned(), found, aside })
}

/// Removes temporary files of runs that ended long ago. What can't be removed is left: it does no harm.
fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(ASIDE));
        let age = entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
        if ours && age.is_some_and(|age| age > STALE) {
            let path = entry.path();
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            if let Err(error) = removed {
                tracing::debug!(path = %path.display(), %error, "left-over not removed");
            }
        }
    }
}
