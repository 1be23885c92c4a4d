//! What can go wrong with an artifact, each with the next step.

use super::bundle::Refused;
use super::client::ClientError;
use crate::model::Digest;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why an artifact is not at hand.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// A file could not be read or written.
    #[error("can't {action} {}: {source}", .path.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no place for a cache.
    #[error("no place for a cache: set XDG_CACHE_HOME or HOME to an absolute path")]
    NoHome,
    /// A file of the cache does not have the bytes that its name says.
    #[error(
        "{} is corrupt: its bytes have sha256 {found}. It was moved to {}; run `esplan lock` to get it again",
        .path.display(), .aside.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The digest of its bytes.
        found: Digest,
        /// Where it is now.
        aside: PathBuf,
    },
    /// Something in use is not in `cluster.lock`.
    #[error("{what} is not in cluster.lock; run `esplan lock`")]
    NotLocked {
        /// Software or plugin, with its version.
        what: String,
    },
    /// Locked, but this machine does not have it.
    #[error("{what} is locked, but not in the cache of this machine ({}); run `esplan lock`, which fetches exactly the locked bytes", .cache.display())]
    NotCached {
        /// Software or plugin, with its version.
        what: String,
        /// The cache's folder.
        cache: PathBuf,
    },
    /// An archive was refused.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A client failed; shared, because one call may fetch for many.
    #[error("{0}")]
    Client(Arc<ClientError>),
    /// The file is not where the source looks.
    #[error("no {name} in {}", .looked.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", "))]
    Absent {
        /// Its name.
        name: String,
        /// Folders that were looked at.
        looked: Vec<PathBuf>,
    },
    /// A fetched file has another checksum than its source publishes.
    #[error("{file} is damaged: its {algorithm} is {found}, but {publisher} says {published}")]
    Checksum {
        /// The file.
        file: String,
        /// `sha1`, `sha256` or `sha512`.
        algorithm: &'static str,
        /// Of the bytes.
        found: String,
        /// What it should be.
        published: String,
        /// Who says so.
        publisher: String,
    },
    /// A download is larger than allowed.
    #[error("{file} has more than {limit} bytes")]
    TooLarge {
        /// The file.
        file: String,
        /// The limit.
        limit: u64,
    },
    /// A client ended well, but delivered something else than asked for.
    #[error("{client} delivered {found} instead of {expected}")]
    Unexpected {
        /// The client.
        client: &'static str,
        /// What was asked for.
        expected: String,
        /// What came.
        found: String,
    },
    /// The fetched bytes are not the locked ones.
    #[error(
        "{file}: the bytes are not the locked ones (sha256 {found}, cluster.lock says {locked}). If they were replaced on purpose, remove its entry from cluster.lock and run `esplan lock`"
    )]
    Mismatch {
        /// The file.
        file: String,
        /// Of the fetched bytes, or what is the matter.
        found: String,
        /// What the lock says.
        locked: String,
    },
    /// Packing was interrupted inside this program.
    #[error("packing was interrupted")]
    Interrupted,
}

impl From<ClientError> for ArtifactError {
    fn from(error: ClientError) -> Self {
        Self::Client(Arc::new(error))
    }
}

impl ArtifactError {
    /// Names the file and the action of an I/O error.
    pub(super) fn disk(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Disk { action, path, source }
    }
}
