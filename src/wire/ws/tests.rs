use std::io::{Cursor, Write as _};
use std::os::unix::net::UnixStream;

use proptest::prelude::*;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::protocol::frame::coding::{CloseCode, Data};
use tungstenite::protocol::frame::{Frame, FrameHeader};
use tungstenite::protocol::{Message, Role, WebSocket};

use super::*;
use crate::wire::http::{Decoded, RequestDecoder, RequestLimits};
use crate::wire::testing::{cut, cuttings};

const MAX_MESSAGE_BYTES: usize = 1000;
const MASK: [u8; 4] = [0x11, 0xa2, 0x33, 0xc4];
const CONTINUE: OpCode = OpCode::Data(Data::Continue);
const NOT_FINAL: bool = false;

/// An event that owns what it says.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    Violation(u16, &'static str),
}

/// Nothing of a fragment: what it is part of comes later.
fn seen(event: Event<'_>) -> Option<Seen> {
    Some(match event {
        Event::Fragment => return None,
        Event::Text(text) => Seen::Text(text.into()),
        Event::Binary(bytes) => Seen::Binary(bytes.into()),
        Event::Ping(payload) => Seen::Ping(payload.into()),
        Event::Pong(payload) => Seen::Pong(payload.into()),
        Event::Close(close) => Seen::Close(close.map(|(code, reason)| (code, reason.into()))),
        Event::Violation { code, reason } => Seen::Violation(code, reason),
    })
}

/// Feeds a piece and gives what came of it. Afterwards no more is held than is unfinished.
fn feed(decoder: &mut FrameDecoder, piece: &[u8]) -> Vec<Seen> {
    let mut piece = piece.to_vec();
    let mut rest = &mut piece[..];
    let mut events = Vec::new();
    loop {
        let (consumed, event) = decoder.decode(rest, MessageLimits::of_bytes(MAX_MESSAGE_BYTES), None);
        let Some(event) = event else {
            assert_eq!(consumed, rest.len(), "input was left although more is needed");
            assert!(decoder.held_bytes() <= MAX_MESSAGE_BYTES + MAX_CONTROL_PAYLOAD);
            return events;
        };
        events.extend(seen(event));
        rest = &mut std::mem::take(&mut rest)[consumed..];
    }
}

fn outcomes(pieces: &[&[u8]]) -> Vec<Seen> {
    let mut decoder = FrameDecoder::new();
    pieces.iter().flat_map(|piece| feed(&mut decoder, piece)).collect()
}

#[track_caller]
fn check(input: &[u8], expected: &[Seen]) {
    for pieces in cuttings(input) {
        assert_eq!(outcomes(&pieces), expected, "{}", input.escape_ascii());
    }
}

/// The input ends in a violation; what comes after it is not decoded.
#[track_caller]
fn violates(input: &[u8], expected_code: u16, expected_reason: &str) {
    let whole = outcomes(&[input]);
    let Some(&Seen::Violation(code, reason)) = whole.last() else { panic!("{whole:?}") };
    assert_eq!(code, expected_code, "{reason}");
    assert!(reason.contains(expected_reason), "{reason}");
    check(input, &whole);
    check(&[input, &text("more")].concat(), &whole);
}

/// The input is a violation although its frame is unfinished; every shorter input is not.
#[track_caller]
fn violates_at_once(input: &[u8], expected_code: u16) {
    let (last, before) = input.split_last().unwrap();
    let mut decoder = FrameDecoder::new();
    assert_eq!(feed(&mut decoder, before), [], "{} is too early", before.escape_ascii());
    let [Seen::Violation(code, _)] = feed(&mut decoder, &[*last])[..] else {
        panic!("{} is still fine", input.escape_ascii())
    };
    assert_eq!(code, expected_code);
}

/// A client's frame, written by tungstenite.
fn frame(opcode: OpCode, is_final: bool, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader { opcode, is_final, mask: Some(MASK), ..FrameHeader::default() };
    let mut out = Vec::new();
    Frame::from_payload(header, payload.to_vec().into()).format(&mut out).unwrap();
    out
}

fn text(payload: &str) -> Vec<u8> {
    frame(TEXT, true, payload.as_bytes())
}

/// A frame's header as given, the masking key and no payload.
fn header(bytes: &[u8]) -> Vec<u8> {
    [bytes, &MASK].concat()
}

