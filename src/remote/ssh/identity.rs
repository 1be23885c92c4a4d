//! The keys that we show ourselves with: files, encrypted files, the running agent.

use super::passphrase;
use russh::keys::agent::client::AgentClient;
use russh::keys::{HashAlg, PrivateKey, PublicKey};
use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// The agent lists its keys at once; a signature may need somebody to touch something.
const LIST_WITHIN: Duration = Duration::from_secs(5);
/// Largest key file, in bytes.
const LARGEST: u64 = 1 << 20;
/// How often a wrong passphrase may be typed.
const TRIES: usize = 3;

/// A key file, as far as it can be read without a passphrase.
#[derive(Debug, Clone)]
pub(super) enum KeyFile {
    Plain(Arc<PrivateKey>),
    /// The public half, when the file or the `.pub` beside it tells it.
    Encrypted {
        text: Arc<str>,
        public: Option<PublicKey>,
    },
}

impl KeyFile {
    /// The public half.
    pub(super) fn public(&self) -> Option<&PublicKey> {
        match self {
            Self::Plain(key) => Some(key.public_key()),
            Self::Encrypted { public, .. } => public.as_ref(),
        }
    }
}

/// Why a key file can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadKey {
    #[error("there is no {}", .0.display())]
    Absent(PathBuf),
    #[error("{}: {why}", .path.display())]
    Unreadable { path: PathBuf, why: String },
    #[error("{} is encrypted, and {why}: add it to the agent with `ssh-add {}`", .path.display(), .path.display())]
    Locked { path: PathBuf, why: String },
}

/// The keys of this run: every file is read once, every passphrase asked for once.
#[derive(Debug, Default)]
pub(super) struct Identities {
    files: Mutex<HashMap<PathBuf, Result<KeyFile, BadKey>>>,
    /// Decrypted keys; one question at a time.
    opened: Mutex<HashMap<PathBuf, Result<Arc<PrivateKey>, BadKey>>>,
}

impl Identities {
    /// A key file.
    pub(super) async fn file(&self, path: &Path) -> Result<KeyFile, BadKey> {
        let mut files = self.files.lock().await;
        if let Some(known) = files.get(path) {
            return known.clone();
        }
        let read = read(path);
        files.insert(path.to_owned(), read.clone());
        read
    }

    /// The private key in an encrypted file: asks on the terminal, once.
    pub(super) async fn open(&self, path: &Path, text: &Arc<str>) -> Result<Arc<PrivateKey>, BadKey> {
        let mut opened = self.opened.lock().await;
        if let Some(known) = opened.get(path) {
            return known.clone();
        }
        let (shown, text) = (path.to_owned(), Arc::clone(text));
        let asked = tokio::task::spawn_blocking(move || unlock(&shown, &text)).await;
        let result =
            asked.unwrap_or_else(|error| Err(BadKey::Unreadable { path: path.to_owned(), why: error.to_string() }));
        opened.insert(path.to_owned(), result.clone());
        result
    }
}

