//! The HTTP part of a connection's life: requests are answered one at a time, in order.

mod encoding;
mod pages;
mod redirect;
mod requests;

use bytes::Bytes;

use self::redirect::Destination;
use self::requests::{Next, Wishes};
use super::account::AccountResult;
use super::answer::{ANY_TYPE_IS_SAID, Answer, Body, SCRIPT_HEADER};
use super::routes::Route;
use super::websocket::WebSocketSession;
use super::{
    Action, Actions, Admitted, Context, JoinRequest, Now, Port, Rejection, SHUTTING_DOWN, Sending, Services,
    Settings, cors,
};
use crate::wire::ErrorCode;
use crate::wire::http::{self, Decoded, Method, Phase, Request, RequestDecoder, Response};
use crate::wire::ws::deflate::DeflateWindow;
use crate::wire::ws::{self, Handshake};

/// How long a connection without a place may take for each part of its request.
const SURPLUS_TIMEOUT_MS: u64 = 2000;

/// How long a connection is not read after an answer that said to try again after some seconds.
const REST_MS: u64 = 1000;

/// Once the answers to one read have come to this, further requests wait until they are sent: a few bytes ask for much.
const ANSWERED_AT_ONCE: usize = 64 * 1024;

/// A page up to this size is copied behind the head of its answer; a longer one is sent from where it is kept.
const COPIED_BYTES: usize = 16 * 1024;

/// A connection that speaks HTTP.
#[derive(Debug)]
pub struct HttpSession {
    decoder: RequestDecoder,
    state: HttpState,
    /// Which port it came by.
    port: Port,
    /// Whether the server has no place for it: one answer is all that it gets.
    is_surplus: bool,
    /// Whether nothing has been asked yet.
    is_new: bool,
    /// What the decoder was in the middle of when last seen, and since when.
    phase: Phase,
    phase_since_ms: u64,
    /// Whether the last request was one too many. No further one is looked at for [`REST_MS`].
    rests: bool,
}

#[derive(Debug)]
enum HttpState {
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
    request: JoinRequest,
    wishes: Wishes,
}

impl HttpSession {
    /// A connection without a request yet.
    pub fn new(now: Now) -> Self {
        Self {
            decoder: RequestDecoder::default(),
            state: HttpState::Receiving,
            port: Port::Main,
            is_surplus: false,
            is_new: true,
            phase: Phase::Idle,
            phase_since_ms: now.monotonic_ms,
            rests: false,
        }
    }

    /// As [`super::Session::of_full_server`].
    pub fn of_full_server(now: Now) -> Self {
        Self { is_surplus: true, ..Self::new(now) }
    }

    /// The same session of a connection that came by another port.
    pub fn by(self, port: Port) -> Self {
        Self { port, ..self }
    }

    /// As [`super::Session::receive`]; the second value is what the connection has become, if it left HTTP.
    pub fn receive(
        &mut self,
        input: &[u8],
        context: &Context<'_>,
        actions: &mut Actions,
    ) -> (usize, Option<WebSocketSession>) {
        let settings = context.services.settings();
        let (mut taken, mut requests) = (0, 0);
        while taken < input.len()
            && requests < settings.max_pipelined
            && actions.bytes_to_send() < ANSWERED_AT_ONCE
            && matches!(self.state, HttpState::Receiving)
            && !self.rests
        {
            let (used, decoded) = self.decoder.decode(&input[taken..], &settings.http);
            taken += used;
            match decoded {
                Decoded::NeedMore => {
                    self.check_begun(context, actions);
                    break;
                }
                Decoded::Continue => {
                    if self.check_begun(context, actions) {
                        actions.send(Bytes::from_static(http::CONTINUE));
                    }
                }
                Decoded::Malformed(rejection) => {
                    let origin = rejection.origin.as_deref();
                    self.end_with(Answer::malformed(&rejection), origin, context, actions);
                }
                Decoded::Request(request) => {
                    // The next one's time begins anew, though it may come in the same piece.
                    self.phase = Phase::Idle;
                    self.is_new = false;
                    requests += 1;
                    if let Some(echo) = self.handle(&request, context, actions) {
                        return (taken, Some(echo));
                    }
                }
            }
        }
        if matches!(self.state, HttpState::Finished) {
            taken = input.len();
        }
        self.note_phase(context.now);
        (taken, None)
    }