#[test]
fn messages() {
    check(&text("hello"), &[Seen::Text("hello".into())]);
    check(&text(""), &[Seen::Text("".into())]);
    check(&frame(BINARY, true, b"\xff\0"), &[Seen::Binary(b"\xff\0".into())]);
    check(&frame(PING, true, b"p"), &[Seen::Ping(b"p".into())]);
    check(&frame(PONG, true, b""), &[Seen::Pong(b"".into())]);
    check(
        &[text("a"), text("κόσμε"), frame(PING, true, &[7; 125]), text("b")].concat(),
        &[
            Seen::Text("a".into()),
            Seen::Text("κόσμε".into()),
            Seen::Ping(vec![7; 125]),
            Seen::Text("b".into()),
        ],
    );
    for len in [125, 126, 127, MAX_MESSAGE_BYTES] {
        check(&text(&"x".repeat(len)), &[Seen::Text("x".repeat(len))]);
    }
}

#[test]
fn long_lengths() {
    for len in [0xffff, 0x1_0000] {
        let mut input = frame(BINARY, true, &vec![9; len]);
        let mut decoder = FrameDecoder::new();
        let (first, second) = input.split_at_mut(7);
        assert_eq!(decoder.decode(first, MessageLimits::of_bytes(len), None), (7, None));
        let (consumed, event) = decoder.decode(second, MessageLimits::of_bytes(len), None);
        assert_eq!(event, Some(Event::Binary(&vec![9; len][..])));
        assert_eq!(consumed, input.len() - 7);
    }
}

#[test]
fn fragments() {
    let fragments = [
        frame(TEXT, NOT_FINAL, "aκ".as_bytes()),
        frame(CONTINUE, NOT_FINAL, b""),
        frame(CONTINUE, true, b"z"),
    ];
    check(&fragments.concat(), &[Seen::Text("aκz".into())]);
    let empty = [frame(BINARY, NOT_FINAL, b""), frame(CONTINUE, true, b"")];
    check(&empty.concat(), &[Seen::Binary(vec![])]);
    check(
        &[fragments.concat(), text("next")].concat(),
        &[Seen::Text("aκz".into()), Seen::Text("next".into())],
    );
}

#[test]
fn a_message_has_so_many_fragments() {
    let fragment = |opcode: OpCode, is_final: bool| frame(opcode, is_final, b"");
    let most = [
        frame(BINARY, NOT_FINAL, b"a"),
        fragment(CONTINUE, NOT_FINAL).repeat(MAX_FRAGMENTS as usize - 2),
        frame(CONTINUE, true, b"z"),
    ];
    assert_eq!(
        outcomes(&[&most.concat(), &text("next")]),
        [Seen::Binary(b"az".into()), Seen::Text("next".into())]
    );
    let most =
        [frame(BINARY, NOT_FINAL, b""), fragment(CONTINUE, NOT_FINAL).repeat(MAX_FRAGMENTS as usize - 1)]
            .concat();
    assert_eq!(outcomes(&[&most]), []);
    for is_final in [false, true] {
        let one_more = fragment(CONTINUE, is_final);
        let reason = "the message has too many fragments";
        assert_eq!(outcomes(&[&most, &one_more]), [Seen::Violation(1009, reason)]);
        let with_ping = [frame(PING, true, b""), one_more].concat();
        let expected = [Seen::Ping(vec![]), Seen::Violation(1009, reason)];
        assert_eq!(outcomes(&[&most, &with_ping]), expected, "a ping between is not counted");
    }
}

#[test]
fn control_frames_between_fragments() {
    let input = [
        frame(TEXT, NOT_FINAL, b"a"),
        frame(PING, true, b"p"),
        frame(CONTINUE, NOT_FINAL, b"b"),
        frame(PONG, true, b""),
        frame(CONTINUE, true, b"c"),
    ];
    check(&input.concat(), &[Seen::Ping(b"p".into()), Seen::Pong(vec![]), Seen::Text("abc".into())]);
    let closed = [frame(TEXT, NOT_FINAL, b"a"), frame(CLOSE, true, b""), frame(CONTINUE, true, b"b")];
    check(&closed.concat(), &[Seen::Close(None)]);
}

#[test]
fn characters_cut_between_fragments() {
    let word = "κόσμε𝄞".as_bytes();
    for at in 0..=word.len() {
        let input = [frame(TEXT, NOT_FINAL, &word[..at]), frame(CONTINUE, true, &word[at..])];
        check(&input.concat(), &[Seen::Text("κόσμε𝄞".into())]);
    }
}

