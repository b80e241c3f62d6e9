//! A certificate and its key, from PEM files.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use x509_cert::der::Decode;

use super::read_pem;

/// Where a certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM: the server's certificate, and behind it those that lead to its authority.
    pub certificate: PathBuf,
    /// PEM: the key of the first certificate, as PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

/// Why a certificate cannot be used: which flag, which file, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError(String);

/// What the two files hold.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Texts {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// A certificate that can be shown.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) signer: Arc<CertifiedKey>,
    /// From when to when it is valid, in seconds since 1970.
    pub(super) validity: (u64, u64),
}

impl CertificateFiles {
    /// Reads both files.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub(super) fn read(&self) -> Result<Texts, TlsError> {
        let read = |flag: &str, path: &Path| {
            read_pem(path)
                .map_err(|error| refuse(flag, path, &format!("it cannot be read: {}", plain(&error))))
        };
        Ok(Texts { certificate: read(CERTIFICATE, &self.certificate)?, key: read(KEY, &self.key)? })
    }

    /// Makes sense of what the files hold.
    ///
    /// # Errors
    /// They do not hold a certificate and its key.
    pub(super) fn parse(&self, texts: &Texts) -> Result<Certificate, TlsError> {
        let no_certificate = |reason: &str| refuse(CERTIFICATE, &self.certificate, reason);
        let no_key = |reason: &str| refuse(KEY, &self.key, reason);
        let chain = parse_chain(&texts.certificate).map_err(|reason| no_certificate(&reason))?;
        let validity = validity(&chain[0]).map_err(|reason| no_certificate(&reason))?;
        let key = parse_key(&texts.key).map_err(|reason| no_key(&reason))?;
        let signer = CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                let certificate = self.certificate.display();
                no_key(&format!("it is not the key of the certificate in {certificate}"))
            }
            Error::InvalidCertificate(reason) => no_certificate(&format!("the certificate is malformed: {reason:?}")),
            other => no_key(&format!("the key cannot be used: {other}; usable are RSA (2048 bits and more), ECDSA (P-256, P-384) and Ed25519")),
        })?;
        Ok(Certificate { signer: Arc::new(signer), validity })
    }

    /// What is allowed but unwise about the key's file.
    pub(super) fn warning(&self) -> Option<String> {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&self.key).ok()?.permissions().mode();
        let key = self.key.display();
        (mode & 0o004 != 0)
            .then(|| format!("{KEY} {key} can be read by everybody on this machine; chmod o-r makes it safe"))
    }
}

const CERTIFICATE: &str = "--tls-cert";
const KEY: &str = "--tls-key";

fn parse_chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let chain = chain.map_err(|error| format!("it is not PEM: {error}"))?;
    if chain.is_empty() {
        return Err(
            "there is no certificate in it; expected PEM, with -----BEGIN CERTIFICATE-----".to_owned()
        );
    }
    Ok(chain)
}

fn parse_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| {
        let holds = |mark: &str| text.windows(mark.len()).any(|window| window == mark.as_bytes());
        match error {
            pem::Error::NoItemsFound if holds("BEGIN ENCRYPTED PRIVATE KEY") => {
                "the key in it is encrypted; `openssl pkey` takes the password off".to_owned()
            }
            pem::Error::NoItemsFound => {
                "there is no private key in it; expected PEM, with -----BEGIN PRIVATE KEY-----".to_owned()
            }
            other => format!("it is not PEM: {other}"),
        }
    })
}

fn validity(certificate: &CertificateDer<'_>) -> Result<(u64, u64), String> {
    let malformed = |error| format!("the certificate is malformed: {error}");
    let parsed = x509_cert::Certificate::from_der(certificate).map_err(malformed)?;
    let validity = parsed.tbs_certificate.validity;
    let seconds = |time: x509_cert::time::Time| time.to_unix_duration().as_secs();
    Ok((seconds(validity.not_before), seconds(validity.not_after)))
}

fn refuse(flag: &str, path: &Path, reason: &str) -> TlsError {
    TlsError(format!("{flag} {}: {reason}", path.display()))
}

/// Without the error's number, of which the words say the same.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "the server may not read it".to_owned(),
        _ => error.to_string(),
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}
