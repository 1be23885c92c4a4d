//! Names: checked once, so that they are safe as path segments, ids and shell words everywhere.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Why a text can't be a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to 63 characters from a-z, 0-9, '-', '_' and '.', and starts with a letter or digit")]
pub struct BadName;

/// Whether a text is usable as a name.
pub fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    (1..=63).contains(&text.len()) && text.chars().all(allowed) && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

macro_rules! names {
    ($($(#[doc = $doc:literal])+ $name:ident;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Serialize, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema), schemars(with = "String", inline))]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        // As text. Most names that are compared are clones of one another, which where they are tells at once.
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.cmp(&other.0) }
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
            }
        }

        impl Eq for $name {}

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.0.hash(state);
            }
        }

        impl $name {
            /// Checks a text.
            ///
            /// # Errors
            /// When it is not a name.
            pub fn new(text: &str) -> Result<Self, BadName> {
                if is_name(text) { Ok(Self(text.into())) } else { Err(BadName) }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

names! {
    /// A host as `cluster.kdl` calls it.
    HostName;
    /// A module: the name of a file in `modules/`.
    ModuleName;
    /// A role: its module's name, with `-LABEL` when the role has a label (`elasticsearch "hot"` → `elasticsearch-hot`).
    RoleId;
    /// A service: its module's name, with `-SERVICE` when the role says `service="…"`.
    ServiceName;
    /// A parameter, setting, plugin or other thing that a module names.
    Name;
}

/// One role on one host: the unit that is stopped, started, gated and rolled back. Written `role@host`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(with = "String", inline))]
#[serde(try_from = "String", into = "String")]
pub struct InstanceId {
    /// The role.
    pub role: RoleId,
    /// The host.
    pub host: HostName,
}

impl InstanceId {
    /// One role on one host.
    pub fn new(role: RoleId, host: HostName) -> Self {
        Self { role, host }
    }
}

impl TryFrom<String> for InstanceId {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        let (role, host) = text.split_once('@').ok_or(BadName)?;
        Ok(Self { role: RoleId::new(role)?, host: HostName::new(host)? })
    }
}

impl From<InstanceId> for String {
    fn from(id: InstanceId) -> String {
        id.to_string()
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}@{}", self.role, self.host))
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
