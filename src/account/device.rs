//! Devices as a way to log in: an id and a secret, both made at random by the device and kept there.

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};

/// What stands for an issuer where the identity is a device. No issuer may have this name.
pub const DEVICE_ISSUER: &str = "device";

/// Fewest and most characters of a device's id.
const ID_CHARACTERS: std::ops::RangeInclusive<usize> = 16..=128;
/// Fewest and most bytes of a device's secret.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 32..=256;
/// A random secret has more different characters than this.
const FEWEST_DIFFERENT: usize = 8;

/// Whether a device that nobody knows gets an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceLogins {
    /// The first login makes one.
    #[default]
    On,
    /// Only devices log in that were linked to an account.
    Linked,
    /// No device logs in.
    Off,
}

impl DeviceLogins {
    /// The value of a flag.
    ///
    /// # Errors
    /// Says what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "on" => Ok(Self::On),
            "linked" => Ok(Self::Linked),
            "off" => Ok(Self::Off),
            _ => Err("expected on, linked (only devices that an account has linked) or off".to_owned()),
        }
    }
}

/// An id and a secret that are allowed. Neither logged nor shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Device {
    id: String,
    secret: String,
}

impl Device {
    /// Checks them: 16 to 128 of `A-Za-z0-9._:-`, and 32 to 256 visible characters of ASCII that look random.
    ///
    /// # Errors
    /// Says which rule they break.
    pub fn parse(id: &str, secret: &str) -> Result<Self, DeviceError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        if !ID_CHARACTERS.contains(&id.len()) || !id.bytes().all(is_allowed) {
            return Err(DeviceError::Id);
        }
        if !SECRET_BYTES.contains(&secret.len()) || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(DeviceError::Secret);
        }
        let mut bytes = secret.as_bytes().to_vec();
        bytes.sort_unstable();
        bytes.dedup();
        if bytes.len() <= FEWEST_DIFFERENT || secret == id {
            return Err(DeviceError::Guessable);
        }
        Ok(Self { id: id.to_owned(), secret: secret.to_owned() })
    }

    /// What the device calls itself.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is kept in the place of the secret: HMAC-SHA256 of the id, with the secret as its key.
    ///
    /// A slow hash, as passwords need, would win nothing: it makes a guess dear, and 128 random bits and more are not found by
    /// any number of cheap guesses either. So a login by device costs the server microseconds, and a storm of them no memory.
    pub fn proof(&self) -> String {
        let key = EncodingKey::from_secret(self.secret.as_bytes());
        crypto::sign(self.id.as_bytes(), &key, Algorithm::HS256)
            .expect("HS256 signs any text with any secret")
    }

    /// Whether a proof was made with this secret. Takes the same time wherever they differ.
    pub fn matches(&self, proof: &str) -> bool {
        let key = DecodingKey::from_secret(self.secret.as_bytes());
        crypto::verify(proof, self.id.as_bytes(), &key, Algorithm::HS256).unwrap_or(false)
    }
}

/// Which rule an id or a secret breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceError {
    /// The id has another length or other characters.
    Id,
    /// The secret has another length or other characters.
    Secret,
    /// The secret is not random.
    Guessable,
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id => write!(
                f,
                "a device_id has {} to {} of A-Z a-z 0-9 . _ : -",
                ID_CHARACTERS.start(),
                ID_CHARACTERS.end()
            ),
            Self::Secret => write!(
                f,
                "a device's secret has {} to {} visible characters of ASCII; make 32 random bytes and write them in base64url",
                SECRET_BYTES.start(),
                SECRET_BYTES.end()
            ),
            Self::Guessable => f.write_str(
                "a device's secret must be random; make 32 random bytes and write them in base64url",
            ),
        }
    }
}

impl std::error::Error for DeviceError {}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";
    const SECRET: &str = "Q6Vd8hQ0mJ3v1xT5rYc7uN2kP9sLwZbE4gFa0oIiXjA";

    #[test]
    fn what_is_allowed() {
        let check = |id: &str, secret: &str, expected: Option<DeviceError>| {
            assert_eq!(Device::parse(id, secret).err(), expected, "{id} {secret}");
        };
        check(ID, SECRET, None);
        check(&"x".repeat(16), &SECRET[..32], None);
        check(&"x".repeat(128), &SECRET.repeat(5), None);
        for id in
            ["", "short", &"x".repeat(129), "sixteen and more ", "../../../etc/passwd", "ääääääääääääääää"]
        {
            check(id, SECRET, Some(DeviceError::Id));
        }
        for secret in ["", &SECRET[..31], &SECRET.repeat(6), &format!("{SECRET} "), &format!("{SECRET}ä")] {
            check(ID, secret, Some(DeviceError::Secret));
        }
        for secret in ["0".repeat(64).as_str(), &"12345678".repeat(4), ID] {
            check(ID, secret, Some(DeviceError::Guessable));
        }
    }

    #[test]
    fn a_proof_is_of_one_device_and_one_secret() {
        let device =
            |id: &str, secret: &str| Device::parse(id, secret).map_err(|error| error.to_string()).unwrap();
        let own = device(ID, SECRET);
        assert!(own.matches(&own.proof()));
        assert!(!own.proof().contains(SECRET));
        let other_secret = SECRET.replace('Q', "R");
        assert!(!device(ID, &other_secret).matches(&own.proof()));
        let other_id = ID.replace('1', "2");
        assert!(
            !device(&other_id, SECRET).matches(&own.proof()),
            "the same secret on two devices is kept as two texts"
        );
        for proof in ["", "x", "?", &own.proof()[1..]] {
            assert!(!own.matches(proof), "{proof:?}");
        }
    }
}