    /// Refuses a request whose body is not worth waiting for. Returns whether it goes on.
    fn check_begun(&mut self, context: &Context<'_>, actions: &mut Actions) -> bool {
        let Some((request, body_bytes)) = self.decoder.begun_body() else { return true };
        let exchange = Exchange { keep_alive: false, ..Exchange::of(request, context.services) };
        if self.port == Port::Redirect {
            let destination = destination(request, context);
            self.decoder = RequestDecoder::default();
            self.redirect(exchange, destination, context, actions);
            return false;
        }
        let Err(refused) = requests::check_begun(exchange.route, request, body_bytes, context) else {
            return true;
        };
        self.decoder = RequestDecoder::default();
        self.respond(exchange, Answer::rejected(&refused), context, actions);
        false
    }

    /// Whether a further request can be handled.
    pub fn wants_input(&self) -> bool {
        match self.state {
            HttpState::Receiving => !self.rests,
            HttpState::Finished => true,
            HttpState::Calling(_) | HttpState::Joining(_) => false,
        }
    }

    pub(super) fn is_unfinished(&self) -> bool {
        self.decoder.phase() != Phase::Idle
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.decoder.held_bytes()
    }

    pub(super) fn make_room(&mut self, context: &Context<'_>, actions: &mut Actions) {
        if !matches!(self.state, HttpState::Receiving) {
            return self.finish(actions);
        }
        let origin = std::mem::take(&mut self.decoder).origin();
        let refused =
            Rejection::new(ErrorCode::Unavailable, "the server has too many unfinished requests; try again");
        self.end_with(Answer::rejected(&refused), origin.as_deref(), context, actions);
    }

    pub(super) fn is_calling(&self) -> bool {
        matches!(self.state, HttpState::Calling(_))
    }

    pub(super) fn joining(&self) -> Option<&JoinRequest> {
        match &self.state {
            HttpState::Joining(joining) => Some(&joining.request),
            _ => None,
        }
    }

    pub(super) fn deadline_ms(&self, settings: &Settings) -> Option<u64> {
        if matches!(self.state, HttpState::Receiving) && self.rests {
            return Some(self.phase_since_ms + REST_MS);
        }
        let allowed_ms = match (&self.state, self.phase) {
            (HttpState::Receiving, Phase::Idle) if self.is_new => settings.head_timeout_ms,
            (HttpState::Receiving, Phase::Idle) => settings.keep_alive_timeout_ms,
            (HttpState::Receiving, Phase::Head) => settings.head_timeout_ms,
            (HttpState::Receiving, Phase::Body) => settings.body_timeout_ms,
            (HttpState::Calling(_) | HttpState::Joining(_) | HttpState::Finished, _) => return None,
        };
        let most_ms = if self.is_surplus { SURPLUS_TIMEOUT_MS } else { u64::MAX };
        Some(self.phase_since_ms + allowed_ms.min(most_ms))
    }

    pub(super) fn deadline_passed(&mut self, context: &Context<'_>, actions: &mut Actions) {
        if std::mem::take(&mut self.rests) {
            return;
        }
        let message = match (&self.state, self.phase) {
            (HttpState::Receiving, Phase::Head) => "the request head did not arrive in time",
            (HttpState::Receiving, Phase::Body) => "the request body did not arrive in time",
            (HttpState::Receiving, Phase::Idle) => return self.finish(actions),
            _ => return,
        };
        let answer = Answer::with_status(408, ErrorCode::BadRequest, message);
        self.end_with(answer, self.decoder.origin().as_deref(), context, actions);
    }

    pub(super) fn drain(&mut self, actions: &mut Actions) {
        match &mut self.state {
            HttpState::Receiving if self.phase == Phase::Idle => self.finish(actions),
            HttpState::Receiving | HttpState::Finished => {}
            HttpState::Calling(exchange) => exchange.keep_alive = false,
            HttpState::Joining(joining) => joining.exchange.keep_alive = false,
        }
    }

