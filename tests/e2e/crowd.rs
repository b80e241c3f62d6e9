//! Rooms with more members than one event loop serves, and members that read too slowly.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::common::http::Response;
use crate::common::player::{Knock, Player};
use crate::common::server::{Folder, Guest, Server};
use crate::common::wait_until;

/// Above it, a room's new members are spread over all event loops.
const ONE_LOOPS_MEMBERS: usize = 512;

/// A folder whose hooks let everybody in without a word, so that only what a test does makes events.
fn quiet_folder() -> Folder {
    let folder = Folder::new();
    folder.write_script("on_connect", "-- KEYS: game:{room}, game:{room}:players\nreturn 'OK'");
    folder.write_script("on_snapshot", "-- KEYS: game:{room}\nreturn '{}'");
    folder.write_script(
        "on_disconnect",
        "-- KEYS: game:{room}, game:{room}:players\ngodra.publish('gone', {user_id = ARGV[1]})",
    );
    folder.write_script(
        "say",
        "-- ROLE: guest\n-- KEYS: game:{room}\ngodra.publish('said', cjson.decode(ARGV[2]))\nreturn ARGV[1]",
    );
    folder.write_script(
        "whisper",
        "-- ROLE: guest\n-- KEYS: game:{room}\ngodra.send(cjson.decode(ARGV[2]).to, 'whispered', {})",
    );
    folder
}

/// Checks that the next events of a player follow its `seq` without a gap, up to the one of that type.
#[track_caller]
fn follow(player: &mut Player, seq: &mut u64, event_type: &str) -> Value {
    loop {
        let event = player.receive();
        if event.get("seq").is_some() {
            *seq += 1;
            assert_eq!(event["seq"], *seq, "{event}");
        }
        if event["type"] == event_type {
            return event;
        }
    }
}

#[test]
fn a_room_larger_than_one_event_loop_serves_is_still_one_room() {
    let folder = quiet_folder();
    let hello = "-- KEYS: game:{room}, game:{room}:players\ngodra.send(ARGV[1], 'hello', {})\nreturn 'OK'";
    folder.write_script("on_connect", hello);
    let server = Server::start_in(folder, &["--threads", "3"]);
    let guests: Vec<_> = (0..ONE_LOOPS_MEMBERS + 40).map(|_| server.guest()).collect();
    let mut players: Vec<Player> = guests.iter().map(|guest| guest.join("crowd")).collect();
    // Also those who went over to another event loop right behind their welcome.
    let mut greeted: Vec<u64> = Vec::new();
    for player in &mut players {
        let hello = player.receive();
        assert_eq!(hello["type"], "hello");
        let seq = hello["seq"].as_u64().unwrap();
        assert!(seq > player.welcome["payload"]["seq"].as_u64().unwrap(), "it comes behind the room's state");
        greeted.push(seq);
    }
    // Each greeting is for one, and has a number of the room's.
    assert!(greeted.is_sorted_by(|one, next| one < next), "{greeted:?}");
    let mut seqs = vec![greeted[greeted.len() - 1]; greeted.len()];

    // Inputs and answers cross the event loops in both directions, and everybody hears the same in the same order.
    let last = players.len() - 1;
    for (number, speaker) in [0, last, last - 1, last - 2, 1].into_iter().enumerate() {
        players[speaker].send("say", json!({"number": number}));
        for (index, (player, seq)) in players.iter_mut().zip(&mut seqs).enumerate() {
            let said = follow(player, seq, "said");
            assert_eq!(said["payload"]["number"], number, "player {index}");
        }
    }
    for speaker in [0, last] {
        assert_eq!(players[speaker].call("heartbeat", json!(null), 7)["result"]["n"], 0);
        let reply = players[speaker].call("whisper", json!({"to": "nobody"}), 8);
        assert_eq!(reply["type"], "reply", "an answer finds its way back: {reply}");
    }

    // A message to one of them finds it wherever its socket is.
    for listener in [1, last, last - 1] {
        players[0].send("whisper", json!({"to": guests[listener].user_id}));
        assert_eq!(players[listener].receive_type("whispered")["payload"], json!({}));
    }

    // A user who comes back replaces the older socket, also one that was spread away, and nobody sees it leave.
    let mut again = guests[last].join("crowd");
    assert_eq!(players[last].expect_close().0, 4502);
    again.call("say", json!({"number": 99}), 1);
    // Five whispers and a greeting were for others.
    seqs[2] += 6;
    assert_eq!(follow(&mut players[2], &mut seqs[2], "said")["payload"]["number"], 99);

    // One that was spread away leaves like any other.
    players[last - 1].close();
    let gone = follow(&mut players[2], &mut seqs[2], "gone");
    assert_eq!(gone["payload"]["user_id"], guests[last - 1].user_id);
    assert_eq!(server.metric("godra_members"), (guests.len() - 1) as f64);
}

