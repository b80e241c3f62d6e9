//! The WebSocket part of a connection's life: messages, pings, and how it ends.

use std::sync::Arc;

use bytes::Bytes;

use super::limits::{RateLimit, Verdict};
use super::{Context, Effects, Moment, Now, Refused, Settings};
use crate::room::events::Position;
use crate::wire::ids::{Identity, RoomId};
use crate::wire::message::{self, ClientMessage, Welcome};
use crate::wire::ws::{self, Event, FrameDecoder, OpCode, close_code};

/// A connection that speaks WebSocket.
#[derive(Debug)]
pub struct WebSocketSession {
    decoder: FrameDecoder,
    purpose: Purpose,
    link: Link,
    /// Since when it has been so; for an open link, when the peer last sent anything.
    since: Moment,
}

#[derive(Debug)]
enum Purpose {
    /// A member of a room.
    Member(Member),
    /// `/echo`: every message goes back as it came.
    Echo,
}

#[derive(Debug)]
struct Member {
    identity: Arc<Identity>,
    /// When the token ends, in seconds of the monotonic clock.
    expires_s: u32,
    /// None without `--input-rate`.
    rate: Option<Box<RateLimit>>,
    /// Malformed messages in excess of good ones.
    errors: u16,
}

/// Where the connection is on its way from open to closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// Messages flow.
    Open,
    /// A ping is out; messages flow.
    AwaitingPong,
    /// We have sent a close frame, and wait for the peer's.
    Closing,
    /// Both sides have closed, or the peer broke the protocol: nothing more is read.
    Closed,
}

/// A ping without a payload (RFC 6455, section 5.5.2).
const PING_FRAME: &[u8] = &[0x89, 0];

/// How metrics count a close frame without a code (RFC 6455, section 7.4.1); never sent.
const NO_STATUS: u16 = 1005;

impl WebSocketSession {
    /// A new member of a room; sends the welcome.
    pub(super) fn welcomed<E: Effects>(
        identity: Arc<Identity>,
        room: &RoomId,
        position: Position,
        state: &[u8],
        context: &mut Context<'_, E>,
    ) -> Self {
        let settings = context.doors.settings();
        let welcome = message::welcome(&Welcome {
            identity: &identity,
            game_id: room,
            epoch: position.epoch,
            seq: position.seq,
            recovered: false,
            state_json: Some(state),
            sync_interval_ms: settings.sync_interval_ms,
        });
        context.effects.send_state(ws::text_frame(&welcome));
        let rate = (settings.input_rate > 0)
            .then(|| Box::new(RateLimit::new(settings.input_rate, context.now.monotonic_ms)));
        let valid_s = u64::from(identity.expires_at_s).saturating_sub(context.now.unix_s);
        let expires_s = context.now.monotonic_ms.div_ceil(1000).saturating_add(valid_s);
        let expires_s = u32::try_from(expires_s).unwrap_or(u32::MAX);
        let member = Member { identity, expires_s, rate, errors: 0 };
        Self::open(Purpose::Member(member), context.now)
    }

    /// Closes if news have come about the member that its token does not know: they may have come while the connection
    /// was not among those that were searched for it.
    pub fn check_standing<E: Effects>(&mut self, context: &mut Context<'_, E>) {
        let Some(identity) = self.identity() else { return };
        if let Err((code, reason)) = context.doors.standing(identity, context.now.unix_s) {
            self.close(code, &reason, context);
        }
    }

    /// An echo of every message.
    pub(super) fn echo(now: Now) -> Self {
        Self::open(Purpose::Echo, now)
    }

    fn open(purpose: Purpose, now: Now) -> Self {
        Self {
            decoder: FrameDecoder::default(),
            purpose,
            link: Link::Open,
            since: Moment::at(now.monotonic_ms),
        }
    }

