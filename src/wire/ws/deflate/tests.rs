use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};
use proptest::prelude::*;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Data, OpCode};

use super::*;
use crate::wire::testing::cut;
use crate::wire::ws::{BINARY, Event, FrameDecoder, MessageLimits, PING, TEXT, text_frame};

const CONTINUE: OpCode = OpCode::Data(Data::Continue);
const MASK: [u8; 4] = [0x5a, 0x01, 0xfe, 0x33];
const LIMIT: usize = 2000;
const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

fn answer(lines: &[&str]) -> Option<String> {
    let elements = |line: &&'static str| line.split(',').map(|offer| offer.trim().as_bytes());
    let lines: Vec<&'static str> = lines.iter().map(|line| &*String::from(*line).leak()).collect();
    let agreement = Agreement::find(lines.iter().flat_map(elements))?;
    let mut out = Vec::new();
    agreement.put_answer(&mut out);
    let text = String::from_utf8(out).unwrap();
    let fixed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    Some(text.strip_prefix(fixed).unwrap_or_else(|| panic!("{text}")).to_owned())
}

#[track_caller]
fn agrees(offers: &str, rest_of_answer: &str) {
    assert_eq!(answer(&[offers]).as_deref(), Some(rest_of_answer), "{offers}");
}

#[track_caller]
fn declines(offers: &str) {
    assert_eq!(answer(&[offers]), None, "{offers}");
}

#[test]
fn offers_that_are_agreed_to() {
    agrees("permessage-deflate", "");
    agrees("permessage-deflate; client_max_window_bits", "");
    agrees("permessage-deflate;client_max_window_bits=8", "");
    agrees("permessage-deflate; client_max_window_bits = \"15\"", "");
    agrees("permessage-deflate; server_no_context_takeover; client_no_context_takeover", "");
    agrees("permessage-deflate; server_max_window_bits=15", "; server_max_window_bits=15");
    agrees("permessage-deflate; server_max_window_bits=\"10\"", "; server_max_window_bits=10");
    agrees("permessage-deflate; server_max_window_bits=8", "; server_max_window_bits=8");
    agrees(
        "permessage-deflate; server_max_window_bits=9; client_max_window_bits",
        "; server_max_window_bits=9",
    );
}

#[test]
fn offers_that_are_declined() {
    for offer in
        ["", "x-webkit-deflate-frame", "Permessage-Deflate", "permessage-deflate2", "permessage-deflate=1"]
    {
        declines(offer);
    }
    for parameters in [
        "",
        "unknown",
        "unknown=1",
        "server_no_context_takeover=1",
        "client_no_context_takeover=\"\"",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "client_max_window_bits; client_max_window_bits",
        "client_max_window_bits=10; client_max_window_bits=10",
        "server_max_window_bits=10; server_max_window_bits=11",
        "server_max_window_bits",
        "server_max_window_bits=",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=08",
        "server_max_window_bits=+9",
        "server_max_window_bits=264",
        "server_max_window_bits=1\u{661}",
        "server_max_window_bits=\"10",
        "server_max_window_bits=10\"",
        "client_max_window_bits=0",
        "client_max_window_bits=99999999999999999999",
        "client_max_window_bits=ten",
    ] {
        declines(&format!("permessage-deflate; {parameters}"));
    }
}

#[test]
fn the_first_offer_that_is_right_is_taken() {
    agrees(
        "foo, permessage-deflate; x, permessage-deflate; server_max_window_bits=9, permessage-deflate",
        "; server_max_window_bits=9",
    );
    let lines = [
        "permessage-deflate; server_max_window_bits=77",
        "bar; a=b, permessage-deflate; client_max_window_bits",
    ];
    assert_eq!(answer(&lines).as_deref(), Some(""));
    let not_utf8 = [&b"permessage-deflate; \xff"[..], b"permessage-deflate"];
    assert!(Agreement::find(not_utf8.into_iter()).is_some());
}

/// As a client compresses that ends each message as section 7.2.1 has it.
fn compress(payload: &[u8], level: u32) -> Vec<u8> {
    let mut state = Compress::new(Compression::new(level), false);
    let mut out = Vec::with_capacity(payload.len() + payload.len() / 8 + 100);
    state.compress_vec(payload, &mut out, FlushCompress::Sync).unwrap();
    assert_eq!(state.total_in(), payload.len() as u64);
    out.truncate(out.len() - TAIL.len());
    out
}

