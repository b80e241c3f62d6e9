//! Players who send more than their share, and what the others notice of it.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::Message;

use crate::common::PATIENCE;
use crate::common::player::Player;
use crate::common::server::{Folder, Server};

/// Takes some milliseconds of the processor, whatever the machine.
const HEAVY: &str = "-- ROLE: guest\nlocal x = 0\nfor i = 1, 300000 do x = x + i % 7 end\nreturn x";

fn server_with_heavy(flags: &[&str]) -> Server {
    let folder = Folder::new();
    folder.write_script("heavy", HEAVY);
    Server::start_in(folder, flags)
}

/// Sends inputs without waiting for anything, in as few pieces as can be.
fn send_all(player: &mut Player, inputs: impl Iterator<Item = Value>) {
    for input in inputs {
        player.socket().write(Message::text(input.to_string())).unwrap();
    }
    player.socket().flush().unwrap();
}

#[test]
fn a_connection_has_so_many_inputs_waiting_and_each_is_answered() {
    let server = server_with_heavy(&["--script-time-budget", "2s"]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let mut player = guest.join(&room);
    let sent = 400;
    send_all(&mut player, (1..=sent).map(|id| json!({"action": "heavy", "payload": null, "id": id})));
    let (mut ran, mut busy) = (Vec::new(), Vec::new());
    while ran.len() + busy.len() < sent {
        let answer = player.receive_until(|message| message["id"].is_u64());
        let id = answer["id"].as_u64().unwrap();
        match answer["type"].as_str().unwrap() {
            "reply" => ran.push(id),
            _ => {
                assert_eq!(answer["payload"]["code"], "busy", "{answer}");
                busy.push(id);
            }
        }
    }
    assert!(ran.is_sorted(), "a user's inputs run in order");
    assert!(ran.len() >= 256 && !busy.is_empty(), "{} ran, {} did not", ran.len(), busy.len());
}

/// Even if nothing more comes from it, and without a rate.
#[test]
fn who_is_told_busy_again_and_again_is_closed() {
    let server = server_with_heavy(&["--script-time-budget", "2s"]);
    let guest = server.guest();
    let mut flooder = guest.join(&guest.create_lobby(4));
    send_all(&mut flooder, (0..4000).map(|_| json!({"action": "heavy", "payload": null})));
    assert_eq!(flooder.expect_close(), (4003, "too many inputs".to_owned()));
}

/// The bound was the room's: whoever filled it kept everybody else out.
#[test]
fn regression_a_member_that_floods_denies_nobody_the_room() {
    let server = Server::start(&[]);
    let (flooder_guest, other_guest) = (server.guest(), server.guest());
    let room = flooder_guest.create_lobby(4);
    let mut flooder = flooder_guest.join(&room);
    let mut other = other_guest.join(&room);
    let text = json!({"action": "set", "payload": {"k": 2}}).to_string();
    let mut socket = flooder.socket().get_ref().try_clone().unwrap();
    let frames = masked_frames(&text, 5000);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // It ends when the server has closed the connection.
            while socket.write_all(&frames).is_ok() && !is_over.load(Ordering::Relaxed) {}
        });
        for id in 1..=10 {
            let answer = other.call("send_chat", json!({"message": "x"}), id);
            assert_eq!(answer["type"], "reply", "{answer}");
        }
        let (code, _) = flooder.expect_close();
        assert!([4002, 4003].contains(&code), "{code}");
        is_over.store(true, Ordering::Relaxed);
        flooder.socket().get_ref().shutdown(std::net::Shutdown::Both).unwrap();
    });
}

/// What waited had a bound in inputs, but none in bytes.
#[test]
fn regression_large_inputs_that_wait_are_bounded_in_bytes() {
    let server = server_with_heavy(&[]);
    let guest = server.guest();
    let mut players: Vec<Player> = (0..3).map(|_| guest.join(&guest.create_lobby(4))).collect();
    let before = server.resident_bytes();
    let large = json!({"action": "heavy", "payload": "x".repeat(60_000)}).to_string();
    let frames = masked_frames(&large, 50);
    let until = Instant::now() + Duration::from_secs(3);
    let mut peak = before;
    let sockets: Vec<_> = players.iter_mut().map(|p| p.socket().get_ref().try_clone().unwrap()).collect();
    std::thread::scope(|scope| {
        for mut socket in sockets {
            let frames = &frames;
            scope.spawn(move || {
                // In whole messages; a connection that is closed for it is over.
                while Instant::now() < until && socket.write_all(frames).is_ok() {}
            });
        }
        while Instant::now() < until {
            peak = peak.max(server.resident_bytes());
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let grown = (peak - before) >> 20;
    assert!(grown < 150, "three connections made the server hold {grown} MiB more");
    let answer = server.guest().rpc("create_lobby", json!([2]), &[]);
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// A thousand heavy inputs of one room ran as one block.
#[test]
fn regression_one_rooms_flood_keeps_no_other_room_waiting() {
    let server = server_with_heavy(&["--script-time-budget", "2s"]);
    let (flooder_guest, other_guest) = (server.guest(), server.guest());
    let mut flooder = flooder_guest.join(&flooder_guest.create_lobby(4));
    let mut other = other_guest.join(&other_guest.create_lobby(4));
    let inputs = 150;
    let began = Instant::now();
    send_all(&mut flooder, (1..=inputs).map(|id| json!({"action": "heavy", "payload": null, "id": id})));
    let mut longest = Duration::ZERO;
    for id in 1..=20 {
        let asked = Instant::now();
        let answer = other.call("send_chat", json!({"message": "x"}), id);
        assert_eq!(answer["type"], "reply", "{answer}");
        longest = longest.max(asked.elapsed());
    }
    flooder.receive_until(|message| message["id"] == inputs);
    let in_all = began.elapsed();
    assert!(in_all < PATIENCE);
    assert!(longest * 5 < in_all, "the other room waited {longest:?} of the {in_all:?} that the flood took");
}

/// The same text frame, so many times over, masked with zeros.
fn masked_frames(text: &str, count: usize) -> Vec<u8> {
    let length = text.len();
    let mut frame = match length {
        0..=125 => vec![0x81, 0x80 | length as u8],
        _ => [&[0x81, 0x80 | 126][..], &(length as u16).to_be_bytes()].concat(),
    };
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    frame.repeat(count)
}
