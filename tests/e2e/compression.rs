//! Members who take compressed frames, and members who do not; spoken by zlib, framed by hand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use serde_json::{Value, json};

use crate::common::PATIENCE;
use crate::common::player::Player;
use crate::common::server::{Folder, Guest, Server};
use crate::common::wait_until;

const OFFER: &str = "permessage-deflate; client_max_window_bits";
const TAIL: &[u8] = &[0, 0, 0xff, 0xff];
const LARGEST_MESSAGE: usize = 1 << 20;
const TEXT: u8 = 0x81;
const PING: u8 = 0x89;
const COMPRESSED: u8 = 0x40;

/// A member that offers compression.
struct Member {
    stream: BufReader<TcpStream>,
    /// What the server agreed to.
    agreed: Option<String>,
    waiting: Vec<Value>,
    /// Whether the last frame was compressed.
    was_compressed: bool,
}

impl Member {
    fn join(server: &Server, room: &str, offer: &str) -> Self {
        Self::of(&server.guest(), server, room, offer)
    }

    fn of(guest: &Guest, server: &Server, room: &str, offer: &str) -> Self {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let request = format!(
            "GET /ws?game_id={room}&token={} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Extensions: {offer}\r\n\r\n",
            guest.token
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut stream = BufReader::new(stream);
        let head: Vec<String> =
            stream.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
        assert!(head[0].starts_with("HTTP/1.1 101"), "{head:?}");
        let agreed =
            head.iter().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: ")).map(str::to_owned);
        let mut member = Self { stream, agreed, waiting: Vec::new(), was_compressed: false };
        assert_eq!(member.receive()["type"], "welcome");
        member
    }

    /// The next event or answer.
    fn receive(&mut self) -> Value {
        while self.waiting.is_empty() {
            let (first, payload) = self.frame();
            if first == PING {
                continue;
            }
            assert_eq!(first & 0x0f, 1, "a text, and not {:?}", close_code(&payload));
            let mut message: Value = serde_json::from_slice(&payload).unwrap();
            match message.get_mut("events").and_then(Value::as_array_mut) {
                Some(events) => self.waiting = std::mem::take(events),
                None => self.waiting = vec![message],
            }
            self.waiting.reverse();
        }
        self.waiting.pop().unwrap()
    }

    fn receive_type(&mut self, event_type: &str) -> Value {
        loop {
            let message = self.receive();
            if message["type"] == event_type {
                return message;
            }
        }
    }

    /// The code with which the server closes.
    fn closed(&mut self) -> u16 {
        loop {
            let (first, payload) = self.frame();
            if first == 0x88 {
                return close_code(&payload);
            }
        }
    }

    fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).unwrap();
        let mut length = [0; 8];
        let length_bytes = match head[1] {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        self.stream.read_exact(&mut length[8 - length_bytes..]).unwrap();
        let length = if length_bytes == 0 { u64::from(head[1]) } else { u64::from_be_bytes(length) };
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).unwrap();
        self.was_compressed = head[0] & COMPRESSED != 0;
        if self.was_compressed {
            payload = decompress(&payload);
        }
        (head[0], payload)
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }
}

fn close_code(payload: &[u8]) -> u16 {
    payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code))
}

fn decompress(payload: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(LARGEST_MESSAGE);
    let mut state = Decompress::new(false);
    for part in [payload, TAIL] {
        state.decompress_vec(part, &mut message, FlushDecompress::Sync).unwrap();
    }
    assert_eq!(state.total_in(), (payload.len() + TAIL.len()) as u64);
    message
}

fn compress(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 100);
    Compress::new(Compression::new(6), false).compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
    out.truncate(out.len() - TAIL.len());
    out
}

/// A frame masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

fn compressed(message: &str) -> Vec<u8> {
    frame(TEXT | COMPRESSED, &compress(message.as_bytes()))
}

