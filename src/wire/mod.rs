//! Bytes ↔ values: HTTP/1.1, WebSocket frames and the JSON messages in them. No sockets here, no clock.
//!
//! The closed sets of the protocol are tables: [`ErrorCode`], `ws/close_code.rs` and `message/kind.rs`. Each says how to add a line.

mod address;
mod buffer;
mod error_code;
pub mod http;
pub mod ids;
pub mod message;
pub(crate) mod percent;
mod position;
pub mod proxy_header;
pub mod ws;

pub use self::address::{Address, AddressError};
pub use self::error_code::{Code, ErrorCode};
pub use self::position::{Position, Recovered};

/// The text without the byte order mark that some editors and shells begin files and pipes with.
pub(crate) fn without_mark(text: &str) -> &str {
    text.trim_start_matches('\u{feff}')
}

#[cfg(any(test, fuzzing))]
pub(crate) mod testing;
