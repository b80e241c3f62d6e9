//! What a session does, as lines of text; and what it must never do, asserted.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data};

use crate::session::account::{AccountCall, AccountRequest, IdentityClaim};
use crate::session::{Action, DroppedInput, Input, JoinRequest, Rejection, Route, RpcRequest, Sending};
use crate::wire::ErrorCode;
use crate::wire::ids::Identity;
use crate::wire::message::{self, InputName};
use crate::wire::ws::close_code::{self, Then};
use crate::wire::ws::{self, OpCode};

/// Actions that are written down, one line each:
/// - a response as `ROUTE STATUS BODY`, with ` (close)` if it is the connection's last and `[LENGTH]` for a body that
///   is announced but not sent; an interim response as its status alone
/// - a frame as its text, or `binary DATA`, `ping DATA`, `pong DATA`, `close CODE REASON`
/// - anything else by its name: `rpc`, `join`, `input`, `dropped`, `closed`, `finish`
#[derive(Debug, Default)]
pub(super) struct Recorder {
    pub lines: Vec<String>,
    pub last_response: String,
    pub last_input: String,
    pub sent_bytes: usize,
    /// The call in flight: its script, and its arguments as JSON.
    pub call: Option<(String, Vec<u8>)>,
    answered: Option<(Route, u16)>,
    is_websocket: bool,
    is_closed: bool,
    is_finished: bool,
}

/// What cannot be done: the session is told so before the next action is looked at.
#[derive(Debug)]
pub(super) enum Refusal {
    Rpc(Rejection),
    Account(Rejection),
    Input(InputName, Rejection),
}

impl Recorder {
    /// Writes down what an action does.
    ///
    /// # Errors
    /// It is refused, as some scripts, actions and refresh tokens are by their names.
    pub(super) fn carry_out(&mut self, action: Action) -> Result<(), Refusal> {
        match action {
            Action::Send { bytes, kind: Sending::Page } => self.lines.push(format!("body [{}]", bytes.len())),
            Action::Send { bytes, .. } => self.send(&bytes),
            Action::Rpc { caller, request } => return self.rpc(&caller, *request).map_err(Refusal::Rpc),
            Action::Account(request) => return self.account(&request).map_err(Refusal::Account),
            Action::Join(request) => {
                let JoinRequest { identity, room, since, options, .. } = *request;
                let since = since.map(|at| format!(" since {:x}:{}", at.epoch, at.seq)).unwrap_or_default();
                let options = options.map(|options| format!(" with {options}")).unwrap_or_default();
                self.lines.push(format!("join {} {room}{since}{options}", identity.user_id));
            }
            Action::Input(input) => return self.input(input),
            Action::Heartbeat { id, n, now_ms } => {
                self.send(&ws::text_frame(&message::heartbeat(id, n, 7, now_ms)))
            }
            Action::Closed { code, then } => self.closed(code, then),
            Action::Resync => self.lines.push("resync".into()),
            Action::Finish => self.finish(),
            Action::Answered { route, status } => {
                assert!(self.answered.replace((route, status)).is_none(), "the last answer was not sent");
            }
            Action::Unfinished => self.lines.push("unfinished".into()),
            Action::DroppedInput(DroppedInput::Malformed) => self.lines.push("dropped malformed".into()),
            Action::DroppedInput(DroppedInput::Limited) => self.lines.push("dropped limited".into()),
            Action::DroppedInput(DroppedInput::OutOfOrder) => self.lines.push("dropped out of order".into()),
        }
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) {
        assert!(!self.is_finished, "something is sent after the end");
        self.sent_bytes += bytes.len();
        if self.is_websocket { self.sent_frame(bytes) } else { self.sent_response(bytes) }
    }

