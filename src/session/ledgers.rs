//! The routes of ledgers: what their requests ask for. The rules of changes are the documents'.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::documents::{DocumentCall, check_owner, limit};
use crate::wire::Address;
use crate::wire::http::{Method, Request};
use crate::wire::message::{shorten, whole};

/// Where managers find accounts.
const MANAGED: &str = "/api/ledger/";

/// A change of an account, as a manager sends it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedChange {
    /// What is added to the balances, by items.
    pub changes: BTreeMap<Box<str>, i64>,
    /// Why.
    pub reason: Box<str>,
    /// What makes a second change of the same key a repetition of the first.
    pub key: Option<Box<str>>,
    /// Which balances it may leave below 0.
    #[serde(default)]
    pub allow_negative: AllowNegative,
    /// Who is to own the account; none for no change, empty for nobody.
    pub owner: Option<Box<str>>,
}

/// Which balances a change may leave below 0.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum AllowNegative {
    /// All or none.
    All(bool),
    /// These items'.
    Items(Vec<Box<str>>),
}

impl Default for AllowNegative {
    fn default() -> Self {
        Self::All(false)
    }
}

/// Whether a path names an account.
pub(super) fn is_account(path: &str) -> bool {
    path.strip_prefix(MANAGED).is_some_and(|rest| rest.contains('/'))
}

/// What a manager's request asks for.
///
/// # Errors
/// What is wrong with it.
pub(super) fn call(request: &Request) -> Result<DocumentCall, String> {
    let address = request.path.strip_prefix(MANAGED).unwrap_or_default();
    let address = Address::parse(address).map_err(|error| error.to_string())?;
    if request.method == Method::Post {
        return change(address, request);
    }
    let before = match request.query_parameter("cursor") {
        None => u64::MAX,
        Some(text) => whole(&text).ok_or("cursor must be what the last page said")?,
    };
    Ok(DocumentCall::Entries { address, before, limit: limit(request)? })
}

fn change(address: Address, request: &Request) -> Result<DocumentCall, String> {
    const EXPECTED: &str = r#"the body must be a change as JSON, such as {"changes": {"gold": -50}, "reason": "refund", "key": "order:7"}"#;
    let asked: AskedChange = serde_json::from_slice(&request.body)
        .map_err(|error| format!("{EXPECTED}: {}", shorten(error.to_string())))?;
    check_owner(asked.owner.as_deref())?;
    Ok(DocumentCall::Change(address, Box::new(asked)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(method: Method, target: &str, body: &str) -> Result<DocumentCall, String> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        call(&Request {
            method,
            target: target.into(),
            path: path.into(),
            query: query.into(),
            version_minor: 1,
            headers: Vec::new(),
            body: body.into(),
            keep_alive: true,
        })
    }

    #[test]
    fn paths_name_accounts() {
        assert!(is_account("/api/ledger/wallet/7") && is_account("/api/ledger/guild/a/b"));
        for path in ["/api/ledger/", "/api/ledger/wallet", "/api/ledgers/wallet/7", "/ledger/wallet/7"] {
            assert!(!is_account(path), "{path}");
        }
    }

    #[test]
    fn entries_come_in_pages() {
        let address = Address::parse("wallet/7").unwrap();
        let check = |query: &str, before: u64, limit: usize| {
            let found = called(Method::Get, &format!("/api/ledger/wallet/7{query}"), "");
            assert_eq!(
                found,
                Ok(DocumentCall::Entries { address: address.clone(), before, limit }),
                "{query}"
            );
        };
        check("", u64::MAX, 50);
        check("?cursor=12&limit=200", 12, 200);
        for (query, words) in [("cursor=x", "cursor must be"), ("limit=0", "limit must be")] {
            let refused = called(Method::Get, &format!("/api/ledger/wallet/7?{query}"), "").unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
        assert!(called(Method::Get, "/api/ledger/Wallet/7", "").unwrap_err().contains("collection"));
    }

    #[test]
    fn changes_are_json() {
        let asked = |body: &str| match called(Method::Post, "/api/ledger/wallet/7", body) {
            Ok(DocumentCall::Change(_, asked)) => Ok(*asked),
            Ok(other) => panic!("{other:?}"),
            Err(refused) => Err(refused),
        };
        let least = asked(r#"{"changes": {"gold": -50}, "reason": "refund"}"#).unwrap();
        let changes: BTreeMap<Box<str>, i64> = [("gold".into(), -50)].into();
        let expected = AskedChange {
            changes: changes.clone(),
            reason: "refund".into(),
            key: None,
            allow_negative: AllowNegative::All(false),
            owner: None,
        };
        assert_eq!(least, expected);
        let most = asked(
            r#"{"changes": {"gold": -50}, "reason": "refund", "key": "k", "allow_negative": ["gold"], "owner": "7"}"#,
        );
        let expected = AskedChange {
            key: Some("k".into()),
            allow_negative: AllowNegative::Items(vec!["gold".into()]),
            owner: Some("7".into()),
            ..expected
        };
        assert_eq!(most, Ok(expected));
        for (body, words) in [
            ("", "the body must be a change as JSON"),
            ("[]", "the body must be a change as JSON"),
            (r#"{"changes": {"gold": 1}}"#, "missing field `reason`"),
            (r#"{"changes": {"gold": 1.5}, "reason": "x"}"#, "floating point `1.5`"),
            (r#"{"changes": {"gold": "1"}, "reason": "x"}"#, "invalid type: string"),
            (r#"{"changes": {"gold": 1}, "reason": "x", "keys": "k"}"#, "unknown field `keys`"),
            (r#"{"changes": {"gold": 1}, "reason": "x", "owner": "\n"}"#, "owner must be"),
        ] {
            let refused = asked(body).unwrap_err();
            assert!(refused.contains(words), "{body}: {refused}");
        }
    }
}
