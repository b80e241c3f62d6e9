//! Passwords: which are allowed, and how they are kept (argon2id, RFC 9106). Slow on purpose, so only account workers
//! and subcommands hash; no store here.

use std::cell::RefCell;
use std::fmt;

use argon2::password_hash::{Output, ParamsString, PasswordHash, Salt, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use unicode_normalization::UnicodeNormalization;

use super::random;

/// Fewest and most characters of a password.
const LENGTHS: std::ops::RangeInclusive<usize> = 8..=128;
/// The password storage cheat sheet of OWASP names these as the least: 19 MiB, 2 passes, 1 lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SALT_BYTES: usize = 16;

/// A password that is allowed. Neither logged nor shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Checks a password: 8 to 128 characters, whichever they are. Two keyboards may send the same character in
    /// different pieces, so it is brought into the normal form NFC (as RFC 8265 section 4.2 asks).
    ///
    /// # Errors
    /// Says which rule it breaks.
    pub fn parse(typed: &str) -> Result<Self, PasswordError> {
        let is_short_enough = typed.len() <= *LENGTHS.end() * 16;
        let password: String = if is_short_enough { typed.nfc().collect() } else { String::new() };
        if LENGTHS.contains(&password.chars().count()) { Ok(Self(password)) } else { Err(PasswordError) }
    }

    /// Checked in the place of one that is not allowed, so that this takes as long.
    pub fn stand_in() -> Self {
        Self("a password that is too long or short".to_owned())
    }

    /// Hashes it with a fresh salt, in PHC form. Takes 19 MiB and some 20 ms.
    ///
    /// # Errors
    /// No memory.
    pub fn hash(&self) -> Result<String, HashFault> {
        let salt = random::bytes::<SALT_BYTES>();
        let output = digest(&self.0, &salt, &params()?, Params::DEFAULT_OUTPUT_LEN)?;
        let salt = SaltString::encode_b64(&salt).map_err(HashFault::new)?;
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params()?).map_err(HashFault::new)?,
            salt: Some(salt.as_salt()),
            hash: Some(output),
        };
        Ok(hash.to_string())
    }

    /// Whether it is the one that was hashed, with the parameters that the hash names.
    ///
    /// # Errors
    /// The hash makes no sense, or is none of argon2id's version 1.3.
    pub fn matches(&self, hash: &str) -> Result<bool, HashFault> {
        let hash = PasswordHash::new(hash).map_err(HashFault::new)?;
        if hash.algorithm != Algorithm::Argon2id.ident() || hash.version != Some(Version::V0x13.into()) {
            return Err(HashFault::new("it is none of argon2id, version 1.3"));
        }
        let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else {
            return Err(HashFault::new("it has no salt or no hash"));
        };
        let params = Params::try_from(&hash).map_err(HashFault::new)?;
        let mut bytes = [0; Salt::MAX_LENGTH];
        let salt = salt.decode_b64(&mut bytes).map_err(HashFault::new)?;
        // The comparison takes the same time wherever they differ.
        Ok(digest(&self.0, salt, &params, expected.len())? == expected)
    }
}

/// The hash itself. The 19 MiB that it fills are kept for the thread's next one: given back each time, they would leave
/// holes that the allocator fills with more of their kind.
fn digest(password: &str, salt: &[u8], params: &Params, len: usize) -> Result<Output, HashFault> {
    thread_local! {
        static MEMORY: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
    }
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    MEMORY.with_borrow_mut(|memory| {
        if memory.len() < params.block_count() {
            memory.resize(params.block_count(), Block::new());
        }
        Output::init_with(len, |out| {
            argon2
                .hash_password_into_with_memory(password.as_bytes(), salt, out, &mut *memory)
                .map_err(Into::into)
        })
        .map_err(HashFault::new)
    })
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// A password of a length that is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordError;

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a password has {} to {} characters", LENGTHS.start(), LENGTHS.end())
    }
}

impl std::error::Error for PasswordError {}

/// Hashing failed, in words for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashFault(String);

impl HashFault {
    fn new(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for HashFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a password cannot be hashed or checked: {}", self.0)
    }
}

impl std::error::Error for HashFault {}

/// Whether a hash was made with other parameters than those of today: it is to be made anew when the password is known.
pub fn needs_rehash(hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return true };
    let today =
        |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY_KIB, PASSES, LANES);
    hash.algorithm != Algorithm::Argon2id.ident()
        || hash.version != Some(Version::V0x13.into())
        || !Params::try_from(&hash).is_ok_and(|params| today(&params))
}

/// The hash of a password that nobody knows: checking against it takes as long as checking anybody's.
///
/// # Errors
/// No memory.
pub fn dummy_hash() -> Result<String, HashFault> {
    Password(random::text::<32>()).hash()
}

fn params() -> Result<Params, HashFault> {
    Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(HashFault::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_characters() {
        let check = |typed: &str, allowed: bool| {
            assert_eq!(Password::parse(typed).is_ok(), allowed, "{} bytes", typed.len());
        };
        check("", false);
        check("1234567", false);
        check("12345678", true);
        check("пароль12", true);
        check("парол12", false);
        check("       \0", true);
        check(&"x".repeat(128), true);
        check(&"😀".repeat(128), true);
        check(&"x".repeat(129), false);
        check(&"x".repeat(1_000_000), false);
    }

    #[test]
    fn a_hash_knows_its_password_and_no_other() {
        let password = Password::parse("correct horse").unwrap();
        let hash = password.hash().unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(password.matches(&hash), Ok(true));
        assert_eq!(Password::parse("Correct horse").unwrap().matches(&hash), Ok(false));
        assert_ne!(password.hash().unwrap(), hash, "each hash has a salt of its own");
        assert!(!needs_rehash(&hash));
    }

    #[test]
    fn the_same_characters_from_another_keyboard_match() {
        let hash = Password::parse("caf\u{e9} noir").unwrap().hash().unwrap();
        assert_eq!(Password::parse("cafe\u{301} noir").unwrap().matches(&hash), Ok(true));
    }

    /// Made with the reference program: `echo -n password | argon2 somesalt -id -t 2 -k 65536 -p 1 -e`.
    #[test]
    fn a_foreign_hash_with_other_parameters_is_checked_and_wants_to_be_made_anew() {
        let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert_eq!(Password("password".to_owned()).matches(hash), Ok(true));
        assert!(needs_rehash(hash));
        assert!(needs_rehash(
            "$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
        ));
    }

    #[test]
    fn a_hash_that_makes_no_sense_is_a_fault() {
        let password = Password::parse("12345678").unwrap();
        for hash in [
            "",
            "x",
            "$argon2id$",
            "$2b$12$abcdefghijklmnopqrstuv",
            "$argon2id$v=19$m=1,t=0,p=0$c29tZXNhbHQ$AAAA",
        ] {
            assert!(password.matches(hash).is_err(), "{hash}");
            assert!(needs_rehash(hash), "{hash}");
        }
    }

    #[test]
    fn nothing_matches_the_dummy() {
        let hash = dummy_hash().unwrap();
        assert_eq!(Password::parse("12345678").unwrap().matches(&hash), Ok(false));
        assert!(!needs_rehash(&hash));
    }

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(format!("{:?}", Password::parse("12345678").unwrap()), "Password(..)");
    }
}
