//! What is done about each request: an answer at once, or a call whose answer the peer waits for.

use std::sync::Arc;

use super::pages::PageReply;
use crate::session::account::{AccountCall, AccountRequest};
use crate::session::answer::{Answer, Body};
use crate::session::documents;
use crate::session::routes::{MAX_OPTIONS_BYTES, STRANGERS_BODY, TokenSource, user_to_reset};
use crate::session::rpc::BAD_GAME;
use crate::session::{
    Action, Client, Context, Counted, JoinRequest, MAX_ROOMS_TOLD, Origin, Rejection, Route, RpcRequest,
    SERVER_FULL, cors,
};
use crate::wire::http::{Method, Request, RequestError};
use crate::wire::ids::{Identity, NetworkId, Role, RoomId, is_game_name};
use crate::wire::message::{MAX_DEPTH, is_too_deep, parse_epoch};
use crate::wire::ws::{self, Handshake};
use crate::wire::{ErrorCode, Position};

/// What a request leads to.
pub(super) enum Next {
    Answer(Answer<'static>),
    /// A file, or what is said where there is none.
    Page(PageReply),
    /// A browser asks what a page may ask for.
    Preflight,
    /// The peer waits for the answer to this call.
    Call(Action),
    /// The peer waits for a room to let it in.
    Join {
        /// What the 101 says.
        handshake: Handshake,
        request: JoinRequest,
        wishes: Wishes,
    },
    /// It is refused, and told so by a WebSocket.
    Refuse(Handshake, Rejection),
    /// It is an echo from now on.
    Echo(Handshake),
}

/// What a client says of how it wants to be answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wishes {
    /// Whether answers tell which version of which script ran.
    pub tells_script: bool,
    /// Whether a refusal comes as a message and a close frame: browsers keep from their pages what HTTP says.
    pub refuses_by_close: bool,
}

impl Wishes {
    fn of(request: &Request) -> Self {
        let says = |name: &str, value: &str| request.query_parameter(name).as_deref() == Some(value);
        Self { tells_script: says("versions", "1"), refuses_by_close: says("refuse", "close") }
    }
}

