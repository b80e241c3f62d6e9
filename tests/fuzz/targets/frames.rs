//! WebSocket frames: they come to the same however they are cut, and hold no more memory than a message may have.

use crate::fuzz::pieces;
use crate::wire::ws::{Event, FrameDecoder, MAX_CONTROL_PAYLOAD, MessageLimits};

const LIMITS: MessageLimits = MessageLimits { bytes: 400, fragments: 6 };

pub(super) fn check(data: &[u8]) {
    let Some((input, pieces)) = pieces(data) else { return };
    let whole = events(&[input]);
    assert_eq!(events(&pieces), whole, "in pieces it is something else");
    let ends = whole.iter().position(|event| event.starts_with("Close") || event.starts_with("Violation"));
    assert!(ends.is_none_or(|at| at + 1 == whole.len()), "something comes after the end");
}

fn events(pieces: &[&[u8]]) -> Vec<String> {
    let mut decoder = FrameDecoder::new();
    let mut seen = Vec::new();
    for piece in pieces {
        let mut piece = piece.to_vec();
        let mut rest = &mut piece[..];
        loop {
            let (taken, event) = decoder.decode(rest, LIMITS, None);
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
        assert!(decoder.held_bytes() <= LIMITS.bytes + MAX_CONTROL_PAYLOAD, "it holds too much");
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
