//! WebSocket frames: they come to the same however they are cut, and hold no more memory than a message may have.

use crate::fuzz::pieces;
use crate::wire::ws::deflate::Inflater;
use crate::wire::ws::{Event, FrameDecoder, MAX_CONTROL_PAYLOAD, MessageLimits};

const LIMITS: MessageLimits = MessageLimits { bytes: 400, fragments: 6 };

pub(super) fn check(data: &[u8]) {
    let Some((input, pieces)) = pieces(data) else { return };
    let whole = events(&[input]);
    assert_eq!(events(&pieces), whole, "in pieces it is something else");
    check_ends(&whole);
    let inflated = events_of(&[input], true);
    assert_eq!(events_of(&pieces, true), inflated, "in pieces it is decompressed to something else");
    check_ends(&inflated);
}

fn check_ends(whole: &[String]) {
    let ends = whole.iter().position(|event| event.starts_with("Close") || event.starts_with("Violation"));
    assert!(ends.is_none_or(|at| at + 1 == whole.len()), "something comes after the end");
}

fn events(pieces: &[&[u8]]) -> Vec<String> {
    events_of(pieces, false)
}

/// With compression agreed on, or without.
fn events_of(pieces: &[&[u8]], compresses: bool) -> Vec<String> {
    let mut decoder = FrameDecoder::new();
    let mut inflater = Inflater::default();
    let mut seen = Vec::new();
    for piece in pieces {
        let mut piece = piece.to_vec();
        let mut rest = &mut piece[..];
        loop {
            let (taken, event) = decoder.decode(rest, LIMITS, compresses.then_some(&mut inflater));
            let Some(event) = event else {
                assert_eq!(taken, rest.len(), "input is left although more is needed");
                break;
            };
            check_event(&event);
            // How much of a message has come depends on the pieces that it comes in.
            if event != Event::Fragment {
                seen.push(format!("{event:?}"));
            }
            rest = &mut std::mem::take(&mut rest)[taken..];
        }
        // What is compressed may be a little longer as it comes.
        let slack = if compresses { LIMITS.bytes / 16 + 64 } else { 0 };
        let most = LIMITS.bytes + slack + MAX_CONTROL_PAYLOAD;
        assert!(decoder.held_bytes() <= most, "it holds too much");
    }
    seen
}

fn check_event(event: &Event<'_>) {
    match event {
        Event::Fragment => {}
        Event::Text(text) => assert!(text.len() <= LIMITS.bytes),
        Event::Binary(bytes) => assert!(bytes.len() <= LIMITS.bytes),
        Event::Ping(payload) | Event::Pong(payload) => assert!(payload.len() <= MAX_CONTROL_PAYLOAD),
        Event::Close(reason) => {
            assert!(reason.is_none_or(|(_, text)| text.len() + 2 <= MAX_CONTROL_PAYLOAD));
        }
        Event::Violation { code, .. } => assert!([1002, 1007, 1009].contains(code)),
    }
}
