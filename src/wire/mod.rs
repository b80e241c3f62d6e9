//! Bytes ↔ values: HTTP/1.1, WebSocket frames and the JSON messages in them. No sockets here, no clock.

mod buffer;
pub mod http;
pub mod ids;
pub mod message;
pub mod ws;

#[cfg(test)]
pub(crate) mod testing;
