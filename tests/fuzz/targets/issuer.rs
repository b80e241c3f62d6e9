//! Another issuer's keys and tokens: no token is good that was not signed with one of the keys, and who one speaks for can be a user.

use jsonwebtoken::{Algorithm, EncodingKey, crypto};

use super::keys::{Key, KeySet};
use super::{ExternalOptions, ExternalTokens};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const NOW_S: u64 = 1_800_000_000;

/// The first byte says what the rest is: a file of keys; or a token's header and claims, a line each.
pub(crate) fn check(data: &[u8]) {
    let Some((&kind, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    match kind {
        b'k' => check_keys(text),
        b't' => check_token(text),
        _ => {}
    }
}

fn check_keys(text: &str) {
    match KeySet::parse(text) {
        Ok(set) => {
            assert!(!set.keys.is_empty());
            let tokens = ExternalTokens { secrets: Vec::new(), ..issuer() };
            tokens.replace_public(set);
            assert!(tokens.verify(&signed(r#"{"alg":"HS256"}"#, "{}"), NOW_S).is_err(), "no key is a secret");
        }
        Err(problem) => assert!(!problem.contains('\n'), "{problem:?}"),
    }
}

fn check_token(text: &str) {
    let tokens = issuer();
    assert!(tokens.verify(text, NOW_S).is_err(), "nobody has signed it");
    let Some((header, claims)) = text.split_once('\n') else { return };
    let token = signed(header, claims);
    let Ok(user) = tokens.verify(&token, NOW_S) else { return };
    assert!(header.contains("HS256"), "another algorithm: {header}");
    assert_eq!(user.issuer, "https://a.example");
    assert!((1..=255).contains(&user.subject.len()) && !user.subject.chars().any(char::is_control));
    assert!(user.names.len() <= 2);
    assert!(tokens.verify(&token[..token.len() - 1], NOW_S).is_err(), "a signature that is cut short");
    let day_s = 24 * 3600;
    assert!(tokens.verify(&token, NOW_S + day_s + 120).is_err(), "it is good for a day at most");
}

fn issuer() -> ExternalTokens {
    let options = ExternalOptions {
        issuer: "https://a.example".into(),
        audiences: vec!["game".into()],
        secrets: Vec::new(),
        key_file: None,
    };
    let tokens = ExternalTokens::load(options).expect("there is no file");
    ExternalTokens { secrets: vec![Key::secret(SECRET)], ..tokens }
}

fn signed(header: &str, claims: &str) -> String {
    let [header, claims] = [header, claims].map(|part| crate::fuzz::token::base64url(part.as_bytes()));
    let message = format!("{header}.{claims}");
    let key = EncodingKey::from_secret(SECRET);
    let signature = crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("a signature");
    format!("{message}.{signature}")
}
