//! The routes of accounts: what their requests ask for, and what answers them. Passwords are passed on, never looked at.

mod identities;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use smol_str::SmolStr;

use self::identities::{ProofBody, owner_proof};
use super::documents::DocumentCall;
use super::{Rejection, Route};
use crate::wire::ErrorCode;
use crate::wire::ids::{Identity, RoomId};
use crate::wire::message::{shorten, whole};

/// A name and a password, as they were typed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Credentials {
    /// Not checked yet.
    pub username: String,
    /// Not checked yet.
    pub password: String,
}

/// What a device says of itself. Not checked yet.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct DeviceClaim {
    /// Its own name for itself.
    pub device_id: String,
    /// What only it knows.
    pub secret: String,
}

/// An identity that somebody says to have. Not checked yet.
#[derive(Clone, PartialEq, Eq)]
pub enum IdentityClaim {
    /// A user of another issuer, by its token.
    Token(String),
    /// A device.
    Device(DeviceClaim),
}

/// What shows that a caller is an account's owner, and not somebody who has found its token. Not checked yet.
#[derive(Clone, PartialEq, Eq)]
pub enum OwnerProof {
    /// The account's password.
    Password(String),
    /// An identity that is linked to it.
    Identity(IdentityClaim),
}

/// What is asked of the accounts.
#[derive(Clone, PartialEq, Eq)]
pub enum AccountCall {
    /// `POST /guest-login` of a guest that has chosen how it wants to be called.
    GuestLogin {
        /// Not checked yet.
        nickname: String,
    },
    /// `POST /register`
    Register(Credentials),
    /// `POST /login`
    Login(Credentials),
    /// `POST /refresh`, with the refresh token.
    Refresh(String),
    /// `POST /logout`
    Logout,
    /// `POST /account/password`
    ChangePassword {
        /// The password so far.
        old: String,
        /// The one from now on.
        new: String,
    },
    /// `PATCH /account`
    Rename {
        /// The new name. Not checked yet.
        username: String,
        /// That the caller is the account's owner.
        proof: Option<OwnerProof>,
    },
    /// `DELETE /account`
    Delete {
        /// That the caller is the account's owner; a guest has none.
        proof: Option<OwnerProof>,
    },
    /// `POST /account/reset`
    Reset {
        /// The name, and the password from now on.
        who: Credentials,
        /// The code.
        code: String,
    },
    /// `POST /api/users/ID/reset`
    MakeReset {
        /// Whose password may be set anew: an account's number as text.
        user_id: String,
    },
    /// `POST /account/upgrade`
    Upgrade {
        /// The account to be made.
        who: Credentials,
        /// Where the guest says that it has something.
        rooms: Vec<RoomId>,
    },
    /// `POST /external-login`, with a token of another issuer.
    ExternalLogin(String),
    /// `POST /device-login`
    DeviceLogin(DeviceClaim),
    /// `POST /account/identities`
    Link {
        /// The identity to be linked.
        claim: IdentityClaim,
        /// That the caller is the account's owner.
        proof: Option<OwnerProof>,
        /// Where a guest says that it has something: it becomes a player.
        rooms: Vec<RoomId>,
    },
    /// `GET /account/identities`
    Identities,
    /// `DELETE /account/identities/ISSUER/SUBJECT`
    Unlink {
        /// Who vouches for the identity.
        issuer: String,
        /// The issuer's name for it.
        subject: String,
        /// That the caller is the account's owner.
        proof: Option<OwnerProof>,
    },
    /// The RPC `kick`: closes somebody's sockets.
    Kick {
        /// Whose sockets: an account's number as text, or a guest's id.
        user_id: String,
        /// Shown to them.
        reason: String,
    },
    /// The RPC `ban`: keeps somebody out.
    Ban {
        /// Whom: an account's number as text, or a guest's id.
        user_id: String,
        /// For how many seconds; none for ever.
        seconds: Option<u64>,
        /// Shown to them.
        reason: String,
    },
    /// The RPC `unban`: lets somebody in again.
    Unban {
        /// As in `Ban`.
        user_id: String,
    },
    /// A route of documents.
    Documents(DocumentCall),
    /// The server's own: removes what is kept of a guest that is gone for good.
    ForgetGuest {
        /// The guest's id.
        user_id: SmolStr,
        /// For how long it has shown no sign of life.
        silent: Duration,
    },
}

