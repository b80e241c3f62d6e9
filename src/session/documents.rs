//! The routes of long-term data: what their requests ask for. What comes of it, the database of documents says.

use std::fmt;

use super::account::AccountCall;
use super::ledgers::{self, AskedChange};
use super::{Rejection, Route};
use crate::wire::http::{Method, Request};
use crate::wire::ids::{Identity, Role};
use crate::wire::message::{MAX_DEPTH, is_too_deep, shorten, whole};
use crate::wire::{Address, ErrorCode};

/// Documents of a page when nothing else is asked for, and at most.
const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 200;
/// Longest value that is taken, in bytes of JSON.
const MAX_VALUE_BYTES: usize = 256 * 1024;

/// What is asked of the documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentCall {
    /// `GET /api/data/COLLECTION`, for managers.
    List {
        /// The collection.
        collection: String,
        /// What keys begin with.
        prefix: String,
        /// Whose documents; everybody's if none.
        owner: Option<String>,
        /// In milliseconds since the Unix epoch.
        updated_since_ms: u64,
        /// The key that the last page ended with.
        cursor: String,
        /// Most documents of the page.
        limit: usize,
    },
    /// `GET /api/data/COLLECTION/KEY`, for managers, and for players who may read what is not theirs.
    Read(Address),
    /// `PUT /api/data/COLLECTION/KEY`, for managers.
    Put {
        /// Which document.
        address: Address,
        /// JSON, within the limits of values.
        value: Box<str>,
        /// Who is to own it; none for no change, empty for nobody.
        owner: Option<String>,
        /// Which form the value has; none for no change.
        schema: Option<u32>,
        /// What must be there for that.
        condition: Condition,
    },
    /// `DELETE /api/data/COLLECTION/KEY`, for managers.
    Delete(Address, Condition),
    /// `GET /account/data`: the caller's own.
    Own {
        /// What the last page ended with.
        cursor: OwnCursor,
        /// Most documents of the page.
        limit: usize,
        /// Collections that no player reads.
        hidden: Vec<Box<str>>,
    },
    /// `GET /data/COLLECTION/KEY`: one of the caller's own. Where the game lets others read it as well, the reactor makes a
    /// [`DocumentCall::Read`] of it.
    ReadOwn(Address),
    /// `GET /api/ledger/COLLECTION/KEY`, for managers: an account's entries, the latest first.
    Entries {
        /// The account.
        address: Address,
        /// Only entries below this version of the account.
        before: u64,
        /// Most entries of the page.
        limit: usize,
    },
    /// `POST /api/ledger/COLLECTION/KEY`, for managers: changes balances.
    Change(Address, Box<AskedChange>),
}

/// What a page of a user's own ended with. As text the address of a document, or of an entry its version, `/` and its account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnCursor {
    /// A document, or none yet.
    Documents(Option<Address>),
    /// An entry of a ledger: the account and the version of it.
    Entry(Address, u64),
}

impl OwnCursor {
    fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = Address::parse(text) {
            return Some(Self::Documents(Some(address)));
        }
        // No collection begins with a digit.
        let (version, account) = text.split_once('/')?;
        Some(Self::Entry(Address::parse(account).ok()?, whole(version)?))
    }
}

impl fmt::Display for OwnCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Documents(Some(address)) => write!(f, "{address}"),
            Self::Documents(None) => Ok(()),
            Self::Entry(account, version) => write!(f, "{version}/{account}"),
        }
    }
}

/// What a change requires of the document (RFC 9110, section 13.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    None,
    /// `If-None-Match: *`: there is none.
    Absent,
    /// `If-Match: *`: there is one.
    Present,
    /// `If-Match: "VERSION"`
    Version(u64),
}

