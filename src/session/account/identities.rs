//! Identities in requests: which one is meant, and what shows whose an account is.

use serde::Deserialize;

use super::{AccountCall, DeviceClaim, IdentityClaim, OwnerProof, object, rooms_of_guest};
use crate::session::routes::IDENTITIES_PREFIX;
use crate::wire::http::decode_path;

const LINK: &str = r#"{"token": TOKEN, "proof"?: PROOF, "rooms"?: [ROOM, ...]}, or "device_id" and "secret" in the place of "token""#;
const PROOF: &str =
    r#""proof": {"password": PASSWORD}, {"token": TOKEN} or {"device_id": ID, "secret": SECRET}"#;

#[derive(Deserialize)]
struct LinkBody {
    token: Option<String>,
    device_id: Option<String>,
    secret: Option<String>,
    proof: Option<ProofBody>,
    #[serde(default)]
    rooms: Vec<String>,
}

#[derive(Deserialize)]
struct UnlinkBody {
    proof: Option<ProofBody>,
}

#[derive(Deserialize)]
pub(super) struct ProofBody {
    password: Option<String>,
    token: Option<String>,
    device_id: Option<String>,
    secret: Option<String>,
}

impl ProofBody {
    fn read(self) -> Result<OwnerProof, String> {
        let expected = || format!("expected {PROOF}");
        match self {
            Self { password: Some(password), token: None, device_id: None, secret: None } => {
                Ok(OwnerProof::Password(password))
            }
            Self { password: None, token, device_id, secret } => {
                claim(token, device_id, secret).map(OwnerProof::Identity).ok_or_else(expected)
            }
            _ => Err(expected()),
        }
    }
}

/// What shows whose an account is: its password, by itself as well, or what is a proof elsewhere.
pub(super) fn owner_proof(
    password: Option<String>,
    proof: Option<ProofBody>,
) -> Result<Option<OwnerProof>, String> {
    match (password, proof) {
        (None, proof) => proof.map(ProofBody::read).transpose(),
        (Some(password), None) => Ok(Some(OwnerProof::Password(password))),
        (Some(_), Some(_)) => Err("expected a password or a proof, and not both".to_owned()),
    }
}

/// One identity, and no more.
fn claim(token: Option<String>, device_id: Option<String>, secret: Option<String>) -> Option<IdentityClaim> {
    match (token, device_id, secret) {
        (Some(token), None, None) => Some(IdentityClaim::Token(token)),
        (None, Some(device_id), Some(secret)) => {
            Some(IdentityClaim::Device(DeviceClaim { device_id, secret }))
        }
        _ => None,
    }
}

pub(super) fn link(body: &[u8]) -> Result<AccountCall, String> {
    let LinkBody { token, device_id, secret, proof, rooms } = object(body, LINK)?;
    let claim = claim(token, device_id, secret).ok_or_else(|| format!("expected {LINK}"))?;
    let proof = proof.map(ProofBody::read).transpose()?;
    Ok(AccountCall::Link { claim, proof, rooms: rooms_of_guest(&rooms)? })
}

/// Issuers are addresses as a rule, with slashes of their own: hence from the path as it came, each part encoded.
pub(super) fn unlink(target: &str, body: &[u8]) -> Result<AccountCall, String> {
    const EXPECTED: &str = "expected DELETE /account/identities/ISSUER/SUBJECT, each percent-encoded";
    let path = target.split('?').next().unwrap_or_default();
    let named = path.find(IDENTITIES_PREFIX).map(|at| &path[at + IDENTITIES_PREFIX.len()..]);
    let parts = named.and_then(|named| named.split_once('/')).and_then(|(issuer, subject)| {
        let subject = Some(subject).filter(|subject| !subject.contains('/'))?;
        Some((decode_path(issuer)?, decode_path(subject)?))
    });
    let (issuer, subject) = parts.ok_or(EXPECTED)?;
    if issuer.is_empty() || subject.is_empty() {
        return Err(EXPECTED.to_owned());
    }
    let proof = match body.trim_ascii() {
        b"" => None,
        body => object::<UnlinkBody>(body, &format!("{{{PROOF}}}"))?.proof,
    };
    let proof = proof.map(ProofBody::read).transpose()?;
    Ok(AccountCall::Unlink { issuer: issuer.into_owned(), subject: subject.into_owned(), proof })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ids::RoomId;

    fn device() -> IdentityClaim {
        IdentityClaim::Device(DeviceClaim { device_id: "d".into(), secret: "s".into() })
    }

    #[test]
    fn what_is_linked() {
        let check = |body: &str, expected: AccountCall| {
            assert!(link(body.as_bytes()).is_ok_and(|call| call == expected), "{body}");
        };
        let call = |claim, proof| AccountCall::Link { claim, proof, rooms: Vec::new() };
        let token = || IdentityClaim::Token("t".into());
        check(r#"{"token":"t"}"#, call(token(), None));
        check(r#"{"device_id":"d","secret":"s"}"#, call(device(), None));
        check(
            r#"{"token":"t","proof":{"password":"p"}}"#,
            call(token(), Some(OwnerProof::Password("p".into()))),
        );
        check(
            r#"{"token":"t","proof":{"device_id":"d","secret":"s"}}"#,
            call(token(), Some(OwnerProof::Identity(device()))),
        );
        let rooms = vec![RoomId::parse("a").unwrap()];
        check(
            r#"{"token":"t","rooms":["game:a"]}"#,
            AccountCall::Link { claim: token(), proof: None, rooms },
        );
    }

    #[test]
    fn links_that_are_refused() {
        for body in [
            "{}",
            r#"["t"]"#,
            r#"{"token":"t","device_id":"d","secret":"s"}"#,
            r#"{"token":"t","secret":"s"}"#,
            r#"{"device_id":"d"}"#,
            r#"{"token":7}"#,
            r#"{"token":"t","proof":"p"}"#,
            r#"{"token":"t","proof":{}}"#,
            r#"{"token":"t","proof":{"password":"p","token":"t"}}"#,
            r#"{"token":"t","rooms":["a b"]}"#,
        ] {
            assert!(link(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn what_is_unlinked() {
        let check = |target: &str, body: &str, issuer: &str, subject: &str, proof: Option<OwnerProof>| {
            let expected = AccountCall::Unlink { issuer: issuer.into(), subject: subject.into(), proof };
            assert!(unlink(target, body.as_bytes()).is_ok_and(|call| call == expected), "{target}");
        };
        check("/account/identities/device/abc", "", "device", "abc", None);
        let target = "/account/identities/https%3A%2F%2Fid.example%2Fa/user%7C7?x=/y";
        check(target, "{}", "https://id.example/a", "user|7", None);
        let proof = OwnerProof::Password("p".into());
        let target = "http://host/account/identities/device/abc";
        check(target, r#"{"proof":{"password":"p"}}"#, "device", "abc", Some(proof));
        for target in [
            "/account/identities/",
            "/account/identities/device",
            "/account/identities/device/",
            "/account/identities//abc",
            "/account/identities/https://id.example/abc",
            "/account/identities/device/%ff",
        ] {
            assert!(unlink(target, b"").is_err(), "{target}");
        }
        assert!(unlink("/account/identities/device/abc", b"[]").is_err());
    }
}
