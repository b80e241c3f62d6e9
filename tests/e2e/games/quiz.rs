//! A quiz show: a host, and five hundred guests who all answer at once.

use std::time::Duration;

use serde_json::{Value, json};

use super::{act, folder, refused};
use crate::common::player::Player;
use crate::common::server::{Guest, Server};

const GUESTS: usize = 500;

/// Unoptimized and on a busy machine, a look at a room of five hundred takes a script longer than it may.
fn start() -> Server {
    Server::start_in(folder("quiz"), &["--threads", "2", "--script-time-budget", "2s"])
}

fn question(right: usize, time_ms: u32) -> Value {
    json!({"text": "How many legs has a spider?", "choices": ["six", "eight", "ten"], "right": right, "time_ms": time_ms})
}

fn answer(number: u32, choice: usize) -> Value {
    json!({"number": number, "choice": choice})
}

/// What a player has heard since the question, but of who comes and goes.
fn since_the_question(player: &Player) -> Vec<&Value> {
    let asked = player.seen().iter().rposition(|event| event["type"] == "question").unwrap();
    let about_members = |event: &&Value| event["type"].as_str().unwrap().starts_with("player_");
    player.seen()[asked + 1..].iter().filter(|event| !about_members(event)).collect()
}

#[test]
fn five_hundred_answers_at_once_all_count() {
    let server = start();
    let host_guest = server.guest();
    let room = host_guest.create_lobby(GUESTS as u32 + 1);
    let mut host = host_guest.join(&room);
    let guests: Vec<Guest<'_>> = (0..GUESTS).map(|_| server.guest()).collect();
    let mut players: Vec<Player> = Vec::new();
    for some in guests.chunks(5) {
        players.extend(some.iter().map(|guest| guest.join(&room)));
        host.listen();
        players.iter_mut().for_each(Player::listen);
    }

    assert_eq!(act(&mut host, "ask", question(2, 10_000)), 1);
    for player in &mut players {
        let asked = player.receive_type("question")["payload"].take();
        assert_eq!(asked.as_object().unwrap().len(), 4, "number, text, choices and ends: {asked}");
        assert_eq!((&asked["number"], &asked["choices"][1]), (&json!(1), &json!("eight")));
    }
    for (index, player) in players.iter_mut().enumerate() {
        player.send_text(
            &json!({"action": "answer", "id": 2, "payload": answer(1, index % 3 + 1)}).to_string(),
        );
    }
    for player in &mut players {
        let reply = player.receive_until(|message| message["id"] == 2);
        assert_eq!(
            reply,
            json!({"type": "reply", "id": 2, "result": "OK"}),
            "it does not say whether it is right"
        );
    }
    // The host alone hears how many have answered.
    host.receive_until(|event| event["type"] == "answers" && event["payload"]["count"] == GUESTS);

    let revealed = host.receive_type("revealed")["payload"].take();
    assert_eq!((&revealed["right"], &revealed["counts"]), (&json!(2), &json!([167, 167, 166])));
    for player in &mut players {
        assert_eq!(player.receive_type("revealed")["payload"], revealed);
        let heard = since_the_question(player);
        assert_eq!(heard.len(), 2, "its reply and what was right: {heard:?}");
    }

    assert_eq!(act(&mut host, "finish", json!(null)), "OK");
    let ranking = players[0].receive_type("ranking")["payload"].take();
    let ranking = ranking.as_array().unwrap();
    assert_eq!(ranking.len(), 167, "those who were right");
    let points: Vec<u64> = ranking.iter().map(|place| place["points"].as_u64().unwrap()).collect();
    assert!(points.is_sorted_by(|one, next| one >= next), "{points:?}");
    assert!(points.iter().all(|points| (500..=1000).contains(points)), "{points:?}");
    for place in ranking {
        let index = guests.iter().position(|guest| place["user_id"] == *guest.user_id).unwrap();
        assert_eq!(index % 3, 1, "{place}");
    }
    assert_eq!(Value::from(&ranking[..10]), revealed["leaders"]);
}

