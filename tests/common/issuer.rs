//! An issuer of tokens beside the server, with a signer of its own: ring, where the server has jsonwebtoken.

use ring::rand::SystemRandom;
use ring::rsa::{KeyPair as RsaKeyPair, PublicKeyComponents};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use ring::{hmac, signature};
use serde_json::{Value, json};

/// Made once with `openssl genpkey -algorithm RSA`, as making one takes long. It signs in tests alone.
const RSA_KEY: &[u8] = include_bytes!("issuer-rsa.der");

pub const ISSUER: &str = "https://id.example/game";
pub const AUDIENCE: &str = "my-game";

/// A key that signs.
pub struct Signer {
    key: Key,
    pub kid: &'static str,
}

enum Key {
    Secret(hmac::Key),
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    pub fn secret(secret: &[u8]) -> Self {
        Self { key: Key::Secret(hmac::Key::new(hmac::HMAC_SHA256, secret)), kid: "secret" }
    }

    pub fn rsa() -> Self {
        Self { key: Key::Rsa(RsaKeyPair::from_pkcs8(RSA_KEY).unwrap()), kid: "rsa-1" }
    }

    pub fn p256() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        Self { key: Key::P256(pair), kid: "ec-1" }
    }

    pub fn ed25519() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self { key: Key::Ed25519(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap()), kid: "ed-1" }
    }

    /// Under another name.
    pub fn named(self, kid: &'static str) -> Self {
        Self { kid, ..self }
    }

    /// The public key as a JWK.
    pub fn jwk(&self) -> Value {
        let kid = self.kid;
        match &self.key {
            Key::Secret(_) => panic!("a secret is not public"),
            Key::Rsa(pair) => {
                let public: PublicKeyComponents<Vec<u8>> = pair.public().into();
                let (n, e) = (encode(public.n), encode(public.e));
                json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": n, "e": e})
            }
            Key::P256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": encode(x), "y": encode(y)})
            }
            Key::Ed25519(pair) => {
                let x = encode(pair.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x})
            }
        }
    }

    /// A token with these claims and the header that belongs to the key.
    pub fn token(&self, claims: &Value) -> String {
        let alg = match &self.key {
            Key::Secret(_) => "HS256",
            Key::Rsa(_) => "RS256",
            Key::P256(_) => "ES256",
            Key::Ed25519(_) => "EdDSA",
        };
        self.token_with(&json!({"alg": alg, "typ": "JWT", "kid": self.kid}), claims)
    }

    /// A token with any header.
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = self.sign(signed.as_bytes());
        format!("{signed}.{}", encode(signature))
    }

    fn sign(&self, text: &[u8]) -> Vec<u8> {
        match &self.key {
            Key::Secret(key) => hmac::sign(key, text).as_ref().to_vec(),
            Key::Rsa(pair) => {
                let mut signed = vec![0; pair.public().modulus_len()];
                let padding = &signature::RSA_PKCS1_SHA256;
                pair.sign(padding, &SystemRandom::new(), text, &mut signed).unwrap();
                signed
            }
            Key::P256(pair) => pair.sign(&SystemRandom::new(), text).unwrap().as_ref().to_vec(),
            Key::Ed25519(pair) => pair.sign(text).as_ref().to_vec(),
        }
    }
}

/// A JWK set of these keys.
pub fn key_set(signers: &[&Signer]) -> String {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

/// Good claims for an hour from then on.
pub fn claims(subject: &str, now_s: u64) -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now_s, "exp": now_s + 3600})
}

/// Claims with some of them changed; null takes one away.
pub fn with(mut claims: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

/// Base64url without padding (RFC 4648 section 5).
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let group = |bytes: &[u8]| {
        let number = (0..3).fold(0, |number, at| number << 8 | u32::from(*bytes.get(at).unwrap_or(&0)));
        let character = move |at: usize| char::from(ALPHABET[(number >> (18 - 6 * at)) as usize & 63]);
        (0..=bytes.len()).map(character).collect::<String>()
    };
    bytes.as_ref().chunks(3).map(group).collect()
}
