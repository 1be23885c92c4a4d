//! Secrets: values that are written into files on hosts and nowhere else, and what may be shown in their place.

use super::Digest;
use std::fmt;
use std::sync::Arc;

/// Memory in KiB, passes and lanes of Argon2id: what one guess of a value costs (a few hundredths of a second).
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);

/// A text that is never shown: it has no `Display` and no `Serialize`, and its `Debug` is masked.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(Arc<str>);

impl Hidden {
    /// Wraps a text.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text: only for writing it into a file that is marked secret, and for masking it elsewhere.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// A secret: its value, where that is known, and the mark that stands for it everywhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    value: Option<Hidden>,
    previous: Option<Hidden>,
    mark: Digest,
}

impl Secret {
    /// A secret whose value is known. `cluster` and `name` are part of its mark: the same value elsewhere has another one.
    pub fn new(cluster: &str, name: &str, value: &str) -> Self {
        let salt = Digest::of_parts([b"secret", cluster.as_bytes(), name.as_bytes()]);
        Self { mark: slow(&salt, value.as_bytes()), value: Some(Hidden::new(value)), previous: None }
    }

    /// A secret of which only the mark is known.
    pub const fn sealed(mark: Digest) -> Self {
        Self { value: None, previous: None, mark }
    }

    /// The value, where it is known.
    pub const fn value(&self) -> Option<&Hidden> {
        self.value.as_ref()
    }

    /// The same secret, and the value that it had before: what still runs with that is asked with it. It is written nowhere,
    /// and is no part of the mark.
    #[must_use]
    pub fn with_previous(self, previous: &str) -> Self {
        Self { previous: Some(Hidden::new(previous)), ..self }
    }

    /// The value that it had before, where that is told.
    pub const fn previous(&self) -> Option<&Hidden> {
        self.previous.as_ref()
    }

    /// What stands for the value in digests, and may be seen by everybody: another value has another mark, and a guess of
    /// the value costs the work of [`slow`].
    pub const fn mark(&self) -> Digest {
        self.mark
    }
}

/// A digest that is slow to make, so that what it is of can't be guessed by trying (Argon2id).
pub fn slow(salt: &Digest, bytes: &[u8]) -> Digest {
    let mut out = [0_u8; 32];
    let (memory, passes, lanes) = COST;
    let made = argon2::Params::new(memory, passes, lanes, Some(out.len())).and_then(|params| {
        let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        argon2.hash_password_into(bytes, salt.to_string().as_bytes(), &mut out)
    });
    // The parameters are constants that are good, and no text is too long. If it failed, all would have one mark.
    if made.is_err() {
        out = [0; 32];
    }
    Digest::from_bytes(out)
}
