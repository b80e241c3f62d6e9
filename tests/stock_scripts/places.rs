//! Nobody gets anywhere at once by leaving and coming back.

use serde_json::{Value, json};

use super::Game;

const FAST: [&str; 2] = ["4", r#"{"max_speed":100}"#];

fn place(game: &mut Game, user: &str) -> (Value, Value) {
    let player = game.snapshot("a")["players"][user].clone();
    (player["x"].clone(), player["y"].clone())
}

fn is_at_ten(game: &mut Game, user: &str) {
    assert_eq!(place(game, user), (json!(10), json!(20)));
    let too_fast = game.fails("move_player", "a", user, &["900", "900"], "too_fast");
    assert_eq!(too_fast.details, json!({ "x": 10, "y": 20 }));
}

#[test]
fn who_comes_back_begins_where_it_left() {
    Game::each(|game| {
        game.ok("create_lobby", "a", "1", &FAST);
        let leave = |game: &mut Game, script: &str| {
            let (user, args): (_, &[&str]) =
                if script == "kick_player" { ("1", &["2"]) } else { ("2", &["a"]) };
            game.event(script, "a", user, args);
            assert_eq!(game.snapshot("a")["players"]["2"], Value::Null);
            game.fails("move_player", "a", "2", &["11", "20"], "forbidden");
        };
        game.event("on_connect", "a", "2", &["a"]);
        game.event("move_player", "a", "2", &["10", "20"]);
        for script in ["leave_lobby", "on_disconnect", "kick_player"] {
            leave(game, script);
            game.ok("join_lobby", "a", "2", &[]);
            is_at_ten(game, "2");
            game.event("on_connect", "a", "2", &["a"]);
            leave(game, script);
            let joined = game.event("on_connect", "a", "2", &["a"])["payload"].clone();
            let known = json!({ "user_id": "2", "username": "name of 2", "x": 10, "y": 20 });
            assert_eq!(joined, known, "the others learn where it is");
            is_at_ten(game, "2");
        }
        assert_eq!(game.store.command(&["HLEN", "game:a:places"]), 0, "a place is taken up once");
        // It has a second's way to go, no matter how often it leaves.
        game.event("move_player", "a", "2", &["90", "20"]);
        leave(game, "leave_lobby");
        game.ok("join_lobby", "a", "2", &[]);
        game.fails("move_player", "a", "2", &["150", "20"], "too_fast");
    });
}

#[test]
fn a_place_is_kept_for_five_minutes_and_in_one_lobby() {
    Game::each(|game| {
        game.ok("create_lobby", "a", "1", &FAST);
        game.ok("join_lobby", "a", "2", &[]);
        game.event("move_player", "a", "2", &["10", "20"]);
        game.event("leave_lobby", "a", "2", &[]);
        game.store.advance(299_999);
        game.ok("join_lobby", "a", "2", &[]);
        is_at_ten(game, "2");
        game.event("leave_lobby", "a", "2", &[]);
        game.store.advance(300_000);
        game.ok("join_lobby", "a", "2", &[]);
        assert_eq!(place(game, "2"), (Value::Null, Value::Null));
        game.event("move_player", "a", "2", &["10", "20"]);
        game.event("leave_lobby", "a", "2", &[]);
        game.store.command(&["DEL", "game:a"]);
        game.store.advance(1);
        game.ok("create_lobby", "a", "1", &FAST);
        game.ok("join_lobby", "a", "2", &[]);
        assert_eq!(place(game, "2"), (Value::Null, Value::Null), "that was another lobby");
    });
}

#[test]
fn the_places_of_a_few_hundred_are_kept() {
    Game::each(|game| {
        game.ok("create_lobby", "a", "1", &FAST);
        for user in 1000..1300 {
            let user = user.to_string();
            game.ok("join_lobby", "a", &user, &[]);
            game.event("move_player", "a", &user, &["10", "20"]);
            game.event("leave_lobby", "a", &user, &[]);
        }
        assert_eq!(game.store.command(&["HLEN", "game:a:places"]), 256);
        let ends = game.store.command(&["TTL", "game:a:places"]).as_i64().expect("integer");
        assert!((290..=300).contains(&ends), "{ends}");
        assert_eq!(game.store.command(&["HLEN", "game:a:positions"]), 0);
    });
}

/// It could not move until the clock had caught up, and then waited for the burst besides.
#[test]
fn regression_a_clock_that_was_set_back_stops_nobody() {
    Game::each(|game| {
        game.ok("create_lobby", "a", "1", &FAST);
        for ahead_ms in [1, 999, 1000, 1001, 3_600_000] {
            // As if it had moved so much later: a double for x, y, and up to when time is spent.
            let script = "return redis.call('HSET', KEYS[1], ARGV[1], struct.pack('<ddd', 10, 20, ARGV[2]))";
            let spent = (super::START_MS + ahead_ms).to_string();
            game.store.eval(script, &["game:a:positions"], &["1", &spent]);
            game.fails("move_player", "a", "1", &["10", "121"], "too_fast");
            game.event("move_player", "a", "1", &["10", "120"]);
            game.fails("move_player", "a", "1", &["10", "119"], "too_fast");
        }
    });
}