    pub(super) fn rpc_answered(
        &mut self,
        result: Result<&[u8], &Rejection>,
        script: Option<&str>,
        context: &Context<'_>,
        actions: &mut Actions,
    ) {
        let mut answer = match result {
            Ok(result) => Answer::json(200, [b"{\"result\":".as_slice(), result, b"}"].concat()),
            Err(refused) => Answer::rejected(refused),
        };
        answer.headers.extend(script.map(|script| (SCRIPT_HEADER, script)));
        self.call_answered(answer, context, actions);
    }

    pub(super) fn account_answered(
        &mut self,
        result: &AccountResult,
        context: &Context<'_>,
        actions: &mut Actions,
    ) {
        let version = result.as_ref().ok().and_then(|answer| answer.version);
        let tag = version.map(|version| format!("\"{version}\""));
        let mut answer = match result {
            Ok(answer) if answer.body.is_empty() => Answer::empty(answer.status),
            Ok(answer) => Answer::json(answer.status, answer.body.as_slice()),
            Err(refused) => Answer::rejected(refused),
        };
        answer.headers.extend(tag.as_deref().map(|tag| ("ETag", tag)));
        self.call_answered(answer, context, actions);
    }

    fn call_answered(&mut self, answer: Answer<'_>, context: &Context<'_>, actions: &mut Actions) {
        let HttpState::Calling(exchange) = std::mem::replace(&mut self.state, HttpState::Receiving) else {
            unreachable!("a call is answered once, while the session waits for it");
        };
        self.respond(exchange, answer, context, actions);
        self.note_phase(context.now);
    }

    /// The second value is as in [`HttpSession::receive`].
    pub(super) fn join_refused(
        &mut self,
        refused: &Rejection,
        context: &Context<'_>,
        actions: &mut Actions,
    ) -> Option<WebSocketSession> {
        let HttpState::Joining(joining) = std::mem::replace(&mut self.state, HttpState::Receiving) else {
            unreachable!("a join is answered once, while the session waits for it");
        };
        if joining.wishes.refuses_by_close {
            return Some(self.refuse_by_close(&joining.handshake, refused, context, actions));
        }
        self.respond(joining.exchange, Answer::rejected(refused), context, actions);
        self.note_phase(context.now);
        None
    }

    fn refuse_by_close(
        &mut self,
        handshake: &Handshake,
        refused: &Rejection,
        context: &Context<'_>,
        actions: &mut Actions,
    ) -> WebSocketSession {
        self.state = HttpState::Finished;
        switch_protocols(Route::WebSocket, refused.status, handshake, actions);
        WebSocketSession::refused(refused, window_of(handshake), context.now, actions)
    }

    /// As [`super::Session::joined`]: answers 101 and the welcome, and hands over to the WebSocket session.
    pub fn joined(
        &mut self,
        admitted: Admitted<'_>,
        context: &Context<'_>,
        actions: &mut Actions,
    ) -> WebSocketSession {
        let HttpState::Joining(joining) = std::mem::replace(&mut self.state, HttpState::Finished) else {
            unreachable!("a join is answered once, while the session waits for it");
        };
        switch_protocols(Route::WebSocket, 101, &joining.handshake, actions);
        let window = window_of(&joining.handshake);
        let Joining { request, wishes, .. } = *joining;
        WebSocketSession::welcomed(request, wishes.tells_script, window, admitted, context, actions)
    }

