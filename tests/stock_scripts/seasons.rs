//! Seasons of rankings, and their archive.

use serde_json::{Value, json};

use super::{Game, START_MS};

const DAY_MS: u64 = 86_400_000;

impl Game {
    fn start_season(&mut self, name: &str, board: &str, ends_at: u64) {
        self.ok(
            "start_season",
            "any",
            "boss",
            &[&json!({ "name": name, "board": board, "ends_at": ends_at }).to_string()],
        );
    }

    fn points(&mut self, board: &str, user: &str, score: i64) {
        let noted = json!({ "board": board, "user_id": user, "username": format!("name of {user}"), "score": score, "keep": "sum" });
        self.tell(None, "add_score", &noted);
    }

    fn season_now(&mut self, board: &str) -> Value {
        let text = self.ok("ranking", "any", "a", &[board, r#"{"period":"season"}"#]);
        serde_json::from_str(text.as_str().expect("JSON text")).expect("valid JSON")
    }
}

#[test]
fn a_season_counts_ends_and_is_archived() {
    Game::each(|game| {
        game.points("arena", "a", 100);
        game.fails("ranking", "any", "a", &["arena", r#"{"period":"season"}"#], "not_found");
        let ends_at = START_MS + 70 * DAY_MS;
        game.start_season("autumn", "arena", ends_at);
        for (user, score) in [("a", 5), ("b", 9), ("c", 5), ("guest:x", 3)] {
            game.points("arena", user, score);
            game.store.advance(1);
        }
        let change = json!({ "old_id": "guest:x", "new_id": "d", "username": "dora" });
        game.tell(None, "hand_over_scores", &change);
        let now = game.season_now("arena");
        assert_eq!((&now["players"], &now["ends_at"]), (&json!(4), &json!(ends_at)));
        assert_eq!((&now["entries"][0]["user_id"], &now["me"]["rank"]), (&json!("b"), &json!(2)));
        game.refuses("season", "a", &json!({ "name": "autumn" }), "not_found");

        // A day before its end it is still there, whatever was cleaned up meanwhile.
        game.pass(69 * DAY_MS);
        assert_eq!(game.season_now("arena")["players"], 4);
        game.pass(DAY_MS);
        game.fails("ranking", "any", "a", &["arena", r#"{"period":"season"}"#], "not_found");
        let entry = |rank: u64, user: &str, name: &str, score: i64| json!({ "rank": rank, "user_id": user, "username": name, "score": score });
        let archived = game.json("season", "c", &json!({ "name": "autumn" }));
        let expected = json!({
            "name": "autumn", "board": "arena", "started_at": START_MS, "ended_at": ends_at, "players": 4,
            "entries": [entry(1, "b", "name of b", 9), entry(2, "a", "name of a", 5), entry(2, "c", "name of c", 5), entry(4, "d", "dora", 3)],
            "me": entry(2, "c", "name of c", 5),
        });
        assert_eq!(archived, expected);
        assert_eq!(game.document("season/autumn").expect("kept").1, None, "it is nobody's");
        assert_eq!(
            game.store.command(&["ZCARD", "rankings"]),
            4,
            "the season's ranking is gone, the one for ever is not"
        );

        game.start_season("winter", "arena", START_MS + 71 * DAY_MS);
        assert_eq!(game.season_now("arena")["players"], 0, "the next one begins with nothing");
        game.pass(2 * DAY_MS);
        assert_eq!(game.json("season", "a", &json!({ "name": "winter" }))["entries"], json!([]));
        assert_eq!(game.pending(), 0, "nothing more to take out");
    });
}

#[test]
fn a_long_season_keeps_its_first_500() {
    Game::each(|game| {
        game.start_season("big", "arena", START_MS + 1000);
        for n in 0..510 {
            game.points("arena", &format!("u{n:03}"), n);
        }
        game.pass(1000);
        let archived = game.json("season", "u509", &json!({ "name": "big" }));
        let entries = archived["entries"].as_array().expect("array");
        assert_eq!(
            (entries.len(), &archived["players"], &archived["me"]["rank"]),
            (500, &json!(510), &json!(1))
        );
        assert_eq!(entries[499]["user_id"], "u010");
    });
}

#[test]
fn seasons_do_not_mix() {
    Game::each(|game| {
        let start = |name: Value, board: Value, ends_at: Value| json!({ "name": name, "board": board, "ends_at": ends_at });
        let later = json!(START_MS + DAY_MS);
        for wrong in [
            start(json!("A"), json!("arena"), later.clone()),
            start(json!(5), json!("arena"), later.clone()),
            start(json!("s"), json!(""), later.clone()),
            start(json!("s"), json!("a:b"), later.clone()),
            start(json!("s"), json!("arena"), json!(START_MS)),
            start(json!("s"), json!("arena"), json!("later")),
            start(json!("s"), json!("arena"), json!(START_MS * 2)),
            json!(null),
        ] {
            game.refuses("start_season", "boss", &wrong, "bad_request");
        }
        game.start_season("s1", "arena", START_MS + DAY_MS);
        game.refuses("start_season", "boss", &start(json!("s2"), json!("arena"), later.clone()), "conflict");
        game.refuses("start_season", "boss", &start(json!("s1"), json!("duel"), later.clone()), "conflict");
        // Its end is moved, and the old one does nothing.
        game.start_season("s1", "arena", START_MS + 2 * DAY_MS);
        game.pass(DAY_MS);
        game.points("arena", "a", 1);
        assert_eq!(game.season_now("arena")["players"], 1);
        game.pass(DAY_MS);
        game.refuses(
            "start_season",
            "boss",
            &start(json!("s1"), json!("arena"), json!(START_MS + 9 * DAY_MS)),
            "conflict",
        );
    });
}
