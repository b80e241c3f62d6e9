//! Who comes back gets exactly what was missed, or the whole state. The same on every store.

use serde_json::{Value, json};

use crate::common::player::Player;
use crate::common::server::{Folder, Guest, Server};

/// Publishes what its payload says: lists of a type, a payload and options.
const SAY: &str = r#"-- ROLE: guest
-- KEYS: game:{room}
for _, event in ipairs(cjson.decode(ARGV[2])) do
  local options
  if event[3] ~= nil and event[3] ~= cjson.null then options = event[3] end
  godra.publish(event[1], event[2], options)
end
redis.call("INCRBY", KEYS[1] .. ":said", #cjson.decode(ARGV[2]))
return "OK"
"#;
const COUNT: &str = "-- KEYS: game:{room}\nreturn redis.call('GET', KEYS[1] .. ':said') or '0'";
const HOOK: &str = "-- KEYS: game:{room}, game:{room}:players\nreturn 'OK'";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write_script("on_connect", HOOK);
    folder.write_script("on_disconnect", HOOK);
    folder.write_script("on_resume", HOOK);
    folder.write_script("on_snapshot", COUNT);
    folder.write_script("say", SAY);
    folder
}

fn start(flags: &[&str]) -> Server {
    Server::start_in(folder(), &[&["--max-message-bytes", "1000000"], flags].concat())
}

#[track_caller]
fn say(player: &mut Player, events: Value) {
    let answer = player.call("say", events, 1);
    assert_eq!(answer["result"], "OK", "{answer}");
}

/// Where a player is: the epoch, and the highest seq that it has seen or was told.
#[derive(Clone)]
struct Place {
    epoch: String,
    seq: u64,
}

