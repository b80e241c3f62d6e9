//! Tokens of another issuer: who they say that somebody is, if they are good. They log in, and do nothing else.
//!
//! No store and no clock here, and nothing is fetched: keys come from a secret or from a file. The rules are those of RFC 8725
//! section 3: a key has one algorithm, which no token chooses; no header names a place of keys; issuer and audience are ours.

mod claims;
mod keys;
mod watch;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use jsonwebtoken::Header;
use jsonwebtoken::dangerous::insecure_decode_claims;

use self::claims::Claims;
pub use self::keys::KeyFileError;
use self::keys::{Key, KeySet, read_text};
pub(crate) use self::watch::watch;
use super::secret::Secret;
use super::token::{TokenError, TokenParts};

/// Longest token that is looked at, in bytes: those of some issuers list a user's groups.
const MAX_TOKEN_BYTES: usize = 8192;

/// Whose tokens are taken, and what they are checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalOptions {
    /// What `iss` must be.
    pub issuer: String,
    /// One of which `aud` must name.
    pub audiences: Vec<String>,
    /// Secrets of HS256.
    pub secrets: Vec<Secret>,
    /// The file of public keys, a JWK set (RFC 7517 section 5).
    pub key_file: Option<PathBuf>,
}

/// Takes tokens of one issuer.
pub struct ExternalTokens {
    issuer: String,
    audiences: Vec<String>,
    secrets: Vec<Key>,
    key_file: Option<KeyFile>,
    /// What the file held when it was last of use. Held for a moment.
    public: RwLock<Arc<KeySet>>,
}

/// Where public keys are.
#[derive(Clone)]
struct KeyFile {
    path: PathBuf,
    text_at_start: String,
}

/// Who a token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalUser {
    /// The issuer, as the configuration has it.
    pub issuer: String,
    /// The issuer's name for the user, which never changes: 1 to 255 bytes.
    pub subject: String,
    /// What the user is called there, the best name first; nothing is known of these texts.
    pub names: Vec<String>,
}

impl ExternalTokens {
    /// With what the file of keys holds now.
    ///
    /// # Errors
    /// The file is of no use.
    pub fn load(options: ExternalOptions) -> Result<Self, KeyFileError> {
        let ExternalOptions { issuer, audiences, secrets, key_file } = options;
        let secrets = secrets.iter().map(|secret| Key::secret(secret.expose())).collect();
        let (mut public, mut read) = (KeySet::default(), None);
        if let Some(path) = key_file {
            let text_at_start = read_text(&path)?;
            public = KeySet::parse(&text_at_start).map_err(|reason| KeyFileError::new(&path, reason))?;
            read = Some(KeyFile { path, text_at_start });
        }
        Ok(Self { issuer, audiences, secrets, key_file: read, public: RwLock::new(Arc::new(public)) })
    }

    /// Who a token speaks for, if it is good at `now_s` (seconds since the Unix epoch).
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn verify(&self, token: &str, now_s: u64) -> Result<ExternalUser, ExternalError> {
        let parts = TokenParts::split(token, MAX_TOKEN_BYTES).map_err(ExternalError::Token)?;
        let header = jsonwebtoken::decode_header(token).map_err(|_| ExternalError::Header)?;
        check_header(&header)?;
        let public = self.public();
        let secrets = self.secrets.iter().filter(|key| key.is_for(&header));
        let mut keys = secrets.chain(public.find(&header)).peekable();
        if keys.peek().is_none() {
            return Err(ExternalError::NoKey);
        }
        if !keys.any(|key| key.has_signed(&parts)) {
            return Err(ExternalError::Token(TokenError::Signature));
        }
        // Nothing insecure is left: algorithm and signature are checked, and the claims are checked next.
        let claims: Claims =
            insecure_decode_claims(token).map_err(|_| ExternalError::Token(TokenError::Claims))?;
        claims.check(&self.issuer, &self.audiences, now_s)
    }

    fn public(&self) -> Arc<KeySet> {
        // What it guards is replaced whole.
        self.public.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace_public(&self, keys: KeySet) {
        *self.public.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }
}

/// A token of another kind (an issuer's notice of a logout, say) may have the same issuer, audience and subject: its `typ` tells
/// (RFC 8725 section 3.11). Extensions that must be understood are none of ours (RFC 7515 section 4.1.11).
fn check_header(header: &Header) -> Result<(), ExternalError> {
    const TYPES: [&str; 2] = ["JWT", "at+jwt"];
    let is_known = |typ: &str| {
        let typ = typ.strip_prefix("application/").unwrap_or(typ);
        TYPES.iter().any(|known| known.eq_ignore_ascii_case(typ))
    };
    let is_plain = header.crit.is_none() && header.enc.is_none() && header.zip.is_none();
    if is_plain && header.typ.as_deref().is_none_or(is_known) { Ok(()) } else { Err(ExternalError::Header) }
}

impl fmt::Debug for ExternalTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.secrets.len() + self.public().keys.len();
        write!(f, "ExternalTokens({:?} for {:?}, {keys} keys)", self.issuer, self.audiences)
    }
}

/// Why a token of another issuer is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternalError {
    /// As a token of ours would be refused.
    Token(TokenError),
    /// Its header has no known `alg`, is of another kind of token, or asks for what is not done.
    Header,
    /// No key has its `kid` and its `alg`, or several would do and it has no `kid`.
    NoKey,
    /// Its `iss` is another.
    Issuer,
    /// Its `aud` does not name this server.
    Audience,
    /// Its `sub` is empty, too long, or has control characters.
    Subject,
    /// Its `exp` is too far away.
    LastsTooLong,
}

impl fmt::Display for ExternalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(error) => write!(f, "{error}"),
            Self::Header => f.write_str(
                "the token's header is not accepted: expected alg RS256, ES256, EdDSA or HS256, and typ JWT",
            ),
            Self::NoKey => f.write_str("no key of this server fits the token's kid and alg"),
            Self::Issuer => f.write_str("the token's iss is not the issuer that this server trusts"),
            Self::Audience => f.write_str("the token's aud does not name this server"),
            Self::Subject => write!(
                f,
                "the token's sub must have 1 to {} bytes without control characters",
                claims::MAX_SUBJECT_BYTES
            ),
            Self::LastsTooLong => write!(
                f,
                "the token's exp must be within the next {} hours; get a shorter one",
                claims::LONGEST_S / 3600
            ),
        }
    }
}

impl std::error::Error for ExternalError {}

#[cfg(test)]
mod tests;

#[cfg(any(test, fuzzing))]
#[path = "../../../tests/fuzz/targets/issuer.rs"]
pub(crate) mod fuzz;
