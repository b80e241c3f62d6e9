//! Codes that set another password once: what they look like, and what is kept of them.

use std::fmt;

use jsonwebtoken::{Algorithm, EncodingKey, crypto};

use super::random;

/// Without letters and digits that look alike: codes are read out and typed.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// Characters of a code: 80 random bits. Whoever guesses a million a second for an hour finds one in 10^14 codes.
const CHARACTERS: usize = 16;
/// A code is shown in groups of so many.
const GROUP: usize = 4;
/// Longest text that is looked at, in bytes.
const MAX_TYPED_BYTES: usize = 64;

/// A code. Neither logged nor kept.
#[derive(Clone, PartialEq, Eq)]
pub struct ResetCode(String);

impl ResetCode {
    /// A fresh one.
    pub fn new() -> Self {
        let letter = |byte: u8| char::from(ALPHABET[usize::from(byte % 32)]);
        Self(random::bytes::<CHARACTERS>().map(letter).iter().collect())
    }

    /// What somebody has typed: in any case, with hyphens and blanks wherever. None if it cannot be a code.
    pub fn parse(typed: &str) -> Option<Self> {
        if typed.len() > MAX_TYPED_BYTES {
            return None;
        }
        let code: String = typed.chars().filter(|character| !matches!(character, '-' | ' ')).collect();
        let code = code.to_ascii_uppercase();
        let is_code = code.len() == CHARACTERS && code.bytes().all(|byte| ALPHABET.contains(&byte));
        is_code.then_some(Self(code))
    }

    /// What is kept of an account's code: an HMAC-SHA256 of the account's number, with the code as its key. A slow hash, as
    /// passwords need, would win nothing: it makes a guess dear, and so many random bits are not guessed within a code's life.
    pub fn hash(&self, account: u64) -> String {
        crypto::sign(
            format!("godra reset {account}").as_bytes(),
            &EncodingKey::from_secret(self.0.as_bytes()),
            Algorithm::HS256,
        )
        .expect("HS256 signs any text with any secret")
    }

    /// As it is shown to whoever passes it on: `XXXX-XXXX-XXXX-XXXX`.
    pub fn reveal(&self) -> String {
        let groups: Vec<&str> =
            (0..CHARACTERS).step_by(GROUP).map(|start| &self.0[start..start + GROUP]).collect();
        groups.join("-")
    }
}

impl Default for ResetCode {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ResetCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResetCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_differ_and_are_read_as_they_are_shown() {
        let codes: HashSet<String> = (0..1000).map(|_| ResetCode::new().reveal()).collect();
        assert_eq!(codes.len(), 1000);
        for shown in codes {
            assert_eq!(shown.len(), 19, "{shown}");
            let code = ResetCode::parse(&shown).unwrap();
            assert_eq!(code.reveal(), shown);
            assert_eq!(ResetCode::parse(&shown.to_lowercase().replace('-', " ")), Some(code.clone()));
            assert_eq!(ResetCode::parse(&shown.replace('-', "")), Some(code));
        }
    }

    #[test]
    fn what_is_no_code() {
        for typed in [
            "",
            "ABCD",
            "ABCD-EFGH-JKLM-NPQ",
            "ABCD-EFGH-JKLM-NPQ0",
            "ABCD-EFGH-JKLM-NPQRS",
            "ÄBCD-EFGH-JKLM-NPQ",
        ] {
            assert_eq!(ResetCode::parse(typed), None, "{typed}");
        }
        assert_eq!(ResetCode::parse(&"-".repeat(1000)), None);
    }

    #[test]
    fn what_is_kept_tells_codes_and_accounts_apart() {
        let [one, other] = [ResetCode::new(), ResetCode::new()];
        assert_eq!(one.hash(1), one.clone().hash(1));
        assert_ne!(one.hash(1), other.hash(1));
        assert_ne!(one.hash(1), one.hash(2));
        assert!(!one.hash(1).contains(&one.reveal()[..4]) || one.hash(1).len() == 43);
        assert_eq!(format!("{one:?}"), "ResetCode(…)");
    }
}