#[test]
fn text_is_utf8() {
    for bad in [
        &b"\xff"[..],
        b"a\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xce",
        b"ab\xf0\x9d\x84",
        b"\x80",
    ] {
        violates(&frame(TEXT, true, bad), 1007, "UTF-8");
        let fragments = [frame(TEXT, NOT_FINAL, bad), frame(CONTINUE, true, b"a")];
        violates(&fragments.concat(), 1007, "UTF-8");
    }
    let after_control =
        [frame(TEXT, NOT_FINAL, b"\xce"), frame(PING, true, b""), frame(CONTINUE, true, b"\xce")];
    violates(&after_control.concat(), 1007, "UTF-8");
}

#[test]
fn text_that_cannot_become_utf8_fails_within_its_frame() {
    let begun = |opcode: OpCode, payload: &[u8]| {
        let mut frame = frame(opcode, true, &[payload, b"x"].concat());
        frame.pop();
        frame
    };
    violates_at_once(&begun(TEXT, b"ab\xff"), 1007);
    violates_at_once(&begun(TEXT, b"\xce\xba\xf4\x90"), 1007);
    violates_at_once(&begun(TEXT, b"\xed\xa0"), 1007);
    violates_at_once(&begun(TEXT, b"\xce\xce"), 1007);
    violates_at_once(&[frame(TEXT, NOT_FINAL, b"\xf4"), begun(CONTINUE, b"\x90")].concat(), 1007);
}

#[test]
fn headers() {
    violates(&header(&[0xc1, 0x80]), 1002, "reserved");
    violates(&header(&[0xa1, 0x80]), 1002, "reserved");
    violates(&header(&[0x91, 0x80]), 1002, "reserved");
    violates(&header(&[0xf9, 0x80]), 1002, "reserved");
    for opcode in (3..=7).chain(11..=15) {
        violates(&header(&[0x80 | opcode, 0x80]), 1002, "opcode");
    }
    violates(&[0x81, 0], 1002, "masked");
    violates(&[0x81, 1, b'x'], 1002, "masked");
    violates(&[0x89, 0], 1002, "masked");
}

#[test]
fn lengths() {
    violates(&header(&[0x82, 0xfe, 0, 125]), 1002, "shortest");
    violates(&header(&[0x82, 0xfe, 0, 0]), 1002, "shortest");
    violates(&header(&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 1]), 1002, "shortest");
    violates(&header(&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff]), 1002, "shortest");
    violates(&header(&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0]), 1002, "highest bit");
    violates(&header(&[0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), 1009, "too long");
}

#[test]
fn messages_above_the_limit_fail_at_the_header() {
    violates_at_once(&header(&[0x82, 0xfe, 0x03, 0xe9]), 1009);
    let too_long_together = [frame(BINARY, NOT_FINAL, &[0; 600]), header(&[0x80, 0xfe, 0x01, 0x91])];
    violates_at_once(&too_long_together.concat(), 1009);
    let just_fits = [frame(BINARY, NOT_FINAL, &[0; 600]), frame(CONTINUE, true, &[0; 400])];
    check(&just_fits.concat(), &[Seen::Binary(vec![0; 1000])]);
}

#[test]
fn control_frames() {
    for opcode in [PING, PONG, CLOSE] {
        let first = 0x80 | u8::from(opcode);
        violates(&header(&[first, 0xfe, 0, 126]), 1002, "too long");
        violates(&frame(opcode, NOT_FINAL, b""), 1002, "fragmented");
    }
}

#[test]
fn the_order_of_fragments() {
    violates(&frame(CONTINUE, true, b"x"), 1002, "continuation");
    violates(&frame(CONTINUE, NOT_FINAL, b"x"), 1002, "continuation");
    violates(&[text("a"), frame(CONTINUE, true, b"x")].concat(), 1002, "continuation");
    for is_final in [true, NOT_FINAL] {
        let twice = [frame(TEXT, NOT_FINAL, b"a"), frame(BINARY, is_final, b"b")];
        violates(&twice.concat(), 1002, "within");
    }
}

#[test]
fn closes() {
    let close = |payload: &[u8]| frame(CLOSE, true, payload);
    let with_code = |code: u16| close(&code.to_be_bytes());
    check(&[close(b""), text("more")].concat(), &[Seen::Close(None)]);
    check(&close(b"\x03\xe8bye \xc3\xa9"), &[Seen::Close(Some((1000, "bye é".into())))]);
    for code in
        [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
    {
        check(&with_code(code), &[Seen::Close(Some((code, String::new())))]);
    }
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        violates(&with_code(code), 1002, "not allowed");
    }
    violates(&close(b"\x03"), 1002, "cut short");
    violates(&close(b"\x03\xe8\xff"), 1007, "UTF-8");
    violates(&close(b"\x03\xe8\xce"), 1007, "UTF-8");
}

