//! TLS as a client speaks it: whose certificates it believes, and what each connection begins with.

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Whose certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Trust {
    /// The system's authorities'.
    System,
    /// Of the authorities in this file, or those in it.
    File(PathBuf),
    /// Anybody's.
    All,
}

/// How connections to a server are encrypted. They resume each other's sessions, as a browser's do.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// To the server of this authority, `HOST[:PORT]`.
    pub(crate) fn new(trust: &Trust, authority: &str) -> io::Result<Self> {
        Self::with(trust, authority, Resumption::default())
    }

    /// The same without taking up a session again.
    pub(crate) fn without_sessions(&self) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = Resumption::disabled();
        Self { config: Arc::new(config), name: self.name.clone() }
    }

    fn with(trust: &Trust, authority: &str, resumption: Resumption) -> io::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let builder = match trust {
            Trust::System => builder.with_root_certificates(system_roots()),
            Trust::File(path) => builder.with_root_certificates(roots(path)?),
            Trust::All => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            }
        };
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = resumption;
        let host = host_of(authority);
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| io::Error::other(format!("{host}: no name that a certificate may have")))?;
        Ok(Self { config: Arc::new(config), name })
    }

    /// A connection that has said nothing.
    pub(crate) fn begin(&self) -> io::Result<Box<ClientConnection>> {
        let begun = ClientConnection::new(self.config.clone(), self.name.clone());
        begun.map(Box::new).map_err(io::Error::other)
    }
}

/// The host of `HOST[:PORT]`, an IPv6 address without its brackets.
fn host_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    authority.split(':').next().unwrap_or(authority)
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn roots(path: &Path) -> io::Result<RootCertStore> {
    let bad = |error: &dyn std::fmt::Display| {
        io::Error::other(format!("{}: no certificates as PEM: {error}", path.display()))
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| bad(&error))? {
        roots.add(certificate.map_err(|error| bad(&error))?).map_err(|error| bad(&error))?;
    }
    if roots.is_empty() {
        return Err(bad(&"there are none in it"));
    }
    Ok(roots)
}

/// Believes any certificate, and checks that the server has its key: so a handshake costs as much as one that is checked, but for
/// the chain.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let check = |authority, expected| assert_eq!(host_of(authority), expected);
        check("localhost:8443", "localhost");
        check("game.example", "game.example");
        check("127.0.0.1:1", "127.0.0.1");
        check("[::1]:8443", "::1");
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let path = std::env::temp_dir().join(format!("loadtest-no-certificates-{}", std::process::id()));
        std::fs::write(&path, "nothing").unwrap();
        let error = Tls::new(&Trust::File(path.clone()), "localhost").unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        assert!(error.contains("no certificates as PEM"), "{error}");
    }
}