/// The call that a request to a route of documents makes.
///
/// # Errors
/// The caller may not do this, or the request makes no sense.
pub(super) fn call(route: Route, request: &Request, caller: &Identity) -> Result<AccountCall, Rejection> {
    if matches!(route, Route::Documents | Route::Document | Route::Ledger) && caller.role < Role::Manager {
        let message = format!("this needs the role manager; yours is {}", caller.role);
        return Err(Rejection::new(ErrorCode::Forbidden, message));
    }
    let call = match route {
        Route::Documents => list(request),
        Route::Document => one(request),
        Route::Ledger => ledgers::call(request),
        Route::ReadDocument => address(request).map(DocumentCall::ReadOwn),
        _ => own(request),
    };
    call.map(AccountCall::Documents).map_err(|message| Rejection::new(ErrorCode::BadRequest, message))
}

fn list(request: &Request) -> Result<DocumentCall, String> {
    let collection = request.path.strip_prefix(MANAGED).unwrap_or_default();
    if !Address::is_collection(collection) {
        return Err(crate::wire::AddressError::Collection.to_string());
    }
    let text = |name: &str| request.query_parameter(name).map(std::borrow::Cow::into_owned);
    let updated_since_ms = match text("updated_since") {
        None => 0,
        Some(since) => whole(&since)
            .ok_or("updated_since must be a whole number: milliseconds since 1970, as in updated_at")?,
    };
    Ok(DocumentCall::List {
        collection: collection.to_owned(),
        prefix: text("prefix").unwrap_or_default(),
        owner: text("owner").filter(|owner| !owner.is_empty()),
        updated_since_ms,
        cursor: text("cursor").unwrap_or_default(),
        limit: limit(request)?,
    })
}

fn one(request: &Request) -> Result<DocumentCall, String> {
    let address = address(request)?;
    match request.method {
        Method::Put => put(address, request),
        Method::Delete => Ok(DocumentCall::Delete(address, condition(request)?)),
        _ => Ok(DocumentCall::Read(address)),
    }
}

fn put(address: Address, request: &Request) -> Result<DocumentCall, String> {
    const EXPECTED: &str = "the body must be the document's value, as JSON";
    let value = std::str::from_utf8(&request.body).map_err(|_| format!("{EXPECTED}: it is no UTF-8"))?.trim();
    if value.len() > MAX_VALUE_BYTES {
        return Err(format!("a document's value has at most {MAX_VALUE_BYTES} bytes"));
    }
    if is_too_deep(value.as_bytes(), MAX_DEPTH) {
        return Err(format!("a document's value has at most {MAX_DEPTH} levels of arrays and objects"));
    }
    let parsed: Result<serde_json::Value, _> = serde_json::from_str(value);
    if let Err(error) = parsed {
        return Err(format!("{EXPECTED}: {}", shorten(error.to_string())));
    }
    let schema = match request.query_parameter("schema") {
        None => None,
        Some(text) => Some(
            text.parse().ok().filter(|&schema| schema > 0).ok_or("schema must be a whole number from 1")?,
        ),
    };
    let owner = request.query_parameter("owner").map(std::borrow::Cow::into_owned);
    check_owner(owner.as_deref())?;
    Ok(DocumentCall::Put { address, value: value.into(), owner, schema, condition: condition(request)? })
}

/// Whose id a document may carry.
pub(super) fn check_owner(owner: Option<&str>) -> Result<(), String> {
    let is_bad = owner.is_some_and(|owner| owner.len() > 128 || owner.chars().any(char::is_control));
    if is_bad { Err("owner must be a user's id, or empty for nobody".to_owned()) } else { Ok(()) }
}

fn condition(request: &Request) -> Result<Condition, String> {
    const EXPECTED: &str =
        "If-Match must be the version in quotation marks, as ETag tells it, or *; If-None-Match must be *";
    match (request.header("if-match"), request.header("if-none-match")) {
        (None, None) => Ok(Condition::None),
        (None, Some("*")) => Ok(Condition::Absent),
        (Some("*"), None) => Ok(Condition::Present),
        (Some(tag), None) => {
            let version = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).and_then(whole);
            version.map(Condition::Version).ok_or_else(|| EXPECTED.to_owned())
        }
        _ => Err(EXPECTED.to_owned()),
    }
}

