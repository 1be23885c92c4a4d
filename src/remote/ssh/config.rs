//! The operator's SSH configuration (`ssh_config(5)`), as far as it says how a host is reached.
//!
//! Written here, because the parsers that there are know neither `Match` nor tokens, and take the lines below a `Match`
//! for lines of the `Host` before it.

use super::pattern::{matches, matches_list};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Files included by files included by files…
const DEEPEST: usize = 16;
/// Largest file, in bytes.
const LARGEST: u64 = 4 << 20;

/// A file that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}: correct it (`ssh -G HOST` reads it too)", .path.display())]
pub struct BadConfig {
    /// Which.
    pub path: PathBuf,
    /// Why not.
    pub why: String,
}

/// When lines apply.
#[derive(Debug, Clone, PartialEq, Eq)]
enum When {
    Always,
    Host(Vec<String>),
    /// Criteria with their patterns.
    Match(Vec<(String, String)>),
}

/// One line.
#[derive(Debug, Clone)]
struct Line {
    /// All must apply: of the file, and of those that include it.
    when: Vec<When>,
    /// In small letters.
    keyword: String,
    words: Vec<String>,
}

/// All files, in the order in which they count: the first value of a keyword is taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Config {
    lines: Vec<Line>,
}

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Query<'a> {
    /// Names that a `Host` line may mean: the host's own, and its address.
    pub(super) names: &'a [&'a str],
    /// The login name so far, for `Match user`.
    pub(super) user: Option<&'a str>,
    /// Who runs us, for `Match localuser`.
    pub(super) local_user: &'a str,
}

/// What the files say about a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    first: BTreeMap<String, Vec<String>>,
    /// Every `IdentityFile`, in order.
    pub(super) identities: Vec<String>,
}

impl Found {
    /// The value of a keyword (in small letters): its first word.
    pub(super) fn one(&self, keyword: &str) -> Option<&str> {
        self.first.get(keyword)?.first().map(String::as_str)
    }

    /// All words of a keyword.
    pub(super) fn all(&self, keyword: &str) -> Option<&[String]> {
        self.first.get(keyword).map(Vec::as_slice)
    }
}

impl Config {
    /// Reads files; one that is not there is empty. Relative includes are below the folder of the file that is named.
    ///
    /// # Errors
    /// For a file that can't be read, or has a line that is no line.
    pub(super) fn read(files: &[PathBuf], home: &Path) -> Result<Self, BadConfig> {
        let mut config = Self::default();
        for file in files {
            let folder = file.parent().unwrap_or(Path::new("/")).to_owned();
            Reader { home, folder: &folder, depth: 0 }.file(file, &[], &mut config.lines)?;
        }
        Ok(config)
    }

    /// What applies to a host.
    pub(super) fn find(&self, query: Query<'_>) -> Found {
        let mut found = Found::default();
        for line in &self.lines {
            if !line.when.iter().all(|when| applies(when, query, &found)) {
                continue;
            }
            match line.keyword.as_str() {
                "identityfile" => found.identities.extend(line.words.first().cloned()),
                keyword => {
                    found.first.entry(keyword.to_owned()).or_insert_with(|| line.words.clone());
                }
            }
        }
        found
    }
}

fn applies(when: &When, query: Query<'_>, found: &Found) -> bool {
    match when {
        When::Always => true,
        When::Host(patterns) => matches_list(patterns.iter().map(String::as_str), query.names),
        When::Match(criteria) => criteria.iter().all(|(criterion, patterns)| {
            let (wanted, criterion) =
                criterion.strip_prefix('!').map_or((true, criterion.as_str()), |rest| (false, rest));
            let list = |names: &[&str]| matches_list(patterns.split(','), names) == wanted;
            match criterion {
                "all" => wanted,
                "originalhost" => list(query.names),
                "host" => match found.one("hostname") {
                    Some(name) if !name.contains('%') => list(&[name]),
                    _ => list(query.names),
                },
                "user" => list(&[query.user.or(found.one("user")).unwrap_or(query.local_user)]),
                "localuser" => list(&[query.local_user]),
                // Commands, networks and second passes: nothing of what we do hangs on them.
                _ => false,
            }
        }),
    }
}

struct Reader<'a> {
    home: &'a Path,
    folder: &'a Path,
    depth: usize,
}

impl Reader<'_> {
    fn file(&self, path: &Path, outer: &[When], lines: &mut Vec<Line>) -> Result<(), BadConfig> {
        let bad = |why: String| BadConfig { path: path.to_owned(), why };
        let text = match std::fs::metadata(path) {
            Err(absent) if absent.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(cause) => return Err(bad(cause.to_string())),
            Ok(meta) if meta.len() > LARGEST => return Err(bad("it is too large".to_owned())),
            Ok(_) => std::fs::read_to_string(path).map_err(|cause| bad(cause.to_string()))?,
        };
        let mut when = When::Always;
        for (number, line) in text.lines().enumerate() {
            let bad = |why: &str| bad(format!("line {}: {why}", number + 1));
            let words = words(line).ok_or_else(|| bad("a quote is not closed"))?;
            let Some((keyword, words)) = words.split_first() else { continue };
            let keyword = keyword.to_lowercase();
            if words.is_empty() {
                return Err(bad(&format!("{keyword} has no value")));
            }
            match keyword.as_str() {
                "host" => when = When::Host(words.to_vec()),
                "match" => when = When::Match(criteria(words).ok_or_else(|| bad("a criterion has no value"))?),
                "include" => {
                    let outer: Vec<When> = outer.iter().chain([&when]).cloned().collect();
                    for word in words {
                        self.include(word, &outer, lines).map_err(|why| bad(&why))?;
                    }
                }
                _ => {
                    let when = outer.iter().chain([&when]).filter(|when| **when != When::Always).cloned().collect();
                    lines.push(Line { when, keyword, words: words.to_vec() });
                }
            }
        }
        Ok(())
    }

    fn include(&self, word: &str, outer: &[When], lines: &mut Vec<Line>) -> Result<(), String> {
        if self.depth >= DEEPEST {
            return Err("too many includes in each other".to_owned());
        }
        let path = match word.strip_prefix("~/") {
            Some(rest) => self.home.join(rest),
            None => self.folder.join(word),
        };
        let deeper = Reader { home: self.home, folder: self.folder, depth: self.depth + 1 };
        for file in files(&path) {
            deeper.file(&file, outer, lines).map_err(|bad| bad.to_string())?;
        }
        Ok(())
    }
}

