//! The attacks: what each sends, and what it must get.
//!
//! To add one: a line in [`KINDS`], and the function that makes its bytes.

use super::Seat;
use crate::client::codec::{self, Opcode};
use std::time::Duration;

/// An attack.
pub(crate) struct Kind {
    pub name: &'static str,
    /// What it does, for the reports.
    pub what: &'static str,
    /// How it begins.
    pub(super) entry: Entry,
    /// How it goes on.
    pub(super) pace: Pace,
    /// Whether it reads what it is answered.
    pub(super) reads: bool,
    /// Answers of which it must get at least one; see [`super::outcome::Tally::answers`].
    pub(super) must: &'static [&'static str],
    /// After how long.
    pub(super) within: Duration,
    /// Whether its connections are more than an address may have.
    is_crowd: bool,
    /// Whether each of its connections is in a room of its own.
    pub(crate) is_apart: bool,
}

impl Kind {
    /// Whether its connections are more than an address may have.
    pub(crate) fn is_crowd(&self) -> bool {
        self.is_crowd
    }
}

/// How an attack begins.
pub(super) enum Entry {
    /// As a member of a room.
    Member,
    /// With bytes of its own.
    Bytes(fn(&Seat) -> Vec<u8>),
}

/// How an attack goes on.
pub(super) enum Pace {
    /// As much as the server takes.
    Flood(fn(&Seat, u32, &mut Vec<u8>)),
    /// A little now and then.
    Drip(Duration, fn(&Seat, u32, &mut Vec<u8>)),
    /// It does nothing.
    Hold,
    /// It leaves at once, and comes again.
    Leave,
}

const SOON: Duration = Duration::from_secs(3);
/// A flood is slowed at first, and closed when it goes on for some seconds.
const FLOOD: Duration = Duration::from_secs(8);
const HEAD: Duration = Duration::from_secs(15);
const LONG: Duration = Duration::from_secs(45);
/// What a flood gives the socket at once.
const CHUNK_BYTES: usize = 16 << 10;

const MEMBER: Kind = Kind {
    name: "",
    what: "",
    entry: Entry::Member,
    pace: Pace::Hold,
    reads: true,
    must: &[],
    within: SOON,
    is_crowd: false,
    is_apart: false,
};

