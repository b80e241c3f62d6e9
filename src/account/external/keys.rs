//! Keys that tokens of another issuer are checked with: secrets, and the public keys of a file (RFC 7517, 7518, 8037).

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, Header, crypto};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::account::token::TokenParts;
use crate::wire::without_mark;

/// Longest file of keys, in bytes.
const MAX_FILE_BYTES: u64 = 256 * 1024;
/// Most keys of a file that are of use.
const MAX_KEYS: usize = 64;
/// Sizes of an RSA modulus in bits: below, it can be factored (RFC 7518 section 3.3); above, a check takes too long.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;
/// Characters of 32 bytes in base64url: a coordinate of P-256, or a key of Ed25519.
const CHARACTERS_OF_32_BYTES: usize = 43;

/// A key and the one algorithm that it is for.
pub(super) struct Key {
    /// A text to compare with, and nothing else: never a path or an address.
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Key {
    /// Of HS256.
    pub(super) fn secret(secret: &[u8]) -> Self {
        Self { id: None, algorithm: Algorithm::HS256, key: DecodingKey::from_secret(secret) }
    }

    /// Whether a token with this header may be this key's: it has the key's own algorithm, and names no other key.
    pub(super) fn is_for(&self, header: &Header) -> bool {
        let names_another = self.id.is_some() && header.kid.is_some() && header.kid != self.id;
        header.alg == self.algorithm && !names_another
    }

    /// Whether the signature is this key's, by its own algorithm, whatever the token says of that.
    pub(super) fn has_signed(&self, parts: &TokenParts<'_>) -> bool {
        parts.is_signed_with(&self.key, self.algorithm)
    }
}

/// The public keys of a file.
#[derive(Default)]
pub(super) struct KeySet {
    pub(super) keys: Vec<Key>,
    /// How many were passed over, as they are for something else.
    pub(super) passed_over: usize,
}

impl KeySet {
    /// The keys of a text: a JWK set. Keys of other kinds and for other uses are passed over (RFC 7517 section 5).
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = r#"expected a JWK set: {"keys": [{"kty": ..., ...}, ...]}"#;
        let Document { keys } =
            serde_json::from_str(without_mark(text)).map_err(|error| format!("{error}; {EXPECTED}"))?;
        let mut set = Self::default();
        let mut why_not = String::new();
        for (index, text) in keys.iter().enumerate() {
            let number = index + 1;
            let jwk: Jwk = serde_json::from_str(text.get())
                .map_err(|error| format!("key {number} is no JWK: {error}"))?;
            match jwk.read().map_err(|reason| format!("key {number}: {reason}"))? {
                Usable::Key(key) => set.add(key).map_err(|reason| format!("key {number}: {reason}"))?,
                Usable::No(reason) => {
                    set.passed_over += 1;
                    why_not = format!("; key {number} {reason}");
                }
            }
        }
        if set.keys.is_empty() {
            return Err(format!("it has no key for RS256, ES256 or EdDSA{why_not}"));
        }
        Ok(set)
    }

    /// The one key that a token with this header means.
    pub(super) fn find(&self, header: &Header) -> Option<&Key> {
        let mut fitting = self.keys.iter().filter(|key| key.is_for(header));
        fitting.next().filter(|_| fitting.next().is_none())
    }

    /// Which of two keys a token means must always be clear.
    fn add(&mut self, key: Key) -> Result<(), String> {
        let mut alike = self.keys.iter().filter(|other| other.algorithm == key.algorithm);
        if alike.any(|other| other.id == key.id || other.id.is_none() || key.id.is_none()) {
            return Err(format!(
                "another key for {:?} has the same kid, or one of them has none",
                key.algorithm
            ));
        }
        if self.keys.len() == MAX_KEYS {
            return Err(format!("a file has at most {MAX_KEYS} keys"));
        }
        self.keys.push(key);
        Ok(())
    }
}

/// What a file of keys holds.
pub(super) fn read_text(file: &Path) -> Result<String, KeyFileError> {
    let mut text = String::new();
    let read = File::open(file).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text));
    match read {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(KeyFileError::new(file, "it is not text in UTF-8".to_owned()))
        }
        Err(error) => Err(KeyFileError::new(file, format!("it cannot be read: {error}"))),
        Ok(_) if text.len() as u64 > MAX_FILE_BYTES => {
            Err(KeyFileError::new(file, format!("it is longer than {MAX_FILE_BYTES} bytes")))
        }
        Ok(_) => Ok(text),
    }
}

#[derive(Deserialize)]
struct Document<'t> {
    #[serde(borrow)]
    keys: Vec<&'t RawValue>,
}

/// The members that are looked at.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    /// Of a private key.
    d: Option<IgnoredAny>,
    /// Of a secret one.
    k: Option<IgnoredAny>,
}

enum Usable {
    Key(Key),
    /// It is for something else, such as.
    No(String),
}

