//! Why a WebSocket ends: the table of the codes that the server sends.
//!
//! To add one, add a line to the table, and one to `close_codes` in `sdk/protocol.json`, and run `sdk/protocol/generate`: a test
//! compares them. Metrics take their labels from here. The number says what clients do that do not know it yet: they come back
//! after 4000–4499 and stay away after 4500–4999.

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseCode {
    /// As it is sent.
    pub code: u16,
    /// For close reasons, logs and metrics.
    pub name: &'static str,
    /// What the client does then.
    pub then: Then,
}

/// What a client does whose connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It connects again.
    ComeBack,
    /// Another try would end as this one did.
    StayAway,
}

macro_rules! close_codes {
    ($($(#[$doc:meta])+ $constant:ident = $code:literal $name:literal $then:ident;)+) => {
        $($(#[$doc])+ pub const $constant: u16 = $code;)+

        /// In the order of the table.
        pub const ALL: &[CloseCode] =
            &[$(CloseCode { code: $code, name: $name, then: Then::$then }),+];
    };
}

close_codes! {
    /// Nothing is wrong.
    NORMAL = 1000 "normal" StayAway;
    /// The server stops: come back after a random delay.
    SHUTTING_DOWN = 1001 "shutting_down" ComeBack;
    /// The peer broke RFC 6455.
    PROTOCOL_ERROR = 1002 "protocol_error" StayAway;
    /// Text that is not UTF-8.
    INVALID_PAYLOAD = 1007 "invalid_payload" StayAway;
    /// A message above the limit.
    MESSAGE_TOO_BIG = 1009 "message_too_big" StayAway;
    /// The server failed.
    INTERNAL_ERROR = 1011 "internal_error" ComeBack;
    /// The token has ended: come back with a new one.
    TOKEN_EXPIRED = 4001 "token_expired" ComeBack;
    /// The peer reads too slowly.
    SLOW_CONSUMER = 4002 "slow_consumer" ComeBack;
    /// The peer sends too much.
    RATE_LIMITED = 4003 "rate_limited" ComeBack;
    /// The peer did not answer a ping.
    NO_PONG = 4004 "no_pong" ComeBack;
    /// Not let in now, as the server is full, for instance; another try may do better.
    REFUSED_FOR_NOW = 4005 "refused_for_now" ComeBack;
    /// Sent out of the room.
    KICKED = 4500 "kicked" StayAway;
    /// The account is banned.
    BANNED = 4501 "banned" StayAway;
    /// The same user joined the room again.
    REPLACED = 4502 "replaced" StayAway;
    /// The room is no more.
    ROOM_CLOSED = 4503 "room_closed" StayAway;
    /// One malformed message after another.
    TOO_MANY_ERRORS = 4504 "too_many_errors" StayAway;
    /// Not let in.
    REFUSED = 4505 "refused" StayAway;
}

/// How a close frame without a code is counted (RFC 6455 section 7.4.1); never sent.
pub const NO_STATUS: u16 = 1005;

/// Codes that the server never sends, but counts: clients refuse a kind of data with 1003, or close without a code, and
/// 1006 stands for an end without a close frame.
pub const COUNTED_ONLY: [u16; 3] = [1003, NO_STATUS, 1006];

/// A code's name, for close reasons, logs and metrics; `other` for a code that the server never sends.
pub fn name(code: u16) -> &'static str {
    ALL.iter().find(|known| known.code == code).map_or("other", |known| known.name)
}

/// What a client does after an end with this code.
pub fn then(code: u16) -> Then {
    match ALL.iter().find(|known| known.code == code) {
        Some(known) => known.then,
        None if (4000..=4499).contains(&code) => Then::ComeBack,
        None => Then::StayAway,
    }
}

/// Whether a peer may send the code: those of RFC 6455 section 7.4, those registered since then, and the ranges for
/// libraries and applications.
pub fn is_allowed(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_say_by_their_number_what_is_done_then() {
        assert!(ALL.is_sorted_by(|one, other| one.code < other.code));
        for &CloseCode { code, name, then } in ALL {
            assert!(is_allowed(code) && !COUNTED_ONLY.contains(&code), "{name}");
            assert_eq!(super::then(code), then, "{name}");
            match code {
                4000..=4499 => assert_eq!(then, Then::ComeBack, "{name}"),
                4500.. => assert_eq!(then, Then::StayAway, "{name}"),
                _ => {}
            }
        }
        assert_eq!([4400, 4999, 3000].map(then), [Then::ComeBack, Then::StayAway, Then::StayAway]);
    }
}
