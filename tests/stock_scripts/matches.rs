//! Quick match.

use serde_json::{Value, json};

use super::Game;

impl Game {
    fn quick(&mut self, user: &str, args: &[&str]) -> Value {
        let text = self.ok("quick_match", "any", user, args);
        serde_json::from_str(text.as_str().expect("JSON text")).expect("valid JSON")
    }

    fn status(&mut self, user: &str) -> String {
        self.quick(user, &["status"])["status"].as_str().expect("status").to_owned()
    }

    /// Lets time pass, while all of these ask how it stands.
    fn wait(&mut self, users: &[&str], ms: u64) {
        for _ in 0..ms / 500 {
            self.pass(500);
            for user in users {
                self.quick(user, &["status"]);
            }
        }
    }
}

/// Nothing is kept of anybody.
fn assert_nothing_left(game: &mut Game) {
    game.pass(120_000);
    for key in ["match:tickets", "match:queue", "match:users", "match:made", "match:ends", "match:timer"] {
        assert_eq!(game.store.command(&["EXISTS", key]), 0, "{key}");
    }
    assert_eq!(game.pending(), 0);
}

#[test]
fn two_who_want_the_same_get_a_room() {
    Game::each(|game| {
        assert_eq!(game.quick("1", &["status"]), json!({ "status": "none" }));
        let ticket = game.quick("1", &["enter"]);
        assert_eq!(
            (&ticket["status"], &ticket["size"], &ticket["label"]),
            (&json!("waiting"), &json!(2), &json!("any"))
        );
        game.quick("2", &["enter", r#"{"label":"duel"}"#]);
        game.quick("3", &["enter", r#"{"size":3}"#]);
        game.wait(&["1", "2", "3"], 2000);
        assert_eq!(game.status("1"), "waiting", "nobody wants the same");

        game.quick("4", &["enter", "{}"]);
        game.wait(&["1", "4"], 500);
        let (one, other) = (game.quick("1", &["status"]), game.quick("4", &["status"]));
        assert_eq!((&one["status"], &one["room"]), (&json!("found"), &other["room"]), "{other}");
        let room = one["room"].as_str().expect("room").strip_prefix("game:").expect("game:").to_owned();
        let snapshot = game.snapshot(&room);
        assert_eq!(
            (&snapshot["capacity"], snapshot["players"].as_object().map(|players| players.len())),
            (&json!(2), Some(2))
        );
        assert_eq!(game.fails("on_connect", &room, "5", &[&room], "conflict").message, "Lobby is full");
        game.event("on_connect", &room, "1", &[&room]);
        assert_eq!(game.lobbies(&[])["lobbies"], json!([]), "it is nobody else's");
        // A new match may begin while the other one is played.
        game.quick("1", &["enter"]);
        game.quick("1", &["cancel"]);
        assert_eq!(game.status("4"), "found");
        assert_nothing_left(game);
    });
}

#[test]
fn a_few_are_enough_after_a_while() {
    Game::each(|game| {
        for user in ["1", "2", "3"] {
            game.quick(user, &["enter", r#"{"size":8,"min":3}"#]);
        }
        game.quick("9", &["enter", r#"{"size":8,"min":5}"#]);
        game.wait(&["1", "2", "3", "9"], 9500);
        assert_eq!(game.status("1"), "waiting");
        game.wait(&["1", "2", "3", "9"], 1000);
        assert_eq!(game.status("1"), "waiting", "five are asked for by one of them");
        game.quick("9", &["cancel"]);
        game.wait(&["1", "2", "3"], 1000);
        for user in ["1", "2", "3"] {
            assert_eq!(game.status(user), "found");
        }
        assert_nothing_left(game);
    });
}

#[test]
fn bots_have_the_seats_of_who_is_missing() {
    Game::each(|game| {
        let room_of = |ticket: Value| {
            let room = ticket["room"].as_str().expect("room").strip_prefix("game:").expect("game:");
            room.to_owned()
        };
        let count =
            |events: &[Value], kind: &str| events.iter().filter(|event| event["type"] == kind).count();
        game.quick("1", &["enter", r#"{"size":4,"bots":true}"#]);
        game.quick("2", &["enter", r#"{"size":4}"#]);
        game.wait(&["1", "2"], 9500);
        assert_eq!(game.status("1"), "waiting", "players go before bots");
        game.wait(&["1", "2"], 1500);
        let room = room_of(game.quick("1", &["status"]));
        assert_eq!(game.status("2"), "waiting", "for players alone");
        assert_eq!(game.snapshot(&room)["players"].as_object().map(|players| players.len()), Some(4));
        assert_eq!(count(&game.pass(5000), "player_moved"), 0, "nobody is there yet");
        game.event("on_connect", &room, "1", &[&room]);
        assert!(count(&game.pass(1000), "player_moved") >= 9);
        game.event("on_disconnect", &room, "1", &[&room]);
        assert_eq!(count(&game.pass(1000), "player_left"), 3);

        // Nobody comes.
        game.quick("1", &["enter", r#"{"size":4,"bots":true,"ready":true}"#]);
        game.wait(&["1", "2"], 10_500);
        game.quick("1", &["accept"]);
        game.wait(&["1", "2"], 1500);
        let room = room_of(game.quick("1", &["status"]));
        assert_eq!(game.snapshot(&room)["players"].as_object().map(|players| players.len()), Some(4));
        game.pass(31_000);
        assert_eq!(game.store.command(&["EXISTS", &format!("game:{room}:bots")]), 0);
        game.quick("2", &["cancel"]);
        assert_nothing_left(game);
    });
}

#[test]
fn skills_meet_that_are_near_and_with_time_others() {
    Game::each(|game| {
        game.quick("1", &["enter", r#"{"skill":1000}"#]);
        game.quick("2", &["enter", r#"{"skill":1200}"#]);
        game.quick("3", &["enter", r#"{"skill":2000}"#]);
        game.wait(&["1", "2", "3"], 5500);
        assert_eq!(game.status("1"), "waiting");
        game.wait(&["1", "2", "3"], 1500);
        assert_eq!(
            (game.status("1"), game.status("2"), game.status("3")),
            ("found".into(), "found".into(), "waiting".into())
        );
        // Who has waited long does not force a newcomer.
        game.quick("4", &["enter", r#"{"skill":1000}"#]);
        game.wait(&["3", "4"], 20_000);
        assert_eq!(game.status("4"), "waiting");
        game.wait(&["3", "4"], 20_000);
        assert_eq!((game.status("3"), game.status("4")), ("found".into(), "found".into()));
        assert_nothing_left(game);
    });
}

#[test]
fn a_party_stays_together() {
    Game::each(|game| {
        let party = game.quick("1", &["enter", r#"{"size":4,"party":2}"#]);
        assert_eq!((&party["status"], &party["places"]), (&json!("party"), &json!(1)));
        let ticket = party["ticket"].as_str().expect("ticket").to_owned();
        game.fails("quick_match", "any", "2", &["party", "0123456789abcdef"], "not_found");
        game.fails("quick_match", "any", "1", &["party", &ticket], "conflict");
        assert_eq!(game.quick("2", &["party", &ticket])["status"], "waiting");
        game.fails("quick_match", "any", "3", &["party", &ticket], "not_found");
        for user in ["3", "4"] {
            game.quick(user, &["enter", r#"{"size":4}"#]);
        }
        game.pass(1);
        let three = game.quick("5", &["enter", r#"{"size":4,"party":3}"#])["ticket"]
            .as_str()
            .expect("ticket")
            .to_owned();
        game.quick("6", &["party", &three]);
        game.quick("7", &["party", &three]);
        game.wait(&["1", "2", "3", "4", "5", "6", "7"], 500);
        let room = game.quick("1", &["status"])["room"].clone();
        assert!(room.is_string());
        for user in ["2", "3", "4"] {
            assert_eq!(game.quick(user, &["status"])["room"], room, "{user}");
        }
        assert_eq!(game.status("6"), "waiting", "three and two are more than four");
        game.quick("6", &["cancel"]);
        for user in ["5", "6", "7"] {
            assert_eq!(game.status(user), "none", "a party ends together");
        }
        assert_nothing_left(game);
    });
}

#[test]
fn all_have_to_be_ready() {
    Game::each(|game| {
        let enter = |game: &mut Game| {
            for user in ["1", "2", "3"] {
                game.quick(user, &["enter", r#"{"size":3,"ready":true}"#]);
            }
            game.wait(&["1", "2", "3"], 500);
        };
        enter(game);
        game.fails("quick_match", "any", "9", &["accept"], "conflict");
        game.quick("1", &["accept"]);
        let seen = game.quick("1", &["accept"]);
        assert_eq!(
            (&seen["status"], &seen["accepted"]),
            (&json!("ready"), &json!(1)),
            "once is enough: {seen}"
        );
        game.quick("2", &["accept"]);
        game.wait(&["1", "2", "3"], 10_500);
        assert_eq!(
            (game.status("1"), game.status("2"), game.status("3")),
            ("waiting".into(), "waiting".into(), "none".into())
        );

        // They wait on, and get another.
        game.quick("3", &["enter", r#"{"size":3,"ready":true}"#]);
        game.wait(&["1", "2", "3"], 500);
        for user in ["1", "2", "3"] {
            assert_eq!(game.status(user), "ready", "{user}");
            game.quick(user, &["accept"]);
        }
        game.wait(&["1", "2", "3"], 500);
        assert_eq!(game.status("2"), "found");
        for user in ["1", "2", "3"] {
            game.fails("quick_match", "any", user, &["cancel"], "conflict");
        }

        // One who takes it back lets the others wait on at once.
        enter(game);
        game.quick("1", &["cancel"]);
        game.wait(&["2", "3"], 500);
        assert_eq!(
            (game.status("1"), game.status("2"), game.status("3")),
            ("none".into(), "waiting".into(), "waiting".into())
        );
        assert_nothing_left(game);
    });
}

#[test]
fn who_does_not_ask_waits_no_longer() {
    Game::each(|game| {
        game.quick("1", &["enter"]);
        game.pass(29_000);
        assert_eq!(game.status("1"), "waiting");
        game.pass(31_000);
        assert_eq!(game.status("1"), "none");
        assert_nothing_left(game);
    });
}

#[test]
fn hundreds_wait_and_all_are_matched() {
    Game::each(|game| {
        let users: Vec<String> = (0..600).map(|n| format!("u{n}")).collect();
        for (n, user) in users.iter().enumerate() {
            let request = format!(r#"{{"label":"{}","size":4}}"#, ["duel", "race", "quiz"][n % 3]);
            game.quick(user, &["enter", &request]);
        }
        game.pass(4000);
        for user in &users {
            assert_eq!(game.status(user), "found", "{user}");
        }
        assert_nothing_left(game);
    });
}

#[test]
fn wrong_requests_are_refused() {
    Game::each(|game| {
        let requests = [
            "1",
            "{",
            "\"\"",
            r#"{"label":"A"}"#,
            r#"{"label":""}"#,
            r#"{"label":"a:b"}"#,
            r#"{"label":1}"#,
            r#"{"size":1}"#,
            r#"{"size":65}"#,
            r#"{"size":"2"}"#,
            r#"{"size":2.5}"#,
            r#"{"min":0}"#,
            r#"{"min":3}"#,
            r#"{"skill":"a"}"#,
            r#"{"skill":1e7}"#,
            r#"{"skill":NaN}"#,
            r#"{"party":3}"#,
            r#"{"party":0}"#,
            r#"{"ready":1}"#,
            r#"{"bots":1}"#,
        ];
        for request in requests {
            game.fails("quick_match", "any", "1", &["enter", request], "bad_request");
        }
        for args in [&[][..], &["wait"]] {
            game.fails("quick_match", "any", "1", args, "bad_request");
        }
        game.fails("quick_match", "any", "1", &["party"], "not_found");
        game.quick("1", &["enter"]);
        game.fails("quick_match", "any", "1", &["enter"], "conflict");
        game.quick("1", &["cancel"]);
        assert_eq!(game.quick("1", &["cancel"]), json!({ "status": "none" }));
        assert_nothing_left(game);
    });
}
