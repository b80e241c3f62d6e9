//! Keys that sign tokens.

use std::fmt;

/// A key. Neither logged nor shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Shortest key that HS256 may be used with (RFC 7518 section 3.2), in bytes.
    pub const MIN_BYTES: usize = 32;

    /// A key of at least [`Secret::MIN_BYTES`].
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() >= Self::MIN_BYTES).then_some(Self(bytes))
    }

    /// The key as the HMAC takes it: not to be logged.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether it looks as if somebody had typed it.
    pub fn has_few_different_bytes(&self) -> bool {
        let mut bytes = self.0.clone();
        bytes.sort_unstable();
        bytes.dedup();
        bytes.len() < 8
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// Where a key that signs tokens is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenKey {
    /// By the operator, with the configuration.
    Given(Secret),
    /// In the database of accounts, which keeps one.
    InDatabase,
}

impl TokenKey {
    /// What stands for [`TokenKey::InDatabase`]; too short to be a secret.
    const IN_DATABASE: &str = "database";

    /// One key, or several with commas.
    ///
    /// # Errors
    /// Says what is expected; never repeats a key.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        let of_each = if text.contains(',') { " for each secret" } else { "" };
        let expected =
            || format!("expected at least {} bytes{of_each}, or {}", Secret::MIN_BYTES, Self::IN_DATABASE);
        text.split(',')
            .map(|one| match one {
                Self::IN_DATABASE => Ok(Self::InDatabase),
                secret => Secret::new(secret.as_bytes().to_vec()).map(Self::Given).ok_or_else(expected),
            })
            .collect()
    }

    /// Whether the key looks as if somebody had typed it.
    pub fn is_easy_to_guess(&self) -> bool {
        matches!(self, Self::Given(secret) if secret.has_few_different_bytes())
    }
}
