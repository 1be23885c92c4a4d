//! What a module tells `esplan import` about a folder of hand-made configuration.

use super::Name;
use indexmap::IndexMap;

/// How roles of a module are found in such a folder.
#[derive(Debug, Clone, Default)]
pub struct Import {
    /// Lists of hosts, each a role.
    pub lists: Vec<ImportList>,
    /// Settings of the service's own file, by their names there; a name may end in `*`.
    pub settings: IndexMap<String, ImportSetting>,
    /// Settings that the module sets by itself; a name may end in `*`.
    pub ours: Vec<String>,
    /// Settings whose values are secrets: they are never written down.
    pub secrets: Vec<String>,
    /// Lines of other files that begin with a text, and the parameter that the rest of the line is.
    pub lines: Vec<(String, String, Name)>,
}

/// A file `NAME.list` with a host on each line.
#[derive(Debug, Clone)]
pub struct ImportList {
    /// Its name, without `.list`.
    pub name: String,
    /// The role's label.
    pub label: Option<String>,
    /// Parameters of the role, as they stand in `cluster.kdl`.
    pub params: Vec<(Name, String)>,
}

/// A setting of the service's own file.
#[derive(Debug, Clone, Default)]
pub struct ImportSetting {
    /// The parameter that it becomes; without one it stays a setting.
    pub param: Option<Name>,
    /// What the vendor's software does when its file does not say.
    pub vendor: Option<String>,
    /// It is `true` or `false`, and says whether this word is in the parameter's list.
    pub word: Option<String>,
    /// Only what follows the last such text of its value counts.
    pub after: Option<String>,
    /// Only what begins with the first such text of its value counts.
    pub from: Option<String>,
    /// The unit of its numbers, such as `ms`.
    pub unit: String,
}
