//! Rooms with more members than one event loop serves, and members that read too slowly.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::common::player::Player;
use crate::common::server::{Folder, Server};

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
    let server = Server::start_in(quiet_folder(), &["--threads", "3"]);
    let guests: Vec<_> = (0..ONE_LOOPS_MEMBERS + 40).map(|_| server.guest()).collect();
    let mut players: Vec<Player> = guests.iter().map(|guest| guest.join("crowd")).collect();
    let mut seqs: Vec<u64> =
        players.iter().map(|player| player.welcome["payload"]["seq"].as_u64().unwrap()).collect();

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
        assert_eq!(players[speaker].call("heartbeat", json!(null), 7)["result"], "OK");
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
