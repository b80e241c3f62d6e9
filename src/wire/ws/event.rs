//! What a client's frames mean.

use std::str;

use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::close_code::{self, INVALID_PAYLOAD, PROTOCOL_ERROR};

/// What came from the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// A part of a message of which more is to come.
    Fragment,
    /// To be answered by a pong with the same payload.
    Ping(&'a [u8]),
    /// Answers a ping, or nothing.
    Pong(&'a [u8]),
    /// The client closes, with a code and a reason if it gave any. To be answered by a close frame.
    Close(Option<(u16, &'a str)>),
    /// The client broke the protocol or a limit: close with this.
    Violation {
        /// 1002, 1007 or 1009.
        code: u16,
        /// For people.
        reason: &'static str,
    },
}

/// A code and a reason.
pub(super) type Violation = (u16, &'static str);

pub(super) const NOT_UTF8: Violation = (INVALID_PAYLOAD, "the text is not UTF-8");

/// The event that a whole frame is, if its payload is right.
pub(super) fn frame_event(opcode: OpCode, payload: &[u8]) -> Result<Event<'_>, Violation> {
    match opcode {
        OpCode::Data(Data::Text) => str::from_utf8(payload).map(Event::Text).map_err(|_| NOT_UTF8),
        OpCode::Control(Control::Ping) => Ok(Event::Ping(payload)),
        OpCode::Control(Control::Pong) => Ok(Event::Pong(payload)),
        OpCode::Control(_) => close_event(payload),
        OpCode::Data(_) => Ok(Event::Binary(payload)),
    }
}

fn close_event(payload: &[u8]) -> Result<Event<'_>, Violation> {
    let (code, reason) = match *payload {
        [] => return Ok(Event::Close(None)),
        [_] => return Err((PROTOCOL_ERROR, "the close code is cut short")),
        [high, low, ref reason @ ..] => (u16::from_be_bytes([high, low]), reason),
    };
    if !close_code::is_allowed(code) {
        return Err((PROTOCOL_ERROR, "the close code is not allowed"));
    }
    let reason = str::from_utf8(reason).map_err(|_| (INVALID_PAYLOAD, "the close reason is not UTF-8"))?;
    Ok(Event::Close(Some((code, reason))))
}

pub(super) fn violation_event<'a>((code, reason): Violation) -> Event<'a> {
    Event::Violation { code, reason }
}