fn start(flags: &[&str]) -> Server {
    let folder = Folder::new();
    folder.write_script("on_connect", "-- KEYS: game:{room}, game:{room}:players\nreturn 'OK'");
    folder.write_script("on_disconnect", "-- KEYS: game:{room}, game:{room}:players\nreturn 'OK'");
    folder.write_script("on_snapshot", "-- KEYS: game:{room}\nreturn '{}'");
    folder.write_script(
        "say",
        "-- ROLE: guest\n-- KEYS: game:{room}\ngodra.publish('said', cjson.decode(ARGV[2]))\nreturn cjson.decode(ARGV[2])",
    );
    folder.write_script(
        "whisper",
        "-- ROLE: guest\n-- KEYS: game:{room}\nlocal to = cjson.decode(ARGV[2])\n\
         godra.publish('told', string.rep('a secret ', 300), {to = to})",
    );
    Server::start_in(folder, flags)
}

fn words(count: usize) -> String {
    (0..count).map(|n| format!("word {n} ")).collect()
}

fn compressed_frames(server: &Server) -> u64 {
    server.metric("godra_compressed_frames_total") as u64
}

#[test]
fn members_with_and_without_compression_get_the_same() {
    let server = start(&["--threads", "1"]);
    let mut plain = server.guest().join("r");
    let mut members = [OFFER, "permessage-deflate; server_max_window_bits=9", "x-other"]
        .map(|offer| Member::join(&server, "r", offer));
    let answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert_eq!(members[0].agreed.as_deref(), Some(answer));
    assert_eq!(members[1].agreed, Some(format!("{answer}; server_max_window_bits=9")));
    assert_eq!(members[2].agreed, None);
    let before = compressed_frames(&server);
    // What is short stays as it is, and so does what a small window does not hold.
    let mut frames = 0;
    for (length, is_compressed) in [(3, [false; 3]), (40, [true, true, false]), (900, [true, false, false])] {
        plain.send("say", json!(words(length)));
        let event = plain.receive();
        assert_eq!(event["payload"], words(length));
        for (member, is_compressed) in members.iter_mut().zip(is_compressed) {
            assert_eq!(member.receive(), event);
            assert_eq!(member.was_compressed, is_compressed, "{length} words");
        }
        frames += u64::from(is_compressed[0]);
    }
    wait_until("its frames are counted", || compressed_frames(&server) == before + frames);
}

#[test]
fn a_frame_is_compressed_once_for_a_room_on_several_event_loops() {
    let server = start(&["--threads", "2"]);
    let mut members: Vec<Member> = (0..530).map(|_| Member::join(&server, "crowd", OFFER)).collect();
    let before = compressed_frames(&server);
    let text = json!({"action": "say", "payload": words(200)}).to_string();
    members[0].send(&compressed(&text));
    let event = members[529].receive_type("said");
    assert_eq!(event["payload"], words(200));
    for member in &mut members[..529] {
        assert_eq!(member.receive_type("said"), event);
        assert!(member.was_compressed);
    }
    wait_until("its frames are counted", || compressed_frames(&server) == before + 1);
}

#[test]
fn inputs_may_be_compressed_and_so_are_large_answers() {
    let server = start(&[]);
    let mut member = Member::join(&server, "r", OFFER);
    let text = json!({"action": "say", "payload": words(500), "id": 1}).to_string();
    let payload = compress(text.as_bytes());
    let (first, second) = payload.split_at(payload.len() / 2);
    member.send(&[frame(0x01 | COMPRESSED, first), frame(PING, b"ping"), frame(0x80, second)].concat());
    let (pong, content) = member.frame();
    assert_eq!((pong, &content[..]), (0x8a, &b"ping"[..]));
    assert_eq!(member.receive_type("reply")["result"], words(500));
    assert!(member.was_compressed);
}

/// What they become is more than is read from one connection in a round.
#[test]
fn many_large_inputs_in_few_bytes_are_all_taken() {
    let server = start(&["--threads", "1"]);
    let mut member = Member::join(&server, "r", OFFER);
    let mut other = server.guest().join("r");
    let heartbeat = |id: usize| {
        let text = json!({"action": "heartbeat", "id": id, "payload": " ".repeat(60_000)}).to_string();
        compressed(&text)
    };
    let input: Vec<u8> = (1..=300).flat_map(heartbeat).collect();
    assert!(input.len() < 60_000);
    member.send(&input);
    assert_eq!(other.call("heartbeat", Value::Null, 1)["type"], "reply");
    for id in 1..=300 {
        assert_eq!(member.receive()["id"], id);
    }
}

