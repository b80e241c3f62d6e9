//! Access tokens: JSON Web Tokens (RFC 7519) signed with HS256, and nothing else.
//!
//! No clock here: the caller says what time it is. The rules are those of RFC 8725 section 3: one algorithm that the
//! token cannot choose, no header parameter that names a key, all claims checked before anything is trusted.

use std::fmt;

use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, crypto};
use serde::de::{self, Deserializer, IgnoredAny, Visitor};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::random;
use crate::wire::ids::{Identity, Login, Role};

/// Longest token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 4096;
/// How far the clocks of two machines may differ, in seconds.
pub(super) const LEEWAY_S: u64 = 30;
/// Longest username in a token, in bytes.
const MAX_USERNAME_BYTES: usize = 256;
/// The header that [`TokenAuthority::issue`] writes, encoded: recognised without parsing it.
const OWN_HEADER: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9";

/// Issues and verifies tokens.
pub struct TokenAuthority {
    signing_key: EncodingKey,
    verifying_keys: Vec<DecodingKey>,
    ttl_s: u64,
}

impl TokenAuthority {
    /// Signs with the first secret and accepts all of them, so that a secret can be changed without logging everybody
    /// out. Tokens are valid for `ttl_s` seconds.
    ///
    /// # Panics
    /// Without a secret.
    pub fn new(secrets: Vec<Vec<u8>>, ttl_s: u64) -> Self {
        let first = secrets.first().expect("a token authority has at least one secret");
        Self {
            signing_key: EncodingKey::from_secret(first),
            verifying_keys: secrets.iter().map(|secret| DecodingKey::from_secret(secret)).collect(),
            ttl_s,
        }
    }

    /// How long a token is valid, in seconds.
    pub fn ttl_s(&self) -> u64 {
        self.ttl_s
    }

    /// For how long after its issue a token may be taken anywhere, in seconds: the clock of who takes it, and of who tells that it
    /// is void, may each be off by the leeway.
    pub fn longest_s(&self) -> u64 {
        self.ttl_s.saturating_add(2 * LEEWAY_S)
    }

    /// A new token of a login's family, valid from `now_ms` (milliseconds since the Unix epoch). Its `jti` says both, so
    /// that later news can tell which tokens they make void.
    pub fn issue(&self, user_id: &str, username: &str, role: Role, family: &str, now_ms: u64) -> String {
        let jti = format!("{family}.{now_ms}");
        let role = role.as_str();
        let iat = now_ms / 1000;
        let exp = iat.saturating_add(self.ttl_s);
        let claims = IssuedClaims { user_id, username, role, iat, exp, jti: &jti };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing_key)
            .expect("HS256 signs any claims with any secret")
    }

    /// Who a token speaks for, if it is valid at `now_s` (seconds since the Unix epoch).
    ///
    /// # Errors
    /// Says what is wrong with the token; clients are only told that it is not valid.
    pub fn verify(&self, token: &str, now_s: u64) -> Result<Identity, TokenError> {
        let parts = TokenParts::split(token, MAX_TOKEN_BYTES)?;
        check_header(token, parts.header)?;
        if !self.verifying_keys.iter().any(|key| parts.is_signed_with(key, Algorithm::HS256)) {
            return Err(TokenError::Signature);
        }
        // Nothing insecure is left: algorithm and signature are checked, and the claims are checked next.
        let claims: Claims = insecure_decode_claims(token).map_err(|_| TokenError::Claims)?;
        claims.check(now_s, self.ttl_s)
    }
}

impl TokenAuthority {
    /// The signature of a text that is no JWT; as a JWT begins with `ey`, the text must not.
    pub(super) fn sign(&self, text: &str) -> String {
        crypto::sign(text.as_bytes(), &self.signing_key, Algorithm::HS256)
            .expect("HS256 signs any text with any secret")
    }

    /// Whether [`TokenAuthority::sign`] made the signature, with any of the secrets.
    pub(super) fn has_signed(&self, text: &str, signature: &str) -> bool {
        let is_signed_with = |key: &DecodingKey| {
            crypto::verify(signature, text.as_bytes(), key, Algorithm::HS256).unwrap_or(false)
        };
        self.verifying_keys.iter().any(is_signed_with)
    }
}

impl fmt::Debug for TokenAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenAuthority({} secrets, {} s)", self.verifying_keys.len(), self.ttl_s)
    }
}

/// Why a token is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// Not three parts, or too long.
    Malformed,
    /// Another algorithm than HS256, or a header parameter that we do not take.
    Header,
    /// Signed with no secret of ours.
    Signature,
    /// A claim is missing, doubled, of the wrong type, or not one of ours.
    Claims,
    /// Its `exp` is in the past.
    Expired,
    /// Its `nbf` or `iat`, or the time in a `jti` of ours, is in the future.
    NotYetValid,
    /// It would be valid for longer than `--token-ttl` allows.
    TooLong,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the token is malformed",
            Self::Header => "the token's header is not accepted",
            Self::Signature => "the token's signature is not valid",
            Self::Claims => "the token's claims are not accepted",
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not valid yet",
            Self::TooLong => {
                "the token would be valid for longer than this server allows (--token-ttl); get a new one"
            }
        })
    }
}

impl std::error::Error for TokenError {}

/// A token's parts, still encoded.
pub(super) struct TokenParts<'a> {
    header: &'a str,
    signed: &'a str,
    signature: &'a str,
}

