//! An agent inside this program that lets a host show our key to one other host, for one transfer, and to nobody else.
//!
//! A host that passes an artifact on has no key of ours. While it does, and no longer, it may ask this agent, which is
//! bound by what OpenSSH tells of itself (`session-bind@openssh.com`, in PROTOCOL.agent of OpenSSH 8.9): it signs only a
//! login as the agreed user, on a connection whose other side has proved to hold the host key that we have verified
//! ourselves. A client that does not tell whom it talks to gets no signature.

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::signature::{Signer as _, Verifier as _};
use russh::keys::ssh_key::Signature;
use russh::keys::ssh_key::encoding::{Decode as _, Encode as _, Reader as _};
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::{HashAlg, PrivateKey, PublicKey};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Longest message that is taken.
const LONGEST: u32 = 64 * 1024;
/// Most messages of one client: it binds, lists, and signs once.
const MESSAGES: usize = 16;
/// Number of a request for authentication (RFC 4252).
const USERAUTH_REQUEST: u8 = 50;

// Numbers and flags of messages (draft-ietf-sshm-ssh-agent).
const FAILURE: u8 = 5;
const SUCCESS: u8 = 6;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
const EXTENSION: u8 = 27;
const RSA_SHA2_256: u32 = 2;
const RSA_SHA2_512: u32 = 4;

/// The key that we show, and how it signs.
#[derive(Debug, Clone)]
pub(super) enum Signer {
    /// It is here.
    Key(Arc<PrivateKey>),
    /// The operator's agent has it.
    Agent {
        /// The agent's socket.
        socket: PathBuf,
        /// Which key.
        public: PublicKey,
    },
}

impl Signer {
    fn public(&self) -> &PublicKey {
        match self {
            Self::Key(key) => key.public_key(),
            Self::Agent { public, .. } => public,
        }
    }

    /// The signature as the agent protocol has it: a string of the algorithm and the bytes.
    async fn sign(&self, data: &[u8], flags: u32) -> Option<Vec<u8>> {
        let rsa = self.public().algorithm().is_rsa();
        let hash = match flags {
            _ if !rsa => None,
            flags if flags & RSA_SHA2_512 != 0 => Some(HashAlg::Sha512),
            flags if flags & RSA_SHA2_256 != 0 => Some(HashAlg::Sha256),
            _ => return None, // SHA-1
        };
        match self {
            Self::Key(key) => {
                let signature = match key.key_data() {
                    KeypairData::Rsa(key) => (key, hash).try_sign(data).ok()?,
                    key => key.try_sign(data).ok()?,
                };
                let mut answer = Vec::new();
                Vec::<u8>::try_from(signature).ok()?.encode(&mut answer).ok()?;
                Some(answer)
            }
            Self::Agent { socket, public } => {
                let mut agent = AgentClient::connect_uds(socket).await.ok()?;
                let identity = AgentIdentity::PublicKey { key: public.clone(), comment: String::new() };
                // It answers with what was signed, followed by the signature.
                let mut signed = agent.sign_request(&identity, hash, data.to_vec()).await.ok()?;
                (signed.len() > data.len()).then(|| signed.split_off(data.len()))
            }
        }
    }
}

/// What may be signed.
#[derive(Debug, Clone)]
pub(super) struct Errand {
    /// The user to log in as.
    pub(super) user: String,
    /// The key that the other host has shown to us.
    pub(super) host_key: PublicKey,
    /// The key that we show.
    pub(super) key: Signer,
}

/// One client of the agent.
struct Client<'a> {
    errand: &'a Errand,
    /// The connection that it is bound to.
    session: Option<Vec<u8>>,
    signed: bool,
}

impl Errand {
    /// Answers one client until it goes away, or asks for anything that it may not have.
    pub(super) async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin + Send) {
        let mut client = Client { errand: self, session: None, signed: false };
        for _ in 0..MESSAGES {
            let Ok(length) = stream.read_u32().await else { return };
            if length == 0 || length > LONGEST {
                return;
            }
            let mut message = vec![0; usize::try_from(length).unwrap_or(0)];
            if stream.read_exact(&mut message).await.is_err() {
                return;
            }
            let answer = client.answer(&message).await.unwrap_or_else(|| vec![FAILURE]);
            let length = u32::try_from(answer.len()).unwrap_or(0).to_be_bytes();
            if stream.write_all(&[&length[..], &answer].concat()).await.is_err() || stream.flush().await.is_err() {
                return;
            }
        }
    }
}

