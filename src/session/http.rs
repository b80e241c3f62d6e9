//! The HTTP part of a connection's life: requests are answered one at a time, in order.

use std::sync::Arc;

use bytes::Bytes;

use super::account::{AccountCall, AccountRequest, AccountResult};
use super::answer::Answer;
use super::proxy::client_address;
use super::routes::Route;
use super::rpc::RpcRequest;
use super::websocket::WebSocketSession;
use super::{Context, Effects, Now, Refused, Settings, cors};
use crate::room::events::Position;
use crate::wire::http::{self, Decoded, Method, Phase, Request, RequestDecoder, Response};
use crate::wire::ids::{Identity, Role, RoomId};
use crate::wire::ws::{self, Handshake};

/// A connection that speaks HTTP.
#[derive(Debug)]
pub struct HttpSession {
    decoder: RequestDecoder,
    state: State,
    /// What the decoder was in the middle of when last seen, and since when.
    phase: Phase,
    phase_since_ms: u64,
}

#[derive(Debug)]
enum State {
    /// Between requests or in the middle of one.
    Receiving,
    /// An RPC or a call to the accounts runs; further requests wait.
    Calling(Exchange),
    /// A join runs; it ends in 101 or a refusal.
    Joining(Box<Joining>),
    /// The last answer is on its way out; what else comes in is not read.
    Finished,
}

/// What an answer must know of its request.
#[derive(Clone, Debug)]
struct Exchange {
    route: Route,
    keep_alive: bool,
    /// A client of HTTP/1.0 takes the connection to end after the answer unless the answer says otherwise.
    is_http_1_0: bool,
    head_only: bool,
    allow_origin: Option<Box<str>>,
}

#[derive(Debug)]
struct Joining {
    exchange: Exchange,
    handshake: Handshake,
    identity: Arc<Identity>,
    room: RoomId,
}

impl HttpSession {
    /// A connection without a request yet.
    pub fn new(now: Now) -> Self {
        Self {
            decoder: RequestDecoder::default(),
            state: State::Receiving,
            phase: Phase::Idle,
            phase_since_ms: now.monotonic_ms,
        }
    }

    /// As [`super::Session::receive`]; the second value is what the connection has become, if it left HTTP.
    pub(super) fn receive<E: Effects>(
        &mut self,
        input: &[u8],
        context: &mut Context<'_, E>,
    ) -> (usize, Option<WebSocketSession>) {
        let settings = context.doors.settings();
        let (mut taken, mut requests) = (0, 0);
        while taken < input.len()
            && requests < settings.max_pipelined
            && matches!(self.state, State::Receiving)
        {
            let (used, decoded) = self.decoder.decode(&input[taken..], &settings.http);
            taken += used;
            match decoded {
                Decoded::NeedMore => break,
                Decoded::Continue => {
                    context.effects.send(Bytes::from_static(http::CONTINUE));
                }
                Decoded::Malformed(refusal) => self.end_with(Answer::malformed(&refusal), context),
                Decoded::Request(request) => {
                    // The next one's time begins anew, though it may come in the same piece.
                    self.phase = Phase::Idle;
                    requests += 1;
                    if let Some(echo) = self.handle(&request, context) {
                        return (taken, Some(echo));
                    }
                }
            }
        }
        if matches!(self.state, State::Finished) {
            taken = input.len();
        }
        self.note_phase(context.now);
        (taken, None)
    }

    /// Whether a further request can be handled.
    pub fn wants_input(&self) -> bool {
        matches!(self.state, State::Receiving | State::Finished)
    }

    /// Whether an RPC runs whose answer the peer waits for.
    pub fn is_calling(&self) -> bool {
        matches!(self.state, State::Calling(_))
    }