/// The files that a path with a pattern in its last part means, in order.
fn files(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !name.contains(['*', '?']) {
        return vec![path.to_owned()];
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let named = entries.filter(|entry| {
        let found = entry.file_name().to_string_lossy().into_owned();
        matches(&name, &found) && (name.starts_with('.') || !found.starts_with('.'))
    });
    let mut files: Vec<PathBuf> = named.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// The words of a line: blanks or one `=` after the keyword, quotes around words, `#` begins a comment.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let mut rest = line.trim_matches([' ', '\t', '\r', '\x0c']);
    while !rest.is_empty() && !rest.starts_with('#') {
        let word;
        (word, rest) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted.split_once('"')?
        } else {
            let end = if words.is_empty() { rest.find([' ', '\t', '=']) } else { rest.find([' ', '\t']) };
            rest.split_at(end.unwrap_or(rest.len()))
        };
        words.push(word.to_owned());
        rest = rest.trim_start();
        if words.len() == 1 {
            rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
        }
    }
    Some(words)
}

fn criteria(words: &[String]) -> Option<Vec<(String, String)>> {
    let mut criteria = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let criterion = word.to_lowercase();
        let alone = matches!(criterion.trim_start_matches('!'), "all" | "canonical" | "final");
        let value = if alone { String::new() } else { words.next()?.clone() };
        criteria.push((criterion, value));
    }
    Some(criteria)
}

#[cfg(test)]
mod tests {
    use super::{Config, Found, Query};
    use std::path::Path;

    fn read(files: &[(&str, &str)], first: &str) -> (tempfile::TempDir, Result<Config, super::BadConfig>) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let config = Config::read(&[folder.path().join(first)], folder.path());
        (folder, config)
    }

    fn find(text: &str, names: &[&str]) -> Found {
        let (_folder, config) = read(&[("config", text)], "config");
        config.unwrap().find(Query { names, user: None, local_user: "me" })
    }

    #[test]
    fn the_first_value_counts_and_identities_add_up() {
        let text = "Host node1\n  User ops\n\tPort=2222\nIdentityFile ~/.ssh/a\n\
                    Host *\nUser other\nIdentityFile \"~/.ssh/b c\" # comment\nHOSTNAME = %h.lab\n";
        let found = find(text, &["node1", "10.0.0.1"]);
        assert_eq!((found.one("user"), found.one("port")), (Some("ops"), Some("2222")));
        assert_eq!(
            (found.one("hostname"), &found.identities[..]),
            (Some("%h.lab"), &["~/.ssh/a", "~/.ssh/b c"].map(str::to_owned)[..])
        );
        assert_eq!(find(text, &["node2"]).one("user"), Some("other"));
    }

    #[test]
    fn a_host_line_means_the_name_or_the_address_and_exceptions_count() {
        let text = "Host 10.0.0.* !10.0.0.2\nUser ops\n";
        assert_eq!(find(text, &["node1", "10.0.0.1"]).one("user"), Some("ops"));
        assert_eq!(find(text, &["node2", "10.0.0.2"]).one("user"), None);
    }

    #[test]
    fn a_match_that_can_not_be_judged_does_not_apply() {
        let text =
            "Host other\nUser a\nMatch exec \"true\"\nUser b\nMatch host node1 user me\nUser c\nMatch all\nUser d\n";
        assert_eq!(find(text, &["node1"]).one("user"), Some("c"));
        assert_eq!(find(text, &["node2"]).one("user"), Some("d"));
    }

    #[test]
    fn includes_stay_inside_the_host_that_includes_them() {
        let files = [
            ("config", "Host a\nInclude d/*.conf\nHost *\nUser last\n"),
            ("d/1.conf", "User one\n"),
            ("d/2.conf", "Host b\nPort 7\n"),
            ("d/x", "Port 8\n"),
        ];
        let (_folder, config) = read(&files, "config");
        let config = config.unwrap();
        let find = |name: &str| config.find(Query { names: &[name], user: None, local_user: "me" });
        assert_eq!((find("a").one("user"), find("a").one("port")), (Some("one"), None));
        assert_eq!((find("b").one("user"), find("b").one("port")), (Some("last"), None));
    }

    #[test]
    fn mistakes_are_placed_and_loops_end() {
        let bad = |text: &str| read(&[("config", text)], "config").1.unwrap_err().to_string();
        assert!(bad("User a\nUser \"b\n").contains("config: line 2: a quote is not closed"));
        assert!(bad("User\n").contains("line 1: user has no value"));
        assert!(bad("Include config\n").contains("too many includes"));
        assert!(Config::read(&[Path::new("/nonexistent/config").to_owned()], Path::new("/")).is_ok());
    }
}