    fn handle(
        &mut self,
        request: &Request,
        context: &Context<'_>,
        actions: &mut Actions,
    ) -> Option<WebSocketSession> {
        let mut exchange = Exchange::of(request, context.services);
        if self.port == Port::Redirect {
            return self.handle_unencrypted(request, exchange, context, actions);
        }
        let next = if self.is_surplus {
            exchange.keep_alive = false;
            requests::handle_at_full_server(exchange.route, request, context)
        } else {
            requests::handle(exchange.route, request, context)
        };
        match next {
            Ok(Next::Answer(answer)) => self.respond(exchange, answer, context, actions),
            Ok(Next::Page(page)) => self.respond(exchange, page.answer(), context, actions),
            Ok(Next::Preflight) => {
                let allow_headers = cors::allow_headers(request);
                let answer = preflight(exchange.route, &allow_headers);
                self.respond(exchange, answer, context, actions);
            }
            Err(refused) => {
                self.respond(exchange, Answer::rejected(&refused), context, actions);
                if refused.code == ErrorCode::RateLimited {
                    self.rest(context);
                }
            }
            Ok(Next::Call(call)) => {
                self.state = HttpState::Calling(exchange);
                actions.push(call);
            }
            Ok(Next::Refuse(handshake, refused)) => {
                return Some(self.refuse_by_close(&handshake, &refused, context, actions));
            }
            Ok(Next::Join { handshake, request, wishes }) => {
                actions.push(Action::Join(Box::new(request.clone())));
                let joining = Joining { exchange, handshake, request, wishes };
                self.state = HttpState::Joining(Box::new(joining));
            }
            Ok(Next::Echo(handshake)) => {
                switch_protocols(Route::Echo, 101, &handshake, actions);
                self.state = HttpState::Finished;
                return Some(WebSocketSession::echo(window_of(&handshake), context.now));
            }
        }
        None
    }

    /// Sends a client on to HTTPS; what it becomes is as in [`HttpSession::receive`].
    fn handle_unencrypted(
        &mut self,
        request: &Request,
        exchange: Exchange,
        context: &Context<'_>,
        actions: &mut Actions,
    ) -> Option<WebSocketSession> {
        let destination = destination(request, context);
        if let (Ok(destination), Some(handshake)) = (&destination, requests::wants_close(request, context)) {
            let refused = Rejection::new(ErrorCode::BadRequest, destination.advice());
            return Some(self.refuse_by_close(&handshake, &refused, context, actions));
        }
        self.redirect(exchange, destination, context, actions);
        None
    }

    /// The only answer of its connection: the client goes on elsewhere.
    fn redirect(
        &mut self,
        exchange: Exchange,
        destination: Result<Destination, Rejection>,
        context: &Context<'_>,
        actions: &mut Actions,
    ) {
        let exchange = Exchange { keep_alive: false, ..exchange };
        match destination {
            Ok(destination) => {
                let location = destination.https();
                let answer = redirect::answer(&location, &destination.advice());
                self.respond(exchange, answer, context, actions);
            }
            Err(refused) => self.respond(exchange, Answer::rejected(&refused), context, actions),
        }
    }

    /// The peer has asked too often: what it asks next waits for as long as it was told to wait at least. A proxy's connection is
    /// not one client's, and others do not wait for that one.
    fn rest(&mut self, context: &Context<'_>) {
        let trusted = &context.services.settings().trusted_proxies;
        self.rests = !trusted.iter().any(|network| network.contains(context.peer));
    }

    /// The last answer, to a request that could not be read, of a page of `origin`.
    fn end_with(
        &mut self,
        answer: Answer<'_>,
        origin: Option<&str>,
        context: &Context<'_>,
        actions: &mut Actions,
    ) {
        let settings = context.services.settings();
        let exchange = Exchange {
            route: Route::Unknown,
            keep_alive: false,
            is_http_1_0: false,
            head_only: false,
            allow_origin: settings.allow_origins.grant(origin).map(Into::into),
        };
        self.respond(exchange, answer, context, actions);
    }

