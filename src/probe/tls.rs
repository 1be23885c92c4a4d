//! TLS over a tunnel. The certificate is always verified: against the CAs that the module names, for the name that it
//! says, on this day. There is no way to leave that out.

use super::answer::ProbeError;
use crate::inventory::printable;
use crate::model::Hidden;
use crate::remote::Stream;
use std::error::Error;
use std::io;
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{AlertDescription, CertificateError, ClientConfig, Error as TlsError, RootCertStore};

/// Most names of a certificate in a message.
const NAMES: usize = 6;

/// What is needed for one instance.
pub(super) struct Layer {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// How people call the certificates that are trusted: the parameter.
    ca: String,
}

/// Texts in PEM that a layer is made of.
pub(super) struct Pem<'a> {
    /// The certificates of the CAs that are trusted, and the parameter that they come from.
    pub(super) ca: (&'a str, &'a str),
    /// Our own certificate with its key.
    pub(super) client: Option<(&'a str, &'a Hidden)>,
}

impl Layer {
    /// For an instance whose certificate is to have this name.
    pub(super) fn new(name: &str, pem: &Pem<'_>) -> Result<Self, ProbeError> {
        let (text, ca) = pem.ca;
        let wrong = |what: String| ProbeError::Request(what);
        let server = ServerName::try_from(name.to_owned())
            .map_err(|_| wrong(format!("`{name}` is no name that a certificate could have")))?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates(text).map_err(|why| wrong(format!("`{ca}` is no certificate in PEM: {why}")))? {
            roots.add(certificate).map_err(|why| wrong(format!("a certificate of `{ca}` can't be used: {why}")))?;
        }
        if roots.is_empty() {
            return Err(wrong(format!("`{ca}` holds no certificate in PEM, so there is nothing to check against")));
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|why| wrong(why.to_string()))?
            .with_root_certificates(roots);
        let config = match pem.client {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = certificates(chain).map_err(|why| wrong(format!("our own certificate: {why}")))?;
                // What a parser says of a key could have parts of it.
                let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
                    .map_err(|_| wrong("the key of our own certificate is no private key in PEM".to_owned()))?;
                builder.with_client_auth_cert(chain, key).map_err(|why| wrong(format!("our own certificate: {why}")))?
            }
        };
        Ok(Self { config: Arc::new(config), name: server, ca: ca.to_owned() })
    }

    /// Makes a stream a verified one. The caller bounds the time.
    pub(super) async fn over(&self, stream: Box<dyn Stream>) -> Result<Box<dyn Stream>, ProbeError> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        match connector.connect(self.name.clone(), stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(self
                .refused(&error)
                .unwrap_or_else(|| ProbeError::Garbage(format!("the connection ended while TLS was begun: {error}")))),
        }
    }

    /// What TLS itself refused, when that is why something failed. A server that wants a certificate of ours says so only
    /// after the first bytes.
    pub(super) fn refused(&self, error: &(dyn Error + 'static)) -> Option<ProbeError> {
        tls_error(error).map(|error| ProbeError::Unknown(self.says(error)))
    }

    fn says(&self, error: &TlsError) -> String {
        let (name, ca) = (self.name.to_str(), &self.ca);
        match error {
            TlsError::InvalidCertificate(why) => match why {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "its certificate has expired: renew it".to_owned()
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    "its certificate is not valid yet: look at the clocks, here and where it was made".to_owned()
                }
                CertificateError::UnknownIssuer => format!(
                    "its certificate is of no CA that `{ca}` has: give `{ca}` the CA that signed it, with those between; \
                     while one CA takes the place of another, both"
                ),
                CertificateError::NotValidForName => {
                    format!("its certificate is not for {name}: give it one for that name (subjectAltName)")
                }
                CertificateError::NotValidForNameContext { presented, .. } => {
                    let mut names: Vec<String> = presented.iter().take(NAMES).map(|name| printable(name, 80)).collect();
                    names.extend((presented.len() > NAMES).then(|| "…".to_owned()));
                    let names = if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") };
                    format!(
                        "its certificate is not for {name} but for {names}: give it one for that name (subjectAltName), or \
                         say which name it has"
                    )
                }
                CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
                    "its certificate is a CA's own: let the CA sign one for the service".to_owned()
                }
                other => format!("its certificate is refused: {other}"),
            },
            TlsError::AlertReceived(
                AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::UnknownCA
                | AlertDescription::CertificateUnknown
                | AlertDescription::CertificateExpired
                | AlertDescription::AccessDenied,
            ) => format!("it does not take our own certificate, or asks for one: {error}"),
            TlsError::InvalidMessage(_) => {
                "it does not speak TLS on this port: does it still run with the configuration before?".to_owned()
            }
            other => format!("TLS: {other}"),
        }
    }
}

fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    found.map_err(|error| error.to_string())
}

/// The error of TLS in what an I/O error or one around it says.
fn tls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e TlsError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<TlsError>() {
            return Some(found);
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}
