//! The stable names of mistakes. Every code has at least one case in `fixtures/bad/`; a test fails for one without.

use std::fmt;

macro_rules! codes {
    ($(#[doc = $doc:literal] $variant:ident = $name:literal,)+) => {
        /// What kind of mistake a diagnostic reports.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $(#[doc = $doc] $variant,)+ }

        impl Code {
            /// All codes, so that tests can demand a case for each.
            pub const ALL: &[Code] = &[$(Code::$variant,)+];

            /// The name as printed, e.g. `config::unknown-name`.
            pub const fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)+ }
            }

            /// What it means, in one sentence.
            pub const fn about(self) -> &'static str {
                match self { $(Code::$variant => $doc.trim_ascii(),)+ }
            }
        }
    };
}

codes! {
    /// The text is not KDL.
    Syntax = "kdl::syntax",
    /// The file is not UTF-8, too large, or nested too deep.
    Unreadable = "kdl::unreadable",
    /// A node, property or parameter that nobody knows.
    UnknownName = "config::unknown-name",
    /// Something required is absent.
    Missing = "config::missing",
    /// A value of the wrong type or out of range.
    WrongType = "config::wrong-type",
    /// The same thing was said twice.
    Duplicate = "config::duplicate",
    /// A reference to a host, label, role, module, parameter or setting that does not exist.
    Unresolved = "config::unresolved",
    /// A name that can't be used as a name.
    BadName = "config::bad-name",
    /// A host range that is empty, reversed or too large.
    BadRange = "config::bad-range",
    /// An include that is absent or includes itself.
    BadInclude = "config::bad-include",
    /// A template or an expression that can't be compiled.
    BadTemplate = "module::bad-template",
    /// A template that failed on the values it was given, or exceeded its limits.
    RenderFailed = "module::render-failed",
    /// Modules that need each other in a circle.
    Cycle = "module::cycle",
    /// A free `config` key that the module's template already sets.
    KeyConflict = "config::key-conflict",
    /// Two instances on one host bind the same port.
    PortConflict = "config::port-conflict",
    /// An id that is neither explicit nor the number in the host's name, or used twice.
    BadId = "config::bad-id",
    /// Something was accepted until a day that is over.
    Expired = "config::expired",
    /// Versions that do not work together.
    Incompatible = "config::incompatible",
    /// An artifact that `cluster.lock` does not hold.
    NotLocked = "lock::not-locked",
    /// `cluster.lock` can't be read.
    BadLock = "lock::bad-lock",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