/// A call, who makes it and from where.
pub struct AccountRequest {
    /// What is asked of the accounts, with what it takes.
    pub call: AccountCall,
    /// Whose token came with it; none where none is needed.
    pub caller: Option<Arc<Identity>>,
    /// The client's address, which failed logins are counted by.
    pub address: IpAddr,
}

/// What a call gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountAnswer {
    /// The HTTP status of the answer: 200, 201 or 204.
    pub status: u16,
    /// JSON text; empty with 204.
    pub body: Vec<u8>,
    /// The version of the document that it is about, which goes into `ETag`.
    pub version: Option<u64>,
    /// What must be known elsewhere before it goes out.
    pub news: Option<AccountNews>,
}

/// What a call means to others than the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountNews {
    /// Rooms must be told that somebody has another id.
    Upgraded(Arc<Upgraded>),
    /// The database has an entry for the guest of this id, which must be removed when the guest is gone for good.
    GuestWritten(SmolStr),
}

/// A guest that has become a player.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgraded {
    /// Who it was until now.
    pub guest: Arc<Identity>,
    /// The account's number as text.
    pub user_id: String,
    /// The account's name, as it was chosen.
    pub username: String,
    /// Where the guest may have something.
    pub rooms: Vec<RoomId>,
}

impl AccountAnswer {
    /// An answer that nothing else follows from.
    pub fn new(status: u16, body: Vec<u8>) -> Self {
        Self { status, body, version: None, news: None }
    }
}

/// Where the answer to a call goes. Dropped unused it answers that the server failed, so that nobody waits for ever.
pub struct AccountReply(Option<Box<dyn FnOnce(AccountResult) + Send>>);

/// How a call ends.
pub type AccountResult = Result<AccountAnswer, Rejection>;

impl AccountReply {
    /// Passes the answer to `deliver`, from any thread.
    pub fn new(deliver: impl FnOnce(AccountResult) + Send + 'static) -> Self {
        Self(Some(Box::new(deliver)))
    }

    /// Passes the answer on, which uses the reply up.
    pub fn send(mut self, result: AccountResult) {
        if let Some(deliver) = self.0.take() {
            deliver(result);
        }
    }