fn frame(opcode: OpCode, rsv1: bool, is_final: bool, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader { is_final, rsv1, opcode, mask: Some(MASK), ..FrameHeader::default() };
    let mut bytes = Vec::new();
    header.format(payload.len() as u64, &mut bytes).unwrap();
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

fn compressed_text(payload: &[u8]) -> Vec<u8> {
    frame(TEXT, true, true, payload)
}

/// What comes of the pieces, where an empty text between two says that something was left over.
fn outcomes(pieces: &[&[u8]]) -> Vec<Result<Vec<u8>, u16>> {
    let (mut decoder, mut inflater) = (FrameDecoder::new(), Inflater::default());
    let mut outcomes = Vec::new();
    for piece in pieces {
        let mut piece = piece.to_vec();
        let mut rest = &mut piece[..];
        loop {
            let (used, event) = decoder.decode(rest, MessageLimits::of_bytes(LIMIT), Some(&mut inflater));
            match event {
                None => break,
                Some(Event::Text(text)) => outcomes.push(Ok(text.as_bytes().to_vec())),
                Some(Event::Binary(bytes)) => outcomes.push(Ok(bytes.to_vec())),
                Some(Event::Violation { code, .. }) => outcomes.push(Err(code)),
                Some(_) => {}
            }
            rest = &mut std::mem::take(&mut rest)[used..];
        }
    }
    assert!(inflater.held_bytes() <= LIMIT.max(FIRST_BYTES_OF_INFLATER) + 1);
    outcomes
}

const FIRST_BYTES_OF_INFLATER: usize = 4096;

#[track_caller]
fn becomes(input: &[u8], expected: &[Result<Vec<u8>, u16>]) {
    assert_eq!(outcomes(&[input]), expected, "{}", input.escape_ascii());
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(outcomes(&bytes), expected, "a byte at a time: {}", input.escape_ascii());
}

fn hello() -> Result<Vec<u8>, u16> {
    Ok(b"Hello".to_vec())
}

/// Sections 7.2.3.1 to 7.2.3.6.
#[test]
fn the_examples_of_the_rfc() {
    becomes(&compressed_text(HELLO), &[hello()]);
    let fragments = [frame(TEXT, true, false, &HELLO[..3]), frame(CONTINUE, false, true, &HELLO[3..])];
    becomes(&fragments.concat(), &[hello()]);
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    becomes(&compressed_text(&stored), &[hello()]);
    let marked_as_last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    becomes(&compressed_text(&marked_as_last), &[hello()]);
    let in_two_blocks = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    becomes(&compressed_text(&in_two_blocks), &[hello()]);
    becomes(&compressed_text(&[0]), &[Ok(Vec::new())]);
}

#[test]
fn each_message_stands_for_itself() {
    // The second of section 7.2.3.2 looks back to the first.
    let looks_back = [0xf2, 0x00, 0x11, 0x00, 0x00];
    becomes(&[compressed_text(HELLO), compressed_text(&looks_back)].concat(), &[hello(), Err(1007)]);
    becomes(&compressed_text(HELLO).repeat(3), &[hello(), hello(), hello()]);
    let plain_between = [compressed_text(HELLO), frame(TEXT, false, true, b"plain"), compressed_text(HELLO)];
    becomes(&plain_between.concat(), &[hello(), Ok(b"plain".to_vec()), hello()]);
}

#[test]
fn the_bit_is_for_first_frames_of_messages_only() {
    for opcode in [CONTINUE, PING, crate::wire::ws::PONG, crate::wire::ws::CLOSE] {
        becomes(&frame(opcode, true, true, b""), &[Err(1002)]);
    }
    let again = [frame(TEXT, true, false, &HELLO[..3]), frame(CONTINUE, true, true, &HELLO[3..])];
    becomes(&again.concat(), &[Err(1002)]);
    let late = [frame(TEXT, false, false, b"a"), frame(CONTINUE, true, true, HELLO)];
    becomes(&late.concat(), &[Err(1002)]);
    let with_ping = [
        frame(TEXT, true, false, &HELLO[..3]),
        frame(PING, false, true, b"p"),
        frame(CONTINUE, false, false, b""),
        frame(CONTINUE, false, true, &HELLO[3..]),
    ];
    becomes(&with_ping.concat(), &[hello()]);
    let mut frame = compressed_text(HELLO);
    let not_agreed = FrameDecoder::new().decode(&mut frame, MessageLimits::of_bytes(LIMIT), None).1.is_some();
    assert!(not_agreed, "it is a violation");
}

#[test]
fn what_is_not_compressed_as_it_should_be() {
    for corrupt in [
        &b""[..],
        &HELLO[..5],
        &HELLO[..6],
        b"\x07",
        b"\xff\xff\xff",
        b"plain text",
        &[HELLO, b"\x01\x02"].concat(),
    ] {
        becomes(&compressed_text(corrupt), &[Err(1007)]);
    }
    let after = [compressed_text(b"\x07"), compressed_text(HELLO)].concat();
    becomes(&after, &[Err(1007)]);
}

#[test]
fn text_is_checked_once_it_is_decompressed() {
    becomes(&compressed_text(&compress(b"ab\xff", 6)), &[Err(1007)]);
    becomes(&compressed_text(&compress(b"\xce", 6)), &[Err(1007)]);
    becomes(&frame(BINARY, true, true, &compress(b"ab\xff", 6)), &[Ok(b"ab\xff".to_vec())]);
    let cut = compress("κόσμε".as_bytes(), 0);
    let (first, second) = cut.split_at(6);
    let fragments = [frame(TEXT, true, false, first), frame(CONTINUE, false, true, second)];
    becomes(&fragments.concat(), &[Ok("κόσμε".into())]);
}

#[test]
fn a_bomb_becomes_no_more_than_a_message_may_be() {
    let of = |len: usize| compressed_text(&compress(&vec![b' '; len], 9));
    becomes(&of(LIMIT), &[Ok(vec![b' '; LIMIT])]);
    becomes(&of(LIMIT + 1), &[Err(1009)]);
    let bomb = compress(&vec![0; 1 << 20], 9);
    assert!(bomb.len() < LIMIT);
    becomes(&compressed_text(&bomb), &[Err(1009)]);
    let mut inflater = Inflater::default();
    assert!(inflater.inflate(&bomb, 100_000).is_err());
    assert!(inflater.held_bytes() <= 100_001);
    assert!(inflater.cost() > 100_000);
    inflater.begin_turn();
    assert_eq!(inflater.cost(), 0);
    inflater.trim();
    assert_eq!(inflater.held_bytes(), 0, "what a long message took is given back");
}

#[test]
fn what_cannot_be_compressed_may_be_as_long_as_it_is_when_it_is_not() {
    let mut seed = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    })
    .take(LIMIT)
    .collect();
    for level in [0, 1, 6, 9] {
        let compressed = compress(&noise, level);
        assert!(compressed.len() > LIMIT);
        becomes(&frame(BINARY, true, true, &compressed), &[Ok(noise.clone())]);
    }
    becomes(&frame(BINARY, true, true, &[0; 3 * LIMIT]), &[Err(1009)]);
}

