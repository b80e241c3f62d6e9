//! Rankings over all rooms.

use serde_json::{Value, json};

use super::{Game, START_MS};

const DAY_MS: u64 = 86_400_000;

impl Game {
    fn score(&mut self, board: &str, user: &str, score: i64, keep: &str) {
        let noted = json!({ "board": board, "user_id": user, "username": format!("name of {user}"), "score": score, "keep": keep });
        self.tell(None, "add_score", &noted);
    }

    fn ranking(&mut self, user: &str, args: &[&str]) -> Value {
        let text = self.ok("ranking", "any", user, args);
        serde_json::from_str(text.as_str().expect("JSON text")).expect("valid JSON")
    }
}

fn rows(ranking: &Value) -> Vec<(i64, &str, i64)> {
    let entries = ranking["entries"].as_array().expect("array");
    let number = |entry: &Value, field: &str| entry[field].as_i64().expect("integer");
    let row = |entry: &Value| (number(entry, "rank"), number(entry, "score"));
    let user = |entry| Value::as_str(entry).expect("id");
    entries.iter().map(|entry| (row(entry).0, user(&entry["user_id"]), row(entry).1)).collect()
}

#[test]
fn the_best_come_first_and_ties_share_a_rank() {
    Game::each(|game| {
        for (user, score) in [("a", 10), ("b", 30), ("c", 20), ("d", 30), ("e", -5)] {
            game.score("arena", user, score, "best");
            game.store.advance(1);
        }
        game.score("other", "z", 1000, "best");
        let ranking = game.ranking("c", &["arena"]);
        assert_eq!(rows(&ranking), [(1, "b", 30), (1, "d", 30), (3, "c", 20), (4, "a", 10), (5, "e", -5)]);
        assert_eq!(ranking["me"], json!({ "rank": 3, "user_id": "c", "username": "name of c", "score": 20 }));
        assert_eq!(
            (&ranking["players"], &ranking["cursor"], &ranking["ends_at"]),
            (&json!(5), &Value::Null, &Value::Null)
        );
        assert_eq!(game.ranking("x", &["arena"])["me"], Value::Null);
        assert_eq!(rows(&game.ranking("x", &["none"])), []);

        // Who had as many points first stays in front.
        game.score("arena", "c", 30, "best");
        assert_eq!(rows(&game.ranking("c", &["arena"]))[..3], [(1, "b", 30), (1, "d", 30), (1, "c", 30)]);
        game.score("arena", "b", 30, "best");
        game.score("arena", "d", 12, "best");
        assert_eq!(rows(&game.ranking("c", &["arena"]))[..3], [(1, "b", 30), (1, "d", 30), (1, "c", 30)]);
    });
}

#[test]
fn best_sum_and_last() {
    Game::each(|game| {
        for score in [5, 9, 7] {
            for keep in ["best", "sum", "last"] {
                game.score(keep, "a", score, keep);
            }
        }
        for (board, score) in [("best", 9), ("sum", 21), ("last", 7)] {
            let ranking = game.ranking("a", &[board]);
            assert_eq!((rows(&ranking), &ranking["players"]), (vec![(1, "a", score)], &json!(1)), "{board}");
        }
        let most = 1_000_000_000_000_000;
        game.score("sum", "b", most, "sum");
        game.score("sum", "b", most, "sum");
        game.score("sum", "c", -most, "sum");
        assert_eq!(rows(&game.ranking("a", &["sum"])), [(1, "b", most), (2, "a", 21), (3, "c", -most)]);
    });
}

