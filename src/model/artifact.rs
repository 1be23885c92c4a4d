//! Where software comes from, as a module says it.

use super::{Expr, Template};
use crate::diag::Span;
use indexmap::IndexMap;

/// Where software comes from: sources are tried in order by `esplan lock`.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// The sources.
    pub sources: Vec<Source>,
    /// Place in the module's file.
    pub span: Span,
}

/// One way to get the software. Each leads to the same layout.
#[derive(Debug, Clone)]
pub struct Source {
    /// How.
    pub kind: SourceKind,
    /// The folder inside the archive that becomes the root of the software folder, a template.
    pub root: Option<Template>,
    /// Where what was fetched goes below the software folder (`into="lib"`), a template.
    pub into: Option<Template>,
    /// An expression over `version`: the source only applies when it holds.
    pub when: Option<Expr>,
    /// What the source calls our versions (`version-map "11.0.13"="11.0.13.1"`); templates of this source see it.
    pub version_map: IndexMap<String, String>,
    /// Place in the module's file.
    pub span: Span,
}

/// The kinds of sources. All texts are templates over `version` (and `plugin` for plugins).
#[derive(Debug, Clone)]
pub enum SourceKind {
    /// A file in the vendor folder (`--install DIR`) or the controller's `install/`.
    File {
        /// Its name.
        name: Template,
    },
    /// A download.
    Url {
        /// The address.
        url: Template,
        /// The checksum that the vendor publishes, in hexadecimal.
        sha512: Option<String>,
    },
    /// Coordinates `group:name:version:type`, fetched by the `mvn` client.
    Maven {
        /// The coordinates; several are resolved together.
        coordinates: Vec<Template>,
        /// All runtime dependencies too; the jars are not unpacked.
        with_dependencies: bool,
    },
    /// Wheels, fetched by `pip download`, unpacked into one folder. What they need is named too, each with its version.
    Pypi {
        /// `name==version`.
        requirements: Vec<Template>,
    },
    /// A Debian package, fetched by `apt-get download` and unpacked without root.
    Deb {
        /// `name` or `name=version`.
        package: Template,
    },
    /// Already on the host; observed, not pinned.
    System {
        /// The program whose presence is required, an absolute path or a name in `PATH`.
        program: Template,
    },
}

/// Plugins: assembled with the archive into one immutable folder.
#[derive(Debug, Clone)]
pub struct Plugins {
    /// Where a plugin goes below the software folder, a template over `plugin`.
    pub into: Template,
    /// An expression that must hold for each plugin (over `plugin.name`, `plugin.version`, `version`).
    pub accepts: Option<Expr>,
    /// Where plugins come from, by templates over `plugin.name` and `plugin.version`.
    pub sources: Vec<Source>,
}
