use proptest::prelude::*;

use super::*;

const NOW_S: u64 = 1_800_000_000;
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const FAMILY: &str = "abcdefghijklmnopqr-_AB";
const GOOD_HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
const GOOD_CLAIMS: &str =
    r#"{"user_id":"7","username":"ann","role":"player","iat":1799999000,"exp":1800000100,"jti":"x"}"#;

fn authority() -> TokenAuthority {
    TokenAuthority::new(vec![SECRET.to_vec()], 3600)
}

/// A token of any header and claims, signed with the right secret whatever they say.
fn sign(header: &str, claims: &str) -> String {
    let message = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
    let signature =
        crypto::sign(message.as_bytes(), &EncodingKey::from_secret(SECRET), Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let encode = |chunk: &[u8]| {
        let group =
            chunk.iter().chain(&[0; 2]).take(3).fold(0_u32, |group, &byte| group << 8 | u32::from(byte));
        let characters = [18, 12, 6, 0].map(|shift| char::from(ALPHABET[(group >> shift & 63) as usize]));
        characters.into_iter().take(chunk.len() + 1).collect::<String>()
    };
    bytes.chunks(3).map(encode).collect()
}

#[track_caller]
fn check(token: &str, expected: Result<&str, TokenError>) {
    let verified = authority().verify(token, NOW_S);
    assert_eq!(verified.as_ref().map(|identity| &*identity.user_id), expected.as_ref().copied(), "{token}");
}

#[track_caller]
fn check_header(header: &str, expected: Result<(), TokenError>) {
    check(&sign(header, GOOD_CLAIMS), expected.map(|()| "7"));
}

#[track_caller]
fn check_claims(claims: &str, expected: Result<(), TokenError>) {
    check(&sign(GOOD_HEADER, claims), expected.map(|()| "7"));
}

#[test]
fn an_issued_token_verifies_until_it_expires() {
    let authority = authority();
    let token = authority.issue("guest:abc", "Änne", Role::Guest, FAMILY, NOW_S * 1000 + 7);
    assert!(token.starts_with(&format!("{OWN_HEADER}.")), "the shortcut for our own header holds: {token}");
    let identity = Identity {
        user_id: "guest:abc".into(),
        username: "Änne".into(),
        role: Role::Guest,
        expires_at_s: (NOW_S + 3600) as u32,
        login: Login { family: FAMILY.into(), issued_at_ms: NOW_S * 1000 + 7, network: None },
    };
    let check = |now_s: u64, expected: Result<&Identity, TokenError>| {
        assert_eq!(authority.verify(&token, now_s).as_ref(), expected.as_ref().copied());
    };
    check(NOW_S, Ok(&identity));
    check(NOW_S - LEEWAY_S, Ok(&identity));
    check(NOW_S - LEEWAY_S - 1, Err(TokenError::NotYetValid));
    check(NOW_S + 3600 + LEEWAY_S - 1, Ok(&identity));
    check(NOW_S + 3600 + LEEWAY_S, Err(TokenError::Expired));
    check(u64::MAX, Err(TokenError::Expired));
}

#[test]
fn two_tokens_differ() {
    let issue = || authority().issue("1", "a", Role::Player, &new_family(), NOW_S * 1000);
    assert_ne!(issue(), issue());
}

#[test]
fn the_first_secret_signs_and_all_are_accepted() {
    let [old, new] = [b"old-old-old-old-old-old-old-old-!".to_vec(), SECRET.to_vec()];
    let before = TokenAuthority::new(vec![old.clone()], 60);
    let after = TokenAuthority::new(vec![new, old], 60);
    let token =
        |authority: &TokenAuthority| authority.issue("1", "a", Role::Player, &new_family(), NOW_S * 1000);
    assert!(after.verify(&token(&before), NOW_S).is_ok());
    assert!(after.verify(&token(&after), NOW_S).is_ok());
    assert_eq!(before.verify(&token(&after), NOW_S), Err(TokenError::Signature));
}

#[test]
fn headers() {
    check_header(GOOD_HEADER, Ok(()));
    check_header(r#"{"typ":"JWT","alg":"HS256"}"#, Ok(()));
    check_header(r#" { "alg" : "HS256" } "#, Ok(()));
    check_header(r#"{"alg":"HS256","typ":"jwt"}"#, Ok(()));
    check_header(r#"{"alg":"HS256","typ":"at+jwt"}"#, Err(TokenError::Header));
    check_header(r#"{"alg":"none"}"#, Err(TokenError::Header));
    check_header(r#"{"alg":"None"}"#, Err(TokenError::Header));
    check_header(r#"{"alg":"hs256"}"#, Err(TokenError::Header));
    check_header(r#"{"alg":"HS384"}"#, Err(TokenError::Header));
    check_header(r#"{"alg":"HS512"}"#, Err(TokenError::Header));
    check_header(r#"{"alg":"RS256"}"#, Err(TokenError::Header));
    check_header(r#"{"alg":"ES256"}"#, Err(TokenError::Header));
    check_header(r#"{"alg":["HS256"]}"#, Err(TokenError::Header));
    check_header(r#"{"alg":null}"#, Err(TokenError::Header));
    check_header(r#"{"typ":"JWT"}"#, Err(TokenError::Header));
    check_header(r#"{"alg":"HS256","alg":"HS256"}"#, Err(TokenError::Header));
    check_header(r#"{"alg":"none","alg":"HS256"}"#, Err(TokenError::Header));
    for parameter in [
        r#""kid":"../../dev/null""#,
        r#""jku":"https://evil.example""#,
        r#""jwk":{"kty":"oct","k":"AA"}"#,
        r#""x5u":"https://evil.example""#,
        r#""x5c":["AA"]"#,
        r#""x5t":"AA""#,
        r#""x5t#S256":"AA""#,
        r#""crit":["b64"],"b64":false"#,
        r#""crit":[]"#,
        r#""zip":"DEF""#,
        r#""enc":"A128GCM""#,
        r#""cty":"JWT""#,
        r#""unknown":1"#,
    ] {
        check_header(&format!(r#"{{"alg":"HS256",{parameter}}}"#), Err(TokenError::Header));
    }
    check_header("", Err(TokenError::Malformed));
    check_header("[]", Err(TokenError::Header));
    check_header("not json", Err(TokenError::Header));
    check_header(r#"{"alg":"HS256"} {}"#, Err(TokenError::Header));
}

#[test]
fn claims() {
    let with = |change: &str| GOOD_CLAIMS.replacen('{', &format!("{{{change},"), 1);
    let replaced = |from: &str, to: &str| {
        let changed = GOOD_CLAIMS.replace(from, to);
        assert_ne!(changed, GOOD_CLAIMS, "{from}");
        changed
    };
    let refused = Err(TokenError::Claims);
    check_claims(GOOD_CLAIMS, Ok(()));
    check_claims(&with(r#""sub":"somebody","deep":{"a":[1]}"#), Ok(()));
    check_claims(&replaced(r#""iat":1799999000,"#, ""), Ok(()));
    check_claims(&replaced(r#","jti":"x""#, ""), Ok(()));

    check_claims(&replaced("1800000100", "1799999971"), Ok(()));
    check_claims(&replaced("1800000100", "1799999970"), Err(TokenError::Expired));
    check_claims(&replaced("1800000100", "1799999971.9"), Ok(()));
    check_claims(&replaced("1800000100", "1.8000001e9"), Ok(()));
    check_claims(&replaced("1800000100", "0"), Err(TokenError::Expired));
    check_claims(&replaced("1800000100", "-1"), refused);
    check_claims(&replaced("1800000100", "1e300"), refused);
    check_claims(&replaced("1800000100", "99999999999999999999999"), refused);
    check_claims(&replaced("1800000100", r#""1800000100""#), refused);
    check_claims(&replaced("1800000100", "null"), refused);
    check_claims(&replaced("1800000100", "true"), refused);
    check_claims(&replaced(r#","exp":1800000100"#, ""), refused);
    check_claims(&with(r#""exp":1"#), refused);
    check_claims(&with(r#""role":"manager""#), refused);
    check_claims(&with(r#""user_id":"1""#), refused);

    check_claims(&with(r#""nbf":1800000030"#), Ok(()));
    check_claims(&with(r#""nbf":1800000031"#), Err(TokenError::NotYetValid));
    check_claims(&with(r#""nbf":"1""#), refused);
    let issued_at = |ms: u64| replaced(r#""jti":"x""#, &format!(r#""jti":"{FAMILY}.{ms}""#));
    check_claims(&issued_at((NOW_S + 30) * 1000 + 999), Ok(()));
    check_claims(&issued_at((NOW_S + 31) * 1000), Err(TokenError::NotYetValid));
    check_claims(&issued_at(u64::MAX), Err(TokenError::NotYetValid));
    // No longer than an hour, from its issue or from now.
    let lasts = |iat: u64, exp: u64| {
        replaced(r#""iat":1799999000,"exp":1800000100"#, &format!(r#""iat":{iat},"exp":{exp}"#))
    };
    check_claims(&lasts(NOW_S, NOW_S + 3630), Ok(()));
    check_claims(&lasts(NOW_S, NOW_S + 3631), Err(TokenError::TooLong));
    check_claims(&lasts(NOW_S - 3600, NOW_S + 30), Ok(()));
    check_claims(&lasts(NOW_S - 3600, NOW_S + 31), Err(TokenError::TooLong));
    check_claims(&lasts(NOW_S + 30, NOW_S + 3631), Err(TokenError::TooLong));
    check_claims(&lasts(NOW_S + 31, NOW_S + 100), Err(TokenError::NotYetValid));
    let without_issue =
        |exp: u64| replaced(r#""iat":1799999000,"exp":1800000100"#, &format!(r#""exp":{exp}"#));
    check_claims(&without_issue(NOW_S + 3630), Ok(()));
    check_claims(&without_issue(NOW_S + 3631), Err(TokenError::TooLong));
    check_claims(&with(r#""aud":"elsewhere""#), refused);
    check_claims(&with(r#""aud":[]"#), refused);
    check_claims(&replaced(r#""iat":1799999000"#, r#""iat":"1""#), refused);
    check_claims(&replaced(r#""jti":"x""#, r#""jti":1"#), refused);

    check_claims(&replaced("player", "admin"), refused);
    check_claims(&replaced("player", "Player"), refused);
    check_claims(&replaced(r#""role":"player","#, ""), refused);
    check_claims(&replaced(r#""user_id":"7""#, r#""user_id":7"#), refused);
    check_claims(&replaced(r#""username":"ann""#, r#""username":"""#), refused);
    check_claims(&replaced(r#""username":"ann""#, r#""username":"a\nb""#), refused);
    check_claims(&replaced("ann", &"x".repeat(257)), refused);
    check_claims("[]", refused);
    check_claims("{}", refused);
    check_claims(&format!("{GOOD_CLAIMS} x"), refused);
}

/// Later news tell tokens apart by their family and the moment they were issued at.
#[test]
fn logins() {
    let check = |jti: &str, family: &str, issued_at_ms: u64| {
        let claims = GOOD_CLAIMS.replace(r#""jti":"x""#, jti);
        let login = authority().verify(&sign(GOOD_HEADER, &claims), NOW_S).unwrap().login;
        assert_eq!((&*login.family, login.issued_at_ms), (family, issued_at_ms), "{jti}");
    };
    check(&format!(r#""jti":"{FAMILY}.1799999999123""#), FAMILY, 1_799_999_999_123);
    check(r#""jti":"x""#, "", 1_799_999_000_000);
    check(r#""jti":"x.1799999999123""#, "", 1_799_999_000_000);
    check(&format!(r#""jti":"{FAMILY}""#), "", 1_799_999_000_000);
    check(&format!(r#""jti":"{FAMILY}.""#), "", 1_799_999_000_000);
    check(&format!(r#""jti":"{FAMILY}.-1""#), "", 1_799_999_000_000);
}

#[test]
fn user_ids() {
    let check = |user_id: &str, expected: bool| assert_eq!(is_user_id(user_id), expected, "{user_id:?}");
    check("7", true);
    check("0", true);
    check(&u64::MAX.to_string(), true);
    check("18446744073709551616", false);
    check("07", false);
    check("+7", false);
    check("-7", false);
    check("", false);
    check("7 ", false);
    check("7:state", false);
    check("guest:Ab_-9", true);
    check("guest:", false);
    check("guest:a:b", false);
    check("guest:a{b}", false);
    check(&format!("guest:{}", "x".repeat(64)), true);
    check(&format!("guest:{}", "x".repeat(65)), false);
}

#[test]
fn malformed_tokens() {
    let good = sign(GOOD_HEADER, GOOD_CLAIMS);
    check(&good, Ok("7"));
    let malformed = Err(TokenError::Malformed);
    check("", malformed);
    check(".", malformed);
    check("..", malformed);
    check("a.b", malformed);
    check(&format!("{good}."), malformed);
    check(&format!(".{good}"), malformed);
    check(&format!("{good}.{good}"), malformed);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    check(&format!("{header}..{signature}"), malformed);
    check(&format!("{signed}."), Err(TokenError::Signature));
    check(signed, malformed);
    check(&format!("{header}.{payload}=.{signature}"), Err(TokenError::Signature));
    check(&format!("{good}="), Err(TokenError::Signature));
    check(&format!("{good}\n"), Err(TokenError::Signature));
    check(&format!("{good} "), Err(TokenError::Signature));
    check(&format!(" {good}"), Err(TokenError::Header));
    check(&format!("{good}AAAA"), Err(TokenError::Signature));
    check(&good[..good.len() - 1], Err(TokenError::Signature));
}

/// 32 bytes leave two bits unused in the last character: only zeros there are canonical.
#[test]
fn unused_bits_of_the_signature_are_not_ignored() {
    let good = sign(GOOD_HEADER, GOOD_CLAIMS);
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (start, last) = good.split_at(good.len() - 1);
    for other in ALPHABET.chars().filter(|&other| !last.starts_with(other)) {
        check(&format!("{start}{other}"), Err(TokenError::Signature));
    }
}

#[test]
fn oversize_tokens_are_not_looked_at() {
    let with_padding = |bytes: usize| {
        sign(GOOD_HEADER, &GOOD_CLAIMS.replacen('{', &format!(r#"{{"pad":"{}","#, "x".repeat(bytes)), 1))
    };
    let overhead = with_padding(0).len();
    check(&with_padding((MAX_TOKEN_BYTES - overhead) * 3 / 4 - 2), Ok("7"));
    check(&with_padding((MAX_TOKEN_BYTES - overhead) * 3 / 4 + 2), Err(TokenError::Malformed));
}

proptest! {
    #[test]
    fn whatever_is_issued_verifies(
        user_id in prop_oneof!["[1-9][0-9]{0,17}", "guest:[A-Za-z0-9_-]{1,64}"],
        username in "\\PC{1,40}",
        role in prop_oneof![Just(Role::Guest), Just(Role::Player), Just(Role::Manager)],
    ) {
        let token = authority().issue(&user_id, &username, role, FAMILY, NOW_S * 1000);
        let identity = authority().verify(&token, NOW_S).unwrap();
        prop_assert_eq!((&*identity.user_id, &*identity.username, identity.role), (&*user_id, &*username, role));
    }

    #[test]
    fn no_changed_byte_goes_unnoticed(position in 0_usize..4096, replacement in "[A-Za-z0-9_.=-]") {
        let good = sign(GOOD_HEADER, GOOD_CLAIMS);
        let position = position % good.len();
        let mut changed = good.clone();
        changed.replace_range(position..=position, &replacement);
        prop_assert_eq!(authority().verify(&changed, NOW_S).is_ok(), changed == good);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC*") {
        prop_assert!(authority().verify(&text, NOW_S).is_err());
    }
}
