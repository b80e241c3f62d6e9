//! Why a WebSocket ends: the codes that the server sends. Clients come back after 4000–4499 and stay away after
//! 4500–4999.

/// Nothing is wrong.
pub const NORMAL: u16 = 1000;
/// The server stops: come back after a random delay.
pub const SHUTTING_DOWN: u16 = 1001;
/// The peer broke RFC 6455.
pub const PROTOCOL_ERROR: u16 = 1002;
/// Text that is not UTF-8.
pub const INVALID_PAYLOAD: u16 = 1007;
/// A message above the limit.
pub const MESSAGE_TOO_BIG: u16 = 1009;
/// The server failed.
pub const INTERNAL_ERROR: u16 = 1011;
/// The token has ended: come back with a new one.
pub const TOKEN_EXPIRED: u16 = 4001;
/// The peer reads too slowly.
pub const SLOW_CONSUMER: u16 = 4002;
/// The peer sends too much.
pub const RATE_LIMITED: u16 = 4003;
/// The peer did not answer a ping.
pub const NO_PONG: u16 = 4004;
/// Sent out of the room.
pub const KICKED: u16 = 4500;
/// The account is banned.
pub const BANNED: u16 = 4501;
/// The same user joined the room again.
pub const REPLACED: u16 = 4502;
/// The room is no more.
pub const ROOM_CLOSED: u16 = 4503;
/// One malformed message after another.
pub const TOO_MANY_ERRORS: u16 = 4504;

/// A code's name, for close reasons, logs and metrics; `other` for a code that the server never sends.
pub fn name(code: u16) -> &'static str {
    match code {
        NORMAL => "normal",
        SHUTTING_DOWN => "shutting_down",
        PROTOCOL_ERROR => "protocol_error",
        INVALID_PAYLOAD => "invalid_payload",
        MESSAGE_TOO_BIG => "message_too_big",
        INTERNAL_ERROR => "internal_error",
        TOKEN_EXPIRED => "token_expired",
        SLOW_CONSUMER => "slow_consumer",
        RATE_LIMITED => "rate_limited",
        NO_PONG => "no_pong",
        KICKED => "kicked",
        BANNED => "banned",
        REPLACED => "replaced",
        ROOM_CLOSED => "room_closed",
        TOO_MANY_ERRORS => "too_many_errors",
        _ => "other",
    }
}

/// Whether a peer may send the code: those of RFC 6455 section 7.4, those registered since then, and the ranges for
/// libraries and applications.
pub fn is_allowed(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