#[test]
fn whole_frames_are_not_copied() {
    let mut decoder = FrameDecoder::new();
    let mut input = text("hello");
    let range = input.as_ptr_range();
    let (_, Some(Event::Text(text))) =
        decoder.decode(&mut input, MessageLimits::of_bytes(MAX_MESSAGE_BYTES), None)
    else {
        panic!("no text")
    };
    assert!(range.contains(&text.as_ptr()));
    assert!(decoder.is_idle());
}

#[test]
fn a_decoder_takes_two_words_and_gives_memory_back() {
    assert!(size_of::<FrameDecoder>() <= 16);
    let mut decoder = FrameDecoder::new();
    let input = [frame(TEXT, NOT_FINAL, b"a"), frame(CONTINUE, true, b"b")].concat();
    for byte in &input[..input.len() - 1] {
        assert_eq!(feed(&mut decoder, &[*byte]), []);
        assert!(!decoder.is_idle());
    }
    assert_eq!(feed(&mut decoder, &input[input.len() - 1..]), [Seen::Text("ab".into())]);
    assert!(decoder.is_idle());
    assert_eq!(decoder.held_bytes(), 0);
}

#[test]
fn the_memory_of_the_last_event_can_be_given_back_without_more_input() {
    let mut decoder = FrameDecoder::new();
    let mut input = text("hello");
    let (first, second) = input.split_at_mut(8);
    assert_eq!(decoder.decode(first, MessageLimits::of_bytes(MAX_MESSAGE_BYTES), None).1, None);
    assert_eq!(
        decoder.decode(second, MessageLimits::of_bytes(MAX_MESSAGE_BYTES), None).1,
        Some(Event::Text("hello"))
    );
    assert!(decoder.held_bytes() > 0);
    decoder.release();
    assert!(decoder.is_idle() && decoder.held_bytes() == 0);
}

#[test]
fn an_announced_length_takes_no_memory() {
    let mut decoder = FrameDecoder::new();
    let mut begun = header(&[0x82, 0xff, 0, 0, 0, 0, 1, 0, 0, 0]);
    begun.extend([0; 100]);
    assert_eq!(decoder.decode(&mut begun, MessageLimits::of_bytes(1 << 30), None).1, None);
    assert!(decoder.held_bytes() <= 200, "{}", decoder.held_bytes());
}

#[test]
fn server_frames_are_read_by_tungstenite() {
    let mut out = Vec::new();
    for len in [0, 1, 125, 126, 0xffff, 0x1_0000] {
        encode_frame(&mut out, TEXT, "x".repeat(len).as_bytes());
        encode_frame(&mut out, BINARY, &vec![1; len]);
    }
    encode_frame(&mut out, PING, b"p");
    out.extend_from_slice(&text_frame(b"shared"));
    encode_close(&mut out, close_code::TOKEN_EXPIRED, "é".repeat(100).as_str());
    let mut peer = WebSocket::from_raw_socket(Cursor::new(out), Role::Client, None);
    for len in [0, 1, 125, 126, 0xffff, 0x1_0000] {
        assert_eq!(peer.read().unwrap(), Message::text("x".repeat(len)));
        assert_eq!(peer.read().unwrap(), Message::binary(vec![1; len]));
    }
    assert_eq!(peer.read().unwrap(), Message::Ping("p".into()));
    assert_eq!(peer.read().unwrap(), Message::text("shared"));
    let Message::Close(Some(close)) = peer.read().unwrap() else { panic!("no close") };
    assert_eq!((close.code, close.reason.as_str()), (CloseCode::Library(4001), "é".repeat(61).as_str()));
}

#[test]
fn close_codes_have_names_of_their_own() {
    use close_code::*;
    let codes = [
        NORMAL,
        SHUTTING_DOWN,
        PROTOCOL_ERROR,
        INVALID_PAYLOAD,
        MESSAGE_TOO_BIG,
        INTERNAL_ERROR,
        TOKEN_EXPIRED,
        SLOW_CONSUMER,
        RATE_LIMITED,
        NO_PONG,
        KICKED,
        BANNED,
        REPLACED,
        ROOM_CLOSED,
        TOO_MANY_ERRORS,
    ];
    let names: std::collections::HashSet<_> = codes.into_iter().map(name).collect();
    assert_eq!(names.len(), codes.len());
    assert!(codes.into_iter().all(is_allowed));
    assert_eq!((name(4001), name(4504), name(1234)), ("token_expired", "too_many_errors", "other"));
}

