//! What is known of processes that somebody started by hand, and that become ours.

use super::Name;
use indexmap::IndexMap;

/// What a module says about a process of its software that somebody else has started.
#[derive(Debug, Clone, Default)]
pub struct Recognition {
    /// Texts that are all in its command line.
    pub words: Vec<String>,
    /// Where its configuration file is, the first that applies.
    pub config: Vec<ConfigPlace>,
    /// The setting that names its data folder.
    pub data: Option<DataPlace>,
    /// A file in the data folder that holds its number, and the key before it when it is not alone there.
    pub id: Option<(String, Option<String>)>,
    /// Where its version stands.
    pub versions: Vec<VersionPlace>,
    /// Beginnings of words of its command line, and the parameter that the rest is.
    pub arguments: Vec<(String, Name)>,
}

/// Where a data folder is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataPlace {
    /// The setting.
    pub setting: String,
    /// Without it the process's working directory is the folder.
    pub else_cwd: bool,
}

/// Where a configuration file is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigPlace {
    /// The last word of the command line that ends so.
    Ends(String),
    /// In the folder that stands in the last word that begins so, under a name.
    Folder(String, String),
    /// At a path; below the process's working directory when it is not absolute.
    At(String),
}

/// Where a version stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionPlace {
    /// After a text in the path of the program, of an open file, or in a word of the command line.
    After(String),
    /// After a key in a file below the folder that holds the program's `bin`, with beginnings that are written otherwise here.
    File {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// Beginnings there and here.
        rewrite: IndexMap<String, String>,
    },
}

/// What a role says: it may run already, started by hand. Such a process is asked to end once, and started again as ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adopt {
    /// The folder that its data is in, which stays where it is.
    pub data: Option<String>,
}
