//! Tokens: nothing that we have not signed is good, and what we have signed says only what a token may say.

use jsonwebtoken::{Algorithm, EncodingKey, crypto};

use crate::account::token::{TokenAuthority, is_user_id};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const NOW_S: u64 = 1_800_000_000;

/// The bytes are a token as it came; and, when they have two lines, header and claims of one that was signed with our secret.
pub(super) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let authority = TokenAuthority::new(vec![SECRET.to_vec()], 3600);
    assert!(authority.verify(text, NOW_S).is_err(), "a token that nobody has signed");
    let Some((header, claims)) = text.split_once('\n') else { return };
    let message = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
    let key = EncodingKey::from_secret(SECRET);
    let signature = crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    let token = format!("{message}.{signature}");
    let Ok(identity) = authority.verify(&token, NOW_S) else { return };
    assert!(header.contains("HS256"), "another algorithm: {header}");
    assert!(is_user_id(&identity.user_id), "{identity:?}");
    assert!(!identity.username.is_empty() && !identity.username.chars().any(char::is_control));
    assert!(u64::from(identity.expires_at_s) + 30 > NOW_S, "{identity:?}");
    assert!(identity.login.issued_at_ms / 1000 <= NOW_S + 30, "{identity:?}");
    assert!(authority.verify(&token[..token.len() - 1], NOW_S).is_err(), "a signature that is cut short");
    let login = &identity.login;
    let issued = authority.issue(
        &identity.user_id,
        &identity.username,
        identity.role,
        "abcdefghijklmnopqrstuv",
        login.issued_at_ms.max(NOW_S * 1000),
    );
    let again = authority.verify(&issued, NOW_S).expect("what was issued is good");
    assert_eq!(
        (again.user_id, again.username, again.role),
        (identity.user_id, identity.username, identity.role)
    );
}

pub(crate) fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let encode = |chunk: &[u8]| {
        let group =
            chunk.iter().chain(&[0; 2]).take(3).fold(0_u32, |group, &byte| group << 8 | u32::from(byte));
        let characters = [18, 12, 6, 0].map(|shift| char::from(ALPHABET[(group >> shift & 63) as usize]));
        characters.into_iter().take(chunk.len() + 1).collect::<String>()
    };
    bytes.chunks(3).map(encode).collect()
}