impl Jwk {
    fn read(self) -> Result<Usable, String> {
        if self.d.is_some() || self.k.is_some() {
            return Err("it is not a public key: give the public part alone, and secrets with --auth-secret"
                .to_owned());
        }
        if self.r#use.as_deref().is_some_and(|purpose| purpose != "sig") {
            return Ok(Usable::No("is not for signatures (use)".to_owned()));
        }
        if self.key_ops.as_ref().is_some_and(|purposes| !purposes.iter().any(|purpose| purpose == "verify")) {
            return Ok(Usable::No("is not for checking signatures (key_ops)".to_owned()));
        }
        let (algorithm, names): (_, &[&str]) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => (Algorithm::RS256, &["RS256"]),
            ("EC", Some("P-256")) => (Algorithm::ES256, &["ES256"]),
            ("OKP", Some("Ed25519")) => (Algorithm::EdDSA, &["EdDSA", "Ed25519"]),
            (kty, crv) => return Ok(Usable::No(format!("is of another kind (kty {kty:?}, crv {crv:?})"))),
        };
        if let Some(alg) = self.alg.as_deref().filter(|alg| !names.contains(alg)) {
            return Ok(Usable::No(format!("is for another algorithm (alg {alg:?})")));
        }
        let key = match algorithm {
            Algorithm::RS256 => rsa_key(member("n", &self.n)?, member("e", &self.e)?)?,
            Algorithm::ES256 => p256_key(member("x", &self.x)?, member("y", &self.y)?)?,
            _ => ed25519_key(member("x", &self.x)?)?,
        };
        Ok(Usable::Key(Key { id: self.kid, algorithm, key }))
    }
}

fn member<'j>(name: &str, value: &'j Option<String>) -> Result<&'j str, String> {
    value.as_deref().ok_or_else(|| format!("it lacks {name}"))
}

/// RFC 7518 section 6.3.1.
fn rsa_key(modulus: &str, exponent: &str) -> Result<DecodingKey, String> {
    let key = DecodingKey::from_rsa_components(modulus, exponent)
        .map_err(|_| "n and e must be base64url without padding".to_owned())?;
    let DecodingKeyKind::RsaModulusExponent { n, e } = key.kind() else {
        unreachable!("it was made of a modulus and an exponent")
    };
    let bits = bits(n);
    if !RSA_BITS.contains(&bits) {
        return Err(format!("n has {bits} bits; allowed are {} to {}", RSA_BITS.start(), RSA_BITS.end()));
    }
    let is_odd = |bytes: &[u8]| bytes.last().is_some_and(|last| last % 2 == 1);
    if !is_odd(n) || !is_odd(e) || !(2..=32).contains(&self::bits(e)) {
        return Err("n and e must be odd, and e from 3 to 2^32".to_owned());
    }
    Ok(key)
}

fn bits(number: &[u8]) -> usize {
    let first = number.iter().position(|&byte| byte > 0).unwrap_or(number.len());
    let rest = &number[first..];
    rest.first().map_or(0, |byte| rest.len() * 8 - byte.leading_zeros() as usize)
}

/// RFC 7518 section 6.2.1.
fn p256_key(x: &str, y: &str) -> Result<DecodingKey, String> {
    let expected = || "x and y must be those of a point of P-256, 32 bytes each in base64url".to_owned();
    if x.len() != CHARACTERS_OF_32_BYTES || y.len() != CHARACTERS_OF_32_BYTES {
        return Err(expected());
    }
    let key = DecodingKey::from_ec_components(x, y).map_err(|_| expected())?;
    check_point(key, Algorithm::ES256, expected)
}

/// RFC 8037 section 2.
fn ed25519_key(x: &str) -> Result<DecodingKey, String> {
    let expected = || "x must be a key of Ed25519, 32 bytes in base64url".to_owned();
    if x.len() != CHARACTERS_OF_32_BYTES {
        return Err(expected());
    }
    let key = DecodingKey::from_ed_components(x).map_err(|_| expected())?;
    check_point(key, Algorithm::EdDSA, expected)
}

/// Whether the bytes are a point of the curve shows when something is checked with them.
fn check_point(
    key: DecodingKey,
    algorithm: Algorithm,
    expected: impl Fn() -> String,
) -> Result<DecodingKey, String> {
    match crypto::verify("", b"", &key, algorithm) {
        Ok(_) => Ok(key),
        Err(_) => Err(expected()),
    }
}

/// Why a file of keys is of no use. One line that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFileError {
    file: PathBuf,
    reason: String,
}

impl KeyFileError {
    pub(super) fn new(file: &Path, reason: String) -> Self {
        Self { file: file.to_owned(), reason }
    }
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, reason } = self;
        write!(f, "--auth-jwks {}: {}", file.display(), reason.replace('\n', " "))
    }
}

impl std::error::Error for KeyFileError {}