#[test]
fn a_member_that_sends_what_is_wrong_is_closed_and_nobody_else_notices() {
    let server = start(&[]);
    let mut other = Member::join(&server, "r", OFFER);
    let bomb = compress(&vec![b' '; 50 << 20]);
    assert!(bomb.len() < 65_536, "{}", bomb.len());
    let cases = [
        (OFFER, frame(TEXT | COMPRESSED, &bomb), 1009),
        (OFFER, frame(TEXT | COMPRESSED, b"no deflate"), 1007),
        (OFFER, frame(TEXT | COMPRESSED, &compress(b"cut short")[..5]), 1007),
        (OFFER, frame(TEXT | COMPRESSED, &compress(b"\xff")), 1007),
        (OFFER, frame(TEXT | 0x20, b""), 1002),
        (OFFER, frame(PING | COMPRESSED, b""), 1002),
        ("x-other", compressed("{}"), 1002),
    ];
    for (offer, input, code) in cases {
        let mut member = Member::join(&server, "r", offer);
        member.send(&input);
        assert_eq!(member.closed(), code);
    }
    other.send(&compressed(r#"{"action":"say","payload":"all is well"}"#));
    assert_eq!(other.receive_type("said")["payload"], "all is well");
}

#[test]
fn what_is_for_one_alone_is_not_compressed() {
    let server = start(&["--threads", "1"]);
    let [one, two] = [server.guest(), server.guest()];
    let [mut ann, mut ben] = [&one, &two].map(|guest| Member::of(guest, &server, "r", OFFER));
    let mut whisper =
        |to: &[&str]| ann.send(&compressed(&json!({"action": "whisper", "payload": to}).to_string()));
    whisper(&[&two.user_id]);
    assert_eq!(ben.receive()["type"], "told");
    assert!(!ben.was_compressed);
    whisper(&[&one.user_id, &two.user_id]);
    assert_eq!(ben.receive()["type"], "told");
    assert!(ben.was_compressed, "a group's frame is");
}

#[test]
fn compression_can_be_switched_off() {
    let server = start(&["--compress", "off"]);
    let mut member = Member::join(&server, "r", OFFER);
    assert_eq!(member.agreed, None);
    member.send(&frame(TEXT, json!({"action": "say", "payload": words(500)}).to_string().as_bytes()));
    assert_eq!(member.receive()["payload"], words(500));
    assert!(!member.was_compressed);
    member.send(&compressed("{}"));
    assert_eq!(member.closed(), 1002);
}

/// Compressed events wait, are dropped and replaced like others.
#[test]
fn a_slow_member_with_compression_catches_up() {
    let server = start(&["--threads", "1"]);
    let mut slow = Member::join(&server, "r", OFFER);
    let mut speaker: Player = server.guest().join("r");
    let noise = |n: usize| -> String {
        let mut state = n as u64 + 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'!' + (state >> 33) as u8 % 90)
        };
        (0..30_000).map(|_| next()).filter(|c| !matches!(c, '"' | '\\')).collect()
    };
    let rounds = 600;
    for n in 0..rounds {
        speaker.send("say", json!(noise(n)));
        if n % 10 == 9 {
            speaker.receive_until(|event| event["payload"] == noise(n));
        }
    }
    wait_until("the slow one's events are dropped", || server.metric("godra_outbox_snapshots_total") >= 1.0);
    speaker.send("say", json!("the end"));
    let (mut seq, mut snapshots, mut texts) = (0, 0, 0);
    loop {
        let message = slow.receive();
        texts += usize::from(slow.was_compressed);
        let number = message["seq"].as_u64().unwrap();
        let is_snapshot = message["type"] == "snapshot";
        // What did not fit comes again, or the state in its place.
        assert!(number > seq && (number == seq + 1 || is_snapshot || seq == 0), "{number} after {seq}");
        seq = number;
        snapshots += usize::from(is_snapshot);
        if message["payload"] == "the end" || (message["type"] == "snapshot" && seq > rounds as u64) {
            break;
        }
    }
    assert!(texts > 10, "{texts} compressed");
    assert!(snapshots <= 1, "{snapshots} snapshots");
}
