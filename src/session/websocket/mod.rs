//! The WebSocket part of a connection's life: messages, pings, and how it ends.

mod member;
mod numbering;

use std::sync::Arc;

use bytes::Bytes;

use self::member::MemberSession;
use self::numbering::At;
use super::disconnects::{DELETED, TOKEN_EXPIRED};
use super::limits::Verdict;
use super::{Action, Actions, Admitted, Context, JoinRequest, Moment, Now, Rejection, Sending, Settings};
use crate::wire::ids::Identity;
use crate::wire::message::{self, InputName, Welcome};
use crate::wire::ws::close_code::Then;
use crate::wire::ws::deflate::DeflateWindow;
use crate::wire::ws::{self, Event, FrameDecoder, MessageLimits, OpCode, close_code};

/// A connection that speaks WebSocket.
#[derive(Debug)]
pub struct WebSocketSession {
    decoder: FrameDecoder,
    purpose: Purpose,
    link: Link,
    /// If compression was agreed on.
    deflate: Option<DeflateWindow>,
    /// Since when it has been so; for an open link, when the peer last sent anything.
    since: Moment,
    /// When the message that has not come whole began.
    message_since: Moment,
}

#[derive(Debug)]
enum Purpose {
    /// A member of a room.
    Member(MemberSession),
    /// `/echo`: every message goes back as it came.
    Echo,
    /// Somebody who was not let in, and is told so.
    Refusal,
}

impl Purpose {
    /// As [`MemberSession::admit_frame`].
    fn admit_frame(&mut self, context: &Context<'_>, actions: &mut Actions) -> Verdict {
        match self {
            Self::Member(member) => member.admit_frame(context, actions),
            Self::Echo | Self::Refusal => Verdict::Pass,
        }
    }
}

/// Where the connection is on its way from open to closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
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

impl WebSocketSession {
    /// A new member of a room; sends the welcome, and what it missed.
    pub fn welcomed(
        JoinRequest { identity, room, client, .. }: JoinRequest,
        tells_script: bool,
        deflate: Option<DeflateWindow>,
        admitted: Admitted<'_>,
        context: &Context<'_>,
        actions: &mut Actions,
    ) -> Self {
        let Admitted { position, n, state, recovered } = admitted;
        let settings = context.services.settings();
        let welcome = message::welcome(&Welcome {
            identity: &identity,
            game_id: &room,
            epoch: position.epoch,
            seq: recovered.as_ref().map_or(position.seq, |recovered| recovered.since),
            n,
            recovered: recovered.is_some(),
            state_json: recovered.is_none().then_some(state),
            sync_interval_ms: settings.sync_interval_ms,
            now_ms: context.now.unix_ms,
        });
        actions.push(Action::Send { bytes: ws::text_frame(&welcome), kind: Sending::State });
        if let Some(bytes) = recovered.and_then(|all| all.missed) {
            actions.push(Action::Send { bytes, kind: Sending::Missed });
        }
        let member = MemberSession::new(identity, n, tells_script, client.is_local(), context);
        Self::open(Purpose::Member(member), deflate, context.now)
    }

    pub(super) fn check_standing(&mut self, context: &Context<'_>, actions: &mut Actions) {
        let Some(identity) = self.identity() else { return };
        if let Err((code, reason)) = context.services.standing(identity, context.now.unix_s()) {
            self.close(code, &reason, context.now, actions);
        }
    }

    /// An echo of every message.
    pub fn echo(deflate: Option<DeflateWindow>, now: Now) -> Self {
        Self::open(Purpose::Echo, deflate, now)
    }

    /// Nobody is let in: says why, and closes. What the peer sends is dropped until it closes, too.
    pub fn refused(
        refused: &Rejection,
        deflate: Option<DeflateWindow>,
        now: Now,
        actions: &mut Actions,
    ) -> Self {
        let code = refused.code.as_str();
        let (details, retry_after_s) = (refused.details.as_deref(), refused.retry_after_s.as_deref());
        let text = message::refusal(code, &refused.message, details, refused.status, retry_after_s);
        actions.send(ws::text_frame(&text));
        let mut session = Self::open(Purpose::Refusal, deflate, now);
        let close = if refused.is_for_now() { close_code::REFUSED_FOR_NOW } else { close_code::REFUSED };
        session.close(close, code, now, actions);
        session
    }