#[test]
fn a_slow_reader_gets_a_snapshot_in_place_of_what_it_missed() {
    let folder = quiet_folder();
    folder.write_script(
        "blast",
        "-- ROLE: guest\n-- KEYS: game:{room}\nlocal text = string.rep('x', 50000)\n\
         for i = 1, 20 do godra.publish('blast', text) end\nreturn 'OK'",
    );
    let server = Server::start_in(folder, &["--threads", "2", "--script-time-budget", "2s"]);
    let (ann_guest, ben_guest) = (server.guest(), server.guest());
    let mut ann = ann_guest.join("arena");
    let mut ben = ben_guest.join("arena");
    // More than the kernel and the outbox keep for one connection.
    for id in 0..30 {
        assert_eq!(ann.call("blast", json!(null), id)["result"], "OK");
    }
    assert!(server.metric("godra_outbox_snapshots_total") >= 1.0, "nothing was replaced");

    let mut seq = ben.welcome["payload"]["seq"].as_u64().unwrap();
    let mut counts: HashMap<String, u64> = HashMap::new();
    while !counts.contains_key("snapshot") {
        let event = ben.receive();
        let event_seq = event["seq"].as_u64().unwrap();
        *counts.entry(event["type"].as_str().unwrap().to_owned()).or_default() += 1;
        if event["type"] == "snapshot" {
            assert!(event_seq > seq, "a snapshot replaces what is missing");
            assert_eq!(event["payload"], json!({}));
        } else {
            assert_eq!(event_seq, seq + 1, "before the snapshot nothing is missing");
        }
        seq = event_seq;
    }
    assert!(counts["blast"] < 600, "it did miss something: {counts:?}");
    ann.call("say", json!({"after": true}), 99);
    let said = follow(&mut ben, &mut seq, "said");
    assert_eq!(said["payload"], json!({"after": true}));
}

/// All ask to be let in while the server is stopped, so that it finds all of them at once.
fn come_at_once(server: &Server, guests: &[Guest<'_>], room: &str) -> Vec<Result<Player, Response>> {
    server.signal("STOP");
    let knocks: Vec<Knock> = guests.iter().map(|guest| guest.knock(room)).collect();
    server.signal("CONT");
    knocks.into_iter().map(Knock::finish).collect()
}

const COUNTS_LOOKS: &str = "-- KEYS: game:{room}, game:{room}:looks\nreturn redis.call('INCR', KEYS[2])";

#[test]
fn who_comes_at_once_shares_a_look_at_the_room() {
    let folder = quiet_folder();
    folder.write_script("on_snapshot", COUNTS_LOOKS);
    folder.write_script(
        "on_connect",
        "-- KEYS: game:{room}, game:{room}:players, game:{room}:came\n-- ATOMIC: off\n\
         if redis.call('INCR', KEYS[3]) % 4 == 0 then godra.error('conflict', 'every fourth') end\n\
         godra.publish('came', { user_id = ARGV[1] })",
    );
    let server = Server::start_in(folder, &["--threads", "1"]);
    let guests: Vec<Guest<'_>> = (0..100).map(|_| server.guest()).collect();
    let mut players: Vec<Player> = Vec::new();
    for answer in come_at_once(&server, &guests, "hall") {
        match answer {
            Ok(player) => players.push(player),
            Err(response) => {
                assert_eq!((response.status, response.error_code().as_str()), (403, "conflict"));
            }
        }
    }
    assert_eq!(players.len(), 75);
    let looks =
        players.iter().map(|player| player.welcome["payload"]["state"].as_u64().unwrap()).max().unwrap();
    // Those whose requests are read in the same round, which has an end.
    assert!(looks <= 25, "75 members looked {looks} times");
    // What came after the state that a member was given follows on it.
    players[40].send("say", json!({"hello": true}));
    for player in &mut players {
        let mut seq = player.welcome["payload"]["seq"].as_u64().unwrap();
        follow(player, &mut seq, "said");
        assert_eq!(seq, 76, "75 came, one spoke");
    }
}

#[test]
fn nobody_let_in_is_no_look_at_the_room() {
    let folder = quiet_folder();
    folder.write_script("on_snapshot", COUNTS_LOOKS);
    folder.write_script(
        "on_connect",
        "-- KEYS: game:{room}, game:{room}:players\ngodra.error('conflict', 'closed')",
    );
    folder.write_script(
        "looks",
        "-- ROLE: guest\n-- KEYS: game:{room}:looks\nreturn redis.call('GET', KEYS[1])",
    );
    let server = Server::start_in(folder, &["--threads", "1"]);
    let guests: Vec<Guest<'_>> = (0..20).map(|_| server.guest()).collect();
    for answer in come_at_once(&server, &guests, "hall") {
        assert_eq!(answer.err().expect("a refusal").status, 403);
    }
    assert_eq!(guests[0].rpc("looks", json!([]), &["game:hall:looks"]).json(), json!({"result": null}));
}

#[test]
fn a_look_that_asks_who_looks_is_not_shared() {
    let folder = quiet_folder();
    folder.write_script("on_snapshot", "-- KEYS: game:{room}\nreturn cjson.encode({ you = ARGV[1] })");
    let server = Server::start_in(folder, &["--threads", "1"]);
    let guests: Vec<Guest<'_>> = (0..20).map(|_| server.guest()).collect();
    for (guest, answer) in guests.iter().zip(come_at_once(&server, &guests, "hall")) {
        let player = answer.unwrap_or_else(|response| panic!("{response:?}"));
        assert_eq!(player.welcome["payload"]["state"], json!({"you": guest.user_id}));
    }
}

#[test]
fn all_who_come_at_once_leave_again_if_the_room_cannot_be_looked_at() {
    let folder = quiet_folder();
    folder.write_script("on_snapshot", "-- KEYS: game:{room}\nerror('broken')");
    folder.write_script(
        "on_disconnect",
        "-- KEYS: game:{room}, game:{room}:players, game:{room}:left\nredis.call('SADD', KEYS[3], ARGV[1])",
    );
    folder.write_script(
        "left",
        "-- ROLE: guest\n-- KEYS: game:{room}:left\nreturn redis.call('SCARD', KEYS[1])",
    );
    let server = Server::start_in(folder, &["--threads", "1"]);
    let guests: Vec<Guest<'_>> = (0..20).map(|_| server.guest()).collect();
    for answer in come_at_once(&server, &guests, "hall") {
        assert_eq!(answer.err().expect("a refusal").status, 500);
    }
    let left = || guests[0].rpc("left", json!([]), &["game:hall:left"]).json()["result"].clone();
    wait_until("all to leave", || left() == 20);
}
