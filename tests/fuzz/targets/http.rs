//! Requests: heads, bodies, chunks. They come to the same however they are cut, hold no more memory than the limits allow, and
//! what was read can be written and read again.

use crate::fuzz::pieces;
use crate::wire::http::{Decoded, Request, RequestDecoder, RequestLimits};
use crate::wire::ws;

const LIMITS: RequestLimits = RequestLimits { head_bytes: 700, headers: 12, body_bytes: 300 };

/// The most that part of a request may hold: its head twice, as what is asked for is kept whole and by its parts, what each header takes
/// beside its text, and the body.
const MOST_BYTES: usize = 2 * LIMITS.head_bytes + 64 * LIMITS.headers + LIMITS.body_bytes;

pub(super) fn check(data: &[u8]) {
    let Some((input, pieces)) = pieces(data) else { return };
    let whole = outcomes(&[input]);
    assert_eq!(outcomes(&pieces), whole, "in pieces it is something else");
    for outcome in &whole {
        if let Decoded::Request(request) = outcome {
            check_request(request);
        }
    }
}

fn outcomes(pieces: &[&[u8]]) -> Vec<Decoded> {
    let mut decoder = RequestDecoder::new();
    let mut outcomes = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let (taken, outcome) = decoder.decode(rest, &LIMITS);
            rest = &rest[taken..];
            assert!(decoder.held_bytes() <= MOST_BYTES, "it holds too much");
            if outcome == Decoded::NeedMore {
                assert!(rest.is_empty(), "input is left although more is needed");
                break;
            }
            outcomes.push(outcome);
        }
    }
    outcomes
}

fn check_request(request: &Request) {
    assert!(request.body.len() <= LIMITS.body_bytes);
    for name in ["token", "game_id", "since", "a b"] {
        _ = request.query_parameter(name);
    }
    if let Ok(handshake) = ws::accept(request, true) {
        assert_eq!(handshake.accept_key.len(), 28);
    }
    let mut again = outcomes_of_written(request);
    let Some(Decoded::Request(read)) = again.pop() else { panic!("{request:?} is written as {again:?}") };
    assert_eq!((&read.method, &read.path, &read.query), (&request.method, &request.path, &request.query));
    assert_eq!((&read.body, read.version_minor), (&request.body, request.version_minor));
    assert_eq!(read.keep_alive, request.keep_alive);
}

fn outcomes_of_written(request: &Request) -> Vec<Decoded> {
    let method = request.method.as_str();
    let mut text = format!("{method} {} HTTP/1.{}\r\n", request.target, request.version_minor).into_bytes();
    let of_framing = ["content-length", "transfer-encoding", "expect"];
    for (name, value) in request.headers.iter().filter(|(name, _)| !of_framing.contains(&&**name)) {
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value);
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(format!("content-length: {}\r\n\r\n", request.body.len()).as_bytes());
    text.extend_from_slice(&request.body);
    let limits = RequestLimits { head_bytes: 2 * LIMITS.head_bytes, headers: LIMITS.headers + 1, ..LIMITS };
    let (taken, outcome) = RequestDecoder::new().decode(&text, &limits);
    assert_eq!(taken, text.len());
    vec![outcome]
}
