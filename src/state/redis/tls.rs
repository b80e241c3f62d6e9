//! TLS to a store, by rustls: whose certificates are believed, and what is told of one that is not.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, ClientConfig, Error, RootCertStore};

use super::stream::is_patience_over;
use crate::tls::{AnyCertificate, read_pem};

/// Files for TLS, as the flags name them. They are read again for each connection, as certificates are renewed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// `--redis-ca`: the authorities that are believed, in the place of the system's.
    pub authorities: Option<PathBuf>,
    /// `--redis-cert` and `--redis-key`: what the server shows of itself.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl TlsFiles {
    /// How to make connections.
    ///
    /// # Errors
    /// Which file cannot be used, and why.
    pub fn load(&self, is_unchecked: bool) -> Result<Arc<ClientConfig>, String> {
        let provider = Arc::new(ring::default_provider());
        let versions = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS: {error}"))?;
        let verified = if is_unchecked {
            versions.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        } else {
            versions.with_root_certificates(self.roots()?)
        };
        let config = match &self.identity {
            None => verified.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = read_certificates(certificate)?;
                let key_of = |error: &dyn std::fmt::Display| format!("{}: {error}", key.display());
                let text = read_pem(key).map_err(|error| key_of(&error))?;
                let private = PrivateKeyDer::from_pem_slice(&text).map_err(|error| key_of(&error))?;
                verified.with_client_auth_cert(chain, private).map_err(|error| key_of(&error))?
            }
        };
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        match &self.authorities {
            Some(path) => {
                for certificate in read_certificates(path)? {
                    roots.add(certificate).map_err(|error| format!("{}: {error}", path.display()))?;
                }
            }
            // Systems have a few that cannot be read.
            None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        }
        if roots.is_empty() {
            return Err("this system has no certificates of authorities; name one with --redis-ca".to_owned());
        }
        Ok(roots)
    }
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let refuse = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = read_pem(path).map_err(|error| refuse(&error))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|error| refuse(&error))?;
    if certificates.is_empty() { Err(refuse(&"it holds no certificate in PEM")) } else { Ok(certificates) }
}

/// Why a handshake failed, and what would help.
pub(super) fn explain(error: &io::Error) -> String {
    let advice = match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            ": its authority is not one that is believed; name it with --redis-ca FILE"
        }
        Some(Error::InvalidCertificate(_)) => "",
        Some(Error::InvalidMessage(_)) => ": it does not speak TLS; redis:// is without",
        Some(_) => "",
        None if is_patience_over(error) => {
            return "TLS: no answer to the handshake: it may not speak TLS; redis:// is without".to_owned();
        }
        None => ", in the middle of the handshake: it may not speak TLS; redis:// is without",
    };
    format!("TLS: {error}{advice}")
}
