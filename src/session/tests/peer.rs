//! The other end of a session: what it sends goes in, what the session does comes out as lines of text.
//!
//! Scripts and rooms that the tests call answer by their names, see [`Peer::answer_call`] and [`Peer::answer_join`].

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::recorder::{Recorder, Refusal};
use crate::session::account::AccountResult;
use crate::session::cors::AllowedOrigins;
use crate::session::limits::{Buckets, Limit};
use crate::session::pages::{Found, Page, PageSet};
use crate::session::{
    Actions, Client, Context, Counted, GuestLogin, HttpsRedirect, Network, Now, Port, Rejection, Services,
    Session, Settings, WebSocketSession,
};
use crate::wire::http::RequestLimits;
use crate::wire::ids::{Identity, NetworkId, Role};
use crate::wire::message::InputName;
use crate::wire::ws::deflate::{CompressionLevel, Inflater};
use crate::wire::{Code, ErrorCode, Position, Recovered, ws};

/// What the virtual clock shows at first.
const START: Now = Now { monotonic_ms: 5_000, unix_ms: 1_700_000_000_000 };
const DATE: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
pub(super) const LOGINS_PER_MINUTE: u32 = 3;

/// A peer and the session that it talks to.
pub(super) struct Peer {
    pub services: TestServices,
    pub address: IpAddr,
    pub session: Session,
    pub inflater: RefCell<Inflater>,
    recorder: Recorder,
    now: Now,
    /// Bytes that the session has not taken yet.
    waiting: Vec<u8>,
}

