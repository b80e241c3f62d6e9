//! WebSocket (RFC 6455), the server's side: the opening handshake, frames in and frames out.
//!
//! The one extension is [`deflate`]; a reserved bit that it does not ask for is an error.

pub mod close_code;
mod decoder;
pub mod deflate;
mod event;
mod frame;
mod handshake;
mod mask;

pub use decoder::{FrameDecoder, MAX_FRAGMENTS, MessageLimits};
pub use event::Event;
pub use frame::{
    BINARY, CLOSE, FrameHead, MAX_CONTROL_PAYLOAD, PING, PONG, TEXT, encode_close, encode_frame,
    frame_header, text_frame,
};
pub use handshake::{Handshake, SUBPROTOCOL, accept, encode_101};
pub use tungstenite::protocol::frame::coding::OpCode;

#[cfg(test)]
mod tests;
