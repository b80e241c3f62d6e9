//! TLS to PostgreSQL, by rustls.
//!
//! `prefer` and `require` encrypt and take any certificate, as libpq does: that keeps out who only listens.
//! `verify-full` takes only a certificate of the given authority for the host's name.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::tls::{AnyCertificate, read_pem};

/// How the driver is to make its TLS connections.
///
/// # Errors
/// When the authority's certificate cannot be read.
pub(super) fn connector(root_certificate: Option<&Path>) -> Result<MakeRustlsConnect, String> {
    let provider = Arc::new(ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?;
    let config = match root_certificate {
        Some(path) => versions.with_root_certificates(read_roots(path)?),
        None => versions.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))),
    };
    Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
}

fn read_roots(path: &Path) -> Result<RootCertStore, String> {
    let refuse = |detail: String| format!("sslrootcert={}: {detail}", path.display());
    let mut roots = RootCertStore::empty();
    let text = read_pem(path).map_err(|error| refuse(error.to_string()))?;
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| refuse(error.to_string()))?;
        roots.add(certificate).map_err(|error| refuse(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(refuse("it holds no certificate".to_owned()));
    }
    Ok(roots)
}