impl Peer {
    /// A fresh connection with the default settings of the tests.
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A fresh connection with some settings changed.
    pub(super) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        let logins = Buckets::per_minute(Limit { most: LOGINS_PER_MINUTE, holds_for_local: false });
        let calls = Buckets::per_second(Limit::NONE);
        Self {
            services: TestServices {
                settings,
                readiness: Ok(()),
                standing: Ok(()),
                pages: pages(),
                logins,
                calls,
            },
            address: [192, 0, 2, 1].into(),
            session: Session::new(START),
            inflater: RefCell::default(),
            recorder: Recorder::default(),
            now: START,
            waiting: Vec::new(),
        }
    }

    /// A connection for which the server has no place.
    pub(super) fn of_full_server() -> Self {
        Self { session: Session::of_full_server(START), ..Self::new() }
    }

    /// A connection to the port that sends to HTTPS on this one.
    pub(super) fn to_redirect(to_port: u16) -> Self {
        let peer = Self::with(|settings| settings.https_redirect = Some(https_redirect(to_port)));
        Self { session: Session::new(START).by(Port::Redirect), ..peer }
    }

    /// A member of the room `r`; what was said so far is forgotten.
    pub(super) fn member_with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::with(change).joined()
    }

    /// The same connection as a member of the room `r`; what was said so far is forgotten.
    pub(super) fn joined(self) -> Self {
        let mut peer = self;
        peer.send(super::upgrade("/ws?token=good&game_id=r"));
        peer.answer_join();
        assert!(peer.lines()[1].starts_with("ws 101"), "the upgrade succeeds");
        peer
    }

    /// As [`Peer::member_with`], with the default settings of the tests.
    pub(super) fn member() -> Self {
        Self::member_with(|_| {})
    }

    pub(super) fn echo() -> Self {
        let mut peer = Self::with(|settings| settings.debug_echo = true);
        peer.send(super::upgrade("/echo"));
        assert_eq!(peer.lines(), ["echo 101"]);
        peer
    }

    /// Sends bytes; those that the session does not take wait.
    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.waiting.extend_from_slice(bytes.as_ref());
        self.offer_waiting();
        self
    }

    /// As [`Peer::send`], and whatever is asked is answered at once by its name.
    pub(super) fn talk(&mut self, bytes: &[u8]) {
        self.send(bytes);
        while self.answer() {}
    }

    /// Gives bytes to the session as one read does; returns how many it took. The rest is forgotten.
    pub(super) fn receive_once(&mut self, bytes: impl AsRef<[u8]>) -> usize {
        let mut input = bytes.as_ref().to_vec();
        self.with_session(|session, context, actions| session.receive(&mut input, context, actions))
    }

    /// Bytes that the session has not taken.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Answers a call or a join in flight by its name. Returns whether there was one.
    pub(super) fn answer(&mut self) -> bool {
        if self.session.is_calling() {
            self.answer_call();
        } else if self.session.joining().is_some() {
            self.answer_join();
        } else {
            return false;
        }
        true
    }

    /// Answers the call in flight: `fail` fails with details, any other script returns its arguments.
    pub(super) fn answer_call(&mut self) {
        let (script, result) = self.recorder.call.take().expect("a call is in flight");
        let refused = Rejection {
            details: Some(r#"{"at":[1]}"#.into()),
            code: Code::from("too_fast"),
            ..Rejection::new(ErrorCode::BadRequest, "slow \"down\"")
        };
        let result = if script == "fail" { Err(&refused) } else { Ok(&*result) };
        let ran = (script == "told").then_some("told@0123abcd");
        self.with_session(|session, context, actions| session.rpc_answered(result, ran, context, actions));
        self.offer_waiting();
    }

    /// The call to the accounts in flight has ended.
    pub(super) fn answer_account(&mut self, result: AccountResult) -> &mut Self {
        self.recorder.call.take().expect("a call is in flight");
        self.with_session(|session, context, actions| session.account_answered(&result, context, actions));
        self.offer_waiting();
        self
    }

    /// The deadline has passed while the peer had not read all. Returns whether a ping's answer has time anew.
    pub(super) fn ping_was_held_up(&mut self) -> bool {
        self.session.ping_was_held_up(self.now, &self.services.settings)
    }

    /// The server wants memory back; then nothing is held.
    pub(super) fn make_room(&mut self) -> &mut Self {
        self.with_session(Session::make_room);
        assert_eq!(self.session.held_bytes(), 0);
        self
    }

    /// News about the member may have come.
    pub(super) fn check_standing(&mut self) -> &mut Self {
        self.with_session(Session::check_standing);
        self
    }

    /// The call in flight is refused.
    pub(super) fn refuse_call(&mut self, refused: Rejection) {
        self.with_session(|session, context, actions| {
            session.rpc_answered(Err(&refused), None, context, actions)
        });
    }

    /// Answers the join in flight: the room `closed` refuses, any other lets the peer in.
    pub(super) fn answer_join(&mut self) {
        let request = self.session.joining().expect("a join is in flight").clone();
        if request.room.as_str() == "closed" {
            let refused = Rejection::new(ErrorCode::Forbidden, "Lobby is full");
            self.with_session(|session, context, actions| session.join_refused(&refused, context, actions));
        } else {
            let admitted = crate::session::Admitted {
                position: Position { epoch: 0xe, seq: 7 },
                n: 4,
                state: br#"{"n":1}"#,
                recovered: request.since.map(|since| Recovered {
                    since: since.seq,
                    missed: (since.seq < 7).then(|| ws::text_frame(br#"{"type":"x","payload":1,"seq":7}"#)),
                }),
            };
            self.with_session(|session, context, actions| session.joined(admitted, context, actions));
        }
        self.offer_waiting();
    }

    /// Lets time pass; deadlines on the way are kept to the millisecond.
    pub(super) fn pass(&mut self, passing_ms: u64) -> &mut Self {
        let until_ms = self.now.monotonic_ms + passing_ms;
        for _ in 0..1000 {
            let deadline_ms = self.session.deadline_ms(&self.services.settings);
            let Some(deadline_ms) = deadline_ms.filter(|&deadline_ms| deadline_ms <= until_ms) else {
                self.set_clock(until_ms);
                return self;
            };
            self.set_clock(deadline_ms.max(self.now.monotonic_ms));
            self.with_session(Session::deadline_passed);
            self.offer_waiting();
        }
        panic!("a deadline that has passed comes again and again");
    }

    pub(super) fn drain(&mut self) -> &mut Self {
        self.services.readiness = Err(crate::session::SHUTTING_DOWN);
        self.with_session(Session::drain);
        self
    }

    /// The member's numbered inputs up to this one have run.
    pub(super) fn inputs_ran(&mut self, n: u64) {
        self.with_session(|session, _, _| session.inputs_ran(n));
    }

    /// The server closes the WebSocket.
    pub(super) fn close(&mut self, code: u16, reason: &str) {
        self.with_session(|session, context, actions| session.close(code, reason, context, actions));
    }

    /// What the session has done since the last time.
    pub(super) fn lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.recorder.lines)
    }

    /// Checks what the session has done since the last time, as [`super::assert_lines`].
    #[track_caller]
    pub(super) fn did(&mut self, expected: &[&str]) -> &mut Self {
        super::assert_lines(&self.lines(), expected, "");
        self
    }

    /// The last response as it was sent.
    pub(super) fn last_response(&self) -> &str {
        &self.recorder.last_response
    }

    /// Bytes that the session has sent in all.
    pub(super) fn sent_bytes(&self) -> usize {
        self.recorder.sent_bytes
    }

    /// The whole text of the last input.
    pub(super) fn last_input(&self) -> &str {
        &self.recorder.last_input
    }

    pub(super) fn websocket(&self) -> &WebSocketSession {
        match &self.session {
            Session::WebSocket(websocket) => websocket,
            Session::Http(_) => panic!("no WebSocket is open"),
        }
    }

    fn offer_waiting(&mut self) {
        while !self.waiting.is_empty() && self.session.wants_input() {
            let mut input = std::mem::take(&mut self.waiting);
            let taken =
                self.with_session(|session, context, actions| session.receive(&mut input, context, actions));
            self.waiting = input.split_off(taken);
            assert!(taken > 0 || !self.session.wants_input(), "input is wanted and not taken");
        }
    }

    /// Lets the clock show this time, whatever is due.
    pub(super) fn set_clock(&mut self, monotonic_ms: u64) {
        let passed_ms = monotonic_ms - START.monotonic_ms;
        self.now = Now { monotonic_ms, unix_ms: START.unix_ms + passed_ms };
    }

    /// Calls the session, and writes down what it wants done.
    fn with_session<R>(&mut self, call: impl FnOnce(&mut Session, &Context<'_>, &mut Actions) -> R) -> R {
        let mut actions = Actions::default();
        let context = Context {
            now: self.now,
            date: DATE,
            peer: self.address,
            services: &self.services,
            inflater: &self.inflater,
        };
        let result = call(&mut self.session, &context, &mut actions);
        for action in actions.drain() {
            let name = if let crate::session::Action::Input(input) = &action {
                input.name
            } else {
                InputName::default()
            };
            let refusal = if self.session.holds_back(name) {
                Err(Refusal::Input(name, Rejection::out_of_order()))
            } else {
                self.recorder.carry_out(action)
            };
            if let Err(refusal) = refusal {
                self.refuse(&refusal);
            }
        }
        result
    }

    fn refuse(&mut self, refusal: &Refusal) {
        self.with_session(|session, context, actions| match refusal {
            Refusal::Rpc(refused) => session.rpc_answered(Err(refused), None, context, actions),
            Refusal::Account(refused) => session.account_answered(&Err(refused.clone()), context, actions),
            Refusal::Input(name, refused) => session.input_refused(*name, refused, context, actions),
        });
    }
}

/// Services that answer by fixed rules.
pub(super) struct TestServices {
    pub settings: Settings,
    pub readiness: Result<(), &'static str>,
    pub standing: Result<(), (u16, Box<str>)>,
    pub pages: Arc<PageSet>,
    logins: Buckets,
    pub calls: Buckets,
}

impl Services for TestServices {
    fn settings(&self) -> &Settings {
        &self.settings
    }

    /// `good` and `manager` are valid for an hour, `short` for a minute; nothing else is.
    fn verify_token(&self, token: &str, unix_s: u64) -> Result<Identity, Rejection> {
        let valid_s = match token {
            "good" | "manager" => 3600,
            "short" => 60,
            "expired" => return Err(Rejection::new(ErrorCode::TokenExpired, "the token has expired")),
            "banned" => return Err(Rejection::new(ErrorCode::Forbidden, "you are banned")),
            _ => return Err(Rejection::new(ErrorCode::Unauthorized, "the token is malformed")),
        };
        let role = if token == "manager" { Role::Manager } else { Role::Guest };
        let expires_at_s = unix_s + valid_s;
        Ok(Identity {
            user_id: "guest:a".into(),
            username: "Ann".into(),
            role,
            expires_at_s: expires_at_s as u32,
            login: Default::default(),
        })
    }

    fn standing(&self, _identity: &Identity, _unix_s: u64) -> Result<(), (u16, Box<str>)> {
        self.standing.clone()
    }

    fn guest_login(&self, _unix_s: u64) -> GuestLogin {
        let (token, user_id, username) = ("fresh".into(), "guest:b".into(), "Ben \"B\"".into());
        GuestLogin { token, refresh_token: "again".into(), expires_in_s: 86_400, user_id, username }
    }

    fn admit(&self, counted: Counted<'_>, client: Client, now: Now) -> Result<(), u32> {
        let (is_local, now_ms) = (client.is_local(), now.monotonic_ms);
        match counted {
            Counted::Login => self.logins.admit(NetworkId::of(client.address), is_local, now_ms),
            Counted::Refresh => self.calls.admit(NetworkId::of(client.address), is_local, now_ms),
            Counted::Call(user) => self.calls.admit(user, is_local, now_ms),
        }
    }

    fn readiness(&self) -> Result<(), &'static str> {
        self.readiness
    }

    fn largest_rooms(&self, most: usize) -> Result<String, Rejection> {
        Ok(format!("[{most}]"))
    }

    fn pages(&self) -> Arc<PageSet> {
        self.pages.clone()
    }

    fn metrics(&self, _: bool) -> (&'static str, Bytes) {
        ("text/plain; version=0.0.4", "up 1\n".into())
    }
}

