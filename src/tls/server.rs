//! What all connections share: the certificate that is shown now, and what is needed to resume sessions.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert, ServerSessionMemoryCache};
use rustls::sign::CertifiedKey;

use super::certificate::{Certificate, CertificateFiles, Texts, TlsError};
use super::channel::Channel;
use crate::wire::http::http_date;

/// Sessions of TLS 1.2 that are kept for clients without tickets; beyond it the oldest are forgotten, and such a client makes a
/// whole handshake again. Whoever has a ticket, which is nearly everybody, keeps its session itself.
const KEPT_SESSIONS: usize = 1024;
/// A certificate that ends sooner is warned of.
const SOON_S: u64 = 3 * 24 * 3600;

/// The server's side of all TLS connections.
pub(crate) struct TlsServer {
    files: CertificateFiles,
    config: Arc<ServerConfig>,
    shown: Arc<Shown>,
    /// What the files held when they were last made sense of, or could not be.
    seen: Mutex<Texts>,
}

/// The certificate that new connections get.
struct Shown {
    /// Held for a few instructions, at whole handshakes only.
    signer: RwLock<Arc<CertifiedKey>>,
    /// When it ends, in seconds since 1970.
    ends_s: AtomicU64,
}

/// What a look at the files came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    Unchanged,
    /// They hold another certificate, which is shown from now on.
    Replaced,
    /// They hold something else, which is of no use, or are gone.
    Refused(TlsError),
}

impl TlsServer {
    /// With what the files hold.
    ///
    /// # Errors
    /// They cannot be read, or do not hold a certificate and its key.
    pub(crate) fn load(files: CertificateFiles) -> Result<Self, TlsError> {
        let texts = files.read()?;
        let Certificate { signer, validity } = files.parse(&texts)?;
        let shown = Arc::new(Shown { signer: RwLock::new(signer), ends_s: AtomicU64::new(validity.1) });
        Ok(Self { config: Arc::new(config(shown.clone())), files, shown, seen: Mutex::new(texts) })
    }

    /// A channel for a new connection.
    ///
    /// # Errors
    /// The cryptography cannot be used.
    pub(crate) fn accept(&self) -> Result<Box<Channel>, rustls::Error> {
        Channel::new(self.config.clone()).map(Box::new)
    }

    /// When the certificate ends, in seconds since 1970.
    pub(crate) fn ends_s(&self) -> u64 {
        self.shown.ends_s.load(Ordering::Relaxed)
    }

    /// What is allowed but unwise, a sentence each.
    pub(crate) fn warnings(&self, now_s: u64) -> Vec<String> {
        let ends_s = self.ends_s();
        let (file, end) = (self.files.certificate.display(), http_date(ends_s));
        let end = if ends_s <= now_s {
            Some(format!("the certificate in {file} has expired: clients refuse it since {end}"))
        } else if ends_s - now_s < SOON_S {
            Some(format!("the certificate in {file} expires soon: clients refuse it from {end} on"))
        } else {
            None
        };
        end.into_iter().chain(self.files.warning()).collect()
    }

    /// Whether the files hold something else than when they were last made sense of, or cannot be read.
    pub(super) fn read_changed(&self) -> Result<Option<Texts>, TlsError> {
        let texts = self.files.read()?;
        let is_new = *self.seen() != texts;
        Ok(is_new.then_some(texts))
    }

    /// Shows what the files hold, if that is something else than before, and of use.
    pub(super) fn show(&self, texts: Texts) -> Look {
        let parsed = self.files.parse(&texts);
        *self.seen() = texts;
        match parsed {
            Ok(Certificate { signer, validity }) => {
                *self.shown.signer.write().unwrap_or_else(PoisonError::into_inner) = signer;
                self.shown.ends_s.store(validity.1, Ordering::Relaxed);
                Look::Replaced
            }
            Err(error) => Look::Refused(error),
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Texts> {
        // What it guards is replaced whole.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn config(shown: Arc<Shown>) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has what TLS 1.2 and 1.3 need")
        .with_no_client_auth()
        .with_cert_resolver(shown);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = ServerSessionMemoryCache::new(KEPT_SESSIONS);
    config.ticketer = ring::Ticketer::new().expect("the kernel's random numbers are always there");
    config
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.signer.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").field("ends_s", &self.ends_s).finish_non_exhaustive()
    }
}