    /// `busy`, `forbidden` and `missing` are refused; other scripts run until they are answered.
    fn rpc(&mut self, identity: &Identity, request: RpcRequest) -> Result<(), Rejection> {
        assert!(self.call.is_none(), "one call at a time");
        let RpcRequest { script, arguments, keys, game: _ } = request;
        match &*script {
            "busy" => return Err(Rejection::new(ErrorCode::Busy, "try again")),
            "forbidden" => return Err(Rejection::new(ErrorCode::Forbidden, "not yours")),
            "missing" => return Err(Rejection::new(ErrorCode::NotFound, "no such script")),
            _ => {}
        }
        let keys = keys.map_or_else(String::new, |keys| format!(" keys {keys:?}"));
        self.lines.push(format!("rpc {} {script} {arguments:?}{keys}", identity.user_id));
        self.call = Some((script, serde_json::to_vec(&arguments).unwrap()));
        Ok(())
    }

    /// The refresh token `busy` is refused; anything else waits for its answer.
    fn account(&mut self, request: &AccountRequest) -> Result<(), Rejection> {
        assert!(self.call.is_none(), "one call at a time");
        let caller = request.caller.as_ref().map_or("nobody", |caller| &caller.user_id);
        let call = match &request.call {
            AccountCall::GuestLogin { nickname } => format!("guest {nickname}"),
            AccountCall::Register(who) => format!("register {} {}", who.username, who.password),
            AccountCall::Login(who) => format!("login {} {}", who.username, who.password),
            AccountCall::Upgrade { who, rooms } => {
                format!("upgrade {} {} {rooms:?}", who.username, who.password)
            }
            AccountCall::Refresh(token) if token == "busy" => {
                return Err(Rejection::new(ErrorCode::Busy, "try again").retry_after(7));
            }
            AccountCall::Refresh(token) => format!("refresh {token}"),
            AccountCall::Logout => "logout".to_owned(),
            AccountCall::ChangePassword { old, new } => format!("change {old} {new}"),
            AccountCall::ExternalLogin(token) => format!("external {token}"),
            AccountCall::DeviceLogin(device) => format!("device {}", device.device_id),
            AccountCall::Link { claim, proof, rooms } => {
                let what = if matches!(claim, IdentityClaim::Token(_)) { "token" } else { "device" };
                format!("link a {what} proven={} {rooms:?}", proof.is_some())
            }
            AccountCall::Identities => "identities".to_owned(),
            AccountCall::Unlink { issuer, subject, proof } => {
                format!("unlink {issuer} {subject} proven={}", proof.is_some())
            }
            AccountCall::Rename { username, proof } => {
                format!("rename {username} proven={}", proof.is_some())
            }
            AccountCall::Reset { who, code } => format!("reset {} {} {code}", who.username, who.password),
            AccountCall::MakeReset { user_id } => format!("make reset {user_id}"),
            AccountCall::Delete { proof } => format!("delete proven={}", proof.is_some()),
            AccountCall::Kick { user_id, reason } => format!("kick {user_id} {reason:?}"),
            AccountCall::Ban { user_id, seconds, reason } => format!("ban {user_id} {seconds:?} {reason:?}"),
            AccountCall::Unban { user_id } => format!("unban {user_id}"),
            AccountCall::ForgetGuest { user_id, silent } => format!("forget {user_id} {silent:?}"),
            AccountCall::Documents(call) => format!("documents {call:?}"),
        };
        self.lines.push(format!("{caller} {} {call}", request.address));
        self.call = Some((call, br#""done""#.to_vec()));
        Ok(())
    }

    /// The actions `busy` and `missing` are refused.
    fn input(&mut self, input: Input) -> Result<(), Refusal> {
        assert!(!self.is_closed, "an input after the close");
        if input.action == "busy" {
            return Err(Refusal::Input(input.name, Rejection::new(ErrorCode::Busy, "try again")));
        }
        if input.action == "missing" {
            return Err(Refusal::Input(input.name, Rejection::new(ErrorCode::NotFound, "no such script")));
        }
        let InputName { id, n } = input.name;
        let id = id.map_or_else(String::new, |id| format!(" id {id}"));
        let n = n.map_or_else(String::new, |n| format!(" n {n}"));
        self.last_input = String::from_utf8(input.text.to_vec()).unwrap();
        let said = format!("input {} {}", input.caller.user_id, input.action);
        let payload = input.into_payload();
        self.lines.push(format!("{said} {}{id}{n}", std::str::from_utf8(&payload).unwrap()));
        Ok(())
    }

    fn closed(&mut self, code: u16, then: Then) {
        assert!(!self.is_closed, "it closes once");
        self.is_closed = true;
        let then = match then {
            _ if then == close_code::then(code) => "",
            Then::ComeBack => ", comes back",
            Then::StayAway => ", stays away",
        };
        self.lines.push(format!("closed {code}{then}"));
    }

    fn finish(&mut self) {
        assert!(!self.is_finished, "it ends once");
        assert!(!self.is_websocket || self.is_closed, "a member leaves before its connection ends");
        self.is_finished = true;
        self.lines.push("finish".into());
    }

    fn sent_response(&mut self, bytes: &[u8]) {
        self.last_response = String::from_utf8(bytes.to_vec()).expect("all bodies in the tests are text");
        let mut headers = [httparse::EMPTY_HEADER; 20];
        let mut head = httparse::Response::new(&mut headers);
        let body = head.parse(bytes).expect("a response").unwrap();
        let body = std::str::from_utf8(&bytes[body..]).unwrap();
        let status = head.code.unwrap();
        if status == 100 {
            assert_eq!(self.last_response, "HTTP/1.1 100 Continue\r\n\r\n");
            return self.lines.push("100".into());
        }
        let (route, counted) = self.answered.take().expect("each answer is counted before it is sent");
        let is_refusal = status == 101 && counted >= 400;
        assert!(is_refusal || counted == status, "{counted} for {status}");
        self.is_websocket = status == 101;
        let header = |name: &str| {
            let mut found = head.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
            found.next_back().map(|header| std::str::from_utf8(header.value).unwrap())
        };
        let length = header("content-length").map(|length| length.parse::<usize>().unwrap());
        let has_no_body = matches!(status, 101 | 204 | 304);
        assert_eq!(length.is_none(), has_no_body, "a length in every answer that has a body");
        assert!(status == 101 || header("date").is_some());
        let body = match length {
            Some(length) if body.is_empty() && length > 0 => format!(" [{length}]"),
            length => {
                assert_eq!(body.len(), length.unwrap_or(0));
                if body.is_empty() { String::new() } else { format!(" {body}") }
            }
        };
        if header("content-type") == Some("application/json") && !body.starts_with(" [") {
            serde_json::from_str::<serde_json::Value>(&body).expect("JSON as declared");
        }
        let end = if header("connection") == Some("close") { " (close)" } else { "" };
        let counted = if is_refusal { format!(" for {counted}") } else { String::new() };
        self.lines.push(format!("{} {status}{counted}{body}{end}", name(route)));
    }

    fn sent_frame(&mut self, bytes: &[u8]) {
        assert!(!self.is_closed, "something is sent after the close");
        let mut cursor = Cursor::new(bytes);
        let (header, length) = FrameHeader::parse(&mut cursor).unwrap().expect("a whole header");
        let payload = &bytes[cursor.position() as usize..];
        assert_eq!(payload.len() as u64, length, "each piece is one frame");
        assert!(header.is_final && header.mask.is_none(), "{header:?}");
        let text = String::from_utf8_lossy(payload).into_owned();
        let with = |name: &str, text: &str| {
            if text.is_empty() { name.to_owned() } else { format!("{name} {text}") }
        };
        self.lines.push(match header.opcode {
            OpCode::Data(Data::Text) => text,
            OpCode::Data(_) => with("binary", &payload.escape_ascii().to_string()),
            OpCode::Control(Control::Ping) => with("ping", &text),
            OpCode::Control(Control::Pong) => with("pong", &text),
            OpCode::Control(_) if payload.is_empty() => "close".into(),
            OpCode::Control(_) => {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                with(&format!("close {code}"), std::str::from_utf8(&payload[2..]).unwrap())
            }
        });
    }
}

/// A route's name in lines, such as `guest_login`.
fn name(route: Route) -> String {
    match route {
        Route::WebSocket => "ws".into(),
        Route::Password | Route::Upgrade => format!("account_{route:?}").to_lowercase(),
        Route::GuestLogin => "guest_login".into(),
        route => format!("{route:?}").to_lowercase(),
    }
}
