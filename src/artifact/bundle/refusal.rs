//! Why an archive was refused. Names of entries come from the archive, so they are escaped before people see them.

use std::io;

/// Why an archive was refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The place of an entry is not one that we would write to.
    #[error("the entry {entry} {why}; do not use this archive")]
    Path {
        /// The entry, escaped.
        entry: String,
        /// What is wrong with its place.
        why: &'static str,
    },
    /// An entry is neither a file, nor a folder, nor a symbolic link.
    #[error("the entry {entry} is {kind}; only files, folders and symbolic links are taken")]
    Kind {
        /// The entry, escaped.
        entry: String,
        /// What it is.
        kind: String,
    },
    /// A symbolic link leads out of the bundle.
    #[error("the link {entry} leads out of its folder, to {target}")]
    LinkOut {
        /// The entry, escaped.
        entry: String,
        /// Where it points, escaped.
        target: String,
    },
    /// The declared root is not in the archive.
    #[error("it has no folder {root:?}; at its top are: {}. correct `root` in the module", .tops.join(", "))]
    NoRoot {
        /// What the module says.
        root: String,
        /// The first names at the top.
        tops: Vec<String>,
    },
    /// It holds nothing.
    #[error("it holds no file")]
    Empty,
    /// A limit was reached.
    #[error("it has more than {limit} {what}")]
    TooMuch {
        /// The limit.
        limit: u64,
        /// Of what.
        what: &'static str,
    },
    /// It grows more than any real software does.
    #[error("it grows to more than {ratio} times its size: a compression bomb")]
    Bomb {
        /// The limit.
        ratio: u64,
    },
    /// A form that this build can't read.
    #[error("{what} can't be read here; {way_out}")]
    Unsupported {
        /// The form.
        what: &'static str,
        /// What to do instead.
        way_out: &'static str,
    },
    /// Broken or cut short.
    #[error("it is damaged or cut short: {0}")]
    Damaged(String),
    /// The disk failed us.
    #[error("can't write beside the cache: {0}")]
    Disk(#[source] io::Error),
}

impl Refusal {
    /// A refusal because of an entry's place.
    pub(super) fn path(entry: &[u8], why: &'static str) -> Self {
        Self::Path { entry: shown(entry), why }
    }

    /// A refusal because of what an entry is.
    pub(super) fn kind(entry: &[u8], kind: impl Into<String>) -> Self {
        Self::Kind { entry: shown(entry), kind: kind.into() }
    }

    /// An error while an archive was read: one of our own limits that came through a reader, or damage.
    pub(super) fn read(error: io::Error) -> Self {
        match error.downcast::<Refusal>() {
            Ok(refusal) => refusal,
            Err(error) => Self::Damaged(shown(error.to_string().as_bytes())),
        }
    }

    /// The refusal as an I/O error, to come out of a reader; [`Refusal::read`] takes it out again.
    pub(super) fn into_io(self) -> io::Error {
        io::Error::other(self)
    }
}

/// Bytes of an archive as people may see them: escaped, at most 120 characters.
pub(super) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown: String = text.chars().take(120).flat_map(char::escape_debug).collect();
    if text.chars().nth(120).is_some() {
        shown.push('…');
    }
    shown
}