fn read(frame: &Bytes) -> (bool, Vec<u8>) {
    let is_compressed = frame[0] == 0xc1;
    let head = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    let payload = &frame[head..];
    match is_compressed {
        true => (true, Inflater::default().inflate(payload, 1 << 24).unwrap().to_vec()),
        false => (false, payload.to_vec()),
    }
}

fn events(len: usize) -> Vec<u8> {
    (0..)
        .flat_map(|n| format!(r#"{{"type":"moved","payload":{{"x":{n}}}}},"#).into_bytes())
        .take(len)
        .collect()
}

#[test]
fn frames_are_compressed_where_it_is_worth_it() {
    for level in 1..=9 {
        let mut deflater = Deflater::new(CompressionLevel::new(level));
        let mut one = |len| read(&deflater.frame(text_frame(&events(len)), DeflateWindow::LARGEST));
        for (len, is_compressed) in [(0, false), (1023, false), (1024, true), (70_000, true), (1 << 20, true)]
        {
            assert_eq!(one(len), (is_compressed, events(len)), "{len} at {level}");
        }
        let mut many = |len| {
            let frame = SharedFrame::new(text_frame(&events(len)));
            let first = frame.for_window(Some(DeflateWindow::LARGEST), &mut deflater).clone();
            let again = frame.for_window(Some(DeflateWindow::LARGEST), &mut deflater);
            assert_eq!(first.as_ptr(), again.as_ptr(), "it is compressed once");
            assert_eq!(frame.for_window(None, &mut deflater), &text_frame(&events(len)));
            read(&first)
        };
        for (len, is_compressed) in [(0, false), (191, false), (192, true), (70_000, true)] {
            assert_eq!(many(len), (is_compressed, events(len)), "{len} at {level}");
        }
        let done = deflater.take_done();
        assert_eq!(done.frames, 5);
        assert!(done.bytes_after < done.bytes_before / 2);
        assert_eq!(deflater.take_done(), Deflated::default());
    }
    assert!([0, 10].into_iter().all(|level| CompressionLevel::new(level).is_none()));
}

#[test]
fn what_would_not_shrink_or_is_no_message_stays_as_it_is() {
    let mut deflater = Deflater::new(CompressionLevel::new(9));
    let noise: Vec<u8> =
        (0..5000_u32).map(|n| (n.wrapping_mul(n).wrapping_mul(2_654_435_761) >> 21) as u8).collect();
    let mut stays = |frame: Bytes| {
        assert_eq!(deflater.frame(frame.clone(), DeflateWindow::LARGEST), frame);
        assert_eq!(deflater.take_done(), Deflated::default());
    };
    stays(text_frame(&noise));
    stays(Bytes::from_static(&[b'H'; 5000]));
    stays(Bytes::from([&text_frame(&events(2000))[..], &text_frame(b"x")].concat()));
    stays(text_frame(&events(2000)).slice(..1500));
    let mut fragment = text_frame(&events(2000)).to_vec();
    fragment[0] = 0x01;
    stays(fragment.into());
    let off = Deflater::new(None).frame(text_frame(&events(2000)), DeflateWindow::LARGEST);
    assert_eq!(off, text_frame(&events(2000)));
    let private = SharedFrame::always_plain(text_frame(&events(2000)));
    assert_eq!(private.for_window(Some(DeflateWindow::LARGEST), &mut deflater), &off);
}

/// All distances in a message are within the window if the message is.
#[test]
fn a_small_window_gets_small_messages_compressed_and_others_not() {
    let mut deflater = Deflater::new(CompressionLevel::new(6));
    for bits in 8..=15 {
        let window = DeflateWindow::of_bits(bits).unwrap();
        for len in [200, 240, 1030, 4000, 20_000, 40_000] {
            let fits = len + 10 <= 1 << bits || bits == 15;
            let one = read(&deflater.frame(text_frame(&events(len)), window));
            assert_eq!(one, (fits && len >= 1024, events(len)), "{len} for {bits}");
            let many = SharedFrame::new(text_frame(&events(len)));
            assert_eq!(
                read(many.for_window(Some(window), &mut deflater)),
                (fits, events(len)),
                "{len} for {bits}"
            );
        }
    }
    assert!([0, 7, 16].into_iter().all(|bits| DeflateWindow::of_bits(bits).is_none()));
}

#[test]
fn what_is_known_of_a_connection_is_a_byte() {
    assert_eq!(size_of::<Option<DeflateWindow>>(), 1);
}

/// A compressed message in fragments, with pings between them.
fn any_message() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let payload = prop_oneof![
        "[a-z é𝄞]{0,300}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..300),
        ("[a-z]{1,9}", 1..200_usize).prop_map(|(word, times)| word.repeat(times).into_bytes()),
    ];
    let sizes = prop::collection::vec(0..60_usize, 0..6);
    (payload, 0..=9_u32, sizes, any::<bool>()).prop_map(|(payload, level, sizes, pings)| {
        let compressed = compress(&payload, level);
        let (mut bytes, mut rest, mut opcode, mut rsv1) = (Vec::new(), &compressed[..], BINARY, true);
        for size in sizes {
            let (fragment, after) = rest.split_at(size.min(rest.len()));
            bytes.extend(frame(opcode, rsv1, false, fragment));
            bytes.extend(pings.then(|| frame(PING, false, true, b"p")).into_iter().flatten());
            (rest, opcode, rsv1) = (after, CONTINUE, false);
        }
        bytes.extend(frame(opcode, rsv1, true, rest));
        (bytes, payload)
    })
}

proptest! {
    #[test]
    fn messages_come_out_however_they_are_compressed_and_cut(
        messages in prop::collection::vec(any_message(), 1..5),
        lengths in prop::collection::vec(1..100_usize, 1..6),
    ) {
        let input: Vec<u8> = messages.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let expected: Vec<_> = messages.into_iter().map(|(_, payload)| Ok(payload)).collect();
        prop_assert_eq!(outcomes(&cut(&input, &lengths)), expected);
    }

    #[test]
    fn damaged_messages_come_to_the_same_however_they_are_cut(
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
    fn any_bytes_as_a_compressed_message_are_a_message_or_refused(
        payload in prop::collection::vec(any::<u8>(), 0..400),
        level in 0..=9_u32,
        at in any::<prop::sample::Index>(),
    ) {
        let cut = compress(&payload, level);
        let is_known = |outcome: &Result<Vec<u8>, u16>| matches!(outcome, Ok(_) | Err(1007 | 1009));
        for payload in [&payload[..], &cut[..at.index(cut.len())]] {
            let outcomes = outcomes(&[&frame(BINARY, true, true, payload)]);
            prop_assert!(outcomes.len() == 1 && is_known(&outcomes[0]), "{:?}", outcomes);
        }
    }
}