    fn open(purpose: Purpose, deflate: Option<DeflateWindow>, now: Now) -> Self {
        Self {
            decoder: FrameDecoder::default(),
            purpose,
            link: Link::Open,
            deflate,
            since: Moment::at(now.monotonic_ms),
            message_since: Moment::default(),
        }
    }

    /// The member, unless this is an echo.
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        match &self.purpose {
            Purpose::Member(member) => Some(&member.identity),
            Purpose::Echo | Purpose::Refusal => None,
        }
    }

    pub(super) fn deflate_window(&self) -> Option<DeflateWindow> {
        self.deflate
    }

    /// Whether messages flow: it is neither closing nor closed.
    pub fn is_open(&self) -> bool {
        matches!(self.link, Link::Open | Link::AwaitingPong)
    }

    pub(super) fn receive(
        &mut self,
        input: &mut [u8],
        context: &Context<'_>,
        actions: &mut Actions,
    ) -> usize {
        if self.is_open() {
            // Anything is a sign of life.
            self.enter(Link::Open, context.now);
        }
        let settings = context.services.settings();
        let limits = match self.purpose {
            Purpose::Member(_) | Purpose::Refusal => MessageLimits::of_bytes(settings.max_message_bytes),
            Purpose::Echo => MessageLimits::in_any_fragments(settings.max_echo_bytes),
        };
        let mut begins_anew = self.decoder.is_idle();
        let mut inflater = context.inflater.borrow_mut();
        inflater.begin_turn();
        let (mut taken, mut frames) = (0, 0);
        while taken < input.len()
            && frames < settings.max_frames
            && inflater.cost() < settings.max_inflated_bytes
            && self.link != Link::Closed
            && self.wants_input()
        {
            let inflater = self.deflate.is_some().then_some(&mut *inflater);
            let (used, event) = self.decoder.decode(&mut input[taken..], limits, inflater);
            taken += used;
            let Some(event) = event else { break };
            frames += 1;
            begins_anew |= matches!(event, Event::Text(_) | Event::Binary(_));
            let outcome = match self.link {
                Link::Closing => while_closing(&event),
                _ => while_open(&mut self.purpose, event, context, actions),
            };
            self.apply(outcome, context.now, actions);
        }
        // A message that ended with the input leaves its buffer behind: an idle connection holds none.
        self.decoder.release();
        inflater.trim();
        if begins_anew {
            self.message_since = Moment::at(context.now.monotonic_ms);
        }
        if self.link == Link::Closed { input.len() } else { taken }
    }

    /// Whether it is read: a member that has sent too much is not for a moment. Who is closing is, to its end.
    pub(super) fn wants_input(&self) -> bool {
        !self.is_open() || !matches!(&self.purpose, Purpose::Member(member) if member.rate.rests())
    }

    /// Until when it is not read.
    fn rests_until_ms(&self, settings: &Settings) -> u64 {
        match &self.purpose {
            Purpose::Member(member) if self.is_open() => {
                member.rate.rests_until_ms(settings.input_rate.most).unwrap_or(u64::MAX)
            }
            _ => u64::MAX,
        }
    }

    fn end_rest(&mut self) {
        if let Purpose::Member(member) = &mut self.purpose {
            member.rate.end_rest();
        }
    }

    pub(super) fn is_unfinished(&self) -> bool {
        !self.decoder.is_idle()
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.decoder.held_bytes()
    }

    pub(super) fn make_room(&mut self, actions: &mut Actions) {
        self.decoder = FrameDecoder::default();
        if self.is_open() {
            let code = close_code::SLOW_CONSUMER;
            send_close(code, "the server has no memory left for what waits", actions);
            actions.push(Action::Closed { code, then: close_code::then(code) });
        }
        // The peer's half is not waited for: it may be the rest of what took up the memory.
        self.end(actions);
    }

    /// As [`super::Session::input_refused`].
    pub fn input_refused(
        &mut self,
        name: InputName,
        refused: &Rejection,
        context: &Context<'_>,
        actions: &mut Actions,
    ) {
        if let Purpose::Member(member) = &mut self.purpose
            && refused.code.asks_again()
        {
            member.numbering.refused(At::PassedOn, name.n);
        }
        self.room_refused_input(name, refused, context, actions);
    }

    /// As [`super::Session::room_refused_input`]. The close has to wait: what else the peer has sent may be answered already, by
    /// frames that would come after it.
    pub fn room_refused_input(
        &mut self,
        name: InputName,
        refused: &Rejection,
        context: &Context<'_>,
        actions: &mut Actions,
    ) {
        match &mut self.purpose {
            Purpose::Member(member) => member.refused(name, refused, context, actions),
            Purpose::Echo | Purpose::Refusal => {}
        }
    }

    /// As [`super::Session::holds_back`].
    pub fn holds_back(&mut self, name: InputName) -> bool {
        match &mut self.purpose {
            Purpose::Member(member) => member.numbering.holds_back(At::PassedOn, name.n),
            Purpose::Echo | Purpose::Refusal => false,
        }
    }

    /// As [`super::Session::inputs_ran`].
    pub fn inputs_ran(&mut self, n: u64) {
        if let Purpose::Member(member) = &mut self.purpose {
            member.numbering.ran(n);
        }
    }

    pub(super) fn deadline_ms(&self, settings: &Settings) -> u64 {
        let link_ms = match self.link {
            Link::Open | Link::AwaitingPong if self.is_flooding(settings) => 0,
            Link::Open => self.ends_ms(settings).min(self.since.ms() + settings.ping_after_ms),
            Link::AwaitingPong => self.ends_ms(settings).min(self.since.ms() + settings.pong_timeout_ms),
            Link::Closing => self.since.ms() + settings.close_timeout_ms,
            Link::Closed => u64::MAX,
        };
        link_ms.min(self.rests_until_ms(settings))
    }

    pub(super) fn deadline_passed(&mut self, context: &Context<'_>, actions: &mut Actions) {
        let now_ms = context.now.monotonic_ms;
        if now_ms >= self.rests_until_ms(context.services.settings()) {
            // If anything else is due, it is so at once.
            return self.end_rest();
        }
        match self.link {
            Link::Closed => {}
            Link::Closing => self.end(actions),
            _ if self.is_flooding(context.services.settings()) => {
                self.apply(TOO_MANY_INPUTS, context.now, actions);
            }
            _ if now_ms >= self.expires_ms() => {
                self.close(close_code::TOKEN_EXPIRED, TOKEN_EXPIRED, context.now, actions);
            }
            _ if now_ms >= self.message_ends_ms(context.services.settings()) => {
                actions.push(Action::Unfinished);
                let reason = "a message did not arrive in time";
                self.close(close_code::SLOW_CONSUMER, reason, context.now, actions);
            }
            Link::AwaitingPong => {
                self.close(close_code::NO_PONG, "no answer to a ping", context.now, actions);
            }
            Link::Open => {
                let bytes = Bytes::from_static(PING_FRAME);
                actions.push(Action::Send { bytes, kind: Sending::AtOnce });
                self.enter(Link::AwaitingPong, context.now);
            }
        }
    }

    pub(super) fn ping_was_held_up(&mut self, now: Now, settings: &Settings) -> bool {
        let is_over = self.is_flooding(settings)
            || now.monotonic_ms >= self.ends_ms(settings)
            || now.monotonic_ms >= self.rests_until_ms(settings);
        if is_over || self.link != Link::AwaitingPong {
            return false;
        }
        self.enter(Link::AwaitingPong, now);
        true
    }

    fn enter(&mut self, link: Link, now: Now) {
        self.link = link;
        self.since = Moment::at(now.monotonic_ms);
    }

    fn is_flooding(&self, settings: &Settings) -> bool {
        matches!(&self.purpose, Purpose::Member(member) if member.busy.is_over(settings))
    }

    fn expires_ms(&self) -> u64 {
        match &self.purpose {
            Purpose::Member(member) => u64::from(member.expires_s) * 1000,
            Purpose::Echo | Purpose::Refusal => u64::MAX,
        }
    }

    /// A message that comes in pieces must be whole by then, also if pings come between them.
    fn message_ends_ms(&self, settings: &Settings) -> u64 {
        if self.decoder.is_idle() { u64::MAX } else { self.message_since.ms() + settings.body_timeout_ms }
    }

    /// When the connection ends, whether or not the peer is alive.
    fn ends_ms(&self, settings: &Settings) -> u64 {
        self.expires_ms().min(self.message_ends_ms(settings))
    }

    pub(super) fn close(&mut self, code: u16, reason: &str, now: Now, actions: &mut Actions) {
        if !self.is_open() {
            return;
        }
        send_close(code, reason, actions);
        // The client may come back as somebody else, who gets a seat of its own.
        let then = if reason == DELETED { Then::StayAway } else { close_code::then(code) };
        actions.push(Action::Closed { code, then });
        self.enter(Link::Closing, now);
    }

    fn apply(&mut self, outcome: Outcome, now: Now, actions: &mut Actions) {
        match outcome {
            Outcome::GoOn => {}
            Outcome::Close { code, reason } => {
                self.close(code, reason, now, actions);
                self.end(actions);
            }
            Outcome::Answered { code } => {
                // Going away (1001) means to a client that it closes by itself, and not that it comes back.
                let then =
                    if code == close_code::SHUTTING_DOWN { Then::StayAway } else { close_code::then(code) };
                actions.push(Action::Closed { code, then });
                self.end(actions);
            }
            Outcome::End => self.end(actions),
        }
    }

    fn end(&mut self, actions: &mut Actions) {
        self.link = Link::Closed;
        actions.push(Action::Finish);
    }
}

