//! A client's frames: masked, whole or in fragments.

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data};

use crate::wire::ws::OpCode;

pub(super) const TEXT: OpCode = OpCode::Data(Data::Text);
pub(super) const BINARY: OpCode = OpCode::Data(Data::Binary);
pub(super) const CONTINUE: OpCode = OpCode::Data(Data::Continue);
pub(super) const PING: OpCode = OpCode::Control(Control::Ping);
pub(super) const PONG: OpCode = OpCode::Control(Control::Pong);
pub(super) const CLOSE: OpCode = OpCode::Control(Control::Close);

const MASK: [u8; 4] = [0x9b, 0x00, 0x47, 0xf1];

pub(super) fn frame(opcode: OpCode, is_final: bool, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader { is_final, opcode, mask: Some(MASK), ..FrameHeader::default() };
    let mut bytes = Vec::new();
    header.format(payload.len() as u64, &mut bytes).unwrap();
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

pub(super) fn text(payload: &str) -> Vec<u8> {
    frame(TEXT, true, payload.as_bytes())
}

pub(super) fn binary(payload: &[u8]) -> Vec<u8> {
    frame(BINARY, true, payload)
}

pub(super) fn ping(payload: &str) -> Vec<u8> {
    frame(PING, true, payload.as_bytes())
}

pub(super) fn pong(payload: &str) -> Vec<u8> {
    frame(PONG, true, payload.as_bytes())
}

/// A close frame with a code and a reason.
pub(super) fn close(code: u16, reason: &str) -> Vec<u8> {
    frame(CLOSE, true, &[&code.to_be_bytes()[..], reason.as_bytes()].concat())
}

/// A close frame without a code.
pub(super) fn empty_close() -> Vec<u8> {
    frame(CLOSE, true, b"")
}

/// A part of a text message of which more is to come, the first or a further one.
pub(super) fn fragment(is_first: bool, part: &str) -> Vec<u8> {
    frame(if is_first { TEXT } else { CONTINUE }, false, part.as_bytes())
}

/// A text message in fragments.
pub(super) fn fragments(parts: &[&str]) -> Vec<Vec<u8>> {
    let last = parts.len() - 1;
    let opcode = |at: usize| if at == 0 { TEXT } else { CONTINUE };
    let fragment = |(at, part): (usize, &&str)| frame(opcode(at), at == last, part.as_bytes());
    parts.iter().enumerate().map(fragment).collect()
}
