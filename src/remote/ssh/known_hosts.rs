//! The keys that hosts are known by (`known_hosts` of `sshd(8)`): plain and hashed names, patterns, `[host]:port`,
//! `@revoked`. A key that nobody has vouched for is not accepted, and a changed one never is.

use super::pattern::matches_list;
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKey};
use sha1::Sha1;
use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Largest file, in bytes.
const LARGEST: u64 = 64 << 20;
/// Kinds of keys that are asked for, the cheapest to verify first. No RSA with SHA-1.
const KINDS: [Algorithm; 6] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// Where a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    file: Arc<Path>,
    line: usize,
}

impl Place {
    /// The file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// A line with a key.
#[derive(Debug, Clone)]
struct Line {
    place: Place,
    revoked: bool,
    names: String,
    key: String,
}

/// What is known of a key that a host has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the host's.
    Known,
    /// Nobody has said what this host's key is.
    Unknown,
    /// The host is known by another key.
    Changed { place: Place, fingerprint: String },
    /// The key must not be used any more.
    Revoked { place: Place },
}

/// The files of known hosts, read once.
#[derive(Debug, Default)]
pub(super) struct KnownHosts {
    lines: Vec<Line>,
    /// Lines by name, where the names are plain.
    plain: HashMap<String, Vec<usize>>,
    /// Lines with patterns or hashed names.
    others: Vec<usize>,
    /// Keys that were taken down in this run.
    added: Mutex<Vec<(String, PublicKey)>>,
}

/// What a host is called in the files.
pub(super) fn name_of(host: &str, port: u16) -> String {
    if port == 22 { host.to_lowercase() } else { format!("[{}]:{port}", host.to_lowercase()) }
}

/// A key for people.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

impl KnownHosts {
    /// Reads the files; one that is not there is empty.
    ///
    /// # Errors
    /// When a file can't be read: the text says which.
    pub(super) fn read(files: &[PathBuf]) -> Result<Self, String> {
        let mut known = Self::default();
        for file in files {
            let bad = |cause: &dyn std::fmt::Display| format!("{}: {cause}", file.display());
            let text = match std::fs::metadata(file) {
                Err(absent) if absent.kind() == std::io::ErrorKind::NotFound => continue,
                Err(cause) => return Err(bad(&cause)),
                Ok(meta) if meta.len() > LARGEST => return Err(bad(&"it is too large")),
                Ok(_) => std::fs::read(file).map_err(|cause| bad(&cause))?,
            };
            let path: Arc<Path> = file.as_path().into();
            for (number, line) in String::from_utf8_lossy(&text).lines().enumerate() {
                known.add(line, Place { file: Arc::clone(&path), line: number + 1 });
            }
        }
        Ok(known)
    }

    fn add(&mut self, text: &str, place: Place) {
        let mut words = text.split_ascii_whitespace();
        let Some(first) = words.next().filter(|first| !first.starts_with('#')) else { return };
        let (revoked, names) = match first {
            "@revoked" => (true, words.next()),
            // Certificates of hosts are not asked for, so nobody can sign one.
            _ if first.starts_with('@') => return,
            _ => (false, Some(first)),
        };
        let (Some(names), Some(kind), Some(key)) = (names, words.next(), words.next()) else { return };
        let index = self.lines.len();
        if names.contains(['*', '?', '!', '|']) {
            self.others.push(index);
        } else {
            for name in names.split(',') {
                self.plain.entry(name.to_lowercase()).or_default().push(index);
            }
        }
        self.lines.push(Line { place, revoked, names: names.to_owned(), key: format!("{kind} {key}") });
    }

    /// Lines about a name, in the order of the files.
    fn about(&self, name: &str) -> Vec<&Line> {
        let mut found: Vec<usize> = self.plain.get(name).cloned().unwrap_or_default();
        let is_about = |index: &&usize| self.lines.get(**index).is_some_and(|line| names_match(&line.names, name));
        found.extend(self.others.iter().filter(is_about));
        found.sort_unstable();
        found.iter().filter_map(|index| self.lines.get(*index)).collect()
    }