/// What handling one event leads to.
enum Outcome {
    GoOn,
    /// We close, and do not wait for the peer's half: it is behind all that the peer floods us with.
    Close {
        code: u16,
        reason: &'static str,
    },
    /// A close frame has been sent as the last thing; `code` says how it ended.
    Answered {
        code: u16,
    },
    /// Nothing is left to say.
    End,
}

const TOO_MANY_INPUTS: Outcome = Outcome::Close { code: close_code::RATE_LIMITED, reason: "too many inputs" };

fn while_open(
    purpose: &mut Purpose,
    event: Event<'_>,
    context: &Context<'_>,
    actions: &mut Actions,
) -> Outcome {
    match event {
        Event::Ping(payload) => match purpose.admit_frame(context, actions) {
            Verdict::Pass => {
                let mut pong = Vec::with_capacity(2 + payload.len());
                ws::encode_frame(&mut pong, ws::PONG, payload);
                actions.send(pong);
                Outcome::GoOn
            }
            Verdict::Refuse { .. } => Outcome::GoOn,
            Verdict::Close => TOO_MANY_INPUTS,
        },
        Event::Pong(_) | Event::Fragment => match purpose.admit_frame(context, actions) {
            Verdict::Pass | Verdict::Refuse { .. } => Outcome::GoOn,
            Verdict::Close => TOO_MANY_INPUTS,
        },
        Event::Close(reason) => {
            // RFC 6455, section 5.5.1: the answer carries the peer's code, and none when the peer gave none.
            match reason {
                Some((code, _)) => send_close(code, "", actions),
                None => actions.send(Bytes::from_static(&[0x88, 0])),
            }
            Outcome::Answered { code: reason.map_or(close_code::NO_STATUS, |(code, _)| code) }
        }
        Event::Violation { code, reason, .. } => {
            send_close(code, reason, actions);
            Outcome::Answered { code }
        }
        Event::Text(text) => match purpose {
            Purpose::Member(member) => member.message(text, context, actions),
            Purpose::Echo => echo(ws::TEXT, text.as_bytes(), actions),
            Purpose::Refusal => Outcome::GoOn,
        },
        Event::Binary(bytes) => match purpose {
            Purpose::Echo => echo(ws::BINARY, bytes, actions),
            Purpose::Refusal => Outcome::GoOn,
            Purpose::Member(member) => match std::str::from_utf8(bytes) {
                Ok(text) => member.message(text, context, actions),
                Err(_) => member.malformed(
                    None,
                    "a binary message must be JSON in UTF-8, as a text message is",
                    context,
                    actions,
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

fn echo(opcode: OpCode, payload: &[u8], actions: &mut Actions) -> Outcome {
    let mut frame = Vec::with_capacity(10 + payload.len());
    ws::encode_frame(&mut frame, opcode, payload);
    actions.send(frame);
    Outcome::GoOn
}

fn send_close(code: u16, reason: &str, actions: &mut Actions) {
    let mut frame = Vec::with_capacity(4 + reason.len());
    ws::encode_close(&mut frame, code, reason);
    actions.send(frame);
}

pub(super) fn send_error(name: InputName, refused: &Rejection, actions: &mut Actions) {
    let text = message::error(name, refused.code.as_str(), &refused.message, refused.details.as_deref());
    actions.send(ws::text_frame(&text));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every player has one.
    #[test]
    fn a_session_is_small() {
        assert!(size_of::<WebSocketSession>() <= 72, "{}", size_of::<WebSocketSession>());
    }
}