pub(super) fn https_redirect(to_port: u16) -> HttpsRedirect {
    HttpsRedirect { to_port, hsts: "max-age=60".into() }
}

/// A small page at `/`.
fn pages() -> Arc<PageSet> {
    let headers = Arc::new([("Cache-Control", "no-cache".into())]);
    let page = Page::new("text/html", Bytes::from_static(b"<p>hello"), headers);
    let mut pages = PageSet::default();
    pages.insert("/", Found::Page(Arc::new(page)));
    Arc::new(pages)
}

/// The times that the server has by default; small bounds, so that tests reach them.
fn settings() -> Settings {
    Settings {
        http: RequestLimits { head_bytes: 2000, headers: 20, body_bytes: 2000 },
        head_timeout_ms: 10_000,
        body_timeout_ms: 30_000,
        keep_alive_timeout_ms: 75_000,
        ping_after_ms: 25_000,
        pong_timeout_ms: 10_000,
        close_timeout_ms: 5_000,
        max_message_bytes: 1000,
        max_echo_bytes: 2000,
        compress: CompressionLevel::new(1),
        max_inflated_bytes: 4000,
        max_pipelined: 16,
        max_frames: 256,
        input_rate: Limit::NONE,
        max_errors: 3,
        max_busy: 2048,
        busy_window_ms: 10_000,
        allow_origins: AllowedOrigins::Any,
        debug_echo: false,
        metrics_elsewhere: false,
        sync_interval_ms: 50,
        trusted_proxies: vec![Network::parse("10.0.0.0/8").unwrap()],
        https_redirect: None,
    }
}
