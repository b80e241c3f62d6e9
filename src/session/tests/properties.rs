//! Random input, with seeds that proptest prints and keeps.

use proptest::prelude::*;
use proptest::sample::select;

use super::frames::*;
use super::peer::Peer;
use super::*;
use crate::session::http::HttpSession;
use crate::session::{Rejection, WebSocketSession};
use crate::wire::testing::cut;
use crate::wire::{Code, ErrorCode};

/// What may be sent for each byte that came, besides what a connection costs once. The most is asked for by an empty
/// frame, whose six bytes get an error event, and by the shortest request for a page.
const SENT_PER_BYTE: usize = 40;
const SENT_ONCE: usize = 1000;

/// Something that may happen to a connection.
#[derive(Clone, Debug)]
enum Happening {
    Bytes(Vec<u8>),
    Passes(u64),
    Answer,
    Drain,
}

/// Whole requests, of which each gets its answers and the connection goes on.
fn any_request() -> impl Strategy<Value = Vec<u8>> {
    let scripts = ["s", "fail", "busy", "forbidden", "missing"];
    let requests = vec![
        get("/"),
        get("/health"),
        get("/metrics"),
        get("/nowhere"),
        get("/ws?token=good&game_id=r"),
        request("HEAD /", &[]),
        request("PUT /", &[]),
        request("OPTIONS /api/rpc", &["Origin: https://a"]),
        post("/guest-login", &[], "[]"),
        post("/guest-login", &["Expect: 100-continue"], "{}"),
        post("/api/rpc", &[], "{}"),
        call("nonsense"),
        upgrade("/ws?token=good&game_id=closed"),
        upgrade("/ws?token=bad&game_id=r"),
        "POST /guest-login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
            .into(),
    ];
    let calls = scripts.map(|script| call(&format!(r#"{{"script":"{script}","args":[1,"a"]}}"#)));
    select([requests, calls.into()].concat()).prop_map(String::into_bytes)
}

/// Whole frames after which the WebSocket is still open.
fn any_frames() -> impl Strategy<Value = Vec<u8>> {
    let messages = [
        r#"{"action":"a"}"#,
        r#"{"action":"set","payload":{"x":[1,"é"]},"id":1}"#,
        r#"{"action":"heartbeat","id":2}"#,
        r#"{"action":"busy","id":3}"#,
        r#"{"action":"a","n":1}"#,
        "nonsense",
    ];
    let whole = messages.map(text).into_iter().chain(messages.map(|message| binary(message.as_bytes())));
    let cut = messages.map(|message| {
        let [a, b] = &fragments(&[&message[..5], &message[5..]])[..] else { unreachable!("two parts") };
        [a, &ping("between")[..], b].concat()
    });
    let control = [ping(""), ping("hello"), pong(""), binary(b"\xff")];
    select(whole.chain(cut).chain(control).collect::<Vec<_>>())
}

fn any_end() -> impl Strategy<Value = Vec<u8>> {
    select(vec![
        Vec::new(),
        close(1000, ""),
        empty_close(),
        frame(TEXT, true, b"\xff"),
        b"\x81\x01x".to_vec(),
    ])
}

/// Bytes in which requests and frames, whole and damaged, follow each other and noise.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let joining = Just(upgrade("/ws?token=good&game_id=r").into_bytes());
    let piece = prop_oneof![
        3 => any_request(),
        3 => any_frames(),
        1 => joining,
        1 => any_end(),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
        1 => select(vec![b"\r\n".to_vec(), b"GET / HTTP/1.0\r\n\r\n".to_vec(), b"\x81".to_vec(), vec![0; 7]]),
    ];
    let damage = proptest::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>()));
    (proptest::collection::vec(piece, 0..8), damage).prop_map(|(pieces, damage)| {
        let mut bytes = pieces.concat();
        if let Some((at, byte)) = damage.filter(|_| !bytes.is_empty()) {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

fn any_happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => any_bytes().prop_map(Happening::Bytes),
        2 => select(vec![1, 500, 9_999, 25_000, 75_000]).prop_map(Happening::Passes),
        3 => Just(Happening::Answer),
        1 => Just(Happening::Drain),
    ]
}

fn any_lengths() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(1_usize..60, 1..8)
}

fn talk(mut peer: Peer, input: &[u8], lengths: &[usize]) -> (Vec<String>, bool) {
    for piece in cut(input, lengths) {
        peer.talk(piece);
    }
    (peer.lines(), peer.session.wants_input())
}

fn without_limits(settings: &mut Settings) {
    settings.max_errors = u16::MAX;
}

proptest! {
    #[test]
    fn whatever_happens_is_survived(happenings in proptest::collection::vec(any_happening(), 0..12)) {
        let mut peer = Peer::with(|settings| settings.input_rate = Limit::set(5));
        let mut came = 0;
        for happening in happenings {
            match happening {
                Happening::Bytes(bytes) => {
                    came += bytes.len();
                    peer.send(bytes);
                }
                Happening::Passes(passing_ms) => _ = peer.pass(passing_ms),
                Happening::Answer => _ = peer.answer(),
                Happening::Drain => _ = peer.drain(),
            }
            let most = SENT_PER_BYTE * came + SENT_ONCE;
            prop_assert!(peer.sent_bytes() <= most, "{} bytes for {came}", peer.sent_bytes());
        }
    }

    #[test]
    fn requests_come_to_the_same_however_they_are_cut(
        requests in proptest::collection::vec(any_request(), 1..8),
        lengths in any_lengths(),
    ) {
        let input = requests.concat();
        prop_assert_eq!(talk(Peer::new(), &input, &lengths), talk(Peer::new(), &input, &[input.len()]));
    }

    #[test]
    fn frames_come_to_the_same_however_they_are_cut(
        frames in proptest::collection::vec(any_frames(), 1..8),
        end in any_end(),
        lengths in any_lengths(),
    ) {
        let input = [frames.concat(), end].concat();
        let peer = || Peer::member_with(without_limits);
        prop_assert_eq!(talk(peer(), &input, &lengths), talk(peer(), &input, &[input.len()]));
    }

    #[test]
    fn any_bytes_come_to_the_same_however_they_are_cut(input in any_bytes(), lengths in any_lengths()) {
        let whole = talk(Peer::new(), &input, &[input.len().max(1)]);
        prop_assert_eq!(talk(Peer::new(), &input, &lengths), whole);
    }

    #[test]
    fn errors_are_json_whatever_they_say(
        code in ".{0,20}",
        message in r#"[\PC\x00-\x1f"\\]{0,40}"#,
        has_details in any::<bool>(),
    ) {
        let details = has_details.then_some(r#"{"a":["\"}}"]}"#);
        let refused = Rejection { details: details.map(Into::into), code: Code::from(&*code), ..Rejection::new(ErrorCode::BadRequest, &*message) };
        let mut peer = Peer::new();
        peer.send(call(r#"{"script":"slow"}"#)).refuse_call(refused);
        let body = peer.last_response().split_once("\r\n\r\n").unwrap().1;
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        let mut expected = serde_json::json!({"error": {"code": code, "message": message}});
        if let Some(details) = details {
            expected["error"]["details"] = serde_json::from_str(details).unwrap();
        }
        prop_assert_eq!(body, expected);
    }
}

#[test]
fn idle_sessions_are_small() {
    let check = |name: &str, size: usize, most: usize| {
        println!("{name}: {size} bytes");
        assert!(size <= most, "{name} takes {size} bytes");
    };
    check("Session", size_of::<Session>(), 16);
    check("HttpSession", size_of::<HttpSession>(), 64);
    check("WebSocketSession", size_of::<WebSocketSession>(), 96);
}