impl Client<'_> {
    /// The answer; nothing when it is no.
    async fn answer(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let (kind, mut rest) = message.split_first()?;
        match *kind {
            REQUEST_IDENTITIES => self.identities(),
            EXTENSION => self.bind(&mut rest),
            SIGN_REQUEST => self.sign(&mut rest).await,
            _ => None,
        }
    }

    fn blob(&self) -> Option<Vec<u8>> {
        self.errand.key.public().to_bytes().ok()
    }

    fn identities(&self) -> Option<Vec<u8>> {
        let mut answer = vec![IDENTITIES_ANSWER];
        1u32.encode(&mut answer).ok()?;
        self.blob()?.encode(&mut answer).ok()?;
        "this transfer only".encode(&mut answer).ok()?;
        Some(answer)
    }

    /// The client says whom it talks to, with that host's signature.
    fn bind(&mut self, rest: &mut &[u8]) -> Option<Vec<u8>> {
        if String::decode(rest).ok()? != "session-bind@openssh.com" || self.session.is_some() {
            return None;
        }
        let (key, session) = (Vec::<u8>::decode(rest).ok()?, Vec::<u8>::decode(rest).ok()?);
        let (signature, forwarding) = (Vec::<u8>::decode(rest).ok()?, u8::decode(rest).ok()?);
        let key = PublicKey::from_bytes(&key).ok()?;
        let signature = Signature::try_from(signature.as_slice()).ok()?;
        let ours = key.key_data() == self.errand.host_key.key_data();
        if !ours || forwarding != 0 || !rest.is_finished() || key.key_data().verify(&session, &signature).is_err() {
            return None;
        }
        self.session = Some(session);
        Some(vec![SUCCESS])
    }

    async fn sign(&mut self, rest: &mut &[u8]) -> Option<Vec<u8>> {
        let (blob, data) = (Vec::<u8>::decode(rest).ok()?, Vec::<u8>::decode(rest).ok()?);
        let flags = u32::decode(rest).ok()?;
        if self.signed || Some(&blob) != self.blob().as_ref() || self.login(&mut data.as_slice(), &blob).is_none() {
            return None;
        }
        self.signed = true;
        let mut answer = vec![SIGN_RESPONSE];
        answer.extend(self.errand.key.sign(&data, flags).await?);
        Some(answer)
    }

    /// Whether it is a login of the agreed user with our key, on the connection that the client is bound to.
    fn login(&self, data: &mut &[u8], blob: &[u8]) -> Option<()> {
        let session = Vec::<u8>::decode(data).ok()?;
        let (kind, user) = (u8::decode(data).ok()?, String::decode(data).ok()?);
        let (service, method) = (String::decode(data).ok()?, String::decode(data).ok()?);
        let (has_signature, algorithm) = (u8::decode(data).ok()?, String::decode(data).ok()?);
        let shown = Vec::<u8>::decode(data).ok()?;
        let hostbound = method == "publickey-hostbound-v00@openssh.com";
        if hostbound {
            let host = PublicKey::from_bytes(&Vec::<u8>::decode(data).ok()?).ok()?;
            if host.key_data() != self.errand.host_key.key_data() {
                return None;
            }
        }
        let is_login = kind == USERAUTH_REQUEST && service == "ssh-connection" && (hostbound || method == "publickey");
        let ours = user == self.errand.user && shown == blob && has_signature == 1 && !algorithm.is_empty();
        (is_login && ours && Some(&session) == self.session.as_ref() && data.is_finished()).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Errand, FAILURE, IDENTITIES_ANSWER, SIGN_RESPONSE, SUCCESS, Signer};
    use russh::keys::signature::Signer as _;
    use russh::keys::ssh_key::encoding::Encode as _;
    use russh::keys::{Algorithm, PrivateKey};
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    fn key() -> PrivateKey {
        PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap()
    }

    /// A message of these parts.
    fn message(kind: u8, parts: &[&[u8]], end: &[u8]) -> Vec<u8> {
        let mut message = vec![kind];
        for part in parts {
            part.to_vec().encode(&mut message).unwrap();
        }
        message.extend_from_slice(end);
        message
    }

    fn bind(host: &PrivateKey, session: &[u8], forwarding: u8) -> Vec<u8> {
        let signature = Vec::<u8>::try_from(host.try_sign(session).unwrap()).unwrap();
        let blob = host.public_key().to_bytes().unwrap();
        message(27, &[b"session-bind@openssh.com", &blob, session, &signature], &[forwarding])
    }

    fn login(key: &PrivateKey, session: &[u8], user: &str) -> Vec<u8> {
        let blob = key.public_key().to_bytes().unwrap();
        let mut data = Vec::new();
        session.to_vec().encode(&mut data).unwrap();
        data.push(50);
        for part in [user, "ssh-connection", "publickey"] {
            part.encode(&mut data).unwrap();
        }
        data.push(1);
        "ssh-ed25519".encode(&mut data).unwrap();
        blob.encode(&mut data).unwrap();
        message(13, &[&blob, &data], &[0, 0, 0, 0])
    }

    /// What a client hears, message by message: the kinds.
    async fn kinds(errand: &Errand, messages: &[Vec<u8>]) -> Vec<u8> {
        let (mut here, there) = tokio::io::duplex(1 << 20);
        let serve = errand.serve(there);
        let ask = async {
            let mut kinds = Vec::new();
            for message in messages {
                here.write_u32(u32::try_from(message.len()).unwrap()).await.unwrap();
                here.write_all(message).await.unwrap();
                let length = here.read_u32().await.unwrap();
                let mut answer = vec![0; usize::try_from(length).unwrap()];
                here.read_exact(&mut answer).await.unwrap();
                kinds.push(answer[0]);
            }
            drop(here);
            kinds
        };
        tokio::join!(ask, serve).0
    }

    #[tokio::test]
    async fn it_signs_one_login_on_the_one_host_and_nothing_else() {
        let (ours, host, other) = (key(), key(), key());
        let key = Signer::Key(Arc::new(ours.clone()));
        let errand = Errand { user: "ops".to_owned(), host_key: host.public_key().clone(), key };
        let good = [message(11, &[], &[]), bind(&host, b"session", 0), login(&ours, b"session", "ops")];
        assert_eq!(kinds(&errand, &good).await, [IDENTITIES_ANSWER, SUCCESS, SIGN_RESPONSE]);
        let twice = [bind(&host, b"session", 0), login(&ours, b"session", "ops"), login(&ours, b"session", "ops")];
        assert_eq!(kinds(&errand, &twice).await, [SUCCESS, SIGN_RESPONSE, FAILURE], "once");
        let unbound = [login(&ours, b"session", "ops")];
        assert_eq!(kinds(&errand, &unbound).await, [FAILURE], "it does not say whom it talks to");
        let elsewhere = [bind(&other, b"session", 0), login(&ours, b"session", "ops")];
        assert_eq!(kinds(&errand, &elsewhere).await, [FAILURE, FAILURE], "another host");
        let forwarded = [bind(&host, b"session", 1), login(&ours, b"session", "ops")];
        assert_eq!(kinds(&errand, &forwarded).await, [FAILURE, FAILURE], "it would be passed on");
        for bad in [login(&ours, b"another", "ops"), login(&ours, b"session", "root"), login(&other, b"session", "ops")]
        {
            assert_eq!(kinds(&errand, &[bind(&host, b"session", 0), bad]).await, [SUCCESS, FAILURE]);
        }
        let mut lied = bind(&host, b"session", 0);
        let place = lied.len() - 3;
        lied[place] ^= 1;
        assert_eq!(kinds(&errand, &[lied]).await, [FAILURE], "the host has not signed it");
        for kind in [17, 18, 19, 22, 25, 0, 255] {
            assert_eq!(kinds(&errand, &[message(kind, &[b"x"], &[])]).await, [FAILURE], "{kind}");
        }
    }
}
