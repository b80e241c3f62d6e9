//! The JSON messages of the protocol: what clients send, and what they are sent.

mod client;
mod depth;
mod kind;
mod numbers;
mod server;
mod shared_text;

pub use client::{ClientMessage, HEARTBEAT, MAX_ACTION_BYTES, MessageError, RESYNC, is_action, shorten};
pub use depth::{MAX_DEPTH, TOO_DEEP, is_too_deep};
pub use kind::{MessageType, RESERVED_TYPE};
pub use numbers::{InputName, InputOrder, KEPT_ANSWERS, MAX_ANSWER_BYTES, MAX_N, OUT_OF_ORDER, whole};
pub use server::{
    Welcome, batch_frame, batch_text, epoch_text, error, heartbeat, parse_epoch, refusal, reply, snapshot,
    welcome, with_script,
};
pub use shared_text::SharedText;