fn own(request: &Request) -> Result<DocumentCall, String> {
    let cursor = match request.query_parameter("cursor") {
        None => OwnCursor::Documents(None),
        Some(text) => OwnCursor::parse(&text).ok_or("cursor must be what the last page said")?,
    };
    Ok(DocumentCall::Own { cursor, limit: limit(request)?, hidden: Vec::new() })
}

pub(super) fn limit(request: &Request) -> Result<usize, String> {
    let Some(text) = request.query_parameter("limit") else { return Ok(DEFAULT_LIMIT) };
    let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| format!("limit must be a whole number from 1 to {MAX_LIMIT}"))
}

/// What is said of a document that there is not, or that the caller may not read: nobody learns which of the two.
pub fn missing() -> Rejection {
    Rejection::new(ErrorCode::NotFound, "there is no such document")
}

fn address(request: &Request) -> Result<Address, String> {
    let path = &*request.path;
    let address = path.strip_prefix(MANAGED).or_else(|| path.strip_prefix(READ)).unwrap_or_default();
    Address::parse(address).map_err(|error| error.to_string())
}

/// Where managers find documents.
const MANAGED: &str = "/api/data/";
/// Where players do.
const READ: &str = "/data/";

/// The route of a path with a collection in it.
pub(super) fn route_of(path: &str) -> Option<Route> {
    match (path.strip_prefix(MANAGED), path.strip_prefix(READ)) {
        (Some(rest), _) if rest.contains('/') => Some(Route::Document),
        (Some(rest), _) if !rest.is_empty() => Some(Route::Documents),
        (_, Some(rest)) if rest.contains('/') => Some(Route::ReadDocument),
        _ if ledgers::is_account(path) => Some(Route::Ledger),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, target: &str, headers: &[(&str, &str)], body: &str) -> Request {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = |(name, value): &(&str, &str)| ((*name).into(), value.as_bytes().into());
        Request {
            method,
            target: target.into(),
            path: path.into(),
            query: query.into(),
            version_minor: 1,
            headers: headers.iter().map(header).collect(),
            body: body.into(),
            keep_alive: true,
        }
    }

    fn called(role: Role, request: &Request) -> Result<DocumentCall, String> {
        let caller = Identity {
            user_id: "7".into(),
            username: "ann".into(),
            role,
            expires_at_s: 0,
            login: crate::wire::ids::Login::default(),
        };
        let route = route_of(&request.path).unwrap_or(Route::OwnData);
        match call(route, request, &caller) {
            Ok(AccountCall::Documents(call)) => Ok(call),
            Ok(_) => panic!("another call"),
            Err(refused) => Err(refused.message.into()),
        }
    }

    fn manager(
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<DocumentCall, String> {
        called(Role::Manager, &request(method, target, headers, body))
    }

    #[test]
    fn paths_lead_to_routes() {
        let check = |path: &str, expected: Option<Route>| assert_eq!(route_of(path), expected, "{path}");
        check("/api/data/profile", Some(Route::Documents));
        check("/api/data/profile/7", Some(Route::Document));
        check("/api/data/guild/a/b", Some(Route::Document));
        check("/data/profile/7", Some(Route::ReadDocument));
        check("/api/ledger/wallet/7", Some(Route::Ledger));
        for path in ["/api/data/", "/api/data", "/data/profile", "/data/", "/apidata/a/b"] {
            check(path, None);
        }
    }

    #[test]
    fn players_manage_nothing() {
        for target in ["/api/data/profile", "/api/data/profile/7", "/api/ledger/wallet/7"] {
            let refused = called(Role::Player, &request(Method::Get, target, &[], "")).unwrap_err();
            assert_eq!(refused, "this needs the role manager; yours is player");
        }
        let own = called(Role::Guest, &request(Method::Get, "/account/data", &[], ""));
        assert_eq!(
            own,
            Ok(DocumentCall::Own { cursor: OwnCursor::Documents(None), limit: 50, hidden: Vec::new() })
        );
        let one = called(Role::Guest, &request(Method::Get, "/data/a/7", &[], ""));
        assert_eq!(one, Ok(DocumentCall::ReadOwn(Address::new("a", "7").unwrap())));
    }

    #[test]
    fn cursors_of_ones_own_name_documents_and_entries() {
        let check = |text: &str, expected: Option<OwnCursor>| {
            let found = OwnCursor::parse(text);
            assert_eq!(found, expected, "{text}");
            assert!(found.is_none_or(|found| found.to_string() == text));
        };
        let address = |text: &str| Address::parse(text).unwrap();
        check("profile/7", Some(OwnCursor::Documents(Some(address("profile/7")))));
        check("12/wallet/7", Some(OwnCursor::Entry(address("wallet/7"), 12)));
        check("12/chess~wallet/a/b", Some(OwnCursor::Entry(address("chess~wallet/a/b"), 12)));
        for wrong in ["", "12", "12/", "12/wallet", "-1/wallet/7", "x", "Wallet/7", "1.5/wallet/7"] {
            check(wrong, None);
        }
    }

    #[test]
    fn lists_have_conditions_and_pages() {
        let target = "/api/data/a?prefix=x%2F&owner=7&updated_since=12&cursor=x%2Fy&limit=200";
        let expected = DocumentCall::List {
            collection: "a".into(),
            prefix: "x/".into(),
            owner: Some("7".into()),
            updated_since_ms: 12,
            cursor: "x/y".into(),
            limit: 200,
        };
        assert_eq!(manager(Method::Get, target, &[], ""), Ok(expected));
        for (query, words) in [
            ("limit=0", "limit must be a whole number from 1 to 200"),
            ("limit=201", "limit must be"),
            ("updated_since=yesterday", "updated_since must be a whole number"),
        ] {
            let refused = manager(Method::Get, &format!("/api/data/a?{query}"), &[], "").unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
        assert!(manager(Method::Get, "/api/data/A", &[], "").unwrap_err().contains("collection"));
    }

    #[test]
    fn changes_have_conditions() {
        let check = |headers: &[(&str, &str)], expected: Option<Condition>| {
            let found = manager(Method::Delete, "/api/data/a/7", headers, "");
            let address = Address::new("a", "7").unwrap();
            assert_eq!(found.ok(), expected.map(|condition| DocumentCall::Delete(address, condition)));
        };
        check(&[], Some(Condition::None));
        check(&[("if-match", "\"5\"")], Some(Condition::Version(5)));
        check(&[("if-match", "*")], Some(Condition::Present));
        check(&[("if-none-match", "*")], Some(Condition::Absent));
        for tag in ["5", "\"five\"", "W/\"5\"", "\"5\", \"6\"", "\"-1\""] {
            check(&[("if-match", tag)], None);
        }
        check(&[("if-none-match", "\"5\"")], None);
        check(&[("if-match", "*"), ("if-none-match", "*")], None);
    }

    #[test]
    fn values_are_json_within_limits() {
        let put = |target: &str, body: &str| manager(Method::Put, target, &[], body);
        let address = Address::new("a", "b/c").unwrap();
        let expected = DocumentCall::Put {
            address,
            value: r#"{"gold": 1}"#.into(),
            owner: Some("7".into()),
            schema: Some(2),
            condition: Condition::None,
        };
        assert_eq!(put("/api/data/a/b/c?owner=7&schema=2", " {\"gold\": 1}\n"), Ok(expected));
        for (target, body, words) in [
            ("/api/data/a/b", "", "must be the document's value, as JSON"),
            ("/api/data/a/b", "{", "must be the document's value, as JSON"),
            ("/api/data/a/b", &*format!("{}1{}", "[".repeat(33), "]".repeat(33)), "at most 32 levels"),
            ("/api/data/a/b?schema=0", "1", "schema must be"),
            ("/api/data/a/b?owner=a%0A", "1", "owner must be"),
            ("/api/data/a/", "1", "collection/key"),
        ] {
            let refused = put(target, body).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
    }
}
