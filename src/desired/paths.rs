//! Where things are below a host's prefix. Nothing that a module renders may lead out of it.

use crate::model::RoleId;

/// Longest path that we make, in bytes. A Unix socket's path has at most 107.
const MAX_PATH: usize = 255;

/// What stands in a generation's folder beside rendered files, or is written by us.
const OURS: [&str; 7] =
    ["about.json", "launch", "manifest", "restart-generation", "software", "supervisor.conf", "systemd.service"];

/// The folders of one instance, absolute.
#[derive(Debug, Clone)]
pub(super) struct Folders {
    /// Everything of ours on the host.
    pub(super) prefix: String,
    /// What the service keeps.
    pub(super) data: String,
    /// What it says.
    pub(super) log: String,
    /// What it needs only while it runs.
    pub(super) run: String,
    /// Temporary files.
    pub(super) tmp: String,
    /// Its generations.
    pub(super) conf: String,
}

impl Folders {
    /// The folders of a role.
    pub(super) fn of(prefix: &str, role: &RoleId) -> Self {
        Self {
            prefix: prefix.to_owned(),
            data: format!("{prefix}/data/{role}"),
            log: format!("{prefix}/log/{role}"),
            run: format!("{prefix}/run/{role}"),
            tmp: format!("{prefix}/run/{role}/tmp"),
            conf: format!("{prefix}/conf/{role}"),
        }
    }

    /// The current generation.
    pub(super) fn current(&self) -> String {
        format!("{}/current", self.conf)
    }

    /// Where a placed file may be: below a folder that is the instance's own.
    pub(super) fn placed(&self, path: &str) -> Result<(), &'static str> {
        let mut own = [&self.data, &self.log, &self.run].into_iter();
        let inside = own.find_map(|folder| path.strip_prefix(folder.as_str())?.strip_prefix('/'));
        match inside {
            None => Err("a file outside the generation goes below `dirs.data`, `dirs.log` or `dirs.run`"),
            Some(_) if path.len() > MAX_PATH => Err("a path has at most 255 bytes"),
            Some(inside) if !is_clean(inside) => Err(UNCLEAN),
            Some(_) => Ok(()),
        }
    }
}

/// What is wrong with a path that is not clean.
const UNCLEAN: &str = "a path consists of names with slashes between them: printable ASCII, and no `.` or `..`";

/// Checks a path in a generation's folder.
pub(super) fn in_generation(path: &str) -> Result<(), &'static str> {
    match path {
        _ if !is_clean(path) => Err(UNCLEAN),
        _ if path.len() > MAX_PATH => Err("a path has at most 255 bytes"),
        _ if OURS.contains(&path) => Err("this name is taken: the tool writes a file of that name itself"),
        _ => Ok(()),
    }
}

/// Checks the folder that everything on a host is below. It goes into scripts, URLs and the supervisor's own syntax.
pub(super) fn prefix(path: &str) -> Result<(), &'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | '@');
    match path.strip_prefix('/') {
        None => Err("the prefix is an absolute path"),
        Some(rest) if !is_clean(rest) || !path.chars().all(plain) => {
            Err("the prefix consists of names with slashes between them: letters, digits and `.-_+@`")
        }
        Some(_) if path.len() > 70 => Err("the prefix has at most 70 bytes: a control socket's path must fit below it"),
        Some(_) => Ok(()),
    }
}

fn is_clean(path: &str) -> bool {
    let printable = |c: char| matches!(c, ' '..='~') && c != '\\';
    path.chars().all(printable) && path.split('/').all(|name| !matches!(name, "" | "." | ".."))
}