    fn respond(
        &mut self,
        exchange: Exchange,
        answer: Answer<'_>,
        context: &Context<'_>,
        actions: &mut Actions,
    ) {
        // Once the server stops, each answer is its connection's last.
        let keep_alive = exchange.keep_alive && context.services.readiness() != Err(SHUTTING_DOWN);
        let mut headers = answer.headers;
        if keep_alive && exchange.is_http_1_0 {
            headers.push(("Connection", "keep-alive"));
        }
        // Errors, too: some statuses may be kept by a cache that is told nothing.
        if !headers.iter().any(|(name, _)| *name == "Cache-Control") {
            headers.push(("Cache-Control", "no-store"));
        }
        headers.push(ANY_TYPE_IS_SAID);
        if let Some(redirect) =
            context.services.settings().https_redirect.as_ref().filter(|_| self.port == Port::Main)
        {
            headers.push(("Strict-Transport-Security", &redirect.hsts));
        }
        let allow_origins = &context.services.settings().allow_origins;
        headers.extend(allow_origins.headers(exchange.allow_origin.as_deref()));
        let response = Response {
            status: answer.status,
            headers: &headers,
            body: answer.body.bytes(),
            keep_alive,
            head_only: exchange.head_only,
            date: context.date,
        };
        actions.push(Action::Answered { route: exchange.route, status: answer.status });
        match &answer.body {
            Body::Shared(body) if body.len() > COPIED_BYTES && !exchange.head_only => {
                let mut head = Vec::new();
                http::encode_response(&mut head, &Response { head_only: true, ..response });
                actions.send(head);
                actions.push(Action::Send { bytes: body.clone(), kind: Sending::Page });
            }
            body => {
                let mut bytes = Vec::with_capacity(256 + body.bytes().len());
                http::encode_response(&mut bytes, &response);
                actions.send(bytes);
            }
        }
        self.state = HttpState::Receiving;
        if !keep_alive {
            self.finish(actions);
        }
    }

    fn finish(&mut self, actions: &mut Actions) {
        self.state = HttpState::Finished;
        actions.push(Action::Finish);
    }

    fn note_phase(&mut self, now: Now) {
        let phase = self.decoder.phase();
        if self.is_new && phase != Phase::Body {
            // The time for the first head began with the connection.
            self.phase = phase;
        } else if phase != self.phase || phase == Phase::Idle {
            self.phase = phase;
            self.phase_since_ms = now.monotonic_ms;
        }
    }
}

impl Exchange {
    fn of(request: &Request, services: &dyn Services) -> Self {
        let settings = services.settings();
        let origin = request.header("origin");
        let is_page = |path: &str| services.pages().find(path).is_some();
        let route = match Route::of_path(&request.path, settings.debug_echo, is_page) {
            Route::Metrics if settings.metrics_elsewhere => Route::Unknown,
            route => route,
        };
        // What comes behind an upgrade is meant for a WebSocket: if there is none, it is not read as another request.
        let is_upgrade =
            matches!(route, Route::WebSocket | Route::Echo) && request.has_token("upgrade", "websocket");
        Self {
            route,
            keep_alive: request.keep_alive && !is_upgrade,
            is_http_1_0: request.version_minor == 0,
            head_only: request.method == Method::Head,
            allow_origin: settings.allow_origins.grant(origin).map(Into::into),
        }
    }
}

fn destination(request: &Request, context: &Context<'_>) -> Result<Destination, Rejection> {
    let redirect = context.services.settings().https_redirect.as_ref();
    Destination::of(request, redirect.expect("the port that redirects is open when there is one").to_port)
}

/// The answer to `OPTIONS`, which a browser asks in the name of a page before it lets it call.
fn preflight(route: Route, allow_headers: &str) -> Answer<'_> {
    let headers = vec![
        ("Access-Control-Allow-Methods", cors::ALLOW_METHODS),
        ("Access-Control-Allow-Headers", allow_headers),
        ("Access-Control-Max-Age", cors::MAX_AGE_S),
        ("Allow", route.allow()),
    ];
    Answer { headers, ..Answer::empty(204) }
}

fn window_of(handshake: &Handshake) -> Option<DeflateWindow> {
    handshake.deflate.map(|agreement| agreement.window)
}

fn switch_protocols(route: Route, counted: u16, handshake: &Handshake, actions: &mut Actions) {
    actions.push(Action::Answered { route, status: counted });
    let mut head = Vec::with_capacity(256);
    ws::encode_101(&mut head, handshake);
    actions.send(head);
}
