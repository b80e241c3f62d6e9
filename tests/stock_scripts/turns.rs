//! Games in turns.

use serde_json::{Value, json};

use super::Game;

fn turns(game: &mut Game) -> Value {
    game.snapshot("a")["state"]["turns"].take()
}

fn start(game: &mut Game, members: &[&str]) {
    game.ok("create_lobby", "a", members[0], &["8"]);
    for member in members {
        game.event("on_connect", "a", member, &["a"]);
    }
    game.pending();
}

#[test]
fn members_move_in_turns() {
    Game::each(|game| {
        start(game, &["1", "2", "3"]);
        game.fails("take_turn", "a", "1", &[r#"{"n":1,"move":1}"#], "conflict");
        game.fails("start_turns", "a", "2", &["{}"], "forbidden");
        let begun = game.event("start_turns", "a", "1", &[r#"{"limit_ms":5000}"#]);
        assert_eq!((&begun["type"], &begun["payload"]["n"]), (&json!("turn"), &json!(1)));
        let order = turns(game)["order"].as_array().expect("order").clone();
        let mut sorted: Vec<&str> = order.iter().filter_map(Value::as_str).collect();
        sorted.sort_unstable();
        assert_eq!(sorted, ["1", "2", "3"]);
        for n in 1..=7 {
            let player = order[(n - 1) % 3].as_str().expect("id");
            let other = order[n % 3].as_str().expect("id");
            let turn = json!({ "n": n, "move": { "card": n } }).to_string();
            game.fails("take_turn", "a", other, &[&turn], "forbidden");
            game.fails(
                "take_turn",
                "a",
                player,
                &[&json!({ "n": n - 1, "move": 1 }).to_string()],
                "conflict",
            );
            let events = game.call("take_turn", "a", player, &[&turn]).events;
            assert_eq!(
                events[0],
                json!({ "type": "move", "payload": { "user_id": player, "n": n, "move": { "card": n } } })
            );
            assert_eq!(
                (&events[1]["payload"]["user_id"], &events[1]["payload"]["n"]),
                (&json!(other), &json!(n + 1))
            );
        }
    });
}

#[test]
fn who_lets_the_time_pass_misses_a_turn() {
    Game::each(|game| {
        start(game, &["1", "2"]);
        game.event("start_turns", "a", "1", &[r#"{"limit_ms":5000}"#]);
        let order = turns(game)["order"].clone();
        assert_eq!(game.pass(4999), Vec::<Value>::new());
        let events = game.pass(1);
        assert_eq!(events[0], json!({ "type": "turn_missed", "payload": { "user_id": order[0], "n": 1 } }));
        assert_eq!((&events[1]["payload"]["user_id"], &events[1]["payload"]["n"]), (&order[1], &json!(2)));
        // A move sets the timer anew.
        game.pass(4000);
        let second = order[1].as_str().expect("id");
        game.call("take_turn", "a", second, &[r#"{"n":2,"move":1}"#]).result.expect("its turn");
        assert_eq!(game.pass(4999), Vec::<Value>::new());
        assert_eq!(game.pass(1)[0]["payload"]["n"], 3);
        // Who is gone is passed over; nobody left ends it.
        let first = order[0].as_str().expect("id");
        game.event("leave_lobby", "a", first, &[]);
        let missed: Vec<Value> = game.pass(15_000);
        assert!(
            missed
                .iter()
                .filter(|event| event["type"] == "turn")
                .all(|event| event["payload"]["user_id"] == second),
            "{missed:?}"
        );
        game.event("leave_lobby", "a", second, &[]);
        let ended = game.pass(60_000);
        assert_eq!(ended.last().expect("an event")["type"], "turns_ended");
        assert_eq!(game.pending(), 0);
    });
}

#[test]
fn wrong_turns_are_refused() {
    Game::each(|game| {
        start(game, &["1", "2"]);
        for limit in ["0", "999", "600001", "1000.5", "\"5000\"", "[]"] {
            game.fails("start_turns", "a", "1", &[&format!(r#"{{"limit_ms":{limit}}}"#)], "bad_request");
        }
        game.event("start_turns", "a", "1", &["null"]);
        // Nobody says by himself whose turn it is.
        let before = turns(game);
        for field in ["turns", "arena", "gems", "scores"] {
            let set = format!(
                r#"{{"action":"set","payload":{{"other":1,"{field}":{{"order":["2"],"at":1,"n":1}}}}}}"#
            );
            game.fails("update_state", "a", "2", &[&set], "forbidden");
        }
        assert_eq!(turns(game), before);
        for turn in ["", "1", "{}", r#"{"n":1}"#, r#"{"n":"1","move":1}"#] {
            game.fails("take_turn", "a", "1", &[turn], "bad_request");
        }
    });
}