    /// The member, unless this is an echo.
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        match &self.purpose {
            Purpose::Member(member) => Some(&member.identity),
            Purpose::Echo => None,
        }
    }

    /// Whether messages flow: it is neither closing nor closed.
    pub fn is_open(&self) -> bool {
        matches!(self.link, Link::Open | Link::AwaitingPong)
    }

    pub(super) fn receive<E: Effects>(&mut self, input: &mut [u8], context: &mut Context<'_, E>) -> usize {
        if self.is_open() {
            // Anything is a sign of life.
            self.enter(Link::Open, context.now);
        }
        let limit = match self.purpose {
            Purpose::Member(_) => context.doors.settings().max_message_bytes,
            Purpose::Echo => context.doors.settings().max_echo_bytes,
        };
        let mut taken = 0;
        while taken < input.len() && self.link != Link::Closed {
            let (used, event) = self.decoder.decode(&mut input[taken..], limit);
            taken += used;
            let Some(event) = event else { break };
            let outcome = match self.link {
                Link::Closing => while_closing(&event),
                _ => while_open(&mut self.purpose, event, context),
            };
            self.apply(outcome, context);
        }
        // A message that ended with the input leaves its buffer behind: an idle connection holds none.
        self.decoder.release();
        if self.link == Link::Closed { input.len() } else { taken }
    }

    pub(super) fn deadline_ms(&self, settings: &Settings) -> u64 {
        match self.link {
            Link::Open => self.expires_ms().min(self.since.ms() + settings.ping_after_ms),
            Link::AwaitingPong => self.expires_ms().min(self.since.ms() + settings.pong_timeout_ms),
            Link::Closing => self.since.ms() + settings.close_timeout_ms,
            Link::Closed => u64::MAX,
        }
    }

    pub(super) fn deadline_passed<E: Effects>(&mut self, context: &mut Context<'_, E>) {
        let now_ms = context.now.monotonic_ms;
        match self.link {
            Link::Closed => {}
            Link::Closing => self.end(context),
            _ if now_ms >= self.expires_ms() => {
                self.close(close_code::TOKEN_EXPIRED, "token expired", context)
            }
            Link::AwaitingPong => self.close(close_code::NO_PONG, "no answer to a ping", context),
            Link::Open => {
                context.effects.send_at_once(Bytes::from_static(PING_FRAME));
                self.enter(Link::AwaitingPong, context.now);
            }
        }
    }

    fn enter(&mut self, link: Link, now: Now) {
        self.link = link;
        self.since = Moment::at(now.monotonic_ms);
    }

    fn expires_ms(&self) -> u64 {
        match &self.purpose {
            Purpose::Member(member) => u64::from(member.expires_s) * 1000,
            Purpose::Echo => u64::MAX,
        }
    }

    /// Begins to close from our side, unless that has begun already.
    pub fn close<E: Effects>(&mut self, code: u16, reason: &str, context: &mut Context<'_, E>) {
        if !self.is_open() {
            return;
        }
        send_close(code, reason, context);
        context.effects.closed(code);
        self.enter(Link::Closing, context.now);
    }

    fn apply<E: Effects>(&mut self, outcome: Outcome, context: &mut Context<'_, E>) {
        match outcome {
            Outcome::GoOn => {}
            Outcome::Close { code, reason } => self.close(code, reason, context),
            Outcome::Answered { code } => {
                context.effects.closed(code);
                self.end(context);
            }
            Outcome::End => self.end(context),
        }
    }

    fn end<E: Effects>(&mut self, context: &mut Context<'_, E>) {
        self.link = Link::Closed;
        context.effects.finish();
    }
}

