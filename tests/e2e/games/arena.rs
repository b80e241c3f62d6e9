//! An arena at 20 steps a second, with pickups that come back.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::{act, folder, heard, lobby, refused};
use crate::common::player::Player;
use crate::common::server::{Guest, Server};

const ROUND_MS: u64 = 8000;

/// What there is to know of a round for one who plays.
struct View {
    pickups: Vec<(f64, f64)>,
    is_there: Vec<bool>,
}

impl View {
    fn of(round: &Value) -> Self {
        let place = |at: &Value| (at["x"].as_f64().unwrap(), at["y"].as_f64().unwrap());
        let pickups: Vec<_> = round["pickups"].as_array().unwrap().iter().map(place).collect();
        Self { is_there: vec![true; pickups.len()], pickups }
    }

    fn hear(&mut self, event: &Value) {
        let number = || event["payload"]["pickup"].as_u64().unwrap() as usize - 1;
        match event["type"].as_str() {
            Some("taken") => self.is_there[number()] = false,
            Some("back") => self.is_there[number()] = true,
            _ => {}
        }
    }

    /// The way to the nearest pickup that is there, or to nowhere.
    fn way_from(&self, (x, y): (f64, f64)) -> Value {
        let ways = self.pickups.iter().zip(&self.is_there).filter(|(_, is_there)| **is_there);
        let ways = ways.map(|((px, py), _)| (px - x, py - y));
        let nearest = ways.min_by(|a, b| a.0.hypot(a.1).total_cmp(&b.0.hypot(b.1)));
        let (dx, dy) = nearest.unwrap_or((0.0, 0.0));
        json!({"dx": dx, "dy": dy})
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value}"))
}

/// Steps come every 50 ms of the store's clock, whatever the players do meanwhile; on a busy machine some are left out, and
/// the server says how many it has since the round began.
fn check_steps(places: &[&Value], left_out: f64) {
    let (first, last) = (places[0], places[places.len() - 1]);
    let steps = (number(&last["n"]) - number(&first["n"])) as f64;
    let due = (number(&last["at"]) - number(&first["at"])) as f64 / 50.0;
    assert!(steps <= due + 1.0, "{steps} steps where {due} were due");
    assert!(steps + left_out >= due - 3.0, "{steps} steps and {left_out} left out where {due} were due");
    assert!(steps >= due / 4.0, "{steps} steps where {due} were due");
    for pair in places.windows(2) {
        let steps = number(&pair[1]["n"]) - number(&pair[0]["n"]);
        let took = number(&pair[1]["at"]) - number(&pair[0]["at"]);
        for (id, to) in pair[1]["players"].as_object().unwrap() {
            let from = &pair[0]["players"][id];
            let way = |axis: &str| to[axis].as_f64().unwrap() - from[axis].as_f64().unwrap();
            let moved = way("x").hypot(way("y"));
            // 100 a second, over at most a quarter of a second a step.
            assert!(moved <= 0.1 * took as f64 + 0.01, "{id} went {moved} in {took} ms, {steps} steps");
        }
    }
}

/// Each pickup is taken by one, and is back three seconds after it was; gives who has taken how many.
fn check_pickups(events: &[Value]) -> HashMap<String, u64> {
    let mut scores: HashMap<String, u64> = HashMap::new();
    let mut taken_at: BTreeMap<u64, u64> = BTreeMap::new();
    let mut came_back = 0;
    for event in events {
        let payload = &event["payload"];
        if event["type"] == "taken" {
            let score = scores.entry(payload["user_id"].as_str().unwrap().to_owned()).or_default();
            *score += 1;
            assert_eq!(payload["score"], *score, "{event}");
            let before = taken_at.insert(number(&payload["pickup"]), number(&payload["at"]));
            assert_eq!(before, None, "taken by two: {event}");
        } else if event["type"] == "back" {
            let taken = taken_at.remove(&number(&payload["pickup"])).expect("it was taken");
            let away = number(&payload["at"]) - taken;
            assert!((3000..4500).contains(&away), "back after {away} ms");
            came_back += 1;
        }
    }
    assert!(came_back >= 4, "{came_back} came back");
    scores
}

fn left_out(server: &Server) -> f64 {
    server.metric("godra_ticks_left_out_total")
}

fn start() -> Server {
    Server::start_in(folder("arena"), &["--threads", "2"])
}