impl<'a> TokenParts<'a> {
    pub(super) fn split(token: &'a str, max_bytes: usize) -> Result<Self, TokenError> {
        if token.len() > max_bytes {
            return Err(TokenError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        if payload.contains('.') || header.is_empty() || payload.is_empty() {
            return Err(TokenError::Malformed);
        }
        Ok(Self { header, signed, signature })
    }

    /// Compares in constant time; a signature that is not canonical base64url is none.
    pub(super) fn is_signed_with(&self, key: &DecodingKey, algorithm: Algorithm) -> bool {
        crypto::verify(self.signature, self.signed.as_bytes(), key, algorithm).unwrap_or(false)
    }
}

/// Accepts `alg` HS256 and, if there is one, `typ` JWT. Any other parameter asks for a processing that we do not do
/// (`crit`, `zip`, `cty`) or names a key that we would not use (`kid`, `jku`, `jwk`, `x5u` …).
fn check_header(token: &str, encoded: &str) -> Result<(), TokenError> {
    if encoded == OWN_HEADER {
        return Ok(());
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Header)?;
    let plain = Header { typ: header.typ.clone(), ..Header::new(Algorithm::HS256) };
    let is_jwt = header.typ.as_deref().is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"));
    if is_jwt && header == plain { Ok(()) } else { Err(TokenError::Header) }
}

#[derive(Serialize)]
struct IssuedClaims<'a> {
    user_id: &'a str,
    username: &'a str,
    role: &'a str,
    iat: u64,
    exp: u64,
    jti: &'a str,
}

/// The claims that are read; others are ignored, as RFC 7519 section 4 asks.
#[derive(Deserialize)]
struct Claims {
    user_id: String,
    username: String,
    role: String,
    exp: NumericDate,
    nbf: Option<NumericDate>,
    iat: Option<NumericDate>,
    jti: Option<String>,
    /// A token for somebody else: we have no name that could stand here (RFC 7519 section 4.1.3).
    #[serde(default, deserialize_with = "present")]
    aud: bool,
}

impl Claims {
    fn check(self, now_s: u64, ttl_s: u64) -> Result<Identity, TokenError> {
        if self.exp.0.saturating_add(LEEWAY_S) <= now_s {
            return Err(TokenError::Expired);
        }
        let login = login_of(self.jti.as_deref(), self.iat);
        let begins_s =
            [self.nbf.map(|nbf| nbf.0), self.iat.map(|iat| iat.0), Some(login.issued_at_ms / 1000)];
        if begins_s.into_iter().flatten().any(|begins_s| begins_s > now_s.saturating_add(LEEWAY_S)) {
            return Err(TokenError::NotYetValid);
        }
        // Revocations are kept for as long as tokens last.
        let issued_s = self.iat.map_or(now_s, |iat| iat.0.min(now_s));
        if self.exp.0 > issued_s.saturating_add(ttl_s).saturating_add(LEEWAY_S) {
            return Err(TokenError::TooLong);
        }
        let role = Role::parse(&self.role).ok_or(TokenError::Claims)?;
        if self.aud || !is_user_id(&self.user_id) || !is_username(&self.username) {
            return Err(TokenError::Claims);
        }
        Ok(Identity {
            user_id: self.user_id.into(),
            username: self.username.into(),
            role,
            expires_at_s: u32::try_from(self.exp.0).unwrap_or(u32::MAX),
            login,
        })
    }
}

/// A token that somebody else signed with our secret need not have a `jti`, or one like ours: it counts as issued when it
/// says so, or long ago, and belongs to no family.
fn login_of(jti: Option<&str>, iat: Option<NumericDate>) -> Login {
    let ours = jti.and_then(|jti| jti.rsplit_once('.')).and_then(|(family, issued_at_ms)| {
        let issued_at_ms = issued_at_ms.parse().ok()?;
        is_family(family).then(|| Login { family: family.into(), issued_at_ms, network: None })
    });
    let issued_at_ms = iat.map_or(0, |iat| iat.0.saturating_mul(1000));
    ours.unwrap_or_else(|| Login { family: SmolStr::default(), issued_at_ms, network: None })
}

/// Characters of a family's id: 132 random bits.
const FAMILY_CHARACTERS: usize = 22;

/// A fresh id for a login and what follows from it.
pub fn new_family() -> String {
    random::text::<FAMILY_CHARACTERS>()
}

/// Whether a text has the form of [`new_family`].
pub(super) fn is_family(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    text.len() == FAMILY_CHARACTERS && text.bytes().all(allowed)
}

/// A decimal number without leading zeros, or `guest:` and up to 64 of `A-Za-z0-9_-`. Nothing else may get into keys.
pub fn is_user_id(text: &str) -> bool {
    const MAX_GUEST_CHARACTERS: usize = 64;
    match text.strip_prefix("guest:") {
        Some(random) => {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            (1..=MAX_GUEST_CHARACTERS).contains(&random.len()) && random.bytes().all(allowed)
        }
        None => text.parse::<u64>().is_ok_and(|number| number.to_string() == text),
    }
}

fn is_username(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_USERNAME_BYTES && !text.chars().any(char::is_control)
}

/// Seconds since the Unix epoch, cut to whole ones (RFC 7519 section 2: a JSON number, never a text).
#[derive(Clone, Copy)]
pub(super) struct NumericDate(pub(super) u64);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumericDateVisitor)
    }
}

struct NumericDateVisitor;

impl Visitor<'_> for NumericDateVisitor {
    type Value = NumericDate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds since the Unix epoch")
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<NumericDate, E> {
        Ok(NumericDate(seconds))
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<NumericDate, E> {
        /// Above it, whole numbers have gaps.
        const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;
        if (0.0..=LARGEST_EXACT).contains(&seconds) {
            return Ok(NumericDate(seconds as u64));
        }
        Err(de::Error::invalid_value(de::Unexpected::Float(seconds), &self))
    }
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

#[cfg(test)]
mod tests;
