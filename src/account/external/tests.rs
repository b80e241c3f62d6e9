use serde_json::{Value, json};

use super::watch::{Look, Looks};
use super::*;

#[path = "../../../tests/common/issuer.rs"]
#[allow(dead_code, unreachable_pub, reason = "the tests of the whole server use the rest")]
mod issuer;

use self::issuer::{AUDIENCE, ISSUER, Signer, claims, encode, key_set, with};

const NOW_S: u64 = 1_800_000_000;
const SECRET: &[u8] = b"a secret of the studio's own login";

/// Takes tokens that are signed with the secret, or with one of the keys.
fn tokens(secret: Option<&[u8]>, key_file: Option<&str>) -> Result<ExternalTokens, KeyFileError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let key_file = key_file.map(|text| std::fs::write(&path, text).map(|()| path).unwrap());
    ExternalTokens::load(ExternalOptions {
        issuer: ISSUER.into(),
        audiences: vec![AUDIENCE.into(), "my-game-web".into()],
        secrets: secret.map(|secret| Secret::new(secret.to_vec()).unwrap()).into_iter().collect(),
        key_file,
    })
}

fn of_keys(signers: &[&Signer]) -> ExternalTokens {
    tokens(None, Some(&key_set(signers))).unwrap()
}

#[track_caller]
fn check_refused(tokens: &ExternalTokens, token: &str, expected: ExternalError) {
    assert_eq!(tokens.verify(token, NOW_S), Err(expected), "{token}");
}

const BAD_SIGNATURE: ExternalError = ExternalError::Token(TokenError::Signature);
const BAD_CLAIMS: ExternalError = ExternalError::Token(TokenError::Claims);
const MALFORMED: ExternalError = ExternalError::Token(TokenError::Malformed);

#[test]
fn tokens_of_every_algorithm_are_taken() {
    let public = [Signer::rsa(), Signer::p256(), Signer::ed25519()];
    let tokens = tokens(Some(SECRET), Some(&key_set(&public.each_ref()))).unwrap();
    for signer in public.iter().chain([&Signer::secret(SECRET)]) {
        let user = tokens.verify(&signer.token(&claims("user|7", NOW_S)), NOW_S).unwrap();
        assert_eq!((user.issuer.as_str(), user.subject.as_str()), (ISSUER, "user|7"), "{}", signer.kid);
    }
}

#[test]
fn the_key_has_the_algorithm_and_not_the_token() {
    let (rsa, ec, ed) = (Signer::rsa(), Signer::p256(), Signer::ed25519());
    let tokens = of_keys(&[&rsa, &ec, &ed]);
    let good = claims("7", NOW_S);
    // Whoever has a public key may use it as a secret: in each form in which others have taken it.
    for secret in [rsa.jwk()["n"].to_string().into_bytes(), rsa.jwk().to_string().into_bytes()] {
        let forged = Signer::secret(&secret).named(rsa.kid).token(&good);
        check_refused(&tokens, &forged, ExternalError::NoKey);
    }
    let header = |alg: &str, kid: &str| json!({"alg": alg, "typ": "JWT", "kid": kid});
    check_refused(&tokens, &ec.token_with(&header("RS256", rsa.kid), &good), BAD_SIGNATURE);
    check_refused(&tokens, &ec.token_with(&header("ES256", rsa.kid), &good), ExternalError::NoKey);
    check_refused(&tokens, &ec.token_with(&header("EdDSA", ed.kid), &good), BAD_SIGNATURE);
    check_refused(&tokens, &rsa.token_with(&header("RS512", rsa.kid), &good), ExternalError::NoKey);
    check_refused(&tokens, &rsa.token_with(&header("PS256", rsa.kid), &good), ExternalError::NoKey);
    for alg in ["none", "None", "", "hs256", "ES256K"] {
        check_refused(&tokens, &rsa.token_with(&header(alg, rsa.kid), &good), ExternalError::Header);
    }
    let unsigned = format!("{}.{}.", encode(header("none", "x").to_string()), encode(good.to_string()));
    check_refused(&tokens, &unsigned, ExternalError::Header);
    let signed = rsa.token(&good);
    let (text, _) = signed.rsplit_once('.').unwrap();
    check_refused(&tokens, &format!("{text}."), BAD_SIGNATURE);
}