/// All attacks.
pub(crate) const KINDS: &[Kind] = &[
    Kind {
        name: "inputs",
        what: "inputs without end",
        pace: Pace::Flood(inputs),
        must: &["rate_limited", "close 4003"],
        ..MEMBER
    },
    Kind {
        name: "large-inputs",
        what: "inputs of 60 KiB without end",
        pace: Pace::Flood(large_inputs),
        must: &["rate_limited", "busy", "close 4003"],
        ..MEMBER
    },
    Kind {
        name: "costly-inputs",
        what: "a few inputs a second that take long, each attacker in a room of its own",
        pace: Pace::Drip(Duration::from_millis(300), costly_input),
        is_apart: true,
        ..MEMBER
    },
    Kind {
        name: "malformed",
        what: "messages that are none",
        pace: Pace::Flood(malformed),
        must: &["close 4504", "close 4003"],
        ..MEMBER
    },
    Kind {
        name: "pings",
        what: "pings without end",
        pace: Pace::Flood(pings),
        must: &["close 4003"],
        within: FLOOD,
        ..MEMBER
    },
    Kind {
        name: "one-byte-frames",
        what: "messages in frames of one byte",
        pace: Pace::Flood(one_byte_frames),
        must: &["close 4003", "close 4504", "close 1009", "rate_limited"],
        within: FLOOD,
        ..MEMBER
    },
    Kind {
        name: "half-messages",
        what: "messages of 60 KiB that do not end, with pings between",
        pace: Pace::Drip(Duration::from_secs(1), half_message),
        must: &["close 4002"],
        within: LONG,
        ..MEMBER
    },
    Kind {
        name: "deaf",
        what: "chat without end, by members who do not read",
        pace: Pace::Drip(Duration::from_millis(20), chat),
        reads: false,
        ..MEMBER
    },
    Kind { name: "comings", what: "members who come and go at once", pace: Pace::Leave, ..MEMBER },
    Kind {
        name: "logins",
        what: "logins with wrong passwords",
        entry: Entry::Bytes(nothing),
        pace: Pace::Flood(logins),
        must: &["429"],
        ..MEMBER
    },
    Kind {
        name: "guests",
        what: "new guests without end",
        entry: Entry::Bytes(nothing),
        pace: Pace::Flood(guests),
        must: &["429"],
        ..MEMBER
    },
    Kind {
        name: "rpcs",
        what: "calls without end",
        entry: Entry::Bytes(nothing),
        pace: Pace::Flood(rpcs),
        must: &["429"],
        ..MEMBER
    },
    Kind {
        name: "rooms",
        what: "lobbies without end",
        entry: Entry::Bytes(nothing),
        pace: Pace::Flood(rooms),
        must: &["409"],
        ..MEMBER
    },
    Kind {
        name: "scrapes",
        what: "the metrics, without end",
        entry: Entry::Bytes(nothing),
        pace: Pace::Flood(scrapes),
        must: &["200"],
        ..MEMBER
    },
    Kind {
        name: "pages",
        what: "pages without end",
        entry: Entry::Bytes(nothing),
        pace: Pace::Flood(pages),
        must: &["200", "404"],
        ..MEMBER
    },
    Kind {
        name: "half-heads",
        what: "heads that come byte by byte",
        entry: Entry::Bytes(head),
        pace: Pace::Drip(Duration::from_millis(100), a_byte),
        must: &["408"],
        within: HEAD,
        ..MEMBER
    },
    Kind {
        name: "huge-heads",
        what: "heads without end",
        entry: Entry::Bytes(head),
        pace: Pace::Flood(many_bytes),
        must: &["431"],
        ..MEMBER
    },
    Kind {
        name: "half-bodies",
        what: "bodies that stop before their end",
        entry: Entry::Bytes(half_body),
        must: &["408", "413", "503"],
        within: LONG,
        ..MEMBER
    },
    Kind {
        name: "half-bodies-of-calls",
        what: "the same with a login",
        entry: Entry::Bytes(half_body_of_call),
        must: &["408", "413", "503"],
        within: LONG,
        ..MEMBER
    },
    Kind {
        name: "silence",
        what: "connections on which nothing comes",
        entry: Entry::Bytes(nothing),
        must: &["408", "ended"],
        within: HEAD,
        ..MEMBER
    },
    Kind {
        name: "noise",
        what: "bytes that are nothing",
        entry: Entry::Bytes(nothing),
        pace: Pace::Flood(noise),
        must: &["400", "431"],
        ..MEMBER
    },
    Kind {
        name: "knocks",
        what: "connections that are closed at once",
        entry: Entry::Bytes(nothing),
        pace: Pace::Leave,
        ..MEMBER
    },
    Kind {
        name: "crowd",
        what: "more connections than an address may have",
        entry: Entry::Bytes(nothing),
        must: &["503"],
        is_crowd: true,
        ..MEMBER
    },
];

/// Appends a frame with the mask 0, which leaves the payload as it is.
fn frame(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    codec::encode(out, opcode, payload, 0);
}

/// Fills a chunk with what `one` appends.
fn fill(out: &mut Vec<u8>, mut one: impl FnMut(&mut Vec<u8>)) {
    while out.len() < CHUNK_BYTES {
        one(out);
    }
}