    /// The call was refused in another way: nothing is to be answered.
    pub fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for AccountReply {
    fn drop(&mut self) {
        if let Some(deliver) = self.0.take() {
            deliver(Err(Rejection::with_status(500, ErrorCode::Unavailable, "the server failed to do this")));
        }
    }
}

/// Takes calls that need the database or a password's hash, and answers them later.
pub trait Accounts: Send + Sync {
    /// Queues a call.
    ///
    /// # Errors
    /// It was refused before it began; `reply` is not used then.
    fn submit(&self, request: AccountRequest, reply: AccountReply) -> Result<(), Rejection>;
}

impl AccountCall {
    /// The call that a request to an account's route makes, from its body.
    ///
    /// # Errors
    /// Says what the body should be.
    pub fn parse(route: Route, body: &[u8]) -> Result<Self, String> {
        const CREDENTIALS: &str = r#"{"username": NAME, "password": PASSWORD}"#;
        match route {
            Route::Register => object(body, CREDENTIALS).map(Self::Register),
            Route::Login => object(body, CREDENTIALS).map(Self::Login),
            Route::Upgrade => upgrade(body),
            Route::ExternalLogin => {
                let body: TokenBody = object(body, r#"{"token": TOKEN}"#)?;
                Ok(Self::ExternalLogin(body.token))
            }
            Route::DeviceLogin => {
                object(body, r#"{"device_id": ID, "secret": SECRET}"#).map(Self::DeviceLogin)
            }
            Route::Identities => identities::link(body),
            Route::Refresh => {
                let body: RefreshBody = object(body, r#"{"refresh_token": TOKEN}"#)?;
                Ok(Self::Refresh(body.refresh_token))
            }
            Route::Password => {
                let body: PasswordBody = object(body, r#"{"old": PASSWORD, "new": PASSWORD}"#)?;
                Ok(Self::ChangePassword { old: body.old, new: body.new })
            }
            Route::Reset => {
                let body: ResetBody =
                    object(body, r#"{"username": NAME, "code": CODE, "password": PASSWORD}"#)?;
                let who = Credentials { username: body.username, password: body.password };
                Ok(Self::Reset { who, code: body.code })
            }
            // Nothing in a body could say more.
            _ => Ok(Self::Logout),
        }
    }

    /// The call that a guest's login makes: none if it says no nickname, as nothing has to be looked up then.
    ///
    /// # Errors
    /// Says what the body should be.
    pub fn of_guest(body: &[u8]) -> Result<Option<Self>, String> {
        if body.trim_ascii().is_empty() {
            return Ok(None);
        }
        let GuestBody { nickname, username } = object(body, r#"an empty body or {"nickname"?: NAME}"#)?;
        Ok(nickname.or(username).map(|nickname| Self::GuestLogin { nickname }))
    }

    /// The call that unlinks an identity, from the target's path as it came and the body.
    ///
    /// # Errors
    /// Says what they should be.
    pub fn unlink(target: &str, body: &[u8]) -> Result<Self, String> {
        identities::unlink(target, body)
    }

    /// The call that gives an account another name, from its body.
    ///
    /// # Errors
    /// Says what the body should be.
    pub fn rename(body: &[u8]) -> Result<Self, String> {
        let body: RenameBody = object(body, r#"{"username": NEW_NAME, "password": PASSWORD}"#)?;
        Ok(Self::Rename { username: body.username, proof: owner_proof(body.password, body.proof)? })
    }

    /// The call that deletes an account, from its body.
    ///
    /// # Errors
    /// Says what the body should be.
    pub fn delete(body: &[u8]) -> Result<Self, String> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::Delete { proof: None });
        }
        let body: DeleteBody = object(body, r#"{"password": PASSWORD}"#)?;
        Ok(Self::Delete { proof: owner_proof(body.password, body.proof)? })
    }

    /// The call of an RPC that the server itself does: `kick`, `ban` or `unban`. None if the name is another.
    ///
    /// # Errors
    /// Says what the arguments should be.
    pub fn from_rpc(script: &str, arguments: &[String]) -> Option<Result<Self, String>> {
        match script {
            "kick" => Some(kick(arguments)),
            "ban" => Some(ban(arguments)),
            "unban" => Some(unban(arguments)),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct GuestBody {
    nickname: Option<String>,
    /// What other calls name it.
    username: Option<String>,
}

#[derive(Deserialize)]
struct TokenBody {
    token: String,
}

#[derive(Deserialize)]
struct RefreshBody {
    refresh_token: String,
}

#[derive(Deserialize)]
struct UpgradeBody {
    username: String,
    password: String,
    #[serde(default)]
    rooms: Vec<String>,
}

#[derive(Deserialize)]
struct ResetBody {
    username: String,
    code: String,
    password: String,
}

#[derive(Deserialize)]
struct RenameBody {
    username: String,
    password: Option<String>,
    proof: Option<ProofBody>,
}

#[derive(Deserialize)]
struct DeleteBody {
    password: Option<String>,
    proof: Option<ProofBody>,
}

#[derive(Deserialize)]
struct PasswordBody {
    old: String,
    new: String,
}

fn object<T: DeserializeOwned>(body: &[u8], expected: &str) -> Result<T, String> {
    // A derived implementation would take an array as well.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(format!("expected {expected}"));
    }
    serde_json::from_slice(body)
        .map_err(|error| format!("{}; expected {expected}", shorten(error.to_string())))
}

/// Rooms that a guest may name at its upgrade: each costs a script call.
const MAX_UPGRADE_ROOMS: usize = 64;

fn upgrade(body: &[u8]) -> Result<AccountCall, String> {
    const EXPECTED: &str = r#"{"username": NAME, "password": PASSWORD, "rooms"?: [ROOM, ...]}"#;
    let UpgradeBody { username, password, rooms } = object(body, EXPECTED)?;
    let rooms = rooms_of_guest(&rooms)?;
    Ok(AccountCall::Upgrade { who: Credentials { username, password }, rooms })
}

fn rooms_of_guest(rooms: &[String]) -> Result<Vec<RoomId>, String> {
    if rooms.len() > MAX_UPGRADE_ROOMS {
        return Err(format!("at most {MAX_UPGRADE_ROOMS} rooms are allowed"));
    }
    let rooms: Option<Vec<RoomId>> = rooms.iter().map(|room| RoomId::parse(room)).collect();
    rooms.ok_or_else(|| "a room's id must be 1 to 64 of A-Z a-z 0-9 _ -".to_owned())
}

fn kick(arguments: &[String]) -> Result<AccountCall, String> {
    let (user_id, reason) = match arguments {
        [user_id] => (user_id, ""),
        [user_id, reason] => (user_id, reason.as_str()),
        _ => return Err("expected the args [user_id, reason?]".to_owned()),
    };
    Ok(AccountCall::Kick { user_id: user_id_of(user_id), reason: checked_reason(reason)? })
}

fn ban(arguments: &[String]) -> Result<AccountCall, String> {
    let (user_id, seconds, reason) = match arguments {
        [user_id] => (user_id, "0", ""),
        [user_id, seconds] => (user_id, seconds.as_str(), ""),
        [user_id, seconds, reason] => (user_id, seconds.as_str(), reason.as_str()),
        _ => return Err("expected the args [user_id, seconds?, reason?]".to_owned()),
    };
    let seconds =
        whole(seconds).ok_or_else(|| "seconds must be a whole number; 0 or none is for ever".to_owned())?;
    let reason = checked_reason(reason)?;
    Ok(AccountCall::Ban {
        user_id: user_id_of(user_id),
        seconds: Some(seconds).filter(|&seconds| seconds > 0),
        reason,
    })
}

fn unban(arguments: &[String]) -> Result<AccountCall, String> {
    match arguments {
        [user_id] => Ok(AccountCall::Unban { user_id: user_id_of(user_id) }),
        _ => Err("expected the args [user_id]".to_owned()),
    }
}

/// An id as it is written, though it came as a number with a point.
fn user_id_of(argument: &str) -> String {
    let number = whole(argument).filter(|_| argument.contains(['.', 'e', 'E']));
    number.map_or_else(|| argument.to_owned(), |id| id.to_string())
}

/// Reasons are shown in close frames, which have room for 123 bytes (RFC 6455 section 5.5).
fn checked_reason(reason: &str) -> Result<String, String> {
    const MAX_CHARACTERS: usize = 100;
    if reason.chars().count() > MAX_CHARACTERS || reason.chars().any(char::is_control) {
        return Err(format!("a reason has at most {MAX_CHARACTERS} characters, on one line"));
    }
    Ok(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_refused(route: Route, body: &str, expected: &str) {
        let refused = AccountCall::parse(route, body.as_bytes()).err().expect(body);
        assert!(refused.contains(expected), "{body}: {refused}");
    }

    #[test]
    fn bodies() {
        let ann = || Credentials { username: "ann".into(), password: "12345678".into() };
        let check = |route: Route, body: &str, expected: AccountCall| {
            assert!(AccountCall::parse(route, body.as_bytes()).is_ok_and(|call| call == expected), "{body}");
        };
        let body = r#" {"username":"ann","password":"12345678","role":"manager"}"#;
        check(Route::Register, body, AccountCall::Register(ann()));
        check(Route::Login, body, AccountCall::Login(ann()));
        check(Route::Upgrade, body, AccountCall::Upgrade { who: ann(), rooms: Vec::new() });
        let body = r#"{"username":"ann","password":"12345678","rooms":["game:a","b"]}"#;
        let rooms = ["a", "b"].map(|room| RoomId::parse(room).unwrap()).to_vec();
        check(Route::Upgrade, body, AccountCall::Upgrade { who: ann(), rooms });
        check(Route::Refresh, r#"{"refresh_token":"x"}"#, AccountCall::Refresh("x".into()));
        let (old, new) = ("a".to_owned(), "b".to_owned());
        check(Route::Password, r#"{"old":"a","new":"b"}"#, AccountCall::ChangePassword { old, new });
        let body = r#"{"username":"ann","password":"12345678","code":"ABCD"}"#;
        check(Route::Reset, body, AccountCall::Reset { who: ann(), code: "ABCD".into() });
        check(Route::Logout, "anything", AccountCall::Logout);
    }

    #[test]
    fn bodies_that_change_an_account() {
        let deletes = |body: &str| match AccountCall::delete(body.as_bytes()) {
            Ok(AccountCall::Delete { proof: Some(OwnerProof::Password(password)) }) => Ok(Some(password)),
            Ok(AccountCall::Delete { proof: None }) => Ok(None),
            Ok(_) => panic!("{body}: another call"),
            Err(message) => Err(message),
        };
        for body in ["", " ", "{}", r#"{"password":null}"#, r#"{"sure":true}"#] {
            assert_eq!(deletes(body), Ok(None), "{body}");
        }
        assert_eq!(deletes(r#"{"password":"a"}"#), Ok(Some("a".to_owned())));
        for body in ["[]", r#"{"password":7}"#, "yes", r#"{"password":"a","password":"b"}"#] {
            assert!(deletes(body).unwrap_err().contains(r#"expected {"password": PASSWORD}"#), "{body}");
        }
        let renamed = AccountCall::rename(br#"{"username":"ben","password":"a"}"#);
        let rename = |proof| AccountCall::Rename { username: "ben".into(), proof };
        let password = OwnerProof::Password("a".into());
        assert!(renamed.is_ok_and(|call| call == rename(Some(password))));
        let token = OwnerProof::Identity(IdentityClaim::Token("jwt".into()));
        let renamed = AccountCall::rename(br#"{"username":"ben","proof":{"token":"jwt"}}"#);
        assert!(renamed.is_ok_and(|call| call == rename(Some(token))));
        assert!(AccountCall::rename(br#"{"username":"ben"}"#).is_ok_and(|call| call == rename(None)));
        let refused = AccountCall::rename(br#"{"password":"a"}"#).err().unwrap();
        assert!(refused.contains("missing field `username`") && refused.contains("NEW_NAME"), "{refused}");
        let both = br#"{"password":"a","proof":{"password":"a"}}"#;
        assert!(AccountCall::delete(both).err().unwrap().contains("and not both"));
    }

    #[test]
    fn bodies_that_are_refused() {
        check_refused(Route::Login, "", r#"expected {"username": NAME"#);
        check_refused(Route::Login, r#"["ann","12345678"]"#, r#"expected {"username": NAME"#);
        check_refused(Route::Login, r#"{"username":"ann"}"#, "missing field `password`");
        check_refused(Route::Login, r#"{"username":7,"password":"x"}"#, "invalid type");
        check_refused(Route::Login, r#"{"username":"a","username":"b","password":"x"}"#, "duplicate field");
        check_refused(Route::Login, r#"{"username":"\ud800","password":"x"}"#, "expected");
        let upgrade = |rooms: &str| format!(r#"{{"username":"ann","password":"12345678","rooms":{rooms}}}"#);
        check_refused(Route::Upgrade, &upgrade(r#"["a b"]"#), "a room's id must be");
        check_refused(Route::Upgrade, &upgrade(r#""a""#), "expected");
        check_refused(
            Route::Upgrade,
            &upgrade(&format!("[{}\"a\"]", "\"a\",".repeat(64))),
            "at most 64 rooms",
        );
        check_refused(Route::Refresh, "{}", r#"expected {"refresh_token": TOKEN}"#);
        check_refused(Route::Password, r#"{"old":"a"}"#, "missing field `new`");
        check_refused(Route::Reset, r#"{"username":"ann","password":"12345678"}"#, "missing field `code`");
    }

    #[test]
    fn guests_may_say_how_they_want_to_be_called() {
        let check = |body: &str, expected: Option<&str>| {
            let call = AccountCall::of_guest(body.as_bytes());
            let expected = expected.map(|nickname| AccountCall::GuestLogin { nickname: nickname.into() });
            assert!(call.is_ok_and(|call| call == expected), "{body}");
        };
        for body in ["", " \r\n", "{}", r#"{"role":"manager"}"#, r#"{"nickname":null}"#] {
            check(body, None);
        }
        check(r#"{"nickname":"Ann"}"#, Some("Ann"));
        check(r#"{"username":"Ann"}"#, Some("Ann"));
        check(r#"{"username":"Bea","nickname":"Ann"}"#, Some("Ann"));
        check(r#"{"nickname":""}"#, Some(""));
        for body in ["[]", "null", "{", "{}{}", "nickname=a", r#"{"nickname":7}"#, r#"{"nickname":["a"]}"#] {
            assert!(
                AccountCall::of_guest(body.as_bytes()).is_err_and(|said| said.contains("nickname")),
                "{body}"
            );
        }
    }

    #[test]
    fn server_calls() {
        let call = |script: &str, arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
            AccountCall::from_rpc(script, &arguments)
        };
        let is = |call: Option<Result<AccountCall, String>>, expected: AccountCall| {
            assert!(call.is_some_and(|call| call.is_ok_and(|call| call == expected)));
        };
        let user_id = || "7".to_owned();
        is(call("kick", &["7"]), AccountCall::Kick { user_id: user_id(), reason: String::new() });
        let reason = || "be kind".to_owned();
        is(
            call("ban", &["7"]),
            AccountCall::Ban { user_id: user_id(), seconds: None, reason: String::new() },
        );
        let banned = AccountCall::Ban { user_id: user_id(), seconds: Some(60), reason: reason() };
        is(call("ban", &["7", "60", "be kind"]), banned.clone());
        // Some languages have no other numbers.
        is(call("ban", &["7", "60.0", "be kind"]), banned.clone());
        is(call("ban", &["7.0", "6e1", "be kind"]), banned);
        is(call("unban", &["7"]), AccountCall::Unban { user_id: user_id() });
        assert!(call("move_player", &[]).is_none());
        for (script, arguments) in [
            ("kick", &[] as &[&str]),
            ("kick", &["7", "a\nb"]),
            ("ban", &["7", "-1"]),
            ("ban", &["7", "soon"]),
            ("ban", &["7", "1.5"]),
            ("ban", &["7", "1", "x", "y"]),
            ("unban", &["7", "8"]),
        ] {
            assert!(call(script, arguments).is_some_and(|call| call.is_err()), "{script} {arguments:?}");
        }
        let long = "x".repeat(101);
        assert!(call("kick", &["7", &long]).is_some_and(|call| call.is_err()));
    }

    #[test]
    fn a_reply_that_is_dropped_answers() {
        let (sender, receiver) = crossbeam_channel::unbounded();
        drop(AccountReply::new(move |result| sender.send(result).unwrap()));
        assert_eq!(receiver.recv().unwrap().unwrap_err().status, 500);
        let (sender, receiver) = crossbeam_channel::unbounded();
        AccountReply::new(move |result| sender.send(result).unwrap()).disarm();
        assert!(receiver.recv().is_err());
    }
}