#[test]
fn a_kid_is_a_text_to_compare_with() {
    let (one, other) = (Signer::p256().named("one"), Signer::p256().named("other"));
    let tokens = of_keys(&[&one, &other]);
    let good = claims("7", NOW_S);
    assert!(tokens.verify(&one.token(&good), NOW_S).is_ok());
    assert!(tokens.verify(&other.token(&good), NOW_S).is_ok());
    let header = |kid: &str| json!({"alg": "ES256", "kid": kid});
    check_refused(&tokens, &one.token_with(&header("other"), &good), BAD_SIGNATURE);
    for kid in
        ["", "ONE", "../../../../dev/null", "/etc/passwd", "one' OR '1'='1", "https://evil.example/keys"]
    {
        check_refused(&tokens, &one.token_with(&header(kid), &good), ExternalError::NoKey);
    }
    // Without one it is only clear which key is meant when there is one of the kind.
    check_refused(&tokens, &one.token_with(&json!({"alg": "ES256"}), &good), ExternalError::NoKey);
    assert!(of_keys(&[&one]).verify(&one.token_with(&json!({"alg": "ES256"}), &good), NOW_S).is_ok());
}

#[test]
fn headers_that_ask_for_more_are_refused() {
    let signer = Signer::ed25519();
    let tokens = of_keys(&[&signer]);
    let verify = |more: Value| {
        let header = with(json!({"alg": "EdDSA", "kid": signer.kid}), more);
        tokens.verify(&signer.token_with(&header, &claims("7", NOW_S)), NOW_S).map(|_| ())
    };
    for more in
        [json!({}), json!({"typ": "jwt"}), json!({"typ": "at+jwt"}), json!({"typ": "application/at+jwt"})]
    {
        assert_eq!(verify(more.clone()), Ok(()), "{more}");
    }
    // A key of the token's own, or a place of keys, is not looked at.
    let own = Signer::ed25519();
    let header = json!({"alg": "EdDSA", "jwk": own.jwk(), "jku": "https://evil.example/keys"});
    check_refused(&tokens, &own.token_with(&header, &claims("7", NOW_S)), BAD_SIGNATURE);
    for more in [
        json!({"typ": "logout+jwt"}),
        json!({"typ": "secevent+jwt"}),
        json!({"typ": "JOSE"}),
        json!({"crit": ["exp"]}),
        json!({"crit": ["b64"], "b64": false}),
        json!({"zip": "DEF"}),
    ] {
        assert_eq!(verify(more.clone()), Err(ExternalError::Header), "{more}");
    }
}

#[test]
fn claims_are_checked_exactly() {
    let signer = Signer::secret(SECRET);
    let tokens = tokens(Some(SECRET), None).unwrap();
    let verify = |changes: Value| {
        let token = signer.token(&with(claims("7", NOW_S), changes));
        tokens.verify(&token, NOW_S).map(|user| user.subject)
    };
    let check = |changes: Value, expected: Result<&str, ExternalError>| {
        assert_eq!(verify(changes.clone()), expected.map(str::to_owned), "{changes}");
    };
    check(json!({}), Ok("7"));
    check(json!({"aud": ["another", "my-game-web"]}), Ok("7"));
    check(json!({"iat": null}), Ok("7"));
    check(json!({"exp": NOW_S - 29, "iat": NOW_S - 100}), Ok("7"));
    check(json!({"iat": NOW_S + 30, "nbf": NOW_S + 30}), Ok("7"));
    check(json!({"exp": NOW_S + 24 * 3600 + 30}), Ok("7"));
    check(json!({"exp": (NOW_S + 60) as f64 + 0.5}), Ok("7"));
    check(json!({"sub": "ä".repeat(127)}), Ok(&"ä".repeat(127)));
    check(json!({"extra": {"deep": [1, 2, 3]}, "email": 7}), Ok("7"));

    for iss in [json!("https://id.example/game/"), json!("HTTPS://id.example/game"), json!("")] {
        check(json!({"iss": iss}), Err(ExternalError::Issuer));
    }
    for aud in [json!("my-gam"), json!("my-game "), json!([]), json!(["another"]), json!("MY-GAME")] {
        check(json!({"aud": aud}), Err(ExternalError::Audience));
    }
    for sub in [json!(""), json!("x".repeat(256)), json!("a\nb"), json!("a\u{0}b"), json!("\u{7f}")] {
        check(json!({"sub": sub}), Err(ExternalError::Subject));
    }
    let token = |error| Err(ExternalError::Token(error));
    check(json!({"exp": NOW_S - 30}), token(TokenError::Expired));
    check(json!({"exp": 0}), token(TokenError::Expired));
    check(json!({"nbf": NOW_S + 31}), token(TokenError::NotYetValid));
    check(json!({"iat": NOW_S + 31}), token(TokenError::NotYetValid));
    check(json!({"exp": NOW_S + 24 * 3600 + 31}), Err(ExternalError::LastsTooLong));
    check(json!({"exp": u64::MAX}), Err(ExternalError::LastsTooLong));
    for changes in [
        json!({"exp": null}),
        json!({"exp": "1900000000"}),
        json!({"exp": -1}),
        json!({"sub": null}),
        json!({"sub": 7}),
        json!({"iss": null}),
        json!({"iss": [ISSUER]}),
        json!({"aud": null}),
        json!({"aud": {"my-game": true}}),
        json!({"aud": ["my-game", 7]}),
    ] {
        check(changes, Err(BAD_CLAIMS));
    }
}