#[test]
fn only_the_first_answer_in_time_counts() {
    let server = start();
    let (host_guest, ann_guest, ben_guest) = (server.guest(), server.guest(), server.guest());
    let room = host_guest.create_lobby(4);
    let mut host = host_guest.join(&room);
    let (mut ann, mut ben) = (ann_guest.join(&room), ben_guest.join(&room));
    assert_eq!(refused(&mut ann, "ask", question(1, 1000)).0, "forbidden");
    assert_eq!(refused(&mut ann, "finish", json!(null)).0, "forbidden");
    assert_eq!(refused(&mut ann, "time_up", json!({"number": 1})).0, "forbidden");
    assert_eq!(refused(&mut ann, "answer", answer(1, 1)).0, "too_early");
    for (field, value) in [
        ("text", json!("")),
        ("choices", json!(["one"])),
        ("choices", json!([1, 2])),
        ("right", json!(0)),
        ("right", json!(4)),
        ("time_ms", json!(1e9)),
    ] {
        let mut asked = question(1, 1000);
        asked[field] = value;
        let (code, message) = refused(&mut host, "ask", asked);
        assert!(code == "bad_request" && message.starts_with(field), "{code} {message}");
    }

    assert_eq!(act(&mut host, "ask", question(1, 2000)), 1);
    let ends = ann.receive_type("question")["payload"]["ends"].as_u64().unwrap();
    assert_eq!(refused(&mut host, "ask", question(1, 2000)).0, "conflict");
    assert_eq!(refused(&mut host, "answer", answer(1, 1)).0, "forbidden");
    for wrong in
        [json!(null), json!({"number": 1}), answer(1, 0), answer(1, 4), json!({"number": 1, "choice": "1"})]
    {
        assert_eq!(refused(&mut ann, "answer", wrong).0, "bad_request");
    }
    let outside = server.guest().rpc("answer", json!([answer(1, 1)]), &[&format!("game:{room}")]);
    assert_eq!((outside.status, outside.error_code().as_str()), (403, "forbidden"), "{outside:?}");
    assert_eq!(act(&mut ann, "answer", answer(1, 1)), "OK");
    assert_eq!(refused(&mut ann, "answer", answer(1, 2)).0, "already_answered");
    assert_eq!(refused(&mut ann, "answer", answer(2, 1)).0, "too_early");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(act(&mut ben, "answer", answer(1, 1)), "OK");
    // Who comes in now sees the question, and not what is right.
    let late = server.guest().join(&room);
    let state = &late.welcome["payload"]["state"]["state"];
    let expected = json!({"number": 1, "text": "How many legs has a spider?", "choices": ["six", "eight", "ten"], "ends": ends});
    assert_eq!(state, &json!({"question": expected}));

    assert_eq!(ann.receive_type("revealed")["payload"]["counts"], json!([2, 0, 0]));
    assert_eq!(refused(&mut ben, "answer", answer(1, 1)).0, "too_late");

    // Wrong, and right in the next question: points add up.
    assert_eq!(act(&mut host, "ask", question(3, 1000)), 2);
    assert_eq!(refused(&mut ann, "answer", answer(1, 1)).0, "too_late");
    assert_eq!(act(&mut ann, "answer", answer(2, 1)), "OK");
    assert_eq!(act(&mut ben, "answer", answer(2, 3)), "OK");
    let leaders = ann.receive_type("revealed")["payload"]["leaders"].take();
    assert_eq!(act(&mut host, "finish", json!(null)), "OK");
    let ranking = ben.receive_type("ranking")["payload"].take();
    assert_eq!(ranking, leaders);
    let points = |place: usize| ranking[place]["points"].as_u64().unwrap();
    assert_eq!(
        (&ranking[0]["user_id"], &ranking[1]["user_id"]),
        (&json!(ben_guest.user_id), &json!(ann_guest.user_id))
    );
    assert!((1000..=2000).contains(&points(0)) && (500..=1000).contains(&points(1)), "{ranking}");
    // By the clock, the first was half a second faster in the first question.
    let first =
        ann.seen().iter().find(|event| event["type"] == "revealed").unwrap()["payload"]["leaders"].clone();
    assert_eq!(first[0]["user_id"], ann_guest.user_id);
    let faster = first[0]["points"].as_u64().unwrap() - first[1]["points"].as_u64().unwrap();
    assert!((120..=400).contains(&faster), "half a second of two is worth 125 points: {first}");
    assert_eq!(act(&mut host, "finish", json!(null)), "OK");
    assert_eq!(ben.receive_type("ranking")["payload"], json!([]), "a show that nobody has played");
}