fn read(path: &Path) -> Result<KeyFile, BadKey> {
    let unreadable = |why: &dyn std::fmt::Display| BadKey::Unreadable { path: path.to_owned(), why: why.to_string() };
    match std::fs::metadata(path) {
        Err(absent) if absent.kind() == ErrorKind::NotFound => return Err(BadKey::Absent(path.to_owned())),
        Err(cause) => return Err(unreadable(&cause)),
        Ok(meta) if meta.len() > LARGEST => return Err(unreadable(&"it is too large to be a key")),
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(path).map_err(|cause| unreadable(&cause))?;
    match russh::keys::decode_secret_key(&text, None) {
        Ok(key) => Ok(KeyFile::Plain(Arc::new(key))),
        Err(error) => {
            let inside = PrivateKey::from_openssh(&text).ok();
            let encrypted = inside.as_ref().is_some_and(PrivateKey::is_encrypted)
                || matches!(error, russh::keys::Error::KeyIsEncrypted)
                || text.contains("ENCRYPTED");
            if !encrypted {
                return Err(unreadable(&format!("it is not a private key that can be used ({error})")));
            }
            let public = inside.map(|key| key.public_key().clone()).or_else(|| public_beside(path));
            Ok(KeyFile::Encrypted { text: text.into(), public })
        }
    }
}

fn public_beside(path: &Path) -> Option<PublicKey> {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    russh::keys::load_public_key(Path::new(&name)).ok()
}

fn unlock(path: &Path, text: &str) -> Result<Arc<PrivateKey>, BadKey> {
    let locked = |why: &dyn std::fmt::Display| BadKey::Locked { path: path.to_owned(), why: why.to_string() };
    for _ in 0..TRIES {
        let typed = passphrase::ask(&format!("Passphrase of {}: ", path.display())).map_err(|why| locked(&why))?;
        let typed = String::from_utf8(typed).map_err(|_| locked(&"the passphrase is not text"))?;
        if let Ok(key) = russh::keys::decode_secret_key(text, Some(&typed)) {
            return Ok(Arc::new(key));
        }
    }
    Err(locked(&"the passphrase was wrong"))
}

/// A key that the agent holds.
#[derive(Debug, Clone)]
pub(super) struct AgentKey {
    pub(super) public: PublicKey,
    pub(super) comment: String,
}

/// The running agent, with its keys. Nothing when it can't be asked: then there are the files.
pub(super) async fn agent(socket: &Path) -> Option<(AgentClient<UnixStream>, Vec<AgentKey>)> {
    let ask = async {
        let mut client = AgentClient::connect_uds(socket).await.ok()?;
        let listed = client.request_identities().await.ok()?;
        let keys = listed.into_iter().filter_map(|one| match one {
            russh::keys::agent::AgentIdentity::PublicKey { key, comment } => Some(AgentKey { public: key, comment }),
            russh::keys::agent::AgentIdentity::Certificate { .. } => None,
        });
        Some((client, keys.collect()))
    };
    timeout(LIST_WITHIN, ask).await.ok().flatten()
}

/// Where the private half of a key is.
#[derive(Debug, Clone)]
pub(super) enum Held {
    Agent,
    File { path: PathBuf, key: KeyFile },
}

/// A key to offer.
#[derive(Debug, Clone)]
pub(super) struct Offer {
    pub(super) held: Held,
    pub(super) public: Option<PublicKey>,
    /// For people.
    pub(super) name: String,
}

/// What to offer, in the order of OpenSSH: named keys that the agent holds, its other keys unless only named ones are
/// wanted, files.
pub(super) fn offers(files: Vec<(PathBuf, KeyFile)>, agent: &[AgentKey], only: bool) -> Vec<Offer> {
    let of_agent = |key: &AgentKey| Offer {
        held: Held::Agent,
        public: Some(key.public.clone()),
        name: format!("the agent's {} {}", key.comment, short(&key.public)),
    };
    let same = |key: &&AgentKey, file: &KeyFile| {
        file.public().is_some_and(|public| public.key_data() == key.public.key_data())
    };
    let mut offers = Vec::new();
    let mut rest = Vec::new();
    for (path, file) in files {
        if let Some(held) = agent.iter().find(|key| same(key, &file)) {
            offers.push(of_agent(held));
            continue;
        }
        let public = file.public().cloned();
        let kind = public.as_ref().map(short).unwrap_or_default();
        rest.push(Offer { name: format!("{} {kind}", path.display()), held: Held::File { path, key: file }, public });
    }
    if !only {
        let named = |key: &&AgentKey| {
            let data = key.public.key_data();
            !offers.iter().any(|offer| offer.public.as_ref().is_some_and(|public| public.key_data() == data))
        };
        let others: Vec<Offer> = agent.iter().filter(named).map(of_agent).collect();
        offers.extend(others);
    }
    offers.extend(rest);
    offers
}

/// Kind and fingerprint.
fn short(key: &PublicKey) -> String {
    format!("({} {})", key.algorithm(), key.fingerprint(HashAlg::Sha256))
}

#[cfg(test)]
mod tests {
    use super::{AgentKey, BadKey, Held, Identities, KeyFile, offers};
    use russh::keys::ssh_key::LineEnding;
    use russh::keys::{Algorithm, PrivateKey};
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    fn key() -> PrivateKey {
        PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap()
    }

    #[test]
    fn keys_are_offered_in_the_order_of_openssh() {
        let [plain, held, other] = [key(), key(), key()].map(Arc::new);
        let files = vec![
            (PathBuf::from("/plain"), KeyFile::Plain(Arc::clone(&plain))),
            (PathBuf::from("/held"), KeyFile::Plain(Arc::clone(&held))),
        ];
        let agent = [&other, &held].map(|key| AgentKey { public: key.public_key().clone(), comment: "c".to_owned() });
        let order = |only| -> Vec<(bool, String)> {
            let offers = offers(files.clone(), &agent, only);
            offers
                .iter()
                .map(|offer| (matches!(offer.held, Held::Agent), offer.public.as_ref().unwrap().to_openssh().unwrap()))
                .collect()
        };
        let text = |key: &PrivateKey| key.public_key().to_openssh().unwrap();
        assert_eq!(order(false), [(true, text(&held)), (true, text(&other)), (false, text(&plain))]);
        assert_eq!(order(true), [(true, text(&held)), (false, text(&plain))]);
    }

    #[tokio::test]
    async fn an_encrypted_key_tells_its_public_half_and_names_the_agent_as_the_way_out() {
        let (folder, key) = (tempfile::tempdir().unwrap(), key());
        let path = folder.path().join("id");
        let encrypted = key.encrypt(&mut russh::keys::key::safe_rng(), "secret").unwrap();
        std::fs::write(&path, encrypted.to_openssh(LineEnding::LF).unwrap()).unwrap();
        let found = Identities::default().file(&path).await.unwrap();
        assert!(matches!(&found, KeyFile::Encrypted { .. }));
        assert_eq!(found.public().unwrap().key_data(), key.public_key().key_data());
        let locked = BadKey::Locked { path: "/id".into(), why: "there is no terminal".to_owned() };
        assert!(locked.to_string().ends_with("`ssh-add /id`"));
    }

    #[tokio::test]
    async fn what_is_no_key_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("id");
        let keys = Identities::default();
        assert_eq!(keys.file(Path::new("/nonexistent")).await.unwrap_err(), BadKey::Absent("/nonexistent".into()));
        std::fs::write(&path, "hello").unwrap();
        assert!(keys.file(&path).await.unwrap_err().to_string().contains("not a private key"));
    }
}