#[test]
fn pages_and_around_me() {
    Game::each(|game| {
        for n in 0..25 {
            game.score("arena", &format!("u{n:02}"), 100 - n / 2, "best");
            game.store.advance(1);
        }
        let all: Vec<String> = (0..25).map(|n| format!("u{n:02}")).collect();
        let (mut cursor, mut seen, mut ranks) = (Value::Null, Vec::new(), Vec::new());
        for _ in 0..3 {
            let options = json!({ "limit": 9, "cursor": cursor }).to_string();
            let mut page = game.ranking("u00", &["arena", &options]);
            seen.extend(rows(&page).iter().map(|row| row.1.to_owned()));
            ranks.extend(rows(&page).iter().map(|row| row.0));
            cursor = page["cursor"].take();
        }
        assert_eq!((seen, cursor), (all, Value::Null));
        let wanted: Vec<i64> = (0..25).map(|n| n / 2 * 2 + 1).collect();
        assert_eq!(ranks, wanted, "over the ends of pages, too");

        let around = |game: &mut Game, user: &str| {
            let ranking = game.ranking(user, &["arena", r#"{"around":true,"limit":5}"#]);
            rows(&ranking).iter().map(|row| row.1.to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(around(game, "u12"), ["u10", "u11", "u12", "u13", "u14"]);
        assert_eq!(around(game, "u01"), ["u00", "u01", "u02", "u03", "u04"]);
        assert_eq!(around(game, "u24"), ["u22", "u23", "u24"]);
        assert_eq!(around(game, "nobody"), ["u00", "u01", "u02", "u03", "u04"]);
    });
}

#[test]
fn days_and_weeks_end_by_a_timer() {
    Game::each(|game| {
        // START_MS is a Tuesday.
        game.score("arena", "a", 10, "best");
        for period in ["all", "week", "day"] {
            let ranking = game.ranking("a", &["arena", &format!(r#"{{"period":"{period}"}}"#)]);
            assert_eq!(rows(&ranking), [(1, "a", 10)], "{period}");
        }
        let day = START_MS / DAY_MS;
        let ends = game.ranking("a", &["arena", r#"{"period":"day"}"#])["ends_at"].clone();
        assert_eq!(ends, json!((day + 1) * DAY_MS));
        let week_ends =
            game.ranking("a", &["arena", r#"{"period":"week"}"#])["ends_at"].as_u64().expect("ms");
        assert_eq!((week_ends / DAY_MS + 3) % 7, 0, "at the beginning of a Monday");

        assert_eq!(game.pending(), 1);
        game.pass(DAY_MS);
        let left = |game: &mut Game| {
            (game.store.command(&["ZCARD", "rankings"]), game.store.command(&["HLEN", "rankings:members"]))
        };
        assert_eq!(left(game), (json!(2), json!(2)), "the day's is gone");
        game.score("arena", "b", 3, "best");
        assert_eq!(rows(&game.ranking("a", &["arena", r#"{"period":"day"}"#])), [(1, "b", 3)]);
        assert_eq!(rows(&game.ranking("a", &["arena", r#"{"period":"week"}"#])), [(1, "a", 10), (2, "b", 3)]);
        game.pass(7 * DAY_MS);
        assert_eq!(left(game), (json!(2), json!(2)), "what is for ever stays");
        assert_eq!(game.pending(), 0, "nothing more to take out");
        assert_eq!(rows(&game.ranking("a", &["arena"])), [(1, "a", 10), (2, "b", 3)]);
    });
}

#[test]
fn many_that_end_go_in_parts() {
    Game::each(|game| {
        for n in 0..1200 {
            game.score(&format!("b{}", n % 3), &format!("u{n}"), n, "best");
        }
        game.pass(8 * DAY_MS);
        assert_eq!(game.store.command(&["ZCARD", "rankings"]), 1200);
        assert_eq!(game.store.command(&["HLEN", "rankings:members"]), 1200);
    });
}

#[test]
fn a_guest_keeps_its_scores_as_a_player() {
    Game::each(|game| {
        game.score("arena", "guest:x", 40, "best");
        game.score("duel", "guest:x", 4, "best");
        game.score("arena", "7", 50, "best");
        game.score("duel", "7", 2, "best");
        let change = json!({ "old_id": "guest:x", "new_id": "7", "username": "ada" });
        for _ in 0..2 {
            game.tell(None, "hand_over_scores", &change);
            assert_eq!(rows(&game.ranking("7", &["arena"])), [(1, "7", 50)]);
            let duel = game.ranking("7", &["duel"]);
            assert_eq!((rows(&duel), &duel["me"]["username"]), (vec![(1, "7", 4)], &json!("ada")));
        }
        assert_eq!(game.store.command(&["HLEN", "rankings:boards"]), 1);
    });
}

#[test]
fn wrong_scores_and_questions_are_refused() {
    Game::each(|game| {
        let good = json!({ "board": "arena", "user_id": "a", "username": "a", "score": 1 });
        let wrong = [
            ("board", json!("")),
            ("board", json!("A")),
            ("board", json!("a:b")),
            ("board", json!("x".repeat(33))),
            ("board", json!(1)),
            ("user_id", json!("")),
            ("user_id", json!(7)),
            ("username", json!(null)),
            ("score", json!(1.5)),
            ("score", json!("1")),
            ("score", json!(1e16)),
            ("score", json!(null)),
            ("keep", json!("most")),
        ];
        for (field, value) in wrong {
            let mut noted = good.clone();
            noted[field] = value;
            let failure = game.message(None, "add_score", &noted).result.expect_err(field);
            assert_eq!(failure.code, "bad_request", "{noted}");
        }
        let questions: [&[&str]; 12] = [
            &[],
            &[""],
            &["A"],
            &["a:b"],
            &["arena", "1"],
            &["arena", "{"],
            &["arena", r#"{"period":"year"}"#],
            &["arena", r#"{"limit":0}"#],
            &["arena", r#"{"limit":101}"#],
            &["arena", r#"{"limit":"5"}"#],
            &["arena", r#"{"cursor":"5"}"#],
            &["arena", r#"{"cursor":5}"#],
        ];
        for args in questions {
            game.fails("ranking", "any", "a", args, "bad_request");
        }
    });
}
