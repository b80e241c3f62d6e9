//! Bytes ↔ values: HTTP/1.1, WebSocket frames and the JSON messages in them. No sockets here, no clock.

mod buffer;
mod error_code;
pub mod http;
pub mod ids;
pub mod message;
mod position;
pub mod ws;

pub use self::error_code::{Code, ErrorCode};
pub use self::position::Position;

#[cfg(test)]
pub(crate) mod testing;
