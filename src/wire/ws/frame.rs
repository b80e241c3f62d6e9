//! Frames from the server: final, unmasked, never fragmented.

use std::io::Cursor;
use std::ops::Deref;

use bytes::Bytes;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// Opcode of a whole text message.
pub const TEXT: OpCode = OpCode::Data(Data::Text);
/// Opcode of a whole binary message.
pub const BINARY: OpCode = OpCode::Data(Data::Binary);
/// Opcode of a close frame, whose payload begins with the code.
pub const CLOSE: OpCode = OpCode::Control(Control::Close);
/// Opcode of a ping, which asks for a pong.
pub const PING: OpCode = OpCode::Control(Control::Ping);
/// Opcode of a pong, which carries what its ping carried.
pub const PONG: OpCode = OpCode::Control(Control::Pong);

/// The most that a control frame carries, in bytes.
pub const MAX_CONTROL_PAYLOAD: usize = 125;
/// An unmasked header with a 64-bit length.
const MAX_HEADER: usize = 10;

/// The bytes of a frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    bytes: [u8; MAX_HEADER],
    len: u8,
}

impl Deref for FrameHead {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The header of a frame with a payload of `payload_len` bytes.
pub fn frame_header(opcode: OpCode, payload_len: usize) -> FrameHead {
    format_header(&FrameHeader { opcode, ..FrameHeader::default() }, payload_len)
}

/// As [`frame_header`], of a message whose payload is compressed (RFC 7692, section 6).
pub(super) fn compressed_header(opcode: OpCode, payload_len: usize) -> FrameHead {
    format_header(&FrameHeader { opcode, rsv1: true, ..FrameHeader::default() }, payload_len)
}

/// The opcode and the payload of a frame that is a whole uncompressed message of the server's; nothing of other bytes.
pub(super) fn whole_message(frame: &[u8]) -> Option<(OpCode, &[u8])> {
    let mut cursor = Cursor::new(frame);
    let (header, payload_len) = FrameHeader::parse(&mut cursor).ok()??;
    let is_plain = header.is_final && !header.rsv1 && header.mask.is_none();
    let payload = frame.get(cursor.position() as usize..)?;
    let is_message = is_plain && (header.opcode == TEXT || header.opcode == BINARY);
    (is_message && payload.len() as u64 == payload_len).then_some((header.opcode, payload))
}

fn format_header(header: &FrameHeader, payload_len: usize) -> FrameHead {
    let mut bytes = [0; MAX_HEADER];
    header.format(payload_len as u64, &mut bytes.as_mut_slice()).expect("no header is longer");
    FrameHead { bytes, len: header.len(payload_len as u64) as u8 }
}

/// Appends a whole frame. A control frame's payload is at most [`MAX_CONTROL_PAYLOAD`] bytes.
pub fn encode_frame(out: &mut Vec<u8>, opcode: OpCode, payload: &[u8]) {
    let is_control = matches!(opcode, OpCode::Control(_));
    debug_assert!(
        !is_control || payload.len() <= MAX_CONTROL_PAYLOAD,
        "a control frame of {} bytes",
        payload.len()
    );
    let header = frame_header(opcode, payload.len());
    out.reserve(header.len() + payload.len());
    out.extend_from_slice(&header);
    out.extend_from_slice(payload);
}

/// Appends a close frame. A reason that is too long is cut between two characters. To answer a close frame without a
/// code, send an empty one: `encode_frame(out, CLOSE, b"")`.
pub fn encode_close(out: &mut Vec<u8>, code: u16, reason: &str) {
    let reason_len = cut(reason, MAX_CONTROL_PAYLOAD - 2).len();
    let mut payload = [0; MAX_CONTROL_PAYLOAD];
    payload[..2].copy_from_slice(&code.to_be_bytes());
    payload[2..2 + reason_len].copy_from_slice(&reason.as_bytes()[..reason_len]);
    encode_frame(out, CLOSE, &payload[..2 + reason_len]);
}

/// A whole text frame, to be shared by everyone who gets it.
pub fn text_frame(payload: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(MAX_HEADER + payload.len());
    encode_frame(&mut frame, TEXT, payload);
    frame.into()
}

/// The longest start of `text` that is at most `max_bytes` long and ends between two characters.
fn cut(text: &str, max_bytes: usize) -> &str {
    let end = (0..=max_bytes.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}
