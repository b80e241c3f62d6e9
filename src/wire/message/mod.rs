//! The JSON messages of the protocol: what clients send, and what they are sent.

mod client;
mod kind;
mod server;
mod shared_text;

pub use client::{ClientMessage, MAX_ACTION_BYTES, MessageError, shorten};
pub use kind::{MessageType, RESERVED_TYPE};
pub use server::{
    Welcome, batch_frame, batch_text, epoch_text, error, parse_epoch, reply, snapshot, welcome,
};
pub use shared_text::SharedText;
