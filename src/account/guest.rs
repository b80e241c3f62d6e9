//! Players without an account.

use super::random;

/// Random characters in a guest's id: 78 bits, so that of a thousand million guests no two meet, nor is one guessed. Not more:
/// they are in every event of a guest, and are most of what is left of it when it is compressed.
const ID_CHARACTERS: usize = 13;
/// Random characters in a guest's name: enough to tell the guests of a room apart.
const NAME_CHARACTERS: usize = 4;

/// A fresh guest: its user id (`guest:` and 13 characters of `A-Za-z0-9_-`) and its name (`Guest-` and 4 digits or
/// letters).
pub fn new_guest() -> (String, String) {
    (format!("guest:{}", random::text::<ID_CHARACTERS>()), new_guest_name())
}

/// A name for a guest that has chosen none.
pub fn new_guest_name() -> String {
    format!("Guest-{}", name_letters::<NAME_CHARACTERS>())
}

/// A name for an account that has chosen none: `Player-` and 8 digits or letters, 40 random bits.
pub(super) fn new_player_name() -> String {
    const CHARACTERS: usize = 8;
    format!("Player-{}", name_letters::<CHARACTERS>())
}

/// Random letters and digits, without those that look alike.
fn name_letters<const N: usize>() -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    random::bytes::<N>().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).iter().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn guests_have_the_declared_shape_and_are_all_different() {
        let mut ids = HashSet::new();
        for _ in 0..1000 {
            let (user_id, username) = new_guest();
            let random = user_id.strip_prefix("guest:").unwrap();
            assert_eq!(random.len(), 13);
            assert!(random.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
            let suffix = username.strip_prefix("Guest-").unwrap();
            assert!(
                suffix.len() == 4 && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric()),
                "{username}"
            );
            ids.insert(user_id);
        }
        assert_eq!(ids.len(), 1000);
    }
}