#[test]
fn tungstenite_connects_and_is_understood() {
    let (client, server) = UnixStream::pair().unwrap();
    let peer = std::thread::spawn(move || {
        let mut request = "ws://localhost/ws?game_id=a".into_client_request().unwrap();
        request.headers_mut().insert("Sec-WebSocket-Protocol", "godra, bearer.a.b-c_d".parse().unwrap());
        let (mut socket, response) = tungstenite::client(request, client).unwrap();
        socket.send(Message::text("hello")).unwrap();
        (socket.read().unwrap(), response.headers()["sec-websocket-protocol"].clone())
    });
    let mut buffer = [0; 4096];
    let mut requests = RequestDecoder::new();
    let request = loop {
        let len = std::io::Read::read(&mut &server, &mut buffer).unwrap();
        match requests.decode(&buffer[..len], &RequestLimits::default()) {
            (_, Decoded::Request(request)) => break request,
            (_, other) => assert_eq!(other, Decoded::NeedMore),
        }
    };
    let handshake = accept(&request, true).unwrap();
    assert_eq!(handshake.bearer.as_deref(), Some("a.b-c_d"));
    let mut out = Vec::new();
    encode_101(&mut out, &handshake);
    (&server).write_all(&out).unwrap();
    let mut frames = FrameDecoder::new();
    let mut events = Vec::new();
    while events.is_empty() {
        let len = std::io::Read::read(&mut &server, &mut buffer).unwrap();
        events = feed(&mut frames, &buffer[..len]);
    }
    assert_eq!(events, [Seen::Text("hello".into())]);
    (&server).write_all(&text_frame(b"welcome")).unwrap();
    let (message, protocol) = peer.join().unwrap();
    assert_eq!((message, protocol.to_str().unwrap()), (Message::text("welcome"), "godra"));
}

/// Bytes of a message or a control frame, and what they mean.
fn any_message() -> impl Strategy<Value = (Vec<u8>, Vec<Seen>)> {
    let payload = prop_oneof!["[a-zé𝄞]{0,40}", "[a-z]{120,200}"];
    let sizes = prop::collection::vec(0..30_usize, 1..6);
    let ping = prop::option::of(prop::collection::vec(any::<u8>(), 0..125));
    (any::<bool>(), payload, sizes, ping).prop_map(|(is_text, payload, sizes, ping)| {
        let mut bytes = Vec::new();
        let mut opcode = if is_text { TEXT } else { BINARY };
        let mut rest = payload.as_bytes();
        let mut expected = Vec::new();
        for size in sizes {
            let (fragment, after) = rest.split_at(size.min(rest.len()));
            bytes.extend(frame(opcode, NOT_FINAL, fragment));
            bytes.extend(ping.iter().flat_map(|ping| frame(PING, true, ping)));
            expected.extend(ping.clone().map(Seen::Ping));
            (rest, opcode) = (after, CONTINUE);
        }
        bytes.extend(frame(opcode, true, rest));
        expected.push(if is_text { Seen::Text(payload) } else { Seen::Binary(payload.into_bytes()) });
        (bytes, expected)
    })
}

proptest! {
    #[test]
    fn messages_come_out_however_they_are_cut(
        messages in prop::collection::vec(any_message(), 1..5),
        lengths in prop::collection::vec(1..100_usize, 1..6),
    ) {
        let input: Vec<u8> = messages.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let expected: Vec<Seen> = messages.into_iter().flat_map(|(_, expected)| expected).collect();
        prop_assert_eq!(outcomes(&cut(&input, &lengths)), expected);
    }

    #[test]
    fn damaged_frames_come_to_the_same_however_they_are_cut(
        (mut input, _) in any_message(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        lengths in prop::collection::vec(1..50_usize, 1..6),
    ) {
        for (at, byte) in damage {
            *at.get_mut(&mut input) = byte;
        }
        prop_assert_eq!(outcomes(&cut(&input, &lengths)), outcomes(&[&input]));
    }

    #[test]
    fn any_bytes_come_to_the_same_however_they_are_cut(
        input in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&[0x81, 0x80, 0x01, 0x82][..])], 0..300),
        lengths in prop::collection::vec(1..50_usize, 1..6),
    ) {
        prop_assert_eq!(outcomes(&cut(&input, &lengths)), outcomes(&[&input]));
    }
}
