//! What a module needs of a host.

use super::Expr;

/// What the host must offer.
#[derive(Debug, Clone, Default)]
pub struct HostNeeds {
    /// Memory in bytes that an instance takes, an expression.
    pub memory: Option<Expr>,
    /// Bytes that must be left on the disk of the prefix when everything is unpacked, an expression.
    pub free_disk: Option<Expr>,
    /// Everything else.
    pub needs: Vec<HostNeed>,
}

/// One thing.
#[derive(Debug, Clone)]
pub struct HostNeed {
    /// What.
    pub kind: NeedKind,
    /// Whether the instance needs it, over its context; always when absent.
    pub when: Option<Expr>,
    /// Whether a host without it is only worth a warning.
    pub wish: bool,
}

/// What can be needed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum NeedKind {
    /// A kernel setting, at least or at most this.
    Sysctl {
        /// Its name, `vm.max_map_count`.
        name: String,
        /// The least value.
        at_least: Option<u64>,
        /// The largest value.
        at_most: Option<u64>,
    },
    /// Open files of a process, as the hard limit allows.
    OpenFiles(u64),
    /// Memory that a process may lock, as the hard limit allows: all of it.
    LockedMemory,
    /// No swap.
    NoSwap,
    /// Transparent huge pages are not used for everything.
    NoHugePages,
    /// A program in the path.
    Command {
        /// Its name.
        name: String,
        /// The package of the host's system that has it, when the module knows one.
        package: Option<String>,
    },
    /// The right to open raw sockets.
    RawSockets,
}

impl NeedKind {
    /// The name by which it is told and waived.
    pub fn name(&self) -> String {
        match self {
            Self::Sysctl { name, .. } => name.clone(),
            Self::OpenFiles(_) => "nofile".to_owned(),
            Self::LockedMemory => "memlock".to_owned(),
            Self::NoSwap => "swap".to_owned(),
            Self::NoHugePages => "huge-pages".to_owned(),
            Self::Command { name, .. } => format!("command.{name}"),
            Self::RawSockets => "raw-sockets".to_owned(),
        }
    }

    /// What is wanted, in a few words.
    pub fn wants(&self) -> String {
        match self {
            Self::Sysctl { at_least: Some(least), .. } | Self::OpenFiles(least) => format!("at least {least}"),
            Self::Sysctl { at_most: Some(most), .. } => format!("at most {most}"),
            Self::Sysctl { .. } => "set".to_owned(),
            Self::LockedMemory => "unlimited".to_owned(),
            Self::NoSwap => "off".to_owned(),
            Self::NoHugePages => "madvise or never".to_owned(),
            Self::Command { .. } => "it in the path".to_owned(),
            Self::RawSockets => "allowed".to_owned(),
        }
    }

    /// The program that is needed.
    pub fn program(&self) -> Option<&str> {
        match self {
            Self::Command { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Whether `allow` of a cluster may name it: it can be given to a host by us.
    pub const fn can_be_allowed(&self) -> bool {
        matches!(self, Self::Sysctl { .. } | Self::Command { package: Some(_), .. })
    }
}
