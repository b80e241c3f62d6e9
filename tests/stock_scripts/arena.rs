//! The arena's game, and bots.

use serde_json::{Value, json};

use super::Game;

fn of<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind).map(|event| &event["payload"]).collect()
}

fn enter(game: &mut Game, users: &[&str]) {
    game.ok("create_lobby", "a", users[0], &["8", r#"{"max_speed":0}"#]);
    for user in users {
        game.event("on_connect", "a", user, &["a"]);
    }
}

#[test]
fn rounds_begin_and_end_by_the_clock_with_a_podium_and_a_ranking() {
    Game::each(|game| {
        enter(game, &["1", "2"]);
        game.fails("play_arena", "a", "9", &[], "forbidden");
        for user in ["1", "2"] {
            game.ok("play_arena", "a", user, &[]);
        }
        let events = game.pass(2000);
        assert_eq!(of(&events, "round_started").len(), 1, "once for all: {events:?}");
        assert_eq!(of(&events, "gem").len(), 14);
        let state = game.snapshot("a")["state"].take();
        assert_eq!(
            (&state["arena"]["phase"], state["gems"].as_object().map(|gems| gems.len())),
            (&json!("playing"), Some(14))
        );

        // Who stands on a gem has it.
        let gem = of(&events, "gem")[0];
        game.event("move_player", "a", "2", &[&json!({ "x": gem["x"], "y": gem["y"] }).to_string()]);
        let events = game.pass(400);
        let taken = of(&events, "gem_taken");
        assert!(taken.iter().any(|taken| taken["id"] == gem["id"] && taken["user_id"] == "2"), "{events:?}");
        let score = taken.iter().map(|taken| taken["score"].as_i64().expect("score")).max().expect("one");
        assert_eq!(game.snapshot("a")["state"]["scores"]["2"], score);

        // Back in the middle of a round, the score is there.
        game.event("on_disconnect", "a", "2", &["a"]);
        game.event("on_connect", "a", "2", &["a"]);
        assert_eq!(game.snapshot("a")["state"]["scores"]["2"], score);

        // The last fifteen seconds have twice the gems.
        game.pass(71_000);
        let gems = |game: &mut Game| game.snapshot("a")["state"]["gems"].as_object().map(|gems| gems.len());
        assert_eq!(gems(game), Some(14));
        game.pass(6_000);
        assert_eq!(gems(game), Some(28));

        let events = game.pass(13_000);
        let ended = of(&events, "round_ended");
        assert_eq!(ended.len(), 1);
        let winner = &ended[0]["podium"][0];
        assert_eq!((&winner["user_id"], &winner["username"]), (&json!("2"), &json!("name of 2")));
        let text = game.ok("ranking", "any", "2", &["arena"]);
        let ranking: Value = serde_json::from_str(text.as_str().expect("text")).expect("JSON");
        assert_eq!(ranking["me"]["score"], winner["score"]);
        let events = game.pass(12_000);
        assert_eq!(of(&events, "round_started")[0]["round"], 2);
        assert_eq!(game.snapshot("a")["state"]["scores"], json!({}));
    });
}

#[test]
fn who_have_as_much_share_the_place() {
    Game::each(|game| {
        enter(game, &["1", "2", "3"]);
        game.ok("play_arena", "a", "1", &[]);
        game.pass(89_000);
        game.store.command(&["DEL", "game:a:positions"]);
        game.store.command(&["HSET", "game:a:scores", "1", "5", "2", "9", "3", "9", "4", "2"]);
        let events = game.pass(2_000);
        let podium = &of(&events, "round_ended")[0]["podium"];
        let places =
            podium.as_array().expect("a list").iter().map(|player| (&player["user_id"], &player["place"]));
        let expected =
            [("2", 1), ("3", 1), ("1", 3), ("4", 4)].map(|(user, place)| (json!(user), json!(place)));
        assert!(places.eq(expected.iter().map(|(user, place)| (user, place))), "{podium}");
        assert_eq!(game.snapshot("a")["state"]["arena"]["podium"], *podium);
    });
}

#[test]
fn a_round_that_nobody_scored_in_has_no_podium_and_an_empty_room_no_game() {
    Game::each(|game| {
        enter(game, &["1"]);
        game.ok("play_arena", "a", "1", &[]);
        let events = game.pass(91_000);
        assert_eq!(of(&events, "round_ended")[0].get("podium"), None, "{events:?}");
        game.event("on_disconnect", "a", "1", &["a"]);
        assert_eq!(of(&game.pass(10_000), "gem").len(), 0);
        for key in ["game:a:arena", "game:a:pickups", "game:a:scores"] {
            assert_eq!(game.store.command(&["EXISTS", key]), 0, "{key}");
        }
        assert_eq!(game.snapshot("a")["state"], json!({}));
        game.event("on_connect", "a", "1", &["a"]);
        game.ok("play_arena", "a", "1", &[]);
        assert_eq!(of(&game.pass(1000), "round_started")[0]["round"], 1);
    });
}

#[test]
fn bots_fill_seats_and_give_them_to_players() {
    Game::each(|game| {
        game.ok("create_lobby", "a", "1", &["4"]);
        game.event("on_connect", "a", "1", &["a"]);
        game.fails("add_bots", "a", "2", &["{}"], "forbidden");
        for count in ["0", "17", "1.5", "\"2\""] {
            game.fails("add_bots", "a", "1", &[&format!(r#"{{"count":{count}}}"#)], "bad_request");
        }
        let outcome = game.call("add_bots", "a", "1", &[r#"{"count":2}"#]);
        assert_eq!((outcome.events.len(), outcome.result), (2, Ok(json!(2))));
        let outcome = game.call("add_bots", "a", "1", &["null"]);
        assert_eq!((outcome.events.len(), outcome.result), (1, Ok(json!(3))), "as many as there are seats");
        assert_eq!(game.lobbies(&[])["lobbies"][0]["members"], 4);

        // They move, within the bounds and their speed.
        let place = |event: &Value| (event["x"].as_f64().expect("x"), event["y"].as_f64().expect("y"));
        let mut last = None;
        for event in of(&game.pass(20_000), "player_moved") {
            let (x, y) = place(event);
            assert!((0.0..=1000.0).contains(&x) && (0.0..=1000.0).contains(&y), "{event}");
            if event["user_id"] == "bot:1" {
                if let Some((from_x, from_y)) = last {
                    let way = f64::hypot(x - from_x, y - from_y);
                    assert!(way <= 140.0 * 0.25 + 0.2, "{way}");
                }
                last = Some((x, y));
            }
        }
        assert!(last.is_some());

        // Two players come, one by each door, and then a bot is put out.
        let joined = game.call("on_connect", "a", "2", &["a"]);
        assert_eq!(joined.events[0]["type"], "player_left");
        assert_eq!(joined.events.len(), 2, "{joined:?}");
        assert_eq!(game.event("join_lobby", "a", "3", &[])["type"], "player_left");
        game.event("kick_player", "a", "1", &["bot:1"]);
        assert_eq!(of(&game.pass(1000), "player_moved").len(), 0, "there is none any more");
        game.event("on_connect", "a", "4", &["a"]);
        assert_eq!(game.fails("on_connect", "a", "5", &["a"], "conflict").message, "Lobby is full");
    });
}

#[test]
fn in_a_room_without_an_owner_any_member_adds_bots() {
    Game::each(|game| {
        enter(game, &["1", "2"]);
        game.store.command(&["HSET", "game:a", "owner", ""]);
        game.fails("add_bots", "a", "9", &["{}"], "forbidden");
        game.call("add_bots", "a", "2", &[r#"{"count":2}"#]).result.expect("bots");
        assert_eq!(game.lobbies(&[])["lobbies"][0]["members"], 4);
    });
}

#[test]
fn bots_leave_to_each_other_what_one_goes_for() {
    Game::each(|game| {
        enter(game, &["1"]);
        game.store.command(&["HSET", "game:a:pickups", "near", "100,100,1", "far", "900,900,1"]);
        game.call("add_bots", "a", "1", &[r#"{"count":2}"#]).result.expect("bots");
        game.pass(15_000);
        let players = game.snapshot("a")["players"].take();
        let mut places = ["bot:1", "bot:2"].map(|id| players[id]["x"].as_f64().expect("x"));
        places.sort_by(f64::total_cmp);
        assert_eq!(places, [100.0, 900.0]);
    });
}

#[test]
fn bots_go_for_gems_and_leave_when_nobody_is_connected() {
    Game::each(|game| {
        enter(game, &["1"]);
        game.ok("play_arena", "a", "1", &[]);
        game.call("add_bots", "a", "1", &[r#"{"count":2}"#]).result.expect("bots");
        let events = game.pass(60_000);
        assert!(of(&events, "gem_taken").iter().any(|taken| taken["user_id"] != "1"), "they score");
        game.event("on_disconnect", "a", "1", &["a"]);
        assert_eq!(of(&game.pass(1000), "player_left").len(), 2);
        assert_eq!(game.pending(), 0);
        assert_eq!(game.lobbies(&[])["lobbies"][0]["members"], 0);
        assert_eq!(game.snapshot("a")["players"], json!({}));
    });
}