#[test]
fn doubled_claims_are_none() {
    let signer = Signer::secret(SECRET);
    let tokens = tokens(Some(SECRET), None).unwrap();
    let body = claims("7", NOW_S).to_string().replace('{', r#"{"sub":"8","#);
    let signed = format!("{}.{}", encode(r#"{"alg":"HS256"}"#), encode(body));
    let whole = signer.token(&claims("7", NOW_S));
    check_refused(&tokens, &format!("{signed}.{}", whole.rsplit('.').next().unwrap()), BAD_SIGNATURE);
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET);
    let signature =
        jsonwebtoken::crypto::sign(signed.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
    check_refused(&tokens, &format!("{signed}.{signature}"), BAD_CLAIMS);
}

#[test]
fn names_are_told_the_best_first() {
    let signer = Signer::secret(SECRET);
    let tokens = tokens(Some(SECRET), None).unwrap();
    let names = |changes: Value| {
        tokens.verify(&signer.token(&with(claims("7", NOW_S), changes)), NOW_S).unwrap().names
    };
    assert_eq!(names(json!({})), [""; 0]);
    assert_eq!(names(json!({"name": "Ann B", "preferred_username": "ann"})), ["ann", "Ann B"]);
    assert_eq!(names(json!({"name": {"first": "Ann"}, "preferred_username": 7})), [""; 0]);
}

#[test]
fn whatever_is_no_token_is_refused() {
    let tokens = tokens(Some(SECRET), None).unwrap();
    let good = Signer::secret(SECRET).token(&claims("7", NOW_S));
    for text in ["", ".", "..", "a.b", "a.b.c.d", &"a".repeat(8193)] {
        check_refused(&tokens, text, MALFORMED);
    }
    check_refused(&tokens, "a.b.c", ExternalError::Header);
    let padded = with(claims("7", NOW_S), json!({"groups": "x".repeat(7000)}));
    check_refused(&tokens, &Signer::secret(SECRET).token(&padded), MALFORMED);
    for at in 0..good.len() {
        let mut changed = good.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(tokens.verify(&changed, NOW_S).is_err(), "{at}: {changed}");
    }
}

#[test]
fn key_files() {
    let refused = |text: &str, expected: &str| {
        let error = tokens(None, Some(text)).expect_err(text).to_string();
        assert!(
            error.contains(expected) && error.contains("--auth-jwks") && !error.contains('\n'),
            "{error}"
        );
    };
    let marked = format!("\u{feff}{}", json!({"keys": [Signer::p256().jwk()]}));
    assert!(tokens(None, Some(&marked)).is_ok(), "editors begin files with a mark");
    refused("", "expected a JWK set");
    refused("-----BEGIN PUBLIC KEY-----\n", "expected a JWK set");
    refused("[]", "expected a JWK set");
    refused(r#"{"keys": []}"#, "no key for RS256, ES256 or EdDSA");
    refused(r#"{"keys": [7]}"#, "key 1 is no JWK");
    refused(&"x".repeat(300_000), "longer than 262144 bytes");
    let ec = Signer::p256().jwk();
    let set = |changes: Value| json!({"keys": [with(ec.clone(), changes)]}).to_string();
    refused(&set(json!({"d": "AA"})), "not a public key");
    refused(&json!({"keys": [{"kty": "oct", "k": "AA"}]}).to_string(), "not a public key");
    refused(&set(json!({"use": "enc"})), "key 1 is not for signatures");
    refused(&set(json!({"key_ops": ["sign"]})), "key 1 is not for checking signatures");
    refused(&set(json!({"crv": "P-384"})), "key 1 is of another kind");
    refused(&set(json!({"alg": "ES384"})), "another algorithm");
    refused(&set(json!({"y": null})), "it lacks y");
    refused(&set(json!({"x": "?"})), "a point of P-256");
    refused(&set(json!({"x": encode([1; 32])})), "a point of P-256");
    refused(&set(json!({"x": encode([0; 33])})), "a point of P-256");
    let ed = |x: &str| json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x}]}).to_string();
    refused(&ed(""), "a key of Ed25519");
    refused(&ed(&encode([2; 31])), "a key of Ed25519");
    // No point of the curve has this y (RFC 8032 section 5.1.3).
    refused(&ed(&encode([&[2; 1][..], &[0; 31]].concat())), "a key of Ed25519");
    let rsa =
        |n: &[u8], e: &[u8]| json!({"keys": [{"kty": "RSA", "n": encode(n), "e": encode(e)}]}).to_string();
    refused(&rsa(&[0xff; 128], &[1, 0, 1]), "n has 1024 bits");
    refused(&rsa(&[0xff; 1024], &[1, 0, 1]), "n has 8192 bits");
    refused(&rsa(&[0xff; 256], &[1]), "e from 3");
    refused(&rsa(&[0xff; 256], &[1, 0, 0]), "must be odd");
    refused(&rsa(&[0xff; 256], &[1, 0, 0, 0, 1]), "e from 3");
    refused(&rsa(&[], &[1, 0, 1]), "n has 0 bits");
    let one = Signer::p256();
    refused(&key_set(&[&one, &Signer::p256()]), "the same kid");
    let nameless = with(Signer::p256().jwk(), json!({"kid": null}));
    refused(&json!({"keys": [one.jwk(), nameless]}).to_string(), "one of them has none");
}

#[test]
fn keys_for_other_uses_are_passed_over() {
    let signer = Signer::rsa();
    let others = [
        json!({"kty": "RSA", "use": "enc", "alg": "RSA-OAEP", "kid": "e", "n": "AQAB", "e": "AQAB"}),
        json!({"kty": "AKP", "alg": "ML-DSA-44", "kid": "later", "pub": "AA"}),
        json!({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}),
    ];
    let keys: Vec<Value> = others.into_iter().chain([signer.jwk()]).collect();
    let tokens = tokens(None, Some(&json!({"keys": keys, "extra": 1}).to_string())).unwrap();
    assert_eq!((tokens.public().keys.len(), tokens.public().passed_over), (1, 3));
    assert!(tokens.verify(&signer.token(&claims("7", NOW_S)), NOW_S).is_ok());
}

#[test]
fn a_change_counts_when_it_is_found_twice() {
    let mut looks = Looks::after("a".into());
    let text = |text: &str| Ok(text.to_owned());
    let error = || KeyFileError::new(std::path::Path::new("keys.json"), "it cannot be read".into());
    assert_eq!(looks.again(text("a"), false), Look::Unchanged);
    assert_eq!(looks.again(text("half"), false), Look::Unchanged);
    assert_eq!(looks.again(text("whole"), false), Look::Unchanged);
    assert_eq!(looks.again(text("whole"), false), Look::Changed("whole".into()));
    assert_eq!(looks.again(text("whole"), false), Look::Unchanged);
    assert_eq!(looks.again(Err(error()), false), Look::Unreadable(error()));
    assert_eq!(looks.again(Err(error()), false), Look::Unchanged, "told once");
    assert_eq!(looks.again(Err(error()), true), Look::Unreadable(error()), "and to who asks");
    assert_eq!(looks.again(text("whole"), false), Look::Unchanged);
    assert_eq!(looks.again(text("b"), true), Look::Changed("b".into()), "at once");
}