#[test]
fn eight_players_share_what_comes_back() {
    let server = start();
    let guests: Vec<Guest<'_>> = (0..8).map(|_| server.guest()).collect();
    let room = lobby(&guests[0], 8, "round_ms", ROUND_MS as u32);
    let mut players: Vec<Player> = guests.iter().map(|guest| guest.join(&room)).collect();
    assert_eq!(refused(&mut players[1], "start_round", json!(null)).0, "forbidden");
    assert_eq!(refused(&mut players[1], "steer", json!({"dx": 1, "dy": 0})).0, "conflict", "no round is on");
    assert_eq!(refused(&mut players[1], "step", json!(null)).0, "forbidden");
    let left_out_before = left_out(&server);
    players[0].send("start_round", json!(null));

    let round = players[0].receive_type("round")["payload"].take();
    let mut view = View::of(&round);
    loop {
        let event = players[0].receive();
        view.hear(&event);
        if event["type"] == "over" {
            break;
        }
        if event["type"] == "places" && number(&event["payload"]["n"]).is_multiple_of(2) {
            for (guest, player) in guests.iter().zip(&mut players) {
                let at = &event["payload"]["players"][&guest.user_id];
                player.send("steer", view.way_from((at["x"].as_f64().unwrap(), at["y"].as_f64().unwrap())));
            }
        }
    }

    let over = heard(&players[0], "over")[0].clone();
    check_steps(&heard(&players[0], "places"), left_out(&server) - left_out_before);
    let scores = check_pickups(players[0].seen());
    assert!(scores.values().sum::<u64>() >= 12, "{scores:?}");
    for guest in &guests {
        let score = scores.get(&guest.user_id).copied().unwrap_or(0);
        assert_eq!(over["scores"][&guest.user_id], score, "{over}");
    }
    let late = number(&over["at"]) - number(&round["ends"]);
    assert!(late < 1500, "it ended {late} ms late");
    assert!(number(&over["steps"]) <= ROUND_MS / 50 + 1, "{over}");

    // All have heard the same of what counts.
    let told = |player: &Player| -> Vec<Value> {
        heard(player, "taken").into_iter().chain(heard(player, "back")).cloned().collect()
    };
    let first = told(&players[0]);
    for player in &mut players[1..] {
        player.receive_type("over");
        assert_eq!(told(player), first);
        assert_eq!(refused(player, "steer", json!({"dx": 1, "dy": 0})).0, "conflict", "the round is over");
    }
    // No pickup of the last round comes back into the next one.
    let came_back = heard(&players[0], "back").len();
    assert_eq!(act(&mut players[0], "start_round", json!(null)), "OK");
    let begun = number(&players[0].receive_type("places")["payload"]["at"]);
    let is_later = |event: &Value| event["payload"]["at"].as_u64().is_some_and(|at| at > begun + 3200);
    players[0].receive_until(is_later);
    assert_eq!(heard(&players[0], "back").len(), came_back);
}

#[test]
fn players_come_and_go_in_the_middle_of_a_round() {
    let server = start();
    let (ann_guest, ben_guest) = (server.guest(), server.guest());
    let room = lobby(&ann_guest, 8, "round_ms", 6000);
    let mut ann = ann_guest.join(&room);
    assert_eq!(act(&mut ann, "start_round", json!(null)), "OK");
    let mut ben = ben_guest.join(&room);
    let who = |event: &Value| -> Vec<String> {
        event["payload"]["players"]
            .as_object()
            .map(|players| players.keys().cloned().collect())
            .unwrap_or_default()
    };
    assert_eq!(who(&ben.receive_type("places")), [&*ann_guest.user_id]);
    assert_eq!(act(&mut ben, "steer", json!({"dx": 0, "dy": 3})), "OK");
    ann.receive_until(|event| who(event).len() == 2);
    // The nearest pickup in that way is 50 away.
    assert_eq!(ann.receive_type("taken")["payload"]["user_id"], ben_guest.user_id);
    ben.close();
    ann.receive_until(|event| who(event) == [&*ann_guest.user_id]);
    // What was won counts, also of who has gone.
    let over = ann.receive_type("over")["payload"].take();
    assert_eq!(over["scores"], json!({&ann_guest.user_id: 0, &ben_guest.user_id: 1}));
}

#[test]
fn hostile_ways_lead_nowhere() {
    let server = start();
    let guest = server.guest();
    let room = lobby(&guest, 8, "round_ms", 5000);
    let mut player = guest.join(&room);
    let left_out_before = left_out(&server);
    assert_eq!(act(&mut player, "start_round", json!(null)), "OK");
    for way in [
        json!(null),
        json!([1, 2]),
        json!("north"),
        json!({"dx": 1}),
        json!({"dx": "1", "dy": 0}),
        json!({"dx": 1e300, "dy": 0}),
        json!({"dx": {}, "dy": []}),
    ] {
        assert_eq!(refused(&mut player, "steer", way).0, "bad_request");
    }
    player.send_text(r#"{"action":"steer","id":5,"payload":{"dx":1e999,"dy":0}}"#);
    assert_eq!(player.receive_until(|answer| answer["id"] == 5)["payload"]["code"], "bad_request");
    // As fast as anybody else, however long the way that it names; and not out of the arena.
    assert_eq!(act(&mut player, "steer", json!({"dx": 999_999, "dy": -999_999})), "OK");
    player.receive_until(|event| {
        let at = &event["payload"]["players"][&guest.user_id];
        event["type"] == "places" && at["x"] == 200 && at["y"] == 0
    });
    check_steps(&heard(&player, "places"), left_out(&server) - left_out_before);
    assert_eq!(server.metric(r#"godra_script_errors_total{script="step"}"#), 0.0);
}
