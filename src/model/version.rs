//! Versions: 1 to 4 numeric parts and an optional suffix.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;

/// A version as vendors write it: `11.0.13`, `6.7.0`, `6.7.0.0`, `8u202` is not one. `1.2` equals `1.2.0` in order but
/// keeps its own text.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(with = "String", inline))]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    text: String,
    parts: [u64; 4],
    suffix: String,
}

/// Why a text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a version has 1 to 4 numbers with dots between them, and may end in '-suffix' or '+suffix'")]
pub struct BadVersion;

impl Version {
    /// Reads a version.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn parse(text: &str) -> Result<Self, BadVersion> {
        let cut = text.find(['-', '+']).unwrap_or(text.len());
        let (numbers, suffix) = text.split_at(cut);
        let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '_');
        if text.len() > 64 || suffix.len() == 1 || !suffix.chars().all(safe) {
            return Err(BadVersion);
        }
        let mut parts = [0u64; 4];
        for (index, number) in numbers.split('.').enumerate() {
            let all_digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
            let slot = parts.get_mut(index).filter(|_| all_digits).ok_or(BadVersion)?;
            *slot = number.parse().map_err(|_| BadVersion)?;
        }
        Ok(Self { text: text.to_owned(), parts, suffix: suffix.to_owned() })
    }

    /// The text as the operator wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The four numbers, absent ones as 0.
    pub const fn parts(&self) -> [u64; 4] {
        self.parts
    }

    /// Whether this version begins with the numbers of `prefix` (`11` matches `11.0.13`, `6.7` matches `6.7.0`).
    pub fn starts_with(&self, prefix: &Version) -> bool {
        let given = prefix.text[..prefix.text.len() - prefix.suffix.len()].split('.').count();
        self.parts[..given] == prefix.parts[..given]
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl std::hash::Hash for Version {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.parts.hash(state);
        self.suffix.hash(state);
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    /// By numbers; then a version with a `-suffix` (a pre-release) comes before the one without; then by suffix text.
    fn cmp(&self, other: &Self) -> Ordering {
        let release = |v: &Self| !v.suffix.starts_with('-');
        self.parts
            .cmp(&other.parts)
            .then_with(|| release(self).cmp(&release(other)))
            .then_with(|| self.suffix.cmp(&other.suffix))
    }
}

impl TryFrom<String> for Version {
    type Error = BadVersion;
    fn try_from(text: String) -> Result<Self, BadVersion> {
        Self::parse(&text)
    }
}

impl From<Version> for String {
    fn from(version: Version) -> String {
        version.text
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    fn v(text: &str) -> Version {
        Version::parse(text).expect(text)
    }

    #[test]
    fn versions_order_by_number_not_by_text() {
        assert!(v("6.10.0") > v("6.9.3"));
        assert!(v("7.10") > v("7.1"));
        assert_eq!(v("1.2"), v("1.2.0"));
        assert!(v("8.0.0-rc1") < v("8.0.0"));
    }

    #[test]
    fn a_prefix_matches_whole_numbers() {
        assert!(v("11.0.13").starts_with(&v("11")));
        assert!(!v("110.0").starts_with(&v("11")));
        assert!(v("6.7.0").starts_with(&v("6.7")));
    }

    #[test]
    fn what_is_not_a_version_is_refused() {
        for bad in ["", "8u202", "1.2.3.4.5", "1..2", "1.2-", "a.b", "1.2-x;y", "99999999999999999999"] {
            assert!(Version::parse(bad).is_err(), "{bad}");
        }
    }
}