/// What handling one event leads to.
enum Outcome {
    /// Nothing more.
    GoOn,
    /// We close, and wait for the peer's half.
    Close { code: u16, reason: &'static str },
    /// A close frame has been sent as the last thing; `code` says how it ended.
    Answered { code: u16 },
    /// Nothing is left to say.
    End,
}

fn while_open<E: Effects>(purpose: &mut Purpose, event: Event<'_>, context: &mut Context<'_, E>) -> Outcome {
    match event {
        Event::Ping(payload) => {
            let mut pong = Vec::with_capacity(2 + payload.len());
            ws::encode_frame(&mut pong, ws::PONG, payload);
            context.effects.send(pong.into());
            Outcome::GoOn
        }
        Event::Pong(_) => Outcome::GoOn,
        Event::Close(reason) => {
            // RFC 6455, section 5.5.1: the answer carries the peer's code, and none when the peer gave none.
            match reason {
                Some((code, _)) => send_close(code, "", context),
                None => context.effects.send(Bytes::from_static(&[0x88, 0])),
            }
            Outcome::Answered { code: reason.map_or(NO_STATUS, |(code, _)| code) }
        }
        Event::Violation { code, reason, .. } => {
            send_close(code, reason, context);
            Outcome::Answered { code }
        }
        Event::Text(text) => match purpose {
            Purpose::Member(member) => member.message(text, context),
            Purpose::Echo => echo(ws::TEXT, text.as_bytes(), context),
        },
        Event::Binary(bytes) => match purpose {
            Purpose::Echo => echo(ws::BINARY, bytes, context),
            Purpose::Member(member) => match std::str::from_utf8(bytes) {
                Ok(text) => member.message(text, context),
                Err(_) => member.malformed(
                    None,
                    "a binary message must be JSON in UTF-8, as a text message is",
                    context,
                ),
            },
        },
    }
}

/// After our close frame only the peer's counts; messages that crossed it on the way are dropped (RFC 6455, 1.4).
fn while_closing(event: &Event<'_>) -> Outcome {
    match event {
        Event::Close(_) | Event::Violation { .. } => Outcome::End,
        _ => Outcome::GoOn,
    }
}

impl Member {
    fn message<E: Effects>(&mut self, text: &str, context: &mut Context<'_, E>) -> Outcome {
        let (per_second, now_ms) = (context.doors.settings().input_rate, context.now.monotonic_ms);
        match self.rate.as_mut().map_or(Verdict::Pass, |rate| rate.admit(per_second, now_ms)) {
            Verdict::Pass => {}
            Verdict::Refuse => {
                context.effects.dropped_input("limited");
                let id = ClientMessage::parse(text).ok().and_then(|message| message.id);
                let refused = Refused::new(429, "rate_limited", "too many inputs; this one did not run");
                send_error(id, &refused, context);
                return Outcome::GoOn;
            }
            Verdict::Close => {
                context.effects.dropped_input("limited");
                return Outcome::Close { code: close_code::RATE_LIMITED, reason: "too many inputs" };
            }
        }
        let message = match ClientMessage::parse(text) {
            Ok(message) => message,
            Err(error) => return self.malformed(error.id, &error.message, context),
        };
        if message.n.is_some() {
            let reason = "inputs numbered by \"n\" are not supported yet; send the input without it";
            return self.malformed(message.id, reason, context);
        }
        self.errors = self.errors.saturating_sub(1);
        self.input(&message, text, context);
        Outcome::GoOn
    }

    fn input<E: Effects>(&mut self, message: &ClientMessage<'_>, text: &str, context: &mut Context<'_, E>) {
        if message.action == "heartbeat" {
            if let Some(id) = message.id {
                context.effects.send(ws::text_frame(&message::reply(id, b"\"OK\"")));
            }
            return;
        }
        if let Err(refused) = context.effects.input(&self.identity, message, text) {
            send_error(message.id, &refused, context);
        }
    }

    fn malformed<E: Effects>(
        &mut self,
        id: Option<u64>,
        reason: &str,
        context: &mut Context<'_, E>,
    ) -> Outcome {
        context.effects.dropped_input("malformed");
        if self.errors >= context.doors.settings().max_errors {
            return Outcome::Close {
                code: close_code::TOO_MANY_ERRORS,
                reason: "too many malformed messages",
            };
        }
        self.errors += 1;
        send_error(id, &Refused::new(400, "bad_request", reason), context);
        Outcome::GoOn
    }
}

fn echo<E: Effects>(opcode: OpCode, payload: &[u8], context: &mut Context<'_, E>) -> Outcome {
    let mut frame = Vec::with_capacity(10 + payload.len());
    ws::encode_frame(&mut frame, opcode, payload);
    context.effects.send(frame.into());
    Outcome::GoOn
}

fn send_close<E: Effects>(code: u16, reason: &str, context: &mut Context<'_, E>) {
    let mut frame = Vec::with_capacity(4 + reason.len());
    ws::encode_close(&mut frame, code, reason);
    context.effects.send(frame.into());
}

fn send_error<E: Effects>(id: Option<u64>, refused: &Refused, context: &mut Context<'_, E>) {
    let text = message::error(id, &refused.code, &refused.message, refused.details.as_deref());
    context.effects.send(ws::text_frame(&text));
}
