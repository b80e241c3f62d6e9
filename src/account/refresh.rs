//! Refresh tokens: signed texts that are good for one refresh each.
//!
//! No store and no clock here. Which token of a family is the next one, the store knows; a guest's login is not written
//! down, so everything that is needed to go on stands in the token.

use super::token::{TokenAuthority, is_family, is_user_id};

/// What the text begins with, so that it is never taken for a JWT nor a later version for this one.
const PREFIX: &str = "r1";
/// The prefix and those of [`RefreshToken`].
const FIELDS: usize = 6;
/// Longest token that is looked at, in bytes.
const MAX_BYTES: usize = 512;

/// What a refresh token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    /// See [`super::records::Family::id`].
    pub family: String,
    /// See [`super::records::Family::generation`].
    pub generation: u64,
    /// When it ends, in seconds since the Unix epoch.
    pub expires_at_s: u64,
    /// An account's number as text, or a guest's id.
    pub user_id: String,
    /// A guest's name; empty for an account, whose name and role the store knows.
    pub guest_name: String,
}

impl RefreshToken {
    /// As text: its fields and their signature, with dots between them.
    pub fn seal(&self, authority: &TokenAuthority) -> String {
        let Self { family, generation, expires_at_s, user_id, guest_name } = self;
        let text = format!("{PREFIX}.{family}.{generation}.{expires_at_s}.{user_id}.{guest_name}");
        let signature = authority.sign(&text);
        format!("{text}.{signature}")
    }

    /// What a text says, if we signed it and it has not ended at `now_s`.
    pub fn open(text: &str, authority: &TokenAuthority, now_s: u64) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        if !signed.starts_with(PREFIX) || !authority.has_signed(signed, signature) {
            return None;
        }
        // The last one is a name, which may have dots.
        let mut fields = signed.splitn(FIELDS, '.').skip(1);
        let mut field = || fields.next();
        let token = Self {
            family: field()?.to_owned(),
            generation: field()?.parse().ok()?,
            expires_at_s: field()?.parse().ok()?,
            user_id: field()?.to_owned(),
            guest_name: field()?.to_owned(),
        };
        let is_ours = is_family(&token.family)
            && is_user_id(&token.user_id)
            && token.is_guest() != token.guest_name.is_empty();
        (is_ours && token.expires_at_s > now_s).then_some(token)
    }

    /// Whether it is a guest's.
    pub fn is_guest(&self) -> bool {
        self.user_id.starts_with("guest:")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::token::new_family;
    use crate::wire::ids::Role;

    const NOW_S: u64 = 1_800_000_000;

    fn authority(secret: u8) -> TokenAuthority {
        TokenAuthority::new(vec![vec![secret; 32]], 60)
    }

    fn token() -> RefreshToken {
        RefreshToken {
            family: new_family(),
            generation: 3,
            expires_at_s: NOW_S + 60,
            user_id: "guest:a-_b".into(),
            guest_name: "Guest-ABCD".into(),
        }
    }

    #[test]
    fn what_was_sealed_opens_until_it_ends() {
        let authority = authority(1);
        let of_account = RefreshToken { user_id: "7".into(), guest_name: String::new(), ..token() };
        let named = ["a.b..c", "प्लेयर", &"文".repeat(32)];
        let named = named.map(|name| RefreshToken { guest_name: name.into(), ..token() });
        for token in named.into_iter().chain([token(), of_account]) {
            let text = token.seal(&authority);
            assert_eq!(RefreshToken::open(&text, &authority, NOW_S).as_ref(), Some(&token));
            assert_eq!(RefreshToken::open(&text, &authority, NOW_S + 59).as_ref(), Some(&token));
            assert_eq!(RefreshToken::open(&text, &authority, NOW_S + 60), None);
        }
    }

    #[test]
    fn no_changed_byte_goes_unnoticed() {
        let authority = authority(1);
        let text = token().seal(&authority);
        for at in 0..text.len() {
            for replacement in ["A", ".", "0", ""] {
                let changed = format!("{}{replacement}{}", &text[..at], &text[at + 1..]);
                if changed != text {
                    assert_eq!(RefreshToken::open(&changed, &authority, NOW_S), None, "{changed}");
                }
            }
        }
    }

    #[test]
    fn a_secret_that_is_still_accepted_opens_it_and_no_other() {
        let text = token().seal(&authority(1));
        let rotated = TokenAuthority::new(vec![vec![2; 32], vec![1; 32]], 60);
        assert!(RefreshToken::open(&text, &rotated, NOW_S).is_some());
        assert_eq!(RefreshToken::open(&text, &authority(2), NOW_S), None);
    }

    #[test]
    fn neither_kind_of_token_passes_for_the_other() {
        let authority = authority(1);
        let access = authority.issue("7", "ann", Role::Player, &new_family(), NOW_S * 1000);
        assert_eq!(RefreshToken::open(&access, &authority, NOW_S), None);
        assert!(authority.verify(&token().seal(&authority), NOW_S).is_err());
        for text in ["", ".", "r1", "r1.", "r1......", &"r1.".repeat(1000)] {
            assert_eq!(RefreshToken::open(text, &authority, NOW_S), None, "{text}");
        }
        // Signed by us, but nothing that we would say.
        for text in [
            "r1.x.1.9999999999.7.",
            "r1",
            "r1.aaaaaaaaaaaaaaaaaaaaaa.1.9999999999.07.",
            "r1.aaaaaaaaaaaaaaaaaaaaaa.1.9999999999.7..x",
            "r1.aaaaaaaaaaaaaaaaaaaaaa.1.9999999999.7.ann",
            "r1.aaaaaaaaaaaaaaaaaaaaaa.1.9999999999.guest:a.",
        ] {
            let sealed = format!("{text}.{}", authority.sign(text));
            assert_eq!(RefreshToken::open(&sealed, &authority, NOW_S), None, "{text}");
        }
    }
}