/// Handles a request.
///
/// # Errors
/// It is refused.
pub(super) fn handle(route: Route, request: &Request, context: &Context<'_>) -> Result<Next, Rejection> {
    if request.method == Method::Options {
        return Ok(Next::Preflight);
    }
    if !route.takes(request) {
        let mut answer =
            Answer::with_status(405, ErrorCode::BadRequest, &format!("allowed here: {}", route.allow()));
        answer.headers.push(("Allow", route.allow()));
        return Ok(Next::Answer(answer));
    }
    check_body(route, request.body.len(), context)?;
    let caller = match route.token() {
        TokenSource::Header => {
            let client = client(request, context);
            let caller = located(authenticate(bearer(request), context)?, client);
            admit_call(&caller, client, context)?;
            Some(Arc::new(caller))
        }
        TokenSource::None | TokenSource::Upgrade => None,
    };
    let answer = match (route, caller) {
        (
            Route::Register
            | Route::Login
            | Route::Refresh
            | Route::Logout
            | Route::Password
            | Route::Reset
            | Route::UserReset
            | Route::Upgrade
            | Route::ExternalLogin
            | Route::DeviceLogin
            | Route::Identities
            | Route::Identity,
            caller,
        ) => return account(route, request, caller, context),
        (Route::Rpc, Some(caller)) => return rpc(request, caller, context),
        (
            Route::OwnData | Route::Documents | Route::Document | Route::ReadDocument | Route::Ledger,
            Some(caller),
        ) => {
            let call = documents::call(route, request, &caller)?;
            return Ok(submit(request, call, Some(caller), context));
        }
        (Route::Account, Some(caller)) if matches!(request.method, Method::Patch | Method::Delete) => {
            return account(route, request, Some(caller), context);
        }
        (Route::Account, Some(caller)) => who_am_i(&caller, context),
        (Route::LargestRooms, Some(caller)) => largest_rooms(&caller, request, context)?,
        (
            Route::Rpc
            | Route::Account
            | Route::OwnData
            | Route::Documents
            | Route::Document
            | Route::ReadDocument
            | Route::Ledger
            | Route::LargestRooms,
            None,
        ) => {
            unreachable!("the table says that they need a token")
        }
        (Route::WebSocket, _) => return join(request, context),
        (Route::Echo, _) => return Ok(echo(request, context)),
        (Route::GuestLogin, _) => return guest_login(request, context),
        (Route::Health, _) => Answer::json(200, &br#"{"status":"ok"}"#[..]),
        (Route::Ready, _) => ready(context),
        (Route::Metrics, _) => metrics(request, context),
        (Route::Page, _) => return Ok(Next::Page(PageReply::to(request, context))),
        (Route::Unknown, _) => return Ok(Next::Page(PageReply::nothing(request, context.services))),
    };
    Ok(Next::Answer(answer))
}

/// Looks at a request whose body has not come whole, and is known to become so long: little is kept for a stranger, and nothing
/// of a body that nobody would look at.
///
/// # Errors
/// It is refused.
pub(super) fn check_begun(
    route: Route,
    request: &Request,
    body_bytes: usize,
    context: &Context<'_>,
) -> Result<(), Rejection> {
    check_body(route, body_bytes, context)?;
    if body_bytes > STRANGERS_BODY && route.token() == TokenSource::Header && route.takes(request) {
        authenticate(bearer(request), context)?;
    }
    Ok(())
}

fn check_body(route: Route, body_bytes: usize, context: &Context<'_>) -> Result<(), Rejection> {
    let longest = route.longest_body(context.services.settings().http.body_bytes);
    if body_bytes <= longest {
        return Ok(());
    }
    Err(Rejection::new(ErrorCode::TooLarge, format!("a body here has at most {longest} bytes")))
}

/// Handles a request for which there is no place: the server says that it lives, and how it is.
///
/// # Errors
/// It is refused.
pub(super) fn handle_at_full_server(
    route: Route,
    request: &Request,
    context: &Context<'_>,
) -> Result<Next, Rejection> {
    // A page's browser asks before a request, and does not tell it what is said to that.
    if matches!(route, Route::Health | Route::Metrics) || request.method == Method::Options {
        return handle(route, request, context);
    }
    let refused =
        Rejection::new(ErrorCode::Unavailable, SERVER_FULL.message).retry_after(SERVER_FULL.retry_after_s);
    match wants_close(request, context) {
        Some(handshake) if route == Route::WebSocket => Ok(Next::Refuse(handshake, refused)),
        _ => Err(refused),
    }
}

/// What a client's upgrade is answered with, if it wants to be told of a refusal by a WebSocket.
pub(super) fn wants_close(request: &Request, context: &Context<'_>) -> Option<Handshake> {
    if Wishes::of(request).refuses_by_close { accept(request, context).ok() } else { None }
}

fn metrics(request: &Request, context: &Context<'_>) -> Answer<'static> {
    // Anybody may ask for it, as often as they like.
    let (content_type, text) = context.services.metrics(!client(request, context).is_local());
    Answer { status: 200, headers: vec![("Content-Type", content_type)], body: Body::Shared(text) }
}

fn ready(context: &Context<'_>) -> Answer<'static> {
    match context.services.readiness() {
        Ok(()) => Answer::json(200, &br#"{"status":"ready"}"#[..]),
        Err(reason) => Answer::error(ErrorCode::Unavailable, reason),
    }
}

/// A guest without a wish is made at once; the name that one has chosen must be nobody else's, which takes longer to know.
fn guest_login(request: &Request, context: &Context<'_>) -> Result<Next, Rejection> {
    let call = AccountCall::of_guest(&request.body)
        .map_err(|message| Rejection::new(ErrorCode::BadRequest, message))?;
    admit(Counted::Login, client(request, context), context)?;
    if let Some(call) = call {
        return Ok(submit(request, call, None, context));
    }
    let login = context.services.guest_login(context.now.unix_s());
    let body = serde_json::json!({
        "token": login.token,
        "refresh_token": login.refresh_token,
        "expires_in": login.expires_in_s,
        "user_id": login.user_id,
        "username": login.username,
        "role": "guest",
    });
    Ok(Next::Answer(Answer::json(200, body.to_string().into_bytes())))
}

fn who_am_i(identity: &Identity, context: &Context<'_>) -> Answer<'static> {
    let body = serde_json::json!({
        "user_id": &*identity.user_id,
        "username": &*identity.username,
        "role": identity.role.as_str(),
        "expires_in": u64::from(identity.expires_at_s).saturating_sub(context.now.unix_s()),
    });
    Answer::json(200, body.to_string().into_bytes())
}

/// Whose rooms are how large is the managers' to know.
fn largest_rooms(
    caller: &Identity,
    request: &Request,
    context: &Context<'_>,
) -> Result<Answer<'static>, Rejection> {
    const DEFAULT: usize = 20;
    if caller.role < Role::Manager {
        let message = format!("this needs the role manager; yours is {}", caller.role.as_str());
        return Err(Rejection::new(ErrorCode::Forbidden, message));
    }
    let most = match request.query_parameter("limit") {
        None => DEFAULT,
        Some(text) => {
            text.parse().ok().filter(|most| (1..=MAX_ROOMS_TOLD).contains(most)).ok_or_else(|| {
                let message = format!("limit must be a whole number from 1 to {MAX_ROOMS_TOLD}");
                Rejection::new(ErrorCode::BadRequest, message)
            })?
        }
    };
    Ok(Answer::json(200, context.services.largest_rooms(most)?.into_bytes()))
}

/// A call to the accounts: what can be said at once is; the rest is answered later.
fn account(
    route: Route,
    request: &Request,
    caller: Option<Arc<Identity>>,
    context: &Context<'_>,
) -> Result<Next, Rejection> {
    let call = match (route, &request.method) {
        (Route::Identities, Method::Get | Method::Head) => Ok(AccountCall::Identities),
        (Route::Identity, _) => AccountCall::unlink(&request.target, &request.body),
        (Route::Account, Method::Delete) => AccountCall::delete(&request.body),
        (Route::Account, _) => AccountCall::rename(&request.body),
        (Route::UserReset, _) => Ok(AccountCall::MakeReset {
            user_id: user_to_reset(&request.path).unwrap_or_default().to_owned(),
        }),
        _ => AccountCall::parse(route, &request.body),
    };
    let call = call.map_err(|message| Rejection::new(ErrorCode::BadRequest, message))?;
    let counted = match route {
        Route::Register | Route::Login | Route::Reset | Route::ExternalLogin | Route::DeviceLogin => {
            Some(Counted::Login)
        }
        Route::Refresh => Some(Counted::Refresh),
        // Those with a token are counted already.
        _ => None,
    };
    counted.map_or(Ok(()), |counted| admit(counted, client(request, context), context))?;
    Ok(submit(request, call, caller, context))
}

fn submit(
    request: &Request,
    call: AccountCall,
    caller: Option<Arc<Identity>>,
    context: &Context<'_>,
) -> Next {
    let address = client(request, context).address;
    Next::Call(Action::Account(Box::new(AccountRequest { call, caller, address })))
}

fn rpc(request: &Request, caller: Arc<Identity>, context: &Context<'_>) -> Result<Next, Rejection> {
    let call =
        RpcRequest::parse(&request.body).map_err(|message| Rejection::new(ErrorCode::BadRequest, message))?;
    if let Some(parsed) = AccountCall::from_rpc(&call.script, &call.arguments) {
        let call = check_manager(&caller, &call.script, parsed)?;
        return Ok(submit(request, call, Some(caller), context));
    }
    Ok(Next::Call(Action::Rpc { caller, request: Box::new(call) }))
}

fn accept(request: &Request, context: &Context<'_>) -> Result<Handshake, RequestError> {
    ws::accept(request, context.services.settings().compress.is_some())
}

fn join(request: &Request, context: &Context<'_>) -> Result<Next, Rejection> {
    let handshake = match accept(request, context) {
        Ok(handshake) => handshake,
        Err(rejection) => return Ok(Next::Answer(Answer::malformed(&rejection))),
    };
    let wishes = Wishes::of(request);
    let joins = check_origin(request, context).and_then(|()| join_request(request, &handshake, context));
    match joins {
        Ok(request) => Ok(Next::Join { handshake, request, wishes }),
        Err(refused) if wishes.refuses_by_close => Ok(Next::Refuse(handshake, refused)),
        Err(refused) => Err(refused),
    }
}

/// A browser tells whose page opens a WebSocket, and leaves it to the server whether that may. Programs have no origin, and a page
/// of this server is no stranger.
fn check_origin(request: &Request, context: &Context<'_>) -> Result<(), Rejection> {
    // What cannot be read as an origin is none that is allowed.
    let origins =
        || request.header_values("origin").map(|origin| std::str::from_utf8(origin).unwrap_or_default());
    let allowed = &context.services.settings().allow_origins;
    match origins().find(|origin| !allowed.allow(origin) && !cors::is_same_origin(origin, request)) {
        None => Ok(()),
        Some(origin) => {
            let message =
                format!("pages of {origin:?} may not connect here; --allow-origin lists those that may");
            Err(Rejection::new(ErrorCode::Forbidden, message))
        }
    }
}

fn join_request(
    request: &Request,
    handshake: &Handshake,
    context: &Context<'_>,
) -> Result<JoinRequest, Rejection> {
    let in_query = request.query_parameter("token");
    let token = in_query.as_deref().or(bearer(request)).or(handshake.bearer.as_deref());
    let client = client(request, context);
    let identity = Arc::new(located(authenticate(token, context)?, client));
    admit_call(&identity, client, context)?;
    context.services.readiness().map_err(|reason| Rejection::new(ErrorCode::Unavailable, reason))?;
    let room = request
        .query_parameter("game_id")
        .ok_or_else(|| Rejection::new(ErrorCode::BadRequest, "the query lacks game_id=ROOM"))?;
    let room = room_of_game(request, &room)?;
    Ok(JoinRequest { identity, room, since: since(request)?, options: options(request)?, client })
}

/// The room that the client wants into: its id tells the game, or the query's `game` does.
fn room_of_game(request: &Request, id: &str) -> Result<RoomId, Rejection> {
    let refuse = |message: String| Rejection::new(ErrorCode::BadRequest, message);
    let game = request.query_parameter("game").filter(|game| !game.is_empty());
    let Some(game) = game.as_deref() else {
        return RoomId::parse(id).ok_or_else(|| {
            refuse("game_id must be 1 to 64 of A-Z a-z 0-9 _ -, with GAME~ in front for a room of another game than the default one".into())
        });
    };
    if !is_game_name(game) {
        return Err(refuse(BAD_GAME.into()));
    }
    RoomId::parse_in(Some(game), id).ok_or_else(|| match RoomId::parse(id) {
        Some(_) => refuse(format!("game_id is of another game than {game:?}")),
        None => refuse("game_id must be 1 to 64 of A-Z a-z 0-9 _ -".into()),
    })
}

/// What the client tells the hook that lets it in.
fn options(request: &Request) -> Result<Option<Box<str>>, Rejection> {
    let Some(text) = request.query_parameter("options") else { return Ok(None) };
    let refuse = |message: String| Err(Rejection::new(ErrorCode::BadRequest, message));
    if text.len() > MAX_OPTIONS_BYTES {
        return refuse(format!("options are longer than {MAX_OPTIONS_BYTES} bytes"));
    }
    if is_too_deep(text.as_bytes(), MAX_DEPTH) || !is_object(text.as_bytes()) {
        return refuse(format!("options must be a JSON object of at most {MAX_DEPTH} levels"));
    }
    Ok(Some(text.into()))
}

/// Where the client says that it was in the room's history.
fn since(request: &Request) -> Result<Option<Position>, Rejection> {
    let refuse = |message| Err(Rejection::new(ErrorCode::BadRequest, message));
    match (request.query_parameter("epoch"), request.query_parameter("since")) {
        (None, None) => Ok(None),
        (Some(epoch), Some(since)) => {
            let Some(epoch) = parse_epoch(&epoch) else {
                return refuse("epoch must be what the last welcome or snapshot said");
            };
            let is_plain = since.bytes().all(|byte| byte.is_ascii_digit());
            let Some(seq) = since.parse().ok().filter(|_| is_plain) else {
                return refuse("since must be the highest seq that you have seen: a whole number");
            };
            Ok(Some(Position { epoch, seq }))
        }
        _ => refuse("epoch and since belong together: send both, or neither"),
    }
}

fn echo(request: &Request, context: &Context<'_>) -> Next {
    match accept(request, context) {
        Ok(handshake) => Next::Echo(handshake),
        Err(rejection) => Next::Answer(Answer::malformed(&rejection)),
    }
}

fn authenticate(token: Option<&str>, context: &Context<'_>) -> Result<Identity, Rejection> {
    let token = token.ok_or_else(|| {
        Rejection::new(ErrorCode::Unauthorized, "a token is needed: Authorization: Bearer TOKEN")
    })?;
    context.services.verify_token(token, context.now.unix_s())
}

/// Who asks, behind whatever trusted proxies.
fn client(request: &Request, context: &Context<'_>) -> Client {
    Client::of(context.peer, request, &context.services.settings().trusted_proxies)
}

/// Who uses a login, and where. A proxy that does not say whom it serves is nobody's network, but everybody's; so is this machine by its
/// usual address, while its others are told apart.
fn located(mut caller: Identity, client: Client) -> Identity {
    caller.login.network = match client.origin {
        Origin::Known => Some(NetworkId::of(client.address)),
        Origin::Local => NetworkId::of_elsewhere(client.address),
        Origin::Unsaid => None,
    };
    caller
}

/// Counts what a user does. A manager may do as much as it likes: nobody becomes one without being made one.
fn admit_call(caller: &Identity, client: Client, context: &Context<'_>) -> Result<(), Rejection> {
    if caller.role >= Role::Manager {
        return Ok(());
    }
    admit(Counted::Call(&caller.user_id), client, context)
}

fn admit(counted: Counted<'_>, client: Client, context: &Context<'_>) -> Result<(), Rejection> {
    let message = match counted {
        Counted::Login => "too many logins from this address",
        Counted::Refresh => "too many refreshes from this address",
        Counted::Call(_) => "too many calls; this one did not run",
    };
    let refused = |seconds| Rejection::new(ErrorCode::RateLimited, message).retry_after(seconds);
    context.services.admit(counted, client, context.now).map_err(refused)
}

/// The calls that the server itself does are a manager's.
fn check_manager(
    identity: &Identity,
    name: &str,
    call: Result<AccountCall, String>,
) -> Result<AccountCall, Rejection> {
    if identity.role < Role::Manager {
        let message = format!("{name:?} needs the role {}; yours is {}", Role::Manager, identity.role);
        return Err(Rejection::new(ErrorCode::Forbidden, message));
    }
    call.map_err(|message| Rejection::new(ErrorCode::BadRequest, message))
}

/// The token of an `Authorization: Bearer` header (RFC 6750, section 2.1; the scheme in any case).
fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = request.header("authorization")?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn is_object(json: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(json).is_ok()
}