/// Reads all that has been sent to a player by now; gives the events' payloads, and its place behind them.
#[track_caller]
fn read_all(player: &mut Player) -> (Vec<Value>, Place) {
    let welcome = player.welcome["payload"].clone();
    let mut place =
        Place { epoch: welcome["epoch"].as_str().unwrap().into(), seq: welcome["seq"].as_u64().unwrap() };
    let mut payloads = Vec::new();
    player.send_text(r#"{"action":"heartbeat","id":99}"#);
    loop {
        let message = player.receive();
        if message["id"] == 99 {
            place.seq = place.seq.max(message["result"]["seq"].as_u64().unwrap());
            return (payloads, place);
        }
        if let Some(seq) = message["seq"].as_u64() {
            assert!(seq > place.seq, "{message} after {}", place.seq);
            place.seq = seq;
            payloads.push(message["payload"].clone());
        }
    }
}

#[track_caller]
fn come_back(guest: &Guest<'_>, place: &Place) -> Player {
    let query = format!("&epoch={}&since={}", place.epoch, place.seq);
    guest.try_join_with("hall", &query).unwrap()
}

#[track_caller]
fn is_recovered(player: &Player, seq: u64) {
    let payload = &player.welcome["payload"];
    assert_eq!(
        (&payload["recovered"], &payload["seq"], &payload["state"]),
        (&json!(true), &json!(seq), &Value::Null)
    );
}

#[track_caller]
fn has_state(player: &Player, state: u64) {
    let payload = &player.welcome["payload"];
    assert_eq!((&payload["recovered"], &payload["state"]), (&json!(false), &json!(state)), "{payload}");
}

#[test]
fn who_comes_back_gets_what_was_meant_for_it_and_no_more() {
    let server = start(&[]);
    let (ann, bob) = (server.guest(), server.guest());
    let (mut a, mut b) = (ann.join("hall"), bob.join("hall"));
    say(&mut b, json!([["x", 1], ["x", 2]]));
    let (seen, place) = read_all(&mut a);
    assert_eq!(seen, [1, 2]);
    drop(a);
    let (to, except) = (json!({"to": ann.user_id}), json!({"except": ann.user_id}));
    say(&mut b, json!([["x", 3], ["x", 4, to], ["x", 5, except], ["x", 6, {"to": bob.user_id}]]));
    say(&mut b, json!([["x", 7]]));
    let mut a = come_back(&ann, &place);
    is_recovered(&a, place.seq);
    say(&mut b, json!([["x", 8]]));
    assert_eq!(read_all(&mut a).0, [3, 4, 7, 8]);
}

#[test]
fn who_has_missed_nothing_gets_nothing() {
    let server = start(&[]);
    let guest = server.guest();
    let mut player = guest.join("hall");
    say(&mut player, json!([["x", 1]]));
    let (_, place) = read_all(&mut player);
    drop(player);
    let mut player = come_back(&guest, &place);
    is_recovered(&player, place.seq);
    assert_eq!(read_all(&mut player).0, [0; 0]);
    say(&mut player, json!([["x", 2]]));
    assert_eq!(read_all(&mut player).0, [2]);
}

#[test]
fn a_place_that_cannot_be_gone_on_from_gives_way_to_the_state() {
    let server = start(&["--history-events", "4"]);
    let (ann, bob) = (server.guest(), server.guest());
    let (mut a, mut b) = (ann.join("hall"), bob.join("hall"));
    let (_, start) = read_all(&mut a);
    say(&mut b, json!([["x", 1]]));
    let (_, place) = read_all(&mut a);
    let ahead = Place { seq: place.seq + 1, ..place.clone() };
    let elsewhere = Place { epoch: "abc".into(), ..place.clone() };
    has_state(&come_back(&ann, &ahead), 1);
    has_state(&come_back(&ann, &elsewhere), 1);
    is_recovered(&come_back(&ann, &start), start.seq);
    for number in 2..20 {
        say(&mut b, json!([["x", number]]));
    }
    has_state(&come_back(&ann, &start), 19);
    let last = read_all(&mut b).1;
    let recent = Place { seq: last.seq - 4, ..last };
    let mut a = come_back(&ann, &recent);
    is_recovered(&a, recent.seq);
    assert_eq!(read_all(&mut a).0, [16, 17, 18, 19]);
}

#[test]
fn a_place_that_makes_no_sense_is_refused() {
    let server = start(&[]);
    let guest = server.guest();
    let refused = |query: &str, expected: &str| {
        let response = guest.try_join_with("hall", query).err().unwrap();
        let message = response.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(response.status == 400 && message.starts_with(expected), "{query}: {message}");
    };
    refused("&epoch=ab&since=-1", "since must be");
    refused("&epoch=ab&since=", "since must be");
    refused("&epoch=xyz&since=1", "epoch must be");
    refused("&since=1", "epoch and since belong together");
    refused("&epoch=1", "epoch and since belong together");
}

#[test]
fn the_history_can_be_switched_off() {
    let server = start(&["--history-events", "0"]);
    let (ann, bob) = (server.guest(), server.guest());
    let (mut a, mut b) = (ann.join("hall"), bob.join("hall"));
    let (_, place) = read_all(&mut a);
    is_recovered(&come_back(&ann, &place), place.seq);
    say(&mut b, json!([["x", 1]]));
    has_state(&come_back(&ann, &place), 1);
}

#[test]
fn events_are_forgotten_when_they_are_old() {
    let server = start(&["--history-seconds", "1"]);
    let (ann, bob) = (server.guest(), server.guest());
    let (mut a, mut b) = (ann.join("hall"), bob.join("hall"));
    let (_, place) = read_all(&mut a);
    say(&mut b, json!([["x", 1]]));
    crate::common::wait_until("it is forgotten", || {
        come_back(&ann, &place).welcome["payload"]["recovered"] == json!(false)
    });
}

/// Positions of two players, of which each hides the one before; and what is for one player hides nothing of another's.
#[test]
fn of_events_that_take_each_others_place_the_last_is_kept() {
    let server = start(&["--history-events", "20"]);
    let (ann, bob) = (server.guest(), server.guest());
    let (mut a, mut b) = (ann.join("hall"), bob.join("hall"));
    let (_, place) = read_all(&mut a);
    say(&mut b, json!([["x", "first"], ["x", "mine", {"to": ann.user_id, "replace": "p"}]]));
    for number in 0..200 {
        let key = format!("pos:{}", number % 3);
        say(
            &mut b,
            json!([["x", number, {"replace": key}], ["x", format!("bob {number}"), {"to": bob.user_id, "replace": "p"}]]),
        );
    }
    say(&mut b, json!([["x", "last"]]));
    drop(a);
    let mut a = come_back(&ann, &place);
    is_recovered(&a, place.seq);
    let expected = [json!("first"), json!("mine"), json!(197), json!(198), json!(199), json!("last")];
    assert_eq!(read_all(&mut a).0, expected);
}

/// Within one interval, too.
#[test]
fn of_events_of_one_call_that_take_each_others_place_the_last_goes_out() {
    let server = start(&[]);
    let (ann, bob) = (server.guest(), server.guest());
    let (mut a, mut b) = (ann.join("hall"), bob.join("hall"));
    let key = json!({"replace": "k"});
    say(&mut b, json!([["x", 1, key], ["x", 2], ["x", 3, key], ["x", 4, {"replace": "l"}]]));
    assert_eq!(read_all(&mut a).0, [2, 3, 4]);
}

/// A client that has lost its place need not reconnect.
#[test]
fn a_client_may_ask_for_a_snapshot() {
    let server = Server::start(&["--threads", "2"]);
    let (ann_guest, ben_guest) = (server.guest(), server.guest());
    let room = ann_guest.create_lobby(4);
    let (mut ann, mut ben) = (ann_guest.join(&room), ben_guest.join(&room));
    for (id, round) in (1..).zip(1..=3) {
        ann.call("set", json!({"round": round}), id);
    }
    assert_eq!(ben.call("resync", json!(null), 9), json!({"type": "reply", "id": 9, "result": null}));
    let snapshot = ben.receive_type("snapshot");
    let welcome = &ben.welcome["payload"];
    assert_eq!(snapshot["payload"]["state"]["round"], 3, "{snapshot}");
    assert_eq!(snapshot["epoch"], welcome["epoch"]);
    let seq = snapshot["seq"].as_u64().unwrap();
    assert_eq!(seq, welcome["seq"].as_u64().unwrap() + 3, "{snapshot}");
    assert_eq!(ben.call("resync", json!(null), 10)["payload"]["code"], "rate_limited");
    ann.call("set", json!({"round": 4}), 5);
    let next = ben.receive_type("state");
    assert_eq!(
        (next["seq"].as_u64(), &next["payload"]["payload"]["round"]),
        (Some(seq + 1), &json!(4)),
        "{next}"
    );
}