    /// The kinds of keys to ask a host for: those that it is known by, so that one with several keys shows one that can
    /// be verified. All when it is not known.
    pub(super) fn kinds(&self, host: &str, port: u16) -> Vec<Algorithm> {
        let lines = self.about(&name_of(host, port));
        let keys: Vec<PublicKey> = lines.iter().filter(|line| !line.revoked).filter_map(|line| key_of(line)).collect();
        let known = |kind: &Algorithm| keys.iter().any(|key| same_kind(&key.algorithm(), kind));
        let kinds: Vec<Algorithm> = KINDS.iter().filter(|kind| known(kind)).cloned().collect();
        if kinds.is_empty() { KINDS.to_vec() } else { kinds }
    }

    /// Where a host's first key is.
    pub(super) fn place(&self, host: &str, port: u16) -> Option<Place> {
        self.about(&name_of(host, port)).iter().find(|line| !line.revoked).map(|line| line.place.clone())
    }

    /// What is known of a key that a host has shown.
    pub(super) fn check(&self, host: &str, port: u16, key: &PublicKey) -> Verdict {
        let name = name_of(host, port);
        let lines = self.about(&name);
        // A key that the host is known by without the port is good for every port, as OpenSSH has it.
        let portless = if port == 22 { Vec::new() } else { self.about(&name_of(host, 22)) };
        let is_it = |line: &&&Line| key_of(line).is_some_and(|known| known.key_data() == key.key_data());
        if let Some(line) = lines.iter().chain(&portless).filter(|line| line.revoked).find(is_it) {
            return Verdict::Revoked { place: line.place.clone() };
        }
        let mut usable = lines.iter().filter(|line| !line.revoked);
        if usable.clone().any(|line| is_it(&line)) {
            return Verdict::Known;
        }
        let added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        let mut added = added.iter().filter(|(known, _)| *known == name);
        if added.clone().any(|(_, known)| known.key_data() == key.key_data()) {
            return Verdict::Known;
        }
        let other = usable.find_map(|line| Some((line.place.clone(), key_of(line)?)));
        if let Some((place, known)) = other {
            return Verdict::Changed { place, fingerprint: fingerprint(&known) };
        }
        if portless.iter().filter(|line| !line.revoked).any(|line| is_it(&line)) {
            return Verdict::Known;
        }
        match added.next() {
            Some((_, known)) => Verdict::Changed {
                place: Place { file: Path::new("taken down in this run").into(), line: 1 },
                fingerprint: fingerprint(known),
            },
            None => Verdict::Unknown,
        }
    }

    /// Takes down the key of a new host, in a file and for the rest of the run.
    ///
    /// # Errors
    /// When it can't be written.
    pub(super) fn learn(&self, file: &Path, host: &str, port: u16, key: &PublicKey) -> std::io::Result<()> {
        let name = name_of(host, port);
        let mut plain = key.clone();
        plain.set_comment("");
        let text = plain.to_openssh().map_err(std::io::Error::other)?;
        let mut added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        append(file, &format!("{name} {}\n", text.trim()))?;
        added.push((name, plain));
        Ok(())
    }
}

/// Adds a line in one write, after a whole line.
fn append(file: &Path, line: &str) -> std::io::Result<()> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut open = std::fs::OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(file)?;
    let mut last = [b'\n'];
    if open.seek(SeekFrom::End(-1)).is_ok() {
        open.read_exact(&mut last)?;
    }
    let whole = if last == [b'\n'] { line.to_owned() } else { format!("\n{line}") };
    open.write_all(whole.as_bytes())?;
    open.sync_data()
}

fn key_of(line: &Line) -> Option<PublicKey> {
    PublicKey::from_openssh(&line.key).ok()
}

/// Any RSA key can sign with either hash.
fn same_kind(key: &Algorithm, kind: &Algorithm) -> bool {
    matches!((key, kind), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. })) || key == kind
}

/// Whether the names of a line mean a host: patterns, or one hashed name.
fn names_match(names: &str, name: &str) -> bool {
    match names.strip_prefix("|1|").and_then(|rest| rest.split_once('|')) {
        Some((salt, hash)) => hashed_matches(salt, hash, name).unwrap_or_default(),
        None => matches_list(names.split(','), &[name]),
    }
}

fn hashed_matches(salt: &str, hash: &str, name: &str) -> Option<bool> {
    let [salt, hash] = [salt, hash].map(|text| BASE64.decode(text.as_bytes()).ok());
    let mac = Hmac::<Sha1>::new_from_slice(&salt?).ok()?;
    Some(mac.chain_update(name.as_bytes()).verify_slice(&hash?).is_ok())
}

#[cfg(test)]
mod tests;
