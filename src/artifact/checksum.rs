//! Checksums that sources publish: compared when there is one, besides our own sha256.

use super::ArtifactError;
use sha1::Sha1;
use sha2::{Digest, Sha512};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// What sources publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Sha1,
    Sha512,
}

impl Algorithm {
    /// What is added to a file's name for its checksum.
    pub(super) const fn extension(self) -> &'static str {
        match self {
            Self::Sha1 => ".sha1",
            Self::Sha512 => ".sha512",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha512 => "sha512",
        }
    }

    const fn digits(self) -> usize {
        match self {
            Self::Sha1 => 40,
            Self::Sha512 => 128,
        }
    }

    fn of(self, path: &Path) -> io::Result<String> {
        match self {
            Self::Sha1 => hash::<Sha1>(path),
            Self::Sha512 => hash::<Sha512>(path),
        }
    }
}

fn hash<H: Digest>(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = H::new();
    let mut buffer = vec![0u8; 256 * 1024];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
    }
    let mut text = String::new();
    for byte in hasher.finalize() {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// The checksum in a checksum file: its first word, when that is one. Some write only the digits, some add the name.
pub(super) fn published(text: &str, algorithm: Algorithm) -> Option<String> {
    let word = text.split_whitespace().next()?;
    let whole = word.len() == algorithm.digits() && word.bytes().all(|b| b.is_ascii_hexdigit());
    whole.then(|| word.to_ascii_lowercase())
}

/// Compares a file with what is published about it.
pub(super) fn compare(
    path: &Path,
    algorithm: Algorithm,
    published: &str,
    publisher: &str,
) -> Result<(), ArtifactError> {
    let found = algorithm.of(path).map_err(ArtifactError::disk("read", path))?;
    if found.eq_ignore_ascii_case(published) {
        return Ok(());
    }
    Err(ArtifactError::Checksum {
        file: path.display().to_string(),
        algorithm: algorithm.name(),
        found,
        published: published.to_owned(),
        publisher: publisher.to_owned(),
    })
}