    /// Who wants to join, while that is being decided.
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        match &self.state {
            State::Joining(joining) => Some(&joining.identity),
            _ => None,
        }
    }

    /// The room that the connection wants to join, while that is being decided.
    pub fn joining(&self) -> Option<&RoomId> {
        match &self.state {
            State::Joining(joining) => Some(&joining.room),
            _ => None,
        }
    }

    pub(super) fn deadline_ms(&self, settings: &Settings) -> Option<u64> {
        let allowed_ms = match (&self.state, self.phase) {
            (State::Receiving, Phase::Idle) => settings.keep_alive_timeout_ms,
            (State::Receiving, Phase::Head) => settings.head_timeout_ms,
            (State::Receiving, Phase::Body) => settings.body_timeout_ms,
            (State::Calling(_) | State::Joining(_) | State::Finished, _) => return None,
        };
        Some(self.phase_since_ms + allowed_ms)
    }

    pub(super) fn deadline_passed<E: Effects>(&mut self, context: &mut Context<'_, E>) {
        let message = match (&self.state, self.phase) {
            (State::Receiving, Phase::Head) => "the request head did not arrive in time",
            (State::Receiving, Phase::Body) => "the request body did not arrive in time",
            (State::Receiving, Phase::Idle) => return self.finish(context),
            _ => return,
        };
        self.end_with(Answer::error(408, "bad_request", message), context);
    }

    pub(super) fn drain<E: Effects>(&mut self, context: &mut Context<'_, E>) {
        match &mut self.state {
            State::Receiving if self.phase == Phase::Idle => self.finish(context),
            State::Receiving | State::Finished => {}
            State::Calling(exchange) => exchange.keep_alive = false,
            State::Joining(joining) => joining.exchange.keep_alive = false,
        }
    }

    /// The RPC that [`Effects::rpc`] began has ended; `result` is JSON text.
    pub fn rpc_answered<E: Effects>(&mut self, result: Result<&[u8], Refused>, context: &mut Context<'_, E>) {
        let State::Calling(exchange) = std::mem::replace(&mut self.state, State::Receiving) else {
            unreachable!("an RPC is answered once, while the session waits for it");
        };
        let answer = match &result {
            Ok(result) => Answer::json(200, [b"{\"result\":".as_slice(), result, b"}"].concat()),
            Err(refused) => Answer::refused(refused),
        };
        self.respond(exchange, answer, context);
        self.note_phase(context.now);
    }

    /// The call that [`Effects::account`] began has ended.
    pub fn account_answered<E: Effects>(&mut self, result: &AccountResult, context: &mut Context<'_, E>) {
        let State::Calling(exchange) = std::mem::replace(&mut self.state, State::Receiving) else {
            unreachable!("a call is answered once, while the session waits for it");
        };
        let answer = match result {
            Ok(answer) if answer.body.is_empty() => {
                Answer { status: answer.status, headers: Vec::new(), body: b"".as_slice().into() }
            }
            Ok(answer) => {
                let mut answer = Answer::json(answer.status, answer.body.as_slice());
                answer.headers.push(("Cache-Control", "no-store"));
                answer
            }
            Err(refused) => Answer::refused(refused),
        };
        self.respond(exchange, answer, context);
        self.note_phase(context.now);
    }

    /// The join was refused.
    pub fn join_refused<E: Effects>(&mut self, refused: &Refused, context: &mut Context<'_, E>) {
        let State::Joining(joining) = std::mem::replace(&mut self.state, State::Receiving) else {
            unreachable!("a join is answered once, while the session waits for it");
        };
        self.respond(joining.exchange, Answer::refused(refused), context);
        self.note_phase(context.now);
    }

    /// The join succeeded: answers 101 and the welcome, and hands over to the WebSocket session.
    pub fn joined<E: Effects>(
        &mut self,
        position: Position,
        state: &[u8],
        context: &mut Context<'_, E>,
    ) -> WebSocketSession {
        let State::Joining(joining) = std::mem::replace(&mut self.state, State::Finished) else {
            unreachable!("a join is answered once, while the session waits for it");
        };
        context.effects.answered(Route::WebSocket, 101);
        let mut head = Vec::with_capacity(256);
        ws::encode_101(&mut head, &joining.handshake);
        context.effects.send(head.into());
        WebSocketSession::welcomed(joining.identity, &joining.room, position, state, context)
    }

    fn handle<E: Effects>(
        &mut self,
        request: &Request,
        context: &mut Context<'_, E>,
    ) -> Option<WebSocketSession> {
        let settings = context.doors.settings();
        let route = Route::of_path(&request.path, settings.debug_echo, settings.pages);
        let exchange = Exchange {
            route,
            keep_alive: request.keep_alive,
            is_http_1_0: request.version_minor == 0,
            head_only: request.method == Method::Head,
            allow_origin: cors::allow_origin(&settings.allow_origins, request.header("origin"))
                .map(Into::into),
        };
        if request.method == Method::Options {
            let headers = cors::PREFLIGHT_HEADERS.into_iter().chain([("Allow", route.allow())]).collect();
            self.respond(exchange, Answer { status: 204, headers, body: b"".as_slice().into() }, context);
            return None;
        }
        if !route.takes(request) {
            let mut answer = Answer::error(405, "bad_request", &format!("allowed here: {}", route.allow()));
            answer.headers.push(("Allow", route.allow()));
            self.respond(exchange, answer, context);
            return None;
        }
        match route {
            Route::GuestLogin => self.guest_login(exchange, request, context),
            Route::Register | Route::Login | Route::Refresh => {
                self.account(exchange, request, None, context);
            }
            Route::Logout | Route::Password | Route::Upgrade => {
                match authenticate(bearer(request), context) {
                    Ok(caller) => self.account(exchange, request, Some(Arc::new(caller)), context),
                    Err(refused) => self.respond(exchange, Answer::refused(&refused), context),
                }
            }
            Route::Account => self.who_am_i(exchange, request, context),
            Route::Rpc => self.rpc(exchange, request, context),
            Route::WebSocket => self.join(exchange, request, context),
            Route::Echo => return self.echo(exchange, request, context),
            Route::Health => self.respond(exchange, Answer::json(200, &br#"{"status":"ok"}"#[..]), context),
            Route::Ready => {
                let answer = match context.doors.readiness() {
                    Ok(()) => Answer::json(200, &br#"{"status":"ready"}"#[..]),
                    Err(reason) => Answer::error(503, "unavailable", reason),
                };
                self.respond(exchange, answer, context);
            }
            Route::Metrics => {
                let (content_type, text) = context.doors.metrics();
                let headers = vec![("Content-Type", content_type)];
                let body = text.into_bytes().into();
                self.respond(exchange, Answer { status: 200, headers, body }, context);
            }
            Route::Page => {
                let page = settings.pages.iter().find(|page| *page.path == *request.path);
                let page = page.expect("the route says that the page is there");
                let headers = vec![("Content-Type", page.content_type), ("Cache-Control", "no-cache")];
                self.respond(exchange, Answer { status: 200, headers, body: page.body.into() }, context);
            }
            Route::Unknown => {
                self.respond(
                    exchange,
                    Answer::error(404, "not_found", "there is nothing at this path"),
                    context,
                );
            }
        }
        None
    }

    fn guest_login<E: Effects>(
        &mut self,
        exchange: Exchange,
        request: &Request,
        context: &mut Context<'_, E>,
    ) {
        let answer = if !is_empty_or_object(&request.body) {
            Answer::error(400, "bad_request", "the body must be empty or a JSON object")
        } else if let Err(refused) = admit_login(request, context) {
            return self.respond(exchange, Answer::refused(&refused), context);
        } else {
            let login = context.doors.guest_login(context.now.unix_s);
            let body = serde_json::json!({
                "token": login.token,
                "refresh_token": login.refresh_token,
                "expires_in": login.expires_in_s,
                "user_id": login.user_id,
                "username": login.username,
                "role": "guest",
            });
            let mut answer = Answer::json(200, body.to_string().into_bytes());
            answer.headers.push(("Cache-Control", "no-store"));
            answer
        };
        self.respond(exchange, answer, context);
    }

    /// A call to the accounts: what can be said at once is; the rest is answered later.
    fn account<E: Effects>(
        &mut self,
        exchange: Exchange,
        request: &Request,
        caller: Option<Arc<Identity>>,
        context: &mut Context<'_, E>,
    ) {
        let parsed = AccountCall::parse(exchange.route, &request.body)
            .map_err(|message| Refused::new(400, "bad_request", message));
        let admitted = parsed.and_then(|call| {
            if matches!(exchange.route, Route::Register | Route::Login) {
                admit_login(request, context)?;
            }
            Ok(call)
        });
        match admitted {
            Ok(call) => self.submit(exchange, request, call, caller, context),
            Err(refused) => self.respond(exchange, Answer::refused(&refused), context),
        }
    }

    fn submit<E: Effects>(
        &mut self,
        exchange: Exchange,
        request: &Request,
        call: AccountCall,
        caller: Option<Arc<Identity>>,
        context: &mut Context<'_, E>,
    ) {
        let address = client_address(context.peer, request, &context.doors.settings().trusted_proxies);
        match context.effects.account(AccountRequest { call, caller, address }) {
            Ok(()) => self.state = State::Calling(exchange),
            Err(refused) => self.respond(exchange, Answer::refused(&refused), context),
        }
    }

    fn who_am_i<E: Effects>(&mut self, exchange: Exchange, request: &Request, context: &mut Context<'_, E>) {
        let identity = match authenticate(bearer(request), context) {
            Ok(identity) => identity,
            Err(refused) => return self.respond(exchange, Answer::refused(&refused), context),
        };
        let body = serde_json::json!({
            "user_id": &*identity.user_id,
            "username": &*identity.username,
            "role": identity.role.as_str(),
            "expires_in": u64::from(identity.expires_at_s).saturating_sub(context.now.unix_s),
        });
        let mut answer = Answer::json(200, body.to_string().into_bytes());
        answer.headers.push(("Cache-Control", "no-store"));
        self.respond(exchange, answer, context);
    }

    fn rpc<E: Effects>(&mut self, exchange: Exchange, request: &Request, context: &mut Context<'_, E>) {
        let identity = match authenticate(bearer(request), context) {
            Ok(identity) => Arc::new(identity),
            Err(refused) => return self.respond(exchange, Answer::refused(&refused), context),
        };
        let call = match RpcRequest::parse(&request.body) {
            Ok(call) => call,
            Err(message) => {
                return self.respond(exchange, Answer::error(400, "bad_request", &message), context);
            }
        };
        if let Some(parsed) = AccountCall::from_rpc(&call.script, &call.arguments) {
            match check_manager(&identity, &call.script, parsed) {
                Ok(call) => self.submit(exchange, request, call, Some(identity), context),
                Err(refused) => self.respond(exchange, Answer::refused(&refused), context),
            }
            return;
        }
        match context.effects.rpc(&identity, &call) {
            Ok(()) => self.state = State::Calling(exchange),
            Err(refused) => self.respond(exchange, Answer::refused(&refused), context),
        }
    }

    fn join<E: Effects>(&mut self, exchange: Exchange, request: &Request, context: &mut Context<'_, E>) {
        let handshake = match ws::accept(request) {
            Ok(handshake) => handshake,
            Err(refusal) => return self.respond(exchange, Answer::malformed(&refusal), context),
        };
        let in_query = request.query_parameter("token");
        let token = in_query.as_deref().or(bearer(request)).or(handshake.bearer.as_deref());
        let admitted = authenticate(token, context).and_then(|identity| {
            context.doors.readiness().map_err(|reason| Refused::new(503, "unavailable", reason))?;
            let room = request.query_parameter("game_id");
            let room =
                room.ok_or_else(|| Refused::new(400, "bad_request", "the query lacks game_id=ROOM"))?;
            let room = RoomId::parse(&room).ok_or_else(|| {
                Refused::new(400, "bad_request", "game_id must be 1 to 64 of A-Z a-z 0-9 _ -")
            })?;
            Ok((Arc::new(identity), room))
        });
        match admitted {
            Ok((identity, room)) => {
                let joining = Joining { exchange, handshake, identity: identity.clone(), room: room.clone() };
                self.state = State::Joining(Box::new(joining));
                context.effects.join(&identity, &room);
            }
            Err(refused) => self.respond(exchange, Answer::refused(&refused), context),
        }
    }

    fn echo<E: Effects>(
        &mut self,
        exchange: Exchange,
        request: &Request,
        context: &mut Context<'_, E>,
    ) -> Option<WebSocketSession> {
        match ws::accept(request) {
            Ok(handshake) => {
                context.effects.answered(Route::Echo, 101);
                let mut head = Vec::with_capacity(256);
                ws::encode_101(&mut head, &handshake);
                context.effects.send(head.into());
                self.state = State::Finished;
                Some(WebSocketSession::echo(context.now))
            }
            Err(refusal) => {
                self.respond(exchange, Answer::malformed(&refusal), context);
                None
            }
        }
    }

    /// The last answer, to a request that could not be read.
    fn end_with<E: Effects>(&mut self, answer: Answer<'_>, context: &mut Context<'_, E>) {
        let allow_origin = cors::allow_origin(&context.doors.settings().allow_origins, None).map(Into::into);
        let exchange = Exchange {
            route: Route::Unknown,
            keep_alive: false,
            is_http_1_0: false,
            head_only: false,
            allow_origin,
        };
        self.respond(exchange, answer, context);
    }

    fn respond<E: Effects>(&mut self, exchange: Exchange, answer: Answer<'_>, context: &mut Context<'_, E>) {
        // Once the server stops, each answer is its connection's last.
        let keep_alive = exchange.keep_alive && context.doors.readiness() != Err(super::SHUTTING_DOWN);
        let mut headers = answer.headers;
        if keep_alive && exchange.is_http_1_0 {
            headers.push(("Connection", "keep-alive"));
        }
        let allow_origins = &context.doors.settings().allow_origins;
        headers.extend(cors::headers(allow_origins, exchange.allow_origin.as_deref()));
        let response = Response {
            status: answer.status,
            headers: &headers,
            body: &answer.body,
            keep_alive,
            head_only: exchange.head_only,
            date: context.date,
        };
        let mut bytes = Vec::with_capacity(256 + answer.body.len());
        http::encode_response(&mut bytes, &response);
        context.effects.answered(exchange.route, answer.status);
        context.effects.send(bytes.into());
        self.state = State::Receiving;
        if !keep_alive {
            self.finish(context);
        }
    }

    fn finish<E: Effects>(&mut self, context: &mut Context<'_, E>) {
        self.state = State::Finished;
        context.effects.finish();
    }

    fn note_phase(&mut self, now: Now) {
        let phase = self.decoder.phase();
        if phase != self.phase || phase == Phase::Idle {
            self.phase = phase;
            self.phase_since_ms = now.monotonic_ms;
        }
    }
}

fn authenticate<E: Effects>(token: Option<&str>, context: &Context<'_, E>) -> Result<Identity, Refused> {
    let token = token
        .ok_or_else(|| Refused::new(401, "unauthorized", "a token is needed: Authorization: Bearer TOKEN"))?;
    context.doors.verify_token(token, context.now.unix_s)
}

/// Counts a login from the client's address.
fn admit_login<E: Effects>(request: &Request, context: &Context<'_, E>) -> Result<(), Refused> {
    let client = client_address(context.peer, request, &context.doors.settings().trusted_proxies);
    let refused =
        |seconds| Refused::new(429, "rate_limited", "too many logins from this address").retry_after(seconds);
    context.doors.admit_login(client, context.now).map_err(refused)
}

/// The calls that the server itself does are a manager's.
fn check_manager(
    identity: &Identity,
    name: &str,
    call: Result<AccountCall, String>,
) -> Result<AccountCall, Refused> {
    if identity.role < Role::Manager {
        let message = format!("{name:?} needs the role {}; yours is {}", Role::Manager, identity.role);
        return Err(Refused::new(403, "forbidden", message));
    }
    call.map_err(|message| Refused::new(400, "bad_request", message))
}

/// The token of an `Authorization: Bearer` header (RFC 6750, section 2.1; the scheme in any case).
fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = request.header("authorization")?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn is_empty_or_object(body: &[u8]) -> bool {
    body.trim_ascii().is_empty()
        || serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body).is_ok()
}