fn inputs(_: &Seat, n: u32, out: &mut Vec<u8>) {
    let x = 10.0 + f64::from(n % 2) / 64.0;
    let text = format!(r#"{{"action":"move_player","payload":{{"x":{x},"y":10}}}}"#);
    fill(out, |out| frame(Opcode::Text, text.as_bytes(), out));
}

fn large_inputs(_: &Seat, _: u32, out: &mut Vec<u8>) {
    let text = format!(r#"{{"action":"update_state","payload":{{"a":"{}"}}}}"#, "x".repeat(60 << 10));
    frame(Opcode::Text, text.as_bytes(), out);
}

/// Many small numbers in many fields: a script that takes a state apart looks at each.
fn costly_input(_: &Seat, _: u32, out: &mut Vec<u8>) {
    const FIELDS: usize = 120;
    let numbers = ["1"; 220].join(",");
    let fields: Vec<String> = (0..FIELDS).map(|field| format!(r#""k{field}":[{numbers}]"#)).collect();
    let text = format!(r#"{{"action":"set","payload":{{{}}}}}"#, fields.join(","));
    frame(Opcode::Text, text.as_bytes(), out);
}

fn malformed(_: &Seat, _: u32, out: &mut Vec<u8>) {
    fill(out, |out| frame(Opcode::Text, b"{", out));
}

fn pings(_: &Seat, _: u32, out: &mut Vec<u8>) {
    fill(out, |out| frame(Opcode::Ping, b"", out));
}

/// Text frames that are not the last of their message: a first one, then continuations without end.
fn one_byte_frames(_: &Seat, n: u32, out: &mut Vec<u8>) {
    if n == 0 {
        out.extend_from_slice(&[0x01, 0x81, 0, 0, 0, 0, b' ']);
    }
    fill(out, |out| out.extend_from_slice(&[0x00, 0x81, 0, 0, 0, 0, b' ']));
}

/// All but the last byte of a message, in a frame that is not its last, and then pings.
fn half_message(_: &Seat, n: u32, out: &mut Vec<u8>) {
    if n > 0 {
        return frame(Opcode::Ping, b"", out);
    }
    frame(Opcode::Text, &[b' '; 60 << 10], out);
    let first = &mut out[0];
    *first &= 0x7f;
}

fn chat(_: &Seat, n: u32, out: &mut Vec<u8>) {
    let text = format!(r#"{{"action":"send_chat","payload":{{"message":"{n} {}"}}}}"#, "x".repeat(400));
    frame(Opcode::Text, text.as_bytes(), out);
}

fn nothing(_: &Seat) -> Vec<u8> {
    Vec::new()
}

fn post(path: &str, seat: &Seat, bearer: bool, body: &str, out: &mut Vec<u8>) {
    let Seat { host, token, .. } = seat;
    let bearer = if bearer { format!("Authorization: Bearer {token}\r\n") } else { String::new() };
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n{bearer}Content-Length: {length}\r\n\r\n");
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(body.as_bytes());
}

fn logins(seat: &Seat, n: u32, out: &mut Vec<u8>) {
    let body = format!(r#"{{"username":"nobody{}","password":"not the password"}}"#, n % 1000);
    post("/login", seat, false, &body, out);
}

fn guests(seat: &Seat, _: u32, out: &mut Vec<u8>) {
    post("/guest-login", seat, false, "{}", out);
}

fn rpcs(seat: &Seat, _: u32, out: &mut Vec<u8>) {
    let body = format!(r#"{{"script":"list_players","args":[],"keys":["game:{}"]}}"#, seat.game_id);
    post("/api/rpc", seat, true, &body, out);
}

fn rooms(seat: &Seat, _: u32, out: &mut Vec<u8>) {
    post("/api/rpc", seat, true, r#"{"script":"create_lobby","args":[4]}"#, out);
}

fn get(path: &str, seat: &Seat, out: &mut Vec<u8>) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", seat.host);
    fill(out, |out| out.extend_from_slice(request.as_bytes()));
}

fn scrapes(seat: &Seat, _: u32, out: &mut Vec<u8>) {
    get("/metrics", seat, out);
}

fn pages(seat: &Seat, _: u32, out: &mut Vec<u8>) {
    get("/", seat, out);
}

fn head(seat: &Seat) -> Vec<u8> {
    format!("GET /health HTTP/1.1\r\nHost: {}\r\nX-A: ", seat.host).into_bytes()
}

fn a_byte(_: &Seat, _: u32, out: &mut Vec<u8>) {
    out.push(b'a');
}

fn many_bytes(_: &Seat, _: u32, out: &mut Vec<u8>) {
    out.resize(CHUNK_BYTES, b'a');
}

/// What a request announces, and how much of it comes.
const BODY_BYTES: usize = 256 << 10;
const SENT_BYTES: usize = 250 << 10;

fn half_body(seat: &Seat) -> Vec<u8> {
    begin_body("/guest-login", "", seat)
}

fn half_body_of_call(seat: &Seat) -> Vec<u8> {
    begin_body("/api/rpc", &format!("Authorization: Bearer {}\r\n", seat.token), seat)
}

fn begin_body(path: &str, bearer: &str, seat: &Seat) -> Vec<u8> {
    let host = &seat.host;
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n{bearer}Content-Length: {BODY_BYTES}\r\n\r\n");
    let mut bytes = head.into_bytes();
    bytes.resize(bytes.len() + SENT_BYTES, b' ');
    bytes
}

fn noise(_: &Seat, n: u32, out: &mut Vec<u8>) {
    let mut state = n | 1;
    fill(out, |out| {
        state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        out.push((state >> 24) as u8);
    });
}
