//! How lobbies are found.

use serde_json::{Value, json};

use super::Game;

const DUEL: &str = r#"{"labels":{"mode":"duel","map":"ice","rounds":3}}"#;

fn ids(page: &Value) -> Vec<&str> {
    page["lobbies"].as_array().expect("array").iter().map(|lobby| lobby["id"].as_str().expect("id")).collect()
}

#[test]
fn lobbies_are_found_by_their_labels_and_free_seats() {
    Game::each(|game| {
        game.ok("create_lobby", "duel", "1", &["2", DUEL]);
        game.ok("create_lobby", "quiz", "2", &["9", r#"{"labels":{"mode":"quiz"}}"#]);
        game.ok("create_lobby", "plain", "3", &[]);
        game.ok("create_lobby", "secret", "3", &["4", r#"{"public":false,"labels":{"mode":"duel"}}"#]);
        let mut all = game.lobbies(&["20"]);
        assert_eq!(all["lobbies"].as_array().map(Vec::len), Some(3), "{all}");
        all["lobbies"].as_array_mut().expect("array").sort_by_key(|lobby| lobby["id"].to_string());
        assert_eq!(
            all["lobbies"][0]["labels"],
            json!({ "mode": "duel", "map": "ice", "rounds": 3 }),
            "{all}"
        );
        assert!(all["lobbies"][1].get("labels").is_none());

        let cases: [(&str, &[&str]); 8] = [
            (r#"{"labels":{"mode":"duel"}}"#, &["game:duel"]),
            (r#"{"labels":{"mode":"duel","rounds":3}}"#, &["game:duel"]),
            (r#"{"labels":{"mode":"duel","rounds":"3"}}"#, &[]),
            (r#"{"labels":{"mode":"chess"}}"#, &[]),
            (r#"{"labels":{"mode":"quiz"},"free":true}"#, &["game:quiz"]),
            (r#"{"labels":[1]}"#, &[]),
            (r#"{"labels":{},"free":false}"#, &["game:plain", "game:quiz", "game:duel"]),
            ("null", &["game:plain", "game:quiz", "game:duel"]),
        ];
        for (filter, wanted) in cases {
            let mut found = game.lobbies(&["20", "null", filter]);
            let found = found["lobbies"].take();
            let mut found =
                ids(&json!({ "lobbies": found })).into_iter().map(str::to_owned).collect::<Vec<_>>();
            let mut wanted = wanted.to_vec();
            found.sort_unstable();
            wanted.sort_unstable();
            assert_eq!(found, wanted, "{filter}");
        }
        game.ok("join_lobby", "duel", "4", &[]);
        let full = game.lobbies(&["20", "null", r#"{"labels":{"mode":"duel"},"free":true}"#]);
        assert_eq!((ids(&full), &full["cursor"]), (vec![], &Value::Null));
    });
}

#[test]
fn a_page_with_a_filter_goes_on_where_it_ended() {
    Game::each(|game| {
        for n in 0..30 {
            let labels = format!(r#"{{"labels":{{"odd":{}}}}}"#, n % 2 == 1);
            game.ok("create_lobby", &format!("r{n:02}"), &format!("{n}"), &["4", &labels]);
            game.store.advance(1);
        }
        let (mut cursor, mut found) = ("null".to_owned(), Vec::new());
        for _ in 0..4 {
            let page = game.lobbies(&["4", &cursor, r#"{"labels":{"odd":true}}"#]);
            found.extend(ids(&page).into_iter().map(str::to_owned));
            match page["cursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        let wanted: Vec<String> = (0..15).rev().map(|n| format!("game:r{:02}", 2 * n + 1)).collect();
        assert_eq!(found, wanted);
    });
}

#[test]
fn a_private_lobby_counts_and_ends_like_any() {
    Game::each(|game| {
        for n in 0..16 {
            game.ok("create_lobby", &format!("r{n}"), "1", &["4", r#"{"public":false}"#]);
        }
        game.fails("create_lobby", "more", "1", &[], "conflict");
        assert_eq!(ids(&game.lobbies(&[])), Vec::<&str>::new());
        game.store.advance(3_600_000);
        game.ok("create_lobby", "more", "1", &["4", DUEL]);
        game.store.advance(3_600_000);
        game.lobbies(&[]);
        for index in ["lobbies:info", "lobbies:owned", "lobbies:labels"] {
            assert_eq!(game.store.command(&["HLEN", index]), 0, "{index}");
        }
        assert_eq!(game.store.command(&["ZCARD", "lobbies:by_owner"]), 0);
    });
}

/// Makes a lobby, and leaves it as who closes the page does.
fn visit(game: &mut Game, room: &str, user: &str) {
    game.ok("create_lobby", room, user, &["4", DUEL]);
    game.event("on_connect", room, user, &[room]);
    game.store.advance(1);
    game.event("on_disconnect", room, user, &[room]);
}

fn owned(game: &mut Game, user: &str) -> Value {
    game.store.command(&["HGET", "lobbies:owned", user])
}

#[test]
fn lobbies_left_by_closing_sockets_make_place_for_new_ones() {
    Game::each(|game| {
        // One that begins with the same digit has nothing to do with it.
        visit(game, "other", "11");
        for n in 0..100 {
            visit(game, &format!("r{n}"), "1");
            game.pass(0);
        }
        assert_eq!(owned(game, "1"), "16");
        let exist = |game: &mut Game, n| game.store.command(&["EXISTS", &format!("game:r{n}")]) == 1;
        let left: Vec<u32> = (0..100).filter(|n| exist(game, *n)).collect();
        assert_eq!(left, (84..100).collect::<Vec<_>>(), "those left last can be come back to");
        assert_eq!(game.store.command(&["EXISTS", "game:r0:places", "game:r0:players", "game:r0:names"]), 0);
        assert_eq!(game.lobbies(&["100"])["lobbies"].as_array().map(Vec::len), Some(17));
        // Who has come back has its place, and the next one makes way.
        game.event("on_connect", "r84", "1", &["r84"]);
        game.ok("create_lobby", "new", "1", &[]);
        game.pass(0);
        assert_eq!((exist(game, 84), exist(game, 85)), (true, false));
        assert_eq!(owned(game, "11"), "1");
    });
}

#[test]
fn lobbies_that_nobody_came_to_make_place_after_half_a_minute() {
    Game::each(|game| {
        for n in 0..16 {
            game.ok("create_lobby", &format!("r{n}"), "1", &[]);
        }
        game.store.advance(29_999);
        game.fails("create_lobby", "more", "1", &[], "conflict");
        game.ok("join_lobby", "r0", "2", &[]);
        game.store.advance(1);
        game.ok("create_lobby", "more", "1", &[]);
        game.pass(0);
        assert_eq!(game.store.command(&["EXISTS", "game:r0"]), 1, "somebody has a seat in it");
        assert_eq!(game.lobbies(&["100"])["lobbies"].as_array().map(Vec::len), Some(16));
    });
}

#[test]
fn who_comes_back_to_a_lobby_that_is_to_end_keeps_it() {
    Game::each(|game| {
        for n in 0..16 {
            visit(game, &format!("r{n}"), "1");
        }
        game.ok("create_lobby", "more", "1", &[]);
        game.event("on_connect", "r0", "1", &["r0"]);
        game.pass(0);
        assert_eq!(owned(game, "1"), "17", "it counts again");
        let page = game.lobbies(&["100", "null", r#"{"labels":{"mode":"duel"}}"#]);
        assert!(ids(&page).contains(&"game:r0"), "{page}");
        // The same message twice, or too late, does nothing.
        game.tell(Some("r0"), "end_lobby", &Value::Null);
        game.tell(Some("gone"), "end_lobby", &Value::Null);
        assert_eq!((owned(game, "1"), game.store.command(&["EXISTS", "game:r0"])), (json!("17"), json!(1)));
        // What is above the bound goes before another is made.
        game.event("on_disconnect", "r0", "1", &["r0"]);
        game.ok("create_lobby", "again", "1", &[]);
        game.pass(0);
        assert_eq!(owned(game, "1"), "16");
    });
}

#[test]
fn wrong_labels_and_filters_are_refused() {
    Game::each(|game| {
        let nine: Vec<String> = (0..9).map(|n| format!(r#""l{n}":1"#)).collect();
        let settings = [
            r#"{"labels":1}"#.to_owned(),
            r#"{"labels":[1]}"#.to_owned(),
            r#"{"labels":null}"#.to_owned(),
            r#"{"labels":{"Mode":1}}"#.to_owned(),
            r#"{"labels":{"":1}}"#.to_owned(),
            r#"{"labels":{"mode":{}}}"#.to_owned(),
            r#"{"labels":{"mode":null}}"#.to_owned(),
            r#"{"labels":{"mode":NaN}}"#.to_owned(),
            format!(r#"{{"labels":{{"mode":"{}"}}}}"#, "x".repeat(65)),
            format!(r#"{{"labels":{{"{}":1}}}}"#, "x".repeat(33)),
            format!(r#"{{"labels":{{{}}}}}"#, nine.join(",")),
            r#"{"public":1}"#.to_owned(),
        ];
        for settings in &settings {
            game.fails("create_lobby", "a", "1", &["4", settings], "bad_request");
        }
        for filter in
            ["1", "{", "\"\"", r#"{"mode":1}"#, r#"{"labels":1}"#, r#"{"free":1}"#, r#"{"free":null}"#]
        {
            game.fails("list_lobbies", "any", "1", &["4", "null", filter], "bad_request");
        }
    });
}
